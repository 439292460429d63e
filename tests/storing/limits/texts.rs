//! XML and JSON.

use std::{fmt::Write as _, fs, io, net::TcpListener};

use super::{BIG, METADATA, RECORD, mail_of, read, refused_bytes};
use crate::support::mail::{mail, multipart, part};

#[test]
fn entities_are_never_resolved() {
    let folder = tempfile::tempdir().expect("a folder");
    let secret = folder.path().join("secret");
    fs::write(&secret, "the-secret").expect("written");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("a socket");
    let port = listener.local_addr().expect("an address").port();
    // Whoever opens this one waits for ever.
    let pipe = folder.path().join("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RWXU).expect("a pipe");
    let mut entities = String::from("<!ENTITY lol0 \"lol\">");
    for n in 1..40 {
        let _ = write!(entities, "<!ENTITY lol{n} \"{}\">", format!("&lol{};", n - 1).repeat(10));
    }
    let doctype = format!(
        "<!DOCTYPE feedback SYSTEM \"http://127.0.0.1:{port}/a.dtd\" [{entities}\n\
         <!ENTITY file SYSTEM \"file://{}\"><!ENTITY pipe SYSTEM \"{}\">\
         <!ENTITY net SYSTEM \"http://127.0.0.1:{port}/\">\n\
         <!ENTITY % remote SYSTEM \"http://127.0.0.1:{port}/remote.dtd\"> %remote;]>",
        secret.display(),
        pipe.display()
    );
    let xml = format!("<?xml version=\"1.0\"?>{doctype}{METADATA}{RECORD}</feedback>")
        .replace("Bomber", "&lol39;&file;&pipe;&net;");
    let fate = read("entities", |file| file.write_all(&mail(&part("text/xml", &xml))));
    assert_eq!(fate.refused, None);
    assert!(
        fate.documents.contains("\"org_name\":\"&lol39;&file;&pipe;&net;\""),
        "{}",
        fate.documents
    );
    assert!(fate.documents.contains("unknown-entity"));
    assert_eq!(listener.accept().expect_err("nobody calls").kind(), io::ErrorKind::WouldBlock);
}

#[test]
fn a_million_levels_of_xml() {
    let deep = mail_of("text/xml", METADATA, "<a>", "", 3_000_000);
    refused_bytes("1,000,000 levels of XML", "xml-depth", &deep);
}

#[test]
fn xml_of_tiny_records() {
    let records = mail_of("text/xml", METADATA, RECORD, "</feedback>", BIG);
    refused_bytes("tiny records", "records", &records);
    let several = format!("{METADATA}{}</feedback>", RECORD.repeat(60_000));
    let parts = vec![part("text/xml", &several); 20];
    let fate = read("20 reports of 60,000 records", |file| {
        file.write_all(&mail(&multipart("multipart/mixed", "=_b", &parts)))
    });
    assert!(fate.refused.expect("refused").contains("(--limit-records)"));
    // The rest of the mail is well.
    assert_eq!(fate.documents.lines().count(), 240_000);
}

fn records_full_of_results() -> String {
    let results = "<dkim><domain>a</domain></dkim>".repeat(100);
    format!("<record><row><count>1</count></row><auth_results>{results}</auth_results></record>")
}

#[test]
fn xml_with_one_huge_thing() {
    for (name, front, piece, back) in [
        ("a value", "<version>", "v", "</version>"),
        ("a value in pieces", "<version>", "v&amp;", "</version>"),
        ("an entity's name", "<version>&", "v", ";</version>"),
        ("attributes", "<version ", "a='b' ", ">1.0</version>"),
        ("an attribute", "<version a='", "b", "'>1.0</version>"),
        ("a name", "<", "b", "/>"),
        ("a comment", "<!--", "-b", "-->"),
        ("CDATA", "<![CDATA[", "b]]", "]]>"),
        ("unknown elements", "", "<a/>", ""),
        ("rows", "<record>", "<row/>", "</record>"),
        ("results", "<record><auth_results>", "<dkim/>", "</auth_results></record>"),
        (
            "full results",
            "<record><row><count>1</count></row>",
            "<auth_results><dkim><domain>a</domain></dkim></auth_results>",
            "</record>",
        ),
        ("records full of results", "", &records_full_of_results(), ""),
        ("errors", "<report_metadata>", "<error>e</error>", "</report_metadata>"),
        ("policies", "", "<policy_published><p>none</p></policy_published>", ""),
        ("ends", "", "</a>", ""),
        ("less-than signs", "<version>", "<", "</version>"),
        ("ampersands", "<version>", "&", "</version>"),
        ("roots", "</feedback>", "<feedback>", "<a>"),
        ("small reports", "</feedback>", "<feedback><a></feedback>", ""),
    ] {
        let bomb = mail_of(
            "text/xml",
            &format!("{METADATA}{front}"),
            piece,
            &format!("{back}{RECORD}</feedback>"),
            BIG,
        );
        // Whether it is read or refused, within the memory.
        read(&format!("{} MiB of {name}", BIG >> 20), |file| file.write_all(&bomb));
    }
}

const TLS: &str = "{\"organization-name\":\"Bomber\",\"report-id\":\"bomb\",\"date-range\":{\
                   \"start-datetime\":\"2023-10-02T00:00:00Z\",\
                   \"end-datetime\":\"2023-10-02T23:59:59Z\"},";

#[test]
fn json() {
    let front = format!("{TLS}\"policies\":");
    refused_bytes(
        "deep JSON",
        "xml-depth",
        &mail_of("application/json", &front, "[", "", 10 << 20),
    );
    let policies = mail_of("application/json", &format!("{front}[{{}}"), ",{}", "]}", 3_000_000);
    refused_bytes("1,000,000 policies", "records", &policies);
    let big = mail_of(
        "application/json",
        &format!("{TLS}\"a\":\""),
        "a",
        "\",\"policies\":[]}",
        17 << 20,
    );
    refused_bytes("a large JSON value", "unpacked-bytes", &big);
    for (name, front, piece, back) in [
        ("a value", "\"contact-info\":\"", "a", "\","),
        ("an escaped value", "\"contact-info\":\"", "\\u00e4", "\","),
        ("names", "", "\"a\":1,", ""),
        ("a name", "\"", "a-", "\":1,"),
        ("a number", "\"contact-info\":", "1", ","),
        ("unknown lists", "\"a\":[1", ",[]", "],"),
        (
            "texts in a list",
            "\"policies\":[{\"policy\":{\"policy-string\":[\"\"",
            ",\"\"",
            "]}}],\"b\":1,",
        ),
        ("nulls in a list", "\"policies\":[null", ",null", "],\"b\":1,"),
        ("numbers in a list", "\"policies\":[1", ",1", "],\"b\":1,"),
        ("line breaks in a text", "\"contact-info\":\"", "a\n", "\","),
    ] {
        let back = format!("{back}\"policies\":[{{\"policy\":{{\"policy-type\":\"sts\"}}}}]}}");
        let bomb = mail_of("application/json", &format!("{TLS}{front}"), piece, &back, 15 << 20);
        read(&format!("15 MiB of {name}"), |file| file.write_all(&bomb));
    }
}
