//! Mails that are written in `new/`, where others are renamed to: half of one is neither failed nor
//! taken for all of it.

use std::{
    fs,
    io::Write,
    path::Path,
    time::{Duration, SystemTime},
};

use rusqlite::Connection;

use crate::support::{
    mail::{attachment, fixture, mail, multipart},
    program::{Running, TestMaildir, run, wait_until},
};

const LONG: Duration = Duration::from_mins(1);

/// A mail, where its first part ends, and how many records it has.
type Whole = (Vec<u8>, usize, i64);

/// The first part can't be read, has one record of two, or one report of two.
fn mails() -> [Whole; 3] {
    let text = String::from_utf8(fixture("dmarc/rfc7489.xml")).expect("UTF-8");
    let record = text.find("</record>").expect("a record") + "</record>".len();
    let plain =
        String::from_utf8(mail(&format!("Content-Type: text/xml\n\n{text}"))).expect("UTF-8");
    let at = |within: usize| plain.len() - text.len() + within;
    let other = text.replace("9391651994964116463", "another");
    let both = [&text, &other].map(|text| attachment("text/xml", "a.xml", text.as_bytes()));
    let both = String::from_utf8(mail(&multipart("multipart/mixed", "=_b", &both))).expect("UTF-8");
    let between = both.rfind("--=_b\n").expect("a second part");
    let records = i64::try_from(text.matches("<record>").count()).expect("few");
    [
        (plain.clone().into_bytes(), at(100), records),
        (plain.clone().into_bytes(), at(record), records),
        (both.into_bytes(), between, 2 * records),
    ]
}

/// A clock that is put back, or another machine's that is ahead.
const AHEAD: Duration = Duration::from_hours(1);

/// Writes the first part, has the program read it, then writes the second; waits until the mail was
/// moved.
fn written_while_it_is_read(mode: &[&str], whole: Whole) {
    written_by_a_clock(Duration::ZERO, mode, whole);
}

/// The same, by a clock that is ahead.
fn written_by_a_clock(ahead: Duration, mode: &[&str], (mail, middle, records): Whole) {
    let maildir = TestMaildir::new();
    let mut file = fs::File::create(maildir.path().join("new/1.mx")).expect("a file");
    file.write_all(&mail[..middle]).expect("written");
    file.set_modified(SystemTime::now() + ahead).expect("set");
    let store = maildir.path().join("store");
    let arguments =
        mode.iter().map(Path::new).chain([Path::new("--store"), &store, maildir.path()]);
    let mut running = Running::start(arguments);
    running.wait_for_log("may be unfinished");
    file.write_all(&mail[middle..]).expect("written");
    file.set_modified(SystemTime::now() + ahead).expect("set");
    drop(file);
    if mode[0] == "once" {
        assert_eq!(running.wait(), Some(0), "{}", running.log());
    }
    wait_until("the mail to be moved", LONG, || maildir.count("new") == 0);
    assert_eq!(maildir.names("cur"), ["1.mx:2,S"], "{}", running.log());
    drop(running);
    let store = Connection::open(store).expect("a store");
    let count = store.query_row("SELECT count(*) FROM dmarc_records", (), |row| row.get(0));
    assert_eq!(count, Ok(records));
}

#[test]
fn half_a_mail_is_read_again_by_once() {
    mails().into_iter().for_each(|mail| written_while_it_is_read(&["once", "-v"], mail));
}

#[test]
fn half_a_mail_is_read_again_by_watch() {
    let [unreadable, _, one_of_two] = mails();
    written_while_it_is_read(&["watch", "-v"], one_of_two);
    written_while_it_is_read(&["watch", "-v", "--poll=1"], unreadable);
}

#[test]
fn half_a_mail_by_a_clock_that_is_ahead_is_read_again() {
    let [unreadable, one_of_two, _] = mails();
    written_by_a_clock(AHEAD, &["once", "-v"], unreadable.clone());
    written_by_a_clock(AHEAD, &["once", "-v"], one_of_two);
    written_by_a_clock(AHEAD, &["watch", "-v", "--poll=1"], unreadable);
}

#[test]
fn what_stays_half_a_mail_fails_in_the_end() {
    let [(mail, middle, _), ..] = mails();
    for (mode, ahead) in
        [(&["once"][..], Duration::ZERO), (&["once"], AHEAD), (&["import", "--settle"], AHEAD)]
    {
        let maildir = TestMaildir::new();
        let path = maildir.path().join("new/1.mx");
        fs::write(&path, &mail[..middle]).expect("written");
        let file = fs::File::open(&path).expect("opened");
        file.set_modified(SystemTime::now() + ahead).expect("set");
        let store = maildir.path().join("store");
        let mode = mode.iter().map(Path::new);
        let ended = run(mode.chain([Path::new("--store"), &store, maildir.path()]));
        assert_ne!(ended.code, Some(75), "{}", ended.log);
        assert_eq!((maildir.count("new"), maildir.count(".failed/new")), (0, 1), "{}", ended.log);
        let summary = ended.summary();
        assert!(summary.contains("1 mail: 1 that can't be read"), "{}", ended.log);
    }
}
