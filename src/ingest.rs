//! Ingest: what every mode that stores mails shares: the start, the end, and the line that says how
//! it went.

use std::{
    fmt,
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};

use tracing::{Level, debug, enabled, error, info, warn};

use crate::{
    config::Config,
    exit::Failure,
    lookup::{Databases, Naming},
    metrics::Metrics,
    pipeline::Pipeline,
    settle::{
        Counts, MailOutcome, Origin, Settlement,
        apply::{Moved, Totals},
    },
    sink::{self, Destination, Sink},
    stop::{Reason, Stop},
};

/// A run that stores mails: the pipeline and what surrounds it.
pub(crate) struct Ingest {
    /// The store's name, for a person.
    store: String,
    period: Option<Range<i64>>,
    pub(crate) pipeline: Pipeline,
    pub(crate) sink: Arc<dyn Sink>,
    naming: Option<Naming>,
    pub(crate) stop: Arc<Stop>,
    started: Instant,
}

impl Ingest {
    /// Opens the store and starts the pipeline.
    pub(crate) fn start(
        config: Config,
        stop: Arc<Stop>,
        metrics: &Metrics,
        observe: impl FnMut(&[(Settlement, Moved)]) + Send + 'static,
    ) -> Result<Ingest, Failure> {
        config.check_storing()?;
        let store = config.store.to_string();
        let period = config.pipeline.period.clone();
        let databases = Databases::open(&config.ip_databases)?;
        let naming = naming(&config, &stop)?;
        let sink = sink::open(config.store, databases, config.patience, &stop, metrics.store())?;
        let pipeline = Pipeline::start(config.pipeline, Arc::clone(&sink), observe)?;
        Ok(Ingest { store, period, pipeline, sink, naming, stop, started: Instant::now() })
    }

    /// A run that is over when all its mails are: SIGTERM ends it early.
    pub(crate) fn start_finite(config: Config) -> Result<Ingest, Failure> {
        let stop = Arc::new(Stop::default());
        stop.on_signals(false)?;
        Ingest::start(config, stop, &Metrics::default(), log)
    }

    /// Waits until all is settled and logs the summary, at `level`.
    pub(crate) fn finish(self, level: Level) -> Finished {
        let finished = self.finish_quietly();
        finished.log(level, GOES_ON);
        finished
    }

    /// Waits until all is settled.
    pub(crate) fn finish_quietly(self) -> Finished {
        let totals = self.pipeline.finish();
        let lasted = self.started.elapsed();
        if let Some(naming) = self.naming {
            naming.finish();
        }
        let reason = self.stop.reason();
        let complete = reason.is_none() && totals.left == 0;
        let (store, period) = (self.store, self.period);
        Finished { totals, source: None, store, period, lasted, reason, complete }
    }
}

/// Has names of addresses looked up, if that is asked for and there is a place for them.
fn naming(config: &Config, stop: &Arc<Stop>) -> Result<Option<Naming>, Failure> {
    if !config.reverse_dns {
        return Ok(None);
    }
    match &config.store {
        Destination::Sqlite(store) => Naming::start(store, config.dns_server, stop),
        // It was refused, except where nothing is stored.
        Destination::Nothing | Destination::OpenSearch(_) | Destination::NdJson(_) => Ok(None),
    }
}

/// Tells the log of mails that could not be stored, or not completely; with `--verbose`, of all.
pub(crate) fn log(settled: &[(Settlement, Moved)]) {
    settled.iter().for_each(|(settlement, moved)| log_one(settlement, *moved));
}

fn log_one(settlement: &Settlement, moved: Moved) {
    let Settlement { origin, outcome, about, .. } = settlement;
    let place = if moved == Moved::Yes { "; moved to .failed" } else { "" };
    let about = about.as_ref().map(|about| format!(" ({about})")).unwrap_or_default();
    match outcome {
        // It stays there because that was asked for: no news for a cron job.
        MailOutcome::Unrecognized(_)
            if moved == Moved::No && matches!(origin, Origin::Maildir(_)) =>
        {
            info!("{}{about} holds no report, it stays there", origin.name());
        }
        // What else it is stands in the header of the failed mail.
        MailOutcome::Unrecognized(_) => warn!("{}{about} holds no report{place}", origin.name()),
        MailOutcome::Failed(reason) => warn!("{}{about}: {reason}{place}", origin.name()),
        MailOutcome::Stored => debug!("stored {}, out of {}", stored(settlement), origin.name()),
        MailOutcome::Left | MailOutcome::Gone | MailOutcome::NotAFile => {}
    }
}

/// How many mails of a batch are told by name.
const NAMED: usize = 3;

/// Tells the log in one line of all mails that were stored, unless [`log`] tells of each.
pub(crate) fn tell_stored(settled: &[(Settlement, Moved)]) {
    let mails = settled.iter().map(|(settlement, _)| settlement);
    let mails: Vec<&Settlement> =
        mails.filter(|mail| mail.outcome == MailOutcome::Stored).collect();
    if mails.is_empty() || enabled!(Level::DEBUG) {
        return;
    }
    let named = mails.iter().take(NAMED).map(|mail| stored(mail)).collect::<Vec<_>>().join("; ");
    match mails.len() {
        1 => info!("stored {named}"),
        all if all > NAMED => info!("stored {all} mails: {named}; and {} more", all - NAMED),
        all => info!("stored {all} mails: {named}"),
    }
}

/// What a mail brought: `google.com → example.org, 12 records, 25 Nov 2026`, and whether that was
/// new.
fn stored(settlement: &Settlement) -> String {
    let Settlement { tally, about, .. } = settlement;
    let about = about.as_deref().unwrap_or("no report that is wanted");
    match (tally.created, tally.duplicates) {
        (_, 0) => about.to_owned(),
        (0, _) => format!("{about} (nothing new)"),
        (_, duplicates) => format!("{about} ({duplicates} were there)"),
    }
}

/// Said of a run that was stopped, where the next one takes up what this one left.
pub(crate) const GOES_ON: &str =
    "stopped before the end, as asked; the same command goes on from there";

/// How a run that stores mails ended.
pub(crate) struct Finished {
    pub(crate) totals: Totals,
    /// The name of the store that was copied; nothing of mails.
    pub(crate) source: Option<String>,
    /// The store's name, for a person.
    pub(crate) store: String,
    /// The reports that were wanted.
    period: Option<Range<i64>>,
    pub(crate) lasted: Duration,
    /// Why it ended early, if it did.
    pub(crate) reason: Option<Reason>,
    /// Every mail was settled.
    pub(crate) complete: bool,
}

impl Finished {
    /// Logs the summary at `level`, and why the run ended early, if it did; `stopped` is said if it
    /// was asked for.
    pub(crate) fn log(&self, level: Level, stopped: &str) {
        if level <= Level::INFO {
            info!("{self}");
        } else {
            debug!("{self}");
        }
        match &self.reason {
            Some(Reason::StoreUnreachable(why)) => {
                let left = self.totals.left;
                let stay = match (&self.source, left) {
                    (Some(_), _) => String::new(),
                    (None, 1) => ". 1 mail stays where it is".into(),
                    (None, left) => format!(". {left} mails stay where they are"),
                };
                error!("gave up: {why}{stay}; run again later");
            }
            Some(Reason::ReaderGone) => {
                info!("standard output was closed by its reader, so the work ended early");
            }
            Some(Reason::Asked) => info!("{stopped}"),
            Some(Reason::Reload) | None => {}
        }
    }
}

/// The line at the end of a run: `60 mails: 59 with reports (51 DMARC, 8 TLS), 1 without, now in
/// .failed. 718 rows new in FILE. 0.1 s`. What is none is left out.
impl fmt::Display for Finished {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Totals { stored, failed, unrecognized, left, failed_moved, tally, .. } = &self.totals;
        if let Some(source) = &self.source {
            let reports = counted(tally.reports(), "report");
            write!(f, "{reports}{} out of {source}. ", kinds(tally))?;
            write!(f, "{}. {:.1} s", rows(tally, &self.store), self.lasted.as_secs_f64())?;
            return Ok(());
        }
        write!(f, "{}", counted(self.totals.mails(), "mail"))?;
        let place = if *failed_moved > 0 { ", now in .failed" } else { "" };
        let mut mails = Vec::new();
        if *stored > 0 {
            mails.push(format!("{stored} with reports{}", kinds(tally)));
        }
        if *unrecognized > 0 {
            // Kept ones lie where they were.
            let place = if *failed_moved >= failed + unrecognized { place } else { "" };
            mails.push(format!("{unrecognized} without{place}"));
        }
        if *failed > 0 {
            mails.push(format!("{failed} that can't be read or stored{place}"));
        }
        if *left > 0 {
            mails.push(format!(
                "{left} not done, left where {}",
                if *left == 1 { "it is" } else { "they are" }
            ));
        }
        if !mails.is_empty() {
            write!(f, ": {}", mails.join(", "))?;
        }
        write!(f, ". {}", rows(tally, &self.store))?;
        if tally.passed_over > 0 {
            write!(f, ". {}", passed_over(tally.passed_over, self.period.as_ref()))?;
        }
        write!(f, ". {:.1} s", self.lasted.as_secs_f64())
    }
}

fn kinds(tally: &Counts) -> String {
    let kinds = [
        (tally.dmarc_reports, "DMARC"),
        (tally.tls_reports, "TLS"),
        (tally.failure_reports, "failure"),
    ];
    let kinds: Vec<String> = kinds
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, kind)| format!("{number} {kind}"))
        .collect();
    if kinds.is_empty() { String::new() } else { format!(" ({})", kinds.join(", ")) }
}

fn rows(tally: &Counts, store: &str) -> String {
    let Counts { created, duplicates, refused, lost, .. } = tally;
    let mut parts = vec![match (created, duplicates) {
        (0, 0) => format!("Nothing new in {store}"),
        (0, 1) => format!("Nothing new in {store}, the row was there"),
        (0, _) => format!("Nothing new in {store}, all {duplicates} rows were there"),
        (_, 0) => format!("{} new in {store}", counted(*created, "row")),
        (_, _) => format!("{} new in {store}, {duplicates} were there", counted(*created, "row")),
    }];
    if *refused > 0 {
        parts.push(format!("{refused} refused by the store"));
    }
    if *lost > 0 {
        parts.push(format!("{lost} that can't be read are missing"));
    }
    parts.join(", ")
}

/// Reports that were not wanted, and why.
fn passed_over(reports: u64, period: Option<&Range<i64>>) -> String {
    let why = match period {
        Some(period) if period.end == i64::MAX => "older than --since",
        Some(period) if period.start == i64::MIN => "newer than --until",
        _ => "outside of --since and --until",
    };
    format!("{} {} {why}", counted(reports, "report"), if reports == 1 { "is" } else { "are" })
}

/// `1 mail`, `2 mails`.
pub(crate) fn counted(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(totals: Totals) -> String {
        let lasted = Duration::from_millis(120);
        Finished {
            totals,
            source: None,
            store: "FILE".into(),
            period: Some(0..i64::MAX),
            lasted,
            reason: None,
            complete: true,
        }
        .to_string()
    }

    #[test]
    fn the_line_says_what_there_was_and_nothing_else() {
        let tally = Counts { dmarc_reports: 51, tls_reports: 8, created: 718, ..Counts::default() };
        let totals =
            Totals { stored: 59, unrecognized: 1, failed_moved: 1, tally, ..Totals::default() };
        assert_eq!(
            line(totals),
            "60 mails: 59 with reports (51 DMARC, 8 TLS), 1 without, now in .failed. 718 rows new in FILE. 0.1 s"
        );
        let tally = Counts { dmarc_reports: 1, duplicates: 718, ..Counts::default() };
        assert_eq!(
            line(Totals { stored: 1, unrecognized: 2, tally, ..Totals::default() }),
            "3 mails: 1 with reports (1 DMARC), 2 without. Nothing new in FILE, all 718 rows were there. 0.1 s"
        );
        assert_eq!(line(Totals::default()), "0 mails. Nothing new in FILE. 0.1 s");
        let tally = Counts { passed_over: 19, ..Counts::default() };
        assert_eq!(
            line(Totals { stored: 19, tally, ..Totals::default() }),
            "19 mails: 19 with reports. Nothing new in FILE. 19 reports are older than --since. 0.1 s"
        );
        assert_eq!(
            line(Totals { left: 60, ..Totals::default() }),
            "60 mails: 60 not done, left where they are. Nothing new in FILE. 0.1 s"
        );
    }
}
