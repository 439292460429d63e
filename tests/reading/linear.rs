//! Work grows with the size of a mail and no faster: each of these shapes once took time with the
//! square of it.

use email_report_processor::{limits::Limits, message};

use rustix::time::{ClockId, clock_gettime};

use crate::support::mail::{attachment, gzip, mail, multipart, part, zip};

/// The least processor time in nanoseconds that it took of five times: others use the machine.
fn cost(mail: &[u8]) -> i64 {
    let spent = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        time.tv_sec * 1_000_000_000 + time.tv_nsec
    };
    let once = || {
        let before = spent();
        std::hint::black_box(message::read(mail, &Limits::default()));
        spent() - before
    };
    (0..5).map(|_| once()).min().expect("five")
}

/// Twice the mail may take three times as long.
fn assert_linear(name: &str, size: usize, shape: impl Fn(usize) -> Vec<u8>) {
    let (one, two) = (cost(&shape(size)), cost(&shape(2 * size)));
    println!("{name}: {} ms, {} ms", one / 1_000_000, two / 1_000_000);
    assert!(two < 3 * one + 20_000_000, "{name}: {one} ns, {two} ns");
}

const METADATA: &str = "<report_metadata><org_name>B</org_name><report_id>b</report_id>\
                        <date_range><begin>1696204800</begin><end>1696291199</end></date_range>\
                        </report_metadata>";

fn packed(text: &str) -> Vec<u8> {
    mail(&attachment("application/gzip", "a.gz", &gzip(text.as_bytes())))
}

fn failure(feedback: &str, reported: &str) -> Vec<u8> {
    let parts = [part("message/feedback-report", feedback), part("message/rfc822", reported)];
    mail(&multipart("multipart/report; report-type=feedback-report", "=_b", &parts))
}

#[test]
fn failure_reports() {
    let fields = "Feedback-Type: auth-failure\nSource-IP: 192.0.2.1\n";
    for (name, front, piece) in [
        ("parameters", "Content-Type: a/b", ";a*1=x"),
        ("parameters of a disposition", "Content-Disposition: a", ";a*1=x"),
        ("addresses", "To: a@b", ",<a@b>"),
        ("groups", "To: a@b", ",a:b;"),
        ("comments", "From: ", "(a"),
        ("encoded words", "Subject: a", " =?utf-8?q?a?="),
        ("folds", "Subject: a", "\n "),
        ("fields", "Subject: a", "\na:b"),
    ] {
        let shape = |size: usize| {
            failure(fields, &format!("From: a@b\n{front}{}\n\n", piece.repeat(size / piece.len())))
        };
        assert_linear(name, 200_000, shape);
    }
    for (name, piece) in
        [("words", "a, "), ("folded values", "\n a"), ("values", "\nAuth-Failure: b")]
    {
        let shape = |size: usize| {
            failure(&format!("{fields}Auth-Failure: {}", piece.repeat(size / piece.len())), "")
        };
        assert_linear(name, 100_000, shape);
    }
}

#[test]
fn reports_before_a_long_tail() {
    let reports = |count: usize, tail: &str| {
        let report = format!("<feedback>{METADATA}</feedback>");
        packed(&format!("{}{tail}", report.repeat(count)))
    };
    for (name, tail) in [
        ("letters", "x"),
        ("blanks", " "),
        ("names", "feedback"),
        ("ends", "</a"),
        ("prefixes", "<a:"),
    ] {
        assert_linear(name, 300, |size| reports(size, &tail.repeat(size * 4000 / tail.len())));
    }
}

#[test]
fn names_of_roots() {
    for (name, piece) in
        [("names", "<feedback "), ("tags", "<feedback>"), ("prefixes", "<a:feedback>x")]
    {
        let shape = |size: usize| {
            let names = format!("x {}>{}x", piece.repeat(size / 20), " ".repeat(size));
            packed(&names.repeat(10))
        };
        assert_linear(name, 100_000, shape);
    }
}

#[test]
fn headers_and_boundaries() {
    let colons = |size: usize| {
        format!("Subject: a\n{}{}\n\n", ":".repeat(size), "\n ".repeat(size / 2)).into_bytes()
    };
    assert_linear("colons and folds", 200_000, colons);
    let blanks = |size: usize| {
        format!("Subject: a\nc{}{}\n\n", " ".repeat(size), "\n ".repeat(size / 100)).into_bytes()
    };
    assert_linear("blanks and folds", 200_000, blanks);
    for boundary in ["-".repeat(60), "-".repeat(900), "- ".repeat(30) + "-", "b".into()] {
        let body = |size: usize| format!("--{boundary}").repeat(size / (boundary.len() + 2));
        let shape = |size: usize| {
            mail(&part(&format!("multipart/mixed; boundary=\"{boundary}\""), &body(size)))
        };
        assert_linear("boundaries", 1_000_000, shape);
    }
}

#[test]
fn what_stands_beside() {
    for (name, piece) in [
        ("lines", "a\n"),
        ("fields", "a:b\n"),
        ("fields and empty lines", "a:b\nc\n\n"),
        ("roots", "<feedback>\n"),
        ("delimiters", "--=_b\n"),
        ("sections", "--=_b\nx\n"),
        ("hyphens", "--\n"),
    ] {
        // Sections without an empty line, and a mail without one before its sections.
        let body = |size: usize| format!("--=_b\n{}", piece.repeat(size / piece.len()));
        let whole = |size: usize| {
            mail(&format!("Content-Type: multipart/mixed; boundary=\"=_b\"\n\n{}", body(size)))
        };
        assert_linear(name, 10_000, whole);
        let joined = |size: usize| {
            mail(&format!("Content-Type: multipart/mixed; boundary=\"=_b\"\n{}", body(size)))
        };
        assert_linear(name, 10_000, joined);
    }
    let (empty, xml) = (gzip(b""), b"<feedback><a>".to_vec());
    let archive = zip(&[("a", b"a")]);
    for (name, piece) in [
        ("gzip and text", [&empty[..], &xml].concat()),
        ("gzip and zip", [&empty[..], &archive].concat()),
        ("zip", archive.clone()),
        ("zip and text", [&archive[..], &xml].concat()),
        ("zip and gzip", [&archive[..], &empty].concat()),
        ("gzip and zeros", [&empty[..], &[0; 100]].concat()),
    ] {
        assert_linear(name, 500, |size| {
            mail(&attachment("application/zip", "a", &piece.repeat(size)))
        });
    }
}

#[test]
fn failure_reports_in_one_mail() {
    let feedback = part("message/feedback-report", "Source-IP: 192.0.2.1\nReported-Domain: a\n");
    let reported = part("message/rfc822", "From: a@b\n");
    for (name, parts) in [
        ("feedback", vec![feedback.clone()]),
        ("feedback and mails", vec![feedback.clone(), reported.clone()]),
        ("feedback and more mails", vec![feedback, reported.clone(), reported]),
        ("texts", vec![part("text/plain", "Feedback-Type: abuse\nSource-IP: 192.0.2.1\n")]),
    ] {
        let many = |size| vec![parts.clone(); size].concat();
        assert_linear(name, 150, |size| mail(&multipart("multipart/report", "=_b", &many(size))));
    }
}

#[test]
fn names_of_members_behind_many_objects() {
    for filler in [" ", "\"report-i", "\"organization-nam", "{\"report"] {
        let shape = |size: usize| {
            let filler = filler.repeat(size / filler.len());
            packed(&format!("{}{filler}\"organization-name\"", "{}x".repeat(990)))
        };
        assert_linear(filler, 1_000_000, shape);
    }
}

#[test]
fn what_stands_behind_a_report() {
    let good = std::fs::read_to_string("tests/fixtures/dmarc/rfc7489.xml").expect("a fixture");
    for tail in ["<", "<a", "\"r", "ck"] {
        let shape = |size: usize| packed(&format!("{good}{}", tail.repeat(size / tail.len())));
        assert_linear(tail, 1_000_000, shape);
    }
}

#[test]
fn other_texts() {
    for (name, kind, piece) in [
        ("base64", "text/plain", "QUFB"),
        ("padding", "text/plain", "a==="),
        ("letters between padding", "text/plain", "QQ="),
        ("uuencoded beginnings", "text/plain", "begin 644 a\nM\n"),
        ("uuencoded lines", "text/plain", "begin 644 a\n#0V%T\n"),
        ("base64 lines", "text/plain", "H4sIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\nb c\n"),
        ("base64 of JSON", "text/plain", "eyJwb2xpY2llcyI6W3t9XX0KeyJwb2xpY2llcyI6W3t9XX0K\n\n"),
        ("reasons", "text/xml", "<feedback><record><row><policy_evaluated><reason>a &amp;<a/> b"),
        ("indefinite lengths", "application/pkcs7-mime", "0\u{80}"),
        ("objects", "application/json", "{}"),
        ("lists", "application/json", "{\"policies\":[{}]}\n"),
        ("broken lines", "application/json", "{\"report-id\":\"a\nb\",\"policies\":[{}]}"),
        ("entities", "text/xml", "<feedback>&a;"),
        ("ends", "text/xml", "<a></b>"),
        ("less-than signs", "text/xml", "<feedback><"),
        ("declarations", "text/xml", "<?xml version='1.0'>"),
        ("comments", "text/xml", "<feedback><!--"),
        ("document types", "text/xml", "<!DOCTYPE a [<"),
        ("results", "text/plain", "\nAuthentication-Results: a; dkim=pass header.d=b"),
    ] {
        let shape = |size: usize| mail(&part(kind, &piece.repeat(size / piece.len())));
        assert_linear(name, 300_000, shape);
    }
}
