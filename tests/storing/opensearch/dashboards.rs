//! Every panel of the dashboards asks a real node what OpenSearch Dashboards would ask, and the
//! answers have the corpus' sums.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{SHARED, once};
use crate::support::{
    corpus::{Content, Corpus},
    program::{TestMaildir, run},
    server::{OpenSearch, tests_folder},
};

/// A JSON text within JSON.
fn inner(text: &Value) -> Value {
    serde_json::from_str(text.as_str().expect("a text")).expect("JSON")
}

/// The fields that a node knows in an index.
fn fields(server: &OpenSearch, index: &str) -> BTreeSet<String> {
    let answer = server.get(&format!("/{index}/_field_caps?fields=*"));
    answer["fields"].as_object().expect("fields").keys().cloned().collect()
}

/// The aggregation that a panel's part stands for, as OpenSearch Dashboards translates it; with
/// room for all values, since the sums are to be compared.
pub(super) fn translated(part: &Value) -> Value {
    let params = &part["params"];
    let field = &params["field"];
    match part["type"].as_str().expect("a type") {
        "terms" => {
            let mut terms = json!({ "field": field, "size": 10_000 });
            terms["order"][params["orderBy"].as_str().expect("an order")] = params["order"].clone();
            if params["missingBucket"] == true {
                terms["missing"] = "__missing__".into();
            }
            json!({ "terms": terms })
        }
        "filters" => {
            let filters = params["filters"].as_array().expect("filters").iter();
            let query = |filter: &Value| lucene(&filter["input"]["query"]);
            let label = |filter: &Value| filter["label"].as_str().expect("a label").to_owned();
            let all: Map<_, _> = filters.map(|filter| (label(filter), query(filter))).collect();
            json!({ "filters": { "filters": all } })
        }
        "date_histogram" => {
            assert_eq!(params["interval"], "d");
            json!({ "date_histogram": { "field": field, "calendar_interval": "1d" } })
        }
        "count" => json!({ "value_count": { "field": "_index" } }),
        kind => json!({ kind: { "field": field } }),
    }
}

fn lucene(query: &Value) -> Value {
    match query.as_str() {
        Some("") => json!({ "match_all": {} }),
        _ => json!({ "query_string": { "query": query, "analyze_wildcard": true } }),
    }
}

/// The request of a panel: its groups one within the other, the measures in each of them.
fn request(state: &Value, source: &Value) -> Value {
    let parts = state["aggs"].as_array().expect("aggregations");
    let (measures, groups): (Vec<&Value>, Vec<&Value>) =
        parts.iter().partition(|part| part["schema"] == "metric");
    let id = |part: &Value| part["id"].as_str().expect("an id").to_owned();
    let measures: Map<String, Value> =
        measures.into_iter().map(|part| (id(part), translated(part))).collect();
    let mut aggregations = measures.clone();
    for part in groups.iter().rev() {
        let mut group = translated(part);
        group["aggs"] = std::mem::replace(&mut aggregations, measures.clone()).into();
        aggregations.insert("groups".into(), group);
    }
    json!({ "size": 0, "track_total_hits": true, "query": lucene(&source["query"]["query"]),
            "aggs": aggregations })
}

/// The sum of a measure over the innermost groups.
fn total(answer: &Value, measure: &str) -> f64 {
    match &answer["groups"]["buckets"] {
        Value::Array(buckets) => buckets.iter().map(|bucket| total(bucket, measure)).sum(),
        Value::Object(buckets) => buckets.values().map(|bucket| total(bucket, measure)).sum(),
        _ => answer[measure]["value"].as_f64().expect("a number"),
    }
}

/// What each panel answers, by its id without `erp-panel-`.
fn answers(server: &OpenSearch, objects: &[Value]) -> BTreeMap<String, Value> {
    let by_id = |id: &Value| {
        objects.iter().find(|object| object["id"] == *id).unwrap_or_else(|| panic!("no {id}"))
    };
    let mut answers = BTreeMap::new();
    for dashboard in objects.iter().filter(|object| object["type"] == "dashboard") {
        let panels = inner(&dashboard["attributes"]["panelsJSON"]);
        let references = dashboard["references"].as_array().expect("references");
        assert_eq!(panels.as_array().map(Vec::len), Some(references.len()));
        for reference in references {
            let panel = by_id(&reference["id"]);
            let pattern = &by_id(&panel["references"][0]["id"])["attributes"];
            let index = pattern["title"].as_str().expect("an index");
            let known = fields(server, index);
            assert!(known.contains(pattern["timeFieldName"].as_str().expect("a field")));
            let attributes = &panel["attributes"];
            for column in attributes["columns"].as_array().into_iter().flatten() {
                assert!(known.contains(column.as_str().expect("a name")), "{index}: no {column}");
            }
            let source = inner(&attributes["kibanaSavedObjectMeta"]["searchSourceJSON"]);
            let state = match attributes.get("visState") {
                Some(state) => inner(state),
                None => json!({ "aggs": [] }),
            };
            for part in state["aggs"].as_array().expect("aggregations") {
                let field = part["params"]["field"].as_str();
                assert!(field.is_none_or(|field| known.contains(field)), "{index}: {part}");
            }
            let request = request(&state, &source);
            let answer = server.request("POST", &format!("/{index}/_search"), Some(&request));
            let id = panel["id"].as_str().and_then(|id| id.strip_prefix("erp-panel-"));
            assert!(answer["hits"]["total"]["value"].is_u64(), "{id:?}: {answer}");
            answers.insert(id.expect("a panel").to_owned(), answer);
        }
    }
    answers
}

/// Sums over the documents that a corpus gives.
#[derive(Default)]
struct Mails {
    all: u64,
    failing: u64,
    /// Failing mails, each as often as it has SPF results that differ.
    failing_results: u64,
    /// Mails, each as often as it has reasons for another disposition.
    overridden: u64,
}

fn mails(corpus: &Corpus) -> Mails {
    let mut sums = Mails::default();
    let reports = corpus.iter().filter(|mail| matches!(mail.content, Content::Dmarc(_)));
    for document in reports.flat_map(|mail| mail.documents()) {
        let record = &document["feedback"]["record"];
        let count = record["row"]["count"].as_u64().expect("a count");
        sums.all += count;
        if document["dmarc"]["pass"] == false {
            sums.failing += count;
            let results = distinct(&record["auth_results"]["spf"], "result").max(1);
            sums.failing_results += count * results;
        }
        let reasons = &record["row"]["policy_evaluated"]["reason"];
        sums.overridden += count * distinct(reasons, "type");
    }
    sums
}

/// How many values a member has in an object, or in a list of them.
fn distinct(objects: &Value, member: &str) -> u64 {
    let one = std::slice::from_ref(objects);
    let list = objects.as_array().map_or(one, Vec::as_slice);
    let values: BTreeSet<&str> = list.iter().filter_map(|object| object[member].as_str()).collect();
    values.len() as u64
}

/// A node with the corpus and the fixtures of failure reports in indices of this name.
fn filled(name: &str, corpus: &Corpus) -> Option<&'static OpenSearch> {
    let server = SHARED.as_ref()?;
    let maildir = TestMaildir::new();
    maildir.deliver_all(corpus.iter());
    for file in std::fs::read_dir(tests_folder().join("fixtures/failure")).expect("fixtures") {
        let file = file.expect("a fixture");
        let bytes = std::fs::read(file.path()).expect("read");
        maildir.deliver(&file.file_name().to_string_lossy(), &bytes);
    }
    let failures = format!("--failures-index={name}-failures");
    let ended = run(once(&server.url, name, &maildir, &[&failures]));
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    for index in ["dmarc", "tlsrpt", "failures"] {
        assert!(server.count(&format!("{name}-{index}")) > 0, "{index}");
    }
    Some(server)
}

#[test]
fn every_panel_has_the_sums_of_the_corpus() {
    let corpus = Corpus::new(600);
    let Some(server) = filled("panels", &corpus) else { return };
    let names = ["dmarc", "tlsrpt", "failures"].map(|one| format!("--{one}-index=panels-{one}"));
    let print = ["dashboards", "print"].map(str::to_owned);
    let printed = run(print.into_iter().chain(names));
    assert_eq!(printed.code, Some(0), "{}", printed.log);
    let objects: Vec<Value> =
        printed.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let panels = Answers(answers(server, &objects));
    check_dmarc(&panels, &corpus);
    check_tls(&panels, &corpus);
    let failures = server.count("panels-failures");
    panels.check("failures-numbers", "1", failures);
    panels.check("failures-deliveries", "1", failures);
    let reasons = panels.0["failures-reasons"]["aggregations"]["groups"]["buckets"].as_array();
    assert!(reasons.is_some_and(|reasons| reasons.len() > 1), "{reasons:?}");
}

/// What each panel answers, by its name.
struct Answers(BTreeMap<String, Value>);

impl Answers {
    /// The sum of a measure over all groups is this.
    #[expect(clippy::cast_precision_loss, reason = "sums in tests are small")]
    fn check(&self, panel: &str, measure: &str, expected: u64) {
        let found = total(&self.0[panel]["aggregations"], measure);
        assert!((found - expected as f64).abs() < 0.5, "{panel}: {found}, not {expected}");
    }

    fn hits(&self, panel: &str) -> Option<u64> {
        self.0[panel]["hits"]["total"]["value"].as_u64()
    }
}

fn check_dmarc(panels: &Answers, corpus: &Corpus) {
    let manifest = corpus.manifest();
    let Mails { all, failing, failing_results, overridden } = mails(corpus);
    assert_eq!(all, manifest.dmarc.count_sum);
    assert!(0 < failing && failing < all && overridden > 0, "{failing} of {all}");
    let of_dmarc = panels.0.keys().filter(|panel| panel.starts_with("dmarc-"));
    for panel in of_dmarc.filter(|panel| !panel.ends_with("-records")) {
        let measure = if panel.contains("-new-") { "2" } else { "1" };
        let expected = match panel.as_str() {
            "dmarc-overrides" => overridden,
            "dmarc-failing-results" => failing_results,
            panel if panel.contains("failing") => failing,
            _ => all,
        };
        panels.check(panel, measure, expected);
    }
    panels.check("dmarc-numbers", "2", manifest.dmarc.records);
    panels.check("dmarc-numbers", "3", manifest.dmarc.reports);
    assert_eq!(panels.hits("dmarc-records"), Some(manifest.dmarc.records));
    let results = &panels.0["dmarc-results"]["aggregations"]["groups"]["buckets"];
    let found = ["Pass", "Fail", "Not told"].map(|result| results[result]["1"]["value"].as_f64());
    #[expect(clippy::cast_precision_loss, reason = "sums in tests are small")]
    let expected = [all - failing, failing, 0].map(|sum| Some(sum as f64));
    assert_eq!(found, expected);
}

fn check_tls(panels: &Answers, corpus: &Corpus) {
    let sums = corpus.manifest().tls;
    let both = [("tls-numbers", "1", "2"), ("tls-domains", "2", "1"), ("tls-days", "2", "1")];
    for (panel, good, bad) in both {
        panels.check(panel, bad, sums.failed);
        panels.check(panel, good, sums.successful);
    }
    panels.check("tls-numbers", "3", sums.policies);
    assert_eq!(panels.hits("tls-records"), Some(sums.policies));
    let pairs = pairs(corpus);
    assert!(pairs.len() > 5, "{pairs:?}");
    let buckets = panels.0["tls-pairs"]["aggregations"]["groups"]["buckets"].as_array();
    let found = buckets.expect("pairs").iter().map(|bucket| {
        let pair = bucket["key"].as_str().expect("a text").to_owned();
        (pair, bucket["doc_count"].as_u64().expect("a count"))
    });
    assert_eq!(found.collect::<BTreeMap<_, _>>(), pairs);
}

/// How many policies have a failure, by its reason and host.
fn pairs(corpus: &Corpus) -> BTreeMap<String, u64> {
    let mut pairs = BTreeMap::new();
    for mail in corpus.iter().filter(|mail| matches!(mail.content, Content::Tls(_))) {
        for document in mail.documents() {
            let details = document["policies"]["failure-details"].as_array();
            let of_policy: BTreeSet<String> = details
                .into_iter()
                .flatten()
                .map(|detail| {
                    let text = |name: &str| detail[name].as_str().expect("a text").to_owned();
                    format!("{} {}", text("result-type"), text("receiving-mx-hostname"))
                })
                .collect();
            for pair in of_policy {
                *pairs.entry(pair).or_default() += 1;
            }
        }
    }
    pairs
}
