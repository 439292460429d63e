//! Store: the SQLite file that keeps the reports: how it is opened and what it can be asked.
//!
//! It is written by [`crate::sink::sqlite`]. Any number of processes may write and read one file at
//! the same time.

pub(crate) mod addresses;
mod answers;
mod columns;
mod heads;
pub(crate) mod insert;
mod log;
pub(crate) mod look;
pub(crate) mod prune;
pub mod query;
pub mod read;
mod rekey;
pub(crate) mod renew;
mod schema;
pub(crate) mod session;
mod situations;
mod unused;

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read},
    os::{
        fd::OwnedFd,
        unix::fs::{DirBuilderExt, OpenOptionsExt},
    },
    path::{Path, PathBuf, absolute},
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, OpenFlags};
use rustix::{
    fs::{Access, Mode, OFlags},
    io::Errno,
};
use tracing::warn;

use crate::{
    exit::{Exit, Failure},
    file::identity::{FileIdentity, device_and_inode},
};
pub(crate) use columns::Names;
use log::Log;
use schema::Version;
pub(crate) use schema::begin;

/// How long SQLite itself waits for another process's transaction, which takes tenths of a second;
/// an end of the program that is asked for waits no longer than this.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// Why a store can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no such file.
    #[error("there is no store {}", .0.display())]
    Missing(PathBuf),
    /// The file or its folder can't be made.
    #[error("can't create the store {}: {error}", .path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The file is something else.
    #[error("{} is not a store of email-report-processor, it is left alone", .0.display())]
    Foreign(PathBuf),
    /// A later version of this program made the file.
    #[error("the store {} was written by a newer version of email-report-processor", .0.display())]
    Newer(PathBuf),
    /// An earlier version of this program made the file.
    #[error(
        "the store {} is of an older version; report brings it up to date, or the next reports that \
         are stored",
        .0.display()
    )]
    Older(PathBuf),
    /// The same, and it can't be brought up to date here.
    #[error(
        "the store {} is of an older version and can't be brought up to date: {error}. Give the \
         command as the user who stores the reports, or copy the store to a folder of your own",
        .path.display()
    )]
    NotRenewed {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: String,
    },
    /// Reading it needs files beside it, which can't be made.
    #[error(
        "can't read the store {}: files have to be made beside it for that, and this user may not \
         write to its folder. Give the command as the user who stores the reports, or copy the \
         store to a folder of your own",
        .0.display()
    )]
    ClosedFolder(PathBuf),
    /// Another file was put in its place, and SQLite would read it through the log of the first.
    #[error("the store {} was replaced and has the log of another file; the next time reports are stored mends that", .0.display())]
    Replaced(PathBuf),
    /// It was moved, and its log is still under the name it had.
    #[error(
        "the store {} was moved and has its log elsewhere: {}. Whoever writes to it lets it go when it \
         has nothing to do; after a crash, give the log the store's name with -wal at the end",
        .path.display(),
        .log.display()
    )]
    Elsewhere {
        /// The file.
        path: PathBuf,
        /// Its log.
        log: PathBuf,
    },
    /// SQLite can't read or change it, maybe only for now.
    #[error("can't open the store {}: {error}", .path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        error: rusqlite::Error,
    },
}

impl OpenError {
    /// True if it may go away by waiting: all that the system says. What it calls denied, full,
    /// read-only or broken today may be mended tomorrow, and reports must not be lost for it.
    pub fn is_temporary(&self) -> bool {
        use OpenError::{ClosedFolder, Create, Elsewhere, NotRenewed, Replaced, Sqlite};
        let is_about_rights = matches!(self, ClosedFolder(_) | NotRenewed { .. });
        is_about_rights
            || matches!(self, Create { .. } | Replaced(_) | Elsewhere { .. } | Sqlite { .. })
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Failure {
        Failure::new(if error.is_temporary() { Exit::TryAgain } else { Exit::Configuration }, error)
    }
}

/// A store opened for writing.
#[derive(Debug)]
pub struct Store {
    /// For the writer's statements.
    pub(crate) connection: Connection,
    /// Those of what the writer stored.
    pub(crate) names: Names,
    path: PathBuf,
    /// Device and inode of the file that was opened.
    file: (u64, u64),
    /// The file, by whatever name; this does not count as open for SQLite's locks.
    handle: OwnedFd,
    log: Log,
    /// Device and inode of the log.
    log_file: Option<(u64, u64)>,
}

impl Store {
    /// Opens a store; makes the file and its folders, readable by its owner only, if there is none.
    ///
    /// # Errors
    /// [`OpenError`] says why that is impossible.
    pub fn open(path: &Path) -> Result<Store, OpenError> {
        let fail = |error| OpenError::Create { path: path.into(), error };
        // SQLite takes some relative names, as ":memory:", for something else.
        let path = &absolute(path).map_err(fail)?;
        let log = Log::of(path);
        let lock = log.lock();
        log.put_foreign_aside().map_err(fail)?;
        if let Some(log) = log.under_another_name().map_err(fail)? {
            return Err(OpenError::Elsewhere { path: path.clone(), log });
        }
        create(path).map_err(fail)?;
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let handle = rustix::fs::open(path, flags, Mode::empty()).map_err(|e| fail(e.into()))?;
        let metadata = fs::metadata(path).map_err(fail)?;
        // A folder or a pipe never becomes a store.
        if !metadata.is_file() {
            return Err(OpenError::Foreign(path.clone()));
        }
        let file = FileIdentity::from(&metadata).file();
        let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let sqlite = |error| OpenError::Sqlite { path: path.clone(), error };
        let found = check(path, version(path, &connection)?)?;
        configure(&connection).map_err(sqlite)?;
        // SQLite makes the log before it reads.
        version(path, &connection)?;
        if lock.is_some() {
            log.mark(&connection).map_err(sqlite)?;
        }
        let log_file = log.identity();
        drop(lock);
        let names = Names::default();
        let mut store =
            Store { connection, names, path: path.clone(), file, handle, log, log_file };
        if found != Version::CURRENT {
            schema::migrate(&mut store.connection).map_err(sqlite)?;
            // Once more: another program may have come in between.
            check(path, version(path, &store.connection)?)?;
        }
        Ok(store)
    }

    /// True while the file that was opened is still found under its name. SQLite goes on writing to
    /// one that was deleted or replaced, and what it acknowledges then is lost.
    pub fn is_in_place(&self) -> bool {
        device_and_inode(&self.path).is_ok_and(|file| file == self.file)
    }

    /// Copies the log into the file and empties it, so that the file alone is whole. False if that
    /// has to wait for others who read what was before.
    fn checkpoint(&self) -> bool {
        let copy = || {
            // Waiting here would make other writers wait.
            self.connection.busy_timeout(Duration::ZERO)?;
            let row = |row: &rusqlite::Row| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
            self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), row)
        };
        let copied = copy();
        let _ = self.connection.busy_timeout(BUSY_TIMEOUT);
        // Pages of the log, and those of them that are in the file.
        copied.is_ok_and(|(busy, all, copied): (i64, i64, i64)| {
            busy == 0 || (all >= 0 && all == copied)
        })
    }

    /// For a time without work: whoever copies or moves the file then has all that is in it.
    pub(crate) fn tidy(&self) {
        // The folder was locked when the store was opened.
        if self.log.is_unmarked()
            && let Some(_lock) = self.log.lock()
        {
            // Without a mark all goes on; only a store that is moved is told less well.
            let _ = self.log.mark(&self.connection);
        }
        if !self.log.is_empty() {
            self.checkpoint();
        }
    }

    /// Before a file that was moved is let go: all that was stored comes into it, and its log is
    /// nobody's any more. SQLite itself would leave the log to the next file of that name. False if
    /// that has to be tried again.
    pub(crate) fn leave(&self) -> bool {
        if device_and_inode(&self.log.store).is_ok_and(|file| file == self.file) {
            // SQLite's own end is good. A link may point elsewhere by now.
            return true;
        }
        let is_deleted = rustix::fs::fstat(&self.handle).is_ok_and(|file| file.st_nlink == 0);
        let copied = !is_deleted && self.checkpoint();
        (copied || is_deleted) && self.give_up_log(copied)
    }

    fn give_up_log(&self, copied: bool) -> bool {
        let left = self.log.leave(self.log_file, copied);
        left.inspect_err(|error| warn!("log of the store {}: {error}", self.path.display())).is_ok()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if !self.leave() {
            self.give_up_log(false);
        }
    }
}

/// How an SQLite file begins (<https://www.sqlite.org/fileformat.html>, section 1.3).
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// True if the file is an SQLite database, of whatever program.
pub(crate) fn is_sqlite(path: &Path) -> bool {
    let mut start = [0; MAGIC.len()];
    // A pipe is not opened: what is read of it would be missing.
    path.is_file()
        && File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok()
        && start == *MAGIC
}

/// Opens a store that exists, to read it only.
///
/// # Errors
/// [`OpenError`] says why that is impossible.
pub fn open_to_read(path: &Path) -> Result<Connection, OpenError> {
    let missing = |_| OpenError::Missing(path.into());
    let path = &absolute(path).map_err(missing)?;
    // Made a moment ago, and not filled yet: as good as none. SQLite would delete a log beside it.
    if fs::metadata(path).map_err(missing)?.len() == 0 {
        return Err(OpenError::Missing(path.clone()));
    }
    if Log::of(path).is_foreign() {
        return Err(OpenError::Replaced(path.clone()));
    }
    let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let found = match version(path, &connection) {
        Err(OpenError::Sqlite { error, .. })
            if matches!(
                error.sqlite_error_code(),
                Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly)
            ) =>
        {
            connection = connect_without_log(path, error)?;
            version(path, &connection)?
        }
        found => found?,
    };
    match found {
        Version::CURRENT => Ok(connection),
        Version::Empty => Err(OpenError::Missing(path.clone())),
        found => Err(check(path, found).err().unwrap_or_else(|| OpenError::Older(path.clone()))),
    }
}

/// SQLite makes a log and its index where there are none, even to read only. On a file system where
/// nobody can write, none are needed.
fn connect_without_log(path: &Path, error: rusqlite::Error) -> Result<Connection, OpenError> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let sqlite = |error| OpenError::Sqlite { path: path.into(), error };
    match rustix::fs::access(folder, Access::WRITE_OK) {
        Err(Errno::ROFS) if Log::of(path).has_nothing() => {
            look::open(path, "immutable=1").map_err(sqlite)
        }
        Err(Errno::ROFS | Errno::ACCESS | Errno::PERM) => Err(OpenError::ClosedFolder(path.into())),
        _ => Err(sqlite(error)),
    }
}

/// Without `SQLITE_OPEN_URI`: a file name is a file name.
fn connect(path: &Path, mode: OpenFlags) -> Result<Connection, OpenError> {
    let open = || {
        let connection = Connection::open_with_flags(path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        Ok(connection)
    };
    open().map_err(|error| OpenError::Sqlite { path: path.into(), error })
}

fn version(path: &Path, connection: &Connection) -> Result<Version, OpenError> {
    Version::of(connection).map_err(|error| match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => OpenError::Foreign(path.into()),
        _ => OpenError::Sqlite { path: path.into(), error },
    })
}

fn check(path: &Path, version: Version) -> Result<Version, OpenError> {
    match version {
        Version::Empty | Version::Known(_) => Ok(version),
        Version::Foreign => Err(OpenError::Foreign(path.into())),
        Version::Newer => Err(OpenError::Newer(path.into())),
    }
}

/// With a write-ahead log readers and the writer do not wait for each other; with
/// `synchronous=FULL` it is on the disk when COMMIT returns (with NORMAL, the default there, it is
/// not), and that is what an acknowledgement means.
fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // What a savepoint may have to bring back: some pages a report, and as a file it made the sink
    // a third slower.
    connection.pragma_update(None, "temp_store", "memory")?;
    // 16 MiB of pages each: a batch seldom outgrows the cache, and the log is copied into the file
    // less often.
    connection.pragma_update(None, "cache_size", -16 * 1024)?;
    connection.pragma_update(None, "wal_autocheckpoint", 4096)
}

/// Makes the file with its folders, unless it is there. Each new name is put on disk: a store that
/// is gone after a power cut would be a lost acknowledgement.
fn create(path: &Path) -> io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    let folder = path.parent().unwrap_or(Path::new("/"));
    let missing: Vec<&Path> = folder.ancestors().take_while(|folder| !folder.exists()).collect();
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    for folder in missing.iter().filter_map(|folder| folder.parent()).chain([folder]) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}
