//! Renew: a store of an older version is brought up to date before it is read, since whoever asks
//! it with a new version wants an answer.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use rusqlite::{Connection, ErrorCode};
use tracing::info;

use super::{OpenError, Store, open_to_read};

/// How long another process is waited for that holds the store: to bring it up to date takes some
/// minutes for ten million records.
const PATIENCE: Duration = Duration::from_mins(30);

/// Opens a store that exists, to read it. One of an older version is brought up to date first, in
/// one transaction; progress is logged.
///
/// # Errors
/// [`OpenError`] says why that is impossible.
pub(crate) fn open_renewed(path: &Path) -> Result<Connection, OpenError> {
    let begin = Instant::now();
    let mut is_told = false;
    loop {
        let older = match open_to_read(path) {
            Err(OpenError::Older(path)) => path,
            other => return other,
        };
        match Store::open(&older) {
            Ok(store) => {
                drop(store);
                return open_to_read(path);
            }
            Err(OpenError::Sqlite { error, .. })
                if is_held(&error) && begin.elapsed() < PATIENCE =>
            {
                // The next look may find it up to date: two begin at once after an update.
                if !is_told {
                    info!("waiting for another process that changes the store");
                }
                is_told = true;
            }
            Err(error) if error.is_temporary() => {
                return Err(OpenError::NotRenewed { path: older, error: error.to_string() });
            }
            Err(error) => return Err(error),
        }
    }
}

fn is_held(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}
