//! Echo: a terminal shows Ctrl-C as `^C` in the line below a progress bar, which then can't be
//! taken away. It is told not to.

use std::io;

use rustix::{
    process::getpgrp,
    termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr},
};

/// Keeps control characters from being shown until it is dropped.
pub(super) struct Quiet(Termios);

impl Quiet {
    /// Nothing where standard error is no terminal, or one that belongs to another program for now:
    /// to change it would stop this one.
    pub(super) fn terminal() -> Option<Quiet> {
        let stderr = io::stderr();
        if tcgetpgrp(&stderr).ok()? != getpgrp() {
            return None;
        }
        let before = tcgetattr(&stderr).ok()?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHOCTL);
        tcsetattr(&stderr, OptionalActions::Now, &quiet).ok()?;
        Some(Quiet(before))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        let _ = tcsetattr(io::stderr(), OptionalActions::Now, &self.0);
    }
}
