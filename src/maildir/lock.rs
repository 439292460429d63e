//! Lock: one process at a time moves mails between a Maildir and its folder `.failed`. Between
//! delivery and removal a mail is in both, and whoever finds it there takes the one for a copy that
//! a crash left, and removes the other: two at a time would remove both.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
};

use rustix::{
    fs::{FlockOperation, flock},
    io::{Errno, retry_on_intr},
};

/// Held until it is dropped; the kernel frees it when a process is killed.
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Waits until no other process holds the lock of a folder `.failed`; nothing where the file
    /// system has no locks. The file is the one that each Maildir++ folder has.
    pub fn of(folder: &Path) -> io::Result<Option<Lock>> {
        let path = folder.join("maildirfolder");
        let mode = fs::metadata(folder)?.mode() & 0o666;
        // NFS locks only what is open for writing.
        let file = match OpenOptions::new().create(true).append(true).mode(mode).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => File::open(&path),
            file => file,
        }?;
        match retry_on_intr(|| flock(&file, FlockOperation::LockExclusive)) {
            Ok(()) => Ok(Some(Lock { _file: file })),
            Err(Errno::NOLCK | Errno::NOSYS | Errno::OPNOTSUPP | Errno::INVAL) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
