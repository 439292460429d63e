//! Session: the trace that an import leaves in the store, in the same transaction as its reports,
//! so that its journal can tell a store that has them from an earlier copy that was put back in its
//! place.

use std::path::Path;

use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension, Result};

use crate::sqlite::open_to_read;

const BEGIN: &str = "INSERT INTO imports (token, transactions) VALUES (randomblob(16), 1) RETURNING lower(hex(token)), transactions";

const GO_ON: &str = "UPDATE imports SET transactions = transactions + 1 WHERE token = unhex(?1) AND transactions >= ?2
                     RETURNING lower(hex(token)), transactions";

const HAS: &str =
    "SELECT EXISTS (SELECT 1 FROM imports WHERE token = unhex(?1) AND transactions >= ?2)";

/// One run of an import.
#[derive(Debug, Default)]
pub(crate) struct Session(Mutex<SessionState>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum SessionState {
    /// No journal is kept.
    #[default]
    Unasked,
    /// Nothing is stored yet.
    Asked,
    /// A random token, and how many transactions are on the disk.
    Stored(String, i64),
    /// The store is not the one that it was at the last transaction.
    Lost,
}

impl Session {
    /// From now on there is a journal.
    pub(crate) fn ask(&self) {
        self.with(|state| {
            if *state == SessionState::Unasked {
                *state = SessionState::Asked;
            }
        });
    }

    /// Notes another transaction in the open one; the state once that is on the disk.
    pub(crate) fn note(&self, transaction: &Connection) -> Result<SessionState> {
        let row = |row: &rusqlite::Row| Ok(SessionState::Stored(row.get(0)?, row.get(1)?));
        match self.with(|state| state.clone()) {
            SessionState::Asked => transaction.prepare_cached(BEGIN)?.query_row((), row),
            SessionState::Stored(token, number) => {
                let next = transaction
                    .prepare_cached(GO_ON)?
                    .query_row((token, number), row)
                    .optional()?;
                Ok(next.unwrap_or(SessionState::Lost))
            }
            same => Ok(same),
        }
    }

    /// The transaction is on the disk.
    pub(crate) fn committed(&self, new: SessionState) {
        self.with(|state| *state = new);
    }

    /// For the journal: what [`has`] finds in the store as long as it has all that was stored.
    pub(crate) fn told(&self) -> Option<String> {
        match self.with(|state| state.clone()) {
            SessionState::Unasked | SessionState::Asked => None,
            SessionState::Stored(token, number) => Some(format!("{token} {number}")),
            SessionState::Lost => Some("lost".into()),
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut SessionState) -> T) -> T {
        act(&mut self.0.lock())
    }
}

/// Leaves the trace of a run that has no journal.
pub(super) fn leave_trace(transaction: &Connection) -> Result<()> {
    transaction.prepare_cached(BEGIN)?.query_row((), |_| Ok(()))
}

/// True if the store has all that was in it when [`Session::told`] said this.
pub(crate) fn has(path: &Path, told: &str) -> bool {
    let Some((token, number)) = told.split_once(' ') else { return false };
    let Ok(number) = number.parse::<i64>() else { return false };
    let Ok(connection) = open_to_read(path) else { return false };
    connection.query_row(HAS, (token, number), |row| row.get(0)).unwrap_or(false)
}
