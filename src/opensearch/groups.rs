//! Groups: aggregations by a property of the records.

use std::{collections::HashMap, net::IpAddr};

use serde_json::{Value, json};

use super::{
    ADDRESS, AskError, BEGIN, ClusterAnswers, filter, scripts,
    senders::{Heaviest, Heavy, by_place, heaviest, placed},
    tally,
};
use crate::{
    answers::{By, DETAILS, Filter, Group, Groups, Key, Outcome, RawResult, Tally, folded},
    report::Kind,
    senders::Host,
};

/// More groups than this are never asked for at once: the cluster's own limit is 65,535 buckets.
pub(super) const MOST: usize = 1000;

/// Raw results in one answer, of one group; strangers may name any number.
const RAW: usize = 2 * DETAILS;

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
        By::Address => addresses(cluster, filter, top),
        By::Sender => senders(cluster, filter, top),
    }
}

/// What the newest records of addresses tell of them.
pub(super) fn hosts(
    cluster: &ClusterAnswers,
    addresses: &[IpAddr],
) -> Result<HashMap<IpAddr, Host>, AskError> {
    let addresses: Vec<String> = addresses.iter().take(MOST).map(IpAddr::to_string).collect();
    let newest = json!({ "top_hits": {
        "size": 1, "sort": [{ BEGIN: "desc" }], "_source": ["ip2geo", "source"],
    } });
    let asked = json!({ "addresses": {
        "terms": { "field": ADDRESS, "size": MOST, "include": &addresses },
        "aggs": { "newest": newest },
    } });
    let found = cluster.search(Kind::Dmarc, &filter::hosts(&addresses), &asked)?;
    let host = |bucket: &Value| {
        let address = bucket["key"].as_str()?.parse().ok()?;
        Some((address, Host::from_members(&bucket["newest"]["hits"]["hits"][0]["_source"])?))
    };
    Ok(buckets(&found["addresses"]).filter_map(host).collect())
}

fn days(cluster: &ClusterAnswers, filter: &Filter) -> Result<Groups, AskError> {
    let days = json!({ "days": {
        "date_histogram": { "field": BEGIN, "fixed_interval": "1d", "min_doc_count": 1 },
        "aggs": tally::aggregations(),
    } });
    let found = cluster.search(Kind::Dmarc, &cluster.records(filter)?, &tally::with(days))?;
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
    let query = cluster.records(filter)?;
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
    let mut totals = None;
    let mut after = Value::Null;
    let query = cluster.records(filter)?;
    loop {
        let mut composite = json!({ "size": tally::PAGE, "sources": sources });
        if !after.is_null() {
            composite["after"] = after;
        }
        let page = json!({ "page": { "composite": composite, "aggs": tally::aggregations() } });
        let asked = if totals.is_none() { tally::with(page) } else { page };
        let mut found = cluster.search(Kind::Dmarc, &query, &asked)?;
        for bucket in buckets(&found["page"]) {
            merged.entry(key(&bucket["key"])).or_default().add(&tally::read(bucket));
        }
        totals.get_or_insert_with(|| tally::read(&found));
        after = found["page"]["after_key"].take();
        if after.is_null() {
            break;
        }
    }
    let groups = merged
        .into_iter()
        .map(|(key, tally)| Group { key, tally, spf: Vec::new(), dkim: Vec::new() })
        .collect();
    Ok(Groups::new(totals.unwrap_or_default(), by, groups, top))
}

/// Those with most messages, with their raw results.
fn addresses(cluster: &ClusterAnswers, filter: &Filter, top: usize) -> Result<Groups, AskError> {
    let of_group = tally::with(raw());
    let asked = json!({
        "heaviest": {
            "terms": {
                "field": ADDRESS,
                "size": top.clamp(1, MOST),
                "order": [{ "messages": "desc" }, { "_key": "asc" }],
            },
            "aggs": of_group,
        },
        "distinct": { "cardinality": { "field": ADDRESS, "precision_threshold": tally::EXACT } },
        "without": { "missing": { "field": ADDRESS }, "aggs": of_group },
    });
    let found = cluster.search(Kind::Dmarc, &cluster.records(filter)?, &tally::with(asked))?;
    let mut groups: Vec<Group> = Vec::new();
    for bucket in buckets(&found["heaviest"]) {
        let address = bucket["key"].as_str().and_then(|text| text.parse().ok());
        let address = address.ok_or(AskError::Senseless("a group without a name"))?;
        groups.push(group(Key::Address(Some(address)), bucket));
    }
    let mut all = tally::whole(&found["distinct"]["value"]);
    if tally::whole(&found["without"]["doc_count"]) > 0 {
        groups.push(group(Key::Address(None), &found["without"]));
        all += 1;
    }
    let mut groups = Groups::new(tally::read(&found), By::Address, groups, top);
    groups.omitted = all.saturating_sub(groups.groups.len() as u64);
    Ok(groups)
}

fn senders(cluster: &ClusterAnswers, filter: &Filter, top: usize) -> Result<Groups, AskError> {
    let query = cluster.records(filter)?;
    let Heaviest { senders, omitted } = heaviest(cluster, &query, top)?;
    let asked = tally::with(json!({ "places": by_place(&senders, &tally::with(raw())) }));
    let found = cluster.search(Kind::Dmarc, &query, &asked)?;
    let places = placed(&found["places"]);
    let groups = senders.into_iter().zip(0..).map(|(Heavy { sender, .. }, place)| {
        let bucket = places.get(&place).copied().unwrap_or(&Value::Null);
        group(Key::Sender(sender), bucket)
    });
    Ok(Groups { total: tally::read(&found), groups: groups.collect(), omitted })
}

/// Raw results.
pub(super) fn raw() -> Value {
    let raw = |script: &str| {
        json!({
            "terms": { "script": { "source": script }, "size": RAW, "order": { "messages": "desc" } },
            "aggs": { "messages": tally::messages() },
        })
    };
    json!({ "raw_spf": raw(scripts::SPF), "raw_dkim": raw(scripts::DKIM) })
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
pub(super) fn raw_results(found: &Value) -> Vec<RawResult> {
    let result = |bucket: &Value| {
        let (domain, result) = bucket["key"].as_str()?.split_once('\n')?;
        let said = |text: &str| text.strip_prefix('+').map(str::to_owned);
        let messages = tally::whole(&bucket["messages"]["value"]);
        Some(RawResult { domain: said(domain), result: said(result), messages })
    };
    RawResult::most_frequent(buckets(found).filter_map(result).collect())
}

pub(super) fn buckets(found: &Value) -> impl Iterator<Item = &Value> {
    found["buckets"].as_array().into_iter().flatten()
}
