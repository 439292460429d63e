//! Outage: one store that is away, seen by several threads: when to try again, when to give up, what to log.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tracing::{info, warn};

use crate::{
    metrics::StoreMetrics,
    stop::{Reason, Stop},
};

const SHORTEST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// What is over sooner is a hiccup, and not worth a line in the log.
const HICCUP: Duration = Duration::from_secs(1);

/// Watches over the attempts to reach one store.
#[derive(Debug)]
pub struct Outage {
    store: String,
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

impl Outage {
    /// For the store of this name (as a person knows it: a URL, a file).
    pub fn new(store: String, patience: Option<Duration>, stop: Arc<Stop>, metrics: StoreMetrics) -> Self {
        Outage { store, patience, stop, current: Mutex::new(None), metrics }
    }

    /// An attempt failed: sleeps before the next one. True if there is to be none, because work is to end.
    pub fn pause(&self, reason: &impl fmt::Display) -> bool {
        let lasted = {
            let mut current = self.lock();
            let current = current.get_or_insert_with(|| Current { since: Instant::now(), logged: false });
            let lasted = current.since.elapsed();
            if !current.logged && lasted >= HICCUP {
                current.logged = true;
                self.metrics.set_away(true);
                warn!(store = %self.store, %reason, "store unavailable, mails wait");
            }
            lasted
        };
        if self.patience.is_some_and(|patience| lasted >= patience) {
            self.stop.ask(Reason::StoreUnreachable(format!("{}: {reason}", self.store)));
        }
        self.metrics.retry();
        self.stop.sleep(pause_after(lasted))
    }

    /// An attempt succeeded.
    pub fn over(&self) {
        if let Some(Current { since, logged: true }) = self.lock().take() {
            self.metrics.set_away(false);
            info!(store = %self.store, seconds = since.elapsed().as_secs(), "store available again");
        }
    }

    /// Where requests are counted.
    pub fn metrics(&self) -> &StoreMetrics {
        &self.metrics
    }

    /// Work is to end.
    pub fn stop(&self) -> &Stop {
        &self.stop
    }

    fn lock(&self) -> MutexGuard<'_, Option<Current>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An eighth of the outage so far, so that a short one is noticed to be over at once and a long one costs little,
/// shortened by up to a half at random, so that many clients do not come back in the same moment.
fn pause_after(lasted: Duration) -> Duration {
    let pause = (lasted / 8).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
    // A hasher with random keys is the standard library's source of randomness.
    let random = RandomState::new().hash_one(lasted);
    let half = pause / 2;
    half + half.mul_f64(f64::from((random >> 32) as u32) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_with_the_outage() {
        let short = pause_after(Duration::from_secs(20));
        assert!(short <= Duration::from_millis(2500) && short >= Duration::from_millis(1250), "{short:?}");
        assert!(pause_after(Duration::ZERO) <= SHORTEST_PAUSE);
        assert!(pause_after(Duration::from_hours(24)) <= LONGEST_PAUSE);
    }

    #[test]
    fn patience_ends() {
        let stop = Arc::new(Stop::default());
        let outage = Outage::new("test".into(), Some(Duration::ZERO), Arc::clone(&stop), StoreMetrics::default());
        assert!(outage.pause(&"no route"));
        assert_eq!(stop.reason(), Some(Reason::StoreUnreachable("test: no route".into())));
    }
}
