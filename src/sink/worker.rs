//! Worker: a thread of a sink, whose end is noticed even if it panics.

use std::{
    io,
    panic::{self, AssertUnwindSafe},
    sync::Arc,
    thread::{self, JoinHandle},
};

use crate::stop::{Reason, Stop};

/// Starts a thread that does `job`. However that ends, `close` is called, after which no other
/// thread may wait for it any more; a panic asks for the stop before.
///
/// # Errors
/// The system has no room for a thread.
pub fn start(
    name: &str,
    stop: Arc<Stop>,
    job: impl FnOnce() + Send + 'static,
    close: impl FnOnce() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let thread = thread::Builder::new().name(name.into());
    let name = name.to_owned();
    thread.spawn(move || {
        // What a broken job held is dropped unanswered, so its mails stay where they are.
        if panic::catch_unwind(AssertUnwindSafe(job)).is_err() {
            stop.ask(Reason::StoreUnreachable(format!(
                "a bug in this program ended the thread {name}"
            )));
        }
        close();
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::queue::Queue;

    #[test]
    fn a_panic_frees_who_waits_for_the_thread() {
        let stop = Arc::new(Stop::default());
        let queue = Arc::new(Queue::new(10, 10));
        queue.push(10, ()).expect("room");
        let (from, closed) = (Arc::clone(&queue), Arc::clone(&queue));
        let job = move || {
            // Only once the other side waits for room, or is about to.
            assert!(from.take().is_none(), "a bug");
        };
        let worker =
            start("test", Arc::clone(&stop), job, move || closed.abandon()).expect("a thread");
        while queue.push(10, ()).is_ok() {}
        worker.join().expect("caught");
        assert!(matches!(stop.reason(), Some(Reason::StoreUnreachable(_))), "{:?}", stop.reason());
    }
}
