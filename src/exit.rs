//! Exit codes, from sysexits(3): a mail server reads them.

use std::{
    fmt::Display,
    io,
    path::Path,
    process::{ExitCode, Termination},
};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Everything was done.
    Ok,
    /// `check` found something wrong, or a digest tells of what needs attention.
    Wrong,
    /// `EX_USAGE`: the command line is wrong.
    Usage,
    /// `EX_DATAERR`: the input holds no report that can be read.
    Unreadable,
    /// `EX_TEMPFAIL`: the store could not be reached, or work was stopped; another try is due.
    TryAgain,
    /// `EX_CONFIG`: the configuration is wrong.
    Configuration,
}

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Exit::Ok => 0,
            Exit::Wrong => 1,
            Exit::Usage => 64,
            Exit::Unreadable => 65,
            Exit::TryAgain => 75,
            Exit::Configuration => 78,
        }
    }
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        self.code().into()
    }
}

/// Why a mode could not begin or go on, for a person, and the exit code that says so.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct Failure {
    exit: Exit,
    reason: String,
}

impl Failure {
    /// A failure that ends the program with `exit`.
    pub fn new(exit: Exit, reason: impl Display) -> Failure {
        Failure { exit, reason: reason.to_string() }
    }

    /// The command line asks for what can't be.
    pub fn usage(reason: impl Display) -> Failure {
        Failure::new(Exit::Usage, reason)
    }

    /// A file or folder that was named on the command line can't be used.
    pub fn path(path: &Path, error: &io::Error) -> Failure {
        Failure::usage(format_args!("{}: {error}", path.display()))
    }

    /// No thread could be started.
    pub fn thread(error: &io::Error) -> Failure {
        Failure::new(Exit::TryAgain, format_args!("can't start a thread: {error}"))
    }

    /// The exit code.
    pub fn exit(&self) -> Exit {
        self.exit
    }
}

/// The system is out of something.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::new(Exit::TryAgain, error)
    }
}
