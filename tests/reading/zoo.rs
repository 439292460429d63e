//! The zoo: one entry for every way in which reports in the wild differ from the RFCs. Each has a name (its fixture's, in
//! `tests/fixtures/zoo`), and says what must come out: the documents, the repairs they record, the records lost.
//!
//! Every fixture has the report id `zoo-` and its name, so that an entry that is read at all is read from the right place.

use std::{collections::BTreeSet, fs, io::Write as _};

use email_report_processor::{document::Documents, limits::Limits, message, report::repairs};
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

/// What must come of a fixture.
struct Quirk {
    fixture: &'static str,
    bytes: Option<Vec<u8>>,
    repairs: &'static [&'static str],
    documents: usize,
    lost: usize,
    has: Vec<(usize, &'static str, Value)>,
    refused: Option<&'static str>,
}

fn quirk(fixture: &'static str) -> Quirk {
    Quirk { fixture, bytes: None, repairs: &[], documents: 1, lost: 0, has: Vec::new(), refused: None }
}

/// A binary fixture, built here.
fn built(name: &'static str, bytes: Vec<u8>) -> Quirk {
    Quirk { bytes: Some(bytes), ..quirk(name) }
}

impl Quirk {
    fn repairs(self, repairs: &'static [&'static str]) -> Quirk {
        Quirk { repairs, ..self }
    }

    fn documents(self, documents: usize) -> Quirk {
        Quirk { documents, ..self }
    }

    fn lost(self, lost: usize) -> Quirk {
        Quirk { lost, ..self }
    }

    /// Document 0 has this value there; null for nothing.
    fn has(self, path: &'static str, value: impl Into<Value>) -> Quirk {
        self.nth_has(0, path, value)
    }

    fn nth_has(mut self, n: usize, path: &'static str, value: impl Into<Value>) -> Quirk {
        self.has.push((n, path, value.into()));
        self
    }

    /// There is no report, and the complaint says this.
    fn refused(self, complaint: &'static str) -> Quirk {
        Quirk { refused: Some(complaint), documents: 0, ..self }
    }

    fn name(&self) -> &'static str {
        self.fixture.rsplit_once('.').map_or(self.fixture, |(name, _)| name)
    }

    /// What is wrong, if anything.
    fn check(&self) -> Result<(), String> {
        let bytes = self.bytes.clone().unwrap_or_else(|| fixture(self.fixture));
        let contents = message::read(&bytes, &Limits::default());
        let complaint = contents.complaint();
        if let Some(expected) = self.refused {
            let complaint = complaint.unwrap_or_default();
            if !contents.reports.is_empty() || !complaint.contains(expected) {
                return Err(format!("refused with {complaint:?}, {} reports", contents.reports.len()));
            }
            return Ok(());
        }
        if let Some(complaint) = complaint {
            return Err(complaint);
        }
        let mut documents: Vec<Value> = Vec::new();
        for report in &contents.reports {
            let of_report = Documents::new(report, &contents.received);
            for n in 0..of_report.len() {
                let mut source = Vec::new();
                of_report.write_source(n, &mut source);
                documents.push(serde_json::from_slice(&source).expect("a document is JSON"));
            }
        }
        let repairs: BTreeSet<&str> =
            contents.reports.iter().flat_map(|report| report.repairs().names()).copied().collect();
        if repairs != self.repairs.iter().copied().collect() {
            return Err(format!("repairs {repairs:?}"));
        }
        let lost: usize = contents.reports.iter().map(email_report_processor::report::Report::lost).sum();
        if (documents.len(), lost) != (self.documents, self.lost) {
            return Err(format!("{} documents, {lost} lost", documents.len()));
        }
        for document in &documents {
            let id = document.pointer("/feedback/report_metadata/report_id").or_else(|| document.get("report-id"));
            let id = id.and_then(Value::as_str).unwrap_or_default();
            if !id.strip_prefix("zoo-").is_some_and(|id| id.starts_with(self.name())) {
                return Err(format!("report id {id:?}"));
            }
            let recorded = document["received"]["repairs"].as_array().map_or(0, Vec::len);
            if contents.reports.len() == 1 && recorded != self.repairs.len() {
                return Err(format!("{recorded} repairs recorded in the document"));
            }
        }
        for (n, path, expected) in &self.has {
            let found = documents.get(*n).and_then(|document| document.pointer(path)).unwrap_or(&Value::Null);
            if found != expected {
                return Err(format!("document {n} has {found} at {path}, not {expected}"));
            }
        }
        Ok(())
    }
}

fn fixture(name: &str) -> Vec<u8> {
    let path = format!("tests/fixtures/zoo/{name}");
    fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn every_animal_is_read_as_it_should_be() {
    let mut wrong = Vec::new();
    let mut names = BTreeSet::new();
    for quirk in zoo() {
        assert!(names.insert(quirk.name()), "twice: {}", quirk.name());
        if let Err(error) = quirk.check() {
            wrong.push(format!("{}: {error}", quirk.name()));
        }
    }
    assert!(wrong.is_empty(), "{} of {} wrong:\n{}", wrong.len(), names.len(), wrong.join("\n"));
}

/// What a person reads in a document must mean something, and must have been seen to happen.
#[test]
fn every_repair_is_shown() {
    let shown: BTreeSet<&str> = zoo().iter().flat_map(|quirk| quirk.repairs).copied().collect();
    // Those of failure reports, and of what takes long texts, are shown there.
    let elsewhere = ["failure", "message"].map(|name| {
        let path = format!("tests/reading/{name}.rs");
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
    });
    for (name, _) in repairs::REPAIRS {
        let quoted = format!("\"{name}\"");
        let is_shown = shown.contains(name) || elsewhere.iter().any(|text| text.contains(&quoted));
        assert!(is_shown, "{name} is shown nowhere");
    }
    assert!(repairs::REPAIRS.is_sorted(), "a list to look things up in");
}

/// The same report in another spelling, or on another way, has the same key; another report has another.
#[test]
fn keys_do_not_depend_on_spelling_and_way() {
    let key = |bytes: &[u8]| {
        let contents = message::read(bytes, &Limits::default());
        contents.reports[0].key().as_str().to_owned()
    };
    let one = plain("key");
    let text = String::from_utf8(one.clone()).expect("UTF-8");
    assert_eq!(key(&one), key(&mail("report.xml.gz", &gzip(&one))));
    for (what, other) in [
        (">example.org<", ">Example.ORG.<"),
        (">Reporter<", ">REPORTER<"),
        (">zoo-key<", ">&lt;zoo-key&gt;<"),
        (">1696204800<", "> 1696204800.0 <"),
        ("</feedback>", ""),
    ] {
        assert!(text.contains(what), "{what}");
        assert_eq!(key(&one), key(text.replace(what, other).as_bytes()), "{other}");
    }
    for (what, other) in [
        ("<domain>example.org<", "<domain>example.net<"),
        (">Reporter<", ">Another<"),
        (">zoo-key<", ">ZOO-key<"),
        (">1696291199<", ">1696291200<"),
    ] {
        assert_ne!(key(&one), key(text.replace(what, other).as_bytes()), "{other}");
    }
}

#[test]
fn every_fixture_has_an_entry() {
    let named: BTreeSet<&str> = zoo().iter().map(|quirk| quirk.fixture).collect();
    for entry in fs::read_dir("tests/fixtures/zoo").expect("the fixtures") {
        let name = entry.expect("a fixture").file_name();
        assert!(named.contains(name.to_str().expect("a plain name")), "no entry for {}", name.display());
    }
}

fn zoo() -> Vec<Quirk> {
    [encodings(), around_the_report(), markup(), names(), values(), times_and_numbers(), tls(), mails(), archives()]
        .into_iter()
        .flatten()
        .collect()
}

const ORG: &str = "/feedback/report_metadata/org_name";
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
        quirk("control-characters.xml")
            .has(REASON, json!({ "type": "local_policy", "comment": "arc=pass\u{7}as[2].d=example.net" })),
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
            "zoo-two-reports-in-a-text-2",
        ),
        quirk("missing-root-end-tag.xml").repairs(&["missing-root-end-tag"]),
        quirk("missing-end-tags-of-lists.xml").repairs(&["records-in-a-list", "missing-root-end-tag"]),
        quirk("half-an-end-tag.xml").repairs(&["missing-root-end-tag"]),
        quirk("cut-off-in-a-record.xml").refused("cut off inside feedback/record/auth_results/dkim/result"),
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
        quirk("missing-end-tag.xml").repairs(&["missing-end-tag"]).has(SOURCE_IP, "192.0.2.1").has(COUNT, 3),
        quirk("stray-end-tag.xml").repairs(&["stray-end-tag"]).has(DKIM, json!({ "0": dkim_pass() })),
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
        quirk("extension-elements.xml").has("/feedback/policy_published/domain", "example.org").has(SPF, spf_fail()),
        quirk("element-name-case.xml").repairs(&["element-name"]).has(SPF, spf_fail()).has(COUNT, 3),
        quirk("element-name-camel.xml").repairs(&["element-name"]).has(SPF, spf_fail()).has(COUNT, 3),
        quirk("element-name-hyphen.xml").repairs(&["element-name"]).has(SPF, spf_fail()).has(COUNT, 3),
        quirk("identities.xml").repairs(&["element-name"]).has(HEADER_FROM, "example.org"),
        quirk("records-in-a-list.xml").repairs(&["records-in-a-list"]).has(COUNT, 3),
        quirk("pre-rfc-draft.xml").has(DKIM, json!({ "0": { "domain": "example.org", "result": "pass" } })),
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
            .has(DKIM, json!({ "0": { "domain": "example.org", "selector": "s1", "result": "unknown" } })),
        quirk("empty-elements.xml")
            .has(POLICY, json!({ "domain": "example.org", "aspf": "r", "p": "reject" }))
            .has("/feedback/report_metadata/email", Value::Null),
        quirk("missing-elements.xml")
            .has(POLICY, json!({ "domain": "example.org", "p": "reject" }))
            .has("/feedback/record/identifiers", json!({}))
            .has(DKIM, json!({ "0": { "domain": "example.org", "result": "pass" } })),
        quirk("empty-auth-results.xml").has("/feedback/record/auth_results", json!({})),
        quirk("missing-policy-evaluated.xml").has(EVALUATED, json!({})).has("/dmarc/pass", Value::Null),
        quirk("missing-policy-published.xml").has(POLICY, json!({})).has(COUNT, 3),
        quirk("repeated-element.xml").repairs(&["repeated-element"]).has(ORG, "Reporter"),
        quirk("repeated-element-empty.xml").has(ORG, "Reporter"),
        quirk("envelope-to-list.xml")
            .repairs(&["repeated-element"])
            .has("/feedback/record/identifiers/envelope_to", "a.example"),
        quirk("repeated-row.xml").repairs(&["repeated-element"]).lost(1).has(COUNT, 3),
        quirk("several-spf-results.xml")
            .has(SPF, json!([{ "domain": "example.net", "scope": "helo", "result": "pass" }, spf_fail()])),
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
        quirk("date-float.xml").repairs(&["date-format"]).has(BEGIN, 1_696_204_800).has(END, 1_696_291_199),
        quirk("date-iso.xml").repairs(&["date-format"]).has(BEGIN, 1_696_204_800).has(END, 1_696_291_199),
        quirk("date-of-mail.xml").repairs(&["date-format"]).has(BEGIN, 1_696_204_800).has(END, 1_696_291_199),
        quirk("date-milliseconds.xml")
            .repairs(&["date-format"])
            .has(BEGIN, 1_696_204_800)
            .has(END, 1_696_291_199)
            .has("/@timestamp", "2023-10-02T00:00:00Z"),
        quirk("period-of-zero.xml").has(BEGIN, 1_696_204_800).has(END, 1_696_204_800),
        quirk("period-of-a-week.xml").has(END, 1_696_809_599),
        quirk("period-reversed.xml").repairs(&["period-reversed"]).has(BEGIN, 1_696_204_800).has(END, 1_696_291_199),
        quirk("count-format.xml").repairs(&["count-format"]).has(COUNT, 1234),
        quirk("count-float.xml").repairs(&["count-format"]).has(COUNT, 7),
        quirk("count-zero.xml").has(COUNT, 0),
        // The good one still counts.
        quirk("count-unreadable.xml").lost(4).has(SOURCE_IP, "192.0.2.1"),
        quirk("ipv4-mapped.xml").repairs(&["ipv4-mapped"]).has(SOURCE_IP, "192.0.2.1"),
        quirk("ipv6-in-brackets.xml").repairs(&["source-ip-form"]).has(SOURCE_IP, "2001:db8::1"),
        quirk("ip-with-prefix-length.xml").repairs(&["source-ip-form"]).has(SOURCE_IP, "192.0.2.1"),
        quirk("host-name-for-ip.xml").repairs(&["source-ip-unreadable"]).has(SOURCE_IP, Value::Null).has(COUNT, 3),
        quirk("source-ip-empty.xml")
            .repairs(&["source-ip-unreadable"])
            .documents(2)
            .has(SOURCE_IP, Value::Null)
            .nth_has(1, SOURCE_IP, "192.0.2.1"),
    ]
}

fn tls() -> Vec<Quirk> {
    const POLICY: &str = "/policies/policy";
    const SUMMARY: &str = "/policies/summary";
    const DETAILS: &str = "/policies/failure-details";
    let lines = json!(["version: STSv1", "mode: enforce", "mx: mx.example.org", "max_age: 86400"]);
    let whole = json!({ "policy-type": "sts", "policy-string": lines, "policy-domain": "example.org", "mx-host": ["mx.example.org"] });
    let summary = json!({ "total-successful-session-count": 10, "total-failure-session-count": 2 });
    let detail = json!([{
        "result-type": "certificate-expired",
        "sending-mta-ip": "192.0.2.1",
        "receiving-mx-hostname": "mx.example.org",
        "receiving-ip": "198.51.100.1",
        "failed-session-count": 2,
    }]);
    vec![
        quirk("tls-member-name.json")
            .repairs(&["member-name"])
            .has(POLICY, whole.clone())
            .has(SUMMARY, summary.clone())
            .has(DETAILS, detail.clone()),
        quirk("tls-member-name-camel.json")
            .repairs(&["member-name"])
            .has(POLICY, whole.clone())
            .has(SUMMARY, summary.clone())
            .has(DETAILS, detail.clone()),
        quirk("tls-policy-string-text.json")
            .repairs(&["text-for-list"])
            .has("/policies/policy/policy-string", json!(["version: STSv1"]))
            .has("/policies/policy/mx-host", json!(["mx.example.org"])),
        quirk("tls-missing-policy-domain.json")
            .has("/policies/policy/policy-domain", Value::Null)
            .has(SUMMARY, summary.clone()),
        quirk("tls-count-as-text.json")
            .repairs(&["count-as-text"])
            .has(SUMMARY, summary.clone())
            .has("/policies/failure-details/0/failed-session-count", 2),
        quirk("tls-count-unreadable.json")
            .repairs(&["count-unreadable"])
            .has(SUMMARY, json!({ "total-successful-session-count": 0, "total-failure-session-count": 2 })),
        quirk("tls-null-values.json")
            .has("/contact-info", Value::Null)
            .has("/policies/failure-details/0/receiving-ip", Value::Null),
        quirk("tls-missing-details.json")
            .has(DETAILS, json!([{ "result-type": "certificate-expired", "failed-session-count": 2 }])),
        quirk("tls-failure-details-null.json").has(DETAILS, Value::Null).has(SUMMARY, summary.clone()),
        quirk("tls-failure-details-object.json").repairs(&["object-for-list"]).has(DETAILS, detail.clone()),
        quirk("tls-date-without-zone.json")
            .repairs(&["date-format"])
            .has("/date-range/start-datetime", "2023-10-02T00:00:00Z"),
        quirk("tls-date-offset.json").has("/date-range/start-datetime", "2023-10-02T00:00:00Z"),
        quirk("tls-report-id-plus.json").has("/report-id", "zoo-tls-report-id-plus+"),
        quirk("tls-several-policies.json").documents(2).nth_has(1, POLICY, whole.clone()),
        quirk("tls-unreadable-policy.json").lost(4).has(POLICY, whole.clone()),
        quirk("tls-one-policy-no-list.json").repairs(&["object-for-list"]).has(POLICY, whole.clone()),
        quirk("tls-no-policies.json").refused("SMTP TLS report without a policy"),
        quirk("tls-extension-members.json").has(POLICY, whole.clone()),
        quirk("tls-byte-order-mark.json"),
        quirk("tls-text-before-json.json").repairs(&["text-before-json"]),
        quirk("tls-missing-end-brackets.json").repairs(&["missing-end-brackets"]).has(DETAILS, detail),
        quirk("tls-cut-off-in-a-policy.json").refused("EOF while parsing"),
        quirk("tls-line-breaks-in-json.json")
            .repairs(&["line-breaks-in-json"])
            .has("/policies/failure-details/0/result-type", "certificate-expired"),
        quirk("tls-two-reports-in-a-text.json").documents(2).nth_has(
            1,
            "/report-id",
            "zoo-tls-two-reports-in-a-text-2",
        ),
        quirk("tls-missing-report-id.json").refused("without report-id"),
        quirk("tls-missing-organization.json")
            .repairs(&["missing-organization-name"])
            .has("/contact-info", "tlsrpt@reporter.example"),
        quirk("tls-not-a-report.json").refused("JSON without report-id and policies"),
    ]
}

fn mails() -> Vec<Quirk> {
    vec![
        quirk("mail-report-is-the-body.eml").has("/received/from", "dmarc@reporter.example"),
        quirk("mail-report-in-body-text.eml").repairs(&["text-before-xml"]),
        quirk("mail-quoted-printable.eml").has(ORG, "Grüße =3D"),
        quirk("mail-base64-junk.eml").repairs(&["base64-junk"]),
        quirk("mail-base64-unpadded.eml").repairs(&["base64-unpadded"]),
        quirk("mail-base64-twice.eml").repairs(&["undeclared-base64"]),
        quirk("mail-base64-called-7bit.eml").repairs(&["undeclared-base64"]),
        quirk("mail-contenttype-header.eml"),
        quirk("mail-type-application-octet-stream.eml"),
        quirk("mail-type-application-x-zip-compressed.eml"),
        quirk("mail-type-text-plain.eml"),
        quirk("mail-type-image-png.eml"),
        quirk("mail-name-rfc-2231.eml"),
        quirk("mail-uuencoded.eml"),
        quirk("mail-x-uuencode.eml"),
        quirk("mail-forwarded.eml").has("/received/message_id", "mail-forwarded@reporter.example"),
        quirk("mail-forwarded-base64.eml"),
        quirk("mail-digest.eml").documents(2),
        quirk("mail-several-reports.eml").documents(2).nth_has(1, "/report-id", "zoo-mail-several-reports-2"),
        quirk("mail-html-beside.eml"),
        quirk("mail-declared-html.eml"),
        quirk("mail-no-closing-boundary.eml"),
        quirk("mail-smime-opaque.eml"),
        quirk("mail-smime-opaque-stream.eml"),
        quirk("mail-smime-detached.eml"),
    ]
}

/// The plainest report, with an id.
fn plain(name: &str) -> Vec<u8> {
    let text = String::from_utf8(fixture("no-declaration.xml")).expect("UTF-8");
    text.replace("zoo-no-declaration", &format!("zoo-{name}")).into_bytes()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(bytes).and_then(|()| gzip.finish()).expect("memory takes it")
}

fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in members {
        if name.ends_with('/') {
            zip.add_directory(*name, SimpleFileOptions::default()).expect("memory takes it");
        } else {
            zip.start_file(*name, SimpleFileOptions::default()).expect("memory takes it");
            zip.write_all(bytes).expect("memory takes it");
        }
    }
    zip.finish().expect("memory takes it").into_inner()
}

/// Written to something that can't go back, so that sizes and checksums follow the data.
fn zip_with_data_descriptor(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut zip = ZipWriter::new_stream(Vec::new());
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    zip.start_file(name, options).expect("memory takes it");
    zip.write_all(bytes).expect("memory takes it");
    zip.finish().expect("memory takes it").into_inner()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), Compression::default());
    zlib.write_all(bytes).and_then(|()| zlib.finish()).expect("memory takes it")
}

/// A mail with an attachment of this name.
fn mail(file_name: &str, attachment: &[u8]) -> Vec<u8> {
    use base64::{Engine, prelude::BASE64_STANDARD};
    let head = "From: dmarc@reporter.example\r\nTo: reports@example.org\r\nMIME-Version: 1.0\r\n";
    let encoded = BASE64_STANDARD.encode(attachment);
    format!(
        "{head}Content-Type: application/octet-stream; name=\"{file_name}\"\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{encoded}\r\n"
    )
    .into_bytes()
}

fn archives() -> Vec<Quirk> {
    let flipped = |mut bytes: Vec<u8>, from_the_end: usize| {
        let at = bytes.len() - from_the_end;
        bytes[at] ^= 1;
        bytes
    };
    let cut = |mut bytes: Vec<u8>, from_the_end: usize| {
        bytes.truncate(bytes.len() - from_the_end);
        bytes
    };
    let halves = |name: &str| {
        let text = plain(name);
        let (first, second) = text.split_at(text.len() / 2);
        [gzip(first), gzip(second)].concat()
    };
    vec![
        built("gzip", gzip(&plain("gzip"))),
        built("gzip-twice", gzip(&gzip(&plain("gzip-twice")))),
        built("gzip-named-zip", mail("report.xml.zip", &gzip(&plain("gzip-named-zip")))),
        built("zip-named-gzip", mail("report.xml.gz", &zip(&[("r.xml", &plain("zip-named-gzip"))]))),
        built("gzip-of-several-members", halves("gzip-of-several-members")),
        built("gzip-with-padding", [gzip(&plain("gzip-with-padding")), vec![0; 100]].concat()),
        built(
            "gzip-after-an-empty-line",
            mail("r.gz", &[b"\r\n".to_vec(), gzip(&plain("gzip-after-an-empty-line"))].concat()),
        ),
        built("zlib-for-gzip", zlib(&plain("zlib-for-gzip"))).repairs(&["zlib-for-gzip"]),
        built("zip-with-folders", zip(&[("a/", b""), ("a/b/", b""), ("a/b/r.xml", &plain("zip-with-folders"))])),
        built("zip-with-data-descriptor", zip_with_data_descriptor("r.xml", &plain("zip-with-data-descriptor"))),
        built("zip-of-gzip", zip(&[("r.xml.gz", &gzip(&plain("zip-of-gzip")))])),
        built(
            "zip-with-junk",
            zip(&[
                ("__MACOSX/._r.xml", b"\0\x05\x16\x07\0\x02\0\0Mac OS X        "),
                ("r.xml", &plain("zip-with-junk")),
                ("readme.txt", b"read me"),
            ]),
        ),
        built("zip-behind-a-header", [b"MZ stub ".to_vec(), zip(&[("r.xml", b"")])].concat())
            .refused("holds no report"),
        built(
            "several-reports-in-an-archive",
            zip(&[
                ("1.xml", &plain("several-reports-in-an-archive")),
                ("2.xml", &plain("several-reports-in-an-archive-2")),
            ]),
        )
        .documents(2)
        .nth_has(1, "/feedback/report_metadata/report_id", "zoo-several-reports-in-an-archive-2"),
        built("several-reports-in-a-gzip", {
            gzip(&[plain("several-reports-in-a-gzip"), plain("several-reports-in-a-gzip-2")].concat())
        })
        .documents(2),
        built("mail-in-an-archive", zip(&[("report.eml", &mail("r.gz", &gzip(&plain("mail-in-an-archive"))))])),
        built("gzip-of-unused", gzip(b"unused")).refused("holds no report"),
        // What is lost is unknown.
        built("gzip-cut-off", cut(gzip(&plain("gzip-cut-off")), 40)).refused("gzip archive is broken: it is cut off"),
        built("gzip-without-checksum", cut(gzip(&plain("gzip-without-checksum")), 8))
            .refused("gzip archive is broken: it is cut off"),
        built("gzip-wrong-checksum", flipped(gzip(&plain("gzip-wrong-checksum")), 8)).refused("gzip archive is broken"),
        built("zip-cut-off", cut(zip(&[("r.xml", &plain("zip-cut-off"))]), 60)).refused("zip archive is broken"),
        built("zip-wrong-checksum", {
            let mut bytes = zip(&[("r.xml", &plain("zip-wrong-checksum"))]);
            bytes[60] ^= 1;
            bytes
        })
        .refused("zip archive is broken"),
    ]
}
