//! Several reports in one text, in front of each other and of other text, in any spelling.

use std::io::Write as _;

use flate2::{Compression, write::ZlibEncoder};

use crate::{
    left_out::{GOOD, another, beside, fails, good, ids, is_read, read},
    support::mail::{attachment, base64, fixture, gzip, mail, multipart, part},
};

#[test]
fn xml_and_json_in_one_text() {
    let json = |id: &str| {
        let text = String::from_utf8(fixture("tls/rfc8460.json")).expect("UTF-8");
        text.replace("5065427c-23d3-47ca-b6e0-946ea0e8c4be", id)
    };
    let (first, second) = (good(), another());
    for (text, expected) in [
        (format!("{first}\n{}\n{second}", json("j")), vec![GOOD, "j", "another"]),
        (format!("{}{first}{}", json("i"), json("j")), vec!["i", GOOD, "j"]),
        (format!("{first}{second}\n{}", json("j")), vec![GOOD, "another", "j"]),
        (format!("<p>hello</p>\n{}", json("j")), vec!["j"]),
        (format!("<p>hello\n{}", json("j")), vec!["j"]),
        (format!("<?xml version=\"1.0\"?><a><b/></a>{}", json("j")), vec!["j"]),
        (format!("<p>hello</p>{}{first}", json("j")), vec!["j", GOOD]),
    ] {
        let contents = read(&mail(&attachment("text/plain", "a.txt", text.as_bytes())));
        assert_eq!((contents.complaint(), ids(&contents)), (None, expected), "{text}");
    }
    // More turns than these are told.
    let turns = format!("{first}{}{second}{}", json("i"), json("j"));
    let contents = read(&mail(&attachment("text/plain", "a.txt", turns.as_bytes())));
    assert_eq!(ids(&contents), [GOOD, "i", "another"]);
    assert!(contents.complaint().is_some_and(|reason| reason.contains("take turns")));
}

/// A report beside another in one text is read, or the mail fails.
#[test]
fn reports_beside_each_other_in_odd_shapes() {
    const PARTS: &str = "parts of another stand in the text";
    let json = String::from_utf8(fixture("tls/rfc8460.json")).expect("UTF-8");
    let json = json.replace("5065427c-23d3-47ca-b6e0-946ea0e8c4be", "j");
    let (first, second) = (good(), another());
    let declaration = "<?xml version=\"1.0\"?>\n";
    let far = "hello you\n".repeat(7000);
    let open = first.replace("</feedback>", "");
    let camel =
        json.replace("report-id", "reportId").replace("organization-name", "organizationName");
    let without_root = second.replace("<feedback>", "").replace("</feedback>", "");
    for (text, expected, complaint) in [
        (format!("{open}{json}"), vec![GOOD, "j"], None),
        (format!("{declaration}{json}{first}"), vec!["j", GOOD], None),
        (format!("{declaration}<a/>{json}{declaration}{first}"), vec!["j", GOOD], None),
        (format!("Dear all,\n\n{second}{declaration}{first}"), vec!["another", GOOD], None),
        (format!("{json}{far}{}", json.replace("\"j\"", "\"k\"")), vec!["j", "k"], None),
        (format!("{first}\n{camel}"), vec![GOOD, "j"], None),
        (format!("{{Spam?}} here it is\n{first}"), vec![GOOD], None),
        (format!("{first}\n{without_root}"), vec![GOOD], Some(PARTS)),
        (
            format!("{first}{}", second.replace("<feedback>", "<feedback> Report:")),
            vec![GOOD],
            Some(PARTS),
        ),
        (format!("{first}{{\"policies\": []}}"), vec![GOOD], Some(PARTS)),
    ] {
        let contents = read(&mail(&attachment("text/plain", "a.txt", text.as_bytes())));
        assert_eq!(ids(&contents), expected, "{text}");
        match complaint {
            None => assert_eq!(contents.complaint(), None, "{text}"),
            Some(reason) => fails(&contents, reason),
        }
    }
    let utf16: Vec<u8> = second.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let text = [first.as_bytes(), &utf16].concat();
    fails(&read(&mail(&attachment("text/plain", "a.txt", &text))), PARTS);
    let html = [&b"\xFF\xFE"[..], &utf16].concat();
    let contents = beside(&attachment("text/html", "a.html", &html));
    assert_eq!((contents.complaint(), ids(&contents)), (None, vec![GOOD, "another"]));
}

/// Around the parts of a multipart, and in the next mail of an mbox that was taken for one mail.
#[test]
fn reports_outside_of_the_parts() {
    let packed = attachment("application/gzip", "b.gz", &gzip(another().as_bytes()));
    let next = mail(&multipart("multipart/mixed", "=_c", &[packed]));
    let next = format!(
        "From a@b.example Thu Nov 26 10:00:00 2026\n{}",
        String::from_utf8(next).expect("ASCII")
    );
    for (preamble, epilogue) in
        [("", another()), ("", next), ("words\n", format!("words\n{}", another()))]
    {
        let good = attachment("application/gzip", "good.gz", &gzip(good().as_bytes()));
        let parts = multipart("multipart/mixed", "=_b", &[good]);
        let (header, body) = parts.split_once("\n\n").expect("a header");
        let before = mail(&format!("{header}\n\n{preamble}{body}\n{epilogue}"));
        is_read(&read(&before));
        let before = mail(&format!("{header}\n\n{epilogue}\n{body}"));
        is_read(&read(&before));
    }
}

/// Base64 in the text of a mail, however packed and spelled.
#[test]
fn base64_in_a_letter_begins_in_many_ways() {
    let second = another();
    let xml = second.as_bytes();
    let json = String::from_utf8(fixture("tls/rfc8460.json")).expect("UTF-8");
    let level = |level| {
        let mut packer = ZlibEncoder::new(Vec::new(), Compression::new(level));
        packer.write_all(xml).expect("memory");
        packer.finish().expect("memory")
    };
    for (name, bytes) in [
        ("level 1", level(1)),
        ("level 6", level(6)),
        ("level 9", level(9)),
        ("blank", json.replacen('{', "{ ", 1).into_bytes()),
        ("tab", json.replacen('{', "{\n\t", 1).into_bytes()),
        ("list", format!("[ {json}]").into_bytes()),
        ("capital", second.replace("<feedback>", "<Feedback>").into_bytes()),
        ("comment", format!("<!-- a -->{second}").into_bytes()),
        ("line", format!("\n{second}").into_bytes()),
    ] {
        let letter = part("text/plain", &format!("Hello,\n\n{}\n", base64(&bytes)));
        let contents = beside(&letter);
        assert_eq!((contents.complaint(), contents.reports.len()), (None, 2), "{name}");
    }
    // A byte in front of the report; a later line alone would begin like one.
    let shifted = format!("x{second}");
    let letter = part("text/plain", &format!("Hello,\n\n{}\n", base64(shifted.as_bytes())));
    assert_eq!(beside(&letter).reports.len(), 2);
    // A picture, of whose lines one in thousands begins as zlib does.
    let line = base64(&[&[0x78, 0x9C][..], &[0xFF; 55]].concat());
    let picture = format!("{}\n{}\n{}\n", base64(&[0xFF; 57]), line.trim(), base64(&[0xFE; 57]));
    let letter = part("text/plain", &format!("Hello,\n\n{}\n", picture.replace("\n\n", "\n")));
    assert_eq!(beside(&letter).complaint(), None);
    // A word above.
    let word = format!("Hello,\n\nattachmentfollows\n{}\n", base64(&gzip(second.as_bytes())));
    assert_eq!(beside(&part("text/plain", &word)).reports.len(), 2);
    let named = good().replace(GOOD, "\nPAAcmeCorp20261126\n");
    assert_eq!(read(named.as_bytes()).complaint(), None);
    for packed in
        [&b"\xFD7zXZ\0\0\x04"[..], b"BZh91AY&SY\0", b"7z\xBC\xAF\x27\x1C", b"Rar!\x1A\x07"]
    {
        let text = [good().as_bytes(), b"\n", packed].concat();
        fails(&read(&text), "an attachment holds files in more than one form");
    }
}
