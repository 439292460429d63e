//! Stop: the one place that says that work is to end before it is done, and why.

use std::{
    io, process,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use parking_lot::{Condvar, Mutex};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

use crate::exit::Exit;

/// Why work ends early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A person or the service manager asked for it.
    Asked,
    /// A run with new settings takes over.
    Reload,
    /// Whoever read standard output has closed it.
    ReaderGone,
    /// The store could not be reached for as long as the mode is willing to wait.
    StoreUnreachable(String),
}

/// Work is to end before this was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped;

/// Shared by all threads of a run.
#[derive(Debug, Default)]
pub struct Stop {
    reason: Mutex<Option<Reason>>,
    changed: Condvar,
    /// SIGHUP came. No reason to end yet: the old settings hold until the new ones are known to
    /// work.
    reload: AtomicBool,
}

impl Stop {
    /// Asks all threads to end; the first reason counts, but an end counts more than a reload.
    pub fn ask(&self, reason: Reason) {
        let mut current = self.reason.lock();
        if matches!(*current, None | Some(Reason::Reload)) {
            *current = Some(reason);
        }
        drop(current);
        self.changed.notify_all();
    }

    /// Takes back [`Reason::Reload`], once the old run has ended.
    pub fn rearm(&self) {
        self.reason.lock().take_if(|reason| *reason == Reason::Reload);
    }

    /// True if the settings are to be read again.
    pub fn is_reload_wanted(&self) -> bool {
        self.reload.load(Ordering::Relaxed)
    }

    /// True if the settings are to be read again; asked a second time, no more.
    pub fn take_reload(&self) -> bool {
        self.reload.swap(false, Ordering::Relaxed)
    }

    /// The reason, once there is one.
    pub fn reason(&self) -> Option<Reason> {
        self.reason.lock().clone()
    }

    /// True once work is to end.
    pub fn is_asked(&self) -> bool {
        self.reason.lock().is_some()
    }

    /// Goes on unless work is to end.
    ///
    /// # Errors
    /// Work is to end.
    pub fn check(&self) -> Result<(), Stopped> {
        if self.is_asked() { Err(Stopped) } else { Ok(()) }
    }

    /// Sleeps for `pause`, or until work is to end.
    ///
    /// # Errors
    /// Work is to end.
    pub fn sleep(&self, pause: Duration) -> Result<(), Stopped> {
        let mut reason = self.reason.lock();
        self.changed.wait_while_for(&mut reason, |reason| reason.is_none(), pause);
        if reason.is_some() { Err(Stopped) } else { Ok(()) }
    }

    /// Has SIGINT and SIGTERM ask for the end, and SIGHUP, if asked for, for new settings. A second
    /// SIGINT or SIGTERM does not wait for the end, which is as safe as a crash.
    ///
    /// # Errors
    /// The system does not let the signals be handled.
    pub fn on_signals(self: &Arc<Self>, reload: bool) -> io::Result<()> {
        let mut signals =
            Signals::new(if reload { &[SIGINT, SIGTERM, SIGHUP][..] } else { &[SIGINT, SIGTERM] })?;
        let stop = Arc::clone(self);
        thread::Builder::new().name("signals".into()).spawn(move || {
            for signal in &mut signals {
                match stop.reason() {
                    _ if signal == SIGHUP => stop.reload.store(true, Ordering::Relaxed),
                    None | Some(Reason::Reload) => stop.ask(Reason::Asked),
                    Some(_) => process::exit(Exit::TryAgain.code().into()),
                }
            }
        })?;
        Ok(())
    }
}
