//! Histories: what the cluster says of senders, as much as it takes to judge them.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::{
    AskError, BEGIN, ClusterAnswers, filter,
    groups::{buckets, raw, raw_results},
    scripts,
    senders::{Heaviest, Heavy, by_place, heaviest, number, placed},
    tally,
};
use crate::{
    answers::{Choice, Day, Filter, Histories, History, Selector, Signs},
    moment::DAY,
    report::Kind,
};

/// Selectors in one answer, of one sender. Strangers may name any number.
const SELECTORS: usize = 50;

/// Senders in one answer. The cluster's own limit is 65,535 buckets, and a sender has some hundred, if
/// strangers want it so.
const AT_ONCE: usize = 250;

/// Days of senders in one answer; more are fetched page by page.
const DAYS: i64 = 15_000;
const PAGE: usize = 10_000;

/// What is asked of senders: all, or no more than their sums and days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    Whole,
    Days,
}

pub(super) fn histories(
    cluster: &ClusterAnswers,
    filter: &Filter,
    top: usize,
    depth: Depth,
) -> Result<Histories, AskError> {
    let query = cluster.records(filter)?;
    let Heaviest { senders, omitted } = heaviest(cluster, &query, top)?;
    let length = length(filter);
    if senders.len() <= AT_ONCE {
        let (found, senders) = some(cluster, &query, senders, (length, depth))?;
        let rest = placed(&found["places"]).get(&-1).map(|rest| tally::read(rest).messages);
        let rest = rest.unwrap_or_default();
        return Ok(Histories { total: tally::read(&found), senders, omitted, rest });
    }
    let asked = tally::with(json!({ "places": by_place(&senders, &tally::aggregations()) }));
    let found = cluster.search(Kind::Dmarc, &query, &asked)?;
    let rest = placed(&found["places"]).get(&-1).map(|rest| tally::read(rest).messages);
    let mut histories = Histories {
        total: tally::read(&found),
        omitted,
        rest: rest.unwrap_or_default(),
        ..Histories::default()
    };
    let mut left = senders;
    while !left.is_empty() {
        let others = left.split_off(left.len().min(AT_ONCE));
        let words = left.iter().flat_map(|heavy| heavy.words.clone()).collect();
        let query = filter::sent_by(&query, &Choice::of(words));
        histories.senders.extend(some(cluster, &query, left, (length, depth))?.1);
        left = others;
    }
    Ok(histories)
}

/// Days of a period, if it has both ends or lasts.
fn length(filter: &Filter) -> Option<i64> {
    let now = || jiff::Timestamp::now().as_second();
    Some(filter.until.unwrap_or_else(now).saturating_sub(filter.since?) / DAY + 2)
}

/// What is known of a few senders, and of all records together.
fn some(
    cluster: &ClusterAnswers,
    query: &Value,
    senders: Vec<Heavy>,
    (length, depth): (Option<i64>, Depth),
) -> Result<(Value, Vec<History>), AskError> {
    let number = i64::try_from(senders.len()).unwrap_or(i64::MAX);
    let are_few = length.is_some_and(|length| length.saturating_mul(number) <= DAYS);
    let mut days = if are_few { HashMap::new() } else { days(cluster, query, &senders)? };
    let asked = tally::with(json!({ "places": by_place(&senders, &aggregations(are_few, depth)) }));
    let found = cluster.search(Kind::Dmarc, query, &asked)?;
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
            days: days.remove(&place).unwrap_or_else(|| {
                let begin = |bucket: &Value| bucket["key"].as_i64();
                buckets(&found["days"]).map(|bucket| day(begin(bucket), bucket)).collect()
            }),
        }
    });
    let histories = histories.collect();
    Ok((found, histories))
}

/// The days of senders, by their places.
fn days(
    cluster: &ClusterAnswers,
    query: &Value,
    senders: &[Heavy],
) -> Result<HashMap<i64, Vec<Day>>, AskError> {
    let place = by_place(senders, &Value::Null)["terms"]["script"].take();
    let sources = json!([
        { "place": { "terms": { "script": place } } },
        { "day": { "date_histogram": { "field": BEGIN, "fixed_interval": "1d" } } },
    ]);
    let mut days: HashMap<i64, Vec<Day>> = HashMap::new();
    let mut after = Value::Null;
    loop {
        let mut composite = json!({ "size": PAGE, "sources": sources });
        if !after.is_null() {
            composite["after"] = after;
        }
        let asked = json!({ "page": { "composite": composite, "aggs": tally::passed() } });
        let mut found = cluster.search(Kind::Dmarc, query, &asked)?;
        for bucket in buckets(&found["page"]) {
            let key = &bucket["key"];
            if let Some(place) = number(&key["place"]).filter(|place| *place >= 0) {
                days.entry(place).or_default().push(day(key["day"].as_i64(), bucket));
            }
        }
        after = found["page"]["after_key"].take();
        if after.is_null() {
            return Ok(days);
        }
    }
}

/// What is asked of each sender.
fn aggregations(with_days: bool, depth: Depth) -> Value {
    let by = |script: String, size: usize| {
        json!({
            "terms": { "script": { "source": script }, "size": size, "order": { "messages": "desc" } },
            "aggs": { "messages": tally::messages() },
        })
    };
    let mut all = tally::aggregations();
    if depth == Depth::Whole {
        all = tally::with(raw());
        all["addresses"] = json!({ "cardinality": {
            "field": "feedback.record.row.source_ip", "precision_threshold": tally::EXACT
        } });
        all["selectors"] = by(scripts::selectors(), SELECTORS);
        all["signs"] = by(scripts::signs(), 10);
    }
    if with_days {
        all["days"] = json!({
            "date_histogram": { "field": BEGIN, "fixed_interval": "1d", "min_doc_count": 1 },
            "aggs": tally::passed(),
        });
    }
    all
}

/// A day that begins so many milliseconds after 1970.
fn day(begin: Option<i64>, bucket: &Value) -> Day {
    let sum = |name: &str| tally::whole(&bucket[name]["messages"]["value"]);
    Day {
        begin: begin.unwrap_or_default().div_euclid(1000),
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
