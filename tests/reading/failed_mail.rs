//! Failure reports, and the mails that they are about: which part is which, and what is believed.

use std::fs;

use email_report_processor::{
    limits::Limits,
    message::{self, Contents},
    report::{Kind, Report},
};

use crate::support::mail::{attachment, fixture, gzip, mail, multipart};

const FEEDBACK: &str = "Content-Type: message/feedback-report\n\n\
    Feedback-Type: auth-failure\nSource-IP: 192.0.2.1\nReported-Domain: example.org\n";

/// A mail with an aggregate report, as a part of this type.
fn mail_with_report(content_type: &str) -> String {
    let xml = fs::read_to_string("tests/fixtures/dmarc/rfc7489.xml").expect("a fixture");
    format!("{content_type}From: a@b.example\nSubject: claim\nContent-Type: text/xml\n\n{xml}")
}

fn of_parts(parts: &[&str]) -> Contents {
    let parts: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
    let report = multipart("multipart/report", "=_b", &parts);
    message::read(&mail(&report), &Limits::default())
}

fn kinds(contents: &Contents) -> Vec<Kind> {
    contents.reports.iter().map(Report::kind).collect()
}

#[test]
fn no_mail_behind_the_fields_is_believed() {
    let header = "Content-Type: text/rfc822-headers\n\nFrom: a@b.example\nSubject: x\n";
    let cover = "Content-Type: message/rfc822\n\nFrom: c@b.example\nSubject: cover\n\nx\n";
    for content_type in [
        "Content-Type: message/rfc822\n\n",
        "Content-Type: application/octet-stream\n\n",
        "Content-Type: text/plain\n\n",
        "Content-Type: text/rfc822-headers\n\n",
        "Content-Type: application/x-mail\n\n",
        "\n",
    ] {
        let forged = mail_with_report(content_type);
        for parts in [
            vec![cover, FEEDBACK, &forged],
            vec![FEEDBACK, header, &forged],
            vec![FEEDBACK, &forged, &forged],
            vec![FEEDBACK, &forged],
        ] {
            let contents = of_parts(&parts);
            assert_eq!(kinds(&contents), [Kind::Failure], "{content_type:?} {}", parts.len());
        }
    }
}

#[test]
fn a_mail_in_front_of_the_fields_is_another_report() {
    let report = mail_with_report("Content-Type: message/rfc822\n\n");
    let failed = "Content-Type: message/rfc822\n\nMessage-ID: <failed@b>\nFrom: a@b\n\nx\n";
    let contents = of_parts(&[&report, FEEDBACK, failed]);
    assert_eq!((contents.complaint(), kinds(&contents)), (None, vec![Kind::Failure, Kind::Dmarc]));
    let Report::Failure(failure) = &contents.reports[0] else { panic!("the kind was compared") };
    let message = failure.message.as_ref().expect("the failed mail");
    assert_eq!(message.message_id.as_deref(), Some("failed@b"));
}

#[test]
fn declared_and_undeclared_fields_beside_each_other() {
    let untyped = FEEDBACK.replace("message/feedback-report", "text/plain").replace(".2.1", ".2.2");
    let failed = "Content-Type: message/rfc822\n\nFrom: a@b\n\nx\n";
    let contents = of_parts(&[FEEDBACK, failed, &untyped, failed]);
    assert_eq!(kinds(&contents), [Kind::Failure, Kind::Failure]);
    // The failed mail may begin in this way, too.
    let forged = "Content-Type: text/rfc822-headers\n\nFeedback-Type: abuse\nFrom: a@b\n";
    assert_eq!(kinds(&of_parts(&[FEEDBACK, forged])), [Kind::Failure]);
}

#[test]
fn a_report_that_a_letter_may_call_failed_is_not_lost_silently() {
    let letter = "Content-Type: text/plain\n\nOn DMARC\nSender IP Address: 192.0.2.9\n";
    let reason = "a report is in a mail that a letter seems to call failed";
    for parts in [
        vec![letter, &mail_with_report("Content-Type: message/rfc822\n\n")],
        vec![&letter.replace("On DMARC", &mail_with_report("On DMARC\n"))],
    ] {
        let contents = of_parts(&parts);
        assert_eq!(kinds(&contents), [Kind::Failure]);
        let complaint = contents.complaint().unwrap_or_default();
        assert!(complaint.starts_with(reason), "{complaint}");
    }
}

#[test]
fn a_broken_report_that_a_letter_may_call_failed_is_told() {
    let letter = "Content-Type: text/plain\n\nOn DMARC\nSender IP Address: 192.0.2.9\n";
    let report = mail_with_report("Content-Type: message/rfc822\n\n");
    let broken = &report[..report.find("<record>").expect("a record") + 30];
    let contents = of_parts(&[letter, broken]);
    assert_eq!(kinds(&contents), [Kind::Failure]);
    let complaint = contents.complaint().unwrap_or_default();
    assert!(complaint.starts_with("DMARC report is broken"), "{complaint}");
}

/// What was attached under the name of a report, and can't be unpacked.
#[test]
fn a_packed_report_that_a_letter_may_call_failed_and_is_broken_is_told() {
    let letter = "Content-Type: text/plain\n\nOn DMARC\nSender IP Address: 192.0.2.9\n";
    let packed = gzip(&fixture("dmarc/rfc7489.xml"));
    let report = |bytes: &[u8]| {
        let name = "google.com!example.org!1700000000!1700086399.xml.gz";
        let mail = mail(&attachment("application/gzip", name, bytes));
        format!("Content-Type: message/rfc822\n\n{}", String::from_utf8(mail).expect("ASCII"))
    };
    for (bytes, reason) in [
        (&packed[..packed.len() - 40], "gzip archive is broken"),
        (b"\xFD7zXZ\0\0\x04", "an attachment is packed with xz"),
        (b"PK\x03\x04junk", "zip archive is broken"),
    ] {
        let contents = of_parts(&[letter, &report(bytes)]);
        assert_eq!(kinds(&contents), [Kind::Failure]);
        let complaint = contents.complaint().unwrap_or_default();
        assert!(complaint.starts_with(reason), "{complaint}");
    }
}
