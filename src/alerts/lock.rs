//! Lock: one process at a time looks, tells, and notes what it told, whichever state folder or user
//! it has: the lock is a file beside the store.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt, fchown},
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    exit::{Exit, Failure},
    file::lock::lock_within,
};

/// How long another process is waited for.
pub(super) const PATIENCE: Duration = Duration::from_secs(90);

/// Until this is dropped, or the process ends, no other one tells what is new in this store.
///
/// # Errors
/// Another process does, and goes on; or the file can't be made.
pub(super) fn beside(store: &Path) -> Result<File, Failure> {
    // By whatever name the store is known.
    let store = store.canonicalize().unwrap_or_else(|_| store.into());
    let mut path = store.clone().into_os_string();
    path.push(".alerts-lock");
    let path = PathBuf::from(path);
    let not_made = |error: io::Error| {
        Failure::new(Exit::TryAgain, format_args!("{}: {error}", path.display()))
    };
    let file = open(&path, &store).map_err(not_made)?;
    match lock_within(&file, PATIENCE) {
        // A file system without locks.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(taken()),
    }
}

/// What is told where it is taken.
pub(super) fn taken() -> Failure {
    Failure::new(Exit::TryAgain, "another process is telling alerts")
}

fn open(path: &Path, store: &Path) -> io::Result<File> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(file) => {
            // Made by root, the next one is the service's.
            let owner = fs::metadata(store)?;
            let _ = fchown(&file, Some(owner.uid()), Some(owner.gid()));
            Ok(file)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => File::open(path),
        Err(error) => Err(error),
    }
}
