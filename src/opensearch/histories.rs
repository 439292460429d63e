//! Histories: what the cluster says of senders, as much as it takes to judge them.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::{
    AskError, BEGIN, ClusterAnswers,
    groups::{buckets, raw, raw_results},
    scripts,
    senders::{Heaviest, Heavy, by_place, heaviest, placed},
    tally,
};
use crate::{
    answers::{Day, Filter, Histories, History, Selector, Signs},
    report::Kind,
};

/// Selectors in one answer, of one sender. Strangers may name any number.
const SELECTORS: usize = 1000;

pub(super) fn histories(
    cluster: &ClusterAnswers,
    filter: &Filter,
    top: usize,
) -> Result<Histories, AskError> {
    let query = cluster.records(filter)?;
    let Heaviest { senders, omitted } = heaviest(cluster, &query, top)?;
    let asked = tally::with(json!({ "places": by_place(&senders, &aggregations()) }));
    let found = cluster.search(Kind::Dmarc, &query, &asked)?;
    let places = placed(&found["places"]);
    let of = |place: i64| places.get(&place).copied().unwrap_or(&Value::Null);
    let histories = senders.into_iter().zip(0..).map(|(Heavy { sender, .. }, place)| {
        let found = of(place);
        History {
            sender,
            tally: tally::read(found),
            addresses: tally::whole(&found["addresses"]["value"]),
            spf: raw_results(&found["raw_spf"]),
            dkim: raw_results(&found["raw_dkim"]),
            selectors: selectors(&found["selectors"]),
            signs: signs(&found["signs"]),
            days: buckets(&found["days"]).map(day).collect(),
        }
    });
    Ok(Histories {
        total: tally::read(&found),
        senders: histories.collect(),
        omitted,
        rest: tally::read(of(-1)).messages,
    })
}

/// What is asked of each sender.
fn aggregations() -> Value {
    let by = |script: String, size: usize| {
        json!({
            "terms": { "script": { "source": script }, "size": size, "order": { "messages": "desc" } },
            "aggs": tally::messages(),
        })
    };
    let mut all = tally::with(raw());
    all["addresses"] = json!({ "cardinality": {
        "field": "feedback.record.row.source_ip", "precision_threshold": tally::EXACT
    } });
    all["selectors"] = by(scripts::selectors(), SELECTORS);
    all["signs"] = by(scripts::signs(), 10);
    all["days"] = json!({
        "date_histogram": { "field": BEGIN, "fixed_interval": "1d", "min_doc_count": 1 },
        "aggs": tally::passed(),
    });
    all
}

fn day(bucket: &Value) -> Day {
    let sum = |name: &str| tally::whole(&bucket[name]["messages"]["value"]);
    Day {
        begin: bucket["key"].as_i64().unwrap_or_default().div_euclid(1000),
        messages: tally::whole(&bucket["messages"]["value"]),
        pass: sum("pass"),
        spf_aligned: sum("spf"),
        dkim_aligned: sum("dkim"),
    }
}

/// By what a script wrote, how many messages.
fn words(found: &Value) -> impl Iterator<Item = (&str, u64)> {
    buckets(found).filter_map(|bucket| {
        Some((bucket["key"].as_str()?, tally::whole(&bucket["messages"]["value"])))
    })
}

fn signs(found: &Value) -> Signs {
    let found: HashMap<&str, u64> = words(found).collect();
    let of = |sign: &str| found.get(sign).copied().unwrap_or_default();
    Signs {
        broken_signature: of("b"),
        elsewhere: of("e"),
        forwarded: of("f"),
        lost_by_adkim: of("k"),
        lost_by_aspf: of("s"),
        lost_by_both: of("x"),
        below: of("u"),
        below_fail: of("v"),
    }
}

fn selectors(found: &Value) -> Vec<Selector> {
    let mut all: HashMap<Option<String>, Selector> = HashMap::new();
    for (word, messages) in words(found) {
        let Some((state, said)) = word.split_at_checked(1) else { continue };
        let selector = said.strip_prefix('+').map(str::to_owned);
        let used = all
            .entry(selector.clone())
            .or_insert_with(|| Selector { selector, ..Selector::default() });
        match state {
            "p" => used.pass = messages,
            "w" => used.with_spf = messages,
            _ => used.fail = messages,
        }
    }
    Selector::most_frequent(all.into_values().collect())
}
