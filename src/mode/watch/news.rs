//! News: what `watch` finds once it has stored: alerts that are to be told, and numbers of messages
//! for its metrics. A thread of its own does it, which reads the store as another program would; no
//! mail waits for it.

use std::{
    io,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use tracing::{error, info};

use crate::{
    alerts,
    changes::News,
    config::Config,
    exit::Failure,
    ingest::counted,
    metrics::{BucketMessages, Metrics},
    sink::Destination,
    stop::Stop,
    verdict::{Bucket, SenderSums},
};

/// That nothing came is news, too: so often it is looked in any case.
const IDLE: Duration = Duration::from_hours(6);

/// And so often, as long as it fails: the mail server may be back.
const AGAIN: Duration = Duration::from_mins(5);

/// While mail comes without a pause it is looked after so many times what is waited for.
const AT_MOST: u32 = 10;

/// Domains whose numbers are shown, those with most messages: strangers may name any number.
const DOMAINS: usize = 20;

/// Says that something was stored; never waits.
#[derive(Clone)]
pub(super) struct Poke(Option<SyncSender<()>>);

impl Poke {
    pub(super) fn stored(&self) {
        if let Some(sender) = &self.0 {
            // One that waits to be heard is enough.
            let _ = sender.try_send(());
        }
    }
}

/// Starts the thread if somebody wants news. It ends when nobody can poke it any more.
///
/// # Errors
/// There is no room for a thread.
pub(super) fn start(config: &Config, stop: &Arc<Stop>, metrics: &Metrics) -> io::Result<Poke> {
    let is_wanted = alerts::is_wanted(config) || config.metrics.is_some();
    let is_readable = matches!(config.store, Destination::Sqlite(_) | Destination::OpenSearch(_));
    if !is_wanted || !is_readable {
        return Ok(Poke(None));
    }
    let (poke, poked) = sync_channel(1);
    let (config, stop, metrics) = (config.clone(), Arc::clone(stop), metrics.clone());
    thread::Builder::new().name("news".into()).spawn(move || {
        let mut idle = IDLE;
        while wait(&poked, config.alert_after, idle) {
            idle = if look(&config, &stop, &metrics) { IDLE } else { AGAIN };
        }
    })?;
    let poke = Poke(Some(poke));
    // What came while no watch was running.
    poke.stored();
    Ok(poke)
}

/// Waits until something was stored and nothing more came for a while; false at the end.
fn wait(poked: &Receiver<()>, pause: Duration, idle: Duration) -> bool {
    match poked.recv_timeout(idle) {
        Ok(()) => {}
        Err(RecvTimeoutError::Timeout) => return true,
        Err(RecvTimeoutError::Disconnected) => return false,
    }
    let since = Instant::now();
    while since.elapsed() < pause.saturating_mul(AT_MOST) {
        match poked.recv_timeout(pause) {
            Ok(()) => {}
            Err(RecvTimeoutError::Timeout) => break,
            Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
    true
}

/// False if it could not be looked, or not be told.
fn look(config: &Config, stop: &Stop, metrics: &Metrics) -> bool {
    if stop.is_asked() {
        return true;
    }
    let now = Timestamp::now().as_second();
    let found = if alerts::is_wanted(config) {
        alerts::tell(config, now, false, stop).map(|looked| {
            let told = looked.tellings.len() as u64;
            if told > 0 {
                info!("{} told", counted(told, "alert"));
            }
            (looked.trouble(), looked.news)
        })
    } else {
        alerts::look(config, now).map(|news| (None, news))
    };
    let trouble = match found {
        Ok((trouble, news)) => {
            metrics.set_standings(&standings(&news));
            trouble
        }
        Err(error) => Some(error),
    };
    // What was not told is tried again.
    trouble.iter().for_each(|error| tell_trouble(error, stop));
    trouble.is_none()
}

fn tell_trouble(error: &Failure, stop: &Stop) {
    if !stop.is_asked() {
        error!("news: {error}");
    }
}

fn standings(news: &News) -> Vec<BucketMessages> {
    let mut all = Vec::new();
    for standing in news.standings.iter().take(DOMAINS) {
        for bucket in Bucket::ALL {
            let sum = SenderSums::of(standing.of(bucket)).now;
            let (domain, bucket) = (standing.domain.clone(), bucket.word());
            all.push(BucketMessages { domain, bucket, pass: sum.pass, fail: sum.failing() });
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heap_of_mails_is_one_reason_to_look() {
        let (poke, poked) = sync_channel(1);
        let poke = Poke(Some(poke));
        (0..100).for_each(|_| poke.stored());
        let [pause, idle] = [Duration::from_millis(5), Duration::from_hours(1)];
        assert!(wait(&poked, pause, idle));
        drop(poke);
        assert!(!wait(&poked, pause, idle), "all was heard");
    }
}
