//! Nothing is left out silently, and nothing is added.

use email_report_processor::{limits::Limits, message, report::Report};

use super::{DMARC_ID, TLS_ID, dmarc, failure, ids, read, tls};
use crate::support::{
    mail::{attachment, fixture, gzip, mail, zip},
    read::documents,
};

#[test]
fn all_reports_of_a_json_list_are_read() {
    let (one, another) = (
        String::from_utf8(tls()).unwrap(),
        String::from_utf8(tls()).unwrap().replace(TLS_ID, "two"),
    );
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
    assert!(
        contents.complaint().unwrap().starts_with("SMTP TLS report is broken"),
        "{:?}",
        contents.complaint()
    );
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
    assert_eq!(
        failure(text.as_bytes()),
        "SMTP TLS report is broken: none of 2 policies can be read"
    );
}

/// What can be read is stored, and the mail fails.
#[test]
fn a_report_read_in_part_is_told() {
    let text = String::from_utf8(dmarc()).unwrap().replacen("<count>", "<count>x", 1);
    let contents = read(text.as_bytes());
    assert_eq!(
        (contents.complaint().as_deref(), contents.reports[0].len()),
        (Some("1 of 2 records of the report can't be read"), 1)
    );
    let text = r#"{"organization-name":"a","report-id":"b","date-range":{"start-datetime":"2016-04-01T00:00:00Z",
        "end-datetime":"2016-04-01T23:59:59Z"},"policies":[{"policy":{},"summary":{}},"b",3]}"#;
    let contents = read(text.as_bytes());
    assert_eq!(
        (contents.complaint().as_deref(), contents.reports[0].len()),
        (Some("2 of 3 policies of the report can't be read"), 1)
    );
}

/// Numbers and objects in lists: read where there is one, and noted in any case.
#[test]
fn numbers_of_sessions_that_are_none() {
    let text = |summary: &str| {
        format!(
            r#"{{"organization-name":"a","report-id":"b","date-range":{{"start-datetime":
            "2016-04-01T00:00:00Z","end-datetime":"2016-04-01T23:59:59Z"}},"policies":[{{"policy":
            {{"policy-domain":"c"}},"summary":{summary}}}]}}"#
        )
    };
    let whole = r#"{"total-successful-session-count":5,"total-failure-session-count":2}"#;
    for (summary, note, sessions) in [
        (whole.to_owned(), None, 5),
        (format!("[{whole}]"), Some("list-for-object"), 5),
        (format!("[{whole},{whole}]"), Some("count-unreadable"), 0),
        ("null".into(), Some("count-unreadable"), 0),
        (whole.replace('5', "[5]"), Some("count-unreadable"), 0),
        (whole.replace('5', "null"), Some("count-unreadable"), 0),
    ] {
        let text = text(&summary);
        assert_eq!(repairs(&text), note.into_iter().collect::<Vec<_>>(), "{summary}");
        let contents = read(text.as_bytes());
        let Report::Tls(report) = &contents.reports[0] else { panic!("a TLS report") };
        assert_eq!(report.policies[0].summary.total_successful_session_count, sessions);
    }
}

#[test]
fn base64_that_is_none_is_noted() {
    let text = String::from_utf8(dmarc()).unwrap();
    let mail = format!("Content-Type: text/xml\nContent-Transfer-Encoding: base64\n\n{text}");
    assert_eq!(repairs(&mail), ["not-base64"]);
}

/// Point and three digits may be a fraction or thousands: the record is lost rather than counted
/// wrongly.
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
    assert_eq!(
        repairs(&text.replacen("</policy_evaluated>", &long, 1)),
        ["value-cut", "reason-as-text"]
    );
    let errors = |count| {
        text.replacen(
            "<date_range>",
            &format!("{}<date_range>", "<error>x</error>".repeat(count)),
            1,
        )
    };
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

#[test]
fn an_extension_does_not_stand_for_the_real_element() {
    let report = String::from_utf8(fixture("dmarc/rfc7489.xml")).expect("UTF-8");
    let read = |text: &str| {
        let contents = message::read(text.as_bytes(), &Limits::default());
        assert_eq!(contents.complaint(), None);
        documents(&contents)
    };
    let expected = read(&report);
    for (element, foreign) in [
        ("<count>", "<y:count>99</y:count>"),
        ("<source_ip>", "<y:source_ip>192.0.2.99</y:source_ip>"),
    ] {
        let before = report.replace(element, &format!("{foreign}{element}"));
        let end = element.replace('<', "</");
        let behind = report.replace(&end, &format!("{end}{foreign}"));
        assert!(before != report && behind != report);
        assert_eq!(
            (read(&before), read(&behind)),
            (expected.clone(), expected.clone()),
            "{foreign}"
        );
    }
}

#[test]
fn what_the_reporter_does_not_say_is_neither_true_nor_false() {
    let report = String::from_utf8(fixture("dmarc/rfc9990.xml")).expect("UTF-8");
    let (begin, end) = (
        report.find("<policy_evaluated>").expect("there"),
        report.find("</policy_evaluated>").expect("there"),
    );
    let without = report[..begin].to_owned() + &report[end + "</policy_evaluated>".len()..];
    let contents = message::read(without.as_bytes(), &Limits::default());
    let (_, document) = documents(&contents).remove(0);
    assert!(document.contains(r#""dmarc":{}"#), "{document}");
}
