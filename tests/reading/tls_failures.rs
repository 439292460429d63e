//! Which reason belongs to which receiving host, beside the list of details.

use crate::support::read;
use email_report_processor::{limits::Limits, message};
use serde_json::{Value, json};

/// `tls` of the document of a report with these details.
fn tls(details: &Value) -> Value {
    let report = json!({
        "organization-name": "Example",
        "date-range": {
            "start-datetime": "2026-09-01T00:00:00Z", "end-datetime": "2026-09-01T23:59:59Z",
        },
        "report-id": "1",
        "policies": [{
            "policy": { "policy-type": "sts", "policy-domain": "example.org" },
            "summary": { "total-successful-session-count": 1, "total-failure-session-count": 9 },
            "failure-details": details,
        }],
    });
    let contents = message::read(report.to_string().as_bytes(), &Limits::default());
    let documents = read::documents(&contents);
    let mut document: Value = serde_json::from_str(&documents[0].1).expect("JSON");
    document["tls"].take()
}

#[test]
fn pairs_are_not_mixed_up() {
    let detail = |reason: &str, host: &str, sender: &str| {
        json!({
            "result-type": reason, "receiving-mx-hostname": host, "sending-mta-ip": sender,
            "receiving-ip": "192.0.2.9", "failed-session-count": 2,
        })
    };
    let found = tls(&json!([
        detail("starttls-not-supported", "mx2.example.org", "192.0.2.1"),
        detail("certificate-expired", "mx1.example.org", "192.0.2.1"),
        detail("certificate-expired", "mx1.example.org", "192.0.2.2"),
    ]));
    let expected =
        ["certificate-expired mx1.example.org", "starttls-not-supported mx2.example.org"];
    assert_eq!(found, json!({ "failures": expected }), "each pair once");
}

#[test]
fn what_is_not_told_is_left_out() {
    let found = tls(&json!([
        { "result-type": "sts-policy-fetch-error", "failed-session-count": 1 },
        { "result-type": "validation-failure", "receiving-ip": "192.0.2.9" },
        { "receiving-mx-hostname": "mx1.example.org" },
        { "failed-session-count": 1 },
    ]));
    let expected = ["mx1.example.org", "sts-policy-fetch-error", "validation-failure 192.0.2.9"];
    assert_eq!(found, json!({ "failures": expected }));
    assert_eq!(tls(&json!([])), Value::Null);
}
