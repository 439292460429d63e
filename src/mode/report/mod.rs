//! Report: the mode that tells, from a store, how a domain's mail fared: as tables for a person, or
//! as JSON.

pub(super) mod elsewhere;
mod text;

use std::{
    io::{self, Write},
    path::PathBuf,
};

use jiff::Timestamp;
use serde::Serialize;

use self::elsewhere::Elsewhere;
use crate::{
    exit::{Exit, Failure},
    moment::Moment,
    report::rfc3339,
    sanitize,
    sqlite::{
        OpenError,
        query::{Reader, Selection},
        summary::Overview,
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
    /// Where another store may be, if this one has nothing to show.
    pub places: Vec<PathBuf>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The store can't be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// There is no store, but another one elsewhere.
    #[error("there is no store {}, but {elsewhere}", .path.display())]
    Missing {
        /// The file that is not there.
        path: PathBuf,
        /// Where one is, and the command to see it.
        elsewhere: String,
    },
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
            missing @ ReportError::Missing { .. } => Failure::new(Exit::Configuration, missing),
            error => Failure::new(Exit::TryAgain, error),
        }
    }
}

/// Everything that `--json` gives; the names are a promise.
#[derive(Serialize)]
struct ReportJson<'a> {
    /// The file that was read.
    store: String,
    /// Another store that has reports, if this one has none.
    other_store: Option<String>,
    /// Where it is, for a person.
    #[serde(skip)]
    elsewhere: Option<Elsewhere>,
    /// First second, RFC 3339.
    since: Option<String>,
    /// First second after the period, RFC 3339.
    until: Option<String>,
    domain: Option<&'a str>,
    /// When the newest report of the domain, or of all, begins, whatever its period.
    newest_report: Option<String>,
    #[serde(flatten)]
    summary: &'a Overview,
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
    let summary = open(options)?.summary(&selection).map_err(read)?;
    let elsewhere = match summary.newest_of_all {
        None => elsewhere::find(&options.store, &options.places),
        Some(_) => None,
    };
    let answer = ReportJson {
        store: options.store.display().to_string(),
        other_store: elsewhere.as_ref().map(|other| other.store.display().to_string()),
        elsewhere,
        since: selection.since.and_then(rfc3339),
        until: selection.until.and_then(rfc3339),
        domain: options.domain.as_deref(),
        newest_report: summary.newest.and_then(rfc3339),
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

fn open(options: &ReportOptions) -> Result<Reader, ReportError> {
    Reader::open(&options.store).map_err(|error| {
        let elsewhere = match error {
            OpenError::Missing(_) => elsewhere::find(&options.store, &options.places),
            _ => None,
        };
        match elsewhere {
            Some(other) => {
                ReportError::Missing { path: options.store.clone(), elsewhere: other.to_string() }
            }
            None => error.into(),
        }
    })
}
