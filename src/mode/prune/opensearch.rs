//! Old documents in OpenSearch.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use tracing::info;
use ureq::http::Method;

use super::Order;
use crate::{
    exit::{Exit, Failure},
    ingest::counted,
    limits::Limits,
    report::Kind,
    sink::opensearch::{
        client::{Answer, Client},
        config::{IndexName, OpenSearchConfig},
    },
    stored::Index,
};

/// Documents deleted by one request: it takes seconds, and a request may take a minute.
const AT_ONCE: u64 = 10_000;

pub(super) fn run(order: &Order, config: &OpenSearchConfig) -> Result<Exit, Failure> {
    let client = Client::new(config).map_err(|error| Failure::new(Exit::Configuration, error))?;
    let [mut all, mut closed] = [Vec::new(), Vec::new()];
    let mut result = Ok(());
    for kind in Kind::ALL {
        let mut documents = 0;
        if result.is_ok() {
            result = prune(order, config, &client, kind, &mut documents);
            closed.extend(closed_of(&client, &config.target(kind).index, order.before));
        }
        all.push(told(kind, documents));
    }
    // What is gone is told, however it ended.
    order.tell(&all.join(", "));
    result?;
    if order.stop.is_asked() {
        info!("stopped before the end, as asked; the same command goes on");
        return Ok(Exit::TryAgain);
    }
    if closed.is_empty() {
        return Ok(Exit::Ok);
    }
    let closed = closed.join(", ");
    let what_to_do = "open them (POST /INDEX/_open) and do this again, or delete them";
    let reason = format_args!("what is in closed indices stays: {closed}; {what_to_do}");
    Err(Failure::new(Exit::TryAgain, reason))
}

/// The closed indices in which something old may be: nobody can look into them. None where the
/// user may not ask.
fn closed_of(client: &Client, name: &IndexName, before: i64) -> Vec<String> {
    /// What only a closed index has.
    const CLOSED: &str = "index.verified_before_close";
    let path = format!(
        "/{}/_settings?expand_wildcards=all&filter_path=*.settings.{CLOSED}",
        name.wildcard()
    );
    let answer = client.get(&path).map(|answer| answer.body).unwrap_or_default();
    let closed: Map<String, Value> = serde_json::from_slice(&answer).unwrap_or_default();
    let mut older = name.over_before(before);
    older.extend([name.at(before), name.at(0)]);
    closed.into_iter().map(|(index, _)| index).filter(|index| older.contains(index)).collect()
}

/// Deletes the old documents of a kind, or only counts them.
fn prune(
    order: &Order,
    config: &OpenSearchConfig,
    client: &Client,
    kind: Kind,
    documents: &mut u64,
) -> Result<(), Failure> {
    let name = &config.target(kind).index;
    let find =
        |name: &str| Index::find(config.clone(), name, Limits::default(), Arc::clone(&order.stop));
    let over = name.over_before(order.before);
    let names = if name.is_dated() {
        let all = Index::list(config.clone(), &name.wildcard(), Arc::clone(&order.stop))?;
        all.into_iter().filter(|index| name.has(index)).collect()
    } else {
        vec![name.to_string()]
    };
    for name in names {
        let Some(index) = find(&name)? else { continue };
        let Some(old) = index.old(kind, order.before) else { continue };
        let is_over = over.contains(&name);
        let ended = prune_index(order, client, &index, (&name, is_over), &old, documents);
        // Another may have deleted it meanwhile.
        if ended.is_err() && find(&name)?.is_some() {
            return ended;
        }
        if order.stop.is_asked() {
            break;
        }
    }
    Ok(())
}

/// The same in one index, of which all is old by its name, or not.
fn prune_index(
    order: &Order,
    client: &Client,
    index: &Index,
    (name, is_over): (&str, bool),
    old: &Value,
    documents: &mut u64,
) -> Result<(), Failure> {
    if order.flags.dry_run {
        *documents += index.count_of(old)?;
        return Ok(());
    }
    // What came last is to be seen, too. Where that is not allowed, it stays.
    let _ = client.post(&format!("/{name}/_refresh"), &Value::Null);
    let count = index.count_of(old)?;
    // Whatever its name says, nothing else may be in it.
    if is_over && count == index.count_all()? {
        delete_index(client, name)?;
        *documents += count;
    } else if count > 0 {
        by_query(order, client, name, old, documents)?;
    }
    Ok(())
}

/// Deletes the documents of an index that match.
fn by_query(
    order: &Order,
    client: &Client,
    name: &str,
    old: &Value,
    documents: &mut u64,
) -> Result<(), Failure> {
    // Documents that another deletes or changes at the same time are left to it.
    let path =
        format!("/{name}/_delete_by_query?conflicts=proceed&refresh=true&max_docs={AT_ONCE}");
    let body = json!({ "query": old });
    while !order.stop.is_asked() {
        let answer =
            client.post(&path, &body).map_err(|error| Failure::new(Exit::TryAgain, error))?;
        let deleted = deleted(name, &answer)?;
        *documents += deleted;
        if deleted == 0 {
            break;
        }
    }
    Ok(())
}

/// Deletes an index.
fn delete_index(client: &Client, index: &str) -> Result<(), Failure> {
    let answer = client
        .request(&Method::DELETE, &format!("/{index}"), "", b"")
        .map_err(|error| Failure::new(Exit::TryAgain, error))?;
    if answer.status == 200 {
        return Ok(());
    }
    Err(Failure::new(Exit::TryAgain, format_args!("index {index}: {}", answer.summary())))
}

/// How many documents a request has deleted.
fn deleted(index: &str, answer: &Answer) -> Result<u64, Failure> {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let failed = body["failures"].get(0);
    match (body["deleted"].as_u64(), failed) {
        (Some(deleted), None) if answer.status == 200 => Ok(deleted),
        _ => {
            let reason = failed.and_then(|failure| failure["cause"]["reason"].as_str());
            let reason = reason.map_or_else(|| answer.summary(), str::to_owned);
            Err(Failure::new(Exit::TryAgain, format_args!("index {index}: {reason}")))
        }
    }
}

fn told(kind: Kind, documents: u64) -> String {
    match kind {
        Kind::Dmarc => counted(documents, "DMARC record"),
        Kind::Tls if documents == 1 => "1 TLS policy".into(),
        Kind::Tls => format!("{documents} TLS policies"),
        Kind::Failure => counted(documents, "failure report"),
    }
}
