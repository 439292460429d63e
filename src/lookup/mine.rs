//! The file with what the user said is his ([`crate::verdict::Mine`]): read whole, and replaced
//! whole, by one process at a time.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    exit::{Exit, Failure},
    file::{self, Bytes, lock::lock_within},
    verdict::{Mine, MineError},
};

/// A file of some ten thousand decisions is smaller.
const LIMIT: u64 = 1 << 20;

/// Far longer than a change takes.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was said; nothing if there is no file.
///
/// # Errors
/// The file can't be read, or is not as it should be: it is never passed over.
pub fn mine(path: &Path) -> Result<Mine, Failure> {
    Mine::read(&text(path)?).map_err(|error| broken(path, &error))
}

/// Changes the file's text, while no other process does; true if that changed it. What is written
/// is on the disk, and the file is at each moment the old one or the new one.
///
/// # Errors
/// The file can't be read or written, or is not as it should be.
pub fn change(
    path: &Path,
    change: impl FnOnce(&str) -> Result<String, MineError>,
) -> Result<bool, Failure> {
    let fault = |error: &io::Error| failure(path, Exit::TryAgain, error);
    // What a link leads to is replaced, not the link.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    fs::create_dir_all(&folder).map_err(|error| fault(&error))?;
    let lock = File::open(&folder).map_err(|error| fault(&error))?;
    match lock_within(&lock, PATIENCE) {
        Err(TryLockError::WouldBlock) => {
            return Err(failure(path, Exit::TryAgain, "another process is changing it"));
        }
        // Where the file system has no locks, nobody else can be kept out.
        Ok(()) | Err(TryLockError::Error(_)) => {}
    }
    let before = text(path)?;
    let after = change(&before).map_err(|error| broken(path, &error))?;
    if after == before {
        return Ok(false);
    }
    if after.len() as u64 > LIMIT {
        // It could not be read again.
        return Err(failure(path, Exit::Configuration, "it would be larger than 1 MiB"));
    }
    replace(path, &folder, &after).map_err(|error| fault(&error))?;
    Ok(true)
}

fn replace(path: &Path, folder: &Path, text: &str) -> io::Result<()> {
    let mut new = tempfile::Builder::new().prefix(".mine-").tempfile_in(folder)?;
    new.write_all(text.as_bytes())?;
    // As other programs make files: what is in there is no secret.
    let permissions = match fs::metadata(path) {
        Ok(old) => old.permissions(),
        Err(_) => std::os::unix::fs::PermissionsExt::from_mode(0o644),
    };
    new.as_file().set_permissions(permissions)?;
    new.as_file().sync_all()?;
    new.persist(path)?;
    File::open(folder)?.sync_all()
}

fn text(path: &Path) -> Result<String, Failure> {
    let bytes = match file::read_file(path, LIMIT) {
        Ok(Bytes::Whole(bytes)) => bytes,
        Ok(Bytes::Gone) => return Ok(String::new()),
        Ok(Bytes::TooLarge) => {
            return Err(failure(path, Exit::Configuration, "larger than 1 MiB"));
        }
        Ok(Bytes::NotAFile) => return Err(failure(path, Exit::Configuration, "not a file")),
        Err(error) => return Err(failure(path, Exit::Configuration, error)),
    };
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..good].split(|byte| *byte == b'\n').count();
        broken(path, &MineError { line, reason: "not UTF-8".into() })
    })
}

fn broken(path: &Path, error: &MineError) -> Failure {
    failure(path, Exit::Configuration, error)
}

fn failure(path: &Path, exit: Exit, reason: impl std::fmt::Display) -> Failure {
    Failure::new(exit, format_args!("{}: {reason}", path.display()))
}
