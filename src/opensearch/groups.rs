//! Groups: aggregations by a property of the records.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::{AskError, BEGIN, ClusterAnswers, filter, scripts, tally};
use crate::{
    answers::{Answers, By, Filter, Group, Groups, Key, Outcome, RawResult, Tally, folded},
    report::Kind,
};

const ADDRESS: &str = "feedback.record.row.source_ip";

/// More groups than this are never asked for at once: the cluster's own limit is 65,535 buckets.
const MOST: usize = 1000;

pub(super) fn groups(
    cluster: &ClusterAnswers,
    filter: &Filter,
    by: By,
    top: usize,
) -> Result<Groups, AskError> {
    let keyword = |name: &str| json!({ "terms": { "field": name, "missing_bucket": true } });
    match by {
        By::Day => days(cluster, filter),
        By::Domain => {
            let source = keyword("feedback.policy_published.domain.keyword");
            let sources = [json!({ "domain": source })];
            pages(cluster, filter, by, top, &sources, |key| {
                let domain = folded(key["domain"].as_str().unwrap_or_default()).into_owned();
                Key::Domain(domain)
            })
        }
        By::Organization => {
            let sources = [json!({ "name": keyword("feedback.report_metadata.org_name.keyword") })];
            pages(cluster, filter, by, top, &sources, |key| {
                Key::Organization(key["name"].as_str().map(str::to_owned))
            })
        }
        By::Outcome => outcomes(cluster, filter, top),
        By::Address => many(cluster, filter, by, top, &json!({ "field": ADDRESS })),
        By::Sender => {
            let script = json!({ "script": { "source": scripts::sender() } });
            many(cluster, filter, by, top, &script)
        }
    }
}

fn days(cluster: &ClusterAnswers, filter: &Filter) -> Result<Groups, AskError> {
    let days = json!({ "days": {
        "date_histogram": { "field": BEGIN, "fixed_interval": "1d", "min_doc_count": 1 },
        "aggs": tally::aggregations(),
    } });
    let found = cluster.search(Kind::Dmarc, &filter::records(filter), &tally::with(days))?;
    let day = |bucket: &Value| {
        let begin = bucket["key"].as_i64().unwrap_or_default().div_euclid(1000);
        group(Key::Day(begin), bucket)
    };
    let groups = buckets(&found["days"]).map(day).collect();
    Ok(Groups::new(tally::read(&found), By::Day, groups, 0))
}

/// Many words are one outcome: each is asked for by itself.
fn outcomes(cluster: &ClusterAnswers, filter: &Filter, top: usize) -> Result<Groups, AskError> {
    let filters: Vec<Value> = Outcome::all().map(filter::outcome).collect();
    let outcomes = json!({ "outcomes": {
        "filters": { "filters": filters }, "aggs": tally::aggregations(),
    } });
    let query = filter::records(filter);
    let found = cluster.search(Kind::Dmarc, &query, &tally::with(outcomes))?;
    let groups = Outcome::all()
        .zip(buckets(&found["outcomes"]))
        .filter(|(_, bucket)| bucket["doc_count"] != 0)
        .map(|(outcome, bucket)| group(Key::Outcome(outcome), bucket))
        .collect();
    Ok(Groups::new(tally::read(&found), By::Outcome, groups, top))
}

/// All groups, page by page; those that are spelled in several ways become one.
fn pages(
    cluster: &ClusterAnswers,
    filter: &Filter,
    by: By,
    top: usize,
    sources: &[Value],
    key: impl Fn(&Value) -> Key,
) -> Result<Groups, AskError> {
    let mut merged: HashMap<Key, Tally> = HashMap::new();
    let mut after = Value::Null;
    let query = filter::records(filter);
    loop {
        let mut composite = json!({ "size": tally::PAGE, "sources": sources });
        if !after.is_null() {
            composite["after"] = after;
        }
        let asked = json!({ "page": { "composite": composite, "aggs": tally::aggregations() } });
        let mut found = cluster.search(Kind::Dmarc, &query, &asked)?;
        for bucket in buckets(&found["page"]) {
            merge(merged.entry(key(&bucket["key"])).or_default(), &tally::read(bucket));
        }
        after = found["page"]["after_key"].take();
        if after.is_null() {
            break;
        }
    }
    let groups = merged
        .into_iter()
        .map(|(key, tally)| Group { key, tally, spf: Vec::new(), dkim: Vec::new() })
        .collect();
    Ok(Groups::new(cluster.totals(filter)?, by, groups, top))
}

/// The heaviest of many, with their raw results.
fn many(
    cluster: &ClusterAnswers,
    filter: &Filter,
    by: By,
    top: usize,
    value: &Value,
) -> Result<Groups, AskError> {
    let mut terms = value.clone();
    terms["size"] = top.clamp(1, MOST).into();
    terms["order"] = json!([{ "messages": "desc" }, { "_key": "asc" }]);
    let raw = |script: &str| {
        let sum = json!({ "messages": { "sum": { "field": "feedback.record.row.count" } } });
        json!({
            "terms": { "script": { "source": script }, "size": 100, "order": { "messages": "desc" } },
            "aggs": sum,
        })
    };
    let of_group =
        tally::with(json!({ "raw_spf": raw(scripts::SPF), "raw_dkim": raw(scripts::DKIM) }));
    let distinct = match value.get("field") {
        Some(field) => json!({ "cardinality": { "field": field, "precision_threshold": 40_000 } }),
        None => tally::distinct(&value["script"]),
    };
    let mut asked = json!({
        "heaviest": { "terms": terms, "aggs": of_group },
        "distinct": distinct,
    });
    if by == By::Address {
        asked["without"] = json!({ "missing": { "field": ADDRESS }, "aggs": of_group });
    }
    let found = cluster.search(Kind::Dmarc, &filter::records(filter), &tally::with(asked))?;
    let mut groups: Vec<Group> = Vec::new();
    for bucket in buckets(&found["heaviest"]) {
        let word = bucket["key"].as_str().unwrap_or_default();
        let key = match by {
            By::Address => word.parse().ok().map(|address| Key::Address(Some(address))),
            _ => scripts::parsed(word).map(Key::Sender),
        };
        let key = key.ok_or(AskError::Senseless("a group without a name"))?;
        groups.push(group(key, bucket));
    }
    let mut all = tally::whole(&found["distinct"]["value"]);
    if tally::whole(&found["without"]["doc_count"]) > 0 {
        groups.push(group(Key::Address(None), &found["without"]));
        all += 1;
    }
    let mut groups = Groups::new(tally::read(&found), by, groups, top);
    groups.omitted = all.saturating_sub(groups.groups.len() as u64);
    Ok(groups)
}

fn group(key: Key, bucket: &Value) -> Group {
    Group {
        key,
        tally: tally::read(bucket),
        spf: raw_results(&bucket["raw_spf"]),
        dkim: raw_results(&bucket["raw_dkim"]),
    }
}

/// The results that a script wrote.
fn raw_results(found: &Value) -> Vec<RawResult> {
    let result = |bucket: &Value| {
        let (domain, result) = bucket["key"].as_str()?.split_once('\n')?;
        let said = |text: &str| text.strip_prefix('+').map(str::to_owned);
        let messages = tally::whole(&bucket["messages"]["value"]);
        Some(RawResult { domain: said(domain), result: said(result), messages })
    };
    RawResult::most_frequent(buckets(found).filter_map(result).collect())
}

fn buckets(found: &Value) -> impl Iterator<Item = &Value> {
    found["buckets"].as_array().into_iter().flatten()
}

fn merge(sum: &mut Tally, more: &Tally) {
    sum.reports += more.reports;
    sum.records += more.records;
    sum.messages.merge(&more.messages);
    sum.first = [sum.first, more.first].into_iter().flatten().min();
    sum.last = sum.last.max(more.last);
}
