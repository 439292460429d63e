//! Lists: documents of a query, all of one moment, page by page.
//!
//! By the scroll API: with a point in time, documents of several shards have no order of their own
//! before OpenSearch 3.3, and some would be passed over.

use std::net::IpAddr;

use serde_json::{Value, json};
use ureq::http::Method;

use super::{AskError, ClusterAnswers, WHOLE, tally};
use crate::{
    answers::{FailureRow, TlsRow, TlsSums},
    report::{Kind, Text},
};

const PAGE: usize = 1000;

/// `index.max_result_window`: more sorted documents a cluster does not hand out at once.
const WINDOW: usize = 10_000;

/// How long the cluster keeps the moment for the next page.
const KEPT: &str = "1m";

/// Digits of the report's key in `_id`.
const KEY: usize = 32;

/// What [`add_policy`] reads.
pub(super) const TLS_FIELDS: [&str; 5] = [
    "organization-name",
    "policies.policy.policy-domain",
    "policies.policy.policy-type",
    "policies.summary",
    "policies.failure-details",
];

/// What [`failure_row`] reads.
pub(super) const FAILURE_FIELDS: [&str; 5] = [
    "failure.reported_domain",
    "failure.source_ip",
    "failure.auth_failure",
    "failure.delivery_result",
    "failure.incidents",
];

/// Hands out `_id` and fields of each document.
pub(super) fn each(
    cluster: &ClusterAnswers,
    kind: Kind,
    query: &Value,
    fields: &[&str],
    mut take: impl FnMut(&str, &Value),
) -> Result<(), AskError> {
    let path = format!("/{}/_search?scroll={KEPT}&{WHOLE}", cluster.index(kind));
    let body = json!({ "size": PAGE, "sort": ["_doc"], "query": query, "_source": fields });
    let mut page = cluster.post(&path, &body)?;
    loop {
        let hits = page["hits"]["hits"].as_array().map(Vec::as_slice).unwrap_or_default();
        hits.iter().for_each(|hit| take(hit["_id"].as_str().unwrap_or_default(), &hit["_source"]));
        let id = page["_scroll_id"].clone();
        if hits.len() < PAGE {
            // It ends by itself in a minute, too.
            let body = json!({ "scroll_id": [id] }).to_string();
            let json = "application/json";
            let _ =
                cluster.client.request(&Method::DELETE, "/_search/scroll", json, body.as_bytes());
            return Ok(());
        }
        let next = json!({ "scroll": KEPT, "scroll_id": id });
        page = cluster.post("/_search/scroll", &next)?;
    }
}

/// `_id` and `_source` of the newest documents, by a date; of those as new the first in an order.
pub(super) fn newest(
    cluster: &ClusterAnswers,
    kind: Kind,
    query: &Value,
    (date, order): (&str, &[Value]),
    most: usize,
) -> Result<Vec<(String, Value)>, AskError> {
    let path = format!("/{}/_search?{WHOLE}", cluster.index(kind));
    let newest = json!({ date: { "order": "desc", "unmapped_type": "date" } });
    let sort: Vec<&Value> = std::iter::once(&newest).chain(order).collect();
    let body = json!({ "size": most.min(WINDOW), "query": query, "sort": sort });
    let mut found = cluster.post(&path, &body)?;
    let hits = found["hits"]["hits"].as_array_mut().map(std::mem::take).unwrap_or_default();
    let document = |mut hit: Value| Some((hit["_id"].as_str()?.to_owned(), hit["_source"].take()));
    Ok(hits.into_iter().filter_map(document).collect())
}

/// Counts the policy of a document.
pub(super) fn add_policy(sums: &mut TlsSums<String>, id: &str, source: &Value) {
    let policy = &source["policies"]["policy"];
    let row = TlsRow {
        report: id.get(..KEY).unwrap_or(id).to_owned(),
        organization: source["organization-name"].as_str(),
        domain: policy["policy-domain"].as_str(),
        policy_type: policy["policy-type"].as_str(),
    };
    let number = |name: &str| tally::whole(&source["policies"]["summary"][name]);
    sums.policy(
        &row,
        number("total-successful-session-count"),
        number("total-failure-session-count"),
    );
    for detail in many(&source["policies"]["failure-details"]) {
        let sessions = tally::whole(&detail["failed-session-count"]);
        sums.failure(&row, detail["result-type"].as_str(), sessions);
    }
}

/// What a document says of a failure.
pub(super) fn failure_row(source: &Value) -> FailureRow {
    let failure = &source["failure"];
    let texts = |name: &str| -> Vec<Text> {
        many(&failure[name]).iter().filter_map(Value::as_str).map(Text::from).collect()
    };
    FailureRow {
        domains: texts("reported_domain"),
        source: failure["source_ip"].as_str().and_then(|text| text.parse::<IpAddr>().ok()),
        auth_failure: texts("auth_failure"),
        delivery_result: failure["delivery_result"].as_str().map(Text::from),
        incidents: failure["incidents"].as_u64(),
    }
}

/// A list of one may be written as the one.
fn many(value: &Value) -> &[Value] {
    match value {
        Value::Array(list) => list,
        Value::Null => &[],
        one => std::slice::from_ref(one),
    }
}
