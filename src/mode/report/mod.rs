//! Report: the mode that tells, from a store, how a domain's mail fared: as tables for a person, or as JSON.

mod text;

use std::{
    io::{self, Write},
    path::PathBuf,
};

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    exit::{Exit, Failure},
    moment::Moment,
    report::rfc3339,
    sanitize,
    sqlite::{
        OpenError,
        query::{Reader, Selection},
        summary::Summary,
    },
};

/// What is asked.
#[derive(Clone, Debug)]
pub struct ReportOptions {
    /// The SQLite file.
    pub store: PathBuf,
    /// Only reports whose period begins at this moment or later.
    pub since: Option<Moment>,
    /// Only reports whose period begins before this moment or on this day.
    pub until: Option<Moment>,
    /// Only policies of this domain or one below it.
    pub domain: Option<String>,
    /// One JSON object instead of tables.
    pub json: bool,
    /// How many domains, sources and TLS policies are listed.
    pub top: usize,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The store can't be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store can't be read.
    #[error("can't read the store {}: {error}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        error: rusqlite::Error,
    },
    /// The answer can't be written.
    #[error("can't write the report: {0}")]
    Write(#[from] io::Error),
}

impl From<ReportError> for Failure {
    fn from(error: ReportError) -> Failure {
        match error {
            ReportError::Open(error) => error.into(),
            error => Failure::new(Exit::TryAgain, error),
        }
    }
}

/// Everything that `--json` gives; the names are a promise.
#[derive(Serialize)]
struct ReportJson<'a> {
    /// First second, RFC 3339.
    since: Option<String>,
    /// First second after the period, RFC 3339.
    until: Option<String>,
    domain: Option<&'a str>,
    #[serde(flatten)]
    summary: &'a Summary,
}

/// Asks the store and writes the answer.
///
/// # Errors
/// [`ReportError`] says why that is impossible.
pub fn run(options: &ReportOptions, out: &mut impl Write) -> Result<(), ReportError> {
    let now = Timestamp::now();
    let selection = Selection {
        since: options.since.map(|since| since.begin(now)),
        until: options.until.map(|until| until.end(now)),
        domain: options.domain.clone(),
        top: options.top,
    };
    let read = |error| ReportError::Read { path: options.store.clone(), error };
    let summary = Reader::open(&options.store)?.summary(&selection).map_err(read)?;
    let answer = ReportJson {
        since: selection.since.and_then(rfc3339),
        until: selection.until.and_then(rfc3339),
        domain: options.domain.as_deref(),
        summary: &summary,
    };
    if options.json {
        let json = serde_json::to_string_pretty(&answer).map_err(io::Error::other)?;
        writeln!(out, "{}", sanitize::json(&json))?;
    } else {
        text::write(&answer, out)?;
    }
    Ok(out.flush()?)
}
