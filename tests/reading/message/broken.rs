//! What is broken is refused, and says why.

use super::{dmarc, failure, read, tls};
use crate::support::mail::{gzip, zip, zip_stored};

#[test]
fn archives_cut_off_anywhere_are_refused() {
    let (gzip, zip) = (gzip(&dmarc()), zip(&[("a.xml", &dmarc())]));
    // Two bytes are the mark by which gzip is known, four for zip.
    for length in (2..gzip.len()).step_by(7).chain(gzip.len() - 9..gzip.len()) {
        assert_eq!(
            failure(&gzip[..length]),
            "gzip archive is broken: it is cut off",
            "at {length}"
        );
    }
    for length in (4..zip.len()).step_by(7).chain(zip.len() - 22..zip.len()) {
        assert!(failure(&zip[..length]).starts_with("zip archive is broken"), "at {length}");
    }
}

#[test]
fn a_wrong_checksum_is_noticed() {
    let mut bytes = gzip(&dmarc());
    let crc = bytes.len() - 8;
    bytes[crc] ^= 1;
    assert!(failure(&bytes).starts_with("gzip archive is broken"), "{}", failure(&bytes));
    // Stored, so that nothing but the checksum can tell.
    let mut bytes = zip_stored(&[("a.xml", &dmarc())]);
    let at = memchr::memmem::find(&bytes, b"<count>40").unwrap();
    bytes[at + 7] = b'9';
    assert!(failure(&bytes).starts_with("zip archive is broken"), "{}", failure(&bytes));
}

#[test]
fn reports_cut_off_are_refused_even_among_good_ones() {
    let whole = dmarc();
    let cut = &whole[..whole.len() / 2];
    assert!(failure(cut).starts_with("DMARC report is broken: it is cut off"), "{}", failure(cut));
    let contents = read(&zip(&[("a.xml", &whole), ("b.xml", cut)]));
    assert_eq!(contents.reports.len(), 1);
    assert!(contents.complaint().unwrap().starts_with("DMARC report is broken: it is cut off"));
    assert!(failure(&tls()[..900]).starts_with("SMTP TLS report is broken"));
}

#[test]
fn what_a_report_cannot_do_without_is_named() {
    for (report, element) in [
        (dmarc(), "report_id"),
        (dmarc(), "date_range"),
        (tls(), "date-range"),
        (tls(), "policies"),
    ] {
        let text = String::from_utf8(report).unwrap().replace(element, "other");
        let kind = if text.starts_with('{') { "SMTP TLS" } else { "DMARC" };
        assert_eq!(failure(text.as_bytes()), format!("{kind} report without {element}"));
    }
}
