//! Every shape in which mails bring reports, and mail of other kinds.

mod broken;
mod complete;
mod limits;

use crate::support::mail::{attachment, fixture, gzip, mail, multipart, part, zip};
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

/// The one complaint about a mail without reports.
fn failure(bytes: &[u8]) -> String {
    let contents = read(bytes);
    assert!(contents.reports.is_empty(), "{} reports", contents.reports.len());
    assert!(!contents.is_something_else(), "{:?}", contents.complaint());
    contents.complaint().unwrap()
}

#[test]
fn whole_mails_as_reporters_send_them() {
    assert_eq!(ids(&fixture("dmarc/zip.eml")), [DMARC_ID]);
    assert_eq!(ids(&fixture("dmarc/gzip.eml")), [DMARC_ID]);
    assert_eq!(ids(&fixture("tls/report.eml")), [TLS_ID]);
}

#[test]
fn lines_may_end_in_crlf() {
    for name in [
        "dmarc/zip.eml",
        "dmarc/gzip.eml",
        "tls/report.eml",
        "dmarc/rfc7489.xml",
        "tls/rfc8460.json",
    ] {
        let crlf = String::from_utf8(fixture(name)).unwrap().replace('\n', "\r\n");
        assert_eq!(read(crlf.as_bytes()).reports.len(), 1, "{name}");
    }
}

/// Gateways put theirs on top: seals of ARC, signatures, verdicts.
#[test]
fn the_usual_fields_may_stand_far_down_in_the_header() {
    let xml = String::from_utf8(dmarc()).expect("UTF-8").replace('=', "=3D");
    let part = format!(
        "From: a@b.example\nContent-Type: text/xml\nContent-Transfer-Encoding: quoted-printable\n\n{xml}"
    );
    for above in [10, 400, 2000] {
        let mail =
            "ARC-Seal: i=1; a=rsa-sha256; b=abcdefghijklmnopqrstuvwxyz\n".repeat(above) + &part;
        assert_eq!(ids(mail.as_bytes()), [DMARC_ID], "{above}");
        let received = read(mail.as_bytes()).received;
        assert_eq!(received.from.as_deref(), Some("a@b.example"), "{above}");
    }
}

/// Postfix puts it in front of what it pipes, and so do programs that take mails out of an mbox.
#[test]
fn a_from_line_of_an_mbox_may_stand_on_top() {
    let quoted = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap().replace('=', "=3D");
    let part = |bytes: &[u8]| {
        part("text/xml\nContent-Transfer-Encoding: quoted-printable", &quoted(bytes))
    };
    let another = String::from_utf8(dmarc()).unwrap().replace(DMARC_ID, "another");
    let two =
        mail(&multipart("multipart/mixed", "=_b", &[part(&dmarc()), part(another.as_bytes())]));
    let (envelope, error) =
        ("From a@b.example  Wed Sep  2 04:10:00 2026\n", "X-Email-Report-Processor-Error: x\n");
    for top in [
        envelope,
        &format!(">{envelope}"),
        &format!("{envelope}>{envelope}"),
        &format!("{error}{envelope}"),
    ] {
        for (top, mail) in
            [(top.to_owned(), mail(&part(&dmarc()))), (top.replace('\n', "\r\n"), crlf(&two))]
        {
            let with_top = [top.as_bytes(), &mail].concat();
            let (plain, found) = (read(&mail), read(&with_top));
            assert_eq!(found.complaint(), None, "{top}");
            assert_eq!(
                (&found.received, &found.reports),
                (&plain.received, &plain.reports),
                "{top}"
            );
            assert_eq!(found.received.from.as_deref(), Some("noreply@reporter.example"));
            let within = attachment("application/octet-stream", "a.eml", &with_top);
            assert_eq!(ids(&self::mail(&within)), ids(&mail));
            assert_eq!(
                ids(&self::mail(&attachment(
                    "application/zip",
                    "a.zip",
                    &zip(&[("a.eml", &with_top)])
                ))),
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
    let types = [
        "application/octet-stream",
        "application/zip",
        "application/gzip",
        "text/plain",
        "text/xml",
        "image/png",
    ];
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
    assert_eq!(
        ids(&mail(&attachment("application/zip", "two.zip", &archive))),
        [DMARC_ID, "several-1"]
    );
    let parts = [
        attachment("text/xml", "a.xml", &dmarc()),
        attachment("application/gzip", "b.gz", &gzip(&tls())),
    ];
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
    let utf16: Vec<u8> =
        [0xFEFF].into_iter().chain(utf8.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let with_mark = [b"\xEF\xBB\xBF".as_slice(), utf8.as_bytes()].concat();
    let western = utf8.replace(" — 株式会社例", "").replace("UTF-8", "ISO-8859-1");
    let western: Vec<u8> = western.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    for bytes in [with_mark, utf16, western] {
        for mail in [mail(&attachment("text/xml", "a.xml", &bytes)), gzip(&bytes), bytes.clone()] {
            let contents = read(&mail);
            let [Report::Aggregate(report)] = contents.reports.as_slice() else {
                panic!("{contents:?}")
            };
            assert!(
                report.metadata.org_name.as_deref().unwrap().starts_with("Bücher & Söhne"),
                "{report:?}"
            );
        }
    }
}

#[test]
fn letters_and_other_mail_are_something_else() {
    let html = "<!DOCTYPE html><html><head><meta charset=utf-8></head><body a=b & c><p>5 < 6<br></body></html>";
    let picture = b"\x89PNG\r\n\x1A\n....".as_slice();
    let others = [
        fixture("letter.eml"),
        mail(&part("text/html", html)),
        mail(&attachment("text/html", "page.html", html.as_bytes())),
        mail(&attachment("application/zip", "page.zip", &zip(&[("page.html", html.as_bytes())]))),
        mail(&attachment(
            "application/zip",
            "invoice.zip",
            &zip(&[("invoice.exe", b"MZ\x90\0\x03")]),
        )),
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
    let junk =
        attachment("application/zip", "invoice.zip", &zip(&[("invoice.exe", b"MZ\x90\0\x03")]));
    let mail = mail(&multipart(
        "multipart/mixed",
        "=_b",
        &[junk, attachment("text/xml", "a.xml", &dmarc())],
    ));
    assert_eq!(ids(&mail), [DMARC_ID]);
}
