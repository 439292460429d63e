//! Pace: how large a request may be for a node that has said that one was too large.

use std::sync::atomic::{AtomicUsize, Ordering};

/// No request is made smaller than this because of its size; one document it always holds.
const SMALLEST: usize = 4 << 10;

/// Bytes of a request, as the node was seen to take them. Shared by all senders and remembered from
/// batch to batch.
#[derive(Debug)]
pub(super) struct Pace {
    /// No request is larger for now.
    now: AtomicUsize,
    /// None ever is, since the node does not take it.
    at_most: AtomicUsize,
}

impl Default for Pace {
    fn default() -> Self {
        Pace { now: AtomicUsize::new(usize::MAX), at_most: AtomicUsize::new(usize::MAX) }
    }
}

impl Pace {
    /// How many bytes a request may have.
    pub(super) fn bytes(&self) -> usize {
        self.now.load(Ordering::Relaxed)
    }

    /// A request of this size was more than the node has room for at the moment.
    pub(super) fn too_much(&self, bytes: usize) {
        self.now.fetch_min((bytes / 2).max(SMALLEST), Ordering::Relaxed);
    }

    /// A request of this size is more than the node ever takes.
    pub(super) fn too_large(&self, bytes: usize) {
        let half = (bytes / 2).max(1);
        self.at_most.fetch_min(half, Ordering::Relaxed);
        self.now.fetch_min(half, Ordering::Relaxed);
    }

    /// A request of this size was taken: the next may be twice as large, if this one was about as
    /// large as allowed.
    pub(super) fn taken(&self, bytes: usize) {
        let now = self.bytes();
        if now < usize::MAX && bytes >= now / 2 {
            let at_most = self.at_most.load(Ordering::Relaxed);
            // If another thread has learned something meanwhile, that counts.
            let next = now.saturating_mul(2).min(at_most);
            let _ = self.now.compare_exchange(now, next, Ordering::Relaxed, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_node_gets_more_again_as_it_takes_it() {
        let pace = Pace::default();
        pace.too_much(1 << 20);
        assert_eq!(pace.bytes(), 1 << 19);
        pace.taken(100);
        assert_eq!(pace.bytes(), 1 << 19, "a small request proves nothing");
        for _ in 0..64 {
            pace.taken(pace.bytes());
        }
        assert_eq!(pace.bytes(), usize::MAX);
    }

    #[test]
    fn what_a_node_never_takes_is_not_tried_again() {
        let pace = Pace::default();
        pace.too_large(1 << 20);
        pace.taken(1 << 19);
        assert_eq!(pace.bytes(), 1 << 19);
        pace.too_much(1 << 19);
        pace.taken(1 << 18);
        assert_eq!(pace.bytes(), 1 << 19);
    }
}
