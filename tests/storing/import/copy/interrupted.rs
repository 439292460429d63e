//! A copy is interrupted, or a store is away for a while.

use std::{path::Path, time::Duration};

use rustix::process::Signal;

use super::{Place, SHARED, ids, import, into, line, out_of, run, sqlite, strings, text};
use crate::support::{
    corpus::{Corpus, Format},
    program::{Running, wait_until},
    server::OpenSearch,
    sums::{Sums, expected, in_sqlite},
};

/// Starts a copy again and again, and interrupts it each time after some more documents.
fn interrupt(place: &Place, flags: &[&[String]], stored: &dyn Fn() -> u64, all: u64) -> u64 {
    let mut skipped = 0;
    for (n, signal) in [Signal::INT, Signal::KILL, Signal::TERM].into_iter().enumerate() {
        let mut running = Running::start_command(import(place, &strings(&flags.concat())));
        let wanted = all * (n as u64 + 1) / 6;
        wait_until("some documents", Duration::from_mins(2), || {
            stored() >= wanted || !running.is_running()
        });
        // The journal is written each second.
        std::thread::sleep(Duration::from_millis(1200));
        running.signal(signal);
        let code = running.wait();
        if signal == Signal::INT && code == Some(75) {
            let log = running.log();
            assert!(log.contains("the same command goes on from there"), "{log}");
            skipped += 1;
        }
    }
    skipped
}

#[test]
fn an_interrupted_copy_goes_on_where_it_was() {
    let Some(server) = SHARED.as_ref() else { return };
    let place = Place::new();
    let corpus = Corpus { seed: 6, ..Corpus::new(2500) };
    let maildir = place.path("Maildir");
    let manifest = corpus.write(Format::Maildir, &maildir, |_| {}).expect("written");
    let store = place.path("store");
    run(&place, &[&sqlite(&store), &[text(&maildir).into()]]);
    let slow = vec!["--bulk-bytes=128KiB".to_owned(), "--bulk-in-flight=1".to_owned()];
    let copy = [&into(server, "cut")[..], &slow, &[text(&store).into()]].concat();
    let stored = || found(server, "cut-dmarc");
    let interrupted = interrupt(&place, &[&copy], &stored, manifest.dmarc.records);
    let last = run(&place, &[&copy]);
    assert_eq!(last.code, Some(0), "{}", last.log);
    assert_eq!(server.count("cut-dmarc"), manifest.dmarc.records);
    assert_eq!(server.count("cut-tlsrpt"), manifest.tls.policies);
    assert_eq!(server.sum("cut-dmarc", "feedback.record.row.count"), manifest.dmarc.count_sum);
    if interrupted > 0 {
        let reports = manifest.dmarc.reports + manifest.tls.reports;
        assert!(!line(&last).contains(&format!("{reports} reports")), "{}", last.log);
    }

    let back = place.path("back");
    let copy = [&sqlite(&back)[..], &out_of(server, "cut")].concat();
    let stored = || sums(&back).map_or(0, |sums| sums[1]);
    interrupt(&place, &[&copy], &stored, manifest.dmarc.records);
    let last = run(&place, &[&copy]);
    assert_eq!(last.code, Some(0), "{}", last.log);
    assert_eq!(in_sqlite(&back), expected(&manifest));
    assert_eq!(ids(&back), ids(&store));
}

#[test]
fn target_and_source_may_be_away_for_a_while() {
    let data = tempfile::tempdir().expect("a folder");
    let data_flag = text(data.path());
    let Some(server) = OpenSearch::start(&["--data", data_flag]) else { return };
    let port = server.port().to_owned();
    let place = Place::new();
    let corpus = Corpus { seed: 7, ..Corpus::new(1500) };
    let maildir = place.path("Maildir");
    let manifest = corpus.write(Format::Maildir, &maildir, |_| {}).expect("written");
    let store = place.path("store");
    run(&place, &[&sqlite(&store), &[text(&maildir).into()]]);
    let again = || OpenSearch::start(&["--data", data_flag, "--port", &port]).expect("again");

    let slow = ["--bulk-bytes=128KiB".to_owned(), "--bulk-in-flight=1".to_owned()];
    let copy = [&into(&server, "away")[..], &slow, &[text(&store).into()]].concat();
    let mut running = Running::start_command(import(&place, &strings(&copy)));
    wait_until("some documents", Duration::from_mins(2), || found(&server, "away-dmarc") > 500);
    server.kill();
    running.wait_for_log("store unavailable");
    let server = again();
    assert_eq!(running.wait(), Some(0), "{}", running.log());
    assert_eq!(server.count("away-dmarc"), manifest.dmarc.records);
    assert_eq!(server.count("away-tlsrpt"), manifest.tls.policies);

    // The source goes away with its point in time.
    let back = place.path("back");
    let copy = [&sqlite(&back)[..], &out_of(&server, "away")].concat();
    let mut running = Running::start_command(import(&place, &strings(&copy)));
    wait_until("some rows", Duration::from_mins(2), || {
        sums(&back).is_some_and(|sums| sums[1] > 100)
    });
    server.kill();
    let server = again();
    assert_eq!(running.wait(), Some(0), "{}", running.log());
    assert_eq!(in_sqlite(&back), expected(&manifest), "{}", running.log());
    assert_eq!(ids(&back), ids(&store));
    drop(server);
}

/// How many records are in an index that may not be there yet.
fn found(server: &OpenSearch, index: &str) -> u64 {
    server.request("POST", &format!("/{index}/_refresh?ignore_unavailable=true"), None);
    let answer = server.get(&format!("/{index}/_count?ignore_unavailable=true"));
    answer["count"].as_u64().unwrap_or(0)
}

/// The sums of a store that may have no tables yet.
fn sums(store: &Path) -> Option<Sums> {
    let connection = store.exists().then(|| rusqlite::Connection::open(store).ok())??;
    let sql = "SELECT count(*) FROM sqlite_master WHERE name = 'tls_policies'";
    let tables: i64 = connection.query_row(sql, (), |row| row.get(0)).ok()?;
    (tables > 0).then(|| in_sqlite(store))
}
