//! Bundle: one file for whoever is to help. What a mail says is never in it, nor is a secret.

use std::{
    collections::BTreeMap,
    env,
    fs::{self, OpenOptions},
    io::Write,
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;
use rustix::{process::geteuid, system::uname};
use serde_json::{Map, Value, json};
use tracing::info;
use ureq::Agent;

use super::{finding::Findings, journal, opensearch, sqlite};
use crate::{
    cli::Settings,
    config::{Config, Typed},
    exit::Failure,
    maildir::Maildir,
    sanitize,
    sink::Destination,
};

/// How long `watch` is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// More of its counters are not taken.
const METRICS_BYTES: u64 = 1 << 20;

/// Writes it to a file that is not there yet, for its owner only.
pub(super) fn write(
    file: &Path,
    maildirs: &[PathBuf],
    typed: &Typed,
    config: Option<&Config>,
    rows: Option<&BTreeMap<String, u64>>,
    findings: &Findings,
) -> Result<(), Failure> {
    let failed = |error| Failure::path(file, &error);
    let mut out =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).map_err(failed)?;
    let store = match config.map(|config| &config.store) {
        Some(Destination::OpenSearch(config)) => opensearch::facts(config),
        Some(Destination::Sqlite(file)) => sqlite::facts(file, rows),
        Some(other) => other.to_string().into(),
        None => Value::Null,
    };
    let bundle = json!({
        "made": Timestamp::now().to_string(),
        "program": env!("CARGO_PKG_VERSION"),
        "system": system(),
        "settings_file": typed.file().map(|file| file.display().to_string()),
        "settings": typed.settings().map(|settings| told(&settings)).ok(),
        "variables": variables(),
        "maildirs": maildirs.iter().map(|path| counts(path)).collect::<Vec<_>>(),
        "store": store,
        "metrics": config.and_then(|config| config.metrics).and_then(metrics),
        "log": journal::last_lines(),
        "findings": told_findings(findings),
    });
    let text = serde_json::to_string_pretty(&bundle).map_err(|error| failed(error.into()))?;
    writeln!(out, "{}", sanitize::json(&text)).map_err(failed)?;
    info!("written to {}; look through it before you send it", file.display());
    Ok(())
}

fn system() -> Value {
    let name = uname();
    json!({
        "kernel": name.release().to_string_lossy(),
        "machine": name.machine().to_string_lossy(),
        "user": geteuid().as_raw(),
    })
}

/// Settings that were said, without what is secret in them.
fn told(settings: &Settings) -> Value {
    let mut settings = settings.clone();
    settings.opensearch_user = settings.opensearch_user.map(|user| match user.split_once(':') {
        Some((user, _)) => format!("{user}:…"),
        None => user,
    });
    settings.opensearch = settings.opensearch.map(|urls| {
        // A password with a comma in it stands in several.
        let has_secret = urls.iter().any(|url| url.contains('@'));
        let urls = if has_secret { vec![urls.join(",")] } else { urls };
        urls.iter().map(|url| without_secrets(url)).collect()
    });
    settings.smtp = settings.smtp.map(|url| without_secrets(&url));
    // Fails on a name of a file that is no UTF-8, and says so.
    let said = match serde_json::to_value(settings) {
        Ok(said) => said,
        Err(error) => return error.to_string().into(),
    };
    let said = said.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    said.map(|(name, value)| (name.clone(), value.clone())).collect::<Map<_, _>>().into()
}

/// A URL without what is in front of the last `@`, and behind a question mark.
fn without_secrets(url: &str) -> String {
    let (scheme, rest) = url.find("://").map_or(("", url), |at| url.split_at(at + "://".len()));
    let (hidden, rest) = rest.rsplit_once('@').map_or(("", rest), |(_, rest)| ("…@", rest));
    let (rest, query) = rest.split_once('?').map_or((rest, ""), |(rest, _)| (rest, "?…"));
    format!("{scheme}{hidden}{rest}{query}")
}

/// Names of variables that are heeded, not what they say.
fn variables() -> Vec<String> {
    let names = env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let of_systemd = ["STATE_DIRECTORY", "CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET"];
    let mut names: Vec<String> = names
        .filter(|name| name.starts_with("ERP_") || of_systemd.contains(&name.as_str()))
        .collect();
    names.sort();
    names
}

/// How many files there are in the folders of a Maildir.
fn counts(maildir: &Path) -> Value {
    let count = |folder: PathBuf| fs::read_dir(folder).map(Iterator::count).ok();
    let failed = Maildir::open(maildir).map(|maildir| maildir.failed().join("new")).ok();
    json!({
        "path": maildir.display().to_string(),
        "new": count(maildir.join("new")),
        "cur": count(maildir.join("cur")),
        "tmp": count(maildir.join("tmp")),
        "failed": failed.and_then(count),
    })
}

/// The counters of a `watch` that runs with these settings.
fn metrics(address: SocketAddr) -> Option<String> {
    let agent: Agent = Agent::config_builder().timeout_global(Some(PATIENCE)).build().into();
    let mut answer = agent.get(format!("http://{address}/metrics")).call().ok()?;
    answer.body_mut().with_config().limit(METRICS_BYTES).read_to_string().ok()
}

/// The findings, without the subject and sender of a mail that one of them names.
fn told_findings(findings: &Findings) -> Value {
    let mut told = serde_json::to_value(findings.all()).unwrap_or_default();
    let all = told.as_array_mut().into_iter().flatten();
    for finding in all.filter(|finding| finding["check"] == "maildir.contents") {
        finding["found"] = "it looks like an inbox".into();
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_left_out() {
        for (url, expected) in [
            ("https://a:9200", "https://a:9200"),
            ("https://user:sec@ret@a:9200/x", "https://…@a:9200/x"),
            ("user:secret@a:9200", "…@a:9200"),
            ("https://a:9200/?key=secret", "https://a:9200/?…"),
            ("https://user:sec?ret@a:9200", "https://…@a:9200"),
        ] {
            assert_eq!(without_secrets(url), expected);
        }
        let settings = Settings {
            opensearch: Some(vec!["https://u:sec".into(), "ret@a".into()]),
            opensearch_user: Some("reports:secret:secret".into()),
            smtp: Some("smtps://u:secret@mail".into()),
            threads: Some(3),
            ..Settings::default()
        };
        let told = told(&settings);
        let expected = json!({
            "opensearch": ["https://…@a"], "opensearch-user": "reports:…",
            "smtp": "smtps://…@mail", "threads": 3,
        });
        assert_eq!(told, expected);
    }
}
