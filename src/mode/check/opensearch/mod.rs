//! Opensearch: the cluster that reports are stored in. It is only asked, never told anything.

mod cluster;
mod index;
mod node;
mod types;

use serde_json::{Map, Value, json};
use ureq::http::Method;

use self::node::Node;
use super::finding::Findings;
use crate::{
    report::Kind,
    sink::opensearch::{
        client::{Answer, Client},
        config::{Auth, OpenSearchConfig},
        template,
    },
};

/// Looks at the nodes, and through those that answer at the cluster and the indices.
pub(super) fn check(config: &OpenSearchConfig, findings: &mut Findings) {
    transport(config, findings);
    let mut clusters: Vec<String> = Vec::new();
    let mut nodes = Vec::new();
    for node in &config.nodes {
        let alone = OpenSearchConfig { nodes: vec![node.clone()], ..config.clone() };
        let client = match Client::new(&alone) {
            Ok(client) => client,
            Err(error) => {
                let fix = "Give a PEM file that this user may read, or leave the setting out";
                return findings.wrong("store.certificate", node, error.to_string(), fix);
            }
        };
        if let Some(Node { cluster }) = node::check(&client, config.auth.as_ref(), node, findings) {
            clusters.extend(cluster);
            nodes.push(node.clone());
        }
    }
    clusters.sort();
    clusters.dedup();
    let all = nodes.join(", ");
    if clusters.len() > 1 {
        let fix = "Name nodes of one cluster only: reports would be spread over several";
        findings.wrong("store.cluster", &all, "these are nodes of several clusters", fix);
    }
    if nodes.is_empty() {
        return;
    }
    let Ok(client) = Client::new(&OpenSearchConfig { nodes, ..config.clone() }) else { return };
    cluster::check(&client, &all, findings);
    for kind in Kind::ALL {
        index::check(&client, kind, config, findings);
    }
}

/// Templates, mappings and settings of the indices, and how many documents they have.
pub(super) fn facts(config: &OpenSearchConfig) -> Value {
    let Ok(client) = Client::new(config) else { return Value::Null };
    let told = |path: String| match get(&client, &path) {
        Answered::Found(value) => value,
        Answered::Missing => Value::Null,
        Answered::Forbidden(answer) | Answered::Trouble(answer) => json!({ "answer": answer }),
    };
    let index = |kind| {
        let name = &config.target(kind).index;
        let index = name.wildcard();
        let facts = json!({
            "template": told(format!("/_index_template/{}", template::name(&name.base()))),
            "mapping": told(format!("/{index}/_mapping")),
            "settings": told(format!("/{index}/_settings")),
            "documents": told(format!("/{index}/_count"))["count"],
        });
        (index, facts)
    };
    let indices: Map<String, Value> = Kind::ALL.into_iter().map(index).collect();
    let health = told("/_cluster/health".into());
    json!({ "opensearch": told("/".into()), "health": health, "indices": indices })
}

/// What somebody on the way could read or forge.
fn transport(config: &OpenSearchConfig, findings: &mut Findings) {
    let is_near = |node: &String| {
        let host = node.split("://").nth(1).unwrap_or_default();
        ["localhost", "127.", "[::1]"].iter().any(|near| host.starts_with(near))
    };
    for node in &config.nodes {
        if node.starts_with("http://") && !is_near(node) && config.auth.is_some() {
            let fix = "Use https: anyone on the way can read them";
            let found = "user and password, or the key, are sent unencrypted";
            findings.warning("store.certificate", node, found, fix);
        }
        if node.starts_with("https://") && config.insecure {
            let found = "certificates are not checked (insecure)";
            let fix = "Name the authority with --ca-file: anyone on the way can be the node";
            findings.warning("store.certificate", node, found, fix);
        }
    }
}

/// What is said of credentials that are refused.
fn refused(auth: Option<&Auth>) -> &'static str {
    match auth {
        None => "Give --opensearch-user and a password, or an API key",
        Some(Auth::Basic(..)) => "See whether user and password are right",
        Some(Auth::ApiKey(_)) => "See whether the API key is right and still valid",
    }
}

/// What was answered to a question.
enum Answered {
    Found(Value),
    /// It is not there.
    Missing,
    /// This account may not ask.
    Forbidden(String),
    /// Anything else.
    Trouble(String),
}

fn get(client: &Client, path: &str) -> Answered {
    ask(client, &Method::GET, path, b"")
}

fn ask(client: &Client, method: &Method, path: &str, body: &[u8]) -> Answered {
    let answer: Answer = match client.request(method, path, "application/json", body) {
        Ok(answer) => answer,
        Err(error) => return Answered::Trouble(error.to_string()),
    };
    match answer.status {
        200 => match serde_json::from_slice(&answer.body) {
            Ok(value) => Answered::Found(value),
            Err(_) => Answered::Trouble(answer.summary()),
        },
        403 => Answered::Forbidden(answer.summary()),
        404 => Answered::Missing,
        _ => Answered::Trouble(answer.summary()),
    }
}

/// Something that storing does not need was not seen.
fn unseen(check: &'static str, about: &str, what: &str, right: &str, findings: &mut Findings) {
    findings.ok(
        check,
        about,
        format!("{what} is not seen: this account lacks {right}, which storing does not need"),
    );
}

/// Something that storing needs was refused.
fn lacks(about: &str, right: &str, answer: &str, findings: &mut Findings) {
    findings.warning(
        "store.account",
        about,
        format!("this account lacks a right ({answer})"),
        format!("Give it {right}; the guide has a role with all that is needed"),
    );
}

fn trouble(check: &'static str, about: &str, answer: &str, findings: &mut Findings) {
    findings.wrong(check, about, answer.to_owned(), "See what the node's log says about it");
}
