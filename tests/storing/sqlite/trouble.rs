//! A file that can't be written, reports that the tables refuse, a program that is killed.

use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::RecvTimeoutError,
    thread,
    time::Duration,
};

use email_report_processor::{
    report::Report,
    settle::{self, MailOutcome},
    sink::Sink,
    sqlite::query::Reader,
    stop::Reason,
};
use rusqlite::Connection;

use super::{Setup, folder, mail, number, reports::dmarc, store};
use crate::support::program::run_with_input;

/// Makes the store, and holds it as another process's transaction would.
fn locked(path: &Path) -> Connection {
    store(path, [mail([dmarc("before", 1)])]);
    let connection = Connection::open(path).expect("opened");
    connection.execute_batch("BEGIN IMMEDIATE").expect("locked");
    connection
}

#[test]
fn mails_wait_while_the_store_is_locked() {
    let (_folder, path) = folder();
    let lock = locked(&path);
    let setup = Setup::open(&path, None);
    setup.give("mail", mail([dmarc("one", 2)]));
    setup.sink.flush();
    // Longer than SQLite's own patience.
    assert_eq!(
        setup.settled.recv_timeout(Duration::from_millis(3500)).err(),
        Some(RecvTimeoutError::Timeout)
    );
    lock.execute_batch("COMMIT").expect("unlocked");
    let settled = setup
        .settled
        .recv_timeout(Duration::from_secs(20))
        .expect("settled after the lock is gone");
    assert_eq!(settled.outcome, MailOutcome::Stored);
    assert!(!setup.stop.is_asked());
    assert_eq!(number(&path, "SELECT count(*) FROM dmarc_records"), 3);
}

/// Who has the store open since before it was brought up to date would write records without what
/// the new version has beside them, and nobody would see them.
#[test]
fn mails_wait_where_a_newer_version_has_taken_over() {
    let (_folder, path) = folder();
    store(&path, [mail([dmarc("before", 1)])]);
    let setup = Setup::open(&path, None);
    setup.give("mail", mail([dmarc("one", 2)]));
    setup.sink.flush();
    let next = || setup.settled.recv_timeout(Duration::from_secs(20)).expect("settled");
    assert_eq!(next().outcome, MailOutcome::Stored);
    let mut reader = Reader::open(&path).expect("opened");
    assert!(reader.answers().is_ok());
    let other = Connection::open(&path).expect("opened");
    let current = number(&path, "PRAGMA user_version");
    let set = |version: i64| other.pragma_update(None, "user_version", version).expect("set");
    set(current + 1);
    let error = reader.answers().err().expect("not to be understood").to_string();
    assert!(error.contains("changed by another version"), "{error}");
    setup.give("mail", mail([dmarc("two", 2)]));
    setup.sink.flush();
    let early = setup.settled.recv_timeout(Duration::from_millis(1500)).err();
    assert_eq!(early, Some(RecvTimeoutError::Timeout));
    assert_eq!(number(&path, "SELECT count(*) FROM dmarc_records"), 3);
    set(current);
    assert_eq!(next().outcome, MailOutcome::Stored);
    assert_eq!(number(&path, "SELECT count(*) FROM dmarc_records"), 5);
}

#[test]
fn mails_are_left_when_patience_ends() {
    let (_folder, path) = folder();
    let lock = locked(&path);
    let setup = Setup::open(&path, Some(Duration::ZERO));
    let stop = setup.stop.clone();
    for n in 0..100 {
        setup.give("mail", mail([dmarc(&format!("report {n}"), 2)]));
    }
    let settled = setup.finish();
    assert_eq!(settled.len(), 100);
    assert!(settled.iter().all(|settlement| settlement.outcome == MailOutcome::Left));
    let expected = format!("{}: database is locked", path.display());
    assert_eq!(stop.reason(), Some(Reason::StoreUnreachable(expected)));
    drop(lock);
    assert_eq!(number(&path, "SELECT count(*) FROM dmarc_reports"), 1);
}

#[test]
fn what_the_system_says_is_waited_for() {
    let (folder, path) = folder();
    store(&path, [mail([dmarc("one", 1)])]);
    // No write-ahead log can be made; the like of a file system that is full, read-only or broken,
    // or of no handles left.
    let log = folder.path().join("reports.db-wal");
    fs::create_dir(&log).expect("a folder in its place");
    let file = folder.path().join("file");
    fs::write(&file, "").expect("written");
    for store in [&path, &file.join("reports.db")] {
        let arguments = ["--give-up-after=1s", "--store", store.to_str().expect("UTF-8")];
        let ended =
            run_with_input(arguments, &fs::read("tests/fixtures/dmarc/gzip.eml").expect("a mail"));
        assert_eq!(ended.code, Some(75), "{}", ended.log);
    }
    let setup = Setup::open(&path, None);
    setup.give("waits", mail([dmarc("two", 1)]));
    assert!(setup.settled.recv_timeout(Duration::from_millis(500)).is_err(), "it waits");
    fs::remove_dir(&log).expect("removed");
    assert_eq!(setup.finish()[0].outcome, MailOutcome::Stored);
}

#[test]
fn mails_are_left_when_work_is_to_end() {
    let (_folder, path) = folder();
    let setup = Setup::open(&path, None);
    setup.stop.ask(Reason::Asked);
    setup.give("mail", mail([dmarc("one", 2)]));
    let settled = setup.finish();
    assert_eq!(settled[0].outcome, MailOutcome::Left);
    assert_eq!(number(&path, "SELECT count(*) FROM dmarc_reports"), 0);
}

#[test]
fn only_the_report_that_the_tables_refuse_is_refused() {
    let (_folder, path) = folder();
    store(&path, []);
    let connection = Connection::open(&path).expect("opened");
    // After its first record, so that there is something to be undone.
    let trigger = "CREATE TRIGGER no BEFORE INSERT ON dmarc_records WHEN NEW.source_ip = '0.0.0.1'
                   AND (SELECT report_id FROM dmarc_reports WHERE id = NEW.report) = 'bad'
                   BEGIN SELECT RAISE(ABORT, 'not this one'); END";
    connection.execute_batch(trigger).expect("a trigger");
    let settled = store(
        &path,
        [
            mail([dmarc("good 1", 3), dmarc("bad", 3), dmarc("good 2", 3)]),
            mail([dmarc("good 3", 3)]),
        ],
    );
    assert_eq!(
        settled[0].outcome,
        MailOutcome::Failed("refused by the store: not this one".into())
    );
    assert_eq!((settled[0].tally.created, settled[0].tally.refused), (6, 3));
    assert_eq!(settled[1].outcome, MailOutcome::Stored);
    assert_eq!(number(&path, "SELECT count(*) FROM dmarc_records"), 9);
    assert_eq!(number(&path, "SELECT count(*) FROM dmarc_reports WHERE report_id = 'bad'"), 0);
}

#[test]
fn a_store_that_is_deleted_under_way_is_made_again() {
    let (folder, path) = folder();
    let setup = Setup::open(&path, None);
    setup.give("mail", mail([dmarc("one", 2)]));
    setup.sink.flush();
    setup.settled.recv().expect("settled");
    for file in fs::read_dir(folder.path()).expect("listed") {
        fs::remove_file(file.expect("a file").path()).expect("removed");
    }
    setup.give("mail", mail([dmarc("two", 2)]));
    assert_eq!(setup.finish()[0].outcome, MailOutcome::Stored);
    assert_eq!(number(&path, "SELECT count(*) FROM dmarc_reports WHERE report_id = 'two'"), 1);
}

const STORE: &str = "ERP_TEST_STORE";
/// If set, the child begins with a report that does not fit in SQLite's cache.
const HUGE: &str = "ERP_TEST_HUGE";
const RECORDS: u32 = 50;

/// Not a test: the process that others start, let run into a limit, and kill. It stores reports and
/// tells which were acknowledged, for ever, or until mails are left.
#[test]
#[ignore = "started by other tests"]
fn child() {
    let Some(path) = env::var_os(STORE).map(PathBuf::from) else { return };
    let Setup { sink, stop, settler, settled } = Setup::open(&path, Some(Duration::ZERO));
    let teller = thread::spawn(move || {
        for settlement in settled {
            let word = match settlement.outcome {
                MailOutcome::Stored => "stored",
                MailOutcome::Left => "left",
                _ => "failed",
            };
            let _ = writeln!(std::io::stdout().lock(), "\n{word} {}", settlement.origin.name());
        }
    });
    let giver = Setup { sink, stop, settler, settled: settle::channel().1 };
    if env::var_os(HUGE).is_some() {
        giver.give("huge", mail([huge()]));
    }
    for n in 0_u64.. {
        if giver.stop.is_asked() {
            break;
        }
        let name = format!("report-{n}");
        giver.give(&name, mail([dmarc(&name, RECORDS)]));
        if n % 7 == 0 {
            giver.sink.flush();
        }
    }
    drop(giver.finish());
    teller.join().expect("told");
}

/// Some 30 MiB.
fn huge() -> Report {
    let mut report = dmarc("huge", 100_000);
    if let Report::Aggregate(report) = &mut report {
        let name = Some("x".repeat(300).into());
        report
            .records
            .iter_mut()
            .for_each(|record| record.identifiers.header_from.clone_from(&name));
    }
    report
}

fn start_child(path: &Path, limit: &str, huge: bool) -> Child {
    let mut command = Command::new("sh");
    if huge {
        command.env(HUGE, "1");
    }
    command
        // A write beyond the limit is to give an error, not a signal.
        .args(["-c", &format!("trap '' XFSZ; ulimit -f {limit}; exec \"$0\" \"$@\"")])
        .arg(env::current_exe().expect("this program"))
        .args(["--exact", "sqlite::trouble::child", "--ignored", "--nocapture", "--test-threads=1"])
        .env(STORE, path)
        .stdout(Stdio::piped())
        .spawn()
        .expect("started")
}

/// The reports that were told with this word.
fn told(lines: &[String], word: &str) -> Vec<String> {
    lines
        .iter()
        .filter_map(|line| line.strip_prefix(word))
        .map(|name| name.trim().to_owned())
        .collect()
}

/// Every one of these reports is in the store, and none is there in part.
fn assert_all_whole(path: &Path, stored: &[String]) {
    let connection = Connection::open(path).expect("opened");
    let sql = "SELECT count(*) FROM dmarc_records
               WHERE report = (SELECT id FROM dmarc_reports WHERE report_id = ?)";
    for name in stored {
        let records: u32 = connection.query_row(sql, [name], |row| row.get(0)).expect("counted");
        assert_eq!(records, RECORDS, "{name}");
    }
    let reports = number(path, "SELECT count(*) FROM dmarc_reports");
    assert_eq!(number(path, "SELECT count(*) FROM dmarc_records"), reports * i64::from(RECORDS));
}

#[test]
fn killed_at_any_moment_what_was_acknowledged_is_there() {
    let (_folder, path) = folder();
    for acknowledged in [1, 20, 300] {
        let mut child = start_child(&path, "unlimited", false);
        let out = BufReader::new(child.stdout.take().expect("piped"));
        let mut lines = Vec::new();
        for line in out.lines().map_while(Result::ok) {
            lines.push(line);
            if told(&lines, "stored").len() == acknowledged {
                child.kill().expect("killed");
            }
        }
        child.wait().expect("ended");
        let stored = told(&lines, "stored");
        assert!(stored.len() >= acknowledged, "it ended by itself: {lines:?}");
        assert_all_whole(&path, &stored);
    }
}

#[test]
fn a_full_disk_leaves_mails_and_loses_none() {
    let (_folder, path) = folder();
    // 2,000 blocks of 512 or 1,024 bytes: a few hundred reports.
    let output = start_child(&path, "2000", false).wait_with_output().expect("ended");
    let lines: Vec<String> =
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
    let (stored, left) = (told(&lines, "stored"), told(&lines, "left"));
    assert!(!stored.is_empty() && !left.is_empty(), "{} stored, {} left", stored.len(), left.len());
    assert_all_whole(&path, &stored);
    // With room again, the rest follows.
    let again: Vec<_> =
        stored.iter().chain(&left).map(|name| mail([dmarc(name, RECORDS)])).collect();
    assert!(store(&path, again).iter().all(|settlement| settlement.outcome == MailOutcome::Stored));
    assert_all_whole(&path, &left);
}

#[test]
fn a_disk_that_fills_in_the_midst_of_a_report_is_no_fault_of_the_report() {
    let (_folder, path) = folder();
    let output = start_child(&path, "16000", true).wait_with_output().expect("ended");
    let lines: Vec<String> =
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
    assert!(told(&lines, "left").contains(&"huge".to_owned()), "{lines:?}");
    assert_eq!(number(&path, "SELECT count(*) FROM dmarc_reports WHERE report_id = 'huge'"), 0);
}
