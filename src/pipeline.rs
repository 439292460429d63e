//! The pipeline: from mails taken up to mails settled.
//!
//! Mails are read, unpacked and parsed on a rayon pool; the sink gathers their documents and
//! answers for them; one thread settles. Each stage makes the one before it wait: at most
//! [`TAKEN_UP_PER_THREAD`] mails a thread are being read, the sink's queue is bounded by bytes, and
//! large mails are read one at a time. What mails take in memory once they are unpacked is counted
//! over all threads ([`Memory`]); a mail that would make it too much is read alone.

mod gate;

use std::{
    any::Any,
    fs, io,
    ops::Range,
    panic::{self, AssertUnwindSafe},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use rayon::{ThreadPool, ThreadPoolBuilder};
use tracing::{error, warn};

use self::gate::Gate;
use crate::{
    file::{self, Bytes},
    message::{self, Contents},
    settle::{
        self, OnSettled, Origin, Settlement, Settler, Tag,
        apply::{self, Moved, Totals, Unrecognized},
    },
    sink::Sink,
};

/// Mails taken up ahead of the parsers, so that these never wait for the one who lists them.
const TAKEN_UP_PER_THREAD: usize = 16;

/// Mails above this many bytes are under way one at a time, from reading to settling, and all on
/// one thread: what they unpack to may be hundreds of times as large, and freed memory is not
/// shared between threads' arenas. One that waits for a part of the store that is away holds up no
/// other.
const LARGE: u64 = 1 << 20;

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
    reading: message::ReadOptions,
    period: Option<Range<i64>>,
    taken_up: Gate,
    memory: Memory,
    /// One thread for the large mails, one after the other.
    large: ThreadPool,
}

/// How mails are treated.
#[derive(Clone, Debug)]
pub struct PipelineConfig {
    /// Threads that read.
    pub threads: usize,
    /// How each mail is read.
    pub reading: message::ReadOptions,
    /// What becomes of mail that is no report.
    pub unrecognized: Unrecognized,
    /// Only reports whose period begins within are wanted; seconds since 1970.
    pub period: Option<Range<i64>>,
}

/// A mail to be read.
#[derive(Debug)]
pub struct Mail {
    /// Where it came from.
    pub origin: Origin,
    /// Comes back with the settlement.
    pub tag: Tag,
    /// Its bytes; nothing if they are still to be read from the file where it lies.
    pub bytes: Option<Bytes>,
}

impl Pipeline {
    /// Starts the threads; `observe` hears of every mail after it was settled, with those settled
    /// at once.
    ///
    /// # Errors
    /// The system has no room for a thread.
    pub fn start(
        settings: PipelineConfig,
        sink: Arc<dyn Sink>,
        observe: impl FnMut(&[(Settlement, Moved)]) + Send + 'static,
    ) -> io::Result<Pipeline> {
        let PipelineConfig { threads, reading, unrecognized, period } = settings;
        let threads_named = |number, name: &'static str| {
            let pool = ThreadPoolBuilder::new()
                .num_threads(number)
                .thread_name(move |n| format!("{name}-{n}"));
            pool.build().map_err(io::Error::other)
        };
        let (pool, large) = (threads_named(threads, "parser")?, threads_named(1, "large")?);
        let (settler, settlements) = settle::channel();
        let settling = thread::Builder::new()
            .name("settler".into())
            .spawn(move || apply::run(&settlements, unrecognized, observe))?;
        let taken_up = Gate::new(TAKEN_UP_PER_THREAD * pool.current_num_threads());
        let memory = Memory::default();
        let stage = Arc::new(Stage { sink, settler, reading, period, taken_up, memory, large });
        Ok(Pipeline { pool, stage, settling })
    }

    /// Waits for room for another mail, at most as long as this. True if there is room.
    pub fn wait_for_room(&self, at_most: Duration) -> bool {
        self.stage.taken_up.wait_for_room(at_most)
    }

    /// Takes up a mail; waits while too many are being read.
    pub fn submit(&self, mail: Mail) {
        let bytes = match &mail.bytes {
            Some(Bytes::Whole(bytes)) => bytes.len(),
            _ => 0,
        };
        self.stage.taken_up.enter(bytes);
        let stage = Arc::clone(&self.stage);
        self.pool.spawn_fifo(move || {
            if is_large(&mail) {
                let on = Arc::clone(&stage);
                on.large.spawn_fifo(move || stage.process_large(mail, bytes));
            } else if let Some(mail) = stage.process(mail) {
                let on = Arc::clone(&stage);
                on.large.spawn_fifo(move || {
                    stage.process_alone(mail, None);
                    stage.leave(bytes);
                });
            } else {
                stage.leave(bytes);
            }
        });
    }

    /// Hands on what another store has; waits while the sink has no room. `name` is for a person.
    pub fn hand_on(&self, name: String, tag: Tag, contents: Contents) {
        let ticket = self.stage.settler.ticket(Origin::Input(name), tag, &contents, None);
        self.stage.sink.accept(contents, &ticket);
    }

    /// Waits until every mail taken up is settled, and ends.
    pub fn finish(self) -> Totals {
        let Pipeline { pool, stage, settling } = self;
        stage.taken_up.wait_until_empty();
        stage.sink.finish();
        drop(pool);
        drop(stage);
        // With the last ticket the channel ends, and with it the settling thread.
        settling.join().unwrap_or_else(|panic| {
            error!("settling broke off, mails stay where they are: {}", panic_text(panic.as_ref()));
            Totals::default()
        })
    }
}

fn is_large(mail: &Mail) -> bool {
    match &mail.bytes {
        Some(Bytes::Whole(bytes)) => bytes.len() as u64 > LARGE,
        Some(_) => false,
        None => {
            let size = mail
                .origin
                .path()
                .and_then(|path| fs::metadata(path).ok())
                .map(|metadata| metadata.len());
            size.is_some_and(|size| size > LARGE)
        }
    }
}

impl Stage {
    /// Returns when the mail is settled, or waits aside.
    fn process_large(&self, mail: Mail, bytes: usize) {
        let (on_settled, settled) = mpsc::channel::<()>();
        self.process_alone(mail, Some(Box::new(on_settled)));
        self.sink.flush();
        // Nothing is ever sent: the other end is dropped.
        let _ = settled.recv();
        self.leave(bytes);
    }

    fn leave(&self, bytes: usize) {
        if self.taken_up.leave(bytes) == 0 {
            self.sink.flush();
        }
    }

    fn bytes(&self, mail: &mut Mail) -> io::Result<Bytes> {
        if let Some(bytes) = mail.bytes.take() {
            return Ok(bytes);
        }
        let limit = self.reading.limits.mail_bytes;
        match &mut mail.origin {
            Origin::Maildir(entry) => entry.read(limit),
            Origin::File(path) => file::read_file(path, limit),
            Origin::Input(_) => Ok(Bytes::Gone),
        }
    }

    /// Reads a mail beside others, and hands its documents to the sink. Gives it back if there is
    /// not enough memory for that.
    fn process(&self, mut mail: Mail) -> Option<Mail> {
        let was_read = mail.bytes.is_some();
        let bytes = match self.bytes(&mut mail) {
            Ok(Bytes::Whole(bytes)) => bytes,
            other => {
                self.pass_on_unread(mail, other);
                return None;
            }
        };
        let mut share = self.memory.share();
        let contents = if share.take(bytes.len()) {
            self.read(&bytes, &mut |more| share.take(more))
        } else {
            None
        };
        let Some(contents) = contents else {
            // What lies in a file waits there.
            mail.bytes = was_read.then_some(Bytes::Whole(bytes));
            return Some(mail);
        };
        drop(bytes);
        self.hand_over(mail, contents, None);
        None
    }

    /// Reads a mail while no other is read.
    fn process_alone(&self, mut mail: Mail, on_settled: Option<OnSettled>) {
        let _alone = self.memory.alone();
        match self.bytes(&mut mail) {
            Ok(Bytes::Whole(bytes)) => {
                let contents = self.read(&bytes, &mut |_| true).unwrap_or_default();
                drop(bytes);
                self.hand_over(mail, contents, on_settled);
            }
            other => self.pass_on_unread(mail, other),
        }
    }

    fn hand_over(&self, mail: Mail, contents: Contents, on_settled: Option<OnSettled>) {
        let ticket = self.settler.ticket(mail.origin, mail.tag, &contents, on_settled);
        self.sink.accept(contents, &ticket);
    }

    /// Passes on a mail of which there are no bytes.
    fn pass_on_unread(&self, mail: Mail, why: io::Result<Bytes>) {
        let nothing = Contents::default();
        match why {
            Ok(Bytes::Whole(_) | Bytes::TooLarge) => {
                self.hand_over(mail, Contents::refused(self.reading.limits.too_large()), None);
            }
            Ok(Bytes::Gone) if matches!(mail.origin, Origin::Maildir(_)) => {
                self.settler.ticket(mail.origin, mail.tag, &nothing, None).gone();
            }
            Ok(Bytes::NotAFile) => {
                warn!(
                    mail = mail.origin.name(),
                    "is no regular file; it is no mail and stays where it is"
                );
                self.settler.ticket(mail.origin, mail.tag, &nothing, None).not_a_file();
            }
            // A file that is only read may be elsewhere now, and still be wanted.
            Ok(Bytes::Gone) => {
                error!(mail = mail.origin.name(), "gone before it was read");
                self.settler.ticket(mail.origin, mail.tag, &nothing, None).leave();
            }
            Err(error) => {
                error!(mail = mail.origin.name(), "can't be read, it stays where it is: {error}");
                self.settler.ticket(mail.origin, mail.tag, &nothing, None).leave();
            }
        }
    }

    /// Reads a mail; nothing if `may_take` says that there is not enough memory. A panic would be a
    /// bug, but not one for which a mail blocks all others.
    fn read(&self, bytes: &[u8], may_take: &mut dyn FnMut(usize) -> bool) -> Option<Contents> {
        let read = AssertUnwindSafe(|| message::read_counted(bytes, &self.reading, may_take));
        let mut contents = panic::catch_unwind(read).unwrap_or_else(|panic| {
            Some(Contents::refused(message::Unusable::Bug(panic_text(panic.as_ref()))))
        })?;
        if let Some(period) = &self.period {
            contents.keep_only(period);
        }
        Some(contents)
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("unknown panic").to_owned()
}

/// Memory for what mails unpack to and are read into, over all threads.
#[derive(Default)]
struct Memory {
    /// Bytes that the mails being read beside each other have taken.
    taken: AtomicUsize,
    /// Held for reading by these, and for writing by one that is read alone.
    readers: RwLock<()>,
}

/// Bytes for all mails that are read beside each other, and for each of them.
const MEMORY: usize = 64 << 20;
const SHARE: usize = 16 << 20;

/// What one mail has taken; given back when it is dropped.
struct Share<'m> {
    memory: &'m Memory,
    taken: usize,
    _beside: RwLockReadGuard<'m, ()>,
}

impl Memory {
    fn share(&self) -> Share<'_> {
        let beside = self.readers.read();
        Share { memory: self, taken: 0, _beside: beside }
    }

    fn alone(&self) -> RwLockWriteGuard<'_, ()> {
        self.readers.write()
    }
}

impl Share<'_> {
    /// Takes more, and never waits: two that waited for each other's share would wait for ever.
    /// False if there is not enough.
    fn take(&mut self, bytes: usize) -> bool {
        self.taken += bytes;
        let all = self.memory.taken.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.taken <= SHARE && all <= MEMORY
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.memory.taken.fetch_sub(self.taken, Ordering::Relaxed);
    }
}
