//! Interrupted and begun again: what the journal spares, and when it does not count.

use std::{fs, path::Path, time::Duration};

use rusqlite::Connection;
use rustix::process::Signal;

use super::{Place, text};
use crate::support::{
    corpus::{Corpus, Format},
    program::{Running, run_with_input, wait_until},
    sums::expected,
};

#[test]
fn a_second_import_reads_nothing_again_unless_told_or_the_store_is_another() {
    let place = Place::new();
    let maildir = place.path("Maildir");
    let corpus = Corpus::new(200);
    let manifest = corpus.write(Format::Maildir, &maildir, |_| {}).expect("written");
    let mbox = place.path("mbox");
    corpus.write(Format::Mbox, &mbox, |_| {}).expect("written");
    let both = [text(&maildir), text(&mbox)];
    place.import(&both);
    let again = place.import(&both);
    let whole = manifest.mails - manifest.junk - manifest.broken + 1;
    assert!(again.log.contains(&format!("{whole} files were finished")), "{}", again.log);
    assert!(!again.summary().contains("with reports"), "{}", again.summary());

    // A mail reader sets flags; that is still the same mail.
    let one = fs::read_dir(maildir.join("new"))
        .expect("a folder")
        .next()
        .expect("a mail")
        .expect("a mail");
    fs::rename(
        one.path(),
        maildir.join("cur").join(one.file_name().into_string().expect("UTF-8") + ":2,FS"),
    )
    .expect("moved");
    let flagged = place.import(&both);
    assert!(!flagged.summary().contains("with reports"), "{}", flagged.summary());

    let fresh = place.import(&[both[0], "--fresh"]);
    assert!(
        fresh.summary().contains(&format!("all {} rows were there", manifest.documents)),
        "{}",
        fresh.summary()
    );

    for file in ["store", "store-wal", "store-shm"] {
        let _ = fs::remove_file(place.path(file));
    }
    place.import(&both[..1]);
    assert_eq!(place.sums(), expected(&manifest), "the journal spoke of a store that is gone");
}

/// Copies a store with its write-ahead log over another, in place.
fn copy(place: &Place, from: &str, to: &str) {
    for file in ["", "-wal"] {
        let (from, to) = (place.path(&format!("{from}{file}")), place.path(&format!("{to}{file}")));
        // Written over, not replaced: device, inode and birth stay.
        if from.exists() {
            fs::write(&to, fs::read(&from).expect("a copy")).expect("put back");
        } else {
            let _ = fs::remove_file(&to);
        }
    }
    let _ = fs::remove_file(place.path(&format!("{to}-shm")));
}

#[test]
fn an_earlier_copy_of_the_store_put_back_voids_the_journal() {
    let place = Place::new();
    let [tiny, first, all] = ["tiny", "first", "all"].map(|name| place.path(name));
    let write =
        |mails, to: &Path| Corpus::new(mails).write(Format::Files, to, |_| {}).expect("written");
    write(10, &tiny);
    write(30, &first);
    let manifest = write(60, &all);
    place.import(&[text(&tiny)]);
    // Something looks at the store, so that its log stays.
    let reader = Connection::open(place.path("store")).expect("the store");
    reader
        .query_row("SELECT count(*) FROM dmarc_records", (), |row| row.get::<_, i64>(0))
        .expect("a number");
    place.import(&[text(&first)]);
    copy(&place, "store", "copy");
    drop(reader);
    assert!(fs::metadata(place.path("copy-wal")).expect("a log").len() > 0);
    let before = place.sums();
    for further_writes in [false, true] {
        place.import(&[text(&all)]);
        assert_eq!(place.sums(), expected(&manifest));
        let again = place.import(&[text(&all)]);
        assert!(again.log.contains("files were finished"), "{}", again.log);

        copy(&place, "copy", "store");
        assert_eq!(place.sums(), before);
        if further_writes {
            let eml = fs::read("tests/fixtures/dmarc/zip.eml").expect("a mail");
            let other = run_with_input(["--store", text(&place.path("store"))], &eml);
            assert_eq!(other.code, Some(0), "{}", other.log);
            let connection = Connection::open(place.path("store")).expect("the store");
            let remove = "PRAGMA foreign_keys = on;
                          DELETE FROM dmarc_reports WHERE id = (SELECT max(id) FROM dmarc_reports)";
            connection.execute_batch(remove).expect("removed, so that the numbers can be compared");
        }
        place.import(&[text(&all)]);
        assert_eq!(place.sums(), expected(&manifest), "further writes: {further_writes}");
        copy(&place, "copy", "store");
    }
}

#[test]
fn killed_ten_times_it_ends_with_the_same() {
    for format in [Format::Maildir, Format::Mbox] {
        let place = Place::new();
        let source = place.path("source");
        let manifest = Corpus { seed: 7, ..Corpus::new(4000) }
            .write(format, &source, |_| {})
            .expect("written");
        for n in 0..10 {
            let running = Running::start_command(place.command(&[text(&source)]));
            // Different moments, from before the store is there to late in the run.
            std::thread::sleep(Duration::from_millis(40 + 150 * n));
            running.signal(Signal::KILL);
        }
        let ended = place.import(&[text(&source)]);
        assert_eq!(ended.code, Some(65), "{}", ended.log);
        assert_eq!(place.sums(), expected(&manifest), "{format:?}");
    }
}

#[test]
fn stopped_politely_it_goes_on_where_it_was() {
    let place = Place::new();
    let mbox = place.path("mbox");
    let manifest = Corpus { seed: 8, ..Corpus::new(6000) }
        .write(Format::Mbox, &mbox, |_| {})
        .expect("written");
    let mut running = Running::start_command(place.command(&[text(&mbox)]));
    wait_until("something stored", Duration::from_secs(30), || {
        place.path("store").exists()
            && place.path("store-wal").metadata().is_ok_and(|wal| wal.len() > 2_000_000)
    });
    running.signal(Signal::INT);
    assert_eq!(running.wait(), Some(75), "{}", running.log());
    let before = place.sums();
    assert!(
        before[0] > 0 && before[0] < manifest.dmarc.reports,
        "stopped too early or too late: {before:?}"
    );
    let ended = place.import(&[text(&mbox)]);
    assert_eq!(place.sums(), expected(&manifest), "{}", ended.log);
    let mails: u64 = ended
        .summary()
        .split(" mails")
        .next()
        .and_then(|s| s.rsplit(' ').next())
        .expect("mails")
        .parse()
        .expect("a number");
    assert!(mails < manifest.mails, "it began at the start again");
}
