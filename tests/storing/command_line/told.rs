//! What is told of mails that were stored, and of what was not.

use std::{
    fs,
    io::{Read, Write},
    process::{Command, Stdio},
};

use crate::support::program::{Running, TestMaildir, program, run, run_command};

/// 2026-11-25.
const BEGIN: i64 = 1_795_564_800;

/// A bare report of this reporter on example.org.
fn report(reporter: &str, begin: i64, records: u32) -> Vec<u8> {
    let record = |n: u32| {
        format!(
            "<record><row><source_ip>192.0.2.{n}</source_ip><count>2</count><policy_evaluated>\
             <disposition>none</disposition><dkim>pass</dkim><spf>fail</spf></policy_evaluated></row>\
             <identifiers><header_from>example.org</header_from></identifiers></record>"
        )
    };
    let records: String = (1..=records).map(record).collect();
    let end = begin + 86399;
    format!(
        "<?xml version=\"1.0\"?><feedback><report_metadata><org_name>{reporter}</org_name><email>d@r.example</email>\
         <report_id>{begin}</report_id><date_range><begin>{begin}</begin><end>{end}</end></date_range>\
         </report_metadata><policy_published><domain>example.org</domain><p>none</p></policy_published>\
         {records}</feedback>"
    )
    .into_bytes()
}

/// An SQLite file beside a Maildir, as an argument.
fn store(maildir: &TestMaildir) -> String {
    format!("--store={}", maildir.path().join("reports.sqlite").display())
}

#[test]
fn each_stored_mail_is_told_by_what_it_brought() {
    let maildir = TestMaildir::new();
    let once = |verbose: &[&str]| {
        maildir.deliver("mail", &report("google.com", BEGIN, 12));
        let path = maildir.path().to_str().expect("UTF-8").to_owned();
        let store = store(&maildir);
        run(["once", &store, &path].into_iter().chain(verbose.iter().copied())).log
    };
    let log = once(&["-v"]);
    assert!(
        log.contains("stored google.com → example.org, 12 records, 25 Nov 2026, out of "),
        "{log}"
    );
    let log = once(&["-v"]);
    assert!(
        log.contains(
            "stored google.com → example.org, 12 records, 25 Nov 2026 (nothing new), out of"
        ),
        "{log}"
    );
    let log = once(&[]);
    assert!(
        !log.contains("google.com")
            && log.contains("1 mail: 1 with reports (1 DMARC). Nothing new"),
        "{log}"
    );
}

#[test]
fn watch_says_what_it_stored() {
    let maildir = TestMaildir::new();
    let path = maildir.path().to_str().expect("UTF-8").to_owned();
    let running = Running::start(["watch", &store(&maildir), &path]);
    running.wait_for_log("watching");
    maildir.deliver("1", &report("google.com", BEGIN, 12));
    running.wait_for_log("stored google.com → example.org, 12 records, 25 Nov 2026\n");
    maildir.deliver("2", &report("evil\u{9b}31m\u{202e}", BEGIN, 1));
    running.wait_for_log("stored evil\u{fffd}31m\u{fffd} → example.org, 1 record, 25 Nov 2026\n");
    assert_eq!(running.stop().0, Some(0));
}

#[test]
fn import_says_why_reports_were_passed_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    for day in 0..2 {
        fs::write(path(&format!("{day}.xml")), report("google.com", BEGIN + day * 86400, 1))
            .expect("written");
    }
    let import = |flags: &[&str]| {
        let mut command = program(["import", &path("0.xml"), &path("1.xml")]);
        command.args(flags).env("STATE_DIRECTORY", path("state"));
        run_command(command).log
    };
    for (flags, expected) in [
        (&["--since=2030-01-01"][..], "Nothing new in FILE. 2 reports are older than --since."),
        (&["--until=2026-11-24"], "Nothing new in FILE. 2 reports are newer than --until."),
        (
            &["--since=2026-11-26", "--until=2026-11-26"],
            "1 report is outside of --since and --until.",
        ),
    ] {
        let log = import(flags);
        let expected = expected.replace("FILE", &path("state/reports.sqlite"));
        assert!(log.contains(&expected), "{flags:?}: {log}");
    }
    let log = import(&["-v"]);
    assert!(
        log.contains("stored google.com → example.org, 1 record, 25 Nov 2026, out of"),
        "{log}"
    );
}

/// On a terminal that `script` makes.
#[test]
fn ctrl_c_leaves_nothing_on_the_terminal() {
    let import =
        format!("{} import --ndjson /dev/null -", env!("CARGO_BIN_EXE_email-report-processor"));
    let mut child = Command::new("script")
        .args(["--quiet", "--command", &import, "/dev/null"])
        .env("ERP_CONFIG", "/dev/null")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script starts");
    let mut keys = child.stdin.take().expect("a pipe");
    let mut screen = child.stdout.take().expect("a pipe");
    let (mut shown, mut part) = (String::new(), [0; 4096]);
    loop {
        let read = screen.read(&mut part).expect("read");
        if read == 0 {
            break;
        }
        let had_bar = shown.contains("0 mails, 0 failed");
        shown.push_str(&String::from_utf8_lossy(&part[..read]));
        if !had_bar && shown.contains("0 mails, 0 failed") {
            keys.write_all(b"\x03").expect("typed");
        }
    }
    child.wait().expect("an end");
    assert!(
        shown.contains("stopped before the end, as asked") && !shown.contains("^C"),
        "{shown:?}"
    );
}

#[test]
fn mail_of_another_kind_is_told_without_guesses() {
    let maildir = TestMaildir::new();
    maildir.deliver("letter", b"From: shop@example.org\nSubject: Lunch?\n\nhello\n");
    let path = maildir.path().to_str().expect("UTF-8").to_owned();
    let log = run(["once", &store(&maildir), &path]).log;
    let expected = format!(
        "{path}/new/letter (\"Lunch?\" from shop@example.org) holds no report; moved to .failed\n"
    );
    assert!(log.contains(&expected), "{log}");
    let log = run(["import", &store(&maildir), &format!("{path}/.failed")]).log;
    assert!(
        log.contains("1 × holds no report") && log.contains("--errors FILE lists the mails\n"),
        "{log}"
    );
}

#[test]
fn the_own_store_is_named_where_another_is_empty() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    fs::write(path("mail.xml"), report("google.com", BEGIN, 1)).expect("written");
    let command = |arguments: &[&str]| {
        let mut command = program(arguments);
        command.env("XDG_DATA_HOME", path("data")).env_remove("STATE_DIRECTORY");
        run_command(command)
    };
    assert_eq!(command(&[&path("mail.xml")]).code, Some(0));
    let ended = command(&["report", "--store", &path("nosuch")]);
    let own = path("data/email-report-processor/reports.sqlite");
    let expected = format!("but there is another: email-report-processor report --store {own}");
    assert!(ended.code == Some(78) && ended.log.contains(&expected), "{}", ended.log);
}
