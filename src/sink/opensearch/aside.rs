//! Aside: where documents wait whose index is in trouble, so that those of other indices go on.
//!
//! An index that takes nothing (blocked, closed, missing, without write index) is an outage of that
//! index only, with pauses and patience of its own. A document that is not taken although its index
//! takes others waits here as well, and is given up after some attempts, which leaves its mail
//! where it is.

use std::{
    collections::VecDeque,
    mem,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};
use tracing::{debug, error, warn};

use super::{config::OnTrouble, send::Waiting};
use crate::{
    sink::backoff::{Backoff, pause_after},
    stop::Stopped,
};

/// So many times a document is sent that its index does not take although it takes others.
const ODD_ATTEMPTS: u32 = 8;

/// What a mail takes beside the bytes of its documents, about.
const MAIL_BYTES: usize = 512;

/// An index is asked again at least so often.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The longest pause once something new waits, since that may be what the index takes: one document
/// alone that it does not take looks like an outage.
const PAUSE_BEFORE_NEW: Duration = Duration::from_secs(1);

/// How often something new is looked for.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);

/// Documents sent to see whether the index works again.
const PROBE_ITEMS: usize = 16;

/// What waits for one index.
pub(super) struct Aside {
    state: Mutex<AsideState>,
    changed: Condvar,
    backoff: Backoff,
    on_trouble: OnTrouble,
    /// Bytes that may wait here before further mails are not taken up.
    room: usize,
    /// The index took nothing when it was last asked: what comes for it goes here at once.
    in_trouble: AtomicBool,
    /// Documents that the index judged finally so far: proof that it works, whatever becomes of
    /// single documents.
    judged: AtomicU64,
}

#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each can be true whatever the others are")]
struct AsideState {
    waiting: VecDeque<Waiting>,
    weight: usize,
    /// Something came that was not sent yet.
    has_new: bool,
    /// Why the last one came here.
    reason: String,
    /// Mails were left for want of room.
    left: bool,
    /// The index was waited for long enough.
    given_up: bool,
    /// Nothing more comes.
    closed: bool,
}

impl Aside {
    pub(super) fn new(backoff: Backoff, on_trouble: OnTrouble, room: usize) -> Aside {
        let (in_trouble, judged) = (AtomicBool::new(false), AtomicU64::new(0));
        let (state, changed) = (Mutex::default(), Condvar::new());
        Aside { state, changed, backoff, on_trouble, room, in_trouble, judged }
    }

    pub(super) fn is_in_trouble(&self) -> bool {
        self.in_trouble.load(Ordering::Acquire)
    }

    pub(super) fn judged(&self) -> u64 {
        self.judged.load(Ordering::Acquire)
    }

    /// The index judged so many documents finally.
    pub(super) fn count_judged(&self, documents: u64) {
        self.judged.fetch_add(documents, Ordering::AcqRel);
        if self.in_trouble.swap(false, Ordering::AcqRel) {
            self.backoff.over();
            self.changed.notify_all();
        }
    }

    /// Whether a mail for this index is to be taken up now; may wait for room.
    pub(super) fn admit(&self) -> bool {
        if !self.is_in_trouble() {
            return true;
        }
        let mut state = self.state.lock();
        loop {
            if state.given_up || state.closed {
                return false;
            }
            if state.weight < self.room {
                return true;
            }
            if self.on_trouble != OnTrouble::Wait {
                if !mem::replace(&mut state.left, true) {
                    debug!("further mails for {} are left until it is back", self.backoff.name());
                }
                return false;
            }
            self.changed.wait(&mut state);
        }
    }

    /// Bytes that wait here.
    pub(super) fn weight(&self) -> usize {
        self.state.lock().weight
    }

    /// Puts documents aside.
    pub(super) fn put(&self, mut waiting: Waiting, reason: Option<&str>) {
        waiting.item.pending.waits_aside();
        let judged = self.judged();
        // Documents that were not sent at all come without a reason.
        if judged > mem::replace(&mut waiting.judged, judged)
            && let Some(reason) = reason
        {
            waiting.odd += 1;
            if waiting.odd >= ODD_ATTEMPTS {
                warn!(
                    index = self.backoff.name(),
                    "a document is not taken, its mail stays where it is: {reason}"
                );
                return;
            }
        } else if reason.is_some() {
            self.in_trouble.store(true, Ordering::Release);
        }
        let mut state = self.state.lock();
        if state.given_up || (state.closed && self.backoff.stop().is_asked()) {
            drop(state);
            drop(waiting);
            return;
        }
        state.weight += weight(&waiting);
        if let Some(reason) = reason {
            reason.clone_into(&mut state.reason);
            state.waiting.push_back(waiting);
        } else {
            // In front, so that it is among those that are sent first.
            state.has_new = true;
            state.waiting.push_front(waiting);
        }
        self.changed.notify_all();
    }

    /// Nothing more comes; what waits is still tried.
    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.changed.notify_all();
    }

    /// Nothing more comes; what waits is dropped.
    pub(super) fn abandon(&self) {
        let dropped = {
            let mut state = self.state.lock();
            state.closed = true;
            state.weight = 0;
            mem::take(&mut state.waiting)
        };
        // Outside the lock: dropping settles mails.
        drop(dropped);
        self.changed.notify_all();
    }

    /// True once after mails were left for want of room and the index is back.
    pub(super) fn has_room_again(&self) -> bool {
        let mut state = self.state.lock();
        let again = state.left && !state.given_up && !self.is_in_trouble();
        state.left &= !again;
        again
    }

    /// Sends what comes here by `send`, which puts back what is not taken, with pauses, until the
    /// end of work.
    pub(super) fn serve(&self, batch_bytes: usize, send: impl Fn(Vec<Waiting>)) {
        while let Some(reason) = self.wait_for_some() {
            // If not, single documents wait here.
            let lasted =
                if self.is_in_trouble() { self.backoff.note(&reason) } else { Duration::ZERO };
            if self.backoff.is_hopeless(lasted) {
                if self.on_trouble != OnTrouble::LeaveOrGiveUp {
                    self.backoff.give_up(&reason);
                    return;
                }
                self.give_up(&reason);
                continue;
            }
            self.backoff.metrics().retry();
            if self.pause(pause_after(lasted).min(LONGEST_PAUSE)).is_err() {
                return;
            }
            let judged = self.judged();
            send(self.take(PROBE_ITEMS, batch_bytes));
            // It takes documents again: all that waits goes, but what it does not take a second
            // time waits for another turn.
            let mut turn = self.state.lock().waiting.len();
            while turn > 0 && self.judged() > judged && !self.backoff.stop().is_asked() {
                let batch = self.take(turn, batch_bytes);
                turn -= batch.len().clamp(1, turn);
                send(batch);
            }
        }
    }

    /// Sleeps so long, or less where something new waits. True if work is to end.
    fn pause(&self, pause: Duration) -> Result<(), Stopped> {
        let started = Instant::now();
        loop {
            let at_most = if self.state.lock().has_new { PAUSE_BEFORE_NEW } else { LONGEST_PAUSE };
            let rest = pause.min(at_most).saturating_sub(started.elapsed());
            self.backoff.stop().sleep(rest.min(LOOK_INTERVAL))?;
            if rest <= LOOK_INTERVAL {
                return Ok(());
            }
        }
    }

    /// Why something waits; nothing once nothing more comes.
    fn wait_for_some(&self) -> Option<String> {
        let is_idle = |state: &mut AsideState| state.waiting.is_empty() && !state.closed;
        let mut state = self.state.lock();
        self.changed.wait_while(&mut state, is_idle);
        (!state.waiting.is_empty()).then(|| state.reason.clone())
    }

    /// The first that wait: so many at most, and about so many bytes.
    fn take(&self, items: usize, bytes: usize) -> Vec<Waiting> {
        let mut state = self.state.lock();
        let mut taken = Vec::new();
        let mut weight_taken = 0;
        while taken.len() < items && weight_taken < bytes {
            let Some(waiting) = state.waiting.pop_front() else { break };
            weight_taken += weight(&waiting);
            taken.push(waiting);
        }
        state.weight -= weight_taken;
        state.has_new = false;
        self.changed.notify_all();
        taken
    }

    fn give_up(&self, reason: &str) {
        error!("gave up waiting for {}: {reason}", self.backoff.name());
        let dropped = {
            let mut state = self.state.lock();
            state.given_up = true;
            state.weight = 0;
            mem::take(&mut state.waiting)
        };
        drop(dropped);
        self.changed.notify_all();
    }
}

fn weight(waiting: &Waiting) -> usize {
    waiting.item.bytes.len() + MAIL_BYTES
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, thread};

    use super::*;
    use crate::{
        message::Contents,
        metrics::StoreMetrics,
        settle::{self, Origin},
        sink::opensearch::BulkPart,
        stop::Stop,
    };

    /// How long a pause lasts in which something comes, `reason` being why the index has not taken
    /// it.
    fn pause_in_which_comes(reason: Option<&str>) -> Duration {
        let backoff =
            Backoff::new("test".into(), None, Arc::new(Stop::default()), StoreMetrics::default());
        let aside = Aside::new(backoff, OnTrouble::Leave, 1 << 20);
        let (settler, _settlements) = settle::channel();
        let ticket = settler.ticket(Origin::Input("test".into()), 0, &Contents::default(), None);
        let item =
            BulkPart { lane: None, bytes: Vec::new(), ends: Vec::new(), pending: ticket.pending() };
        let started = Instant::now();
        thread::scope(|scope| {
            let pause = scope.spawn(|| aside.pause(Duration::from_secs(3)));
            aside.put(Waiting::new(item, 0), reason);
            assert_eq!(pause.join().expect("no panic"), Ok(()));
        });
        started.elapsed()
    }

    #[test]
    fn the_index_is_soon_asked_for_what_is_new() {
        let asked_after = pause_in_which_comes(None);
        assert!(asked_after < Duration::from_millis(2500), "{asked_after:?}");
        let asked_after = pause_in_which_comes(Some("not taken"));
        assert!(
            asked_after >= Duration::from_secs(3),
            "what was refused a moment ago can wait: {asked_after:?}"
        );
    }
}
