//! How it is told: exit codes, first lines, once, and what becomes of it when nobody takes it.

use std::{fs, path::Path, time::Duration};

use email_report_processor::demo::Year;
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde_json::Value;

use super::{Taker, deliver, flag, shown, store, year};
use crate::{
    daemon,
    support::{
        program::{Ended, Running, TestMaildir, program, run, run_command, wait_until},
        server::{OpenSearch, Shared},
    },
};

pub(super) static SERVER: Shared<OpenSearch> = Shared::new(|| OpenSearch::launch(&[]));

/// The week in which a key is broken, and one in which nothing happens.
const BROKEN: &str = "2026-05-20";
const QUIET: &str = "2026-06-03";

fn digest(sendmail: &Path, store: &Path, more: &[&str]) -> Ended {
    let fixed = ["digest", "--mail-to=ops@example.com", "--mail-to=Boss <boss@example.net>"];
    let files = [flag("--sendmail", sendmail), flag("--store", store)];
    run(fixed
        .iter()
        .map(|word| (*word).to_owned())
        .chain(files)
        .chain(more.iter().map(|word| (*word).to_owned())))
}

#[test]
fn exit_code_and_first_line_say_whether_something_needs_attention() {
    let taker = Taker::new();
    let store = year::store();
    let ended = digest(&taker.program(), store, &["--until", BROKEN]);
    assert_eq!(ended.code, Some(1), "{}", ended.log);
    let arguments = taker.file("arguments");
    assert_eq!(arguments, "-i\n-f\nops@example.com\n--\nboss@example.net\n", "the last one's");
    let (subject, text, page) = shown(taker.file("taken").as_bytes());
    assert_eq!(
        subject,
        "DMARC and TLS reports, 14 May 2026 to 20 May 2026: 1 thing needs attention"
    );
    assert_eq!(text.lines().next(), Some("1 thing needs attention."));
    assert!(text.contains("! example.net: ") && text.contains("192.0.2.0/24 fail"), "{text}");
    assert!(page.contains("<h1>1 thing needs attention.</h1>"), "{page}");

    let ended = digest(&taker.program(), store, &["--until", QUIET]);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let (subject, text, _) = shown(taker.file("taken").as_bytes());
    assert!(subject.ends_with(": nothing needs attention"), "{subject}");
    assert_eq!(text.lines().next(), Some("Nothing needs attention."));
    for total in ["DMARC: ", "  example.com: ", "    yours: ", "SMTP TLS: "] {
        assert!(text.contains(total), "{total} is missing in {text}");
    }
    assert_eq!(taker.calls(), 4, "a mail for each who is to have it");

    let ended = digest(&taker.program(), store, &["--until", QUIET, "--print"]);
    assert_eq!((ended.code, taker.calls()), (Some(0), 4));
    assert!(ended.stdout.contains("\nNothing needs attention.\n"), "{}", ended.stdout);
}

#[test]
fn a_digest_that_was_not_taken_is_a_failure() {
    let taker = Taker::new();
    taker.refuse("69");
    let ended = digest(&taker.program(), year::store(), &["--until", QUIET]);
    assert_eq!(ended.code, Some(75));
    assert!(ended.log.contains("ended with 69: I do not want it"), "{}", ended.log);
    let ended = digest(Path::new("/no/such"), year::store(), &["--until", QUIET]);
    assert_eq!(ended.code, Some(75), "{}", ended.log);
    let ended = run(["digest", &flag("--store", year::store())]);
    assert_eq!(ended.code, Some(64), "nobody is to have it: {}", ended.log);
}

fn alert(command: &Path, store: &[String], at: Date) -> Ended {
    let fixed = ["alert".to_owned(), flag("--alert-command", command), format!("--at={at}")];
    let mut alert = program(fixed.into_iter().chain(store.iter().cloned()));
    // A lock of its own.
    alert.env("STATE_DIRECTORY", command.parent().expect("a folder"));
    run_command(alert)
}

/// Turn, kind and domain of what was told last.
fn told(taker: &Taker) -> Vec<String> {
    let told: Value = serde_json::from_str(&taker.file("taken")).expect("JSON");
    let word = |one: &Value, name: &str| one[name].as_str().expect("a word").to_owned();
    let all = told["situations"].as_array().expect("a list").iter();
    all.map(|one| ["turn", "kind", "domain"].map(|name| word(one, name)).join(" ")).collect()
}

/// Tells of the broken key once; and not at all while it is refused.
fn tells_once(year: Year, store: &[String]) {
    let taker = Taker::new();
    let program = taker.program();
    let ended = alert(&program, store, year.day(231));
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert_eq!(told(&taker), ["opened sender_fails example.net"]);
    for _ in 0..2 {
        let ended = alert(&program, store, year.day(231));
        assert_eq!((ended.code, taker.calls()), (Some(0), 1), "{}", ended.log);
    }
    // It is over, but nobody takes that.
    taker.refuse("1");
    let over = year.day(237);
    let ended = alert(&program, store, over);
    assert_eq!(ended.code, Some(75), "{}", ended.log);
    taker.take_again();
    let ended = alert(&program, store, over);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert_eq!(told(&taker), ["closed sender_fails example.net"]);
    assert_eq!(taker.calls(), 3);
    let ended = alert(&program, store, over);
    assert_eq!((ended.code, taker.calls()), (Some(0), 3), "{}", ended.log);
}

/// Some weeks, with the broken key in them.
fn weeks() -> (TestMaildir, Year) {
    let (maildir, year) = (TestMaildir::new(), Year::new(1, jiff::civil::date(2026, 9, 30)));
    deliver(&maildir, year, 212..=236);
    (maildir, year)
}

#[test]
fn an_alert_is_told_once_and_again_if_it_was_not_taken() {
    let (maildir, year) = weeks();
    let file = tempfile::tempdir().expect("a folder");
    let path = file.path().join("reports.sqlite");
    store(&maildir, &path);
    tells_once(year, &[flag("--store", &path)]);
}

#[test]
fn opensearch_tells_the_same() {
    let Some(server) = SERVER.as_ref() else { return };
    let (maildir, year) = weeks();
    let file = tempfile::tempdir().expect("a folder");
    let path = file.path().join("reports.sqlite");
    let from = maildir.path().to_str().expect("UTF-8").to_owned();
    let ended = run(["import", "--store", path.to_str().expect("UTF-8"), &from]);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let ended = run(["import", "--opensearch", &server.url, &from]);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let digest = |store: [&str; 2]| {
        let ended = run(["digest", "--print", "--until", BROKEN].iter().chain(&store));
        assert_eq!(ended.code, Some(1), "{}", ended.log);
        ended.stdout.split("\nStore ").next().expect("a text").to_owned()
    };
    let expected = digest(["--store", path.to_str().expect("UTF-8")]);
    assert_eq!(digest(["--opensearch", &server.url]), expected);
    tells_once(year, &[format!("--opensearch={}", server.url)]);
}

#[test]
fn watch_tells_after_it_has_stored() {
    let taker = Taker::new();
    let maildir = TestMaildir::new();
    let today = TimeZone::UTC.to_datetime(Timestamp::now()).date();
    // The day after the key broke.
    let year = Year::new(1, today.saturating_add(jiff::Span::new().days(Year::DAYS - 1 - 231)));
    deliver(&maildir, year, 212..=230);
    let path = taker.folder.path().join("reports.sqlite");
    let mut watch = program([
        "watch".to_owned(),
        flag("--store", &path),
        flag("--alert-command", &taker.program()),
        "--alert-after=1s".into(),
        "--metrics=127.0.0.1:0".into(),
        maildir.path().display().to_string(),
    ]);
    watch.env("STATE_DIRECTORY", taker.folder.path());
    let watch = Running::start_command(watch);
    wait_until("an alert", Duration::from_mins(2), || taker.calls() > 0);
    assert_eq!(told(&taker), ["opened sender_fails example.net"]);
    watch.wait_for_log("1 alert told");
    let log = watch.log();
    let at = log.split("metrics at http://").nth(1).and_then(|rest| rest.split('/').next());
    let (_, metrics) = daemon::get(at.expect("an address"), "/metrics").expect("an answer");
    let own = "erp_messages{domain=\"example.com\",bucket=\"mine\",result=\"pass\"}";
    assert!(metrics.contains(own), "{metrics}");
    assert_eq!(watch.stop().0, Some(0));
    assert_eq!(fs::read_dir(maildir.path().join("new")).expect("a folder").count(), 0);
}
