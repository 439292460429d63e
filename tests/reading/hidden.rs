//! Reports between other things, in shapes that few have: they are read, or the mail says why not.

use std::io::Write as _;

use email_report_processor::{limits::Limits, message};
use flate2::{Compression, write::ZlibEncoder};

use crate::{
    left_out::{GOOD, another, beside, fails, good, ids, is_read, read},
    support::mail::{attachment, base64, fixture, gzip, mail, multipart, part, zip},
};

const ENCODED: &str = "a text has an encoded file in it, in a form that is not read";

fn json() -> String {
    String::from_utf8(fixture("tls/rfc8460.json")).expect("UTF-8")
}

#[test]
fn json_behind_xml_whose_end_is_missing() {
    let (json, xml) = (json(), another());
    let without_end = good().replace("</feedback>", "");
    let cut = good();
    let cut = &cut[..cut.len() - 30];
    for (text, number) in [
        (format!("{without_end}\n{json}\n{xml}"), 3),
        (format!("{without_end}\n{json}"), 2),
        (format!("{without_end}\n{xml}\n{json}"), 3),
        (format!("{}\n{json}\n{xml}", good()), 3),
        (format!("{cut}\n{json}\n{xml}"), 3),
    ] {
        let contents = read(&mail(&part("text/plain", &text)));
        assert_eq!((contents.complaint(), contents.reports.len()), (None, number), "{text}");
    }
}

#[test]
fn what_is_no_text_behind_a_report() {
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
    zlib.write_all(another().as_bytes()).expect("memory takes it");
    let zlib = zlib.finish().expect("memory takes it");
    for packed in [zlib, [b"\x1F\x9D\x90", &gzip(another().as_bytes())[10..]].concat()] {
        for text in [good(), json()] {
            let bytes = [text.as_bytes(), b"\n", &packed].concat();
            let contents = read(&mail(&attachment("text/xml", "a.xml", &bytes)));
            assert_eq!(contents.reports.len(), 1);
            assert!(contents.complaint().is_some());
        }
    }
    // Ends of files, as old systems have them.
    let contents = read(&[good().as_bytes(), b"\x1A\x1A\x1A\x1A\0\0\0\0"].concat());
    assert_eq!((contents.complaint(), ids(&contents)), (None, vec![GOOD]));
}

#[test]
fn base64_among_words() {
    let packed = base64(&gzip(another().as_bytes()));
    let line = packed.replace('\n', "");
    let lines = |length: usize, front: &str| -> String {
        let text = |line: &[u8]| format!("{front}{}\n", String::from_utf8_lossy(line));
        line.as_bytes().chunks(length).map(text).collect()
    };
    for text in [
        format!("Report: {packed}"),
        format!("Report: {line}."),
        format!("Report: \"{line}\""),
        format!("see data:application/gzip;base64,{line}"),
        format!("Hello\n\n{}", packed.replace('+', "-").replace('/', "_")),
        format!("Hello\n\n{}", packed.replace('\n', "\r")),
        format!("Hello\n{}", lines(8, "")),
        format!("Hello\n{}", lines(76, "| ")),
        format!("Hello\n{}", lines(76, "\u{a0}")),
        format!("zip {}", base64(&zip(&[("a.xml", another().as_bytes())]))),
    ] {
        fails(&beside(&part("text/plain", &text)), ENCODED);
        fails(&beside(&part("text/html", &format!("<html><pre>{text}</pre></html>"))), ENCODED);
    }
    for letter in [
        "H4sI, UEsDB and PD94bWwg are how gzip, zip and XML begin in base64; such files are fine.",
        "<img src=\"data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAUAAAAFCAYAAACNbyblAAAAHElEQVQI\">",
    ] {
        assert_eq!(beside(&part("text/html", letter)).complaint(), None);
    }
}

#[test]
fn a_report_as_people_see_it_in_html() {
    let escape = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let xml = escape(&another());
    for html in [
        format!("<html><body><pre>{xml}</pre></body></html>"),
        format!("<p>Hello</p><div>{}</div>", xml.replace('\n', "<br>\n").replace("  ", "&nbsp; ")),
    ] {
        is_read(&beside(&part("text/html", &html)));
        is_read(&beside(&part("text/plain", &html)));
        for other in ["Hello".to_owned(), another()] {
            let parts = [part("text/plain", &other), part("text/html", &html)];
            is_read(&beside(&multipart("multipart/alternative", "=_a", &parts)));
        }
    }
    let html = format!("<pre>{}</pre>", json().replace('"', "&quot;"));
    assert_eq!(beside(&part("text/html", &html)).reports.len(), 2);
    let letter = part("text/html", "The &lt;feedback&gt; element, report_metadata and so on.");
    assert_eq!(beside(&letter).complaint(), None);
}

#[test]
fn reports_that_are_no_elements_of_the_xml_around_them() {
    let xml = another();
    let without_declaration = &xml[xml.find("<feedback").expect("a root")..];
    for text in [
        format!("<soap><![CDATA[{xml}]]></soap>"),
        format!("<?xml version=\"1.0\"?>\n<a><![CDATA[{xml}]]></a>"),
        format!("<!DOCTYPE a [<!ENTITY r '{}'>]><a>&r;</a>", xml.replace('\'', "\"")),
        format!("<a><!-- {without_declaration} --></a>"),
    ] {
        is_read(&beside(&part("text/xml", &text)));
        is_read(&beside(&part("text/plain", &text)));
    }
    let both = format!("<a><![CDATA[{}]]><![CDATA[{xml}]]></a>", good());
    is_read(&read(&mail(&part("text/xml", &both))));
}

#[test]
fn reports_within_other_json() {
    let json = json();
    for text in [
        format!("{{\"report\": {json}}}"),
        format!("{{\"meta\": {{}}, \"data\": {{\"id\": 1, \"reports\": [{json}]}}}}"),
        format!("[{{\"a\": {{}}}}, {{\"report\": {json}}}]"),
    ] {
        let contents = beside(&part("application/json", &text));
        assert_eq!((contents.complaint(), contents.reports.len()), (None, 2), "{text}");
    }
    let deep = format!("{}{json}{}", "{\"a\":".repeat(9), "}".repeat(9));
    fails(&beside(&part("application/json", &deep)), "parts of another");
    let escaped = format!("{{\"data\": {json:?}}}");
    fails(&beside(&part("application/json", &escaped)), "SMTP TLS report is broken");
    let other = "{\"organization-name\": {\"a\": 1}, \"b\": [{\"report\": 2}]}";
    assert_eq!(beside(&part("application/json", other)).complaint(), None);
}

#[test]
fn text_in_two_encodings() {
    let utf16 = |text: &str| -> Vec<u8> {
        [0xFEFF].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
    };
    for other in [another(), json()] {
        let both = [utf16(&good()), other.into_bytes()].concat();
        fails(&read(&mail(&attachment("text/xml", "a.xml", &both))), "parts of another");
    }
}

#[test]
fn an_archive_behind_something_else() {
    let packed = gzip(another().as_bytes());
    for front in [&b"\0\x01\x02\x03"[..], b"\xEF\xBB\xBF", b"Here it is:\n"] {
        let bytes = [front, &packed].concat();
        fails(
            &beside(&attachment("application/octet-stream", "a", &bytes)),
            "files in more than one form",
        );
    }
    let alone =
        read(&mail(&attachment("application/octet-stream", "a", &[b"x", &packed[..]].concat())));
    assert!(alone.is_something_else() && alone.complaint().is_some());
}

#[test]
fn base64_among_words_in_front_of_all_parts() {
    let words = format!("Report: {}", base64(&gzip(another().as_bytes())));
    let good = attachment("application/gzip", "good.gz", &gzip(good().as_bytes()));
    let parts = multipart("multipart/mixed", "=_b", &[good]);
    let (front, behind) =
        (parts.replacen("--=_b\n", &format!("{words}\n--=_b\n"), 1), format!("{parts}\n{words}\n"));
    for parts in [front, behind] {
        fails(&read(&mail(&parts)), ENCODED);
    }
}

#[test]
fn pieces_of_mails_are_told() {
    let whole = mail(&attachment("application/gzip", "a.gz", &gzip(another().as_bytes())));
    let whole = String::from_utf8(whole).expect("ASCII");
    let (first, second) = whole.split_at(whole.len() / 2);
    for (number, piece) in [(1, first), (2, second)] {
        let piece = part(&format!("message/partial; id=a; number={number}; total=2"), piece);
        let contents = read(&mail(&piece));
        let complaint = contents.complaint().unwrap_or_default();
        assert!(complaint.contains("message/partial"), "{complaint}");
        assert!(!contents.is_something_else());
    }
}

fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        archive.append_data(&mut header, name, *bytes).expect("memory takes it");
    }
    archive.into_inner().expect("memory takes it")
}

#[test]
fn tar_archives() {
    let packed = gzip(another().as_bytes());
    let archive = tar(&[("folder/", b""), ("readme", b"a word"), ("a.xml.gz", &packed)]);
    let within = zip(&[("a.tar", archive.as_slice())]);
    for bytes in [archive.clone(), gzip(&archive), within] {
        is_read(&beside(&attachment("application/x-tar", "a", &bytes)));
    }
    let two = tar(&[("a.xml", good().as_bytes()), ("b.xml", another().as_bytes())]);
    is_read(&read(&two));
    let cut = attachment("application/x-tar", "a", &archive[..archive.len() / 2]);
    fails(&beside(&cut), "tar archive is broken");
    let both = [tar(&[("a.xml", good().as_bytes())]), two].concat();
    assert_eq!(read(&both).reports.len(), 3);
    let many: Vec<_> = (0..1001).map(|_| ("a", &b"a"[..])).collect();
    fails(&beside(&attachment("application/x-tar", "a", &tar(&many))), "--limit-members");
}

#[test]
fn a_zip_whose_directory_lacks_a_file() {
    let whole = zip(&[("a.xml", good().as_bytes()), ("b.xml", another().as_bytes())]);
    let at = |mark: &[u8], back: bool| {
        let found = if back { memchr::memmem::rfind } else { memchr::memmem::find };
        found(&whole, mark).expect("there")
    };
    let (first, second) = (at(b"PK\x01\x02", false), at(b"PK\x01\x02", true));
    let end = at(b"PK\x05\x06", true);
    let one = |mut archive: Vec<u8>, length: usize| {
        let end = archive.len() - 22;
        (archive[end + 8], archive[end + 10]) = (1, 1);
        archive[end + 12..end + 16]
            .copy_from_slice(&u32::try_from(length).expect("short").to_le_bytes());
        archive
    };
    let without_first = [&whole[..first], &whole[second..]].concat();
    let without_second = [&whole[..second], &whole[end..]].concat();
    for archive in [
        one(whole.clone(), end - first),
        one(without_first, end - second),
        one(without_second, second - first),
    ] {
        let complaint = read(&archive).complaint().unwrap_or_default();
        assert!(complaint.contains("files that its directory lacks"), "{complaint}");
    }
}

#[test]
fn letters_that_speak_of_reports_are_letters() {
    for letter in [
        "{font-size:12px} is in the report of our organisation",
        "<john@example.org> wrote: I have feedback < 3 & more",
        "> <feedback>\n>   <report_metadata>\n> is how it begins",
        "The <feedback> element is missing.",
    ] {
        let contents = read(&mail(&part("text/plain", letter)));
        assert!(contents.is_something_else(), "{letter}: {:?}", contents.complaint());
        assert_eq!(beside(&part("text/plain", letter)).complaint(), None, "{letter}");
    }
}

#[test]
fn what_is_searched_for_encoded_files_is_counted() {
    let limits = Limits { unpacked_bytes: 1 << 20, ..Limits::default() };
    let packed = |text: String| attachment("application/gzip", "a.gz", &gzip(text.as_bytes()));
    let text = packed("a word, ".repeat(40_000));
    // Beside words, and within what is read as XML.
    let lines = "QUFBQUFBQUFBQUFB\na b c\n".repeat(1300);
    let xml = packed(format!("<a>\n{lines}</a>"));
    let good = attachment("application/gzip", "good.gz", &gzip(good().as_bytes()));
    for (text, texts, is_too_much) in
        [(&text, 3, false), (&text, 4, true), (&xml, 3, false), (&xml, 4, true)]
    {
        let parts = [vec![good.clone()], vec![text.clone(); texts]].concat();
        let contents = message::read(&mail(&multipart("multipart/mixed", "=_b", &parts)), &limits);
        let complaint = contents.complaint().unwrap_or_default();
        assert_eq!(complaint.contains("searched for encoded files"), is_too_much, "{complaint}");
        assert_eq!((complaint.is_empty(), contents.reports.len()), (!is_too_much, 1));
    }
}
