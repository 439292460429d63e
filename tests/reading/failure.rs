//! Failure reports, from the mail to the document.

use std::fs;

use email_report_processor::{
    document::Documents,
    message::{self, Contents, ReadOptions},
    report::{Kind, Report},
};
use serde_json::{Value, json};

fn fixture(name: &str) -> Vec<u8> {
    let path = format!("tests/fixtures/failure/{name}.eml");
    fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn read(bytes: &[u8], options: &ReadOptions) -> Contents {
    message::read_with(bytes, options)
}

fn document_of(contents: &Contents) -> Value {
    assert_eq!(contents.complaint(), None);
    assert_eq!(contents.reports.len(), 1);
    let documents = Documents::new(&contents.reports[0], &contents.received);
    assert_eq!((documents.kind(), documents.len()), (Kind::Failure, 1));
    let mut source = Vec::new();
    documents.write_source(0, &mut source);
    serde_json::from_slice(&source).expect("a document is JSON")
}

fn document(name: &str) -> Value {
    document_of(&read(&fixture(name), &ReadOptions::default()))
}

fn key(bytes: &[u8]) -> String {
    let contents = read(bytes, &ReadOptions::default());
    contents.reports[0].key().as_str().to_owned()
}

/// The document of `complete`, without the header of the mail that failed.
fn complete() -> Value {
    let results = "mx.receiver.example; dkim=fail header.d=example.org; \
                   spf=fail smtp.mailfrom=spammer.example";
    json!({
        "@timestamp": "2023-10-03T08:00:00Z",
        "received": {
            "message_id": "complete@receiver.example",
            "at": "2023-10-03T08:00:05Z",
            "from": "failures@receiver.example",
        },
        "failure": {
            "feedback_type": "auth-failure",
            "user_agent": "ReceiverDMARC/2.1",
            "version": "1",
            "auth_failure": "dmarc",
            "arrival_date": "2023-10-03T08:00:00Z",
            "source_ip": "198.51.100.7",
            "source_port": 40123,
            "reported_domain": "example.org",
            "identity_alignment": "none",
            "delivery_result": "reject",
            "original_mail_from": "bounce@spammer.example",
            "original_rcpt_to": ["victim@receiver.example", "other@receiver.example"],
            "original_envelope_id": "3F2A1",
            "reporting_mta": "mx.receiver.example",
            "incidents": 3,
            "dkim_domain": "example.org",
            "dkim_selector": "s1",
            "dkim_identity": "@example.org",
            "dkim_selector_dns": "\"v=DKIM1; p=MIIB\"",
            "spf_dns": "txt : spammer.example : \"v=spf1 -all\"",
            "authentication_results": results,
            "message": {
                "message_id": "0001@spammer.example",
                "from": "Billing, Example <billing@example.org>",
                "to": ["victim@receiver.example", "Other <other@receiver.example>"],
                "reply_to": "billing@evil.example",
                "subject": "Your invoice für März",
                "date": "2023-10-03T07:59:58Z",
            },
        },
    })
}

#[test]
fn a_complete_report_gives_every_field() {
    let mut document = document("complete");
    let headers = document["failure"]["message"]
        .as_object_mut()
        .and_then(|message| message.remove("headers"));
    let headers = headers.as_ref().and_then(Value::as_str);
    let headers = headers.expect("the header of the mail that failed");
    assert!(headers.starts_with("Received: from spammer.example"), "{headers}");
    assert!(headers.ends_with("Content-Type: text/plain"), "{headers}");
    assert_eq!(document, complete());
}

#[test]
fn the_body_is_personal_data_and_only_kept_if_asked_for() {
    for name in ["complete", "base64-feedback", "gateway", "of-a-forged-report", "headers-only"] {
        let document = document(name).to_string();
        assert!(!document.contains("Dear Ms") && !document.contains("UmRl"), "{name}: {document}");
        assert!(!document.contains("RGVhciBNcyBWaWN0aW0="), "{name}: the canonicalized body");
    }
    let keep = ReadOptions { keep_failed_message: true, ..ReadOptions::default() };
    let kept = document_of(&read(&fixture("complete"), &keep));
    let body = "Dear Ms Victim, please pay 1000 to the usual account.";
    assert_eq!(kept["failure"]["message"]["body"], body);
}

/// A fixture, the repairs that must be recorded, and what the document must have where.
type Shape<'s> = (&'s str, &'s [&'s str], &'s [(&'s str, Value)]);

fn check_shapes(shapes: &[Shape]) {
    for (name, repairs, values) in shapes {
        let document = document(name);
        let recorded = document["received"].get("repairs").cloned().unwrap_or(json!([]));
        assert_eq!(recorded, json!(repairs), "{name}");
        for (path, value) in *values {
            assert_eq!(document.pointer(path).unwrap_or(&Value::Null), value, "{name}: {path}");
        }
    }
}

#[test]
#[rustfmt::skip]
fn shapes_of_feedback_that_servers_send() {
    check_shapes(&[
        ("headers-only", &[], &[
            ("/failure/message/message_id", json!("0001@spammer.example")),
            ("/failure/source_ip", json!("198.51.100.7")),
        ]),
        // Netease: multipart/mixed, the feedback in base64, no Auth-Failure.
        ("base64-feedback", &[], &[
            ("/failure/source_ip", json!("198.51.100.7")),
            ("/failure/auth_failure", Value::Null),
            ("/failure/identity_alignment", json!(["spf", "dkim"])),
            ("/failure/message/subject", json!("Your invoice für März")),
        ]),
        // Brightmail and LinkedIn: free text for the result, an empty sender, several failures.
        ("gateway", &[], &[
            ("/failure/source_ip", json!("2001:db8::7")),
            ("/failure/delivery_result", json!("smg-policy-action")),
            ("/failure/original_mail_from", Value::Null),
            ("/failure/auth_failure", json!(["dmarc", "spf", "dkim"])),
            ("/failure/version", json!("1.0")),
        ]),
        ("arrival-date-iso", &[], &[("/@timestamp", json!("2023-10-03T08:00:00Z"))]),
    ]);
}

#[test]
#[rustfmt::skip]
fn texts_for_people_that_servers_send() {
    check_shapes(&[
        // Exim and cPanel: a text for people, with the header behind it.
        ("text-only", &["no-feedback-part"], &[
            ("/failure/feedback_type", json!("auth-failure")),
            ("/failure/auth_failure", json!("dmarc")),
            ("/failure/reported_domain", json!("example.org")),
            ("/failure/source_ip", json!("198.51.100.7")),
            ("/failure/identity_alignment", json!("dkim")),
            ("/failure/delivery_result", json!("none, accept")),
            ("/failure/message/message_id", json!("0001@spammer.example")),
            ("/failure/message/from", json!("Billing, Example <billing@example.org>")),
            ("/@timestamp", json!("2023-10-03T08:00:00Z")),
        ]),
        // Baruwa: the same as the mail itself.
        ("text-is-the-mail", &["no-feedback-part"], &[
            ("/failure/message/message_id", json!("0001@spammer.example")),
        ]),
        ("text-without-headers", &["no-feedback-part"], &[
            ("/failure/message", Value::Null),
            ("/failure/source_ip", json!("198.51.100.7")),
        ]),
    ]);
}

#[test]
#[rustfmt::skip]
fn feedback_that_lacks_something_that_it_should_have() {
    check_shapes(&[
        ("no-arrival-date", &["missing-arrival-date"], &[
            ("/@timestamp", json!("2023-10-03T08:00:02Z")),
        ]),
        ("arrival-date-unknown", &["missing-arrival-date"], &[
            ("/@timestamp", json!("2023-10-03T08:00:02Z")),
        ]),
        ("feedback-as-text", &["feedback-part-type"], &[
            ("/failure/incidents", json!(3)),
            ("/failure/message/reply_to", json!("billing@evil.example")),
        ]),
        ("no-reported-domain", &["missing-reported-domain", "missing-arrival-date"], &[
            ("/failure/reported_domain", json!("example.org")),
            ("/failure/source_ip", json!("198.51.100.7")),
        ]),
        ("abuse", &["missing-reported-domain", "missing-arrival-date"], &[
            ("/failure/feedback_type", json!("abuse")),
            ("/failure/reported_uri", json!(["http://example.net/", "mailto:user@example.com"])),
        ]),
    ]);
}

/// Found by mutating fixtures: mail-parser loses count of the parts, and trips over it where its
/// assertions are on.
#[test]
fn boundaries_that_cross_are_no_fault_of_ours() {
    let contents = read(&fixture("crossed-boundaries"), &ReadOptions::default());
    assert_eq!(contents.received.from.as_deref(), Some("failures@receiver.example"));
}

#[test]
fn what_is_too_long_is_cut_and_says_so() {
    let text = String::from_utf8(fixture("complete")).expect("UTF-8");
    let long = format!("Feedback-Type: auth-failure\n{}", "X-More: and more\n".repeat(20_000));
    let long_header = format!("X-Long: {}\nReply-To:", "x".repeat(70_000));
    for (what, other, repair) in [
        ("Feedback-Type: auth-failure\n", long.as_str(), "feedback-cut"),
        ("Reply-To:", &long_header, "message-cut"),
    ] {
        let document =
            document_of(&read(text.replace(what, other).as_bytes(), &ReadOptions::default()));
        assert!(
            document["received"]["repairs"]
                .as_array()
                .is_some_and(|all| all.contains(&json!(repair))),
            "{repair}"
        );
        assert!(document["failure"].to_string().len() < 100_000);
    }
}

#[test]
fn a_report_that_failed_is_evidence_and_not_a_report() {
    let contents = read(&fixture("of-a-forged-report"), &ReadOptions::default());
    assert!(matches!(contents.reports.as_slice(), [Report::Failure(_)]));
}

#[test]
fn a_report_that_says_nothing_is_refused() {
    let contents = read(&fixture("says-nothing"), &ReadOptions::default());
    let complaint = contents.complaint().expect("a complaint");
    assert!(complaint.contains("failure report without Source-IP"), "{complaint}");
}

#[test]
fn keys_are_stable_and_tell_failures_apart() {
    let one = fixture("complete");
    let text = String::from_utf8(one.clone()).expect("UTF-8");
    assert_eq!(key(&one), key(&one));
    assert_eq!(key(&one), key(text.replace('\n', "\r\n").as_bytes()), "line ends");
    // Another server on the way.
    assert_eq!(
        key(&one),
        key(format!("Received: from a by b; Wed, 04 Oct 2023 08:00:05 +0000\n{text}").as_bytes())
    );
    for (what, other) in [
        ("Arrival-Date: Tue, 03 Oct 2023 10:00:00", "Arrival-Date: Tue, 03 Oct 2023 10:00:01"),
        ("Source-IP: 198.51.100.7", "Source-IP: 198.51.100.8"),
        ("<complete@receiver.example>", "<another@receiver.example>"),
        ("<0001@spammer.example>", "<0002@spammer.example>"),
        ("Original-Rcpt-To: <victim@", "Original-Rcpt-To: <third@"),
        ("Reported-Domain: Example.org", "Reported-Domain: Example.net"),
        ("Auth-Failure: dmarc", "Auth-Failure: dkim"),
    ] {
        assert!(text.contains(what), "{what}");
        assert_ne!(key(&one), key(text.replace(what, other).as_bytes()), "{what}");
    }
}

fn with_fields(fields: &str) -> String {
    let text = String::from_utf8(fixture("complete")).expect("UTF-8");
    text.replacen("Source-IP:", &format!("{fields}Source-IP:"), 1)
}

fn repairs(text: &str) -> Vec<String> {
    let document = document_of(&read(text.as_bytes(), &ReadOptions::default()));
    let names = document["received"]["repairs"].as_array().cloned().unwrap_or_default();
    names.iter().map(|name| name.as_str().expect("a name").to_owned()).collect()
}

#[test]
fn what_is_left_out_is_noted() {
    let text = with_fields("");
    let many = |field: &str, count: usize| {
        (0..count).fold(String::new(), |fields, n| format!("{fields}{field}: x{n}@example.net\n"))
    };
    for (text, note) in [
        (text.replacen("Source-Port: 40123", "Source-Port: 99999", 1), "source-port-unreadable"),
        (text.replacen("Incidents: 3", "Incidents: a few", 1), "incidents-unreadable"),
        (with_fields("Source-IP: 192.0.2.99\n"), "repeated-element"),
        (with_fields(&many("Original-Rcpt-To", 101)), "values-cut"),
        (with_fields(&many("Reported-URI", 101)), "values-cut"),
        (with_fields(&many("Auth-Failure", 101)), "values-cut"),
        (
            text.replacen("Reply-To:", &format!("To: a@b{}\nReply-To:", ", a@b".repeat(101)), 1),
            "values-cut",
        ),
        (
            text.replacen("Reply-To:", &format!("{}Reply-To:", "a:\n".repeat(20_001)), 1),
            "message-cut",
        ),
    ] {
        assert_eq!(repairs(&text), [note]);
    }
    let too_many = with_fields(&many("X", 20_001).replace("@example.net", ""));
    assert!(repairs(&too_many).contains(&"feedback-cut".into()));
    assert_eq!(repairs(&with_fields("Source-IP: 198.51.100.7\n")), [""; 0]);
    assert_eq!(repairs(&with_fields(&many("Reported-URI", 90))), [""; 0]);
}

/// RFC 5965 knows one report a mail; gateways may put several into one.
#[test]
fn all_reports_of_a_mail_are_read() {
    let feedback = |ip: &str| {
        format!(
            "Content-Type: message/feedback-report\n\nFeedback-Type: auth-failure\nSource-IP: {ip}\n"
        )
    };
    let failed = |id: &str| {
        let forged = fs::read_to_string("tests/fixtures/dmarc/rfc7489.xml").expect("a fixture");
        format!(
            "Content-Type: message/rfc822\n\nFrom: a@example.org\nMessage-ID: <{id}@b>\nContent-Type: text/xml\n\n{forged}"
        )
    };
    let (one, two) = (feedback("192.0.2.1"), feedback("192.0.2.2"));
    let untyped = |feedback: &str| feedback.replace("message/feedback-report", "text/plain");
    let (untyped_one, untyped_two) = (untyped(&one), untyped(&two));
    for (parts, expected) in [
        (vec![&one, &failed("1"), &two, &failed("2")], [Some("1@b"), Some("2@b")]),
        (vec![&one, &two, &failed("1"), &failed("2")], [Some("1@b"), Some("2@b")]),
        (vec![&one, &two, &failed("2")], [None, Some("2@b")]),
        (vec![&one, &failed("1"), &two], [Some("1@b"), None]),
        (vec![&untyped_one, &failed("1"), &untyped_two, &failed("2")], [Some("1@b"), Some("2@b")]),
    ] {
        let parts: Vec<String> = parts.into_iter().cloned().collect();
        let mail = crate::support::mail::mail(&crate::support::mail::multipart(
            "multipart/report",
            "=_b",
            &parts,
        ));
        let contents = read(&mail, &ReadOptions::default());
        assert_eq!(contents.complaint(), None);
        let found = contents.reports.iter().map(|report| match report {
            Report::Failure(report) => {
                let message =
                    report.message.as_ref().and_then(|message| message.message_id.clone());
                (report.source_ip.expect("an address").to_string(), message)
            }
            other => panic!("the mail that failed was believed: {other:?}"),
        });
        let expected = ["192.0.2.1", "192.0.2.2"]
            .map(str::to_owned)
            .into_iter()
            .zip(expected.map(|id| id.map(Into::into)));
        assert_eq!(found.collect::<Vec<_>>(), expected.collect::<Vec<_>>(), "{}", parts.len());
    }
}
