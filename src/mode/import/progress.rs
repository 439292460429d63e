//! Progress of an import: a bar on a terminal, a line every few seconds elsewhere.

use std::{
    io::{self, Read, Seek},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
        mpsc::{self, RecvTimeoutError, Sender},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use indicatif::{HumanBytes, HumanCount, HumanDuration, ProgressBar, ProgressStyle};
use parking_lot::Mutex;
use tracing::info;

use super::echo::Quiet;
use crate::{logging, settle::Counts};

/// How often the bar is drawn.
const DRAW_INTERVAL: Duration = Duration::from_millis(250);
/// How often a line is logged.
const LOG_INTERVAL: Duration = Duration::from_secs(5);
/// Rates are of the last few seconds.
const RATE_INTERVAL: Duration = Duration::from_secs(3);

/// While the total is unknown.
const COUNTING: &str = "{wide_msg}";
/// The end of a line that is too long for the terminal is cut off.
const KNOWN: &str = "{bar:20} {percent:>3} %  {wide_msg}";

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// What is counted, from several threads.
#[derive(Debug, Default)]
pub(super) struct Counters {
    /// It is a store that is copied, and documents are counted in place of bytes.
    of_store: bool,
    /// Bytes of the source that were read or passed over.
    pub(super) bytes: AtomicU64,
    /// Bytes of all there is, as far as they were counted.
    pub(super) total: AtomicU64,
    /// A file could not be read, whatever was made of it since.
    pub(super) reading_failed: AtomicBool,
    /// All were counted; never with standard input.
    pub(super) total_known: AtomicBool,
    settled: Mutex<SettledCounts>,
}

#[derive(Clone, Copy, Debug, Default)]
struct SettledCounts {
    mails: u64,
    failed: u64,
    tally: Counts,
}

impl Counters {
    pub(super) fn new(of_store: bool) -> Counters {
        Counters { of_store, ..Counters::default() }
    }

    pub(super) fn settled(&self, tally: &Counts, failed: bool) {
        let mut settled = self.settled.lock();
        settled.mails += 1;
        settled.failed += u64::from(failed);
        settled.tally.add(tally);
    }

    /// How much of all was read, once that is known.
    pub(super) fn percent(&self) -> Option<u64> {
        let (read, total) = (self.bytes.load(Relaxed), self.total.load(Relaxed));
        let is_known = self.total_known.load(Relaxed) && total > 0;
        // What is read is not settled yet: all of it is only there at the end.
        is_known.then(|| (read.saturating_mul(100) / total).min(99))
    }

    fn look(&self) -> SettledCounts {
        *self.settled.lock()
    }
}

/// Counts what is read.
pub(super) struct Counting<'c, R> {
    pub(super) from: R,
    pub(super) counters: &'c Counters,
}

impl<R: Read> Read for Counting<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer).inspect_err(|error| {
            if error.kind() != io::ErrorKind::Interrupted {
                self.counters.reading_failed.store(true, Relaxed);
            }
        })?;
        self.counters.bytes.fetch_add(read as u64, Relaxed);
        Ok(read)
    }
}

impl<R: Seek> Seek for Counting<'_, R> {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        self.from.seek(to)
    }
}

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Show {
    Bar,
    Lines,
    Nothing,
}

/// Shows progress until it is dropped.
pub(super) struct Progress {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Progress {
    pub(super) fn start(counters: Arc<Counters>, show: Show) -> io::Result<Progress> {
        let (stop, stopped) = mpsc::channel();
        let thread = thread::Builder::new().name("progress".into()).spawn(move || {
            let bar = (show == Show::Bar)
                .then(|| logging::bars().add(ProgressBar::new(0).with_style(style(COUNTING))));
            let _quiet = bar.as_ref().and_then(|_| Quiet::terminal());
            let interval = if bar.is_some() { DRAW_INTERVAL } else { LOG_INTERVAL };
            let mut rates = Rates::new();
            let mut is_known = false;
            while show != Show::Nothing
                && stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout)
            {
                let line = rates.line(&counters);
                if let Some(bar) = &bar {
                    if !is_known && counters.total_known.load(Relaxed) {
                        is_known = true;
                        bar.set_style(style(KNOWN));
                    }
                    bar.set_length(counters.total.load(Relaxed).max(1));
                    bar.set_position(counters.bytes.load(Relaxed));
                    bar.set_message(line);
                } else {
                    info!("{line}");
                }
            }
            if let Some(bar) = bar {
                bar.finish_and_clear();
            }
        })?;
        Ok(Progress { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Rates over the last seconds.
struct Rates {
    started: Instant,
    /// When, and what was counted then; the front is about [`RATE_INTERVAL`] old.
    past: std::collections::VecDeque<(Instant, SettledCounts)>,
}

impl Rates {
    fn new() -> Rates {
        Rates { started: Instant::now(), past: [(Instant::now(), SettledCounts::default())].into() }
    }

    fn line(&mut self, counters: &Counters) -> String {
        let now = counters.look();
        self.past.push_back((Instant::now(), now));
        while self.past.len() > 2 && self.past[1].0.elapsed() >= RATE_INTERVAL {
            self.past.pop_front();
        }
        let (then, before) = self.past[0];
        let seconds = then.elapsed().as_secs_f64().max(0.001);
        let rate = |now: u64, before: u64| HumanCount(per_second(now - before, seconds));
        let records = |tally: &Counts| tally.records + tally.policies;
        let judged = |tally: &Counts| tally.created + tally.duplicates + tally.refused;
        let (bytes, total) = (counters.bytes.load(Relaxed), counters.total.load(Relaxed));
        let left = if counters.total_known.load(Relaxed) && bytes > 0 {
            format!(", {} left", HumanDuration(remaining(self.started.elapsed(), bytes, total)))
        } else {
            String::new()
        };
        let bytes = if counters.of_store {
            format!("{} documents read", HumanCount(bytes))
        } else {
            HumanBytes(bytes).to_string()
        };
        let noun = if counters.of_store { "reports" } else { "mails" };
        // What matters most stands in front: a narrow terminal shows no more.
        format!(
            "{} {noun}, {} failed{left}, {}, {} reports/s, {} records/s, store {}/s, {} duplicates",
            HumanCount(now.mails),
            HumanCount(now.failed),
            bytes,
            rate(now.tally.reports(), before.tally.reports()),
            rate(records(&now.tally), records(&before.tally)),
            rate(judged(&now.tally), judged(&before.tally)),
            HumanCount(now.tally.duplicates),
        )
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "for the eye only"
)]
fn per_second(number: u64, seconds: f64) -> u64 {
    (number as f64 / seconds) as u64
}

#[expect(clippy::cast_precision_loss, reason = "for the eye only")]
fn remaining(lasted: Duration, done: u64, total: u64) -> Duration {
    let share = total.saturating_sub(done) as f64 / done as f64;
    Duration::try_from_secs_f64(lasted.as_secs_f64() * share).unwrap_or(Duration::MAX)
}
