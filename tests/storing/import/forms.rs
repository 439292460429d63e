//! `import` of mail in uncommon forms: what is read, and what is named because it is not.

use std::{fmt::Write, fs, os::unix::fs::symlink};

use super::{Place, text};
use crate::support::{
    corpus::Corpus,
    mail::{gzip, zip},
};

const SEPARATOR: &str = "From a@example.org Tue Nov 14 22:13:20 2023\n";

/// Mails of the corpus, each with one aggregate report.
fn reports(mails: usize) -> Vec<String> {
    let corpus = Corpus { seed: 90, ..Corpus::new(10 * mails) };
    let has_report = |mail: &crate::support::corpus::Mail| {
        mail.documents().iter().any(|document| document.get("feedback").is_some())
    };
    let all = corpus.iter().filter(has_report).take(mails);
    all.map(|mail| String::from_utf8(mail.bytes).expect("UTF-8")).collect()
}

/// Imports a file or folder of this name, and tells the exit code, how many aggregate reports are
/// in the store then, and the log.
fn import(place: &Place, name: &str) -> (Option<i32>, u64, String) {
    let ended = place.import(&[text(&place.path(name))]);
    let stored = if place.path("store").exists() { place.sums()[0] } else { 0 };
    (ended.code, stored, ended.log)
}

fn header(name: &str, size: u64) -> tar::Header {
    let mut header = tar::Header::new_old();
    header.set_path(name).expect("a short name");
    header.set_size(size);
    header.set_mode(0o644);
    header.set_cksum();
    header
}

#[test]
fn reports_of_a_domain_named_like_dovecots_files_are_read() {
    let place = Place::new();
    let report = gzip(&fs::read("tests/fixtures/dmarc/rfc7489.xml").expect("a report"));
    let name = "dovecot.org!example.org!1700000000!1700086399.xml.gz";
    fs::create_dir(place.path("folder")).expect("made");
    fs::write(place.path("folder").join(name), &report).expect("written");
    for own in ["dovecot.index.cache", "dovecot-uidlist", "dovecot-uidvalidity.65a1b2c3"] {
        fs::write(place.path("folder").join(own), b"\x02\x0b nothing to read").expect("written");
    }
    let (code, stored, log) = import(&place, "folder");
    assert_eq!((code, stored), (Some(0), 1), "{log}");
    assert!(log.contains(" 1 mail: "), "{log}");

    let place = Place::new();
    let mut builder = tar::Builder::new(Vec::new());
    builder.append(&header(name, report.len() as u64), &report[..]).expect("memory");
    builder.append(&header("Maildir/dovecot.index.log", 3), &b"abc"[..]).expect("memory");
    fs::write(place.path("a.tar"), builder.into_inner().expect("memory")).expect("written");
    let (code, stored, log) = import(&place, "a.tar");
    assert_eq!((code, stored), (Some(0), 1), "an archive without ustar: {log}");
    assert!(log.contains(" 1 mail: "), "{log}");
}

#[test]
fn an_mbox_without_blank_lines_or_with_something_in_front_is_read_whole() {
    let mails = reports(3);
    let packed = mails.iter().fold(String::new(), |mut all, mail| {
        write!(all, "{SEPARATOR}{mail}").expect("memory");
        all
    });
    let spaced = packed.replace(SEPARATOR, &format!("\n{SEPARATOR}"));
    for (what, mbox) in [
        ("no blank lines", packed.clone()),
        ("a blank line in front", spaced.clone()),
        ("a byte order mark", format!("\u{feff}{}", &spaced[1..])),
        ("CRLF without blank lines", packed.replace('\n', "\r\n")),
    ] {
        let place = Place::new();
        fs::write(place.path("mbox"), mbox).expect("written");
        let (code, stored, log) = import(&place, "mbox");
        assert_eq!((code, stored), (Some(0), 3), "{what}: {log}");
        assert!(log.contains(" 3 mails: "), "{what}: {log}");
    }
}

#[test]
fn what_is_packed_in_a_way_that_is_not_read_is_named() {
    for (name, start, format) in [
        ("old.tar.bz2", &b"BZh91AY&SY"[..], "bzip2"),
        ("old.tar.xz", b"\xFD7zXZ\0\0\x04", "xz"),
        ("old.7z", b"7z\xBC\xAF\x27\x1C\0\x04", "7z"),
    ] {
        let place = Place::new();
        fs::write(place.path(name), [start, &[7; 1000]].concat()).expect("written");
        let (code, _, log) = import(&place, name);
        assert_eq!(code, Some(65), "{name}: {log}");
        assert!(log.contains(name) && log.contains(format), "{log}");
    }
    let place = Place::new();
    let report = fs::read("tests/fixtures/dmarc/rfc7489.xml").expect("a report");
    fs::write(place.path("r.zip"), zip(&[("a!b!1!2.xml", &report)])).expect("written");
    assert_eq!(import(&place, "r.zip").0, Some(0));
}

#[test]
fn a_sparse_member_is_named_and_those_behind_it_are_read() {
    let place = Place::new();
    let mail = reports(1).remove(0);
    let mut builder = tar::Builder::new(Vec::new());
    let mut sparse = tar::Header::new_gnu();
    sparse.set_path("disk.img").expect("a short name");
    sparse.set_entry_type(tar::EntryType::GNUSparse);
    sparse.set_size(0);
    // Its real size.
    sparse.as_mut_bytes()[483..494].copy_from_slice(b"00000000000");
    sparse.set_cksum();
    builder.append(&sparse, &b""[..]).expect("memory");
    builder.append(&header("a.eml", mail.len() as u64), mail.as_bytes()).expect("memory");
    fs::write(place.path("a.tar"), builder.into_inner().expect("memory")).expect("written");
    let (code, stored, log) = import(&place, "a.tar");
    assert_eq!((code, stored), (Some(65), 1), "{log}");
    assert!(log.contains("a.tar, disk.img") && log.contains("sparse"), "{log}");
}

#[test]
fn links_that_are_not_followed_are_named() {
    let place = Place::new();
    let mail = reports(1).remove(0);
    for folder in ["folder", "elsewhere"] {
        fs::create_dir(place.path(folder)).expect("made");
    }
    fs::write(place.path("a.eml"), mail).expect("written");
    symlink(place.path("a.eml"), place.path("folder/good")).expect("linked");
    symlink(place.path("elsewhere"), place.path("folder/away")).expect("linked");
    symlink("/nope/archive.tar", place.path("folder/gone")).expect("linked");
    let (code, stored, log) = import(&place, "folder");
    assert_eq!((code, stored), (Some(0), 1), "{log}");
    assert!(log.contains("2 links to folders or to nothing were not followed"), "{log}");
}
