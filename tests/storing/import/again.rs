//! Interrupted and begun again: what the journal spares, and when it does not count.

use std::{
    fs::{self, File},
    path::Path,
    time::Duration,
};

use rusqlite::Connection;
use rustix::process::Signal;

use super::{Place, text};
use crate::support::{
    corpus::{Corpus, Format},
    program::{Running, program, run_command, run_with_input, wait_until},
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
    // An mbox is finished when no mail in it has failed.
    let whole = manifest.mails - manifest.junk - manifest.broken + u64::from(manifest.broken == 0);
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

/// A mail that failed is read again, and it alone.
#[test]
fn mails_that_failed_in_an_mbox_or_archive_are_read_again() {
    let place = Place::new();
    let corpus = Corpus { seed: 12, ..Corpus::new(300) };
    let mbox = place.path("mbox");
    let manifest = corpus.write(Format::Mbox, &mbox, |_| {}).expect("written");
    let archive = place.path("a.tar");
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_path_with_name(&mbox, "mbox").expect("memory");
    for mail in corpus.iter().take(20) {
        let mut header = tar::Header::new_ustar();
        header.set_size(mail.bytes.len() as u64);
        builder.append_data(&mut header, &mail.name, &mail.bytes[..]).expect("memory");
    }
    fs::write(&archive, builder.into_inner().expect("memory")).expect("written");
    for source in [mbox, archive] {
        let place = Place::new();
        let import = |arguments: &[&str]| place.import(&[arguments, &[text(&source)]].concat());
        let first = import(&["--limit-records=3"]);
        assert_eq!(first.code, Some(65), "{}", first.log);
        let before = place.sums();
        assert!(before != expected(&manifest));
        let size = || {
            fs::read_dir(place.path("state"))
                .expect("a folder")
                .map(|file| file.and_then(|file| file.metadata()).expect("a journal").len())
                .sum::<u64>()
        };
        for _ in 0..3 {
            let written = size();
            let again = import(&["--limit-records=3"]);
            assert_eq!((again.code, place.sums()), (Some(65), before), "{}", again.log);
            assert!(!again.summary().contains("with reports"), "{}", again.summary());
            assert!(size() < written + 100, "the journal grows by what it said before");
        }
        import(&[]);
        assert_eq!(place.sums(), expected(&manifest));
    }
}

#[test]
fn an_emptied_line_file_voids_the_journal() {
    let place = Place::new();
    let (folder, lines) = (place.path("folder"), place.path("lines"));
    let manifest = Corpus::new(30).write(Format::Files, &folder, |_| {}).expect("written");
    let import = || {
        let mut command = program(["import", "--ndjson", text(&lines), text(&folder)]);
        command.env("STATE_DIRECTORY", place.path("state"));
        let ended = run_command(command);
        (fs::read_to_string(&lines).expect("read").lines().count() as u64, ended.log)
    };
    assert_eq!(import().0, manifest.documents);
    let (count, log) = import();
    assert_eq!(count, manifest.documents, "{log}");
    assert!(log.contains("files were finished"), "{log}");
    File::options().write(true).open(&lines).and_then(|file| file.set_len(0)).expect("emptied");
    let (count, log) = import();
    assert_eq!(count, manifest.documents, "{log}");
}
