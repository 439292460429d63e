//! `prune`: old reports are deleted from the store.
//!
//! A report is as old as the begin of its period, as everywhere: so the names of indices by month
//! agree with it.

mod opensearch;
mod sqlite;

use std::sync::Arc;

use jiff::Timestamp;
use tracing::info;

use crate::{
    cli::PruneFlags,
    config::{Purpose, Typed},
    exit::{Exit, Failure},
    ingest::counted,
    report::{Kind, rfc3339},
    sink::Destination,
    sqlite::prune::Pruned,
    stop::Stop,
};

/// What is to be done.
struct Order<'p> {
    flags: &'p PruneFlags,
    /// What begins before this second is old.
    before: i64,
    stop: Arc<Stop>,
}

pub(super) fn run(flags: &PruneFlags, typed: &Typed) -> Result<Exit, Failure> {
    let config = typed.config(&Purpose::default())?;
    let before = flags.older_than.begin(Timestamp::now());
    if before >= Timestamp::now().as_second() {
        return Err(Failure::usage("--older-than: this is not past, so it would be all there is"));
    }
    let stop = Arc::new(Stop::default());
    stop.on_signals(false)?;
    let order = Order { flags, before, stop };
    match config.store {
        Destination::Sqlite(file) => sqlite::run(&order, &file),
        Destination::OpenSearch(store) => opensearch::run(&order, &store),
        Destination::NdJson(_) | Destination::Nothing => {
            Err(Failure::usage("prune is for an SQLite file (--store) or OpenSearch"))
        }
    }
}

impl Order<'_> {
    /// Says what is gone, or would be.
    fn tell(&self, what: &str) {
        let day = rfc3339(self.before).unwrap_or_else(|| "a day beyond the calendar".into());
        let verb = if self.flags.dry_run { "would be deleted" } else { "deleted" };
        info!("{verb}, as older than {day}: {what}");
    }
}

/// `12 DMARC reports (300 records)`.
fn told(kind: Kind, pruned: Pruned) -> String {
    let Pruned { reports, documents } = pruned;
    match kind {
        Kind::Dmarc => {
            format!("{} ({})", counted(reports, "DMARC report"), counted(documents, "record"))
        }
        Kind::Tls if documents == 1 => format!("{} (1 policy)", counted(reports, "TLS report")),
        Kind::Tls => format!("{} ({documents} policies)", counted(reports, "TLS report")),
        Kind::Failure => counted(reports, "failure report"),
    }
}
