//! What becomes of what lies in a Maildir, whatever its name and whatever it is.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use crate::support::{
    mail::fixture,
    program::{Ended, TestMaildir, program, run, run_command},
};

fn once(maildir: &TestMaildir) -> Ended {
    let store = maildir.path().join("store");
    let mut command = Command::new("timeout");
    command.arg("20");
    let inner = program(
        ["once", "--unrecognized=fail", "--store"].iter().map(Path::new).chain([store.as_path(), maildir.path()]),
    );
    command.arg(inner.get_program()).args(inner.get_args()).env("ERP_CONFIG", "/dev/null");
    run_command(command)
}

/// The contents of all files in a folder below, without the header on top.
fn bodies(maildir: &TestMaildir, folder: &str) -> BTreeSet<String> {
    let names = maildir.names(folder);
    let read = |name: &String| fs::read_to_string(maildir.path().join(folder).join(name)).expect("read");
    names.iter().map(read).map(|text| text.split_once('\n').expect("a header").1.to_owned()).collect()
}

#[test]
fn unreadable_mails_saved_under_their_subjects_are_all_kept() {
    let maildir = TestMaildir::new();
    let letter = String::from_utf8(fixture("letter.eml")).expect("UTF-8");
    let mut expected = BTreeSet::new();
    for n in 10..30 {
        let text = letter.clone() + &format!("{n}\n");
        maildir.deliver(&format!("Report domain: example.org Submitter: a Report-ID: {n}.eml"), text.as_bytes());
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
    let mut command =
        program(["import", "--settle", "--store"].iter().map(Path::new).chain([place.join("store").as_path()]));
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
        fs::write(maildir.path().join(format!("new/{n}.mx")), [&letter, format!("{n}\n").as_bytes()].concat())
            .expect("written");
    }
    let ended = once(&maildir);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert_eq!(bodies(&maildir, ".failed/new").len(), 1000);
    assert_eq!((maildir.count("new"), maildir.count(".failed/tmp")), (0, 0));
}
