//! Report: the mode that tells, from a store, how a domain's mail fared: as tables for a person, or
//! as JSON.

mod text;

use std::{
    fmt,
    io::{self, Write},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde::Serialize;

use super::elsewhere::{self, Elsewhere};
use crate::{
    answers::{Answers, Choice, Filter, overview::Overview},
    exit::{Exit, Failure},
    moment::Moment,
    opensearch::{AskError, ClusterAnswers},
    report::rfc3339,
    sanitize,
    sink::opensearch::config::OpenSearchConfig,
    sqlite::{OpenError, query::Reader},
};

/// A store that can be asked.
#[derive(Clone, Debug)]
pub enum Source {
    /// An SQLite file.
    File(PathBuf),
    /// An OpenSearch cluster.
    Cluster(Box<OpenSearchConfig>),
}

impl From<&Path> for Source {
    fn from(path: &Path) -> Source {
        Source::File(path.into())
    }
}

/// The store's name, for a person.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Source::File(path) => write!(f, "{}", path.display()),
            Source::Cluster(config) => f.write_str(&config.nodes.join(", ")),
        }
    }
}

/// What is asked, and how it is told.
#[derive(Clone, Debug)]
pub struct ReportOptions {
    /// What is asked.
    pub store: Source,
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
    /// OpenSearch gives no answer.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The answer can't be written.
    #[error("can't write the report: {0}")]
    Write(#[from] io::Error),
}

impl From<ReportError> for Failure {
    fn from(error: ReportError) -> Failure {
        match error {
            ReportError::Open(error) => error.into(),
            ReportError::Ask(error) => error.into(),
            missing @ ReportError::Missing { .. } => Failure::new(Exit::Configuration, missing),
            error => Failure::new(Exit::TryAgain, error),
        }
    }
}

/// Everything that `--json` gives; the names are a promise.
#[derive(Serialize)]
struct ReportJson<'a> {
    /// The file that was read, or the nodes that were asked.
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
    let filter = Filter {
        since: options.since.map(|since| since.begin(now)),
        until: options.until.map(|until| until.end(now)),
        domains: options.domain.clone().map(Choice::of).unwrap_or_default(),
        ..Filter::default()
    };
    let summary = match &options.store {
        Source::Cluster(config) => {
            ClusterAnswers::new((**config).clone())?.overview(&filter, options.top)?
        }
        Source::File(path) => {
            let read = |error| ReportError::Read { path: path.clone(), error };
            let mut reader = open(path, &options.places)?;
            let answers = reader.answers().map_err(read)?;
            answers.overview(&filter, options.top).map_err(read)?
        }
    };
    let elsewhere = match (&options.store, summary.newest_of_all) {
        (Source::File(path), None) => elsewhere::find(path, &options.places),
        _ => None,
    };
    let answer = ReportJson {
        store: options.store.to_string(),
        other_store: elsewhere.as_ref().map(|other| other.store.display().to_string()),
        elsewhere,
        since: filter.since.and_then(rfc3339),
        until: filter.until.and_then(rfc3339),
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

fn open(path: &Path, places: &[PathBuf]) -> Result<Reader, ReportError> {
    Reader::open(path).map_err(|error| {
        let elsewhere = match error {
            OpenError::Missing(_) => elsewhere::find(path, places),
            _ => None,
        };
        match elsewhere {
            Some(other) => {
                ReportError::Missing { path: path.to_owned(), elsewhere: other.to_string() }
            }
            None => error.into(),
        }
    })
}
