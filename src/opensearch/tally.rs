//! Tally: aggregations that count messages by what became of them, and what they come to.

use serde_json::{Map, Value, json};

use super::{BEGIN, scripts};
use crate::answers::{Dispositions, Messages, Tally};

const COUNT: &str = "feedback.record.row.count";
const EVALUATED: &str = "feedback.record.row.policy_evaluated";

/// Up to some ten thousand the number of distinct values is exact.
pub(super) const EXACT: u64 = 40_000;

/// Groups in one answer, where they are fetched page by page.
pub(super) const PAGE: usize = 1000;

/// Messages, and those that passed in one way or another.
pub(super) fn passed() -> Value {
    let mut all = aggregations();
    if let Some(all) = all.as_object_mut() {
        all.retain(|name, _| ["messages", "pass", "spf", "dkim"].contains(&&**name));
    }
    all
}

/// What [`read`] reads.
pub(super) fn aggregations() -> Value {
    let sum = json!({ "sum": { "field": COUNT } });
    let of = |query: Value| json!({ "filter": query, "aggs": { "messages": sum } });
    let spf = json!({ "term": { format!("{EVALUATED}.spf.keyword"): "pass" } });
    let dkim = json!({ "term": { format!("{EVALUATED}.dkim.keyword"): "pass" } });
    let pass = json!({ "bool": { "should": [spf, dkim], "minimum_should_match": 1 } });
    let mut all = json!({
        "messages": sum,
        "records": { "value_count": { "field": COUNT } },
        "reports": { "cardinality": {
            "script": { "source": scripts::REPORT }, "precision_threshold": EXACT
        } },
        "first": { "min": { "field": BEGIN } },
        "last": { "max": { "field": BEGIN } },
        "pass": of(pass),
        "spf": of(spf),
        "dkim": of(dkim),
    });
    for word in ["none", "pass", "quarantine", "reject"] {
        let is = json!({ "term": { format!("{EVALUATED}.disposition.keyword"): word } });
        all[format!("is_{word}")] = of(is);
    }
    all
}

/// The sum of messages.
pub(super) fn messages() -> Value {
    json!({ "messages": { "sum": { "field": COUNT } } })
}

/// What was counted.
pub(super) fn read(found: &Value) -> Tally {
    let sum = |name: &str| whole(&found[name]["messages"]["value"]);
    let messages = whole(&found["messages"]["value"]);
    let [none, pass, quarantine, reject] =
        ["is_none", "is_pass", "is_quarantine", "is_reject"].map(sum);
    let named = none + pass + quarantine + reject;
    Tally {
        reports: whole(&found["reports"]["value"]),
        records: whole(&found["records"]["value"]),
        messages: Messages {
            messages,
            pass: sum("pass"),
            spf_aligned: sum("spf"),
            dkim_aligned: sum("dkim"),
            disposition: Dispositions {
                none,
                pass,
                quarantine,
                reject,
                other: messages.saturating_sub(named),
            },
        },
        first: seconds(&found["first"]),
        last: seconds(&found["last"]),
    }
}

/// Aggregations beside those of [`aggregations`].
pub(super) fn with(more: Value) -> Value {
    let mut all = aggregations();
    if let (Some(all), Value::Object(more)) = (all.as_object_mut(), more) {
        all.extend::<Map<String, Value>>(more);
    }
    all
}

/// A number that OpenSearch writes as one with a fraction; it is exact up to 2^53.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is a count")]
pub(super) fn whole(number: &Value) -> u64 {
    number.as_u64().or_else(|| number.as_f64().map(|number| number as u64)).unwrap_or_default()
}

/// A date, which is answered in milliseconds.
#[expect(clippy::cast_possible_truncation, reason = "a date")]
pub(super) fn seconds(date: &Value) -> Option<i64> {
    date["value"].as_f64().map(|milliseconds| (milliseconds / 1000.0).floor() as i64)
}
