//! Query: which documents are wanted.

use std::ops::Range;

use serde_json::{Value, json};

use super::index::{FIELDS, TimeField};
use crate::report::Kind;

/// Documents of a kind whose periods begin then. Those without a begin come last, as if it was the
/// last second; failure reports without a date count to 1970, as everywhere.
pub(super) fn query(kind: Kind, field: &TimeField, period: &Range<i64>) -> Value {
    let (_, object, begin, _) = FIELDS[kind as usize];
    let all = json!({ "exists": { "field": object } });
    let dateless = json!({ "bool": { "must_not": { "exists": { "field": begin } } } });
    let mut range = json!({});
    if period.start > i64::MIN {
        range["gte"] = period.start.into();
    }
    if period.end < i64::MAX {
        range["lt"] = period.end.into();
    }
    if range.as_object().is_some_and(serde_json::Map::is_empty) {
        return all;
    }
    if field.kind == "date" {
        range["format"] = "epoch_second".into();
    }
    let within = json!({ "range": { begin: range } });
    let wanted = match period.start {
        i64::MAX => dateless,
        _ if kind == Kind::Failure && period.contains(&0) => {
            json!({ "bool": { "should": [within, dateless] } })
        }
        // It goes on from where another run was stopped, up to those without a begin.
        start if start > i64::MIN && period.end == i64::MAX => {
            json!({ "bool": { "should": [within, dateless] } })
        }
        _ => within,
    };
    json!({ "bool": { "filter": [all, wanted] } })
}
