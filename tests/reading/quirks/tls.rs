//! TLS reports: what their JSON and the values in it may be like.

use serde_json::{Value, json};

use super::{Quirk, quirk};

const POLICY: &str = "/policies/policy";
const SUMMARY: &str = "/policies/summary";
const DETAILS: &str = "/policies/failure-details";

pub fn quirks() -> Vec<Quirk> {
    [names_and_values(), whole_texts()].into_iter().flatten().collect()
}

/// The policy of most fixtures.
fn policy() -> Value {
    let lines = json!(["version: STSv1", "mode: enforce", "mx: mx.example.org", "max_age: 86400"]);
    json!({
        "policy-type": "sts",
        "policy-string": lines,
        "policy-domain": "example.org",
        "mx-host": ["mx.example.org"],
    })
}

fn summary() -> Value {
    json!({ "total-successful-session-count": 10, "total-failure-session-count": 2 })
}

fn details() -> Value {
    json!([{
        "result-type": "certificate-expired",
        "sending-mta-ip": "192.0.2.1",
        "receiving-mx-hostname": "mx.example.org",
        "receiving-ip": "198.51.100.1",
        "failed-session-count": 2,
    }])
}

fn names_and_values() -> Vec<Quirk> {
    vec![
        quirk("tls-member-name.json")
            .repairs(&["member-name"])
            .has(POLICY, policy())
            .has(SUMMARY, summary())
            .has(DETAILS, details()),
        quirk("tls-member-name-camel.json")
            .repairs(&["member-name"])
            .has(POLICY, policy())
            .has(SUMMARY, summary())
            .has(DETAILS, details()),
        quirk("tls-policy-string-text.json")
            .repairs(&["text-for-list"])
            .has("/policies/policy/policy-string", json!(["version: STSv1"]))
            .has("/policies/policy/mx-host", json!(["mx.example.org"])),
        quirk("tls-missing-policy-domain.json")
            .has("/policies/policy/policy-domain", Value::Null)
            .has(SUMMARY, summary()),
        quirk("tls-count-as-text.json")
            .repairs(&["count-as-text"])
            .has(SUMMARY, summary())
            .has("/policies/failure-details/0/failed-session-count", 2),
        quirk("tls-count-unreadable.json").repairs(&["count-unreadable"]).has(
            SUMMARY,
            json!({ "total-successful-session-count": 0, "total-failure-session-count": 2 }),
        ),
        quirk("tls-null-values.json")
            .has("/contact-info", Value::Null)
            .has("/policies/failure-details/0/receiving-ip", Value::Null),
        quirk("tls-missing-details.json").has(
            DETAILS,
            json!([{ "result-type": "certificate-expired", "failed-session-count": 2 }]),
        ),
        quirk("tls-failure-details-null.json").has(DETAILS, Value::Null).has(SUMMARY, summary()),
        quirk("tls-failure-details-object.json")
            .repairs(&["object-for-list"])
            .has(DETAILS, details()),
        quirk("tls-date-without-zone.json")
            .repairs(&["date-format"])
            .has("/date-range/start-datetime", "2023-10-02T00:00:00Z"),
        quirk("tls-date-offset.json").has("/date-range/start-datetime", "2023-10-02T00:00:00Z"),
        quirk("tls-report-id-plus.json").has("/report-id", "quirk-tls-report-id-plus+"),
    ]
}

fn whole_texts() -> Vec<Quirk> {
    vec![
        quirk("tls-several-policies.json").documents(2).nth_has(1, POLICY, policy()),
        quirk("tls-unreadable-policy.json").lost(4).has(POLICY, policy()),
        quirk("tls-one-policy-no-list.json").repairs(&["object-for-list"]).has(POLICY, policy()),
        quirk("tls-no-policies.json").refused("SMTP TLS report without a policy"),
        quirk("tls-extension-members.json").has(POLICY, policy()),
        quirk("tls-byte-order-mark.json"),
        quirk("tls-text-before-json.json").repairs(&["text-before-json"]),
        quirk("tls-missing-end-brackets.json")
            .repairs(&["missing-end-brackets"])
            .has(DETAILS, details()),
        quirk("tls-cut-off-in-a-policy.json").refused("EOF while parsing"),
        quirk("tls-line-breaks-in-json.json")
            .repairs(&["line-breaks-in-json"])
            .has("/policies/failure-details/0/result-type", "certificate-expired"),
        quirk("tls-two-reports-in-a-text.json").documents(2).nth_has(
            1,
            "/report-id",
            "quirk-tls-two-reports-in-a-text-2",
        ),
        quirk("tls-missing-report-id.json").refused("without report-id"),
        quirk("tls-missing-organization.json")
            .repairs(&["missing-organization-name"])
            .has("/contact-info", "tlsrpt@reporter.example"),
        quirk("tls-not-a-report.json").refused("JSON without report-id and policies"),
    ]
}
