//! Index: the index for one kind of documents, with its template and pipeline.

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use ureq::http::Method;

use super::{Answered, ask, get, lacks, trouble, types, unseen};
use crate::{
    mode::check::{finding::Findings, sqlite::newest},
    moment::DAY,
    report::Kind,
    sink::opensearch::{
        client::Client,
        config::{IndexName, OpenSearchConfig, rolls_over},
        mapping,
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
    let index = &target.index.wildcard();
    if let Some(pipeline) = &target.pipeline {
        self::pipeline(client, index, pipeline, findings);
    }
    let settings = get(client, &format!("/{index}/_settings?flat_settings=true"));
    // Of a pattern that matches nothing, nothing is told.
    let settings = match settings {
        Answered::Found(all) if all.as_object().is_some_and(Map::is_empty) => Answered::Missing,
        told => told,
    };
    let is_new = matches!(settings, Answered::Missing);
    template(client, kind, config, is_new, findings);
    match settings {
        Answered::Found(settings) => {
            self::settings(&settings, &target.index, findings);
        }
        Answered::Missing => {
            let found = "there is no such index yet; it is made when the first report comes";
            return findings.ok("store.index", index, found);
        }
        Answered::Forbidden(answer) => {
            lacks(index, "indices:monitor/settings/get on the index", &answer, findings);
        }
        Answered::Trouble(answer) => trouble("store.index", index, &answer, findings),
    }
    match get(client, &format!("/{index}/_mapping")) {
        Answered::Found(found) => types::check(&found, kind, findings),
        Answered::Missing => {}
        Answered::Forbidden(answer) => {
            lacks(index, "indices:admin/mappings/get on the index", &answer, findings);
        }
        Answered::Trouble(answer) => trouble("store.mapping", index, &answer, findings),
    }
    newest_document(client, index, findings);
}

fn pipeline(client: &Client, index: &str, pipeline: &str, findings: &mut Findings) {
    const CHECK: &str = "store.pipeline";
    match get(client, &format!("/_ingest/pipeline/{pipeline}")) {
        Answered::Found(_) => {
            findings.ok(CHECK, index, format!("the pipeline {pipeline} is there"));
        }
        Answered::Missing => {
            let found = format!("there is no ingest pipeline {pipeline}");
            findings.wrong(CHECK, index, found, "Make it, or take it out of the settings");
        }
        Answered::Forbidden(answer) => {
            lacks(index, "cluster:admin/ingest/pipeline/get", &answer, findings);
        }
        Answered::Trouble(answer) => trouble(CHECK, index, &answer, findings),
    }
}

const TEMPLATE: &str = "store.template";

fn template(
    client: &Client,
    kind: Kind,
    config: &OpenSearchConfig,
    is_new: bool,
    findings: &mut Findings,
) {
    let name = &config.target(kind).index;
    let index = &name.wildcard();
    let present = match get(client, &format!("/_index_template/{}", template::name(&name.base()))) {
        Answered::Found(found) => {
            found["index_templates"].get(0).map(|found| found["index_template"].clone())
        }
        Answered::Missing => None,
        Answered::Forbidden(answer) => {
            return lacks(index, "indices:admin/index_template/get", &answer, findings);
        }
        Answered::Trouble(answer) => return trouble(TEMPLATE, index, &answer, findings),
    };
    match (template::decide(present.as_ref(), &config.asked_settings()), present) {
        (Decision::Keep, _) => findings.ok(TEMPLATE, index, "the index template is there"),
        (Decision::KeepChanged, present) => {
            let theirs = present.map(|found| found["template"]["mappings"].clone());
            changed(&theirs.unwrap_or_default(), kind, index, findings);
        }
        (Decision::Install, Some(_)) => {
            let found = "the index template is due for renewal; the next start sees to it";
            findings.ok(TEMPLATE, index, found);
        }
        (Decision::Install, None) => {
            // An index that the next report would go to: templates need not match the pattern.
            let next = name.at(Timestamp::now().as_second());
            none_of_ours(client, kind, (index, &next, is_new), findings);
        }
    }
}

fn changed(theirs: &Value, kind: Kind, index: &str, findings: &mut Findings) {
    match types::first_fault(theirs, &mapping::mappings(kind)["properties"]) {
        None => findings.ok(TEMPLATE, index, "the index template was changed by hand"),
        Some(fault) => {
            let found = format!("the index template was changed by hand: {}", fault.found);
            let fix = "Delete it to get ours, if that is not meant";
            findings.warning(TEMPLATE, index, found, fix);
        }
    }
}

/// Another template may do as well.
fn none_of_ours(
    client: &Client,
    kind: Kind,
    (index, next, is_new): (&str, &str, bool),
    findings: &mut Findings,
) {
    let path = format!("/_index_template/_simulate_index/{next}");
    if let Answered::Found(simulated) = ask(client, &Method::POST, &path, b"")
        && mapping::wrong_types(kind, &simulated["template"]["mappings"]).is_empty()
    {
        let found = "another index template has the right types";
        return findings.ok(TEMPLATE, index, found);
    }
    if is_new {
        let found = "there is no index template yet; the first start makes it";
        return findings.ok(TEMPLATE, index, found);
    }
    findings.warning(
        TEMPLATE,
        index,
        "there is an index, but no index template of this program",
        "The next start of watch, once or import makes it, if the account may; see its log",
    );
}

/// Blocks, and whether it is one open index.
fn settings(settings: &Value, name: &IndexName, findings: &mut Findings) {
    let index = &name.wildcard();
    let Some(all) = settings.as_object() else { return };
    if let Some(what) = rolls_over(index, all.keys()).filter(|_| !name.is_dated()) {
        let names: Vec<&str> = all.keys().take(2).map(String::as_str).collect();
        let found = format!("it is {what} ({}), so mails wait", names.join(", "));
        let fix = "Name one index, or one a month, such as dmarc-reports-{yyyy}-{MM}: a report \
                   that comes again after a rollover would be stored again";
        return findings.wrong("store.index", index, found, fix);
    }
    let now = Timestamp::now().as_second();
    let current = [now, now - 7 * DAY].map(|second| name.at(second));
    let mut is_well = true;
    for (one, settings) in all {
        let set = |key: &str| settings["settings"][key].as_str() == Some("true");
        let mut trouble = |check, found: String, fix| {
            is_well = false;
            if !name.is_dated() || current.contains(one) {
                findings.wrong(check, one, found, fix);
            } else {
                let found = format!("{found}; mails wait that bring reports of its time");
                findings.warning(check, one, found, fix);
            }
        };
        for block in ["write", "read_only", "read_only_allow_delete", "metadata"] {
            let key = format!("index.blocks.{block}");
            if !set(&key) {
                continue;
            }
            let fix = if block == "read_only_allow_delete" {
                "Make room on the node's disk; the block goes by itself".to_owned()
            } else {
                format!("Remove the block: PUT /{one}/_settings with {{\"{key}\": null}}")
            };
            trouble("store.blocks", format!("it is blocked ({key})"), fix);
        }
        if set("index.verified_before_close") {
            let fix = format!("Open it: POST /{one}/_open");
            trouble("store.index", "it is closed".into(), fix);
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
        Answered::Found(answer) => {
            let milliseconds = answer["aggregations"]["newest"]["value"].as_f64();
            #[expect(clippy::cast_possible_truncation, reason = "whole milliseconds")]
            let seconds = milliseconds.map(|value| value as i64 / 1000);
            newest(seconds, CHECK, index, findings);
        }
        Answered::Forbidden(_) => {
            let right = "indices:data/read/search";
            unseen(CHECK, index, "the newest report", right, findings);
        }
        // What keeps it from being found is told already.
        Answered::Missing | Answered::Trouble(_) => {}
    }
}
