//! Backoff: one store that is away, seen by several threads: when to try again, when to give up,
//! what to log.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tracing::{info, warn};

use crate::{
    metrics::StoreMetrics,
    stop::{Reason, Stop, Stopped},
};

const SHORTEST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// What is over sooner is a hiccup, and not worth a line in the log.
pub(crate) const HICCUP: Duration = Duration::from_secs(1);

/// Watches over the attempts to reach one store.
#[derive(Debug)]
pub struct Backoff {
    store: String,
    /// Only a part of the store, such as one index: the others go on.
    is_part: bool,
    /// How long an outage may last before work is stopped; nothing waits for ever.
    patience: Option<Duration>,
    stop: Arc<Stop>,
    current: Mutex<Option<Current>>,
    metrics: StoreMetrics,
}

#[derive(Debug)]
struct Current {
    since: Instant,
    logged: bool,
}

impl Backoff {
    /// For the store of this name (as a person knows it: a URL, a file).
    pub fn new(
        store: String,
        patience: Option<Duration>,
        stop: Arc<Stop>,
        metrics: StoreMetrics,
    ) -> Self {
        Backoff { store, is_part: false, patience, stop, current: Mutex::new(None), metrics }
    }

    /// For a part of a store, under this name.
    #[must_use]
    pub fn of_part(&self, name: String) -> Self {
        let (stop, metrics) = (Arc::clone(&self.stop), self.metrics.clone());
        let mut part = Backoff::new(name, self.patience, stop, metrics);
        part.is_part = true;
        part
    }

    /// An attempt failed: sleeps before the next one.
    ///
    /// # Errors
    /// There is to be none, since work is to end.
    pub fn pause(&self, reason: &impl fmt::Display) -> Result<(), Stopped> {
        let lasted = self.note(reason);
        if self.is_hopeless(lasted) {
            self.give_up(reason);
        }
        self.metrics.retry();
        self.sleep(pause_after(lasted))
    }

    /// Sleeps as long as this, or until another thread has seen the end of the outage, which is
    /// looked for every [`SHORTEST_PAUSE`].
    fn sleep(&self, pause: Duration) -> Result<(), Stopped> {
        let started = Instant::now();
        loop {
            let rest = pause.saturating_sub(started.elapsed());
            self.stop.sleep(rest.min(SHORTEST_PAUSE))?;
            if rest <= SHORTEST_PAUSE || self.current.lock().is_none() {
                return Ok(());
            }
        }
    }

    /// An attempt failed; how long the outage has lasted.
    pub fn note(&self, reason: &impl fmt::Display) -> Duration {
        let mut current = self.current.lock();
        let current =
            current.get_or_insert_with(|| Current { since: Instant::now(), logged: false });
        let lasted = current.since.elapsed();
        if !current.logged && lasted >= HICCUP {
            current.logged = true;
            self.metrics.set_away(true);
            if self.is_part {
                warn!(part = %self.store, %reason, "part of the store unavailable, its mails wait");
            } else {
                warn!(store = %self.store, %reason, "store unavailable, mails wait");
            }
        }
        lasted
    }

    /// True if an outage that has lasted so long is not waited for any more.
    pub fn is_hopeless(&self, lasted: Duration) -> bool {
        self.patience.is_some_and(|patience| lasted >= patience)
    }

    /// Asks for the end, since the store was waited for long enough.
    pub fn give_up(&self, reason: &impl fmt::Display) {
        let reason = reason.to_string();
        // Most reasons name the node.
        let why =
            if reason.contains(&self.store) { reason } else { format!("{}: {reason}", self.store) };
        self.stop.ask(Reason::StoreUnreachable(why));
    }

    /// The name that a person knows it by.
    pub fn name(&self) -> &str {
        &self.store
    }

    /// An attempt succeeded.
    pub fn over(&self) {
        if let Some(Current { since, logged: true }) = self.current.lock().take() {
            self.metrics.set_away(false);
            let seconds = since.elapsed().as_secs();
            if self.is_part {
                info!(part = %self.store, seconds, "part of the store available again");
            } else {
                info!(store = %self.store, seconds, "store available again");
            }
        }
    }

    /// Where requests are counted.
    pub fn metrics(&self) -> &StoreMetrics {
        &self.metrics
    }

    /// Work is to end.
    pub fn stop(&self) -> &Arc<Stop> {
        &self.stop
    }
}

impl Drop for Backoff {
    /// Nothing tries any more; the next run finds out.
    fn drop(&mut self) {
        let current = self.current.get_mut();
        if current.as_ref().is_some_and(|current| current.logged) {
            self.metrics.set_away(false);
        }
    }
}

/// An eighth of the outage so far, so that a short one is noticed to be over at once and a long one
/// costs little, shortened by up to a half at random, so that many clients do not come back in the
/// same moment.
pub(crate) fn pause_after(lasted: Duration) -> Duration {
    let pause = (lasted / 8).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
    // A hasher with random keys is the standard library's source of randomness.
    let random = RandomState::new().hash_one(lasted);
    let half = pause / 2;
    half + half.mul_f64(f64::from((random >> 32) as u32) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn pauses_grow_with_the_outage() {
        let short = pause_after(Duration::from_secs(20));
        assert!(
            short <= Duration::from_millis(2500) && short >= Duration::from_millis(1250),
            "{short:?}"
        );
        assert!(pause_after(Duration::ZERO) <= SHORTEST_PAUSE);
        assert!(pause_after(Duration::from_hours(24)) <= LONGEST_PAUSE);
    }

    #[test]
    fn the_end_of_an_outage_wakes_all_who_wait_for_it() {
        let (stop, metrics) = (Arc::new(Stop::default()), StoreMetrics::default());
        let backoff = Backoff::new("test".into(), None, stop, metrics);
        let Some(since) = Instant::now().checked_sub(Duration::from_secs(80)) else { return };
        *backoff.current.lock() = Some(Current { since, logged: true });
        let began = Instant::now();
        thread::scope(|scope| {
            let waits = scope.spawn(|| backoff.pause(&"no route"));
            thread::sleep(Duration::from_millis(100));
            backoff.over();
            assert_eq!(waits.join().expect("woken"), Ok(()));
        });
        // Else five at least.
        assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    }

    #[test]
    fn patience_ends() {
        let stop = Arc::new(Stop::default());
        let backoff = Backoff::new(
            "test".into(),
            Some(Duration::ZERO),
            Arc::clone(&stop),
            StoreMetrics::default(),
        );
        assert_eq!(backoff.pause(&"no route"), Err(Stopped));
        assert_eq!(stop.reason(), Some(Reason::StoreUnreachable("test: no route".into())));
    }
}
