//! Senders: the cluster groups records by a word for the best evidence of who sent them; here each
//! word is named, and those of one name become one.

use std::{
    cmp::Reverse,
    collections::{HashMap, hash_map::Entry},
};

use serde_json::{Map, Value, json};

use super::{
    AskError, ClusterAnswers,
    groups::{MOST, buckets},
    scripts, tally,
};
use crate::{
    answers::{Choice, Sender, capped_sum},
    report::Kind,
};

/// Words in one answer; the cluster's own limit is 65,535 buckets.
const PAGE: usize = 10_000;

/// The senders with most messages.
pub(super) struct Heaviest {
    pub(super) senders: Vec<Heavy>,
    pub(super) omitted: u64,
}

/// A sender.
pub(super) struct Heavy {
    pub(super) sender: Sender,
    weight: u64,
    pub(super) words: Vec<String>,
}

/// The `top` senders of some records with most messages.
pub(super) fn heaviest(
    cluster: &ClusterAnswers,
    query: &Value,
    top: usize,
) -> Result<Heaviest, AskError> {
    let mut named: HashMap<String, Heavy> = HashMap::new();
    for (word, weight) in words(cluster, query)? {
        let sender = scripts::named(&word, cluster.operators());
        let sender = sender.ok_or(AskError::Senseless("a group without a name"))?;
        match named.entry(sender.name.clone()) {
            Entry::Vacant(entry) => {
                entry.insert(Heavy { sender, weight, words: vec![word] });
            }
            Entry::Occupied(entry) => {
                let heavy = entry.into_mut();
                heavy.sender.merge(sender);
                heavy.weight = capped_sum(heavy.weight, weight);
                heavy.words.push(word);
            }
        }
    }
    let mut senders: Vec<Heavy> = named.into_values().collect();
    senders.sort_unstable_by(|one, other| {
        let weight = |heavy: &Heavy| Reverse(heavy.weight);
        weight(one).cmp(&weight(other)).then_with(|| one.sender.cmp(&other.sender))
    });
    let omitted = senders.len().saturating_sub(top.min(MOST)) as u64;
    senders.truncate(top.min(MOST));
    Ok(Heaviest { senders, omitted })
}

/// The words of the senders that a filter names.
pub(super) fn wanted(
    cluster: &ClusterAnswers,
    query: &Value,
    senders: &Choice<String>,
) -> Result<Choice<Vec<String>>, AskError> {
    let mut named = Vec::new();
    for (word, _) in words(cluster, query)? {
        if let Some(sender) = scripts::named(&word, cluster.operators()) {
            named.push((sender.name, word));
        }
    }
    let of = |wanted: &String| {
        let of_name = named.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
        of_name.map(|(_, word)| word.clone()).collect()
    };
    Ok(Choice {
        only: senders.only.iter().map(of).collect(),
        not: senders.not.iter().map(of).collect(),
    })
}

/// All words for senders of some records, with their messages.
fn words(cluster: &ClusterAnswers, query: &Value) -> Result<Vec<(String, u64)>, AskError> {
    let mut all = Vec::new();
    let mut after = Value::Null;
    loop {
        let source = json!({ "terms": { "script": { "source": scripts::sender() } } });
        let mut composite = json!({ "size": PAGE, "sources": [{ "sender": source }] });
        if !after.is_null() {
            composite["after"] = after;
        }
        let asked = json!({ "page": { "composite": composite, "aggs": { "messages": tally::messages() } } });
        let mut found = cluster.search(Kind::Dmarc, query, &asked)?;
        all.extend(buckets(&found["page"]).map(|bucket| {
            let word = bucket["key"]["sender"].as_str().unwrap_or_default().to_owned();
            (word, tally::whole(&bucket["messages"]["value"]))
        }));
        after = found["page"]["after_key"].take();
        if after.is_null() {
            return Ok(all);
        }
    }
}

/// Aggregates by a sender's place; what others sent is at -1.
pub(super) fn by_place(senders: &[Heavy], aggregations: &Value) -> Value {
    let places = senders.iter().zip(0_u64..);
    let places: Map<String, Value> = places
        .flat_map(|(heavy, place)| heavy.words.iter().map(move |word| (word.clone(), place.into())))
        .collect();
    let script = json!({ "source": scripts::place(), "params": { "places": places } });
    json!({ "terms": { "script": script, "size": senders.len() + 1 }, "aggs": aggregations })
}

/// The buckets of [`by_place`].
pub(super) fn placed(found: &Value) -> HashMap<i64, &Value> {
    buckets(found).filter_map(|bucket| Some((number(&bucket["key"])?, bucket))).collect()
}

/// What a script gave, of which the cluster makes a text.
pub(super) fn number(key: &Value) -> Option<i64> {
    key.as_i64().or_else(|| key.as_str()?.parse().ok())
}
