//! The SQLite sink: the reports of many mails in one transaction, acknowledged once it is on disk.
//!
//! Parsers queue what they read; one thread writes, since SQLite takes one writer at a time.
//! Whatever keeps the file from being written (another process's lock, a full disk, a file system
//! turned read-only) is an outage: the mails wait.

use std::{
    mem,
    path::{Path, PathBuf},
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tracing::warn;

use super::{Identity, Sink, backoff::Backoff, file_identity, memory_size, queue::Queue, worker};
use crate::{
    exit::Failure,
    lookup::Databases,
    message::Contents,
    metrics::{RequestResult, StoreMetrics},
    report::Ids,
    senders::Networks,
    settle::{Acknowledgement, Pending, Ticket},
    sqlite::{
        self, Store, addresses,
        insert::{Insert, Undo, is_about_content},
        session::{self, Session, SessionState},
    },
    stop::{Stop, Stopped},
};

/// Memory that the mails of one transaction take, about: some 6,000 records. Four times as much was
/// not faster by more than the noise, a sixteenth was much slower.
const BATCH_BYTES: usize = 4 << 20;

/// Memory that all waiting mails take, about: the writer never waits for parsers.
const QUEUE_BYTES: usize = 4 * BATCH_BYTES;

/// Without mail, the log is copied into the file this often, and the file looked for.
const IDLE: Duration = Duration::from_secs(3);

/// The sink; see the module.
pub struct SqliteSink {
    path: PathBuf,
    queue: Arc<Queue<ParsedMail>>,
    session: Arc<Session>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// One mail on its way.
struct ParsedMail {
    contents: Contents,
    /// Of each report; made in the parsers' threads, since there is one writer only.
    ids: Vec<Ids>,
    pending: Pending,
}

impl SqliteSink {
    /// Opens the store, makes it if there is none, and starts the writing thread. An outage that
    /// lasts longer than `patience` asks for the stop.
    ///
    /// # Errors
    /// The file is no store or one of a newer version, or there is no room for a thread. All else
    /// is waited for.
    pub fn open(
        path: &Path,
        databases: Option<Arc<Databases>>,
        patience: Option<Duration>,
        stop: Arc<Stop>,
        metrics: StoreMetrics,
    ) -> Result<SqliteSink, Failure> {
        let store = match open(path) {
            Ok(store) => Some(store),
            Err(error) if error.is_temporary() => {
                warn!("{error}; mails wait");
                None
            }
            Err(error) => return Err(error.into()),
        };
        let queue = Arc::new(Queue::new(BATCH_BYTES, QUEUE_BYTES));
        let backoff = Backoff::new(path.display().to_string(), patience, stop, metrics);
        let session = Arc::new(Session::default());
        let (stop, closed) = (Arc::clone(backoff.stop()), Arc::clone(&queue));
        let writer = Writer {
            path: path.into(),
            store,
            databases,
            queue: Arc::clone(&queue),
            session: Arc::clone(&session),
            backoff,
        };
        let thread =
            worker::start("sqlite", stop, move || writer.write_batches(), move || closed.abandon());
        let thread = thread.map_err(|error| Failure::thread(&error))?;
        Ok(SqliteSink { path: path.into(), queue, session, writer: Mutex::new(Some(thread)) })
    }
}

impl Sink for SqliteSink {
    fn accept(&self, contents: Contents, ticket: &Ticket) {
        // A mail without reports travels too: nothing is settled while the store is away.
        let weight = memory_size::of(&contents);
        let ids = contents.ids();
        // From a closed queue the mail comes back unanswered: it stays where it is.
        let _ = self.queue.push(weight, ParsedMail { contents, ids, pending: ticket.pending() });
    }

    fn flush(&self) {
        self.queue.flush();
    }

    fn identity(&self) -> Option<Identity> {
        self.session.ask();
        file_identity(&self.path)
    }

    fn progress(&self) -> Option<String> {
        self.session.told()
    }

    fn has_come_to(&self, progress: Option<&str>) -> bool {
        progress.is_some_and(|progress| session::has(&self.path, progress))
    }

    fn queued_bytes(&self) -> usize {
        self.queue.weight()
    }

    fn finish(&self) {
        self.queue.close();
        let writer = mem::take(&mut *self.writer.lock());
        if let Some(writer) = writer {
            // If it panicked, it has dropped its mails unanswered: they stay where they are.
            let _ = writer.join();
        }
    }
}

/// Opens the store to write reports. SQLite is not asked to look for the report of each record and
/// the record of each result: they were stored just before, in the same transaction.
fn open(path: &Path) -> Result<Store, sqlite::OpenError> {
    let store = Store::open(path)?;
    let connection = &store.connection;
    connection.set_prepared_statement_cache_capacity(Insert::STATEMENTS);
    let configured = connection.pragma_update(None, "foreign_keys", false);
    configured.map_err(|error| sqlite::OpenError::Sqlite { path: path.into(), error })?;
    Ok(store)
}

struct Writer {
    path: PathBuf,
    /// Nothing while it can't be opened.
    store: Option<Store>,
    databases: Option<Arc<Databases>>,
    queue: Arc<Queue<ParsedMail>>,
    session: Arc<Session>,
    backoff: Backoff,
}

/// Why a batch could not be stored for now.
#[derive(Debug, thiserror::Error)]
enum StoreTrouble {
    #[error(transparent)]
    Open(#[from] sqlite::OpenError),
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error("the file was moved or deleted")]
    Moved,
    #[error(
        "the file was moved or deleted, and what is in its log can't be copied into it for now"
    )]
    Held,
}

impl Writer {
    fn write_batches(mut self) {
        loop {
            while self.queue.is_idle(IDLE) {
                if self.let_moved_go() {
                    self.store.as_ref().map(Store::tidy);
                }
            }
            let Some(batch) = self.queue.take() else { return };
            if self.backoff.stop().check().and_then(|()| self.write(batch)).is_err() {
                return;
            }
        }
    }

    /// Tries until the batch is stored.
    fn write(&mut self, batch: Vec<ParsedMail>) -> Result<(), Stopped> {
        loop {
            let started = Instant::now();
            let attempt = self.attempt(&batch);
            let result = if attempt.is_ok() { RequestResult::ok } else { RequestResult::failed };
            self.backoff.metrics().request(result, started.elapsed());
            match attempt {
                Ok(answers) => {
                    self.backoff.over();
                    batch
                        .into_iter()
                        .zip(answers)
                        .for_each(|(item, answer)| item.pending.acknowledge(answer));
                    return Ok(());
                }
                Err(trouble) => {
                    // Opened anew for the next attempt: a connection remembers that a file system
                    // was read-only. A file that was moved is let go by the next attempt.
                    if !matches!(trouble, StoreTrouble::Moved | StoreTrouble::Held) {
                        self.store = None;
                    }
                    self.backoff.pause(&trouble)?;
                }
            }
        }
    }

    /// A file that was moved is not written to. False if it is still needed.
    fn let_moved_go(&mut self) -> bool {
        let Some(moved) = self.store.take_if(|store| !store.is_in_place()) else { return true };
        let is_whole = moved.leave();
        if !is_whole {
            self.store = Some(moved);
        }
        is_whole
    }

    /// One transaction. It can be repeated even if its COMMIT succeeded unnoticed: what is stored
    /// counts as a duplicate.
    fn attempt(&mut self, batch: &[ParsedMail]) -> Result<Vec<Acknowledgement>, StoreTrouble> {
        if !self.let_moved_go() {
            return Err(StoreTrouble::Held);
        }
        let store = match &mut self.store {
            Some(store) => store,
            none => none.insert(open(&self.path)?),
        };
        // It may be read from its file: not while others wait for the lock.
        let networks = self.databases.as_ref().map(|databases| databases.networks());
        let networks = networks.as_deref();
        let mut store_all = |undo| transaction(store, &self.session, networks, batch, undo);
        let stored = match store_all(Undo::Transaction) {
            Err(error) if is_about_content(&error) => store_all(Undo::Report),
            stored => stored,
        };
        let (answers, session) = stored?;
        store.names.committed();
        self.session.committed(session);
        if store.is_in_place() { Ok(answers) } else { Err(StoreTrouble::Moved) }
    }
}

/// Stores a batch; what the store says of each mail, and the trace it has now.
fn transaction(
    store: &mut Store,
    session: &Session,
    networks: Option<&Networks>,
    batch: &[ParsedMail],
    undo: Undo,
) -> rusqlite::Result<(Vec<Acknowledgement>, SessionState)> {
    let transaction = sqlite::begin(&mut store.connection)?;
    // Those of an attempt that was taken back.
    store.names.rolled_back();
    store.names.begin(&transaction)?;
    let mut insert = Insert::new(&transaction, &mut store.names, undo)?;
    let answers = batch
        .iter()
        .map(|item| insert.contents(&item.contents, &item.ids))
        .collect::<Result<_, _>>()?;
    insert.finish()?;
    if let Some(networks) = networks {
        let contents = batch.iter().map(|item| &item.contents);
        addresses::keep(&transaction, networks, contents)?;
    }
    let session = session.note(&transaction)?;
    transaction.commit()?;
    Ok((answers, session))
}
