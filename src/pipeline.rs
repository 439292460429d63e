//! The pipeline: from mails taken up to mails settled.
//!
//! Mails are read, unpacked and parsed on a rayon pool; the sink gathers their documents and answers for them; one
//! thread settles. Each stage makes the one before it wait: at most [`TAKEN_UP_PER_THREAD`] mails a thread are being
//! read, the sink's queue is bounded by bytes, and large mails are read one at a time.

use std::{
    any::Any,
    io,
    panic::{self, AssertUnwindSafe},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
};

use rayon::{ThreadPool, ThreadPoolBuilder};
use tracing::{error, warn};

use crate::{
    limits::Limits,
    message::{self, Contents},
    sanitize,
    settle::{self, Origin, Outcome, Settlement, Settler, Tally},
    sink::Sink,
    source::{self, Bytes},
};

/// Mails taken up ahead of the parsers, so that these never wait for the one who lists them.
const TAKEN_UP_PER_THREAD: usize = 16;

/// Mails above this size are read one at a time: what they unpack to may be hundreds of times as large.
const LARGE: usize = 1 << 20;

/// What to do with mail that is no report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unrecognized {
    /// Deliver it to `.failed`.
    #[default]
    Fail,
    /// Leave it in `new/`.
    Keep,
}

/// How many mails came to which end, and their numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Mails of which the store has every document.
    pub stored: u64,
    /// Mails that can't be read as reports, or hold documents that the store refused.
    pub failed: u64,
    /// Mails of other kinds.
    pub unrecognized: u64,
    /// Mails left where they were, since the store has not acknowledged them or they could not be moved.
    pub left: u64,
    /// Numbers of reports and documents of all mails that were not left.
    pub tally: Tally,
}

impl Totals {
    /// All mails.
    pub fn mails(&self) -> u64 {
        self.stored + self.failed + self.unrecognized + self.left
    }
}

/// A running pipeline; see the module.
pub struct Pipeline {
    pool: ThreadPool,
    stage: Arc<Stage>,
    settling: JoinHandle<Totals>,
}

/// What the parsers share.
struct Stage {
    sink: Arc<dyn Sink>,
    settler: Settler,
    limits: Limits,
    taken_up: Gate,
    large: Mutex<()>,
}

/// A mail to be read.
#[derive(Debug)]
pub struct Mail {
    /// Where it came from.
    pub origin: Origin,
    /// Its bytes; nothing if they are still to be read from the Maildir.
    pub bytes: Option<Bytes>,
}

impl Pipeline {
    /// Starts the threads; `observe` hears of every mail after it was settled.
    ///
    /// # Errors
    /// The system has no room for a thread.
    pub fn start(
        threads: usize,
        limits: Limits,
        sink: Arc<dyn Sink>,
        unrecognized: Unrecognized,
        observe: impl FnMut(&Settlement) + Send + 'static,
    ) -> io::Result<Pipeline> {
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|n| format!("parser-{n}"))
            .build()
            .map_err(io::Error::other)?;
        let (settler, settlements) = settle::channel();
        let settling = thread::Builder::new().name("settler".into()).spawn(move || {
            let mut totals = Totals::default();
            let mut observe = observe;
            for settlement in settlements {
                settle(&settlement, unrecognized, &mut totals);
                observe(&settlement);
            }
            totals
        })?;
        let taken_up = Gate::new(TAKEN_UP_PER_THREAD * pool.current_num_threads());
        let stage = Arc::new(Stage { sink, settler, limits, taken_up, large: Mutex::new(()) });
        Ok(Pipeline { pool, stage, settling })
    }

    /// Takes up a mail; waits while too many are being read.
    pub fn submit(&self, mail: Mail) {
        self.stage.taken_up.enter();
        let stage = Arc::clone(&self.stage);
        self.pool.spawn_fifo(move || {
            stage.process(mail);
            if stage.taken_up.leave() == 0 {
                stage.sink.hurry();
            }
        });
    }

    /// Waits until every mail taken up is settled, and ends.
    pub fn finish(self) -> Totals {
        let Pipeline { pool, stage, settling } = self;
        stage.taken_up.wait_until_empty();
        stage.sink.finish();
        drop(pool);
        drop(stage);
        // With the last delivery the channel ends, and with it the settling thread.
        settling.join().unwrap_or_else(|panic| {
            error!("settling broke off, mails stay where they are: {}", panic_text(panic.as_ref()));
            Totals::default()
        })
    }
}

impl Stage {
    fn process(&self, mail: Mail) {
        let bytes = match (mail.bytes, &mail.origin) {
            (Some(bytes), _) => Ok(bytes),
            (None, Origin::Maildir(entry)) => source::read_file(&entry.path(), self.limits.mail_bytes),
            (None, Origin::Input(_)) => Ok(Bytes::Gone),
        };
        let contents = match bytes {
            Ok(Bytes::Whole(bytes)) => {
                let one_large = (bytes.len() > LARGE).then(|| lock(&self.large));
                let contents = self.read(&bytes);
                drop(bytes);
                let delivery = self.settler.delivery(mail.origin, &contents);
                self.sink.accept(contents, &delivery);
                drop(one_large);
                return;
            }
            Ok(Bytes::TooLarge) => Contents::refused(self.limits.too_large()),
            Ok(Bytes::Gone) => return,
            Err(error) => {
                let name = mail.origin.name();
                error!(mail = %sanitize::line(&name), "can't be read, it stays where it is: {error}");
                return;
            }
        };
        self.settler.delivery(mail.origin, &contents);
    }

    /// Reads a mail. A panic would be a bug, but not one for which a mail blocks all others.
    fn read(&self, bytes: &[u8]) -> Contents {
        panic::catch_unwind(AssertUnwindSafe(|| message::read(bytes, &self.limits)))
            .unwrap_or_else(|panic| Contents::refused(message::Unusable::Bug(panic_text(panic.as_ref()))))
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("unknown panic").to_owned()
}

/// Carries out what became of a mail, and counts it.
fn settle(settlement: &Settlement, unrecognized: Unrecognized, totals: &mut Totals) {
    let Settlement { origin, outcome, tally } = settlement;
    let moved = match (origin, outcome) {
        (_, Outcome::Left) | (Origin::Input(_), _) => Ok(true),
        (Origin::Maildir(_), Outcome::Unrecognized(_)) if unrecognized == Unrecognized::Keep => Ok(true),
        (Origin::Maildir(entry), Outcome::Stored) => entry.settle_stored(),
        (Origin::Maildir(entry), Outcome::Failed(reason) | Outcome::Unrecognized(reason)) => {
            entry.settle_failed(reason)
        }
    };
    if let Err(error) = &moved {
        let name = origin.name();
        error!(mail = %sanitize::line(&name), "can't be moved, it stays where it is: {error}");
    }
    match outcome {
        Outcome::Left => totals.left += 1,
        _ if moved.is_err() => totals.left += 1,
        Outcome::Stored => totals.stored += 1,
        Outcome::Failed(reason) => {
            totals.failed += 1;
            warn!(mail = %sanitize::line(&origin.name()), "failed: {}", sanitize::line(reason));
        }
        Outcome::Unrecognized(reason) => {
            totals.unrecognized += 1;
            warn!(mail = %sanitize::line(&origin.name()), "{}", sanitize::line(reason));
        }
    }
    if *outcome != Outcome::Left {
        totals.tally.add(tally);
        if tally.lost > 0 {
            let name = origin.name();
            warn!(mail = %sanitize::line(&name), lost = tally.lost, "records that can't be read are missing");
        }
    }
}

/// Counts what is under way and lets no more than a number in.
struct Gate {
    inside: Mutex<usize>,
    changed: Condvar,
    room: usize,
}

impl Gate {
    fn new(room: usize) -> Self {
        Gate { inside: Mutex::new(0), changed: Condvar::new(), room }
    }

    fn enter(&self) {
        let wait = self.changed.wait_while(lock(&self.inside), |inside| *inside >= self.room);
        *wait.unwrap_or_else(PoisonError::into_inner) += 1;
    }

    /// How many are left inside.
    fn leave(&self) -> usize {
        let mut inside = lock(&self.inside);
        *inside -= 1;
        self.changed.notify_all();
        *inside
    }

    fn wait_until_empty(&self) {
        let wait = self.changed.wait_while(lock(&self.inside), |inside| *inside > 0);
        drop(wait.unwrap_or_else(PoisonError::into_inner));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
