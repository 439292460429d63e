//! The gate: how many mails are taken up ahead of the parsers.

use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};

/// Bytes of mails that came out of an mbox or archive and wait for a parser.
const BYTES_TAKEN_UP: usize = 16 << 20;

/// How long one who waits at a gate may overlook that there is room: waking up takes as long as
/// reading a small mail, so several are taken up at once.
const UNHURRIED: Duration = Duration::from_millis(5);

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
    /// How many have waited for longer than that.
    hurried: usize,
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
        self.wait(&mut inside, None);
        inside.mails += 1;
        inside.bytes += bytes;
    }

    pub(super) fn wait_for_room(&self, at_most: Duration) -> bool {
        let mut inside = self.inside.lock();
        self.wait(&mut inside, Some(Instant::now() + at_most));
        !self.is_full(&inside)
    }

    /// Waits for room, or until then.
    fn wait(&self, inside: &mut MutexGuard<Inside>, until: Option<Instant>) {
        let unhurried = Instant::now() + UNHURRIED;
        let first = until.map_or(unhurried, |until| until.min(unhurried));
        self.changed.wait_while_until(inside, |inside| self.is_full(inside), first);
        if !self.is_full(inside) {
            return;
        }
        inside.hurried += 1;
        match until {
            Some(until) => {
                self.changed.wait_while_until(inside, |inside| self.is_full(inside), until);
            }
            None => self.changed.wait_while(inside, |inside| self.is_full(inside)),
        }
        inside.hurried -= 1;
    }

    /// How many mails are left inside.
    pub(super) fn leave(&self, bytes: usize) -> usize {
        let mut inside = self.inside.lock();
        inside.mails -= 1;
        inside.bytes -= bytes;
        if inside.mails <= self.room / 2 || inside.hurried > 0 {
            self.changed.notify_all();
        }
        inside.mails
    }

    pub(super) fn wait_until_empty(&self) {
        self.changed.wait_while(&mut self.inside.lock(), |inside| inside.mails > 0);
    }
}
