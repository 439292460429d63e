//! The queue between the parsers and a store: bounded by bytes, handed on in batches.
//!
//! It adapts by itself: a batch is handed on when it is large enough, when the parsers have nothing
//! more to come, or when its oldest item has waited for [`LINGER`]. So a lone mail is stored at
//! once and a burst in large batches.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};

use crate::stop::Stopped;

/// How long a partial batch waits while more is being parsed.
const LINGER: Duration = Duration::from_millis(50);

/// A queue of items that weigh something (bytes).
#[derive(Debug)]
pub struct Queue<T> {
    state: Mutex<QueueState<T>>,
    filled: Condvar,
    drained: Condvar,
    batch_weight: usize,
    capacity: usize,
}

#[derive(Debug)]
struct QueueState<T> {
    items: VecDeque<(usize, T)>,
    weight: usize,
    /// When the oldest item came.
    since: Option<Instant>,
    /// Nothing more is being parsed: hand on a partial batch.
    urgent: bool,
    closed: bool,
}

impl<T> Queue<T> {
    /// A queue that hands on batches of about `batch_weight` bytes and holds about `capacity`
    /// bytes.
    pub fn new(batch_weight: usize, capacity: usize) -> Self {
        let state = QueueState {
            items: VecDeque::new(),
            weight: 0,
            since: None,
            urgent: false,
            closed: false,
        };
        Queue {
            state: Mutex::new(state),
            filled: Condvar::new(),
            drained: Condvar::new(),
            batch_weight,
            capacity,
        }
    }

    /// Adds an item; waits while the queue is full.
    ///
    /// # Errors
    /// The queue is closed; the item is dropped.
    pub fn push(&self, weight: usize, item: T) -> Result<(), Stopped> {
        let mut state = self.state.lock();
        while state.weight >= self.capacity && !state.closed {
            self.drained.wait(&mut state);
        }
        if state.closed {
            drop(state);
            // Outside the lock: dropping settles mails.
            drop(item);
            return Err(Stopped);
        }
        if state.items.is_empty() {
            state.since = Some(Instant::now());
            state.urgent = false;
            // A taker must learn when the item came.
            self.filled.notify_one();
        }
        state.items.push_back((weight, item));
        state.weight += weight;
        if state.weight >= self.batch_weight {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Says that nothing more is to come for now: what is there is handed on.
    pub fn flush(&self) {
        self.state.lock().urgent = true;
        self.filled.notify_all();
    }

    /// No more items; what is there is handed on.
    pub fn close(&self) {
        self.state.lock().closed = true;
        self.filled.notify_all();
        self.drained.notify_all();
    }

    /// No more items; what is there is dropped.
    pub fn abandon(&self) {
        let dropped = {
            let mut state = self.state.lock();
            state.closed = true;
            state.weight = 0;
            std::mem::take(&mut state.items)
        };
        // Outside the lock: dropping settles mails.
        drop(dropped);
        self.filled.notify_all();
        self.drained.notify_all();
    }

    /// Waits for an item; true if none came for so long, and more may come.
    pub fn is_idle(&self, pause: Duration) -> bool {
        let mut state = self.state.lock();
        let is_idle = |state: &mut QueueState<T>| state.items.is_empty() && !state.closed;
        self.filled.wait_while_for(&mut state, is_idle, pause).timed_out()
    }

    /// Waits for the next batch; nothing once the queue is closed and empty.
    pub fn take(&self) -> Option<Vec<T>> {
        let mut state = self.state.lock();
        loop {
            let waited = state.since.map_or(Duration::ZERO, |since| since.elapsed());
            let ready = state.urgent
                || state.closed
                || state.weight >= self.batch_weight
                || waited >= LINGER;
            if state.items.is_empty() {
                if state.closed {
                    return None;
                }
                self.filled.wait(&mut state);
            } else if ready {
                return Some(self.drain(&mut state));
            } else {
                self.filled.wait_for(&mut state, LINGER.saturating_sub(waited));
            }
        }
    }

    /// Bytes waiting.
    pub fn weight(&self) -> usize {
        self.state.lock().weight
    }

    fn drain(&self, state: &mut QueueState<T>) -> Vec<T> {
        let mut batch = Vec::new();
        let mut weight = 0;
        while let Some((next, _)) = state.items.front() {
            if !batch.is_empty() && weight + next > self.batch_weight {
                break;
            }
            let Some((next, item)) = state.items.pop_front() else { break };
            weight += next;
            batch.push(item);
        }
        state.weight -= weight;
        state.since = Some(Instant::now()).filter(|_| !state.items.is_empty());
        self.drained.notify_all();
        batch
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{sync::Arc, thread};

    #[test]
    fn batches_are_cut_by_weight_and_keep_their_order() {
        let queue = Queue::new(10, 100);
        assert!((0..5).all(|n| queue.push(4, n).is_ok()));
        queue.close();
        let batches: Vec<_> = std::iter::from_fn(|| queue.take()).collect();
        assert_eq!(batches, [vec![0, 1], vec![2, 3], vec![4]]);
    }

    #[test]
    fn an_item_heavier_than_a_batch_travels_alone() {
        let queue = Queue::new(10, 100);
        queue.push(50, 'a').expect("room");
        queue.push(1, 'b').expect("room");
        queue.close();
        assert_eq!(queue.take(), Some(vec!['a']));
        assert_eq!(queue.take(), Some(vec!['b']));
        assert_eq!(queue.take(), None);
        assert_eq!(queue.push(1, 'c'), Err(Stopped), "a closed queue says so");
    }

    #[test]
    fn a_full_queue_makes_the_producer_wait() {
        let queue = Arc::new(Queue::new(10, 20));
        let producer = thread::spawn({
            let queue = Arc::clone(&queue);
            move || {
                (0..100).for_each(|n| {
                    queue.push(10, n).expect("open");
                    assert!(queue.weight() <= 20);
                });
                queue.close();
            }
        });
        let all: Vec<_> = std::iter::from_fn(|| queue.take()).flatten().collect();
        producer.join().expect("the producer saw no overweight");
        assert_eq!(all, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn abandoning_frees_a_waiting_producer() {
        let queue = Arc::new(Queue::new(10, 10));
        queue.push(10, ()).expect("room");
        let producer = thread::spawn({
            let queue = Arc::clone(&queue);
            move || queue.push(10, ())
        });
        queue.abandon();
        assert_eq!(producer.join().expect("freed"), Err(Stopped));
        assert_eq!(queue.take(), None);
    }
}
