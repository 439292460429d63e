//! Modes: what the program is asked to do. Each takes its mails from somewhere and hands them to the [`crate::pipeline`].

pub mod export;
mod files;
mod finished;
mod import;
mod maildirs;
mod once;
pub mod report;
mod retry;
mod watch;

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use clap::ArgMatches;
use tracing::{Level, debug, info, warn};

use self::{
    export::ExportError,
    finished::{Finished, GOES_ON},
    report::ReportError,
};
use crate::{
    cli::{self, Cli, Mode},
    config::{Config, ConfigError, Store},
    exit::Exit,
    metrics::{Metrics, StoreMetrics},
    pipeline::{Fate, Pipeline},
    settle::{Outcome, Settlement},
    sink::{
        Sink,
        backoff::Outage,
        discard::Discard,
        ndjson::NdJsonSink,
        opensearch::{OpenSearchSink, StartError},
        sqlite::{self, SqliteSink},
    },
    stop::Stop,
};

/// Why a run could not begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum ModeError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The OpenSearch sink can't start.
    #[error(transparent)]
    OpenSearch(#[from] StartError),
    /// The SQLite sink can't start.
    #[error(transparent)]
    Sqlite(#[from] sqlite::OpenError),
    /// The store can't be reported on.
    #[error(transparent)]
    Report(#[from] report::ReportError),
    /// The store can't be exported.
    #[error(transparent)]
    Export(#[from] export::ExportError),
    /// The command line asks for what can't be.
    #[error("{0}")]
    Usage(String),
    /// What was named on the command line can't be opened.
    #[error("{}: {error}", path.display())]
    Path {
        /// What was named.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The address for the metrics can't be listened on.
    #[error("metrics at {address}: {error}")]
    Address {
        /// The address.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// The store can't be opened.
    #[error("store {}: {error}", path.display())]
    Store {
        /// Where it is.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The system is out of something.
    #[error("{0}")]
    System(#[from] io::Error),
}

impl ModeError {
    /// The exit code for this error.
    pub fn exit(&self) -> Exit {
        match self {
            ModeError::Sqlite(sqlite::OpenError::Store(error))
            | ModeError::Report(ReportError::Open(error))
            | ModeError::Export(ExportError::Open(error)) => {
                if error.is_temporary() {
                    Exit::TryAgain
                } else {
                    Exit::Configuration
                }
            }
            ModeError::Config(_) | ModeError::Address { .. } | ModeError::OpenSearch(StartError::CaFile(_)) => {
                Exit::Configuration
            }
            ModeError::Usage(_) | ModeError::Path { .. } => Exit::Usage,
            ModeError::Store { .. }
            | ModeError::System(_)
            | ModeError::OpenSearch(StartError::Thread(_))
            | ModeError::Sqlite(sqlite::OpenError::Thread(_))
            | ModeError::Report(_)
            | ModeError::Export(_) => Exit::TryAgain,
        }
    }
}

/// Does what the command line says. `matches` are what `cli` was made from.
///
/// # Errors
/// Nothing could be done at all; trouble with single mails is logged and told by the exit code.
pub fn run(cli: Cli, matches: &ArgMatches) -> Result<Exit, ModeError> {
    let Cli { mode, input, shared } = cli;
    if mode.is_some() && !input.files.is_empty() {
        return Err(ModeError::Usage("files and a command can't be given together".into()));
    }
    if let Some(unused) = cli::unused_flag(matches) {
        return Err(ModeError::Usage(unused));
    }
    if let (None, Some(word)) = (&mode, input.files.first().and_then(|file| file.to_str()))
        && !Path::new(word).exists()
        && let Some(command) = cli::similar_command(word)
    {
        return Err(ModeError::Usage(format!("no command or file {word:?}; did you mean {command:?}?")));
    }
    if shared.dedup_since.is_some() || shared.dedup_until.is_some() || shared.dedup_count.is_some() {
        info!("--dedup flags are not needed any more: duplicates are always recognised");
    }
    let config = || Config::load(shared.clone(), matches);
    match mode {
        None => files::run(&input, config()?),
        Some(Mode::Export(flags)) => match config()?.store {
            Store::Sqlite(store) => export::run(&flags, &store, shared.quiet),
            _ => Err(ModeError::Usage("export reads an SQLite store; name it with --store FILE".into())),
        },
        Some(Mode::Once { maildirs }) => once::run(&maildirs, config()?),
        Some(Mode::Import(import)) => import::run(&import, config()?, shared.quiet),
        Some(Mode::Report(report)) => show_report(report, config()?.store),
        Some(Mode::Retry { maildirs }) => retry::run(&maildirs),
        Some(Mode::Watch(watch)) => watch::run(&watch, &shared, matches),
    }
}

fn show_report(flags: cli::Report, store: Store) -> Result<Exit, ModeError> {
    let Store::Sqlite(store) = store else {
        return Err(ModeError::Usage("report reads an SQLite store; name it with --store FILE".into()));
    };
    let cli::Report { period: cli::Period { since, until }, domain, json, top } = flags;
    let options = report::Options { store, since, until, domain, json, top };
    match report::run(&options, &mut io::BufWriter::new(io::stdout().lock())) {
        // Whoever reads it has seen enough.
        Err(ReportError::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Ok),
        result => result.map(|()| Exit::Ok).map_err(ModeError::Report),
    }
}

/// A run that stores mails: the pipeline and what surrounds it.
struct Run {
    /// The store's name, for a person.
    store: String,
    pipeline: Pipeline,
    sink: Arc<dyn Sink>,
    stop: Arc<Stop>,
    started: Instant,
}

impl Run {
    /// Opens the store and starts the pipeline. `patience` is how long the mode waits for a store that is away, if
    /// nothing else was configured.
    fn start(
        config: Config,
        patience: Option<Duration>,
        stop: Arc<Stop>,
        metrics: &Metrics,
        observe: impl FnMut(&Settlement, Fate) + Send + 'static,
    ) -> Result<Run, ModeError> {
        let store = config.store.to_string();
        let sink = open_sink(config.store, config.give_up_after.or(patience), &stop, metrics.store())?;
        let pipeline = Pipeline::start(config.pipeline, Arc::clone(&sink), observe)?;
        Ok(Run { store, pipeline, sink, stop, started: Instant::now() })
    }

    /// A run that is over when all its mails are: SIGTERM ends it early.
    fn start_finite(config: Config, patience: Duration) -> Result<Run, ModeError> {
        let stop = Arc::new(Stop::default());
        stop.on_signals(false)?;
        Run::start(config, Some(patience), stop, &Metrics::default(), log)
    }

    /// Waits until all is settled and logs the summary, at `level`.
    fn finish(self, level: Level) -> Finished {
        let finished = self.finish_quietly();
        finished.log(level, GOES_ON);
        finished
    }

    /// Waits until all is settled.
    fn finish_quietly(self) -> Finished {
        let totals = self.pipeline.finish();
        let reason = self.stop.reason();
        let complete = reason.is_none() && totals.left == 0;
        Finished { totals, store: self.store, lasted: self.started.elapsed(), reason, complete }
    }
}

/// Tells the log of a mail that could not be stored, or not completely.
fn log(settlement: &Settlement, fate: Fate) {
    let Settlement { origin, outcome, tally, about, .. } = settlement;
    let place = if fate == Fate::Moved { "; moved to .failed" } else { "" };
    let about = about.as_ref().map(|about| format!(" ({about})")).unwrap_or_default();
    match outcome {
        Outcome::Unrecognized(reason) => warn!("{}{about} {reason}{place}", origin.name()),
        Outcome::Failed(reason) => warn!("{}{about}: {reason}{place}", origin.name()),
        Outcome::Stored => debug!("stored {}: {}", origin.name(), finished::contents(tally)),
        Outcome::Left | Outcome::Gone | Outcome::NotAFile => {}
    }
    if tally.lost > 0 && *outcome != Outcome::Left {
        warn!(mail = origin.name(), lost = tally.lost, "records that can't be read are missing");
    }
}

fn open_sink(
    store: Store,
    patience: Option<Duration>,
    stop: &Arc<Stop>,
    metrics: &StoreMetrics,
) -> Result<Arc<dyn Sink>, ModeError> {
    let (stop, metrics) = (Arc::clone(stop), metrics.clone());
    Ok(match store {
        Store::OpenSearch(mut config) => {
            config.patience = patience;
            Arc::new(OpenSearchSink::start(config, stop, metrics)?)
        }
        Store::NdJson(file) => {
            let name = file.as_deref().unwrap_or(Path::new("-"));
            let outage = Outage::new(name.display().to_string(), patience, stop, metrics);
            let sink = NdJsonSink::open(file.as_deref(), outage);
            Arc::new(sink.map_err(|error| ModeError::Store { path: name.to_owned(), error })?)
        }
        Store::Nothing => Arc::new(Discard),
        Store::Sqlite(file) => Arc::new(SqliteSink::open(&file, patience, stop, metrics)?),
    })
}
