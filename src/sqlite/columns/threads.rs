//! Threads: go through segments while the next are read.

use std::{
    panic::resume_unwind,
    sync::{
        Arc,
        mpsc::{self, Receiver},
    },
    thread,
};

use parking_lot::Mutex;
use rusqlite::Result;

use super::{
    blobs::Blobs,
    scan::Gather,
    segment::broken,
    segments::{RECORDS, SEGMENTS},
    view::{Parts, View},
};

/// Goes through all segments that are read. What each thread has gathered.
pub(super) fn go_through<G: Gather>(
    view: &View,
    all: &[G],
    mut read: impl FnMut() -> Result<Vec<Blobs>>,
) -> Result<Vec<Vec<Option<G>>>> {
    let some = read()?;
    // A thread for few would cost more than they do.
    if some.len() < SEGMENTS && some.iter().map(Blobs::len).sum::<usize>() < RECORDS {
        let mut parts = Parts::new(all);
        view.go_through_all(some, &mut parts).map_err(broken)?;
        return Ok(vec![parts.parts]);
    }
    on_threads(view, all, some, read)
}

/// Goes through segments on all threads while the next are read. What each has gathered.
fn on_threads<G: Gather>(
    view: &View,
    all: &[G],
    first: Vec<Blobs>,
    mut read: impl FnMut() -> Result<Vec<Blobs>>,
) -> Result<Vec<Vec<Option<G>>>> {
    let threads = rayon::current_num_threads();
    let (sender, receiver) = mpsc::sync_channel(threads);
    let receiver = Arc::new(Mutex::new(receiver));
    thread::scope(|scope| {
        // Each has its own, so that nobody waits for them once all have ended.
        let work = |receiver: Arc<Mutex<Receiver<Vec<Blobs>>>>| {
            // It keeps what it gathers to the end: there may be thousands of senders to merge.
            let mut parts = Parts::new(all);
            loop {
                let next = receiver.lock().recv();
                let Ok(some) = next else { return Ok(parts.parts) };
                view.go_through_all(some, &mut parts)?;
            }
        };
        let start = |_| {
            let receiver = Arc::clone(&receiver);
            scope.spawn(move || work(receiver))
        };
        let workers: Vec<_> = (0..threads).map(start).collect();
        drop(receiver);
        let mut some = first;
        while !some.is_empty() && sender.send(some).is_ok() {
            some = read()?;
        }
        drop(sender);
        let found = workers.into_iter().map(|worker| {
            worker.join().unwrap_or_else(|panic| resume_unwind(panic)).map_err(broken)
        });
        found.collect()
    })
}
