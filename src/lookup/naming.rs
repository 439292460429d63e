//! Naming: gives the addresses in a store their names, beside all other work: mails never wait for
//! the DNS. The store is opened for moments only, as by another program.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{self, RecvTimeoutError, Sender},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use parking_lot::Mutex;
use tracing::{debug, info, warn};

use super::reverse::ReverseDns;
use crate::{
    exit::Failure,
    senders::ReverseName,
    sqlite::{OpenError, Store, addresses},
    stop::Stop,
};

/// How often it is looked for new addresses.
const PAUSE: Duration = Duration::from_secs(30);
/// How long a run that is done waits for the names of what it stored.
const PATIENCE: Duration = Duration::from_secs(5);
/// So many names are stored at once.
const STEP: i64 = 256;

/// A thread that looks up names until this is dropped or [`Naming::finish`].
pub(crate) struct Naming {
    /// Nobody sends: it is there or gone.
    alive: Option<Sender<()>>,
    /// When it is to end at the latest.
    deadline: Arc<Mutex<Option<Instant>>>,
    thread: Option<JoinHandle<()>>,
}

struct Worker {
    store: PathBuf,
    dns: ReverseDns,
    stop: Arc<Stop>,
    deadline: Arc<Mutex<Option<Instant>>>,
}

#[derive(Debug, thiserror::Error)]
enum NamingError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
}

impl Naming {
    /// Starts it for a store, with the DNS server that is to be asked or those of the system.
    /// Without DNS there are no names, which is told and is no reason to store nothing.
    ///
    /// # Errors
    /// There is no room for a thread.
    pub(crate) fn start(
        store: &Path,
        server: Option<SocketAddr>,
        stop: &Arc<Stop>,
    ) -> Result<Option<Naming>, Failure> {
        match ReverseDns::new(server) {
            Ok(dns) => {
                let naming = Naming::with(dns, store, stop);
                naming.map(Some).map_err(|error| Failure::thread(&error))
            }
            Err(error) => {
                warn!("no names of addresses: {error}");
                Ok(None)
            }
        }
    }

    fn with(dns: ReverseDns, store: &Path, stop: &Arc<Stop>) -> io::Result<Naming> {
        let deadline = Arc::new(Mutex::default());
        let (alive, over) = mpsc::channel();
        let worker = Worker {
            store: store.to_owned(),
            dns,
            stop: Arc::clone(stop),
            deadline: Arc::clone(&deadline),
        };
        let thread = thread::Builder::new().name("names".into()).spawn(move || {
            loop {
                worker.work();
                if over.recv_timeout(PAUSE) != Err(RecvTimeoutError::Timeout) {
                    break;
                }
            }
            // What was stored last.
            worker.work();
        })?;
        Ok(Naming { alive: Some(alive), deadline, thread: Some(thread) })
    }

    /// Waits for the names of what was stored, not for long, and not if the run is to end.
    pub(crate) fn finish(mut self) {
        self.end(PATIENCE);
    }

    fn end(&mut self, patience: Duration) {
        *self.deadline.lock() = Some(Instant::now() + patience);
        self.alive = None;
        if let Some(thread) = self.thread.take() {
            // If it panicked, there are fewer names.
            let _ = thread.join();
        }
    }
}

impl Drop for Naming {
    fn drop(&mut self) {
        self.end(Duration::ZERO);
    }
}

impl Worker {
    fn is_over(&self) -> bool {
        let deadline = *self.deadline.lock();
        self.stop.is_asked() || deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// All that is to be done now.
    fn work(&self) {
        match self.give_names() {
            Ok(0) => {}
            Ok(names) => info!("found names of {names} addresses"),
            // Tried again soon; whoever stores reports tells of what lasts.
            Err(trouble) => debug!("names of addresses: {trouble}"),
        }
    }

    fn give_names(&self) -> Result<usize, NamingError> {
        while !self.is_over() && self.with_store(addresses::take_up)? == Some(true) {}
        let mut names = 0;
        while !self.is_over() {
            let now = Timestamp::now().as_second();
            let nameless = self.with_store(|store| addresses::nameless(store, now, STEP))?;
            let Some(nameless) = nameless.filter(|nameless| !nameless.is_empty()) else { break };
            let found = self.dns.names(nameless, || self.is_over());
            self.with_store(|store| addresses::name(store, now, &found))?;
            names += found.iter().filter(|(_, it)| matches!(it, ReverseName::Name(_))).count();
            if found.iter().all(|(_, it)| *it == ReverseName::Unanswered) {
                debug!("no answer from the DNS");
                break;
            }
        }
        Ok(names)
    }

    /// Nothing if there is no store yet, or it was moved away.
    fn with_store<T>(
        &self,
        act: impl FnOnce(&mut rusqlite::Connection) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, NamingError> {
        if !self.store.exists() {
            return Ok(None);
        }
        let mut store = Store::open(&self.store)?;
        Ok(Some(act(&mut store.connection)?))
    }
}
