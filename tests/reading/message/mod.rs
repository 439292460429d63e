//! Every shape in which mails bring reports, mail of other kinds, and what is refused.

use std::time::{Duration, Instant};

use crate::support::{
    mail::{attachment, base64, fixture, gzip, mail, multipart, part, zip, zip_stored},
    rng::Rng,
};
use email_report_processor::{
    limits::Limits,
    message::{self, Contents},
    report::Report,
};

fn read(bytes: &[u8]) -> Contents {
    message::read(bytes, &Limits::default())
}

/// The reporters' ids of all reports in a mail in which nothing is wrong.
fn ids(bytes: &[u8]) -> Vec<String> {
    let contents = read(bytes);
    assert_eq!(contents.complaint(), None);
    let id = |report: &Report| match report {
        Report::Aggregate(report) => report.metadata.report_id.to_string(),
        Report::Tls(report) => report.report_id.to_string(),
        Report::Failure(report) => report.report_id.as_deref().unwrap_or_default().to_owned(),
    };
    contents.reports.iter().map(id).collect()
}

fn dmarc() -> Vec<u8> {
    fixture("dmarc/rfc7489.xml")
}

fn tls() -> Vec<u8> {
    fixture("tls/rfc8460.json")
}

const DMARC_ID: &str = "9391651994964116463";
const TLS_ID: &str = "5065427c-23d3-47ca-b6e0-946ea0e8c4be";

// ---- shapes of mails with reports

#[test]
fn whole_mails_as_reporters_send_them() {
    assert_eq!(ids(&fixture("dmarc/zip.eml")), [DMARC_ID]);
    assert_eq!(ids(&fixture("dmarc/gzip.eml")), [DMARC_ID]);
    assert_eq!(ids(&fixture("tls/report.eml")), [TLS_ID]);
}

#[test]
fn lines_may_end_in_crlf() {
    for name in ["dmarc/zip.eml", "dmarc/gzip.eml", "tls/report.eml", "dmarc/rfc7489.xml", "tls/rfc8460.json"] {
        let crlf = String::from_utf8(fixture(name)).unwrap().replace('\n', "\r\n");
        assert_eq!(read(crlf.as_bytes()).reports.len(), 1, "{name}");
    }
}

/// Postfix puts it in front of what it pipes, and so do programs that take mails out of an mbox.
#[test]
fn a_from_line_of_an_mbox_may_stand_on_top() {
    let quoted = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap().replace('=', "=3D");
    let part = |bytes: &[u8]| part("text/xml\nContent-Transfer-Encoding: quoted-printable", &quoted(bytes));
    let another = String::from_utf8(dmarc()).unwrap().replace(DMARC_ID, "another");
    let two = mail(&multipart("multipart/mixed", "=_b", &[part(&dmarc()), part(another.as_bytes())]));
    let (envelope, error) = ("From a@b.example  Wed Sep  2 04:10:00 2026\n", "X-Email-Report-Processor-Error: x\n");
    for top in [envelope, &format!(">{envelope}"), &format!("{envelope}>{envelope}"), &format!("{error}{envelope}")] {
        for (top, mail) in [(top.to_owned(), mail(&part(&dmarc()))), (top.replace('\n', "\r\n"), crlf(&two))] {
            let with_top = [top.as_bytes(), &mail].concat();
            let (plain, found) = (read(&mail), read(&with_top));
            assert_eq!(found.complaint(), None, "{top}");
            assert_eq!((&found.received, &found.reports), (&plain.received, &plain.reports), "{top}");
            assert_eq!(found.received.from.as_deref(), Some("noreply@reporter.example"));
            let within = attachment("application/octet-stream", "a.eml", &with_top);
            assert_eq!(ids(&self::mail(&within)), ids(&mail));
            assert_eq!(
                ids(&self::mail(&attachment("application/zip", "a.zip", &zip(&[("a.eml", &with_top)])))),
                ids(&mail)
            );
            let attached = self::part("message/rfc822", std::str::from_utf8(&with_top).unwrap());
            assert_eq!(ids(&self::mail(&attached)), ids(&mail));
        }
    }
    assert_eq!(ids(&two), [DMARC_ID, "another"]);
    // An old way to write a field.
    let spaced = String::from_utf8(mail(&part(&dmarc()))).unwrap();
    let spaced = spaced.split_once('\n').unwrap().1.replace("From:", "From :");
    assert_eq!(ids(spaced.as_bytes()), [DMARC_ID]);
}

fn crlf(text: &[u8]) -> Vec<u8> {
    String::from_utf8(text.to_vec()).unwrap().replace('\n', "\r\n").into_bytes()
}

#[test]
fn bare_files() {
    for bytes in [dmarc(), gzip(&dmarc()), zip(&[("a.xml", &dmarc())]), gzip(&gzip(&dmarc()))] {
        assert_eq!(ids(&bytes), [DMARC_ID]);
    }
    assert_eq!(ids(&tls()), [TLS_ID]);
    assert_eq!(ids(&gzip(&tls())), [TLS_ID]);
}

#[test]
fn the_bytes_count_and_not_the_declared_type_or_name() {
    let types =
        ["application/octet-stream", "application/zip", "application/gzip", "text/plain", "text/xml", "image/png"];
    for content_type in types {
        for bytes in [dmarc(), gzip(&dmarc()), zip(&[("no ending", &dmarc())])] {
            let file = attachment(content_type, "report.pdf", &bytes);
            assert_eq!(ids(&mail(&file)), [DMARC_ID], "{content_type}");
            let letter = part("text/plain", "See the attachment.");
            let mixed = multipart("multipart/mixed", "=_b", &[letter, file]);
            assert_eq!(ids(&mail(&mixed)), [DMARC_ID], "{content_type}");
        }
    }
}

#[test]
fn the_report_may_be_the_text_of_the_mail() {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    assert_eq!(ids(&mail(&part("text/xml", &text(dmarc())))), [DMARC_ID]);
    assert_eq!(ids(&mail(&part("application/tlsrpt+json", &text(tls())))), [TLS_ID]);
    let quoted = text(dmarc()).replace('=', "=3D").replace("noreply@", "nore=\nply@");
    let part = part("text/xml\nContent-Transfer-Encoding: quoted-printable", &quoted);
    assert_eq!(ids(&mail(&part)), [DMARC_ID]);
}

#[test]
fn a_report_in_an_html_part_is_found() {
    let text = String::from_utf8(dmarc()).unwrap();
    assert_eq!(ids(&mail(&part("text/html", &text))), [DMARC_ID]);
}

#[test]
fn several_reports_in_one_archive_or_mail() {
    let other = fixture("dmarc/several-results.xml");
    let archive = zip(&[("a.xml", &dmarc()), ("b.xml", &other)]);
    assert_eq!(ids(&mail(&attachment("application/zip", "two.zip", &archive))), [DMARC_ID, "several-1"]);
    let parts = [attachment("text/xml", "a.xml", &dmarc()), attachment("application/gzip", "b.gz", &gzip(&tls()))];
    assert_eq!(ids(&mail(&multipart("multipart/mixed", "=_b", &parts))), [DMARC_ID, TLS_ID]);
}

#[test]
fn forwarded_mails() {
    let original = String::from_utf8(fixture("dmarc/zip.eml")).unwrap();
    let letter = part("text/plain", "Fwd: see below");
    let attached = part("message/rfc822", &original);
    assert_eq!(ids(&mail(&multipart("multipart/mixed", "=_fwd", &[letter, attached]))), [DMARC_ID]);
    // As Outlook and web mailers do it: the mail as a file.
    let file = attachment("application/octet-stream", "report.eml", original.as_bytes());
    assert_eq!(ids(&mail(&multipart("multipart/mixed", "=_fwd", &[file]))), [DMARC_ID]);
    let archive = zip(&[("report.eml", original.as_bytes())]);
    assert_eq!(ids(&mail(&attachment("application/zip", "mails.zip", &archive))), [DMARC_ID]);
}

#[test]
fn received_is_told_of_the_outer_mail() {
    let attached = part("message/rfc822", &String::from_utf8(fixture("dmarc/zip.eml")).unwrap());
    let received = read(&mail(&multipart("multipart/mixed", "=_fwd", &[attached]))).received;
    assert_eq!(received.message_id.as_deref(), Some("test.1@reporter.example"));
    assert_eq!(received.from.as_deref(), Some("noreply@reporter.example"));
    assert_eq!(received.at.as_deref(), Some("2026-09-02T04:10:00Z"));
}

#[test]
fn other_encodings() {
    let utf8 = String::from_utf8(fixture("dmarc/non-ascii.xml")).unwrap();
    let utf16: Vec<u8> = [0xFEFF].into_iter().chain(utf8.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let with_mark = [b"\xEF\xBB\xBF".as_slice(), utf8.as_bytes()].concat();
    let western = utf8.replace(" — 株式会社例", "").replace("UTF-8", "ISO-8859-1");
    let western: Vec<u8> = western.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    for bytes in [with_mark, utf16, western] {
        for mail in [mail(&attachment("text/xml", "a.xml", &bytes)), gzip(&bytes), bytes.clone()] {
            let contents = read(&mail);
            let [Report::Aggregate(report)] = contents.reports.as_slice() else { panic!("{contents:?}") };
            assert!(report.metadata.org_name.as_deref().unwrap().starts_with("Bücher & Söhne"), "{report:?}");
        }
    }
}

// ---- mail of other kinds

#[test]
fn letters_and_other_mail_are_something_else() {
    let html = "<!DOCTYPE html><html><head><meta charset=utf-8></head><body a=b & c><p>5 < 6<br></body></html>";
    let picture = b"\x89PNG\r\n\x1A\n....".as_slice();
    let others = [
        fixture("letter.eml"),
        mail(&part("text/html", html)),
        mail(&attachment("text/html", "page.html", html.as_bytes())),
        mail(&attachment("application/zip", "page.zip", &zip(&[("page.html", html.as_bytes())]))),
        mail(&attachment("application/zip", "invoice.zip", &zip(&[("invoice.exe", b"MZ\x90\0\x03")]))),
        mail(&attachment("application/gzip", "notes.gz", &gzip(b"just notes"))),
        mail(&attachment("text/xml", "rss.xml", b"<?xml version=\"1.0\"?><rss><channel/></rss>")),
        mail(&attachment("application/json", "a.json", b"{\"a\": 1}")),
        mail(&attachment("image/png", "logo.png", picture)),
        mail(&part("text/plain", "{not json at all}")),
        mail(&part("text/plain", "<jane@example.net> wrote:\n> hello & goodbye <3")),
        mail(""),
        Vec::new(),
        b"\n".to_vec(),
    ];
    for (n, bytes) in others.iter().enumerate() {
        let contents = read(bytes);
        assert!(contents.is_something_else(), "number {n}: {:?}", contents.complaint());
        assert!(contents.complaint().unwrap().starts_with("holds no report"), "number {n}");
    }
}

#[test]
fn a_letter_with_a_report_is_a_report() {
    let junk = attachment("application/zip", "invoice.zip", &zip(&[("invoice.exe", b"MZ\x90\0\x03")]));
    let mail = mail(&multipart("multipart/mixed", "=_b", &[junk, attachment("text/xml", "a.xml", &dmarc())]));
    assert_eq!(ids(&mail), [DMARC_ID]);
}

// ---- nothing is left out silently

#[test]
fn all_reports_of_a_json_list_are_read() {
    let (one, another) = (String::from_utf8(tls()).unwrap(), String::from_utf8(tls()).unwrap().replace(TLS_ID, "two"));
    let broken = one.replacen(": \"", ": \"\n", 1);
    for text in [
        format!("[{one}, {another}]"),
        format!("[\n  {one},\n  {another}\n"),
        format!("[[{one}], [{another}]]"),
        format!("{one};{another}"),
        format!("Reports: {one} and {another}"),
        // The first has to be mended.
        format!("[{broken},\n{another}]"),
    ] {
        assert_eq!(ids(text.as_bytes()), [TLS_ID, "two"], "{text}");
        assert_eq!(
            ids(&mail(&attachment("application/tlsrpt+gzip", "a.json.gz", &gzip(text.as_bytes())))),
            [TLS_ID, "two"]
        );
    }
    let list = read(format!("[{one}, {another}]").as_bytes());
    assert_eq!(list.reports[0].repairs().names(), ["reports-in-a-list"]);
    let cut = format!("[{one}, {}", &another[..another.len() / 2]);
    let contents = read(cut.as_bytes());
    assert_eq!(contents.reports.len(), 1);
    assert!(contents.complaint().unwrap().starts_with("SMTP TLS report is broken"), "{:?}", contents.complaint());
}

#[test]
fn members_of_a_zip_may_have_the_same_name() {
    let another = String::from_utf8(dmarc()).unwrap().replace(DMARC_ID, "another");
    let mut bytes = zip(&[("a.xml", &dmarc()), ("b.xml", another.as_bytes())]);
    for at in memchr::memmem::find_iter(&bytes.clone(), b"b.xml") {
        bytes[at] = b'a';
    }
    assert_eq!(ids(&bytes), [DMARC_ID, "another"]);
    let at = memchr::memmem::find(&bytes, b"a.xml").unwrap() + 20;
    bytes[at] ^= 0xFF;
    assert!(failure(&bytes).starts_with("zip archive is broken"), "{}", failure(&bytes));
}

#[test]
fn a_report_without_a_readable_record_is_refused() {
    let text = String::from_utf8(dmarc()).unwrap().replace("<count>", "<count>x");
    assert_eq!(failure(text.as_bytes()), "DMARC report is broken: none of 2 records can be read");
    let text = r#"{"organization-name":"a","report-id":"b","date-range":{"start-datetime":"2016-04-01T00:00:00Z",
        "end-datetime":"2016-04-01T23:59:59Z"},"policies":[{"a":1},"b"]}"#;
    assert_eq!(failure(text.as_bytes()), "SMTP TLS report is broken: none of 2 policies can be read");
}

/// Point and three digits may be a fraction or thousands: the record is lost rather than counted wrongly.
#[test]
fn a_point_before_three_digits_is_no_number() {
    let text = String::from_utf8(dmarc()).unwrap();
    for (count, lost) in [("1.0", 0), ("1,000", 0), ("1.000", 1), ("1,000.000", 1)] {
        let text = text.replacen("<count>40</count>", &format!("<count>{count}</count>"), 1);
        assert_eq!(read(text.as_bytes()).reports[0].lost(), lost, "{count}");
    }
}

/// What was mended in the one report of these bytes.
fn repairs(bytes: &str) -> Vec<&'static str> {
    let contents = read(bytes.as_bytes());
    assert_eq!((contents.complaint(), contents.reports.len()), (None, 1));
    contents.reports[0].repairs().names().to_vec()
}

#[test]
fn what_is_left_out_is_noted() {
    let text = String::from_utf8(dmarc()).unwrap();
    for (before, element) in [
        ("</policy_evaluated>", "<reason><type>other</type></reason>"),
        ("</auth_results>", "<dkim><domain>a</domain></dkim>"),
        ("</auth_results>", "<spf><domain>a</domain></spf>"),
    ] {
        let many = |count| text.replacen(before, &format!("{}{before}", element.repeat(count)), 1);
        assert_eq!(repairs(&many(90)), [""; 0], "{element}");
        assert_eq!(repairs(&many(101)), ["results-cut"], "{element}");
    }
    let long = format!("<reason>{}</reason></policy_evaluated>", "x".repeat(5000));
    assert_eq!(repairs(&text.replacen("</policy_evaluated>", &long, 1)), ["value-cut", "reason-as-text"]);
    let errors = |count| text.replacen("<date_range>", &format!("{}<date_range>", "<error>x</error>".repeat(count)), 1);
    assert_eq!(repairs(&errors(19)), [""; 0]);
    assert_eq!(repairs(&errors(20)), ["errors-cut"]);
    assert_eq!(repairs(&text.replacen("<pct>", "<pct>x", 1)), ["pct-unreadable"]);
    let text = String::from_utf8(tls()).unwrap();
    let lines = format!("\"policy-string\": [{}", "\"a\",".repeat(1001));
    for (member, replacement, note) in [
        ("\"policy-string\": [", lines.as_str(), "list-cut"),
        ("\"policy-string\": [", "\"policy-string\": [{},", "list-cut"),
        ("\"failure-details\": [", "\"failure-details\": [1,", "failure-detail-unreadable"),
        ("\"policies\": [", "\"policies\": [], \"policies\": [", "member-repeated"),
    ] {
        assert!(text.contains(member), "{member}");
        assert_eq!(repairs(&text.replacen(member, replacement, 1)), [note]);
    }
}

// ---- what is broken

/// The one complaint about a mail without reports.
fn failure(bytes: &[u8]) -> String {
    let contents = read(bytes);
    assert!(contents.reports.is_empty(), "{} reports", contents.reports.len());
    assert!(!contents.is_something_else(), "{:?}", contents.complaint());
    contents.complaint().unwrap()
}

#[test]
fn archives_cut_off_anywhere_are_refused() {
    let (gzip, zip) = (gzip(&dmarc()), zip(&[("a.xml", &dmarc())]));
    // Two bytes are the mark by which gzip is known, four for zip.
    for length in (2..gzip.len()).step_by(7).chain(gzip.len() - 9..gzip.len()) {
        assert_eq!(failure(&gzip[..length]), "gzip archive is broken: it is cut off", "at {length}");
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
    let text = String::from_utf8(dmarc()).unwrap();
    assert_eq!(failure(text.replace("report_id", "other").as_bytes()), "DMARC report without report_id");
    assert_eq!(failure(text.replace("date_range", "other").as_bytes()), "DMARC report without date_range");
    let text = String::from_utf8(tls()).unwrap();
    assert_eq!(failure(text.replace("date-range", "other").as_bytes()), "SMTP TLS report without date-range");
    assert_eq!(failure(text.replace("\"policies\"", "\"other\"").as_bytes()), "SMTP TLS report without policies");
}

// ---- limits

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
    assert_eq!(limit(&zip(&[("a", &third), ("b", &third), ("c", &third)]), &lenient), "unpacked-bytes");
    let packed = gzip(&third);
    assert_eq!(limit(&zip(&[("a", &packed), ("b", &packed), ("c", &packed)]), &lenient), "unpacked-bytes");
}

#[test]
fn archives_in_archives_are_refused_beyond_the_limit() {
    let nested = |levels, pack: fn(&[u8]) -> Vec<u8>| (0..levels).fold(dmarc(), |inner, _| pack(&inner));
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
        let files: Vec<(String, &[u8])> = (0..16).map(|n| (format!("{n}.zip"), archive.as_slice())).collect();
        let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (name.as_str(), *bytes)).collect();
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
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), b"x".as_slice())).collect();
    assert_eq!(limit(&zip(&files), &limits), "members");
    assert_eq!(limit(&gzip(b"x").repeat(11), &limits), "members");
    let text = String::from_utf8(dmarc()).unwrap();
    let records =
        text.replace("</feedback>", &"<record><row><count>1</count></row></record>".repeat(9)) + "</feedback>";
    assert_eq!(limit(records.as_bytes(), &limits), "records");
    let deep = text.replace("</version>", &format!("{}{}</version>", "<a>".repeat(20), "</a>".repeat(20)));
    assert_eq!(limit(deep.as_bytes(), &limits), "xml-depth");
    let policies =
        String::from_utf8(tls()).unwrap().replace("\"policies\": [", &format!("\"policies\": [{}", "{},".repeat(11)));
    assert_eq!(limit(policies.as_bytes(), &limits), "records");
}

/// What is told from the reports is near to what is written, and usual reports of the largest size pass.
#[test]
fn the_size_of_documents_is_told_beforehand() {
    let text = String::from_utf8(dmarc()).unwrap();
    let record = &text[text.find("<record>").unwrap()..text.rfind("</feedback>").unwrap()];
    let many = text.replace("</feedback>", &format!("{}</feedback>", record.repeat(300)));
    for bytes in [many.as_bytes(), &tls()] {
        let contents = read(bytes);
        let documents = email_report_processor::document::Documents::new(&contents.reports[0], &contents.received);
        let mut sources = Vec::new();
        (0..documents.len()).for_each(|n| documents.write_source(n, &mut sources));
        let refused = |part: u64| {
            let document_bytes = sources.len() as u64 * part / 10;
            message::read(bytes, &Limits { document_bytes, ..Limits::default() }).reports.is_empty()
        };
        assert!(refused(5), "{}", sources.len());
        assert!(!refused(20), "{}", sources.len());
        assert!(sources.len() / documents.len() * 250_000 < 512 << 20, "{}", sources.len() / documents.len());
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
    assert_eq!(limit(&mail(&multipart("multipart/mixed", "=_b", &short_parts)), &limits), "header-bytes");
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

/// Deep or endless structure in MIME, XML and JSON must not overflow the stack or take quadratic time.
#[test]
fn pathological_input_is_answered_quickly() {
    let mut rng = Rng::new(7, 0);
    let noise: Vec<u8> = (0..1 << 20).map(|_| rng.next().to_le_bytes()[0]).collect();
    let multiparts: Vec<String> =
        (0..3000).map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n")).collect();
    let mails = "Content-Type: message/rfc822\n\n".repeat(3000);
    let inputs = [
        ("noise", noise.clone()),
        ("noise in base64", mail(&part("application/zip\nContent-Transfer-Encoding: base64", &base64(&noise)))),
        ("multiparts in multiparts", multiparts.concat().into_bytes()),
        ("mails in mails", mails.into_bytes()),
        ("open elements", [b"<feedback>".as_slice(), &b"<a>".repeat(300_000)].concat()),
        ("open angles", [b"<feedback>".as_slice(), &b"<".repeat(1 << 20)].concat()),
        ("ends without beginnings", [b"<feedback>".as_slice(), &b"</a>".repeat(300_000)].concat()),
        ("ampersands", [b"<feedback><version>".as_slice(), &b"&".repeat(1 << 20)].concat()),
        ("entities", [b"<feedback><version>".as_slice(), &b"&lol;".repeat(200_000)].concat()),
        ("attributes", [b"<feedback ".as_slice(), &b"a=\"b\" ".repeat(200_000), b">"].concat()),
        ("comments", [b"<feedback>".as_slice(), &b"<!-- ".repeat(200_000)].concat()),
        ("doctype", [b"<!DOCTYPE a [".as_slice(), &b"<!ENTITY a \"&a;&a;\">".repeat(50_000), b"]><feedback>"].concat()),
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

#[test]
fn an_extension_does_not_stand_for_the_real_element() {
    let report = String::from_utf8(fixture("dmarc/rfc7489.xml")).expect("UTF-8");
    let read = |text: &str| {
        let contents = message::read(text.as_bytes(), &Limits::default());
        assert_eq!(contents.complaint(), None);
        crate::support::read::documents(&contents)
    };
    let expected = read(&report);
    for (element, foreign) in
        [("<count>", "<y:count>99</y:count>"), ("<source_ip>", "<y:source_ip>192.0.2.99</y:source_ip>")]
    {
        let before = report.replace(element, &format!("{foreign}{element}"));
        let end = element.replace('<', "</");
        let behind = report.replace(&end, &format!("{end}{foreign}"));
        assert!(before != report && behind != report);
        assert_eq!((read(&before), read(&behind)), (expected.clone(), expected.clone()), "{foreign}");
    }
}

#[test]
fn what_the_reporter_does_not_say_is_neither_true_nor_false() {
    let report = String::from_utf8(fixture("dmarc/rfc9990.xml")).expect("UTF-8");
    let (begin, end) =
        (report.find("<policy_evaluated>").expect("there"), report.find("</policy_evaluated>").expect("there"));
    let without = report[..begin].to_owned() + &report[end + "</policy_evaluated>".len()..];
    let contents = message::read(without.as_bytes(), &Limits::default());
    let (_, document) = crate::support::read::documents(&contents).remove(0);
    assert!(document.contains(r#""dmarc":{}"#), "{document}");
}
