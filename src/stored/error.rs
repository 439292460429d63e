//! Error: why a store can't be read.

use std::path::PathBuf;

use crate::{
    exit::{Exit, Failure},
    stop::Stopped,
};

/// Why a store can't be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// SQLite can't read its file.
    #[error("can't read the store {}: {error}", .path.display())]
    Sqlite { path: PathBuf, error: rusqlite::Error },
    /// The cluster does not answer now.
    #[error("can't read {0}")]
    Away(String),
    /// It answers with a refusal, or with something else.
    #[error("can't read {0}")]
    Refused(String),
    /// An index has another shape.
    #[error("{0}")]
    Shape(String),
    /// Work is to end.
    #[error("stopped")]
    Stopped,
}

impl From<Stopped> for ReadError {
    fn from(_: Stopped) -> ReadError {
        ReadError::Stopped
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Failure {
        let exit = match error {
            ReadError::Sqlite { .. } | ReadError::Away(_) | ReadError::Stopped => Exit::TryAgain,
            ReadError::Refused(_) | ReadError::Shape(_) => Exit::Configuration,
        };
        Failure::new(exit, error)
    }
}
