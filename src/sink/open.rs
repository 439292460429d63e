//! Open: which store was asked for, ready to be written.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use super::{
    Sink,
    backoff::Backoff,
    discard::Discard,
    ndjson::NdJsonSink,
    opensearch::{OpenSearchSink, config::OpenSearchConfig},
    sqlite::SqliteSink,
};
use crate::{
    exit::{Exit, Failure},
    lookup::Databases,
    metrics::StoreMetrics,
    sqlite::Store,
    stop::Stop,
};

/// Where the documents go.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one a run")]
pub enum Destination {
    /// An OpenSearch cluster.
    OpenSearch(OpenSearchConfig),
    /// An SQLite file.
    Sqlite(PathBuf),
    /// A file of JSON lines; nothing for standard output.
    NdJson(Option<PathBuf>),
    /// Nowhere: a dry run.
    Nothing,
}

impl Destination {
    /// Why a command can't read from here.
    pub(crate) fn unreadable(command: &str) -> Failure {
        Failure::usage(format_args!(
            "{command} reads an SQLite store or OpenSearch; name it with --store FILE or \
             --opensearch URL"
        ))
    }
}

/// The store's name, for a person.
impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Destination::OpenSearch(store) => f.write_str(&store.nodes.join(", ")),
            Destination::Sqlite(file) | Destination::NdJson(Some(file)) => {
                write!(f, "{}", file.display())
            }
            Destination::NdJson(None) => f.write_str("standard output"),
            Destination::Nothing => f.write_str("no store (a dry run)"),
        }
    }
}

/// Opens a store. What the databases know of addresses is written with the reports. `patience` is
/// how long it may be away before the program gives up; nothing for ever.
///
/// # Errors
/// It can't be opened, and waiting is of no use.
pub(crate) fn open(
    store: Destination,
    databases: Option<Databases>,
    patience: Option<Duration>,
    stop: &Arc<Stop>,
    metrics: &StoreMetrics,
) -> Result<Arc<dyn Sink>, Failure> {
    let (stop, metrics, databases) = (Arc::clone(stop), metrics.clone(), databases.map(Arc::new));
    Ok(match store {
        Destination::OpenSearch(config) => {
            Arc::new(OpenSearchSink::start(config, databases, stop, metrics)?)
        }
        Destination::NdJson(file) => {
            let name = file.as_deref().unwrap_or(Path::new("-"));
            let backoff = Backoff::new(name.display().to_string(), patience, stop, metrics);
            let sink = NdJsonSink::open(file.as_deref(), databases, backoff);
            Arc::new(sink.map_err(|error| {
                Failure::new(Exit::TryAgain, format_args!("store {}: {error}", name.display()))
            })?)
        }
        Destination::Nothing => Arc::new(Discard),
        Destination::Sqlite(file) => {
            Arc::new(SqliteSink::open(&file, databases, patience, stop, metrics)?)
        }
    })
}

/// Finds out whether a store that is a file can be opened now. One that is a server is not asked:
/// an outage is no reason against settings.
///
/// # Errors
/// It can't be, be it for good or for now.
pub(crate) fn try_out(store: &Destination) -> Result<(), Failure> {
    match store {
        Destination::Sqlite(file) => Ok(Store::open(file).map(drop)?),
        // Lines are opened with the run, or not at all.
        Destination::OpenSearch(_) | Destination::NdJson(_) | Destination::Nothing => Ok(()),
    }
}
