//! `import --settle`: which mails are moved, and when.

use std::{fs, os::unix::fs::symlink};

use super::{Place, text};
use crate::support::{
    mail::{attachment, multipart},
    program::TestMaildir,
};

fn report(name: &str) -> Vec<u8> {
    fs::read(format!("tests/fixtures/{name}")).expect("a report")
}

#[test]
fn what_an_earlier_import_stored_is_moved_when_asked() {
    let place = Place::new();
    let maildir = TestMaildir::new();
    maildir.deliver("a", &report("dmarc/rfc7489.xml"));
    maildir.deliver("b", &report("dmarc/rfc9990.xml"));
    place.import(&[text(maildir.path())]);
    assert_eq!(maildir.count("new"), 2);
    let settled = place.import(&["--settle", text(maildir.path())]);
    assert_eq!((maildir.count("new"), maildir.count("cur")), (0, 2), "{}", settled.log);
}

#[test]
fn what_could_not_be_moved_is_moved_by_the_next_import() {
    let place = Place::new();
    let maildir = TestMaildir::new();
    let other = tempfile::tempdir_in("/dev/shm").expect("another device");
    maildir.deliver("a", &report("dmarc/rfc7489.xml"));
    let (cur, kept) = (maildir.path().join("cur"), maildir.path().join("kept"));
    fs::rename(&cur, &kept).expect("renamed");
    symlink(other.path(), &cur).expect("linked");
    let stuck = place.import(&["--settle", text(maildir.path())]);
    assert_eq!((stuck.code, maildir.count("new")), (Some(75), 1), "{}", stuck.log);
    fs::remove_file(&cur).and_then(|()| fs::rename(&kept, &cur)).expect("mended");
    let settled = place.import(&["--settle", text(maildir.path())]);
    assert_eq!((settled.code, maildir.count("cur")), (Some(0), 1), "{}", settled.log);
}

#[test]
fn a_broken_mail_with_a_report_outside_of_the_period_stays() {
    let place = Place::new();
    let maildir = TestMaildir::new();
    let good = String::from_utf8(report("dmarc/rfc7489.xml")).expect("UTF-8");
    let parts = [
        attachment("text/xml", "a!example.org!1!2.xml", good.as_bytes()),
        attachment("text/xml", "b!example.org!1!2.xml", b"<feedback><report_metadata><org"),
    ];
    let mail = format!("From: a@example.org\n{}", multipart("multipart/mixed", "bb", &parts));
    maildir.deliver("both", mail.as_bytes());
    let ended = place.import(&["--settle", "--since=2099-01-01", text(maildir.path())]);
    assert_eq!(ended.code, Some(65), "{}", ended.log);
    assert_eq!((maildir.count("new"), maildir.count(".failed/new")), (1, 0), "{}", ended.log);
}
