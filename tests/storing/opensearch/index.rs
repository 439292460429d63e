//! Indices: their templates and pipelines, and what can be searched for.

use std::fs;

use serde_json::json;

use super::{SHARED, once};
use crate::support::{
    corpus::Corpus,
    program::{TestMaildir, run},
    server::tests_folder,
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
fn a_template_changed_by_hand_is_left_alone_and_an_old_one_replaced() {
    let Some(server) = SHARED.as_ref() else { return };
    let path = "/_index_template/email-report-processor-tmpl-dmarc";
    let present = || server.get(path)["index_templates"][0]["index_template"].clone();
    let store_one = || {
        let maildir = TestMaildir::new();
        maildir.deliver_all(Corpus::new(10).iter());
        let ended = run(once(&server.url, "tmpl", &maildir, &[]));
        assert_eq!(ended.code, Some(0), "{}", ended.log);
    };
    store_one();
    let installed = present();
    assert!(installed["version"].as_u64().is_some_and(|version| version >= 1), "{installed}");

    let mut changed = installed.clone();
    changed["template"]["settings"]["index"]["number_of_replicas"] = json!("0");
    assert_eq!(server.put(path, &changed)["acknowledged"], true);
    store_one();
    assert_eq!(present(), changed);

    server.request("DELETE", path, None);
    store_one();
    assert_eq!(present(), installed);
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
