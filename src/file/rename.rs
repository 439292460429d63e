//! Rename: to a name that is free, on any file system.

use std::{fs, io, path::Path};

use rustix::{
    fs::{CWD, RenameFlags},
    io::Errno,
};

use super::identity::FileIdentity;

/// Renames without ever replacing a file; file systems that can't promise this (NFS) are asked
/// first.
pub(crate) fn rename_to_free_name(from: &Path, to: &Path) -> io::Result<()> {
    match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS) if to.try_exists()? => {
            Err(io::ErrorKind::AlreadyExists.into())
        }
        Err(Errno::INVAL | Errno::NOSYS) => rename_by(|| fs::rename(from, to), from, to),
        other => Ok(other?),
    }
}

/// NFS sends a request again whose answer was lost. It is then told that there is no such file,
/// although the rename took place; the file itself tells. If the client still has an old answer to
/// that, the mail stays as after any other error.
fn rename_by(rename: impl FnOnce() -> io::Result<()>, from: &Path, to: &Path) -> io::Result<()> {
    let file = file_at(from);
    match rename() {
        Err(error)
            if error.kind() == io::ErrorKind::NotFound && file.is_some() && file_at(to) == file =>
        {
            Ok(())
        }
        other => other,
    }
}

fn file_at(path: &Path) -> Option<(u64, u64)> {
    FileIdentity::of(path).ok()?.map(|found| found.file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rename_whose_answer_was_lost_took_place() {
        let folder = tempfile::tempdir().expect("a folder");
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::write(&from, "mail").expect("written");
        let not_found = || Err(io::ErrorKind::NotFound.into());
        let answer_lost = || {
            fs::rename(&from, &to).expect("renamed");
            not_found()
        };
        rename_by(answer_lost, &from, &to).expect("it took place");
        // Another has taken the mail away, and there is one of the name it was to get.
        assert!(rename_by(not_found, &from, &to).is_err());
        fs::write(&from, "another mail").expect("written");
        assert!(rename_by(not_found, &from, &to).is_err());
    }
}
