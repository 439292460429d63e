//! Lock: one process at a time moves mails between a Maildir and its folder `.failed`. Between
//! delivery and removal a mail is in both, and whoever finds it there takes the one for a copy that
//! a crash left, and removes the other: two at a time would remove both.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
    time::Duration,
};

use rustix::io::Errno;

use crate::file::lock::lock_within;

/// Far longer than 256 mails take. Who holds it longer may be stopped, and mails wait.
const PATIENCE: Duration = Duration::from_secs(20);

/// For who only wants to know: who moves mails holds it for tenths of a second.
const SHORT_PATIENCE: Duration = Duration::from_secs(2);

/// Held until it is dropped; the kernel frees it when a process is killed.
pub(super) struct Lock {
    _file: File,
}

/// Whether the lock of a folder `.failed` can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LockState {
    /// Yes.
    Free,
    /// Another process has had it for seconds.
    Held,
    /// The file system has no locks.
    Unsupported,
}

/// Tries the lock of a folder `.failed`, or whether its Maildir could have one, and lets it go.
/// No file is made.
pub(super) fn state(folder: &Path, maildir: &Path) -> LockState {
    let file = File::open(folder.join("maildirfolder")).or_else(|_| File::open(maildir));
    let Ok(file) = file else { return LockState::Free };
    match lock_within(&file, SHORT_PATIENCE) {
        Err(TryLockError::WouldBlock) => LockState::Held,
        Err(TryLockError::Error(error)) if has_no_locks(&error) => LockState::Unsupported,
        Ok(()) | Err(TryLockError::Error(_)) => LockState::Free,
    }
}

/// What a file system says that has none.
fn has_no_locks(error: &io::Error) -> bool {
    let error = Errno::from_io_error(error);
    matches!(error, Some(Errno::NOLCK | Errno::NOSYS | Errno::OPNOTSUPP | Errno::INVAL))
}

impl Lock {
    /// Waits until no other process holds the lock of a folder `.failed`; nothing where the file
    /// system has no locks. The file is the one that each Maildir++ folder has.
    ///
    /// # Errors
    /// Another process holds it for too long, or the file can't be made.
    pub fn of(folder: &Path) -> io::Result<Option<Lock>> {
        let path = folder.join("maildirfolder");
        let mode = fs::metadata(folder)?.mode() & 0o666;
        // NFS locks only what is open for writing.
        let file = match OpenOptions::new().create(true).append(true).mode(mode).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => File::open(&path),
            file => file,
        }?;
        match lock_within(&file, PATIENCE) {
            Ok(()) => Ok(Some(Lock { _file: file })),
            Err(TryLockError::WouldBlock) => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("another process holds the lock {}", path.display()),
            )),
            Err(TryLockError::Error(error)) if has_no_locks(&error) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}
