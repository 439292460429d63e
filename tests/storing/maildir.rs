//! What becomes of what lies in a Maildir, whatever its name and whatever it is.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use crate::support::{
    mail::fixture,
    program::{Ended, TestMaildir, below, program, run, run_command},
};

fn once(maildir: &TestMaildir) -> Ended {
    let store = maildir.path().join("store");
    let mut command = Command::new("timeout");
    command.arg("20");
    let inner = program(
        ["once", "--unrecognized=fail", "--store"]
            .iter()
            .map(Path::new)
            .chain([store.as_path(), maildir.path()]),
    );
    run_command(below(command, &inner))
}

/// The contents of all files in a folder below, without the header on top.
fn bodies(maildir: &TestMaildir, folder: &str) -> BTreeSet<String> {
    let names = maildir.names(folder);
    let read =
        |name: &String| fs::read_to_string(maildir.path().join(folder).join(name)).expect("read");
    names
        .iter()
        .map(read)
        .map(|text| text.split_once('\n').expect("a header").1.to_owned())
        .collect()
}

#[test]
fn unreadable_mails_saved_under_their_subjects_are_all_kept() {
    let maildir = TestMaildir::new();
    let letter = String::from_utf8(fixture("letter.eml")).expect("UTF-8");
    let mut expected = BTreeSet::new();
    for n in 10..30 {
        let text = letter.clone() + &format!("{n}\n");
        maildir.deliver(
            &format!("Report domain: example.org Submitter: a Report-ID: {n}.eml"),
            text.as_bytes(),
        );
        expected.insert(text);
    }
    assert_eq!(once(&maildir).code, Some(0));
    for time in ["10:00:01.eml", "10:30:00.eml"] {
        let text = letter.clone() + time;
        maildir.deliver(time, text.as_bytes());
        expected.insert(text);
        assert_eq!(once(&maildir).code, Some(0));
    }
    assert_eq!(bodies(&maildir, ".failed/new"), expected);
    assert_eq!((maildir.count("new"), maildir.count("cur")), (0, 0));
}

#[test]
fn what_is_no_regular_file_is_told_once_and_left() {
    let maildir = TestMaildir::new();
    let new = maildir.path().join("new");
    fs::create_dir(new.join("folder")).expect("a folder");
    assert!(Command::new("mkfifo").arg(new.join("pipe")).status().expect("mkfifo").success());
    std::os::unix::fs::symlink("/etc/hostname", new.join("link")).expect("a link");
    let _socket = std::os::unix::net::UnixListener::bind(new.join("socket")).expect("a socket");
    maildir.deliver("1", &fixture("dmarc/rfc7489.xml"));
    let ended = once(&maildir);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert_eq!(maildir.names("new"), ["folder", "link", "pipe", "socket"]);
    assert_eq!((maildir.count("cur"), maildir.count(".failed/new")), (1, 0));
    assert_eq!(ended.log.matches("is no regular file").count(), 4, "{}", ended.log);
    assert!(ended.summary().contains(" 1 mail: "), "{}", ended.log);
}

fn import(place: &Path, arguments: &[&str]) -> Ended {
    let mut command = program(
        ["import", "--settle", "--store"]
            .iter()
            .map(Path::new)
            .chain([place.join("store").as_path()]),
    );
    command.args(arguments).env("XDG_STATE_HOME", place.join("state"));
    run_command(command)
}

#[test]
fn an_import_settles_only_what_it_stored_and_only_new_mail() {
    let maildir = TestMaildir::new();
    let letter = fixture("letter.eml");
    maildir.deliver("report", &fixture("dmarc/rfc7489.xml"));
    maildir.deliver("letter", &letter);
    fs::write(maildir.path().join("cur/private:2,FRS"), &letter).expect("written");
    fs::write(maildir.path().join("cur/read:2,F"), fixture("tls/rfc8460.json")).expect("written");
    let place = tempfile::tempdir().expect("a folder");
    let path = maildir.path().to_str().expect("UTF-8");

    let unwanted = import(place.path(), &["--since", "2099-01-01", path]);
    assert!(maildir.names("new").contains(&"report".to_owned()), "{}", unwanted.log);
    let ended = import(place.path(), &[path]);
    assert_eq!(maildir.names("cur"), ["private:2,FRS", "read:2,F", "report:2,S"], "{}", ended.log);
    assert_eq!((maildir.count("new"), maildir.count(".failed/new")), (0, 1));
    assert_eq!(fs::read(maildir.path().join("cur/private:2,FRS")).expect("read"), letter);
}

#[test]
fn folders_in_folders_are_found() {
    let maildir = TestMaildir::new();
    let reports = fixture("dmarc/rfc7489.xml");
    for folder in ["", "Reports", "Work/2024", ".Old", "Reports/.failed", ".Old.failed"] {
        for part in ["new", "cur", "tmp"] {
            fs::create_dir_all(maildir.path().join(folder).join(part)).expect("a folder");
        }
        fs::write(maildir.path().join(folder).join("new/1"), &reports).expect("written");
    }
    let path = maildir.path().to_str().expect("UTF-8");
    let ended = run(["import", "--recursive", "--dry-run", path]);
    assert!(ended.summary().contains(" 4 mails: "), "{}", ended.log);
    let flat = run(["import", "--dry-run", path]);
    assert!(flat.summary().contains(" 1 mail: "), "{}", flat.log);
}

/// Three thousand in one go: copies are synchronised many at a time.
#[test]
fn failing_mails_are_all_delivered() {
    let maildir = TestMaildir::new();
    let letter = fixture("letter.eml");
    for n in 0..1000 {
        fs::write(
            maildir.path().join(format!("new/{n}.mx")),
            [&letter, format!("{n}\n").as_bytes()].concat(),
        )
        .expect("written");
    }
    let ended = once(&maildir);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert_eq!(bodies(&maildir, ".failed/new").len(), 1000);
    assert_eq!((maildir.count("new"), maildir.count(".failed/tmp")), (0, 0));
}

#[test]
fn an_inbox_is_left_alone_unless_it_is_meant() {
    let maildir = TestMaildir::new();
    let letter = fixture("letter.eml");
    for n in 0..12 {
        maildir.deliver(&format!("{n}.mx"), &letter);
    }
    maildir.deliver("report", &fixture("dmarc/rfc7489.xml"));
    let store = maildir.path().join("store");
    let once = |more: &[&str]| {
        let fixed =
            ["once", "--store"].iter().map(Path::new).chain([store.as_path(), maildir.path()]);
        let mut command = program(fixed);
        command.args(more);
        run_command(command)
    };
    let refused = once(&[]);
    assert_eq!(refused.code, Some(64), "{}", refused.log);
    assert!(refused.log.contains("looks like an inbox: 12 of the 13 mails"), "{}", refused.log);
    assert_eq!(
        (maildir.count("new"), maildir.count(".failed/new"), store.exists()),
        (13, 0, false)
    );
    let kept = once(&["--unrecognized=keep"]);
    assert_eq!(
        (kept.code, maildir.count("new"), maildir.count("cur")),
        (Some(0), 12, 1),
        "{}",
        kept.log
    );
    assert!(kept.summary().contains("12 without. "), "{}", kept.log);
    let meant = once(&["--unrecognized=fail"]);
    assert_eq!((meant.code, maildir.count(".failed/new")), (Some(0), 12), "{}", meant.log);
    assert!(meant.summary().contains("12 without, now in .failed. "), "{}", meant.log);
}

#[test]
fn the_mistake_is_named_and_the_other_folder_is_stored() {
    let maildir = TestMaildir::new();
    maildir.deliver("report", &fixture("dmarc/rfc7489.xml"));
    let file = maildir.path().join("mail.mbox");
    fs::write(&file, "From a\n").expect("written");
    let cur = maildir.path().join("cur");
    for (path, words) in [
        (cur.as_path(), "is a folder inside a Maildir; give the Maildir: "),
        (file.as_path(), "is a file; mbox files, archives and single mails are for import"),
        (Path::new("/nonexistent"), "/nonexistent: No such file or directory"),
        (Path::new("/usr"), "/usr is no Maildir: there are no folders new and cur in it"),
    ] {
        let ended = run([Path::new("once"), Path::new("--ndjson=/dev/null"), path]);
        assert_eq!(ended.code, Some(64), "{}", ended.log);
        assert!(ended.log.contains(words), "{}", ended.log);
    }
    let watched = run([Path::new("watch"), Path::new("--ndjson=/dev/null"), file.as_path()]);
    assert_eq!(watched.code, Some(64), "{}", watched.log);
    let both = run([
        Path::new("once"),
        Path::new("--ndjson=/dev/null"),
        Path::new("/nonexistent"),
        maildir.path(),
    ]);
    assert_eq!((both.code, maildir.count("cur")), (Some(64), 1), "{}", both.log);
}

#[test]
fn a_mail_without_report_is_told_by_subject_and_sender() {
    let maildir = TestMaildir::new();
    maildir.deliver("1.mx", b"From: Shop <shop@example.org>\nSubject: Lunch?\n\nToday?\n");
    maildir.deliver("2.mx", &fixture("dmarc/rfc7489.xml"));
    let store = maildir.path().join("store");
    let ended = run(["once", "-v", "--store"]
        .iter()
        .map(Path::new)
        .chain([store.as_path(), maildir.path()]));
    assert!(
        ended.log.contains(r#"new/1.mx ("Lunch?" from shop@example.org) holds no report"#),
        "{}",
        ended.log
    );
    assert!(ended.log.contains("; moved to .failed"), "{}", ended.log);
    let stored = "stored Reporter Example → example.org, 2 records, 1 Sep 2026, out of ";
    assert!(ended.log.contains(stored) && ended.log.contains("new/2.mx\n"), "{}", ended.log);
}

#[test]
fn failed_mails_are_tried_again() {
    let maildir = TestMaildir::new();
    let report = fixture("dmarc/rfc7489.xml");
    maildir.deliver("1.mx", &report);
    let store = maildir.path().join("store");
    let once = |limit: &str| {
        let mut command = program(
            ["once", "--store"].iter().map(Path::new).chain([store.as_path(), maildir.path()]),
        );
        command.arg(format!("--limit-mail-bytes={limit}"));
        run_command(command)
    };
    once("10B");
    assert_eq!(maildir.count(".failed/new"), 1);
    let retried = run([Path::new("retry"), maildir.path()]);
    assert_eq!(retried.code, Some(0), "{}", retried.log);
    assert!(retried.log.contains(": 1 mail back in new/"), "{}", retried.log);
    assert_eq!(fs::read(maildir.path().join("new/1.mx")).expect("read"), report);
    once("1MiB");
    assert_eq!(
        (maildir.count("cur"), maildir.count(".failed/new"), maildir.count("new")),
        (1, 0, 0)
    );
}
