//! `dashboards`: saved objects for OpenSearch Dashboards, as a file or through its API.

use serde::Deserialize;
use serde_json::Value;
use tracing::info;
use ureq::http::Method;

use super::print;
use crate::{
    cli::{DashboardsCommand, InstallFlags},
    config::Typed,
    dashboards::{self, Indices},
    exit::{Exit, Failure},
    sink::opensearch::client::{Answer, Client},
};

/// Separates the parts of the request; JSON in one line can't hold a line like it.
const BOUNDARY: &str = "email-report-processor-saved-objects";

/// Dashboards' answers to an import are much shorter.
const ANSWER_BYTES: usize = 1 << 20;

/// Saved objects named of those that were not taken.
const NAMED: usize = 5;

/// Characters of a reason why one was not taken.
const REASON_CHARS: usize = 200;

/// What is answered to an import.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Imported {
    success: bool,
    #[serde(default)]
    success_count: u64,
    #[serde(default)]
    errors: Vec<Refusal>,
}

/// One saved object that was not taken.
#[derive(Deserialize)]
struct Refusal {
    #[serde(rename = "type")]
    kind: String,
    id: String,
    #[serde(default)]
    error: Value,
}

pub(super) fn run(what: &DashboardsCommand, typed: &Typed) -> Result<Exit, Failure> {
    let indices = typed.indices()?;
    match what {
        DashboardsCommand::Print { names } => print(dashboards::file(names, &indices).as_bytes()),
        DashboardsCommand::Install(flags) => install(flags, typed, &indices),
    }
}

fn install(flags: &InstallFlags, typed: &Typed, indices: &Indices) -> Result<Exit, Failure> {
    let InstallFlags { names, dashboards_url, tenant } = flags;
    let config = typed.dashboards(dashboards_url)?;
    let mut client = Client::new(&config)
        .map_err(|error| Failure::new(Exit::Configuration, error))?
        .with_header("osd-xsrf", "true".into());
    if let Some(tenant) = tenant {
        if tenant.contains(char::is_control) {
            return Err(Failure::usage("--tenant: there are control characters in it"));
        }
        client = client.with_header("securitytenant", tenant.clone());
    }
    let path = "/api/saved_objects/_import?overwrite=true";
    let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
    let file = dashboards::file(names, indices);
    let body = form(&file);
    let answer = client
        .request(&Method::POST, path, &content_type, body.as_bytes())
        .map_err(|error| Failure::new(Exit::TryAgain, error))?;
    let count = imported(&answer, file.lines().count())
        .map_err(|(exit, reason)| Failure::new(exit, format_args!("{dashboards_url}: {reason}")))?;
    info!("{count} saved objects are in OpenSearch Dashboards at {dashboards_url}");
    Ok(Exit::Ok)
}

/// A form with one file in it (RFC 7578).
fn form(file: &str) -> String {
    format!(
        "--{BOUNDARY}\r\n\
         Content-Disposition: form-data; name=\"file\"; filename=\"dashboards.ndjson\"\r\n\
         Content-Type: application/ndjson\r\n\r\n\
         {file}\r\n--{BOUNDARY}--\r\n"
    )
}

/// How many of so many objects were taken, or why not all of them.
fn imported(answer: &Answer, sent: usize) -> Result<u64, (Exit, String)> {
    let said = |what: &str| format!("{what} ({})", answer.summary());
    match answer.status {
        200 => {}
        300..=399 => {
            let reason = "it sends elsewhere, often to a page where people log in; is the URL the \
                          one with the path below which it is served?";
            return Err((Exit::Configuration, said(reason)));
        }
        401 => {
            return Err((Exit::Configuration, said("user and password, or API key, are refused")));
        }
        403 => return Err((Exit::Configuration, said("this user may not store saved objects"))),
        404 | 405 => {
            return Err((Exit::Configuration, said("this is not OpenSearch Dashboards")));
        }
        413 => return Err((Exit::Configuration, said("it takes no request of this size"))),
        429 | 500.. => return Err((Exit::TryAgain, said("it can't do it now"))),
        _ => return Err((Exit::Configuration, said("it was refused"))),
    }
    let body = Some(&answer.body).filter(|body| body.len() <= ANSWER_BYTES);
    let Some(imported) = body.and_then(|body| serde_json::from_slice::<Imported>(body).ok()) else {
        return Err((Exit::Configuration, said("this is not OpenSearch Dashboards")));
    };
    let taken = imported.success_count;
    if imported.success && imported.errors.is_empty() && usize::try_from(taken) == Ok(sent) {
        return Ok(taken);
    }
    let refused = &imported.errors;
    let more = refused.len().saturating_sub(NAMED);
    let named = refused.iter().take(NAMED).map(Refusal::told);
    let named: Vec<String> = named.chain((more > 0).then(|| format!("and {more} more"))).collect();
    let which =
        if named.is_empty() { String::new() } else { format!(", not these: {}", named.join("; ")) };
    Err((Exit::Configuration, format!("{taken} of {sent} saved objects were taken{which}")))
}

impl Refusal {
    fn told(&self) -> String {
        let why = match self.error["type"].as_str() {
            Some("conflict") => "another object has this id".to_owned(),
            Some("unsupported_type") => "it knows no objects of this type".to_owned(),
            Some("missing_references") => {
                let references = self.error["references"].as_array();
                let ids = references.into_iter().flatten().filter_map(|one| one["id"].as_str());
                format!("it refers to {}", ids.collect::<Vec<_>>().join(", "))
                    + ", which is not there"
            }
            _ => match self.error["message"].as_str() {
                Some(message) => message.to_owned(),
                None => self.error.to_string(),
            },
        };
        let cut = |text: &str| text.chars().take(REASON_CHARS).collect::<String>();
        format!("{} {} ({})", cut(&self.kind), cut(&self.id), cut(&why))
    }
}
