//! What a journal says to the next import.

use super::*;
use crate::sink::discard::Discard;

fn key(path: &str) -> FileKey {
    FileKey::new(path.as_bytes(), 1, (2, 3))
}

fn at(byte: u64) -> Place {
    Place::default().within(byte)
}

#[test]
fn a_stream_is_known_as_far_as_everything_is_settled() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("journal");
    let open = |store| Journal::open(&file, store, false, Arc::new(Discard));
    let mut journal = open("a");
    let stream = journal.stream(Some(key("mbox")));
    let tags: Vec<_> = (0..3).map(|n| journal.mail(stream, at(n * 10), at(n * 10 + 10))).collect();
    journal.settled(tags[0], End::Whole);
    journal.settled(tags[2], End::Whole);
    journal.flush();
    drop(journal);

    let mut journal = open("a");
    assert_eq!((journal.byte(key("mbox")), journal.is_finished(key("mbox"))), (10, false));
    let stream = journal.stream(Some(key("mbox")));
    let tags: Vec<_> = (1..3).map(|n| journal.mail(stream, at(n * 10), at(n * 10 + 10))).collect();
    journal.end_stream(stream);
    journal.settled(tags[1], End::Whole);
    journal.settled(tags[0], End::Left);
    journal.flush();
    assert_eq!(
        open_copy(&file, "a").byte(key("mbox")),
        10,
        "a mail that was left holds the journal back"
    );
    drop(journal);

    let mut journal = open("a");
    let stream = journal.stream(Some(key("mbox")));
    let tag = journal.mail(stream, at(10), at(30));
    journal.end_stream(stream);
    journal.settled(tag, End::Partly);
    let one = journal.file(key("one"));
    let other = journal.file(key("other"));
    journal.settled(one, End::Whole);
    journal.settled(other, End::Failed);
    journal.flush();
    drop(journal);
    let journal = open("a");
    let finished = ["mbox", "one", "other"].map(|name| journal.is_finished(key(name)));
    assert_eq!(finished, [true, true, false]);
    drop(journal);
    assert!(!open("b").is_finished(key("one")), "another store");
}

/// Reads a journal that is still being written.
fn open_copy(file: &Path, store: &str) -> Journal {
    let copy = file.with_extension("copy");
    fs::copy(file, &copy).expect("copied");
    Journal::open(&copy, store, false, Arc::new(Discard))
}

#[test]
fn what_lies_behind_is_greater_and_a_hold_stays() {
    let place = |text: &str| text.parse::<Place>().expect("numbers");
    assert!(
        place("3") < place("3.0")
            && place("3.70") < place("3.400")
            && place("3.400.7") < place("4")
    );
    assert_eq!(place("3.400.7").to_string(), "3.400.7");

    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("journal");
    let mut journal = Journal::open(&file, "a", false, Arc::new(Discard));
    let stream = journal.stream(Some(key("tar")));
    let first = journal.mail(stream, place("3.0"), place("3.400"));
    journal.hold(stream);
    journal.reach(stream, place("4"), place("4"));
    let second = journal.mail(stream, place("5.0"), place("5.1"));
    journal.reach(stream, place("6"), place("6"));
    let third = journal.mail(stream, place("7.0"), place("7.90"));
    journal.hold(stream);
    journal.end_stream(stream);
    for tag in [first, second, third] {
        journal.settled(tag, End::Whole);
    }
    journal.flush();
    drop(journal);
    let mut journal = Journal::open(&file, "a", false, Arc::new(Discard));
    assert!(!journal.is_finished(key("tar")));
    let stream = journal.stream(Some(key("tar")));
    let resume = |at: &str| journal.resume(stream, &place(at)).to_string();
    assert_eq!(resume("3.0"), "3.400", "a mail that is done");
    assert_eq!(resume("3.400"), "3.400", "a part that could not be read");
    assert_eq!((resume("5"), resume("7")), ("7.90".into(), "7.90".into()), "what lies behind it");
    assert_eq!(resume("8"), "8");
}

#[test]
fn what_released_versions_wrote_is_gone_on_with() {
    let released = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/released");
    for version in fs::read_dir(released).expect("a folder") {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("journal");
        fs::copy(version.expect("a version").path().join("journal"), &file).expect("copied");
        let journal = Journal::open(&file, "a", false, Arc::new(Discard));
        assert!(journal.is_finished(key("one")));
        assert_eq!(journal.byte(key("mbox")), 10);
    }
}

#[test]
fn a_torn_line_is_passed_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("journal");
    let whole = format!("finished {:032x}", key("a").0);
    fs::write(&file, format!("{FIRST_LINE}a\n{whole}\n{}", &whole[..20])).expect("written");
    assert!(Journal::open(&file, "a", false, Arc::new(Discard)).is_finished(key("a")));
    let mut journal = Journal::open(&file, "a", false, Arc::new(Discard));
    let tag = journal.file(key("b"));
    journal.settled(tag, End::Whole);
    journal.flush();
    drop(journal);
    assert!(
        Journal::open(&file, "a", false, Arc::new(Discard)).is_finished(key("b")),
        "written behind the torn line"
    );
}

#[test]
fn mails_that_failed_are_gaps_and_told_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("journal");
    let mut size = 0;
    for run in 0..3 {
        let mut journal = Journal::open(&file, "a", false, Arc::new(Discard));
        assert_eq!(journal.byte(key("mbox")), if run == 0 { 0 } else { 30 });
        let stream = journal.stream(Some(key("mbox")));
        for n in journal.byte(key("mbox")) / 10..3000 {
            let tag = journal.mail(stream, at(n * 10), at(n * 10 + 10));
            journal.settled(tag, if n % 4 == 3 { End::Failed } else { End::Partly });
            if n % 700 == 0 {
                journal.flush();
            }
        }
        journal.end_stream(stream);
        journal.flush();
        assert_eq!(journal.streams[&stream].sections[0].under_way.len(), 0);
        drop(journal);
        let journal = Journal::open(&file, "a", false, Arc::new(Discard));
        assert!(!journal.is_finished(key("mbox")));
        assert_eq!(journal.settled[&key("mbox")].behind(&at(40)), at(70));
        assert_eq!(journal.settled[&key("mbox")].behind(&at(70)), at(70));
        drop(journal);
        let now = fs::metadata(&file).expect("a journal").len();
        assert!(now < if run == 0 { 100 * 760 } else { size + 100 }, "{now} bytes");
        size = now;
    }
}
