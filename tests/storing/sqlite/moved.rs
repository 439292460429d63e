//! A store that is moved, replaced or deleted while it is written to: what was acknowledged is in
//! the file that was moved, and what is put in its place is never written over.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use email_report_processor::{
    settle::MailOutcome,
    sink::Sink,
    sqlite::{Store, query::Reader},
};
use rusqlite::Connection;

use super::{Setup, folder, mail, number, reports::dmarc, store};
use crate::support::program::wait_until;

const REPORTS: &str = "SELECT count(*) FROM dmarc_reports";

impl Setup {
    /// Stores one report at once.
    fn store(&self, id: &str) {
        self.give(id, mail([dmarc(id, 3)]));
        self.sink.flush();
        let settled = self.settled.recv_timeout(Duration::from_secs(30)).expect("settled");
        assert_eq!(settled.outcome, MailOutcome::Stored);
    }
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

fn assert_whole(path: &Path, reports: i64) {
    let connection = Connection::open(path).expect("opened");
    let check: String =
        connection.query_row("PRAGMA integrity_check", (), |row| row.get(0)).expect("checked");
    assert_eq!(check, "ok", "{}", path.display());
    assert_eq!(number(path, REPORTS), reports, "{}", path.display());
}

#[test]
fn a_store_that_is_moved_has_all_that_was_acknowledged() {
    for with_mail_after in [true, false] {
        let (folder, path) = folder();
        let moved = folder.path().join("2025.db");
        let setup = Setup::open(&path, None);
        (0..20).for_each(|n| setup.store(&format!("before {n}")));
        assert!(fs::metadata(beside(&path, "-wal")).expect("a log").len() > 0);
        fs::rename(&path, &moved).expect("moved");
        if with_mail_after {
            setup.store("after");
        }
        setup.finish();
        assert_whole(&moved, 20);
        assert!(!beside(&path, "-wal").exists());
        assert!(!beside(&path, "-wal.1").exists());
        store(&path, [mail([dmarc("later", 1)])]);
        assert_whole(&path, 1 + i64::from(with_mail_after));
    }
}

/// Two logs of one file would write over each other.
#[test]
fn a_moved_store_is_not_written_to_by_its_new_name_before_its_writer_let_it_go() {
    let (folder, path) = folder();
    let moved = folder.path().join("2025.db");
    let setup = Setup::open(&path, None);
    (0..20).for_each(|n| setup.store(&format!("before {n}")));
    fs::rename(&path, &moved).expect("moved");
    let error = Store::open(&moved).expect_err("its log is elsewhere");
    assert!(error.is_temporary(), "{error}");
    assert!(error.to_string().contains("-wal"), "{error}");
    setup.finish();
    store(&moved, [mail([dmarc("later", 1)])]);
    assert_whole(&moved, 21);
}

/// The folder of a store may be locked by another program for a while.
#[test]
fn a_log_gets_its_mark_later_if_the_folder_was_locked() {
    let (folder, path) = folder();
    let lock = File::open(folder.path()).expect("the folder");
    lock.lock().expect("locked");
    let setup = Setup::open(&path, None);
    setup.store("first");
    let mark = || {
        let mut mark = [0; 16];
        rustix::fs::getxattr(&path, "user.email-report-processor.log", &mut mark).is_ok()
    };
    assert!(!mark());
    lock.unlock().expect("unlocked");
    setup.store("second");
    wait_until("a mark", Duration::from_secs(30), mark);
    setup.finish();
}

#[test]
fn a_reader_of_a_moved_store_only_delays_it() {
    let (folder, path) = folder();
    let moved = folder.path().join("2025.db");
    let setup = Setup::open(&path, None);
    setup.store("first");
    let reader = Connection::open(&path).expect("opened");
    reader.execute_batch("BEGIN; SELECT count(*) FROM dmarc_reports").expect("a snapshot");
    setup.store("second");
    fs::rename(&path, &moved).expect("moved");
    setup.give("third", mail([dmarc("third", 3)]));
    setup.sink.flush();
    assert!(setup.settled.recv_timeout(Duration::from_secs(1)).is_err(), "it waits");
    drop(reader);
    assert_eq!(setup.finish()[0].outcome, MailOutcome::Stored);
    assert_whole(&moved, 2);
    assert_whole(&path, 1);
}

#[test]
fn a_store_put_in_the_place_of_another_is_not_written_over() {
    let (folder, path) = folder();
    let other = folder.path().join("other.db");
    store(&other, (0..200).map(|n| mail([dmarc(&format!("other {n}"), 20)])));
    let setup = Setup::open(&path, None);
    (0..100).for_each(|n| setup.store(&format!("before {n}")));
    fs::rename(&other, &path).expect("put in place");
    setup.store("after");
    setup.finish();
    assert_whole(&path, 201);
    // Nothing is thrown away.
    assert!(fs::metadata(beside(&path, "-wal.1")).expect("kept").len() > 0);
}

/// What a program leaves that is killed: the file and its log.
fn leftovers(path: &Path) {
    let (_folder, live) = folder();
    let setup = Setup::open(&live, None);
    (0..20).for_each(|n| setup.store(&format!("killed {n}")));
    for end in ["", "-wal"] {
        // With the marks, as `mv` would.
        let status = std::process::Command::new("cp")
            .arg("--preserve=all")
            .args([beside(&live, end), beside(path, end)])
            .status();
        assert!(status.expect("cp").success());
    }
    setup.finish();
}

#[test]
fn the_log_of_a_moved_store_is_kept_and_is_no_other_store_s() {
    let (folder, path) = folder();
    let (moved, kept) = (folder.path().join("moved.db"), beside(&path, "-wal.1"));
    for replaced in [false, true] {
        leftovers(&path);
        fs::rename(&path, &moved).expect("moved");
        if replaced {
            let other = folder.path().join("other.db");
            store(&other, (0..50).map(|n| mail([dmarc(&format!("other {n}"), 20)])));
            fs::rename(&other, &path).expect("put in place");
            let read = Reader::open(&path).map(drop).expect_err("not through the log of another");
            assert!(read.is_temporary(), "{read}");
        }
        store(&path, [mail([dmarc("new", 1)])]);
        assert_whole(&path, if replaced { 51 } else { 1 });
        // As the log's line says.
        fs::rename(&kept, beside(&moved, "-wal")).expect("kept");
        assert_whole(&moved, 20);
        fs::remove_file(&path).expect("removed");
    }
}

#[test]
fn the_log_of_a_store_that_is_in_place_is_used() {
    let (_folder, path) = folder();
    leftovers(&path);
    store(&path, [mail([dmarc("new", 1)])]);
    assert_whole(&path, 21);
    assert!(!beside(&path, "-wal.1").exists());
}

#[test]
fn an_idle_writer_leaves_the_log_empty() {
    let (folder, path) = folder();
    let setup = Setup::open(&path, None);
    setup.store("one");
    let log = beside(&path, "-wal");
    for _ in 0..100 {
        if fs::metadata(&log).expect("a log").len() == 0 {
            break;
        }
        thread::sleep(Duration::from_millis(100));
    }
    // A plain copy of the file is whole.
    let copy = folder.path().join("copy.db");
    fs::copy(&path, &copy).expect("copied");
    assert_whole(&copy, 1);
    setup.store("two");
    setup.finish();
    assert_whole(&path, 2);
}
