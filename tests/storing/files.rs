//! The Ruby tool's form: files and standard input, told by their content, and the exit codes that
//! mail servers read.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use crate::support::{
    corpus::{Content, Corpus, Format},
    mail,
    program::{Ended, program, run, run_command, run_with_input},
    server::tests_folder,
};
use serde_json::Value;
use tempfile::TempDir;

fn fixture(name: &str) -> Vec<u8> {
    fs::read(tests_folder().join("fixtures").join(name)).expect(name)
}

/// The ids of the reports in what was written to standard output.
fn report_ids(lines: &str) -> Vec<String> {
    let id = |line: &str| {
        let document: Value = serde_json::from_str(line).expect(line);
        let dmarc = document["feedback"]["report_metadata"]["report_id"].as_str();
        dmarc.or(document["report-id"].as_str()).expect("an id").to_owned()
    };
    let mut ids: Vec<_> = lines.lines().map(id).collect();
    ids.dedup();
    ids
}

#[test]
fn everything_is_told_by_its_content() {
    let (xml, json) = (fixture("dmarc/rfc7489.xml"), fixture("tls/rfc8460.json"));
    let eml = fixture("dmarc/zip.eml");
    let with_separator = [&b"From MAILER-DAEMON Mon Jan  1 00:00:00 2024\n"[..], &eml].concat();
    for (what, bytes) in [
        ("XML", xml.clone()),
        ("JSON", json.clone()),
        ("gzip", mail::gzip(&xml)),
        ("gzip of JSON", mail::gzip(&json)),
        ("zip", mail::zip(&[("report.xml", &xml)])),
        ("mail", eml),
        ("mail with the separator that .forward puts on top", with_separator),
    ] {
        let ended = run_with_input(["--ndjson=-"], &bytes);
        assert_eq!(
            (ended.code, report_ids(&ended.stdout).len()),
            (Some(0), 1),
            "{what}: {}",
            ended.log
        );

        let folder = tempfile::tempdir().expect("a folder");
        let misnamed = folder.path().join("what.txt");
        fs::write(&misnamed, &bytes).expect("written");
        let from_file = run([Path::new("--ndjson=-"), &misnamed]);
        assert_eq!(from_file.stdout, ended.stdout, "{what}: {}", from_file.log);
    }
}

#[test]
fn several_files_and_standard_input_among_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let (first, second) = (folder.path().join("1"), folder.path().join("2"));
    fs::write(&first, fixture("dmarc/rfc7489.xml")).expect("written");
    fs::write(&second, fixture("tls/rfc8460.json")).expect("written");
    let (first, second) = (first.to_str().expect("UTF-8"), second.to_str().expect("UTF-8"));
    let ended = run_with_input(["--ndjson=-", first, "-", second], &fixture("dmarc/rfc9990.xml"));
    assert_eq!((ended.code, report_ids(&ended.stdout).len()), (Some(0), 3), "{}", ended.log);
    assert!(
        ended.summary().contains("3 mails: 3 with reports (2 DMARC, 1 TLS)"),
        "{}",
        ended.summary()
    );
}

#[test]
fn mbox_files_and_maildirs_are_only_read() {
    let corpus = Corpus::new(100);
    let reports = corpus
        .iter()
        .filter(|mail| matches!(mail.content, Content::Dmarc(_) | Content::Tls(_)))
        .count();
    let folder = tempfile::tempdir().expect("a folder");
    let (maildir, mbox) = (folder.path().join("Maildir"), folder.path().join("mbox"));
    corpus.write(Format::Maildir, &maildir, |_| {}).expect("written");
    corpus.write(Format::Mbox, &mbox, |_| {}).expect("written");
    let read = fs::read(&mbox).expect("read");
    for arguments in
        [["--mbox", mbox.to_str().expect("UTF-8")], ["--maildir", maildir.to_str().expect("UTF-8")]]
    {
        let ended = run(["--ndjson=/dev/null"].iter().chain(&arguments));
        let numbers = format!("100 mails: {reports} with reports");
        assert!(ended.summary().contains(&numbers), "{arguments:?}: {}", ended.summary());
        assert_eq!(ended.code, Some(if reports == 100 { 0 } else { 65 }));
    }
    assert_eq!(fs::read_dir(maildir.join("new")).expect("a folder").count(), 100);
    assert!(fs::read(&mbox).expect("read") == read);
    let piped = run_with_input(["--ndjson=/dev/null", "--mbox"], &read);
    assert!(piped.summary().contains("100 mails"), "{}", piped.summary());
}

#[test]
fn exit_codes() {
    let letter = fixture("letter.eml");
    let report = fixture("dmarc/rfc7489.xml");
    let in_part = fixture("quirks/repeated-row.xml");
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    fs::write(path("bad.toml"), "opensearhc = 'http://127.0.0.1:9'").expect("written");
    fs::write(path("not-a-store"), "a text").expect("written");

    let stdin = |arguments: &[&str], input: &[u8]| run_with_input(arguments, input);
    for (code, what, ended) in [
        (0, "a report", stdin(&["--ndjson=/dev/null"], &report)),
        (65, "a letter", stdin(&["--ndjson=/dev/null"], &letter)),
        (65, "nothing at all", stdin(&["--ndjson=/dev/null"], b"")),
        (65, "a report read in part", stdin(&["--ndjson=/dev/null"], &in_part)),
        (65, "a report cut off", stdin(&["--ndjson=/dev/null"], &report[..report.len() / 2])),
        (
            75,
            "a store away",
            stdin(&["--opensearch=http://127.0.0.1:9", "--give-up-after=1s"], &report),
        ),
        (75, "a full disk", stdin(&["--ndjson=/dev/full", "--give-up-after=1s"], &report)),
        (64, "an unknown flag", stdin(&["--nonsense"], &report)),
        (64, "no such file", stdin(&["--ndjson=-", &path("missing")], &report)),
        (64, "no such Maildir", stdin(&["once", "--ndjson=-", &path("missing")], &report)),
        (
            64,
            "a file and a command",
            stdin(&[&path("bad.toml"), "--ndjson=-", "once", "."], &report),
        ),
        (78, "two stores", stdin(&["--ndjson=-", "--store=x"], &report)),
        (78, "a bad URL", stdin(&["--opensearch=nonsense"], &report)),
        (78, "a bad configuration file", stdin(&["--config", &path("bad.toml")], &report)),
        (78, "a store that is none", stdin(&["--store", &path("not-a-store")], &report)),
        (
            78,
            "a CA file that is none",
            stdin(&["--opensearch=https://h", "--ca-file", &path("not-a-store")], &report),
        ),
        (78, "a missing store to report on", stdin(&["report", "--store", &path("missing")], b"")),
        (0, "help", stdin(&["--help"], b"")),
    ] {
        assert_eq!(ended.code, Some(code), "{what}: {}", ended.log);
        assert!(code == 0 || !ended.log.is_empty(), "{what}: no word of explanation");
        assert!(!ended.log.contains("panicked"), "{what}: {}", ended.log);
    }
}

#[test]
fn errors_name_the_file_and_the_reason() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("cut.xml.gz");
    let packed = mail::gzip(&fixture("dmarc/rfc7489.xml"));
    fs::write(&file, &packed[..packed.len() / 2]).expect("written");
    let ended = run([Path::new("--ndjson=-"), &file]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(65), ""));
    assert!(
        ended.log.contains("cut.xml.gz") && ended.log.contains("gzip archive is broken"),
        "{}",
        ended.log
    );
}

/// Names of files and texts in reports are a stranger's.
#[test]
fn nothing_from_a_stranger_reaches_the_terminal_as_a_command() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("a\x1b[31m\nb.eml");
    fs::write(&file, b"From: x\x1b]0;owned\x07@example.org\nSubject: \x1b[2J\n\n\x1b[31mhello")
        .expect("written");
    let ended = run([Path::new("--ndjson=-"), &file]);
    assert_eq!(ended.code, Some(65));
    assert!(!ended.log.trim_end().contains(['\x1b', '\x07']), "{:?}", ended.log);
    assert_eq!(
        ended.log.lines().filter(|line| line.contains("b.eml")).count(),
        1,
        "{:?}",
        ended.log
    );
}

#[test]
fn the_ruby_tools_flags_are_taken() {
    let flags = ["--dedup-since=2024-01-01", "--dedup-until=now", "--dedup-count=3", "--ndjson=-"];
    let ended = run_with_input(flags, &fixture("dmarc/rfc7489.xml"));
    assert_eq!((ended.code, report_ids(&ended.stdout).len()), (Some(0), 1), "{}", ended.log);
    assert_eq!(ended.log.matches("duplicates are always recognised").count(), 1, "{}", ended.log);
}

/// A home with a report in it.
struct Home(TempDir);

impl Home {
    fn new() -> Home {
        let home = Home(tempfile::tempdir().expect("a folder"));
        fs::write(home.path("report"), fixture("dmarc/rfc7489.xml")).expect("written");
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Reads the report.
    fn command(&self) -> Command {
        let mut command = program([self.path("report")]);
        command.env("HOME", self.0.path());
        for name in ["XDG_CONFIG_HOME", "XDG_CONFIG_DIRS", "XDG_DATA_HOME"] {
            command.env_remove(name);
        }
        command
    }

    fn run(&self, more: &[&str]) -> Ended {
        let mut command = self.command();
        command.args(more);
        run_command(command)
    }

    /// Writes the option file that is looked for first.
    fn set_options(&self, text: impl AsRef<[u8]>) {
        fs::create_dir_all(self.path(".options")).expect("a folder");
        fs::write(self.path(".options/email-report-processor"), text).expect("written");
    }
}

#[test]
fn the_ruby_tools_option_file_comes_before_the_command_line() {
    let home = Home::new();
    // No word about a store: the SQLite file, and its name.
    let ended = home.run(&[]);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert!(ended.summary().contains("reports.sqlite"), "{}", ended.log);
    fs::create_dir_all(home.path(".config")).expect("a folder");
    let options = home.path(".config/email-report-processor.options");
    fs::write(&options, "--url=http://127.0.0.1:9\n-umail:secret\n-k\n-v\n--give-up-after=0s\n")
        .expect("written");
    let ended = home.run(&[]);
    assert_eq!(ended.code, Some(75), "{}", ended.log);
    assert!(ended.log.contains("http://127.0.0.1:9"), "{}", ended.log);
    // Values as arguments of their own, and what Ruby takes for names of files.
    fs::write(
        &options,
        "# ours\n\n--url\nhttp://127.0.0.1:9\n-u\nmail:secret\n--give-up-after=0s\n",
    )
    .expect("written");
    let ended = home.run(&[]);
    assert_eq!(ended.code, Some(75), "{}", ended.log);
    assert!(ended.log.contains("http://127.0.0.1:9"), "{}", ended.log);
    let typed = home.path("typed");
    assert_eq!(home.run(&["--store", typed.to_str().expect("UTF-8")]).code, Some(0));
    assert!(typed.exists());
    // The first that exists is read alone.
    home.set_options(format!("--ndjson={}\n", home.path("lines").display()));
    assert_eq!(home.run(&[]).code, Some(0));
    assert!(home.path("lines").exists());
    // The environment's stores are no business of the option file's.
    home.set_options("--user=mail:secret\n");
    let mut command = home.command();
    command.arg(format!("--store={}", home.path("again").display()));
    command.env("ERP_STORE", "/nosuch").env("ERP_NDJSON", "/nosuch");
    let ended = run_command(command);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
}

#[test]
fn what_is_wrong_in_the_ruby_tools_option_file_is_told_without_its_words() {
    let home = Home::new();
    for (wrong, reason) in [
        ("-umail:secret\nmail:secret\n", "line 2: not a flag; write --flag=value"),
        ("\n-k\n--mail:secret\n-v\n", "line 3: unexpected argument found"),
        ("--threads=secret\n", "line 1: "),
        ("-v\n--help\n", "line 2: help can't be asked for here"),
        ("-V\n", "line 1: help can't be asked for here"),
        ("--\n-secret\n", "line 1: not a flag"),
        ("-k\nsecret\n", "line 2: not a flag"),
        ("--url\n-k\n", "line 1: "),
        ("--store=/nosuch\0\n", "line 1: not a flag"),
        ("--config\n", "line 1: "),
        ("--config=/nosuch\n", "--config has no meaning here"),
    ] {
        home.set_options(wrong);
        let ended = home.run(&[]);
        assert_eq!(ended.code, Some(78), "{}", ended.log);
        let expected = format!(".options/email-report-processor: {reason}");
        assert!(ended.log.contains(&expected), "{wrong:?}: {}", ended.log);
        assert!(!ended.log.contains("secret"), "{}", ended.log);
    }
}

#[test]
fn flags_beat_the_environment_and_the_environment_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    fs::write(path("config"), format!("ndjson = {:?}\n", path("by-file"))).expect("written");
    fs::write(path("report"), fixture("dmarc/rfc7489.xml")).expect("written");
    let command = |by_environment: bool, by_flag: bool| {
        let mut command = program([path("report")]);
        command.env("ERP_CONFIG", path("config"));
        if by_environment {
            command.env("ERP_STORE", path("by-environment"));
        }
        if by_flag {
            command.arg("--ndjson").arg(path("by-flag"));
        }
        let ended = run_command(command);
        assert_eq!(ended.code, Some(0), "{}", ended.log);
    };
    let there = || ["by-file", "by-environment", "by-flag"].map(|name| path(name).exists());
    command(true, true);
    assert_eq!(there(), [false, false, true]);
    command(true, false);
    assert_eq!(there(), [false, true, true]);
    command(false, false);
    assert_eq!(there(), [true, true, true]);
}

#[test]
fn the_store_without_any_flag_is_private_and_in_the_users_data_folder() {
    let home = tempfile::tempdir().expect("a folder");
    let mut command = program(["report"]);
    command.env("HOME", home.path()).env_remove("XDG_DATA_HOME");
    assert_eq!(run_command(command).code, Some(78));
    fs::write(home.path().join("report.xml"), fixture("dmarc/rfc7489.xml")).expect("written");
    let mut command = program([home.path().join("report.xml")]);
    command.env("HOME", home.path()).env_remove("XDG_DATA_HOME");
    let ended = run_command(command);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let store = home.path().join(".local/share/email-report-processor/reports.sqlite");
    assert_eq!(fs::metadata(store).expect("a store").permissions().mode() & 0o777, 0o600);
}
