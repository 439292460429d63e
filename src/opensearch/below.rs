//! Below: the names in From that are below a domain.

use serde_json::json;

use super::{AskError, ClusterAnswers, filter, tally};
use crate::{
    answers::{Choice, Filter, NameBelow, NamesBelow, folded},
    report::Kind,
};

const FROM: &str = "feedback.record.identifiers.header_from.keyword";

/// Names in one answer.
const MOST: usize = 10_000;

pub(super) fn names(
    cluster: &ClusterAnswers,
    filter: &Filter,
    domain: &str,
    top: usize,
) -> Result<Vec<NameBelow>, AskError> {
    let domain = folded(domain);
    let policy = Filter {
        since: filter.since,
        until: filter.until,
        domains: Choice::of(domain.clone().into_owned()),
        exactly: true,
        ..Filter::default()
    };
    let from = Filter { domains: policy.domains.clone(), ..Filter::default() };
    let query = json!({ "bool": {
        "filter": [filter::records(&policy), filter::domains(&from, FROM)],
    } });
    let terms = json!({ "field": FROM, "size": MOST, "order": { "messages": "desc" } });
    let asked = json!({ "names": { "terms": terms, "aggs": tally::passed() } });
    let found = cluster.search(Kind::Dmarc, &query, &asked)?;
    let mut names = NamesBelow::new(&domain);
    for bucket in found["names"]["buckets"].as_array().into_iter().flatten() {
        let messages = tally::read(bucket).messages;
        names.add(bucket["key"].as_str().unwrap_or_default(), messages.messages, messages.pass);
    }
    Ok(names.finish(top))
}
