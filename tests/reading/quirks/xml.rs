//! DMARC reports: what their XML and the values in it may be like.

use serde_json::{Value, json};

use super::{Quirk, built, plain, quirk};

pub const ORG: &str = "/feedback/report_metadata/org_name";
const BEGIN: &str = "/feedback/report_metadata/date_range/begin";
const END: &str = "/feedback/report_metadata/date_range/end";
const POLICY: &str = "/feedback/policy_published";
const EVALUATED: &str = "/feedback/record/row/policy_evaluated";
const REASON: &str = "/feedback/record/row/policy_evaluated/reason";
const SOURCE_IP: &str = "/feedback/record/row/source_ip";
const COUNT: &str = "/feedback/record/row/count";
const HEADER_FROM: &str = "/feedback/record/identifiers/header_from";
const SPF: &str = "/feedback/record/auth_results/spf";
const DKIM: &str = "/feedback/record/auth_results/dkim";

pub fn quirks() -> Vec<Quirk> {
    let all = [
        encodings(),
        around_the_report(),
        markup(),
        names(),
        values(),
        results(),
        heads(),
        times_and_numbers(),
    ];
    all.into_iter().flatten().collect()
}

fn encodings() -> Vec<Quirk> {
    vec![
        quirk("invalid-utf-8.xml").repairs(&["invalid-utf-8"]).has(ORG, "Grüße AG \u{FFFD}"),
        quirk("latin-1-undeclared.xml").repairs(&["invalid-utf-8"]).has(ORG, "Sueño"),
        quirk("windows-1252-declared.xml").repairs(&["not-utf-8"]).has(ORG, "Größe €"),
        quirk("iso-8859-2-declared.xml").repairs(&["not-utf-8"]).has(ORG, "Zażółć"),
        quirk("utf-8-called-utf-16.xml"),
        quirk("utf-16.xml").repairs(&["utf-16"]).has(ORG, "Reporter"),
        quirk("utf-16-without-bom.xml").repairs(&["utf-16"]).has(ORG, "Reporter"),
        quirk("byte-order-mark.xml"),
        quirk("control-characters.xml").has(
            REASON,
            json!({ "type": "local_policy", "comment": "arc=pass\u{7}as[2].d=example.net" }),
        ),
    ]
}

fn around_the_report() -> Vec<Quirk> {
    vec![
        quirk("leading-blanks.xml"),
        quirk("text-before-xml.xml").repairs(&["text-before-xml"]),
        quirk("text-after-xml.xml"),
        quirk("xml-declaration.xml").repairs(&["xml-declaration"]),
        quirk("xml-declaration-quote.xml"),
        quirk("no-declaration.xml"),
        // Never resolved.
        quirk("doctype.xml").repairs(&["unknown-entity"]).has(ORG, "Reporter &who;"),
        quirk("schema-wrapper.xml"),
        quirk("schema-wrapper-unclosed.xml"),
        quirk("schema-inside.xml").repairs(&["schema-inside", "missing-end-tag"]),
        quirk("missing-root.xml").repairs(&["missing-root"]),
        quirk("two-reports-in-a-text.xml").documents(2).nth_has(
            1,
            "/feedback/report_metadata/report_id",
            "quirk-two-reports-in-a-text-2",
        ),
        quirk("missing-root-end-tag.xml").repairs(&["missing-root-end-tag"]),
        quirk("missing-end-tags-of-lists.xml")
            .repairs(&["records-in-a-list", "missing-root-end-tag"]),
        quirk("half-an-end-tag.xml").repairs(&["missing-root-end-tag"]),
        quirk("cut-off-in-a-record.xml")
            .refused("cut off inside feedback/record/auth_results/dkim/result"),
        quirk("cut-off-before-the-records.xml").refused("cut off inside feedback"),
        quirk("cut-off-in-a-start-tag.xml").refused("cut off inside feedback"),
        quirk("not-a-report.xml").refused("XML without a feedback element"),
        quirk("unused.txt").refused("holds no report"),
    ]
}

fn markup() -> Vec<Quirk> {
    vec![
        quirk("unescaped-amp.xml").repairs(&["unescaped-amp"]).has(ORG, "Smith & Sons, R&D"),
        quirk("unescaped-lt.xml").repairs(&["unescaped-lt"]).has(HEADER_FROM, "bad<example.org"),
        quirk("address-in-angle-brackets.xml")
            .repairs(&["unescaped-lt"])
            .has("/feedback/report_metadata/email", "<dmarc@reporter.example>")
            .has(COUNT, 3),
        quirk("unknown-entity.xml").repairs(&["unknown-entity"]).has(ORG, "Reporter&nbsp;Ltd"),
        quirk("markup-in-value.xml")
            .repairs(&["markup-in-value"])
            .has(REASON, json!({ "type": "other", "comment": "see the policy" })),
        quirk("cdata.xml").has(ORG, "Smith & <Sons>"),
        quirk("missing-end-tag.xml")
            .repairs(&["missing-end-tag"])
            .has(SOURCE_IP, "192.0.2.1")
            .has(COUNT, 3),
        quirk("stray-end-tag.xml")
            .repairs(&["stray-end-tag"])
            .has(DKIM, json!({ "0": dkim_pass() })),
        quirk("comments-and-instructions.xml"),
    ]
}

fn names() -> Vec<Quirk> {
    vec![
        quirk("namespace-missing-in-rfc-9990.xml")
            .has("/feedback/policy_published/testing", "y")
            .has("/feedback/policy_published/discovery_method", "treewalk")
            .has("/feedback/policy_published/np", "reject")
            .has("/feedback/report_metadata/generator", "Example 1.0")
            .has("/feedback/record/row/policy_evaluated/disposition", "pass"),
        quirk("namespace-unknown.xml"),
        quirk("namespace-prefix.xml").has(HEADER_FROM, "example.org"),
        quirk("namespace-prefix-undeclared.xml").has(HEADER_FROM, "example.org"),
        quirk("extension-elements.xml")
            .has("/feedback/policy_published/domain", "example.org")
            .has(SPF, spf_fail()),
        quirk("element-name-case.xml")
            .repairs(&["element-name"])
            .has(SPF, spf_fail())
            .has(COUNT, 3),
        quirk("element-name-camel.xml")
            .repairs(&["element-name"])
            .has(SPF, spf_fail())
            .has(COUNT, 3),
        quirk("element-name-hyphen.xml")
            .repairs(&["element-name"])
            .has(SPF, spf_fail())
            .has(COUNT, 3),
        quirk("identities.xml").repairs(&["element-name"]).has(HEADER_FROM, "example.org"),
        quirk("records-in-a-list.xml").repairs(&["records-in-a-list"]).has(COUNT, 3),
        quirk("pre-rfc-draft.xml")
            .has(DKIM, json!({ "0": { "domain": "example.org", "result": "pass" } })),
    ]
}

fn dkim_pass() -> Value {
    json!({ "domain": "example.org", "selector": "s1", "result": "pass" })
}

fn spf_fail() -> Value {
    json!({ "domain": "bounce.example.net", "result": "fail" })
}

fn values() -> Vec<Quirk> {
    vec![
        quirk("keyword-case.xml")
            .repairs(&["keyword-case"])
            .has(EVALUATED, json!({ "disposition": "none", "dkim": "pass", "spf": "fail" }))
            .has("/dmarc", json!({ "pass": true, "dkim_aligned": true, "spf_aligned": false })),
        quirk("white-space.xml")
            .has(ORG, "Reporter")
            .has(SOURCE_IP, "192.0.2.1")
            .has(COUNT, 3)
            .has("/dmarc/dkim_aligned", true)
            .has(BEGIN, 1_696_204_800),
        quirk("invented-results.xml")
            .has(SPF, json!({ "domain": "bounce.example.net", "result": "hardfail" }))
            .has(
                DKIM,
                json!({ "0": { "domain": "example.org", "selector": "s1", "result": "unknown" } }),
            ),
        quirk("empty-elements.xml")
            .has(POLICY, json!({ "domain": "example.org", "aspf": "r", "p": "reject" }))
            .has("/feedback/report_metadata/email", Value::Null),
        quirk("missing-elements.xml")
            .has(POLICY, json!({ "domain": "example.org", "p": "reject" }))
            .has("/feedback/record/identifiers", json!({}))
            .has(DKIM, json!({ "0": { "domain": "example.org", "result": "pass" } })),
        quirk("empty-auth-results.xml").has("/feedback/record/auth_results", json!({})),
        quirk("missing-policy-evaluated.xml")
            .has(EVALUATED, json!({}))
            .has("/dmarc/pass", Value::Null),
        quirk("missing-policy-published.xml").has(POLICY, json!({})).has(COUNT, 3),
        quirk("repeated-element.xml").repairs(&["repeated-element"]).has(ORG, "Reporter"),
        quirk("repeated-element-empty.xml").has(ORG, "Reporter"),
        quirk("envelope-to-list.xml")
            .repairs(&["repeated-element"])
            .has("/feedback/record/identifiers/envelope_to", "a.example"),
        quirk("repeated-row.xml").repairs(&["repeated-element"]).lost(1).has(COUNT, 3),
    ]
}

fn results() -> Vec<Quirk> {
    vec![
        quirk("several-spf-results.xml").has(
            SPF,
            json!([
                { "domain": "example.net", "scope": "helo", "result": "pass" },
                spf_fail(),
            ]),
        ),
        quirk("several-dkim-results.xml").has(
            DKIM,
            json!({ "0": { "domain": "example.net", "selector": "a", "result": "pass" }, "1": dkim_pass() }),
        ),
        quirk("spf-without-domain.xml").has(SPF, json!({ "scope": "helo", "result": "fail" })),
        quirk("empty-reason.xml").has(REASON, Value::Null),
        quirk("reason-without-type.xml").has(REASON, json!({ "comment": "a mailing list" })),
        quirk("reason-as-text.xml").repairs(&["reason-as-text"]).has(REASON, json!({ "comment": "a mailing list" })),
        quirk("reason-and-text.xml")
            .repairs(&["stray-text"])
            .has(REASON, json!({ "type": "mailing_list", "comment": "a mailing list" })),
        quirk("several-reasons.xml")
            .has(REASON, json!([{ "type": "forwarded" }, { "type": "policy_test_mode", "comment": "t=y" }])),
    ]
}

fn heads() -> Vec<Quirk> {
    vec![
        built("value-too-long", {
            let text = String::from_utf8(plain("value-too-long")).expect("UTF-8");
            text.replace(">Reporter<", &format!(">{}<", "ö".repeat(5000))).into_bytes()
        })
        .repairs(&["value-cut"])
        .has(ORG, "ö".repeat(2048)),
        quirk("fo-with-several-values.xml").has("/feedback/policy_published/fo", "1:d:s"),
        quirk("pct-with-sign.xml").has("/feedback/policy_published/pct", 50),
        quirk("several-policies.xml")
            .repairs(&["several-policies"])
            .has("/feedback/policy_published/domain", "example.org"),
        quirk("report-id-in-brackets.xml").repairs(&["report-id-brackets"]),
        quirk("report-id-after-attributes.xml"),
        quirk("missing-org-name.xml").repairs(&["missing-org-name"]).has(ORG, "reporter.example"),
        quirk("missing-org-name-and-email.xml").refused("without org_name and email"),
        quirk("missing-report-id.xml").refused("without report_id"),
        quirk("missing-period.xml").refused("without date_range"),
        quirk("half-a-period.xml").refused("without date_range"),
        quirk("no-record.xml").refused("DMARC report without a record"),
    ]
}

fn times_and_numbers() -> Vec<Quirk> {
    vec![
        quirk("date-float.xml")
            .repairs(&["date-format"])
            .has(BEGIN, 1_696_204_800)
            .has(END, 1_696_291_199),
        quirk("date-iso.xml")
            .repairs(&["date-format"])
            .has(BEGIN, 1_696_204_800)
            .has(END, 1_696_291_199),
        quirk("date-of-mail.xml")
            .repairs(&["date-format"])
            .has(BEGIN, 1_696_204_800)
            .has(END, 1_696_291_199),
        quirk("date-milliseconds.xml")
            .repairs(&["date-format"])
            .has(BEGIN, 1_696_204_800)
            .has(END, 1_696_291_199)
            .has("/@timestamp", "2023-10-02T00:00:00Z"),
        quirk("period-of-zero.xml").has(BEGIN, 1_696_204_800).has(END, 1_696_204_800),
        quirk("period-of-a-week.xml").has(END, 1_696_809_599),
        quirk("period-reversed.xml")
            .repairs(&["period-reversed"])
            .has(BEGIN, 1_696_204_800)
            .has(END, 1_696_291_199),
        quirk("count-format.xml").repairs(&["count-format"]).has(COUNT, 1234),
        quirk("count-float.xml").repairs(&["count-format"]).has(COUNT, 7),
        quirk("count-zero.xml").has(COUNT, 0),
        // The good one still counts.
        quirk("count-unreadable.xml").lost(4).has(SOURCE_IP, "192.0.2.1"),
        quirk("ipv4-mapped.xml").repairs(&["ipv4-mapped"]).has(SOURCE_IP, "192.0.2.1"),
        quirk("ipv6-in-brackets.xml").repairs(&["source-ip-form"]).has(SOURCE_IP, "2001:db8::1"),
        quirk("ip-with-prefix-length.xml").repairs(&["source-ip-form"]).has(SOURCE_IP, "192.0.2.1"),
        quirk("host-name-for-ip.xml")
            .repairs(&["source-ip-unreadable"])
            .has(SOURCE_IP, Value::Null)
            .has(COUNT, 3),
        quirk("source-ip-empty.xml")
            .repairs(&["source-ip-unreadable"])
            .documents(2)
            .has(SOURCE_IP, Value::Null)
            .nth_has(1, SOURCE_IP, "192.0.2.1"),
    ]
}
