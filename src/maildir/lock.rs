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
    /// The folder itself: somebody may delete the file while it is locked. Nothing where folders
    /// can't be locked, as with NFS.
    _folder: Option<File>,
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
    /// system has no locks. What is locked is the file that each Maildir++ folder has, and the
    /// folder.
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
        let held = |path: &Path| {
            let what = format!("another process holds the lock {}", path.display());
            Err(io::Error::new(io::ErrorKind::TimedOut, what))
        };
        match lock_within(&file, PATIENCE) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return held(&path),
            Err(TryLockError::Error(error)) if has_no_locks(&error) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let opened = File::open(folder)?;
        match lock_within(&opened, PATIENCE) {
            Ok(()) => Ok(Some(Lock { _file: file, _folder: Some(opened) })),
            Err(TryLockError::WouldBlock) => held(folder),
            Err(TryLockError::Error(_)) => Ok(Some(Lock { _file: file, _folder: None })),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn the_lock_is_held_though_its_file_was_deleted() {
        let folder = tempfile::tempdir().expect("a folder");
        let held = Lock::of(folder.path()).expect("free");
        fs::remove_file(folder.path().join("maildirfolder")).expect("removed");
        thread::scope(|scope| {
            let second = scope.spawn(|| Lock::of(folder.path()).expect("free in the end"));
            thread::sleep(Duration::from_millis(100));
            assert!(!second.is_finished(), "two have it");
            drop(held);
            assert!(second.join().expect("no panic").is_some());
        });
    }
}
