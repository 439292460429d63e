//! File: what is asked of the file system beside any mail: what a file is, its bytes up to a limit,
//! its lock, a name that is free.

pub(crate) mod identity;
pub(crate) mod lock;
pub(crate) mod rename;

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use rustix::{fs::OFlags, io::Errno};

use self::identity::FileIdentity;

/// A file's bytes, or why they were not read.
#[derive(Debug, PartialEq, Eq)]
pub enum Bytes {
    /// All of them.
    Whole(Vec<u8>),
    /// Larger than the limit; the rest was not looked at.
    TooLarge,
    /// Another process has taken the file away.
    Gone,
    /// No regular file: a folder, a link, a pipe, a device.
    NotAFile,
}

/// Opens a regular file, and nothing else: a pipe would be waited for, and a link may lead
/// anywhere.
///
/// # Errors
/// It is not there, can't be opened, or is no regular file ([`io::ErrorKind::InvalidInput`]).
pub fn open_regular(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = File::options().read(true).custom_flags(flags.bits().cast_signed()).open(path);
    let file = file.map_err(|error| match error.raw_os_error().map(Errno::from_raw_os_error) {
        // A link; a socket or a device without a driver.
        Some(Errno::LOOP | Errno::NXIO | Errno::NODEV) => io::ErrorKind::InvalidInput.into(),
        _ => error,
    })?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::ErrorKind::InvalidInput.into()) }
}

/// Reads a regular file up to `limit` bytes, and says what it was before the first was read.
///
/// # Errors
/// The file is there and can't be read.
pub fn read_regular(path: &Path, limit: u64) -> io::Result<(Bytes, Option<FileIdentity>)> {
    match open_regular(path) {
        Ok(file) => {
            let metadata = file.metadata()?;
            let size = metadata.len();
            let bytes = if size > limit { Bytes::TooLarge } else { read(file, limit, size)? };
            Ok((bytes, Some(FileIdentity::from(&metadata))))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok((Bytes::Gone, None)),
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            Ok((Bytes::NotAFile, FileIdentity::of(path)?.filter(|now| !now.is_regular())))
        }
        Err(error) => Err(error),
    }
}

/// Reads a file up to `limit` bytes.
///
/// # Errors
/// The file is there and can't be read.
pub fn read_file(path: &Path, limit: u64) -> io::Result<Bytes> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Bytes::Gone),
        Err(error) => return Err(error),
    };
    let size = file.metadata()?.len();
    if size > limit {
        return Ok(Bytes::TooLarge);
    }
    read(file, limit, size)
}

/// Reads to the end, or until `limit` is exceeded; `expected` bytes are made room for.
///
/// # Errors
/// Reading failed.
pub fn read(from: impl Read, limit: u64, expected: u64) -> io::Result<Bytes> {
    // One byte more, so that the end is found without growing.
    let mut bytes = Vec::with_capacity(usize::try_from(expected.min(limit)).unwrap_or(0) + 1);
    from.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(if bytes.len() as u64 > limit { Bytes::TooLarge } else { Bytes::Whole(bytes) })
}
