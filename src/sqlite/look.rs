//! Look: a store looked at without a trace. Even who only reads a store makes files beside it where
//! there are none, or removes a log that a crash left; this does neither.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::ffi::OsStrExt,
    path::{Path, absolute},
};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use rusqlite::{Connection, ErrorCode, OpenFlags, config::DbConfig};

use super::{OpenError, check, log::Log, query::Reader, schema::Version, version};

/// What is seen.
#[derive(Debug)]
pub(crate) enum StoreState {
    /// There is no store yet.
    Nothing,
    /// What a crash left in the log beside it is taken over when it is next opened for writing; it
    /// can't be looked at before.
    AfterCrash,
    /// A store.
    Store {
        /// It is of an older version, and brought up to date with the next report.
        is_older: bool,
        /// The begin of the newest report, in seconds since 1970.
        newest: Option<i64>,
        /// What SQLite finds broken: the first few faults.
        faults: Vec<String>,
        /// Rows of each table; none of a store that is broken.
        rows: BTreeMap<String, u64>,
    },
}

/// How often a store is looked at that is opened or closed meanwhile.
const ATTEMPTS: usize = 3;

/// Looks at a store.
///
/// # Errors
/// [`OpenError`] says why that is impossible.
pub(crate) fn look(path: &Path) -> Result<StoreState, OpenError> {
    let path = &absolute(path).map_err(|error| OpenError::Create { path: path.into(), error })?;
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(StoreState::Nothing),
        Err(error) => return Err(OpenError::Create { path: path.into(), error }),
        Ok(file) if !file.is_file() => return Err(OpenError::Foreign(path.clone())),
        Ok(file) if file.len() == 0 => return Ok(StoreState::Nothing),
        Ok(_) => {}
    }
    let log = Log::of(path);
    if log.is_foreign() {
        return Err(OpenError::Replaced(path.clone()));
    }
    if let Ok(Some(log)) = log.under_another_name() {
        return Err(OpenError::Elsewhere { path: path.clone(), log });
    }
    for attempt in 1.. {
        let (has_log, is_shared) = (log.identity().is_some(), log.is_shared());
        let way = match (has_log && !log.is_empty(), is_shared) {
            (true, false) => return Ok(StoreState::AfterCrash),
            // Somebody has it open, or had when it crashed.
            (_, true) if has_log => "readonly_shm=1",
            // Nobody has it open: nothing changes it, and nothing is to be made beside it.
            _ => "immutable=1",
        };
        let seen = look_by(path, way);
        // Somebody may have opened or left it meanwhile.
        if attempt == ATTEMPTS || log.is_shared() == is_shared {
            return seen;
        }
    }
    unreachable!("the last attempt is the answer")
}

fn look_by(path: &Path, way: &str) -> Result<StoreState, OpenError> {
    let sqlite = |error| OpenError::Sqlite { path: path.into(), error };
    let connection = open(path, way).map_err(sqlite)?;
    let found = match check(path, version(path, &connection)?)? {
        Version::Empty => return Ok(StoreState::Nothing),
        found => found,
    };
    let faults = faults(&connection).map_err(sqlite)?;
    let is_older = found != Version::CURRENT;
    let (mut newest, mut rows) = (None, BTreeMap::new());
    if faults.is_empty() {
        rows = self::rows(&connection).map_err(sqlite)?;
        if !is_older {
            newest = Reader { connection }.newest().map_err(sqlite)?;
        }
    }
    Ok(StoreState::Store { is_older, newest, faults, rows })
}

/// What is written otherwise in a file's URI (sqlite.org/uri.html).
const IN_URI: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/');

/// Opens a file to read it, in a way that SQLite knows (sqlite.org/uri.html).
pub(super) fn open(path: &Path, way: &str) -> rusqlite::Result<Connection> {
    let path = percent_encode(path.as_os_str().as_bytes(), IN_URI);
    let uri = format!("file:{path}?{way}");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(uri, flags)?;
    connection.busy_timeout(super::BUSY_TIMEOUT)?;
    // Else the last to close it would copy the log into the file, and remove it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(connection)
}

fn rows(connection: &Connection) -> rusqlite::Result<BTreeMap<String, u64>> {
    let sql = "SELECT name FROM sqlite_schema
               WHERE type = 'table' AND substr(name, 1, 7) <> 'sqlite_'";
    let tables: rusqlite::Result<Vec<String>> =
        connection.prepare(sql)?.query_map((), |row| row.get(0))?.collect();
    let count = |table: String| {
        let sql = format!("SELECT count(*) FROM \"{}\"", table.replace('"', "\"\""));
        let number: i64 = connection.query_row(&sql, (), |row| row.get(0))?;
        Ok((table, number.unsigned_abs()))
    };
    tables?.into_iter().map(count).collect()
}

/// What a quick look at every page finds broken.
fn faults(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let ask = || -> rusqlite::Result<Vec<String>> {
        connection.prepare("PRAGMA quick_check(3)")?.query_map((), |row| row.get(0))?.collect()
    };
    match ask() {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt) => {
            Ok(vec![error.to_string()])
        }
        faults => Ok(faults?.into_iter().filter(|fault| fault != "ok").collect()),
    }
}
