//! Copy: a mail on its way to a folder `.failed`, with the reason in a header on top.

use std::{
    collections::HashSet,
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write},
    mem,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU64, Ordering},
    time::SystemTime,
};

use parking_lot::Mutex;

use super::{
    Entry, Settled,
    names::{numbered, without_colons},
};
use crate::{
    file::{self, identity::FileIdentity, rename::rename_to_free_name},
    sanitize,
};

/// The header in front of a mail that can't be used; its value is the reason.
pub(crate) const ERROR_HEADER: &str = "X-Email-Report-Processor-Error";

/// The copy of a mail on its way to a folder `.failed`. Its temporary file goes with it, unless it
/// was delivered.
pub(super) struct Copy {
    /// The folder `.failed`.
    folder: PathBuf,
    temporary: PathBuf,
    pub file: File,
    /// Bytes of the header on top.
    header: usize,
    /// The name without size and flags.
    base: Vec<u8>,
    size: u64,
    /// What the mail was when it was copied.
    original: FileIdentity,
    /// The name it was given, if a crash had not left another copy.
    delivered: Option<PathBuf>,
    /// Whether it is on disk; an error until then.
    pub synchronised: Mutex<io::Result<()>>,
}

impl Copy {
    /// Writes the copy to `tmp/`, unless the mail is gone or no more what was read.
    pub fn write(mail: &Entry, reason: &str) -> io::Result<Result<Copy, Settled>> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let mut original = match file::open_regular(&mail.path()) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Err(Settled::Gone)),
            Err(error) => return Err(error),
        };
        let metadata = original.metadata()?;
        let identity = FileIdentity::from(&metadata);
        if mail.as_read.is_some_and(|read| read != identity) {
            return Ok(Err(Settled::Changed));
        }
        let folder = mail.maildir.failed.clone();
        let mut head = [0; 1024];
        let length = original.read(&mut head)?;
        let head = &head[..length];
        let line_end = if head.windows(2).any(|pair| pair == b"\r\n") { "\r\n" } else { "\n" };
        let header = format!("{ERROR_HEADER}: {}{line_end}", sanitize::header_value(reason));
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        // After a crash another process may have our id: the time tells its files from ours.
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        // `leftovers` knows this form.
        let temporary =
            folder.join("tmp").join(format!("{}.{}_{number}", now.as_nanos(), process::id()));
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(metadata.mode())
            .open(&temporary)?;
        let base = without_colons(&mail.unique_name());
        let synchronised = Mutex::new(Err(io::Error::other("not synchronised")));
        let mut copy = Copy {
            folder,
            temporary,
            file,
            header: header.len(),
            base,
            size: 0,
            original: identity,
            delivered: None,
            synchronised,
        };
        copy.file.write_all(header.as_bytes())?;
        copy.file.write_all(head)?;
        io::copy(&mut original, &mut copy.file)?;
        copy.size = copy.file.metadata()?.len();
        Ok(Ok(copy))
    }

    /// Gives the copy its name in `new/`; `given` are those of other mails.
    pub fn deliver(&mut self, given: &mut HashSet<PathBuf>) -> io::Result<()> {
        mem::replace(&mut *self.synchronised.lock(), Ok(()))?;
        for number in 0.. {
            // Sizes in the old name (`,S=`, `,W=`) would be wrong now, and Dovecot believes them.
            let target = self.folder.join("new").join(numbered(
                &self.base,
                number,
                format!(",S={}", self.size).as_bytes(),
            ));
            match rename_to_free_name(&self.temporary, &target) {
                Ok(()) => {
                    self.delivered = Some(target.clone());
                    given.insert(target);
                    break;
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    // A crash came between delivery and removal, or a second watcher was first:
                    // then it is our copy.
                    if !given.contains(&target) && self.is_same_mail(&target)? {
                        given.insert(target);
                        break;
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Removes the mail that was copied. Where it stays, the copy is taken back.
    pub fn remove_original(&self, mail: &Entry) -> io::Result<Settled> {
        let path = mail.path();
        match FileIdentity::of(&path)? {
            None => return Ok(Settled::Gone),
            Some(now) if now != self.original => {
                self.take_back();
                return Ok(Settled::Changed);
            }
            Some(_) => {}
        }
        match fs::remove_file(path) {
            Ok(()) => Ok(Settled::Moved),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Settled::Gone),
            Err(error) => {
                use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
                // After any other it may be gone all the same.
                if matches!(error.kind(), PermissionDenied | ReadOnlyFilesystem) {
                    self.take_back();
                }
                Err(error)
            }
        }
    }

    /// Device and inode of the mail that was copied.
    pub fn original(&self) -> (u64, u64) {
        self.original.file()
    }

    /// Takes the copy out of `new/`, if it was put there and is there still.
    pub fn take_back(&self) {
        let Some(delivered) = &self.delivered else { return };
        let ours = self.file.metadata().map(|file| FileIdentity::from(&file).file()).ok();
        let there = FileIdentity::of(delivered).ok().flatten().map(|there| there.file());
        if ours.is_some() && ours == there {
            let _ = fs::remove_file(delivered);
        }
    }

    /// True if a file is a copy of the same mail: all bytes below its first header are the same.
    fn is_same_mail(&self, path: &Path) -> io::Result<bool> {
        // A mail reader may have moved it meanwhile, or it is no file.
        let Ok(other) = file::open_regular(path) else { return Ok(false) };
        let mut other = BufReader::new(other);
        let mut header = Vec::new();
        other.read_until(b'\n', &mut header)?;
        if !header.starts_with(ERROR_HEADER.as_bytes()) {
            return Ok(false);
        }
        let mut ours = BufReader::new(&self.file);
        ours.seek(SeekFrom::Start(self.header as u64))?;
        is_same(&mut ours, &mut other)
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        // Nothing is there any more once it was delivered.
        let _ = fs::remove_file(&self.temporary);
    }
}

/// True if both give the same bytes to their ends.
pub(super) fn is_same(one: &mut impl BufRead, other: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let (a, b) = (one.fill_buf()?, other.fill_buf()?);
        let length = a.len().min(b.len());
        if length == 0 {
            return Ok(a.is_empty() && b.is_empty());
        }
        if a[..length] != b[..length] {
            return Ok(false);
        }
        one.consume(length);
        other.consume(length);
    }
}

/// Creates a Maildir++ folder with the permissions of the Maildir it belongs to. Its name is on
/// disk afterwards.
pub(super) fn create_folder(folder: &Path, like: &Path) -> io::Result<()> {
    if ["new", "cur", "tmp"].iter().all(|part| folder.join(part).is_dir()) {
        return Ok(());
    }
    let mode = fs::metadata(like)?.mode() & 0o7777;
    // By this empty file a Maildir++ reader tells a folder from an inbox. `tmp` comes last:
    // without it not all was made.
    for part in [folder.to_owned(), folder.join("cur"), folder.join("new")] {
        fs::DirBuilder::new().recursive(true).mode(mode).create(part)?;
    }
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(mode & 0o666)
        .open(folder.join("maildirfolder"))?;
    fs::DirBuilder::new().recursive(true).mode(mode).create(folder.join("tmp"))?;
    for made in [Some(folder), folder.parent()].into_iter().flatten() {
        File::open(made)?.sync_all()?;
    }
    Ok(())
}
