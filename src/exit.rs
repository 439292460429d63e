//! Exit codes, from sysexits(3): a mail server reads them.

use std::process::{ExitCode, Termination};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Everything was stored.
    Ok,
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
