//! Indices: their types and pipelines, and what can be searched for.

use std::fs;

use serde_json::{Value, json};

use super::{SHARED, once};
use crate::support::{
    corpus::Corpus,
    program::{TestMaildir, run},
    server::{OpenSearch, tests_folder},
};

#[test]
fn a_missing_pipeline_holds_mails_back() {
    let Some(server) = SHARED.as_ref() else { return };
    let maildir = TestMaildir::new();
    maildir.deliver_all(Corpus::new(20).iter());
    let ended = run(once(
        &server.url,
        "nopipe",
        &maildir,
        &["--dmarc-pipeline=nowhere", "--give-up-after=1s"],
    ));
    assert_eq!((ended.code, maildir.count("new")), (Some(75), 20), "{}", ended.log);
    assert!(ended.log.contains("there is no ingest pipeline nowhere"), "{}", ended.log);
}

#[test]
fn an_ingest_pipeline_sees_the_documents() {
    let Some(server) = SHARED.as_ref() else { return };
    for kind in ["dmarc", "tlsrpt"] {
        let set = json!({ "processors": [{ "set": { "field": "seen_by", "value": kind } }] });
        server.put(&format!("/_ingest/pipeline/mark-{kind}"), &set);
    }
    let maildir = TestMaildir::new();
    maildir.deliver_all(Corpus::new(50).iter());
    let ended = run(once(
        &server.url,
        "piped",
        &maildir,
        &["--dmarc-pipeline=mark-dmarc", "--tlsrpt-pipeline=mark-tlsrpt"],
    ));
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    for kind in ["dmarc", "tlsrpt"] {
        let documents = server.documents(&format!("piped-{kind}"));
        assert!(
            !documents.is_empty()
                && documents.iter().all(|(_, document)| document["seen_by"] == kind)
        );
    }
}

#[test]
fn fields_are_searchable_as_the_old_dashboards_ask() {
    let Some(server) = SHARED.as_ref() else { return };
    let maildir = TestMaildir::new();
    maildir.deliver_all(Corpus::new(200).iter());
    let ended = run(once(&server.url, "fields", &maildir, &[]));
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    server.count("fields-dmarc");
    server.count("fields-tlsrpt");
    for (index, field) in [
        ("fields-dmarc", "feedback.report_metadata.org_name.keyword"),
        ("fields-dmarc", "feedback.record.auth_results.dkim.0.domain.keyword"),
        ("fields-dmarc", "feedback.record.auth_results.dkim.0.domain"),
        ("fields-dmarc", "feedback.record.row.policy_evaluated.disposition.keyword"),
        ("fields-dmarc", "feedback.policy_published.pct"),
        ("fields-dmarc", "dmarc.pass"),
        ("fields-dmarc", "received.message_id.keyword"),
        ("fields-tlsrpt", "policies.policy.policy-domain.keyword"),
        ("fields-tlsrpt", "policies.failure-details.result-type.keyword"),
        ("fields-tlsrpt", "organization-name"),
    ] {
        let query = json!({ "size": 0, "aggs": { "values": { "terms": { "field": field } } } });
        let answer = server.request("POST", &format!("/{index}/_search"), Some(&query));
        let buckets = answer["aggregations"]["values"]["buckets"].as_array();
        assert!(buckets.is_some_and(|buckets| !buckets.is_empty()), "{field}: {answer}");
    }
    let in_network =
        json!({ "query": { "term": { "feedback.record.row.source_ip": "0.0.0.0/0" } } });
    let answer = server.request("POST", "/fields-dmarc/_search", Some(&in_network));
    assert!(answer["hits"]["total"]["value"].as_u64() > Some(0), "{answer}");
    let begin = "feedback.report_metadata.date_range.begin";
    let by_date = json!({ "query": { "range": { begin: { "gte": "1" } } } });
    let answer = server.request("POST", "/fields-dmarc/_search", Some(&by_date));
    assert!(answer["hits"]["total"]["value"].as_u64() > Some(0), "{answer}");
}

#[test]
fn failure_reports_have_an_index_of_their_own() {
    let Some(server) = SHARED.as_ref() else { return };
    let maildir = TestMaildir::new();
    let reports = fs::read_dir(tests_folder().join("fixtures/failure")).expect("fixtures");
    for report in reports.map(|report| report.expect("a fixture")) {
        maildir.deliver(
            &report.file_name().to_string_lossy(),
            &fs::read(report.path()).expect("read"),
        );
    }
    let delivered = maildir.count("new");
    let ended = run(once(&server.url, "arf", &maildir, &["--failures-index=arf-failures"]));
    assert_eq!((ended.code, maildir.count("new")), (Some(0), 0), "{}", ended.log);
    assert!(maildir.count("cur") > delivered / 2, "{}", ended.log);
    let documents = server.documents("arf-failures");
    assert!(documents.len() >= maildir.count("cur"), "{}", ended.log);
    assert!(documents.iter().all(|(_, document)| document["failure"].is_object()));
    assert!(documents.iter().all(|(_, document)| document["failure"]["message"]["body"].is_null()));
    let query = json!({ "query": { "exists": { "field": "failure.reported_domain.keyword" } } });
    let found = server.request("POST", "/arf-failures/_search", Some(&query));
    assert!(found["hits"]["total"]["value"].as_u64() > Some(0), "{found}");
}

/// The types of an index' fields, as they are mapped.
pub(super) fn type_of(server: &OpenSearch, index: &str, field: &str) -> Value {
    let answer = server.get(&format!("/{index}/_mapping"));
    let parts = field.split('.');
    let start = &answer[index]["mappings"];
    parts.fold(start, |object, name| &object["properties"][name])["type"].clone()
}

#[test]
fn an_index_made_with_guessed_types_is_told_with_the_mend() {
    let Some(server) = SHARED.as_ref() else { return };
    let guessed = json!({ "feedback": {
        "report_metadata": { "date_range": { "begin": 1_700_000_000 } },
        "record": { "row": { "source_ip": "192.0.2.1" } },
    } });
    server.request("POST", "/guessed-dmarc/_doc", Some(&guessed));
    let maildir = TestMaildir::new();
    let corpus = Corpus::new(10);
    maildir.deliver_all(corpus.iter());
    let ended = run(once(&server.url, "guessed", &maildir, &[]));
    assert_eq!((ended.code, maildir.count("new")), (Some(0), 0), "{}", ended.log);
    assert_eq!(server.count("guessed-dmarc"), corpus.manifest().dmarc.records + 1);
    for part in [
        "feedback.report_metadata.date_range.begin is long and not date",
        "feedback.record.row.source_ip is text and not ip",
        "_reindex",
    ] {
        assert!(ended.log.contains(part), "{part}: {}", ended.log);
    }
    assert!(!ended.log.contains("guessed-tlsrpt: "), "{}", ended.log);
}

/// A node takes a text that looks like a date for one, and then refuses every other.
#[test]
fn no_first_value_decides_what_the_others_may_be() {
    let Some(server) = SHARED.as_ref() else { return };
    // As the Ruby tool leaves it, and as we make it.
    server.put("/likedates-dmarc", &json!({ "mappings": { "properties": {} } }));
    // More than have a mapping of their own.
    let results = "<dkim><domain>a.example</domain><result>pass</result>\
        <human_result>2024-01-01</human_result></dkim>"
        .repeat(12);
    let report = |reporter: &str, results: &str| {
        let report = fs::read_to_string(tests_folder().join("fixtures/dmarc/rfc7489.xml"))
            .expect("a fixture")
            .replacen("<auth_results>", &format!("<auth_results>{results}"), 1)
            .replacen("<org_name>", &format!("<org_name>{reporter}"), 1);
        let id = if results.contains("2024") { "2024-01-01" } else { "<one@example.org>" };
        format!("Message-ID: {id}\nContent-Type: text/xml\n\n{report}")
    };
    for name in ["likedates", "ourdates"] {
        for (n, results) in
            [results.clone(), results.replace("2024-01-01", "fine")].iter().enumerate()
        {
            let maildir = TestMaildir::new();
            maildir.deliver("one", report(&n.to_string(), results).as_bytes());
            let ended = run(once(&server.url, name, &maildir, &[]));
            assert_eq!((ended.code, maildir.count("cur")), (Some(0), 1), "{}", ended.log);
        }
        assert_eq!(type_of(server, &format!("{name}-dmarc"), "@timestamp"), "date");
    }
}
