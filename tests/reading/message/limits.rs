//! What is too large, too deep or too many.

use std::time::{Duration, Instant};

use email_report_processor::{document::Documents, limits::Limits, message};

use super::{DMARC_ID, dmarc, ids, read, tls};
use crate::support::{
    mail::{attachment, base64, fixture, gzip, mail, multipart, part, zip},
    rng::Rng,
};

/// The name of the limit that a mail exceeds, which must be found out quickly.
fn limit(bytes: &[u8], limits: &Limits) -> String {
    let start = Instant::now();
    let contents = message::read(bytes, limits);
    // Generous, since tests run without optimisation on busy machines.
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    assert!(contents.reports.is_empty());
    let complaint = contents.complaint().unwrap();
    let name = complaint.split_once("(--limit-").unwrap_or_else(|| panic!("{complaint}")).1;
    name.split_once(')').unwrap().0.to_owned()
}

#[test]
fn bombs_are_refused() {
    let limits = Limits { unpacked_bytes: 4 << 20, ..Limits::default() };
    let zeros = vec![b' '; 5 << 20];
    assert_eq!(limit(&gzip(&zeros), &limits), "ratio");
    assert_eq!(limit(&zip(&[("a", &zeros)]), &limits), "ratio");
    let lenient = Limits { ratio: u64::MAX, ..limits };
    assert_eq!(limit(&gzip(&zeros), &lenient), "unpacked-bytes");
    assert_eq!(limit(&zip(&[("a", &zeros)]), &lenient), "unpacked-bytes");
    // Each member is small enough, all together are not, side by side or in an archive each.
    let third = vec![b' '; 2 << 20];
    assert_eq!(
        limit(&zip(&[("a", &third), ("b", &third), ("c", &third)]), &lenient),
        "unpacked-bytes"
    );
    let packed = gzip(&third);
    assert_eq!(
        limit(&zip(&[("a", &packed), ("b", &packed), ("c", &packed)]), &lenient),
        "unpacked-bytes"
    );
}

#[test]
fn archives_in_archives_are_refused_beyond_the_limit() {
    let nested =
        |levels, pack: fn(&[u8]) -> Vec<u8>| (0..levels).fold(dmarc(), |inner, _| pack(&inner));
    let limits = Limits::default();
    for pack in [gzip, |inner: &[u8]| zip(&[("a.zip", inner)])] {
        assert_eq!(ids(&nested(limits.nesting, pack)), [DMARC_ID]);
        assert_eq!(limit(&nested(limits.nesting + 1, pack), &limits), "nesting");
        assert_eq!(limit(&nested(40, pack), &limits), "nesting");
    }
}

/// A zip that unpacks to many zips that unpack to many zips, as `42.zip` and quines do.
#[test]
fn a_tree_of_archives_ends_in_bounded_time() {
    let mut archive = dmarc();
    for _ in 0..6 {
        let files: Vec<(String, &[u8])> =
            (0..16).map(|n| (format!("{n}.zip"), archive.as_slice())).collect();
        let files: Vec<(&str, &[u8])> =
            files.iter().map(|(name, bytes)| (name.as_str(), *bytes)).collect();
        archive = zip(&files);
        if archive.len() > 4 << 20 {
            break;
        }
    }
    let start = Instant::now();
    let contents = read(&archive);
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    assert!(!contents.failures.is_empty(), "{} reports", contents.reports.len());
}

#[test]
fn mails_in_mails_are_refused_beyond_the_limit() {
    let limits = Limits::default();
    let nested = |levels| {
        (0..levels).fold(mail(&attachment("text/xml", "a.xml", &dmarc())), |inner, _| {
            mail(&part("message/rfc822", std::str::from_utf8(&inner).unwrap()))
        })
    };
    assert_eq!(ids(&nested(limits.nesting)), [DMARC_ID]);
    assert_eq!(limit(&nested(limits.nesting + 1), &limits), "nesting");
    // By way of base64, where the mail parser does not look into it.
    let hidden = (0..9).fold(mail(&attachment("text/xml", "a.xml", &dmarc())), |inner, _| {
        mail(&attachment("application/octet-stream", "m.eml", &inner))
    });
    assert_eq!(limit(&hidden, &limits), "nesting");
}

#[test]
fn too_many_parts_members_records_and_levels_of_xml() {
    let limits = Limits { parts: 10, members: 10, records: 10, xml_depth: 10, ..Limits::default() };
    let parts = vec![part("text/plain", "x"); 20];
    assert_eq!(limit(&mail(&multipart("multipart/mixed", "=_b", &parts)), &limits), "parts");
    let names: Vec<String> = (0..11).map(|n| format!("{n}.xml")).collect();
    let files: Vec<(&str, &[u8])> =
        names.iter().map(|name| (name.as_str(), b"x".as_slice())).collect();
    assert_eq!(limit(&zip(&files), &limits), "members");
    assert_eq!(limit(&gzip(b"x").repeat(11), &limits), "members");
    let text = String::from_utf8(dmarc()).unwrap();
    let records = text
        .replace("</feedback>", &"<record><row><count>1</count></row></record>".repeat(9))
        + "</feedback>";
    assert_eq!(limit(records.as_bytes(), &limits), "records");
    let deep =
        text.replace("</version>", &format!("{}{}</version>", "<a>".repeat(20), "</a>".repeat(20)));
    assert_eq!(limit(deep.as_bytes(), &limits), "xml-depth");
    let policies = String::from_utf8(tls())
        .unwrap()
        .replace("\"policies\": [", &format!("\"policies\": [{}", "{},".repeat(11)));
    assert_eq!(limit(policies.as_bytes(), &limits), "records");
}

/// Reports that are none are counted over all of a mail, and only the first reasons are kept.
#[test]
fn refused_reports_are_counted() {
    let names: Vec<String> = (0..200).map(|n| format!("{n}.xml")).collect();
    let text = "<feedback>".repeat(900);
    let files: Vec<(&str, &[u8])> =
        names.iter().map(|name| (name.as_str(), text.as_bytes())).collect();
    let limits = Limits { records: 20_000, ..Limits::default() };
    let contents = message::read(&zip(&files), &limits);
    assert!(contents.failures.len() <= 100, "{}", contents.failures.len());
    assert!((20_000..21_000).contains(&contents.more_failures), "{}", contents.more_failures);
    let complaint = contents.complaint().expect("refused");
    assert!(complaint.ends_with(&format!("(and {} more)", contents.more_failures + 99)));
}

/// What is told from the reports is near to what is written, and usual reports of the largest size
/// pass.
#[test]
fn the_size_of_documents_is_told_beforehand() {
    let text = String::from_utf8(dmarc()).unwrap();
    let record = &text[text.find("<record>").unwrap()..text.rfind("</feedback>").unwrap()];
    let many = text.replace("</feedback>", &format!("{}</feedback>", record.repeat(300)));
    for bytes in [many.as_bytes(), &tls()] {
        let contents = read(bytes);
        let documents = Documents::new(&contents.reports[0], &contents.received);
        let mut sources = Vec::new();
        (0..documents.len()).for_each(|n| documents.write_source(n, &mut sources));
        let refused = |part: u64| {
            let document_bytes = sources.len() as u64 * part / 10;
            message::read(bytes, &Limits { document_bytes, ..Limits::default() }).reports.is_empty()
        };
        assert!(refused(5), "{}", sources.len());
        assert!(!refused(20), "{}", sources.len());
        assert!(
            sources.len() / documents.len() * 250_000 < 512 << 20,
            "{}",
            sources.len() / documents.len()
        );
    }
}

/// What takes much time or memory for its size; `tests/storing/limits` has the bombs.
#[test]
fn headers_pieces_of_xml_and_values_of_json_are_limited() {
    let limits = Limits { header_bytes: 20_000, records: 1000, ..Limits::default() };
    let text = String::from_utf8(dmarc()).unwrap();
    let field = mail(&part(&format!("text/xml{}", ";a*1=b".repeat(1000)), &text));
    assert_eq!(limit(&field, &limits), "header-bytes");
    let short_parts = vec![part(&format!("text/plain; a={}", "b".repeat(1000)), "x"); 30];
    assert_eq!(
        limit(&mail(&multipart("multipart/mixed", "=_b", &short_parts)), &limits),
        "header-bytes"
    );
    let pieces = text.replace("</version>", &format!("</version>{}", "<a/>".repeat(20_000)));
    assert_eq!(limit(pieces.as_bytes(), &limits), "records");
    let values = String::from_utf8(tls())
        .unwrap()
        .replace("\"policies\"", &format!("\"a\": [1{}], \"policies\"", ",1".repeat(2_000_000)));
    assert_eq!(limit(values.as_bytes(), &limits), "records");
    // Within the limits, all of them are read.
    let limits = Limits { header_bytes: 100_000, ..limits };
    assert!(read(&mail(&multipart("multipart/mixed", "=_b", &short_parts))).is_something_else());
    assert_eq!(message::read(text.as_bytes(), &limits).complaint(), None);
}

#[test]
fn too_large_mails_are_not_looked_into() {
    let limits = Limits { mail_bytes: 1000, ..Limits::default() };
    assert_eq!(limit(&fixture("dmarc/zip.eml"), &limits), "mail-bytes");
}

/// Deep or endless structure in MIME, XML and JSON must not overflow the stack or take quadratic
/// time.
#[test]
fn pathological_input_is_answered_quickly() {
    let mut rng = Rng::new(7, 0);
    let noise: Vec<u8> = (0..1 << 20).map(|_| rng.next().to_le_bytes()[0]).collect();
    let multiparts: Vec<String> = (0..3000)
        .map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n"))
        .collect();
    let mails = "Content-Type: message/rfc822\n\n".repeat(3000);
    let inputs = [
        ("noise", noise.clone()),
        (
            "noise in base64",
            mail(&part("application/zip\nContent-Transfer-Encoding: base64", &base64(&noise))),
        ),
        ("multiparts in multiparts", multiparts.concat().into_bytes()),
        ("mails in mails", mails.into_bytes()),
        ("open elements", [b"<feedback>".as_slice(), &b"<a>".repeat(300_000)].concat()),
        ("open angles", [b"<feedback>".as_slice(), &b"<".repeat(1 << 20)].concat()),
        ("ends without beginnings", [b"<feedback>".as_slice(), &b"</a>".repeat(300_000)].concat()),
        ("ampersands", [b"<feedback><version>".as_slice(), &b"&".repeat(1 << 20)].concat()),
        ("entities", [b"<feedback><version>".as_slice(), &b"&lol;".repeat(200_000)].concat()),
        ("attributes", [b"<feedback ".as_slice(), &b"a=\"b\" ".repeat(200_000), b">"].concat()),
        ("comments", [b"<feedback>".as_slice(), &b"<!-- ".repeat(200_000)].concat()),
        (
            "doctype",
            [
                b"<!DOCTYPE a [".as_slice(),
                &b"<!ENTITY a \"&a;&a;\">".repeat(50_000),
                b"]><feedback>",
            ]
            .concat(),
        ),
        ("lists", [b"{\"policies\":".as_slice(), &b"[".repeat(1 << 20)].concat()),
        ("objects", b"{\"policies\":".repeat(100_000)),
        ("headers", b"Subject: a\n".repeat(100_000)),
        ("one long header", [b"Subject: ".as_slice(), &b"=?utf-8?q?a?= ".repeat(100_000)].concat()),
        ("addresses", [b"From: ".as_slice(), &b"<(\"a,".repeat(200_000)].concat()),
        ("gzip members", gzip(b"").repeat(50_000)),
        ("zip beginnings", b"PK\x03\x04".repeat(200_000)),
        ("zip ends", b"PK\x05\x06".repeat(200_000)),
    ];
    for (name, bytes) in inputs {
        let start = Instant::now();
        let contents = read(&bytes);
        let took = start.elapsed();
        println!("{name}: {took:?} {:?}", contents.complaint());
        assert!(took < Duration::from_secs(10), "{name}: {took:?}");
        assert!(contents.reports.is_empty(), "{name}");
    }
}
