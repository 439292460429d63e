//! Log: SQLite's write-ahead log, the file beside the store that has what was stored last.
//!
//! SQLite takes any file of the log's name for the log of whatever file has the store's name, and
//! would copy the pages of one store into another that was put in its place, or delete the log of a
//! store that was moved. So both files carry the same mark (an extended attribute), and a log with
//! another mark than the file's is put aside before SQLite sees it. Where a file system has no such
//! attributes, only a log without a file is told to be of another.

use std::{
    fs::{self, File},
    io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::Connection;
use rustix::{fs::XattrFlags, io::Errno};
use tracing::warn;

use crate::file::{identity::device_and_inode, lock::lock_within, rename::rename_to_free_name};

const MARK: &str = "user.email-report-processor.log";
const MARK_BYTES: usize = 16;
/// How long another process is waited for that opens or leaves a store in the same folder.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// The log of one store.
#[derive(Debug)]
pub(super) struct Log {
    /// The store's file itself.
    pub(super) store: PathBuf,
    path: PathBuf,
    /// What SQLite's processes share about the log.
    index: PathBuf,
}

impl Log {
    /// SQLite follows links before it adds to the name.
    pub(super) fn of(store: &Path) -> Log {
        let store = store.canonicalize().unwrap_or_else(|_| store.into());
        let beside = |end| {
            let mut name = store.clone().into_os_string();
            name.push(end);
            PathBuf::from(name)
        };
        Log { path: beside("-wal"), index: beside("-shm"), store }
    }

    /// Until this is dropped, no other process opens or leaves a store in the folder. Nothing where
    /// folders can't be locked, or not for long.
    pub(super) fn lock(&self) -> Option<File> {
        let folder = File::open(self.store.parent()?).ok()?;
        lock_within(&folder, LOCK_PATIENCE).ok()?;
        Some(folder)
    }

    /// Device and inode of the log; it stays the same as long as the store is open.
    pub(super) fn identity(&self) -> Option<(u64, u64)> {
        device_and_inode(&self.path).ok()
    }

    /// Before the store is opened by its name: a log of another file gets another name.
    pub(super) fn put_foreign_aside(&self) -> io::Result<()> {
        if self.is_foreign() { self.put_aside() } else { Ok(()) }
    }

    /// True if nothing is in it.
    pub(super) fn is_empty(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|log| log.len() == 0)
    }

    /// True if no log has anything that is not in the file.
    pub(super) fn has_nothing(&self) -> bool {
        fs::metadata(&self.path).map_or(true, |log| log.len() == 0)
    }

    /// True if there is the index that whoever has the store open shares about its log.
    pub(super) fn is_shared(&self) -> bool {
        self.index.exists()
    }

    /// The log is looked at first: whoever makes both makes it last.
    pub(super) fn is_foreign(&self) -> bool {
        if !fs::metadata(&self.path).is_ok_and(|log| log.is_file()) {
            return false;
        }
        let Ok(log) = mark(&self.path) else { return false };
        match fs::metadata(&self.store) {
            // SQLite's first page is in the file before there is a log.
            Ok(store) if store.len() == 0 => store.is_file(),
            Ok(_) => log.is_some() && mark(&self.store).is_ok_and(|store| store != log),
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        }
    }

    /// A log of this file under another name: the file was moved, and is written to still, or was
    /// when the program was killed. SQLite would not know of it.
    pub(super) fn under_another_name(&self) -> io::Result<Option<PathBuf>> {
        let Some(store) = mark(&self.store).ok().flatten() else { return Ok(None) };
        let folder = self.store.parent().unwrap_or(Path::new("/"));
        for file in fs::read_dir(folder)? {
            let path = file?.path();
            let is_log = path != self.path && path.as_os_str().as_bytes().ends_with(b"-wal");
            let has_pages = || fs::metadata(&path).is_ok_and(|log| log.is_file() && log.len() > 0);
            if is_log && has_pages() && mark(&path).is_ok_and(|log| log.as_ref() == Some(&store)) {
                return Ok(Some(path));
            }
        }
        Ok(None)
    }

    /// True if a mark is missing.
    pub(super) fn is_unmarked(&self) -> bool {
        matches!(mark(&self.path), Ok(None))
    }

    /// Under the lock, with the store open: this log is this file's.
    pub(super) fn mark(&self, connection: &Connection) -> rusqlite::Result<()> {
        if !self.is_unmarked() {
            return Ok(());
        }
        let new: [u8; MARK_BYTES] =
            connection.query_row("SELECT randomblob(16)", (), |row| row.get(0))?;
        // In this order: a log without a mark is nobody else's.
        for file in [&self.store, &self.path] {
            if rustix::fs::setxattr(file, MARK, &new, XattrFlags::empty()).is_err() {
                break;
            }
        }
        Ok(())
    }

    /// The store was moved away from its name. Its log, if it is still this one: removed when all
    /// that it has is in the file, else put aside.
    pub(super) fn leave(&self, log: Option<(u64, u64)>, copied: bool) -> io::Result<()> {
        let _lock = self.lock();
        if log.is_none() || self.identity() != log {
            return Ok(());
        }
        if copied { self.remove() } else { self.put_aside() }
    }

    fn put_aside(&self) -> io::Result<()> {
        if self.is_empty() {
            return self.remove();
        }
        remove(&self.index)?;
        for n in 1_u32.. {
            let mut aside = self.path.clone().into_os_string();
            aside.push(format!(".{n}"));
            match rename_to_free_name(&self.path, Path::new(&aside)) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
                Ok(()) => {
                    warn!(
                        kept = %Path::new(&aside).display(),
                        "the store was moved or replaced; what was stored last in the old file may \
                         be in this log only: put it beside that file, named alike with -wal at \
                         the end, before it is opened"
                    );
                    break;
                }
            }
        }
        Ok(())
    }

    /// The index first: SQLite makes it anew, and another file's must not be shared.
    fn remove(&self) -> io::Result<()> {
        remove(&self.index)?;
        remove(&self.path)
    }
}

fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn mark(file: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut mark = [0; MARK_BYTES];
    match rustix::fs::getxattr(file, MARK, &mut mark) {
        Ok(length) => Ok(Some(mark[..length].to_vec())),
        Err(Errno::NODATA | Errno::NOTSUP) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
