//! Indices as the Ruby tool makes them, with documents of its own in them: what this program makes
//! goes in beside those, and the panels of the Ruby tool's dashboards count both.

use std::{collections::BTreeMap, fs};

use serde_json::{Value, json};

use super::{SHARED, dashboards::translated, once};
use crate::support::{
    corpus::{Content, Corpus, Manifest},
    program::{TestMaildir, run},
    server::{OpenSearch, tests_folder},
};

/// Makes the indices `NAME-dmarc` and `NAME-tlsrpt` as the Ruby tool does: some fields have a type,
/// the node guesses that of all others.
fn make_indices(server: &OpenSearch, name: &str) {
    let epoch = json!({ "type": "date", "format": "epoch_second" });
    let range = json!({ "properties": { "begin": epoch, "end": epoch } });
    let integer = json!({ "type": "integer" });
    let row = json!({ "properties": { "source_ip": { "type": "ip" }, "count": integer } });
    let dmarc = json!({ "feedback": { "properties": {
        "report_metadata": { "properties": { "date_range": range } },
        "policy_published": { "properties": { "pct": integer } },
        "record": { "properties": { "row": row } },
    } } });
    let date = json!({ "type": "date", "format": "date_time_no_millis" });
    let tls = json!({ "date-range": { "properties": {
        "start-datetime": date, "end-datetime": date,
    } } });
    for (kind, properties) in [("dmarc", dmarc), ("tlsrpt", tls)] {
        let body = json!({ "mappings": { "properties": properties } });
        let answer = server.put(&format!("/{name}-{kind}"), &body);
        assert_eq!(answer["acknowledged"], true, "{answer}");
    }
}

/// A document of ours as the Ruby tool would have written it.
fn as_by_ruby(mut document: Value) -> Value {
    let members = document.as_object_mut().expect("an object");
    for ours in ["@timestamp", "received", "dmarc", "tls"] {
        members.remove(ours);
    }
    if let Some(feedback) = members.get_mut("feedback") {
        as_texts(feedback);
        // Unknown elements are kept, and an empty one is null.
        feedback["report_metadata"]["extra_contact_info"] = Value::Null;
        feedback["record"]["row"]["policy_evaluated"]["note"] = json!("unknown");
        feedback["record"]["auth_results"]["arc"] = json!({ "result": "pass" });
    } else {
        members.insert("unknown".into(), json!({ "member": 1, "others": ["a", "b"] }));
    }
    document
}

/// What was text in XML stays text.
fn as_texts(value: &mut Value) {
    match value {
        Value::Number(number) => *value = number.to_string().into(),
        Value::Array(list) => list.iter_mut().for_each(as_texts),
        Value::Object(members) => members.values_mut().for_each(as_texts),
        _ => {}
    }
}

fn store_as_by_ruby(server: &OpenSearch, name: &str, corpus: &Corpus) {
    let of_kind = |dmarc| {
        let mails = corpus.iter().filter(move |mail| match mail.content {
            Content::Dmarc(_) => dmarc,
            _ => !dmarc,
        });
        mails.flat_map(|mail| mail.documents()).map(as_by_ruby)
    };
    server.store(&format!("{name}-dmarc"), of_kind(true));
    server.store(&format!("{name}-tlsrpt"), of_kind(false));
}

/// Every kind of mail that gives documents: the corpus, and all fixtures.
fn every_mail(corpus: &Corpus) -> TestMaildir {
    let maildir = TestMaildir::new();
    maildir.deliver_all(corpus.iter());
    for folder in ["dmarc", "failure", "quirks", "tls"] {
        let files = fs::read_dir(tests_folder().join("fixtures").join(folder)).expect("fixtures");
        for file in files.map(|file| file.expect("a fixture")) {
            let name = format!("{folder}-{}", file.file_name().to_string_lossy());
            maildir.deliver(&name, &fs::read(file.path()).expect("read"));
        }
    }
    maildir
}

const COUNT: &str = "feedback.record.row.count";
const DKIM: &str = "feedback.record.row.policy_evaluated.dkim.keyword";
const SPF: &str = "feedback.record.row.policy_evaluated.spf.keyword";
const BEGIN: &str = "feedback.report_metadata.date_range.begin";
const SUCCESSFUL: &str = "policies.summary.total-successful-session-count";
const FAILED: &str = "policies.summary.total-failure-session-count";
const START: &str = "date-range.start-datetime";

/// The panels of the Ruby tool's dashboards that count: in which index, what, and by what. Its two
/// DMARC dashboards share all but one.
const PANELS: [(&str, &str, &[&str]); 18] = [
    ("dmarc", "", &[]),
    ("dmarc", COUNT, &[]),
    ("dmarc", COUNT, &["feedback.report_metadata.org_name.keyword"]),
    ("dmarc", COUNT, &["feedback.policy_published.domain.keyword"]),
    ("dmarc", COUNT, &["feedback.record.row.source_ip"]),
    ("dmarc", COUNT, &["ip2geo.organization_name.keyword"]),
    ("dmarc", COUNT, &[DKIM]),
    ("dmarc", COUNT, &[SPF]),
    ("dmarc", COUNT, &[BEGIN]),
    ("dmarc", COUNT, &[BEGIN, DKIM]),
    ("dmarc", COUNT, &[BEGIN, SPF]),
    ("tlsrpt", SUCCESSFUL, &[]),
    ("tlsrpt", FAILED, &[]),
    ("tlsrpt", SUCCESSFUL, &[START]),
    ("tlsrpt", FAILED, &[START]),
    ("tlsrpt", "", &["organization-name.keyword"]),
    ("tlsrpt", "", &["policies.policy.policy-domain.keyword"]),
    ("tlsrpt", SUCCESSFUL, &["policies.policy.policy-domain.keyword"]),
];

/// The fields of its two tables.
const COLUMNS: [(&str, &str, &[&str]); 2] = [
    (
        "dmarc",
        BEGIN,
        &[
            "feedback.report_metadata.report_id",
            "feedback.report_metadata.org_name",
            "feedback.policy_published.domain",
            "feedback.record.row.source_ip",
            DKIM,
            SPF,
            COUNT,
        ],
    ),
    ("tlsrpt", START, &["organization-name", "policies.policy.policy-domain", SUCCESSFUL, FAILED]),
];

/// What a panel shows: a number for each group.
type Shown = BTreeMap<String, f64>;

/// What the panels of the Ruby tool show of the indices of this name.
fn shown(server: &OpenSearch, name: &str) -> Vec<Shown> {
    let show = |(index, counted, by): (&str, &str, &[&str])| {
        let measure = match counted {
            "" => json!({ "value_count": { "field": "_index" } }),
            _ => json!({ "sum": { "field": counted } }),
        };
        let mut aggregations = json!({ "n": measure });
        for field in by.iter().rev() {
            let kind = if [BEGIN, START].contains(field) { "date_histogram" } else { "terms" };
            let params =
                json!({ "field": field, "interval": "d", "orderBy": "_key", "order": "desc" });
            let mut group = translated(&json!({ "type": kind, "params": params }));
            group["aggs"] = aggregations;
            aggregations = json!({ "groups": group });
        }
        let request = json!({ "size": 0, "aggs": aggregations });
        let answer = server.request("POST", &format!("/{name}-{index}/_search"), Some(&request));
        let mut shown = Shown::new();
        collect(&answer["aggregations"], "", &mut shown);
        shown
    };
    PANELS.into_iter().map(show).collect()
}

fn collect(answer: &Value, key: &str, shown: &mut Shown) {
    if let Some(number) = answer["n"]["value"].as_f64() {
        *shown.entry(key.to_owned()).or_default() += number;
    }
    for bucket in answer["groups"]["buckets"].as_array().into_iter().flatten() {
        let (name, count) = (&bucket["key"], &bucket["doc_count"]);
        // A day without a document is in the answer if it is between two others.
        if *count != 0 {
            collect(bucket, &format!("{key} {name}"), shown);
        }
    }
}

fn total(shown: &Shown) -> f64 {
    shown.values().sum()
}

#[expect(clippy::cast_precision_loss, reason = "sums in tests are small")]
fn check_sums(panels: &[Shown], manifest: &Manifest) {
    for ((index, counted, by), shown) in PANELS.into_iter().zip(panels) {
        let expected = match (index, counted) {
            // The generator has no ingest pipeline.
            _ if by.first().is_some_and(|field| field.starts_with("ip2geo")) => 0,
            ("dmarc", "") => manifest.dmarc.records,
            ("dmarc", _) => manifest.dmarc.count_sum,
            (_, "") => manifest.tls.policies,
            (_, SUCCESSFUL) => manifest.tls.successful,
            (..) => manifest.tls.failed,
        } as f64;
        let found = total(shown);
        assert!(
            (found - expected).abs() < 0.5,
            "{index} {counted} {by:?}: {found}, not {expected}"
        );
    }
}

/// How many reports there are, as the panel says it.
fn reports(server: &OpenSearch, index: &str) -> u64 {
    let field = "feedback.report_metadata.report_id.keyword";
    let request =
        json!({ "size": 0, "aggs": { "reports": { "cardinality": { "field": field } } } });
    let answer = server.request("POST", &format!("/{index}/_search"), Some(&request));
    answer["aggregations"]["reports"]["value"].as_u64().expect("a number")
}

#[test]
fn its_panels_have_the_sums_of_the_corpus() {
    let Some(server) = SHARED.as_ref() else { return };
    let corpus = Corpus::new(300);
    let maildir = TestMaildir::new();
    maildir.deliver_all(corpus.iter());
    let ended = run(once(&server.url, "panels-of-ruby", &maildir, &[]));
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    server.count("panels-of-ruby-*");
    check_sums(&shown(server, "panels-of-ruby"), &corpus.manifest());
    assert_eq!(reports(server, "panels-of-ruby-dmarc"), corpus.manifest().dmarc.reports);
}

#[test]
fn its_indices_take_every_document_beside_its_own() {
    let Some(server) = SHARED.as_ref() else { return };
    let theirs = Corpus { seed: 7, ..Corpus::new(150) };
    make_indices(server, "ruby");
    store_as_by_ruby(server, "ruby", &theirs);
    server.count("ruby-*");
    let before = shown(server, "ruby");
    check_sums(&before, &theirs.manifest());

    let corpus = Corpus::new(300);
    for name in ["ruby", "ours"] {
        let maildir = every_mail(&corpus);
        let failures = format!("--failures-index={name}-failures");
        let ended = run(once(&server.url, name, &maildir, &[&failures]));
        assert_eq!((ended.code, maildir.count("new")), (Some(0), 0), "{}", ended.log);
        for failed in maildir.names(".failed/new") {
            let mail = fs::read(maildir.path().join(".failed/new").join(&failed)).expect("a mail");
            let header = String::from_utf8_lossy(&mail);
            let reason = header.lines().next().expect("a line");
            assert!(!reason.contains("refused by the store"), "{name}: {failed}: {reason}");
        }
    }
    let ours = ["ours-dmarc", "ours-tlsrpt"].map(|index| server.documents(index));
    let mixed = ["ruby-dmarc", "ruby-tlsrpt"].map(|index| server.documents(index));
    for (ours, mixed) in ours.into_iter().zip(mixed) {
        let mixed: BTreeMap<String, Value> = mixed.into_iter().collect();
        assert!(ours.iter().all(|(id, document)| mixed.get(id) == Some(document)));
    }
    let (alone, both) = (shown(server, "ours"), shown(server, "ruby"));
    for (((panel, mut expected), alone), both) in PANELS.iter().zip(before).zip(alone).zip(both) {
        alone.into_iter().for_each(|(key, n)| *expected.entry(key).or_default() += n);
        assert_eq!(both, expected, "{panel:?}");
    }
    let [of_ours, of_both] = ["ours-dmarc", "ruby-dmarc"].map(|index| reports(server, index));
    assert_eq!(of_both, of_ours + theirs.manifest().dmarc.reports);
    for (index, time, columns) in COLUMNS {
        let all = server.count(&format!("ruby-{index}"));
        let request = json!({
            "track_total_hits": true, "sort": [{ time: "desc" }], "docvalue_fields": [time],
            "query": { "query_string": { "query": "*" } },
        });
        let answer = server.request("POST", &format!("/ruby-{index}/_search"), Some(&request));
        assert_eq!(answer["hits"]["total"]["value"], all, "{answer}");
        let known = server.get(&format!("/ruby-{index}/_field_caps?fields=*"));
        assert!(columns.iter().all(|column| known["fields"][column].is_object()), "{index}");
    }
}
