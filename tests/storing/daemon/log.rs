//! A log that can't be written is lost, and nothing else.

use std::{
    fs::{self, File},
    os::unix::fs::MetadataExt,
    path::Path,
    process::{Command, Stdio},
};

use rustix::process::Signal;

use super::{LONG, reports, shell};
use crate::support::{
    corpus::Mail,
    program::{TestMaildir, program, run_command, wait_until},
};

/// The ways to lose the log. The shell starts the program (`"$@"`) so that it loses standard error.
fn lost_logs() -> Vec<(&'static str, &'static str)> {
    vec![
        ("closed", r#"exec "$@" 2>&-"#),
        ("no reader", r#"{ "$@"; echo $? >&3; } 3>&1 2>&1 >/dev/null | exec head -c 1 >/dev/null"#),
        ("full disk", r#"exec "$@" 2>/dev/full"#),
    ]
}

/// The exit code of a shell's command, which it may have printed instead.
fn exit_code(mut command: Command) -> Option<i32> {
    let output = command.output().expect("it runs");
    let printed = String::from_utf8(output.stdout).expect("UTF-8");
    printed.trim().parse().ok().or(output.status.code())
}

/// Mails of which every second gives a line in the log.
fn noisy_maildir(reports: &[Mail]) -> TestMaildir {
    let maildir = TestMaildir::new();
    for (n, mail) in reports.iter().enumerate() {
        maildir
            .deliver(&format!("{n}.letter"), b"From: a@example.org\nSubject: hello\n\nno report\n");
        maildir.deliver(&mail.name, &mail.bytes);
    }
    maildir
}

#[test]
fn once_does_all_its_work_without_a_log() {
    let mails = reports(60);
    for (how, script) in lost_logs() {
        let maildir = noisy_maildir(&mails);
        let store = maildir.path().join("store");
        let once = program([
            Path::new("once"),
            Path::new("-v"),
            Path::new("--unrecognized=fail"),
            Path::new("--store"),
            &store,
            maildir.path(),
        ]);
        assert_eq!(exit_code(shell(script, &once)), Some(0), "{how}");
        let places = (maildir.count("new"), maildir.count("cur"), maildir.count(".failed/new"));
        assert_eq!(places, (0, mails.len(), mails.len()), "{how}");
    }
}

#[test]
fn import_does_all_its_work_without_a_log() {
    let mails = reports(60);
    let import = |maildir: &TestMaildir, lines: &Path| {
        program([
            Path::new("import"),
            Path::new("-v"),
            Path::new("--ndjson"),
            lines,
            maildir.path(),
        ])
    };
    let documents = mails.iter().map(|mail| mail.content.len()).sum::<usize>();
    let with_log = noisy_maildir(&mails);
    let expected = run_command(import(&with_log, &with_log.path().join("lines")));
    assert!(expected.log.lines().count() > 1, "{}", expected.log);
    for (how, script) in lost_logs() {
        let maildir = noisy_maildir(&mails);
        let lines = maildir.path().join("lines");
        assert_eq!(exit_code(shell(script, &import(&maildir, &lines))), expected.code, "{how}");
        assert_eq!(fs::read_to_string(&lines).expect("a file").lines().count(), documents, "{how}");
    }
}

#[test]
fn watch_goes_on_without_a_log() {
    let mails = reports(60);
    for (how, script) in lost_logs() {
        let maildir = noisy_maildir(&mails);
        let store = maildir.path().join("store");
        let watch = program([
            Path::new("watch"),
            Path::new("-v"),
            Path::new("--unrecognized=fail"),
            Path::new("--store"),
            &store,
            maildir.path(),
        ]);
        // The shell tells the process id, since a pipeline's is not the program's.
        let pid = maildir.path().join("pid");
        let inner = format!("sh -c 'echo $$ >{}; exec \"$@\"' sh \"$@\"", pid.display());
        let mut shell =
            shell(&script.replace("exec \"$@\"", "\"$@\"").replace("\"$@\"", &inner), &watch);
        let child = shell.stdout(Stdio::piped()).spawn().expect("it starts");
        wait_until(&format!("all mails, {how}"), LONG, || maildir.count("new") == 0);
        maildir.deliver("later", &mails[0].bytes);
        wait_until(&format!("the later mail, {how}"), LONG, || maildir.count("new") == 0);
        let number = fs::read_to_string(&pid).expect("a pid").trim().parse().expect("a number");
        let pid = rustix::process::Pid::from_raw(number).expect("a pid");
        rustix::process::kill_process(pid, Signal::TERM).expect("it runs");
        let output = child.wait_with_output().expect("it ends");
        let printed = String::from_utf8(output.stdout).expect("UTF-8");
        assert_eq!(printed.trim().parse().ok().or(output.status.code()), Some(0), "{how}");
        assert_eq!(maildir.count("cur"), mails.len() + 1, "{how}");
    }
}

#[test]
fn the_journal_is_believed_only_if_standard_error_is_the_journal() {
    let log = tempfile::NamedTempFile::new().expect("a file");
    let file = log.as_file().metadata().expect("metadata");
    for (inode, expected) in [(file.ino(), true), (file.ino() + 1, false)] {
        log.as_file().set_len(0).expect("emptied");
        let mut command = program(["once", "/nowhere"]);
        command.env("JOURNAL_STREAM", format!("{}:{inode}", file.dev()));
        command
            .stderr(File::options().append(true).open(log.path()).expect("a file"))
            .status()
            .expect("it runs");
        let text = fs::read_to_string(log.path()).expect("text");
        assert_eq!(text.starts_with("<3>"), expected, "{text}");
    }
}
