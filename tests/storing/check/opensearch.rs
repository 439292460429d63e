//! A real OpenSearch, in good and in bad order.

use serde_json::json;

use super::{Found, check};
use crate::support::{
    corpus::Corpus,
    program::{TestMaildir, run},
    server::{OpenSearch, Shared},
};

pub(super) static SERVER: Shared<OpenSearch> = Shared::new(|| OpenSearch::launch(&[]));

/// Flags for a node, with indices of this test's own.
pub(super) fn flags(url: &str, test: &str) -> Vec<String> {
    let mut flags: Vec<String> =
        ["dmarc", "tlsrpt", "failures"].map(|kind| format!("--{kind}-index={test}-{kind}")).into();
    flags.extend(["--opensearch", url].map(str::to_owned));
    flags
}

fn look(server: &OpenSearch, test: &str) -> Found {
    check(flags(&server.url, test))
}

pub(super) fn fill(server: &OpenSearch, test: &str) {
    let maildir = TestMaildir::new();
    maildir.deliver_all(Corpus::new(50).iter());
    let ended = run(["once".to_owned(), maildir.path().display().to_string()]
        .into_iter()
        .chain(flags(&server.url, test)));
    assert_eq!(ended.code, Some(0), "{}", ended.log);
}

/// Everything that a check could have changed.
fn state(server: &OpenSearch) -> Vec<String> {
    [
        "/_index_template/e*",
        "/_all/_settings",
        "/_all/_mapping",
        "/_cluster/settings",
        "/_ingest/pipeline",
    ]
    .map(|path| server.get(path).to_string())
    .into()
}

#[test]
fn a_good_cluster_is_good_and_left_as_it_was() {
    let Some(server) = SERVER.as_ref() else { return };
    let found = look(server, "good");
    assert_eq!(found.code, Some(0), "{:?}", found.troubles());
    found.has("store.version", "ok", &["OpenSearch "]);
    found.has("store.index", "ok", &["no such index yet"]);
    found.has("store.template", "ok", &["the first start makes it"]);
    assert!(!server.get("/_all/_settings").to_string().contains("good-"));
    fill(server, "good");
    server.count("good-dmarc");
    let found = look(server, "good");
    assert_eq!(found.code, Some(0), "{:?}", found.troubles());
    for (check, words) in [
        ("store.template", "the index template is there"),
        ("store.index", "open and not blocked"),
        ("store.mapping", "right types"),
        ("store.health", "1 node"),
        ("disk", "are free on"),
    ] {
        found.has(check, "ok", &[words]);
    }
    found.has("store.newest", "warning", &["the newest report is of", "days ago"]);
    // Other tests change the node meanwhile.
    let own = |state: &str| state.contains("good-dmarc");
    assert!(state(server).iter().any(|state| own(state)));
}

#[test]
fn nothing_is_changed() {
    let Some(server) = OpenSearch::start(&[]) else { return };
    let before = state(&server);
    look(&server, "quiet");
    assert_eq!(state(&server), before);
    fill(&server, "quiet");
    let before = state(&server);
    look(&server, "quiet");
    assert_eq!(state(&server), before);
}

#[test]
fn nodes_that_do_not_answer_are_told() {
    let Some(server) = SERVER.as_ref() else { return };
    let with = |url: &str| {
        check(flags(&server.url, "away").into_iter().chain(["--opensearch".into(), url.into()]))
    };
    let found = with("http://127.0.0.1:1");
    assert_eq!(found.code, Some(1));
    found.has("store.reachable", "wrong", &["connection refused", "Is OpenSearch running there"]);
    found.has("store.version", "ok", &[]);
    with("http://nonexistent.invalid:9200").has("store.reachable", "wrong", &["spelt right"]);
    let tls = format!("https://127.0.0.1:{}", server.port());
    with(&tls).has("store.reachable", "wrong", &["does not speak TLS", "Correct the URL"]);
    let path = format!("{}/_cat", server.url);
    with(&path).has("store.reachable", "wrong", &["not like OpenSearch"]);
}

#[test]
fn blocks_closed_indices_and_missing_pipelines_are_told() {
    let Some(server) = SERVER.as_ref() else { return };
    fill(server, "blocked");
    server.put("/blocked-dmarc/_settings", &json!({ "index.blocks.write": true }));
    server
        .put("/blocked-tlsrpt/_settings", &json!({ "index.blocks.read_only_allow_delete": true }));
    let found = look(server, "blocked");
    found.has("store.blocks", "wrong", &["index.blocks.write", "PUT /blocked-dmarc/_settings"]);
    found.has("store.blocks", "wrong", &["read_only_allow_delete", "Make room"]);
    for index in ["blocked-dmarc", "blocked-tlsrpt"] {
        let none =
            json!({ "index.blocks.write": null, "index.blocks.read_only_allow_delete": null });
        server.put(&format!("/{index}/_settings"), &none);
    }
    server.request("POST", "/blocked-dmarc/_close", None);
    look(server, "blocked").has("store.index", "wrong", &["closed", "POST /blocked-dmarc/_open"]);
    let piped = flags(&server.url, "blocked").into_iter().chain(["--dmarc-pipeline=none".into()]);
    check(piped).has("store.pipeline", "wrong", &["no ingest pipeline none"]);
}

/// As the Ruby tool's first document, or a proxy's, made it.
#[test]
fn types_that_do_not_fit_are_told() {
    let Some(server) = SERVER.as_ref() else { return };
    let begin = |kind: &str| {
        json!({ "mappings": { "properties": {
        "@timestamp": { "type": kind },
        "feedback": { "properties": { "record": { "properties": { "row": { "properties": {
            "source_ip": { "type": "text" }, "count": { "type": "long" },
        } } } } } },
    } } })
    };
    server.put("/types-dmarc", &begin("text"));
    let found = look(server, "types");
    found.has(
        "store.mapping",
        "wrong",
        &["@timestamp is of the type text", "1 others", "_reindex"],
    );
    found.has("store.template", "warning", &["no index template of this program"]);
    server.put("/types2-dmarc", &begin("date"));
    let found = look(server, "types2");
    found.has("store.mapping", "warning", &["source_ip is of the type text"]);
    assert_eq!(found.code, Some(0));
    server.put("/types3-dmarc", &json!({ "mappings": { "dynamic": "strict" } }));
    look(server, "types3").has("store.mapping", "warning", &["strict"]);
}

#[test]
fn a_template_that_was_changed_and_an_alias_are_told() {
    let Some(server) = SERVER.as_ref() else { return };
    fill(server, "changed");
    let path = "/_index_template/email-report-processor-changed-dmarc";
    let mut template = server.get(path)["index_templates"][0]["index_template"].clone();
    template["template"]["settings"]["index"]["number_of_replicas"] = json!("0");
    server.put(path, &template);
    look(server, "changed").has("store.template", "ok", &["index template"]);
    template["template"]["mappings"]["properties"]["@timestamp"] = json!({ "type": "keyword" });
    server.put(path, &template);
    look(server, "changed").has("store.template", "warning", &["@timestamp"]);

    // An administrator's own, composed of our component, comes in place of ours.
    let own = json!({
        "index_patterns": ["own-dmarc"], "priority": 300,
        "composed_of": ["email-report-processor-dmarc"], "template": {},
    });
    server.put("/_index_template/own", &own);
    server.put("/own-dmarc", &json!({}));
    look(server, "own").has("store.template", "ok", &["another index template"]);
    // Its pattern is that of real names, which the name with `*` is none of.
    let own = json!({
        "index_patterns": ["years-dmarc-2*"], "priority": 300,
        "composed_of": ["email-report-processor-dmarc"], "template": {},
    });
    server.put("/_index_template/years", &own);
    let mut flags = flags(&server.url, "years");
    flags[0].push_str("-{yyyy}");
    check(flags).has("store.template", "ok", &["another index template"]);

    for index in ["alias-1", "alias-2"] {
        server.put(&format!("/{index}"), &json!({ "aliases": { "alias-dmarc": {} } }));
    }
    let found = look(server, "alias");
    found.has("store.index", "wrong", &["an alias of several indices (alias-1, alias-2)"]);
    server.put(
        "/_index_template/streams",
        &json!({
            "index_patterns": ["stream-*"], "priority": 900, "data_stream": {},
        }),
    );
    server.put("/_data_stream/stream-dmarc", &json!({}));
    look(server, "stream").has("store.index", "wrong", &["it is a data stream", "mails wait"]);
}

/// As is done with what is kept only to be looked at.
#[test]
fn months_that_are_past_may_be_blocked() {
    let Some(server) = SERVER.as_ref() else { return };
    let month = jiff::Timestamp::now().to_string()[..7].to_owned();
    let mut flags = flags(&server.url, "months");
    flags[0].push_str("-{yyyy}-{MM}");
    let block = |month: &str, blocked: bool| {
        let index = format!("/months-dmarc-{month}");
        server.put(&index, &json!({}));
        server.put(&format!("{index}/_settings"), &json!({ "index.blocks.write": blocked }));
    };
    block("2019-01", true);
    let found = check(flags.clone());
    found.has("store.blocks", "warning", &["index.blocks.write", "reports of its time"]);
    assert_eq!(found.code, Some(0));
    block(&month, true);
    let found = check(flags);
    found.has("store.blocks", "wrong", &["index.blocks.write"]);
    assert_eq!(found.code, Some(1));
    block(&month, false);
}

#[test]
fn a_disk_beyond_its_marks_is_told() {
    let Some(server) = OpenSearch::start(&[]) else { return };
    let disk = "cluster.routing.allocation.disk";
    let marks = |flood: &str, other: &str| {
        let marks = json!({ "transient": {
            format!("{disk}.threshold_enabled"): true,
            format!("{disk}.watermark.low"): other,
            format!("{disk}.watermark.high"): other,
            format!("{disk}.watermark.flood_stage"): flood,
        } });
        let answer = server.put("/_cluster/settings", &marks);
        assert_eq!(answer["acknowledged"], true, "{answer}");
    };
    marks("1gb", "100000gb");
    look(&server, "full").has("disk", "warning", &["high watermark (100000gb)"]);
    marks("100000gb", "100000gb");
    look(&server, "full").has("disk", "wrong", &["flood stage (100000gb)"]);
    let block = json!({ "persistent": { "cluster.blocks.read_only": true } });
    server.put("/_cluster/settings", &block);
    look(&server, "full").has("store.blocks", "wrong", &["cluster.blocks.read_only"]);
}
