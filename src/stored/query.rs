//! Query: which documents are wanted.

use serde_json::{Value, json};

use super::index::{FIELDS, TimeField};
use crate::{
    answers::{Choice, Filter},
    opensearch::filter::domains,
    report::Kind,
    sqlite::query::Selection,
};

/// The domain that a report, policy or failure is about.
fn domain(kind: Kind) -> &'static str {
    match kind {
        Kind::Dmarc => "feedback.policy_published.domain.keyword",
        Kind::Tls => "policies.policy.policy-domain.keyword",
        Kind::Failure => "failure.reported_domain.keyword",
    }
}

/// Documents of a kind that are selected and begin at or after the second `from`, where an earlier
/// walk ended. Those without a begin come last, as if it was the last second; failure reports
/// without a date count to 1970, as everywhere.
pub(super) fn query(kind: Kind, field: &TimeField, selection: &Selection, from: i64) -> Value {
    let (_, object, ..) = FIELDS[kind as usize];
    let mut all = vec![json!({ "exists": { "field": object } })];
    all.extend(within(kind, field, selection, from));
    if let Some(wanted) = &selection.domain {
        let filter = Filter { domains: Choice::of(wanted.clone()), ..Filter::default() };
        all.push(domains(&filter, domain(kind)));
    }
    json!({ "bool": { "filter": all } })
}

/// Those of the period; nothing if that is all of them.
fn within(kind: Kind, field: &TimeField, selection: &Selection, from: i64) -> Option<Value> {
    let since = selection.since.unwrap_or(i64::MIN);
    let until = selection.until.unwrap_or(i64::MAX);
    let start = since.max(from);
    if start == i64::MIN && until == i64::MAX {
        return None;
    }
    let has_dateless = match kind {
        Kind::Failure => (since..until).contains(&0),
        Kind::Dmarc | Kind::Tls => until == i64::MAX,
    };
    let dateless = json!({ "bool": { "must_not": { "exists": { "field": field.name } } } });
    let mut range = json!({});
    if start > i64::MIN {
        range["gte"] = start.into();
    }
    if until < i64::MAX {
        range["lt"] = until.into();
    }
    if field.kind == "date" {
        range["format"] = "epoch_second".into();
    }
    let within = json!({ "range": { field.name: range } });
    Some(match (start, has_dateless) {
        (i64::MAX, true) => dateless,
        (i64::MAX, false) => json!({ "match_none": {} }),
        (_, true) => json!({ "bool": { "should": [within, dateless] } }),
        (_, false) => within,
    })
}
