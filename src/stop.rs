//! Stop: the one place that says that work is to end before it is done, and why.

use std::{
    io, process,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
};

use crate::exit::Exit;

/// Why work ends early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A person or the service manager asked for it.
    Asked,
    /// The store could not be reached for as long as the mode is willing to wait.
    StoreUnreachable(String),
}

/// Shared by all threads of a run.
#[derive(Debug, Default)]
pub struct Stop {
    reason: Mutex<Option<Reason>>,
    changed: Condvar,
}

impl Stop {
    /// Asks all threads to end; the first reason counts.
    pub fn ask(&self, reason: Reason) {
        self.lock().get_or_insert(reason);
        self.changed.notify_all();
    }

    /// The reason, once there is one.
    pub fn reason(&self) -> Option<Reason> {
        self.lock().clone()
    }

    /// True once work is to end.
    pub fn is_asked(&self) -> bool {
        self.lock().is_some()
    }

    /// Sleeps for `pause` or until work is to end; true if it is.
    pub fn sleep(&self, pause: Duration) -> bool {
        let (reason, _) = self
            .changed
            .wait_timeout_while(self.lock(), pause, |reason| reason.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        reason.is_some()
    }

    /// Has SIGINT and SIGTERM ask for the end; a second one does not wait for it, which is as safe as a crash.
    ///
    /// # Errors
    /// The system does not let the signals be handled.
    pub fn on_signals(self: &Arc<Self>) -> io::Result<()> {
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let stop = Arc::clone(self);
        thread::Builder::new().name("signals".into()).spawn(move || {
            for _ in &mut signals {
                if stop.is_asked() {
                    process::exit(Exit::TryAgain.code().into());
                }
                stop.ask(Reason::Asked);
            }
        })?;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Reason>> {
        // The value is whole at every moment, so a panic elsewhere does not spoil it.
        self.reason.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
