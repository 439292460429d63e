//! Who sent a report: what the receiving mail server wrote into it.

use std::fs;

use email_report_processor::{
    document::Documents,
    message::{self, Contents, ReadOptions},
};
use serde_json::{Value, json};

const PASSED: &str = "Authentication-Results: mx.example.org; dkim=pass header.d=reporter.example header.s=a; spf=pass\r\n \
     smtp.mailfrom=bounces@reporter.example; dmarc=pass header.from=reporter.example\r\n";

fn read(header: &str, options: &ReadOptions) -> Contents {
    let mail =
        fs::read_to_string("tests/fixtures/quirks/mail-report-is-the-body.eml").expect("a fixture");
    message::read_with(format!("{header}{mail}").as_bytes(), options)
}

fn asked(required: bool) -> ReadOptions {
    ReadOptions {
        authserv_id: Some("mx.example.org".into()),
        require_authenticated: required,
        ..ReadOptions::default()
    }
}

fn asked_below(required: bool) -> ReadOptions {
    ReadOptions { authserv_below_received: true, ..asked(required) }
}

fn authenticated(contents: &Contents) -> Value {
    let documents = Documents::new(&contents.reports[0], &contents.received);
    let mut source = Vec::new();
    documents.write_source(0, &mut source);
    let document: Value = serde_json::from_slice(&source).expect("a document is JSON");
    document["received"]["authenticated"].clone()
}

#[test]
fn the_field_is_absent_unless_asked_for() {
    assert_eq!(authenticated(&read(PASSED, &ReadOptions::default())), Value::Null);
    assert_eq!(authenticated(&read("", &asked(false))), json!({ "pass": false }));
    assert_eq!(
        authenticated(&read(PASSED, &asked(false))),
        json!({ "pass": true, "dkim": ["reporter.example"], "spf": "reporter.example", "dmarc": "reporter.example" })
    );
}

#[test]
fn forged_reports_are_refused_where_that_is_required() {
    assert_eq!(read(PASSED, &asked(true)).complaint(), None);
    let evil = PASSED.replace("reporter.example", "evil.example");
    for header in ["", &PASSED.replace("mx.example.org", "mx.evil.example"), &evil] {
        let contents = read(header, &asked(true));
        assert!(contents.reports.is_empty(), "{header}");
        assert!(!contents.is_something_else());
        assert_eq!(
            contents.complaint().as_deref(),
            Some("the sender is not authenticated (--require-authenticated)")
        );
        // Without the flag they are taken, and can be told apart.
        assert_eq!(authenticated(&read(header, &asked(false)))["pass"], false);
    }
}

/// What Dovecot and Postfix write, and a field that the mail brought along.
#[test]
fn what_stands_below_the_own_received_header_is_not_believed() {
    let date = "Wed, 2 Sep 2026 04:10:00 +0000";
    let lmtp = format!(
        "Return-Path: <a@reporter.example>\r\nDelivered-To: dmarc@example.org\r\n\
         Received: from mx.example.org\r\n\tby imap.example.org with LMTP\r\n\tid 4Zx (envelope-from <a@b>)\r\n\
         \tfor <dmarc@example.org>; {date}\r\n"
    );
    let smtp = |helo: &str| {
        format!(
            "Received: from {helo} (unknown [203.0.113.5])\r\n\tby mx.example.org (Postfix) with ESMTP id 1; {date}\r\n"
        )
    };
    let cyrus = format!(
        "Received: from mx.example.org ([unix socket])\r\n\tby imap (Cyrus 3.6) with LMTPA; {date}\r\n"
    );
    let mail = smtp("mail.reporter.example");
    for top in [String::new(), lmtp.clone(), cyrus, format!("{lmtp}{lmtp}")] {
        let pass = |header: &str| authenticated(&read(header, &asked(false)))["pass"].clone();
        assert_eq!(pass(&format!("{top}{PASSED}{mail}")), true, "{top}");
        // The own server added none.
        for helo in [
            "evil.example",
            "localhost",
            "by",
            "x(",
            "[127.0.0.1]",
            "a\u{A0}by\u{A0}b\u{A0}with\u{A0}LMTP",
            "a\u{2003}by\u{2003}b\u{2003}with\u{2003}LMTP",
            "a\u{B}by\u{B}b\u{B}with\u{B}LMTP",
            "a\u{C}by\u{C}b\u{C}with\u{C}LMTP",
            "a\tby\tb\twith\tLMTP",
            "a\rby\rb\rwith\rLMTP",
            "a(() by b with LMTP",
            "a( (x) by mx for <\"dmarc+) by b with LMTP \"@example.org>",
        ] {
            assert_eq!(pass(&format!("{top}{}{PASSED}", smtp(helo))), false, "{top}{helo}");
        }
    }
    assert_eq!(read(&format!("{mail}{PASSED}"), &asked(true)).reports.len(), 0);
}

/// Where rspamd puts its field, and OpenDKIM did before May 2026.
#[test]
fn what_stands_directly_below_the_own_received_header_is_believed_if_asked_for() {
    let date = "Wed, 2 Sep 2026 04:10:00 +0000";
    let lmtp =
        format!("Received: from mx.example.org by imap.example.org with LMTP id 4Zx; {date}\r\n");
    let own = format!(
        "Received: from mail.reporter.example by mx.example.org with ESMTPS id 1; {date}\r\n"
    );
    let next =
        format!("Received: from localhost by mail.reporter.example with LMTP id 2; {date}\r\n");
    let failed = PASSED.replace("=pass", "=fail");
    for top in [
        String::new(),
        lmtp.clone(),
        failed.clone(),
        format!("{failed}{lmtp}"),
        format!("{lmtp}{failed}"),
    ] {
        for (header, pass) in [
            (format!("{top}{own}{PASSED}{next}"), true),
            (format!("{top}{own}X-Spam: no\r\n{PASSED}"), true),
            (format!("{top}{own}{next}{PASSED}"), false),
            (format!("{top}{own}{failed}{next}{PASSED}"), false),
            (
                format!("{top}{own}{}{next}", PASSED.replace("mx.example.org", "mx.evil.example")),
                false,
            ),
        ] {
            assert_eq!(
                authenticated(&read(&header, &asked_below(false)))["pass"],
                pass,
                "{header}"
            );
            assert_eq!(
                read(&header, &asked_below(true)).reports.len(),
                usize::from(pass),
                "{header}"
            );
            assert_eq!(authenticated(&read(&header, &asked(false)))["pass"], false, "{header}");
            let complaint = read(&header, &asked(true)).complaint().expect("refused");
            assert_eq!(
                complaint.contains("--authserv-below-received"),
                pass,
                "{header}: {complaint}"
            );
        }
    }
    // What stands above is believed as before.
    let both = format!("{}{own}{next}", PASSED.replace("dmarc=pass", "dmarc=fail"));
    assert_eq!(
        authenticated(&read(&both, &asked_below(false)))["dkim"],
        json!(["reporter.example"])
    );
}

#[test]
fn a_bare_file_has_no_sender() {
    let file = fs::read("tests/fixtures/quirks/no-declaration.xml").expect("a fixture");
    assert_eq!(authenticated(&message::read_with(&file, &asked(false))), json!({ "pass": false }));
    assert!(message::read_with(&file, &asked(true)).reports.is_empty());
}

#[test]
fn a_mail_within_cannot_vouch_for_the_one_around_it() {
    let inner = format!("{PASSED}From: dmarc@reporter.example\r\nSubject: x\r\n\r\nx\r\n");
    let mail = format!(
        "From: dmarc@reporter.example\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b1\r\n\r\n\
         --b1\r\nContent-Type: message/rfc822\r\n\r\n{inner}\r\n--b1\r\nContent-Type: text/xml\r\n\r\n{}\r\n--b1--\r\n",
        fs::read_to_string("tests/fixtures/quirks/no-declaration.xml").expect("a fixture")
    );
    assert_eq!(
        authenticated(&message::read_with(mail.as_bytes(), &asked(false))),
        json!({ "pass": false })
    );
}
