//! Index: the index for one kind of documents, with its template and pipeline.

use serde_json::{Value, json};
use ureq::http::Method;

use super::{Told, ask, get, lacks, mapping, trouble, unseen};
use crate::{
    mode::check::{finding::Findings, sqlite::newest},
    report::Kind,
    sink::opensearch::{
        client::Client,
        config::OpenSearchConfig,
        template::{self, Decision},
    },
};

/// Looks at everything that documents of a kind come into touch with.
pub(super) fn check(
    client: &Client,
    kind: Kind,
    config: &OpenSearchConfig,
    findings: &mut Findings,
) {
    let target = config.target(kind);
    let index = target.index.as_str();
    if let Some(pipeline) = &target.pipeline {
        self::pipeline(client, index, pipeline, findings);
    }
    let settings = get(client, &format!("/{index}/_settings?flat_settings=true"));
    let is_new = matches!(settings, Told::Missing);
    template(client, kind, config, is_new, findings);
    match settings {
        Told::Found(settings) => self::settings(&settings, index, findings),
        Told::Missing => {
            let found = "there is no such index yet; it is made when the first report comes";
            return findings.ok("store.index", index, found);
        }
        Told::Forbidden(answer) => {
            lacks(index, "indices:monitor/settings/get on the index", &answer, findings);
        }
        Told::Trouble(answer) => trouble("store.index", index, &answer, findings),
    }
    match get(client, &format!("/{index}/_mapping")) {
        Told::Found(found) => mapping::check(&found, kind, index, findings),
        Told::Missing => {}
        Told::Forbidden(answer) => {
            lacks(index, "indices:admin/mappings/get on the index", &answer, findings);
        }
        Told::Trouble(answer) => trouble("store.mapping", index, &answer, findings),
    }
    newest_document(client, index, findings);
}

fn pipeline(client: &Client, index: &str, pipeline: &str, findings: &mut Findings) {
    const CHECK: &str = "store.pipeline";
    match get(client, &format!("/_ingest/pipeline/{pipeline}")) {
        Told::Found(_) => findings.ok(CHECK, index, format!("the pipeline {pipeline} is there")),
        Told::Missing => {
            let found = format!("there is no ingest pipeline {pipeline}");
            findings.wrong(CHECK, index, found, "Make it, or take it out of the settings");
        }
        Told::Forbidden(answer) => {
            lacks(index, "cluster:admin/ingest/pipeline/get", &answer, findings);
        }
        Told::Trouble(answer) => trouble(CHECK, index, &answer, findings),
    }
}

fn template(
    client: &Client,
    kind: Kind,
    config: &OpenSearchConfig,
    is_new: bool,
    findings: &mut Findings,
) {
    let index = config.target(kind).index.as_str();
    const CHECK: &str = "store.template";
    let name = template::name(index);
    let ours = "Delete it to get ours, if that is not meant";
    let present = match get(client, &format!("/_index_template/{name}")) {
        Told::Found(found) => {
            found["index_templates"].get(0).map(|found| found["index_template"].clone())
        }
        Told::Missing => None,
        Told::Forbidden(answer) => {
            return lacks(index, "indices:admin/index_template/get", &answer, findings);
        }
        Told::Trouble(answer) => return trouble(CHECK, index, &answer, findings),
    };
    match template::decide(present.as_ref(), &config.asked_settings()) {
        Decision::Keep => findings.ok(CHECK, index, "the index template is there"),
        Decision::KeepChanged => {
            let wanted = template::template(kind, index);
            let wanted = &wanted["template"]["mappings"]["properties"];
            let theirs = present.map(|found| found["template"]["mappings"].clone());
            match mapping::first_fault(&theirs.unwrap_or_default(), wanted) {
                None => findings.ok(CHECK, index, "the index template was changed by hand"),
                Some(fault) => {
                    let found = format!("the index template was changed by hand: {}", fault.found);
                    findings.warning(CHECK, index, found, ours);
                }
            }
        }
        Decision::Install if present.is_some() => {
            let found = "the index template is of an older version; the next start replaces it";
            findings.ok(CHECK, index, found);
        }
        Decision::Install if is_new => {
            let found = "there is no index template yet; the first start makes it";
            findings.ok(CHECK, index, found);
        }
        Decision::Install => findings.warning(
            CHECK,
            index,
            "there is an index, but no index template of this program",
            "The next start of watch, once or import makes it, if the account may; see its log",
        ),
    }
}

/// Blocks, and whether it is one open index.
fn settings(settings: &Value, index: &str, findings: &mut Findings) {
    let all: Vec<(&String, &Value)> = settings.as_object().into_iter().flatten().collect();
    if let [(first, _), (second, _), ..] = all.as_slice() {
        let found = format!("it is a name of several indices ({first}, {second})");
        let fix = "Name one index: a report that is in an older one would be stored again";
        findings.warning("store.index", index, found, fix);
    }
    let mut is_well = true;
    for (name, settings) in all {
        let set = |key: &str| settings["settings"][key].as_str() == Some("true");
        for block in ["write", "read_only", "read_only_allow_delete", "metadata"] {
            let key = format!("index.blocks.{block}");
            if !set(&key) {
                continue;
            }
            is_well = false;
            let fix = if block == "read_only_allow_delete" {
                "Make room on the node's disk; the block goes by itself".to_owned()
            } else {
                format!("Remove the block: PUT /{name}/_settings with {{\"{key}\": null}}")
            };
            findings.wrong("store.blocks", name, format!("it is blocked ({key})"), fix);
        }
        if set("index.verified_before_close") {
            is_well = false;
            let fix = format!("Open it: POST /{name}/_open");
            findings.wrong("store.index", name, "it is closed", fix);
        }
    }
    if is_well {
        findings.ok("store.index", index, "the index is open and not blocked");
    }
}

fn newest_document(client: &Client, index: &str, findings: &mut Findings) {
    const CHECK: &str = "store.newest";
    let question = json!({
        "size": 0,
        "aggs": { "newest": { "max": { "field": "@timestamp" } } },
    });
    let path = format!("/{index}/_search?ignore_unavailable=true");
    match ask(client, &Method::POST, &path, question.to_string().as_bytes()) {
        Told::Found(answer) => {
            let milliseconds = answer["aggregations"]["newest"]["value"].as_f64();
            #[expect(clippy::cast_possible_truncation, reason = "whole milliseconds")]
            let seconds = milliseconds.map(|value| value as i64 / 1000);
            newest(seconds, CHECK, index, findings);
        }
        Told::Forbidden(_) => {
            let right = "indices:data/read/search";
            unseen(CHECK, index, "the newest report", right, findings);
        }
        // What keeps it from being found is told already.
        Told::Missing | Told::Trouble(_) => {}
    }
}
