//! Tally: aggregations that count messages by what became of them, and what they come to.

use serde_json::{Map, Value, json};

use super::{BEGIN, COUNT, filter, scripts};
use crate::answers::{Disposition, Dispositions, Evaluated, Messages, Tally};

/// Up to some ten thousand the number of distinct values is exact.
pub(super) const EXACT: u64 = 40_000;

/// The dispositions that have a name; all else is what is left.
const NAMED: [Disposition; 4] =
    [Disposition::None, Disposition::Pass, Disposition::Quarantine, Disposition::Reject];

/// Groups in one answer, where they are fetched page by page.
pub(super) const PAGE: usize = 1000;

/// The sum of messages.
pub(super) fn messages() -> Value {
    json!({ "sum": { "field": COUNT } })
}

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
    let of = |query: Value| json!({ "filter": query, "aggs": { "messages": messages() } });
    let mut all = json!({
        "messages": messages(),
        "records": { "value_count": { "field": COUNT } },
        "reports": { "cardinality": {
            "script": { "source": scripts::REPORT }, "precision_threshold": EXACT
        } },
        "first": { "min": { "field": BEGIN } },
        "last": { "max": { "field": BEGIN } },
        "pass": of(filter::dmarc(Evaluated::Pass)),
        "spf": of(filter::spf(Evaluated::Pass)),
        "dkim": of(filter::dkim(Evaluated::Pass)),
    });
    for wanted in NAMED {
        all[name_of(wanted)] = of(filter::disposition(wanted));
    }
    all
}

/// The name of the aggregation of a disposition.
fn name_of(disposition: Disposition) -> String {
    format!("is_{}", disposition.word())
}

/// The number of distinct values of a script.
pub(super) fn distinct(script: &Value) -> Value {
    json!({ "cardinality": { "script": script, "precision_threshold": EXACT } })
}

/// What was counted.
pub(super) fn read(found: &Value) -> Tally {
    let sum = |name: &str| whole(&found[name]["messages"]["value"]);
    let messages = whole(&found["messages"]["value"]);
    let [none, pass, quarantine, reject] = NAMED.map(|wanted| sum(&name_of(wanted)));
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
