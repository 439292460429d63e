//! Reports that are not what their part or archive says: they are read, or the mail fails.

use crate::{
    left_out::{another, beside, fails, good, is_read, read},
    support::mail::{attachment, base64, fixture, gzip, mail, multipart, part, zip},
};

const NAMED: &str = "an attachment is named like a report and can't be read as one";
const NAME: &str = "reporter.example!example.org!1696204800!1696291199.xml.gz";

/// Bytes that are nothing.
fn noise() -> Vec<u8> {
    (1..=200).rev().collect()
}

#[test]
fn what_is_named_like_a_report_and_is_none() {
    let packed = gzip(another().as_bytes());
    let pgp = b"-----BEGIN PGP MESSAGE-----\n\nhQEMA0123456789\n-----END PGP MESSAGE-----\n";
    for (name, bytes) in [
        (NAME, noise()),
        (NAME, Vec::new()),
        ("a!b!1!2.zip", zip(&[])),
        ("dmarc.zip", zip(&[("readme.txt", b"see above")])),
        (NAME, [&[1, 2][..], &packed].concat()),
        ("a!b!1!2.xml.lzma", [&[0x5D, 0, 0, 0x80, 0][..], &noise()].concat()),
        ("a.xml.Z", [&[0x1F, 0x9D, 0x90][..], &noise()].concat()),
        ("a.xml.gz.asc", pgp.to_vec()),
        ("tlsrpt.json", noise()),
        ("a!b!1!2.xml", b"<html/>".to_vec()),
    ] {
        fails(&beside(&attachment("application/octet-stream", name, &bytes)), NAMED);
    }
    for (name, bytes) in [
        ("dmarc.png", noise()),
        ("about-dmarc.pdf", b"%PDF-1.7".to_vec()),
        ("dmarc.txt", b"a word on DMARC".to_vec()),
        ("settings.json", b"{\"a\":1}".to_vec()),
        ("invoice.xml", b"<invoice/>".to_vec()),
        ("a", noise()),
        ("a!b!1!2.zip", zip(&[("a.xml", another().as_bytes()), ("readme.txt", b"a word")])),
    ] {
        let contents = beside(&attachment("application/octet-stream", name, &bytes));
        assert_eq!(contents.complaint(), None, "{name}");
    }
    // Mail of another kind stays that.
    let alone = |name| read(&mail(&attachment("application/json", name, b"[1]")));
    assert!(alone("list.json").is_something_else());
    assert!(!alone("tlsrpt.json").is_something_else());
}

#[test]
fn what_is_declared_base64_and_is_none() {
    let encoded = |kind: &str, body: &str| {
        format!("Content-Type: {kind}\nContent-Transfer-Encoding: base64\n\n{body}\n")
    };
    is_read(&beside(&encoded("text/xml", &another())));
    let json = String::from_utf8(fixture("tls/rfc8460.json")).expect("UTF-8");
    let contents = beside(&encoded("application/tlsrpt+json", &json));
    assert_eq!((contents.complaint(), contents.reports.len()), (None, 2));
    for packed in [gzip(another().as_bytes()), zip(&[("a.xml", another().as_bytes())])] {
        let mut bytes =
            multipart("multipart/mixed", "=_b", &[part("text/xml", &good())]).into_bytes();
        bytes.truncate(bytes.len() - "--=_b--\n".len());
        bytes.extend_from_slice(b"--=_b\n");
        bytes.extend_from_slice(encoded("application/gzip", "").trim_end().as_bytes());
        bytes.extend_from_slice(b"\n\n");
        bytes.extend_from_slice(&packed);
        bytes.extend_from_slice(b"\n--=_b--\n");
        is_read(&read(&[&b"From: a@b.example\n"[..], &bytes].concat()));
    }
}

#[test]
fn members_of_a_zip_that_look_like_no_file() {
    let archive = zip(&[("a.xml", good().as_bytes()), ("b.xmlX", another().as_bytes())]);
    let rename = |to: &[u8; 6]| {
        let mut archive = archive.clone();
        while let Some(at) = memchr::memmem::find(&archive, b"b.xmlX") {
            archive[at..at + 6].copy_from_slice(to);
        }
        archive
    };
    let mut link = archive.clone();
    let entry = memchr::memmem::rfind(&link, b"PK\x01\x02").expect("an entry");
    // Made on Unix, and a symbolic link there.
    link[entry + 5] = 3;
    link[entry + 38..entry + 42].copy_from_slice(&(0o120_777_u32 << 16).to_le_bytes());
    let same_names = {
        let mut archive = zip(&[
            ("a.xmlX", good().as_bytes()),
            ("b.xmlX", another().as_bytes()),
            ("folder/", b""),
        ]);
        while let Some(at) = memchr::memmem::find(&archive, b".xmlX") {
            archive[at - 1..at + 5].copy_from_slice(b"c.xml/");
        }
        archive
    };
    for archive in [rename(b"b.xml/"), rename(b"b.xml\\"), link, same_names] {
        is_read(&read(&archive));
    }
}

#[test]
fn several_forms_in_one_text_or_file() {
    const REASON: &str = "an attachment holds files in more than one form";
    let json = String::from_utf8(fixture("tls/rfc8460.json")).expect("UTF-8");
    for text in [
        format!("{}\n\nand\n\n{json}", another()),
        format!("{json}\n\n{}", another()),
        format!("Hello,\n{json}\n\n{}", another()),
    ] {
        let contents = beside(&part("text/plain", &text));
        assert_eq!((contents.complaint(), contents.reports.len()), (None, 3), "{text}");
    }
    let packed = gzip(another().as_bytes());
    let text = format!("{}\n\nand\n\n{}", good(), base64(&packed));
    fails(&read(text.as_bytes()), REASON);
    for between in [&b"xx"[..], b"\r\n\x01"] {
        fails(&read(&[&gzip(good().as_bytes())[..], between, &packed].concat()), REASON);
    }
}
