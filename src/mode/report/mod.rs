//! Report: the mode that tells, from a store, how the mail in domains' names and to them fares: for
//! a person at a terminal or as a file, or for programs.

mod again;
mod ask;
mod conditions;
mod flags;
mod html;
mod json;
mod rows;
mod text;
mod view;

use std::{
    fmt,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::Timestamp;
use tracing::error;

pub use self::again::Again;
use self::ask::{ReportAnswer, ask};
pub(super) use self::flags::show;
use super::elsewhere::{self, Elsewhere};
use crate::{
    answers::{By, Filter},
    cli::{Condition, ReportFormat},
    exit::{Exit, Failure},
    moment::Moment,
    opensearch::{AskError, ClusterAnswers},
    senders::Operators,
    sink::opensearch::config::OpenSearchConfig,
    sqlite::{OpenError, query::Reader},
    terminal::Terminal,
    verdict::Mine,
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

/// Which reports are meant, by when their period begins.
#[derive(Clone, Copy, Debug)]
pub enum AskedPeriod {
    /// The last 30 days; if nothing came in these, the 30 days up to the newest report.
    Usual,
    /// From one moment to another; from the first report or to the last one where none is said.
    Given {
        /// At this moment or later.
        since: Option<Moment>,
        /// Before this moment or on this day.
        until: Option<Moment>,
    },
}

/// What is asked, and how it is told.
#[derive(Clone, Debug)]
pub struct ReportOptions {
    /// What is asked.
    pub store: Source,
    /// Which reports.
    pub period: AskedPeriod,
    /// Which mail, of whatever period.
    pub filter: Filter,
    /// A table by this, in place of the first screen.
    pub by: Option<By>,
    /// As what the answer is written.
    pub format: ReportFormat,
    /// How many rows each table shows.
    pub top: usize,
    /// Where another store may be, if this one has nothing to show.
    pub places: Vec<PathBuf>,
    /// What text is written for.
    pub terminal: Terminal,
    /// What senders are called.
    pub operators: Arc<Operators>,
    /// What the user said is a domain's own.
    pub mine: Mine,
    /// What was typed, for commands that show more.
    pub again: Again,
    /// What ends the program with exit code 1.
    pub fail_on: Vec<Condition>,
    /// If no condition holds, nothing is written.
    pub is_quiet: bool,
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

/// What is told, and of which store.
struct Told {
    /// The store's name, for a person.
    store: String,
    /// Another one that has reports, if this one has none.
    elsewhere: Option<Elsewhere>,
    answer: ReportAnswer,
    again: Again,
    top: usize,
}

/// Asks the store and writes the answer.
///
/// # Errors
/// [`ReportError`] says why that is impossible.
pub fn run(options: &ReportOptions, out: &mut impl Write) -> Result<Exit, ReportError> {
    let told = told(options)?;
    let held: Vec<String> = options
        .fail_on
        .iter()
        .filter_map(|condition| conditions::held(condition, &told.answer))
        .collect();
    if !(options.is_quiet && !options.fail_on.is_empty() && held.is_empty()) {
        write(&told, options, out)?;
    }
    held.iter().for_each(|said| error!("{said}"));
    Ok(if held.is_empty() { Exit::Ok } else { Exit::Wrong })
}

fn told(options: &ReportOptions) -> Result<Told, ReportError> {
    let now = Timestamp::now();
    let answer = match &options.store {
        Source::Cluster(config) => {
            let answers = ClusterAnswers::new((**config).clone())?;
            ask(&answers.with_names(Arc::clone(&options.operators)), options, now)?
        }
        Source::File(path) => {
            let read = |error| ReportError::Read { path: path.clone(), error };
            let mut reader = open(path, &options.places)?;
            let answers = reader.answers_by(&options.operators).map_err(read)?;
            ask(&answers, options, now).map_err(read)?
        }
    };
    let elsewhere = match (&options.store, answer.newest_of_all) {
        (Source::File(path), None) => elsewhere::find(path, &options.places),
        _ => None,
    };
    Ok(Told {
        store: options.store.to_string(),
        elsewhere,
        answer,
        again: options.again.clone(),
        top: options.top,
    })
}

fn write(told: &Told, options: &ReportOptions, out: &mut impl Write) -> Result<(), ReportError> {
    match (options.format, &told.answer.by) {
        (ReportFormat::Json, _) => json::write(told, out)?,
        (ReportFormat::Csv, by) => {
            if let Some((by, groups)) = by {
                rows::write_csv(*by, groups, out)?;
            }
        }
        (ReportFormat::Html, _) => html::write(&view::view(told), out)?,
        (ReportFormat::Text, _) => text::write(&view::view(told), options.terminal, out)?,
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
