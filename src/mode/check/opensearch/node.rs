//! Node: whether one of them answers, to whom, and what it is.

use serde_json::Value;
use ureq::http::Method;

use super::refused;
use crate::{
    mode::check::finding::Findings,
    sink::opensearch::{client::Client, config::Auth},
};

const REACHABLE: &str = "store.reachable";

/// A node that answers.
pub(super) struct Node {
    /// By what its cluster is known, if this account may see it.
    pub(super) cluster: Option<String>,
}

/// Looks at a node; nothing if nothing can be stored through it.
pub(super) fn check(
    client: &Client,
    auth: Option<&Auth>,
    url: &str,
    findings: &mut Findings,
) -> Option<Node> {
    let answer = match client.request(&Method::GET, "/", "", b"") {
        Ok(answer) => answer,
        Err(error) => {
            let error = error.to_string();
            findings.wrong(REACHABLE, url, error.as_str(), unreachable(&error));
            return None;
        }
    };
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    match answer.status {
        200 if body["version"]["number"].is_string() => {}
        401 | 407 => {
            let fix = refused(auth);
            findings.wrong("store.credentials", url, answer.summary(), fix);
            return None;
        }
        403 => {
            findings.ok(REACHABLE, url, "it answers; this account may not see its version");
            return Some(Node { cluster: None });
        }
        429 | 502.. => {
            let fix = "It can't answer now: try again; mails wait meanwhile";
            findings.wrong(REACHABLE, url, answer.summary(), fix);
            return None;
        }
        _ => {
            let found = format!("it answers, but not like OpenSearch ({})", answer.summary());
            let fix = "Is it the URL of a node (port 9200), and not of Dashboards or a proxy?";
            findings.wrong(REACHABLE, url, found, fix);
            return None;
        }
    }
    version(&body["version"], url, findings);
    let cluster = body["cluster_uuid"].as_str().map(str::to_owned);
    Some(Node { cluster })
}

/// What to do about a node that gives no answer.
fn unreachable(error: &str) -> &'static str {
    // Words of the TLS library, from which there is no better way to tell.
    let fixes = [
        ("does not speak TLS", "Correct the URL"),
        ("UnknownIssuer", "Name the authority that signed its certificate with --ca-file"),
        ("No CA certificates", "Install ca-certificates, or name the authority with --ca-file"),
        ("NotValidForName", "Use a name that is in its certificate; the message lists them"),
        ("not valid for name", "Use a name that is in its certificate; the message lists them"),
        ("xpired", "Give the node a new certificate"),
        ("CaUsedAsEndEntity", "Its certificate is its own authority: have one sign it"),
        ("CertificateRequired", "Show it a certificate with --client-cert and --client-key"),
        ("no host of this name", "See whether the name in the URL is spelt right"),
        ("failed to lookup", "See whether the name in the URL is spelt right"),
        ("connection refused", "Is OpenSearch running there, on this port?"),
    ];
    let fix = fixes.into_iter().find(|(words, _)| error.contains(words));
    fix.map_or("Is it running, and no firewall between? Try curl with this URL", |(_, fix)| fix)
}

/// The oldest version that is known to work.
const OLDEST: u64 = 2;

fn version(version: &Value, url: &str, findings: &mut Findings) {
    const CHECK: &str = "store.version";
    let number = version["number"].as_str().unwrap_or_default();
    let major = number.split('.').next().and_then(|major| major.parse::<u64>().ok());
    match version["distribution"].as_str() {
        Some("opensearch") if major.is_some_and(|major| major >= OLDEST) => {
            findings.ok(CHECK, url, format!("OpenSearch {number}"));
        }
        Some("opensearch") => {
            let found = format!("OpenSearch {number} is older than what this program is made for");
            findings.warning(CHECK, url, found, "Update it to 2 or later");
        }
        _ => findings.warning(
            CHECK,
            url,
            format!("it is not OpenSearch, but something like it, version {number}"),
            "It may work; this program is made for OpenSearch, and tried with it only",
        ),
    }
}
