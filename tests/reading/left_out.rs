//! Nothing is left out silently: what a mail has beside a good report is read, or the mail says why
//! not.

use std::io::Write as _;

use email_report_processor::{
    limits::Limits,
    message::{self, Contents},
    report::Report,
};
use flate2::{Compression, write::ZlibEncoder};

use crate::support::mail::{attachment, base64, fixture, gzip, mail, multipart, part, zip};

pub(crate) const GOOD: &str = "9391651994964116463";

pub(crate) fn read(bytes: &[u8]) -> Contents {
    message::read(bytes, &Limits::default())
}

pub(crate) fn ids(contents: &Contents) -> Vec<&str> {
    contents.reports.iter().map(id).collect()
}

fn id(report: &Report) -> &str {
    match report {
        Report::Aggregate(report) => &report.metadata.report_id,
        Report::Tls(report) => &report.report_id,
        Report::Failure(report) => report.report_id.as_deref().unwrap_or_default(),
    }
}

pub(crate) fn good() -> String {
    String::from_utf8(fixture("dmarc/rfc7489.xml")).expect("UTF-8")
}

pub(crate) fn another() -> String {
    good().replace(GOOD, "another")
}

/// Text for a part that is as it stands, and a good report beside it.
pub(crate) fn beside(section: &str) -> Contents {
    let good = attachment("application/gzip", "good.gz", &gzip(good().as_bytes()));
    read(&mail(&multipart("multipart/mixed", "=_b", &[good, section.to_owned()])))
}

#[track_caller]
pub(crate) fn is_read(contents: &Contents) {
    assert_eq!(contents.complaint(), None);
    let mut found = ids(contents);
    found.sort_unstable();
    assert_eq!(found, [GOOD, "another"]);
}

/// The good report is there, and the mail fails for this reason.
#[track_caller]
pub(crate) fn fails(contents: &Contents, reason: &str) {
    assert_eq!(ids(contents), [GOOD]);
    let complaint = contents.complaint().unwrap_or_default();
    assert!(complaint.contains(reason), "{complaint:?}");
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
    zlib.write_all(bytes).and_then(|()| zlib.finish()).expect("memory takes it")
}

#[test]
fn sections_without_header_or_empty_line() {
    let xml = another();
    let packed = base64(&gzip(xml.as_bytes()));
    let (typed, encoded) = ("Content-Type: text/xml\n", "Content-Transfer-Encoding: base64\n");
    for section in [
        xml.clone(),
        xml.replacen('\n', "\n\n", 3),
        format!("{typed}{xml}"),
        format!("{typed}{}", xml.replacen('\n', "\n\n", 3)),
        packed.clone(),
        format!("{packed}\n"),
        format!("{encoded}{packed}"),
        format!("{encoded}{packed}\n\n"),
        format!("Content-Type: application/gzip;\n\tname=\"a.gz\"\n{encoded}{packed}"),
    ] {
        is_read(&beside(&section));
        is_read(&beside(&section.replace('\n', "\r\n")));
    }
    // The same around all sections.
    let parts = [good(), xml].map(|xml| part("text/xml", &xml));
    let whole =
        String::from_utf8(mail(&multipart("multipart/mixed", "=_b", &parts))).expect("UTF-8");
    is_read(&read(whole.replacen("\n\n--=_b", "\n--=_b", 1).as_bytes()));
}

#[test]
fn what_follows_a_packed_stream() {
    let (first, second) = (good(), another());
    let (first, second) = (first.as_bytes(), second.as_bytes());
    let json = fixture("tls/rfc8460.json");
    for bytes in [
        [&gzip(first)[..], second].concat(),
        [&gzip(first)[..], &[0; 100], second].concat(),
        [&gzip(first)[..], &zip(&[("a.xml", second)])].concat(),
        [&zlib(first)[..], second].concat(),
        [zlib(first), zlib(second)].concat(),
        [zip(&[("a.xml", first)]), zip(&[("a.xml", second)])].concat(),
        [&zip(&[("a.xml", first)])[..], second].concat(),
    ] {
        is_read(&read(&mail(&attachment("application/gzip", "a.gz", &bytes))));
        is_read(&read(&bytes));
    }
    assert_eq!(ids(&read(&[gzip(first), json].concat())).len(), 2);
    let cut = [&gzip(first)[..], &second[..second.len() / 2]].concat();
    fails(&read(&cut), "DMARC report is broken: it is cut off");
    // Streams that follow each other are one file, of which none or all is taken.
    let cut = read(&[&zlib(first)[..], &zlib(second)[..100]].concat());
    assert_eq!(
        (ids(&cut), cut.complaint()),
        (vec![], Some("zlib archive is broken: it is cut off".into()))
    );
    // Padding of any kind is nothing.
    for padding in [vec![0; 100], b"\r\n\r\n".to_vec(), vec![0xFF; 10]] {
        let contents = read(&[gzip(first), padding].concat());
        assert_eq!((contents.complaint(), ids(&contents)), (None, vec![GOOD]));
    }
}

#[test]
fn uuencoded_files_that_are_cut_off() {
    let text = String::from_utf8(fixture("quirks/mail-uuencoded.eml")).expect("UTF-8");
    let from = text.find("begin ").expect("a uuencoded file");
    let file = &text[from..text.rfind("end").expect("its end")];
    let to_end = format!("{file}end\n");
    assert_eq!(beside(&part("text/plain", &to_end)).reports.len(), 2);
    for cut in [&file[..file.len() / 2], file, "begin 644 a.gz"] {
        fails(&beside(&part("text/plain", cut)), "uuencoded file is broken: it is cut off");
    }
    // One that is cut off in front of another.
    let contents = beside(&part("text/plain", &format!("{}\n{to_end}", &file[..file.len() / 2])));
    assert_eq!(contents.reports.len(), 2);
    assert!(
        contents
            .complaint()
            .is_some_and(|complaint| complaint.contains("uuencoded file is broken"))
    );
}

#[test]
fn zstd_is_unpacked() {
    let pack = |bytes: &[u8]| zstd::encode_all(bytes, 3).expect("memory takes it");
    let packed = pack(another().as_bytes());
    is_read(&beside(&attachment("application/zstd", "a.xml.zst", &packed)));
    let both = [pack(good().as_bytes()), packed.clone()].concat();
    is_read(&read(&both));
    is_read(&read(&[pack(good().as_bytes()), another().into_bytes()].concat()));
    let cut = attachment("application/zstd", "a.xml.zst", &packed[..packed.len() / 2]);
    fails(&beside(&cut), "zstd archive is broken: it is cut off");
    let bomb = pack(&vec![b' '; 100 << 20]);
    assert!(read(&bomb).complaint().is_some_and(|complaint| complaint.contains("--limit-")));
}

/// The marks by which formats are known, and their names.
const CLOSED: [(&[u8], &str); 7] = [
    (b"\xFD7zXZ\0\0\x04", "xz"),
    (b"BZh91AY&SY\0\0", "bzip2"),
    (b"7z\xBC\xAF\x27\x1C\0\x04", "7z"),
    (b"Rar!\x1A\x07\0\xCF", "rar"),
    (b"Rar!\x1A\x07\x01\0", "rar"),
    (b"x\x9F>\"\x01\0", "TNEF"),
    (b"\x04\"M\x18\x64", "lz4"),
];

#[test]
fn formats_that_are_not_unpacked_are_named() {
    for (bytes, format) in CLOSED {
        let reason = format!("packed with {format}, which is not read");
        let named = |name: &str| attachment("application/octet-stream", name, bytes);
        fails(&beside(&named("a")), &reason);
        fails(&beside(&attachment("application/zip", "a.zip", &zip(&[("a", bytes)]))), &reason);
        // What is named like a report is meant for one; other mail may have such files, too.
        for (name, is_report) in [
            ("reporter.example!example.org!1696204800!1696291199.xml.xz", true),
            ("reporter.example!example.org!1696204800!1696291199.7z", true),
            ("dmarc-report.rar", true),
            ("tlsrpt.json.bz2", true),
            ("holidays.rar", false),
        ] {
            let header_only =
                named(name).replacen(&format!("\tfilename=\"{name}\""), "\tfilename=\"a\"", 1);
            let disposition_only =
                named(name).replacen(&format!("\tname=\"{name}\""), "\tcharset=a", 1);
            for section in [named(name), header_only, disposition_only] {
                let contents = read(&mail(&section));
                let complaint = contents.complaint().expect("a complaint");
                assert!(complaint.contains(&reason), "{complaint}");
                assert_eq!(contents.is_something_else(), !is_report, "{name}: {complaint}");
            }
        }
    }
}

#[test]
fn base64_between_other_text() {
    let packed = gzip(another().as_bytes());
    for text in [
        format!("Dear all,\nyour report:\n\n{}\n-- \nReporter\n", base64(&packed)),
        format!("Report\n{}Bye\n", base64(another().as_bytes())),
        format!("Hello\n{}", base64(&zip(&[("a.xml", another().as_bytes())]))),
        format!("    {}\n", base64(&packed).replace('\n', "\n    ")),
    ] {
        is_read(&beside(&part("text/plain", &text)));
        is_read(&beside(&part("text/plain", &text.replace('\n', "\r\n"))));
    }
    let encoded = base64(&packed);
    let cut = format!("Dear all,\n{}\nBye\n", &encoded[..encoded.len() / 2]);
    fails(&beside(&part("text/plain", &cut)), "gzip archive is broken: it is cut off");
    // Words that begin as such a text does.
    let letter = format!("H4sI\n\nPD94bWwg is base64.\nH4sI{}\n", "-".repeat(40));
    assert_eq!(beside(&part("text/plain", &letter)).complaint(), None);
}

#[test]
fn reports_without_a_record() {
    let xml = another();
    let without = format!("{}</feedback>", &xml[..xml.find("<record>").expect("a record")]);
    fails(&beside(&part("text/xml", &without)), "DMARC report without a record");
    let renamed = xml.replace("<record>", "<x:record>").replace("</record>", "</x:record>");
    fails(&beside(&part("text/xml", &renamed)), "DMARC report without a record");
    let json = String::from_utf8(fixture("quirks/tls-no-policies.json")).expect("UTF-8");
    fails(&beside(&part("application/json", &json)), "SMTP TLS report without a policy");
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("short").to_be_bytes();
    [&[tag, 0x82], &length[..], content].concat()
}

/// A signature around this: `None` for one that is detached.
fn signed(content: Option<Vec<u8>>) -> Vec<u8> {
    let data = b"\x06\x09\x2A\x86\x48\x86\xF7\x0D\x01\x07\x01".to_vec();
    let explicit = content.map(|content| der(0xA0, &content)).unwrap_or_default();
    let encapsulated = der(0x30, &[data, explicit].concat());
    let signed = [b"\x02\x01\x01\x31\x00".to_vec(), encapsulated, der(0x31, &[0; 300])].concat();
    let oid = b"\x06\x09\x2A\x86\x48\x86\xF7\x0D\x01\x07\x02".to_vec();
    der(0x30, &[oid, der(0xA0, &der(0x30, &signed))].concat())
}

#[test]
fn signed_content_that_is_cut_off() {
    const BROKEN: &str = "S/MIME signature is broken: it is cut off";
    let beside = |bytes: &[u8]| beside(&attachment("application/pkcs7-mime", "smime.p7m", bytes));
    let packed = gzip(another().as_bytes());
    let entity = attachment("application/gzip", "a.gz", &packed).into_bytes();
    let (first, second) = entity.split_at(entity.len() / 2);
    let pieces = |tag: u8| der(0x24, &[der(0x04, first), der(tag, second)].concat());
    let (whole, in_pieces) = (signed(Some(der(0x04, &entity))), signed(Some(pieces(0x04))));
    for bytes in [&whole, &in_pieces] {
        is_read(&beside(bytes));
        // Only what follows the content is missing.
        is_read(&beside(&bytes[..bytes.len() - 100]));
        for length in [20, 40, 60, bytes.len() - 400] {
            fails(&beside(&bytes[..length]), BROKEN);
        }
    }
    fails(&beside(&signed(Some(pieces(0x05)))), BROKEN);
    // Without a header of its own.
    is_read(&beside(&signed(Some(der(0x04, &packed)))));
    // As text, between which stand the marks of the pieces.
    let text = part("text/xml", &another()).into_bytes();
    let (first, second) = text.split_at(text.len() / 2);
    is_read(&beside(&signed(Some(der(0x24, &[der(0x04, first), der(0x04, second)].concat())))));
    let detached = signed(None);
    for bytes in [&detached[..], &detached[..detached.len() - 100]] {
        assert_eq!(beside(bytes).complaint(), None);
    }
}

/// What was mended in the one report of these bytes.
fn repairs(text: &str) -> Vec<&'static str> {
    let contents = read(text.as_bytes());
    assert_eq!((contents.complaint(), contents.reports.len()), (None, 1));
    contents.reports[0].repairs().names().to_vec()
}

#[test]
fn what_stands_twice_in_a_report_is_noted() {
    let text = good();
    let metadata = &text[text.find("<report_metadata>").expect("there")
        ..text.find("<policy_published>").expect("there")];
    let twice = |second: &str| {
        text.replacen("<policy_published>", &format!("{second}<policy_published>"), 1)
    };
    assert_eq!(repairs(&twice(metadata)), [""; 0]);
    assert_eq!(repairs(&twice(&metadata.replace(GOOD, "x"))), ["repeated-element"]);
    let (begin, end) =
        (text.find("<begin>").expect("there"), text.find("</begin>").expect("there"));
    let another = format!("<begin>1</begin>{}", &text[begin..end]);
    assert_eq!(repairs(&text.replacen(&text[begin..end], &another, 1)), ["repeated-element"]);
    let reason = |reason: &str| {
        let reason = format!("<reason>{reason}</reason></policy_evaluated>");
        text.replacen("</policy_evaluated>", &reason, 1)
    };
    let comment = |text: &str| match &read(text.as_bytes()).reports[0] {
        Report::Aggregate(report) => {
            report.records[0].row.policy_evaluated.reason.last().and_then(|r| r.comment.clone())
        }
        _ => None,
    };
    for (inner, notes, kept) in [
        ("one &amp; two", &["reason-as-text"][..], "one & two"),
        ("one<type>other</type> two ", &["reason-as-text"], "one two"),
        ("<comment>one</comment> two", &["stray-text"], "one"),
        ("<comment>one</comment><comment>two</comment>", &["repeated-element"], "one"),
    ] {
        let text = reason(inner);
        assert_eq!(
            (repairs(&text), comment(&text).as_deref()),
            (notes.to_vec(), Some(kept)),
            "{inner}"
        );
    }
}

#[test]
fn base64_within_a_letter_in_many_shapes() {
    let xml = another();
    let packed = base64(&gzip(xml.as_bytes())).replace(['\r', '\n'], "");
    let lines = |length: usize, mark: &str| -> String {
        let line = |line: &[u8]| format!("{mark}{}\n", String::from_utf8_lossy(line));
        packed.as_bytes().chunks(length).map(line).collect()
    };
    let utf16: Vec<u8> = xml.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let marked = [&[0xFF, 0xFE], &utf16[..]].concat();
    for text in [
        lines(20, ""),
        lines(76, "> "),
        lines(76, ">> "),
        base64(&zlib(xml.as_bytes())),
        base64(&utf16),
        base64(&marked),
    ] {
        is_read(&beside(&part("text/plain", &format!("Hello you,\n\n{text}\nBye now"))));
    }
    let json = String::from_utf8(fixture("tls/rfc8460.json")).expect("UTF-8");
    let list = base64(format!("[{json}]").as_bytes());
    let contents = beside(&part("text/plain", &format!("Hello you,\n\n{list}\n")));
    assert_eq!((contents.complaint(), contents.reports.len()), (None, 2));
}

#[test]
fn an_archive_behind_xml() {
    let file = [good().as_bytes(), &gzip(another().as_bytes())].concat();
    fails(&read(&mail(&attachment("text/xml", "a.xml", &file))), "what is no text (and 1 more)");
}
