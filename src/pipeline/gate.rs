//! The gate: how many mails are taken up ahead of the parsers.

use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// Bytes of mails that came out of an mbox or archive and wait for a parser.
const BYTES_TAKEN_UP: usize = 16 << 20;

/// How long one who waits at a gate may overlook that there is room.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// Counts what is under way and lets no more than so many mails, or bytes that were read already,
/// in.
pub(super) struct Gate {
    inside: Mutex<Inside>,
    changed: Condvar,
    room: usize,
}

#[derive(Default)]
struct Inside {
    mails: usize,
    bytes: usize,
}

impl Gate {
    pub(super) fn new(room: usize) -> Self {
        Gate { inside: Mutex::default(), changed: Condvar::new(), room }
    }

    fn is_full(&self, inside: &Inside) -> bool {
        inside.mails >= self.room || inside.bytes >= BYTES_TAKEN_UP
    }

    pub(super) fn enter(&self, bytes: usize) {
        let mut inside = self.inside.lock();
        while self.is_full(&inside) {
            self.changed.wait_for(&mut inside, LOOK_AGAIN);
        }
        inside.mails += 1;
        inside.bytes += bytes;
    }

    pub(super) fn wait_for_room(&self, at_most: Duration) -> bool {
        let until = Instant::now() + at_most;
        let mut inside = self.inside.lock();
        while self.is_full(&inside) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            self.changed.wait_for(&mut inside, left.min(LOOK_AGAIN));
        }
        true
    }

    /// How many mails are left inside.
    pub(super) fn leave(&self, bytes: usize) -> usize {
        let mut inside = self.inside.lock();
        inside.mails -= 1;
        inside.bytes -= bytes;
        // Waking up takes as long as reading a small mail: several are taken up at once.
        if inside.mails <= self.room / 2 {
            self.changed.notify_all();
        }
        inside.mails
    }

    pub(super) fn wait_until_empty(&self) {
        self.changed.wait_while(&mut self.inside.lock(), |inside| inside.mails > 0);
    }
}
