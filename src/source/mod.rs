//! Source: where mails come from, one at a time, never more in memory than the limits allow.

pub mod archive;
pub mod folder_watch;
pub mod mbox;
pub mod walk;

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

/// A mail's bytes, or why they were not read.
#[derive(Debug, PartialEq, Eq)]
pub enum Bytes {
    /// All of them.
    Whole(Vec<u8>),
    /// Larger than the limit; the rest was not looked at.
    TooLarge,
    /// Another process has taken the file away.
    Gone,
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
