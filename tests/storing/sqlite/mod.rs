//! The SQLite store through its public interface: what is acknowledged is there, whole and once.

mod answers;
mod identity;
mod many_rows;
mod moved;
mod nothing;
mod opening;
mod read;
mod renewed;
mod reports;
mod summary;
mod together;
mod trouble;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, mpsc::Receiver},
    thread,
    time::Duration,
};

use email_report_processor::{
    document::Documents,
    document::Portion,
    message::{Contents, Received},
    metrics::StoreMetrics,
    report::{Kind, Report},
    settle::{self, MailOutcome, Origin, Settlement, Settler},
    sink::{Sink, sqlite::SqliteSink},
    sqlite::query::{Reader, Selection},
    stop::Stop,
};
use rusqlite::Connection;
use tempfile::TempDir;

use self::reports::{dmarc, full_dmarc, full_received, full_tls, tls};

/// A sink on a store, and the settlements of what it was given.
struct Setup {
    sink: SqliteSink,
    stop: Arc<Stop>,
    settler: Settler,
    settled: Receiver<Settlement>,
}

impl Setup {
    fn open(path: &Path, patience: Option<Duration>) -> Setup {
        let stop = Arc::new(Stop::default());
        let sink =
            SqliteSink::open(path, None, patience, Arc::clone(&stop), StoreMetrics::default())
                .expect("the store opens");
        let (settler, settled) = settle::channel();
        Setup { sink, stop, settler, settled }
    }

    fn give(&self, name: &str, contents: Contents) {
        let ticket = self.settler.ticket(Origin::Input(name.into()), 0, &contents, None);
        self.sink.accept(contents, &ticket);
    }

    /// Ends the sink; all settlements.
    fn finish(self) -> Vec<Settlement> {
        self.sink.finish();
        drop(self.settler);
        self.settled.iter().collect()
    }
}

fn mail(reports: impl IntoIterator<Item = Report>) -> Contents {
    Contents { reports: reports.into_iter().collect(), ..Contents::default() }
}

/// Stores mails with a sink of their own; their settlements.
fn store(path: &Path, mails: impl IntoIterator<Item = Contents>) -> Vec<Settlement> {
    let setup = Setup::open(path, Some(Duration::ZERO));
    mails.into_iter().for_each(|contents| setup.give("mail", contents));
    setup.finish()
}

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("reports.db");
    (folder, path)
}

fn number(path: &Path, sql: &str) -> i64 {
    let connection = Connection::open(path).expect("the store");
    connection.query_row(sql, (), |row| row.get(0)).expect(sql)
}

/// Ids and sources of a report's documents, as OpenSearch would get them.
fn documents(report: &Report, received: &Received) -> Vec<String> {
    lines(&Documents::new(report, received))
}

/// The same of all selected reports, made again from the tables.
fn read_back(path: &Path, selection: &Selection) -> Vec<String> {
    let mut reader = Reader::open(path).expect("the store");
    let reports = reader.reports(selection).expect("a snapshot");
    let mut found = Vec::new();
    for kind in [Kind::Dmarc, Kind::Tls, Kind::Failure] {
        let take = |portion: Portion| {
            found.extend(lines(&portion.documents()));
            Ok::<_, rusqlite::Error>(())
        };
        reports.each(kind, take).expect("read");
    }
    found
}

/// Records of one report come back in the order of their ids.
fn in_order(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

fn lines(documents: &Documents) -> Vec<String> {
    let line = |n| {
        let mut line = Vec::new();
        documents.write_id(n, &mut line);
        line.push(b' ');
        documents.write_source(n, &mut line);
        String::from_utf8(line).expect("UTF-8")
    };
    (0..documents.len()).map(line).collect()
}

/// What becomes of a mail with [`full_dmarc`], of which records were lost.
fn in_part() -> MailOutcome {
    MailOutcome::Failed("2 of 5 records of the report can't be read".into())
}

#[test]
fn every_document_can_be_made_again_from_the_tables() {
    let (_folder, path) = folder();
    let all = [full_dmarc(), dmarc("bare", 3), full_tls(), tls("bare", 2)];
    let contents = Contents { received: full_received(), ..mail(all.clone()) };
    let settled = store(&path, [contents]);
    assert_eq!(settled[0].outcome, in_part());
    let expected: Vec<String> =
        all.iter().flat_map(|report| documents(report, &full_received())).collect();
    assert_eq!(settled[0].tally.created, expected.len() as u64);

    assert_eq!(in_order(read_back(&path, &Selection::default())), in_order(expected));
    assert_eq!(
        number(
            &path,
            "SELECT count(*) FROM dmarc_reports WHERE lost = 2 AND stored_at > 1700000000"
        ),
        1
    );
}

#[test]
fn deleting_a_report_deletes_all_of_it() {
    let (_folder, path) = folder();
    store(&path, [mail([full_dmarc(), full_tls()])]);
    let tables =
        ["dmarc_records", "dmarc_override_reasons", "dmarc_spf_results", "dmarc_dkim_results"];
    let tables = tables.iter().chain(&["tls_policies", "tls_failure_details"]);
    let connection = Connection::open(&path).expect("the store");
    let count = |table: &str| number(&path, &format!("SELECT count(*) FROM {table}"));
    for table in tables.clone() {
        assert_ne!(count(table), 0, "{table}");
    }
    connection
        .execute_batch(
            "PRAGMA foreign_keys = on; DELETE FROM dmarc_reports; DELETE FROM tls_reports",
        )
        .expect("deleted");
    for table in tables {
        assert_eq!(count(table), 0, "{table}");
    }
}

#[test]
fn what_is_there_already_is_a_duplicate() {
    let (_folder, path) = folder();
    let twice_in_one_mail = store(&path, [mail([full_dmarc(), full_dmarc(), full_tls()])]);
    let (records, policies) = (full_dmarc().len() as u64, full_tls().len() as u64);
    assert_eq!(twice_in_one_mail[0].outcome, in_part());
    assert_eq!(twice_in_one_mail[0].tally.created, records + policies);
    assert_eq!(twice_in_one_mail[0].tally.duplicates, records);

    let before = number(&path, "SELECT count(*) FROM dmarc_dkim_results");
    let again = store(&path, [mail([full_dmarc()])]);
    assert_eq!((again[0].tally.created, again[0].tally.duplicates), (0, records));
    assert_eq!(again[0].outcome, in_part());
    assert_eq!(number(&path, "SELECT count(*) FROM dmarc_dkim_results"), before);
}

#[test]
fn records_missing_from_a_stored_report_are_added() {
    let (_folder, path) = folder();
    store(&path, [mail([dmarc("one", 2)])]);
    let longer = store(&path, [mail([dmarc("one", 5)])]);
    assert_eq!((longer[0].tally.created, longer[0].tally.duplicates), (3, 2));
    assert_eq!(number(&path, "SELECT count(*) FROM dmarc_reports"), 1);
}

#[test]
fn numbers_beyond_sqlite_become_the_largest() {
    let (_folder, path) = folder();
    let mut report = dmarc("huge", 1);
    if let Report::Aggregate(report) = &mut report {
        report.records[0].row.count = u64::MAX;
    }
    assert_eq!(store(&path, [mail([report])])[0].outcome, MailOutcome::Stored);
    assert_eq!(number(&path, "SELECT count FROM dmarc_records"), i64::MAX);
}

#[test]
fn two_writers_lose_nothing_and_store_nothing_twice() {
    const REPORTS: usize = 400;
    let (_folder, path) = folder();
    let name = |n: usize| format!("report {n}");
    let write = |order: Vec<usize>| {
        let path = path.clone();
        // Without patience's end: each waits for the other as long as it takes.
        thread::spawn(move || {
            let setup = Setup::open(&path, None);
            for n in order {
                setup.give(&name(n), mail([dmarc(&name(n), 20)]));
                setup.sink.flush();
            }
            setup.finish()
        })
    };
    let both = [write((0..REPORTS).collect()), write((0..REPORTS).rev().collect())];
    let settled: Vec<Settlement> =
        both.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect();
    assert!(settled.iter().all(|settlement| settlement.outcome == MailOutcome::Stored));
    assert_eq!(settled.iter().map(|s| s.tally.created).sum::<u64>(), 20 * REPORTS as u64);
    assert_eq!(settled.iter().map(|s| s.tally.duplicates).sum::<u64>(), 20 * REPORTS as u64);
    assert_eq!(number(&path, "SELECT count(*) FROM dmarc_reports"), 400);
    assert_eq!(number(&path, "SELECT count(*) FROM dmarc_records"), 20 * 400);
}

#[test]
fn a_report_of_100_000_records_is_one_transaction() {
    let (_folder, path) = folder();
    let settled = store(&path, [mail([dmarc("small", 1)]), mail([dmarc("huge", 100_000)])]);
    assert!(settled.iter().all(|settlement| settlement.outcome == MailOutcome::Stored));
    assert_eq!(number(&path, "SELECT count(*) FROM dmarc_records"), 100_001);
}
