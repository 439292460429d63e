//! Maildir: taking up mails from `new/` and settling them by renaming, so that each is in exactly
//! one place at any instant.
//!
//! Another process may take a mail away at any moment; that is never an error here.

mod ahead;
mod copy;
mod failed;
mod leftovers;
mod lock;
mod names;
pub mod retry;

use std::{
    ffi::{OsStr, OsString},
    fs,
    hash::{Hash, Hasher},
    io,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

pub(crate) use self::copy::ERROR_HEADER;
pub use self::failed::settle_failed;
pub(crate) use self::lock::LockState;
use self::{
    ahead::Ahead,
    names::{
        delivered, numbered, split_flags, unique_part, with_flag_s, with_seen, without_colons,
    },
};
use crate::file::{self, Bytes, identity::FileIdentity, rename::rename_to_free_name};

/// So long a file is as it was, and is taken for whole: mail servers rename whole mails to `new/`,
/// but others write them there.
pub const QUIET: Duration = Duration::from_secs(2);

/// So long a mail lies in `new/` only if nobody takes it up, or the store is away: seconds.
pub(crate) const WAITS_LONG: i64 = 15 * 60;

/// A Maildir: a folder with `new`, `cur` and `tmp`.
#[derive(Debug)]
pub struct Maildir {
    path: PathBuf,
    failed: PathBuf,
    /// Where mails that may be unfinished are read again.
    ahead: Option<Ahead>,
}

impl PartialEq for Maildir {
    fn eq(&self, other: &Maildir) -> bool {
        self.path == other.path
    }
}

impl Eq for Maildir {}

impl Hash for Maildir {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.path.hash(state);
    }
}

/// One mail in a Maildir. It is equal to another of the same name, whether they were read or not.
#[derive(Clone, Debug)]
pub struct Entry {
    maildir: Arc<Maildir>,
    /// `new` or `cur`.
    folder: Folder,
    name: OsString,
    /// What it was when it was read. Something else of its name is not settled in its place.
    as_read: Option<FileIdentity>,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Entry) -> bool {
        (&self.maildir, self.folder, &self.name) == (&other.maildir, other.folder, &other.name)
    }
}

impl Eq for Entry {}

impl Hash for Entry {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.maildir, self.folder, &self.name).hash(state);
    }
}

/// Where a mail is after it was settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// Where it belongs.
    Moved,
    /// Another process had taken it away.
    Gone,
    /// It is no more what was read: it stays, and is to be read again.
    Changed,
}

/// The folder of a Maildir that a mail lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Folder {
    /// Delivered, not yet taken up.
    New,
    /// Taken up, with flags in the name.
    Cur,
}

impl Folder {
    fn name(self) -> &'static str {
        match self {
            Folder::New => "new",
            Folder::Cur => "cur",
        }
    }
}

impl Maildir {
    /// A Maildir at `path`.
    ///
    /// # Errors
    /// There is no folder `new` or `cur` in it.
    pub fn open(path: &Path) -> io::Result<Arc<Maildir>> {
        Maildir::new(path, None)
    }

    /// The same, for who reads mails again that may be unfinished.
    ///
    /// # Errors
    /// There is no folder `new` or `cur` in it.
    pub fn open_to_read_again(path: &Path) -> io::Result<Arc<Maildir>> {
        Maildir::new(path, Some(Ahead::default()))
    }

    fn new(path: &Path, ahead: Option<Ahead>) -> io::Result<Arc<Maildir>> {
        for folder in ["new", "cur"] {
            if !fs::metadata(path.join(folder))?.is_dir() {
                return Err(io::ErrorKind::NotADirectory.into());
            }
        }
        Ok(Arc::new(Maildir { path: path.to_owned(), failed: failed_folder(path), ahead }))
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder to which mails are delivered that can't be used.
    pub fn failed(&self) -> &Path {
        &self.failed
    }

    /// Whether the lock of the folder for failed mails could be had now; nothing is left of that.
    pub(crate) fn lock_state(&self) -> LockState {
        lock::state(&self.failed, &self.path)
    }

    /// The mails in one of its folders, as they come; no more than one is held in memory.
    ///
    /// # Errors
    /// The folder can't be read.
    pub fn entries(
        self: &Arc<Self>,
        folder: Folder,
    ) -> io::Result<impl Iterator<Item = io::Result<Entry>> + use<>> {
        let maildir = Arc::clone(self);
        let listing = fs::read_dir(self.path.join(folder.name()))?;
        Ok(listing.filter_map(move |file| match file {
            Ok(file) => maildir.entry(folder, file.file_name()).map(Ok),
            Err(error) => Some(Err(error)),
        }))
    }

    /// The mail of this file name, whether it is there or not; nothing if a mail can't have this
    /// name.
    pub fn entry(self: &Arc<Self>, folder: Folder, name: OsString) -> Option<Entry> {
        let is_mail = !name.as_bytes().starts_with(b".");
        is_mail.then(|| Entry { maildir: Arc::clone(self), folder, name, as_read: None })
    }
}

/// Maildir++ is flat: the subfolder `failed` of the inbox `Maildir/` is `Maildir/.failed`, that of
/// a folder `Maildir/.Reports` is `Maildir/.Reports.failed`.
fn failed_folder(maildir: &Path) -> PathBuf {
    // A symbolic link or `.` says nothing about the name.
    let real = maildir.canonicalize().unwrap_or_else(|_| maildir.to_owned());
    match (real.parent(), real.file_name()) {
        (Some(root), Some(name))
            if name.as_bytes().starts_with(b".") && root.join("cur").is_dir() =>
        {
            let mut name = name.to_owned();
            name.push(".failed");
            root.join(name)
        }
        _ => maildir.join(".failed"),
    }
}

impl Entry {
    /// Where the mail lies.
    pub fn path(&self) -> PathBuf {
        self.maildir.path.join(self.folder.name()).join(&self.name)
    }

    /// Its file name, flags included.
    pub fn name(&self) -> &OsStr {
        &self.name
    }

    /// The part of the name by which Maildir tells mails apart: without flags and sizes.
    pub fn unique_name(&self) -> Vec<u8> {
        unique_part(&self.name)
    }

    /// When it came, in seconds since 1970: as its name tells, else when its file was last changed.
    pub(crate) fn came(&self) -> Option<i64> {
        let changed = || fs::metadata(self.path()).ok().map(|file| file.mtime());
        delivered(&self.name).or_else(changed)
    }

    /// Which folder of the Maildir it lies in.
    pub fn folder(&self) -> Folder {
        self.folder
    }

    /// The Maildir it is in.
    pub fn maildir(&self) -> &Arc<Maildir> {
        &self.maildir
    }

    /// Reads the mail up to `limit` bytes, and remembers what it was.
    ///
    /// # Errors
    /// It is there and can't be read.
    pub fn read(&mut self, limit: u64) -> io::Result<Bytes> {
        let (bytes, as_read) = file::read_regular(&self.path(), limit)?;
        self.as_read = as_read;
        Ok(bytes)
    }

    /// True if what was read lies there still, unchanged.
    pub fn is_as_read(&self) -> bool {
        self.as_read.is_some()
            && FileIdentity::of(&self.path()).is_ok_and(|now| now == self.as_read)
    }

    /// True if it was changed so shortly before now that somebody may be writing it still.
    pub fn may_be_unfinished(&self) -> bool {
        let Some(as_read) = self.as_read else { return false };
        match (as_read.unchanged_for(), &self.maildir.ahead) {
            (Some(age), _) => age < QUIET,
            (None, Some(ahead)) => ahead.may_be_fresh(as_read),
            (None, None) => false,
        }
    }

    /// Moves the mail to `cur/` with the flag S (seen).
    ///
    /// # Errors
    /// The mail could not be moved; it is where it was.
    pub fn settle_stored(&self) -> io::Result<Settled> {
        if self.folder == Folder::Cur && with_seen(&self.name) == self.name {
            return Ok(Settled::Moved);
        }
        let source = self.path();
        let is_other = |now: FileIdentity| self.as_read.is_some_and(|read| read != now);
        match FileIdentity::of(&source)? {
            None => return Ok(Settled::Gone),
            Some(now) if is_other(now) => return Ok(Settled::Changed),
            Some(_) => {}
        }
        let (base, flags) = split_flags(&self.name);
        // Where another mail has the name already, which is possible only where names are not
        // unique, both are kept.
        let cur = self.maildir.path.join("cur");
        match rename_numbered(&source, &cur, &without_colons(base), &with_flag_s(flags)) {
            // Another may have come in between.
            Ok(target) if FileIdentity::of(&target)?.is_some_and(is_other) => {
                let folder = self.maildir.path.join(self.folder.name());
                rename_numbered(&target, &folder, self.name.as_bytes(), b"")?;
                Ok(Settled::Changed)
            }
            Ok(_) => Ok(Settled::Moved),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !source.exists() => {
                Ok(Settled::Gone)
            }
            Err(error) => Err(error),
        }
    }
}

/// Renames to a free name in a folder, with a number if need be; says to which.
fn rename_numbered(from: &Path, folder: &Path, base: &[u8], end: &[u8]) -> io::Result<PathBuf> {
    let mut number = 0;
    loop {
        let target = folder.join(numbered(base, number, end));
        match rename_to_free_name(from, &target) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            renamed => return renamed.map(|()| target),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn maildir() -> (tempfile::TempDir, Arc<Maildir>) {
        let folder = tempfile::tempdir().expect("temporary folder");
        for name in ["new", "cur", "tmp"] {
            fs::create_dir(folder.path().join(name)).expect("folder");
        }
        let maildir = Maildir::open(folder.path()).expect("a Maildir");
        (folder, maildir)
    }

    pub(super) fn deliver(maildir: &Arc<Maildir>, name: &str, content: &str) -> Entry {
        fs::write(maildir.path().join("new").join(name), content).expect("delivered");
        maildir
            .entries(Folder::New)
            .expect("listed")
            .map(|entry| entry.expect("entry"))
            .find(|entry| entry.name() == name)
            .expect("the mail just delivered")
    }

    pub(super) fn files(folder: impl AsRef<Path>) -> Vec<String> {
        let listing = fs::read_dir(folder).expect("folder");
        let mut names: Vec<_> =
            listing.map(|f| f.expect("file").file_name().into_string().expect("UTF-8")).collect();
        names.sort();
        names
    }

    #[test]
    fn a_stored_mail_is_seen() {
        let (folder, maildir) = maildir();
        let mail = deliver(&maildir, "1.M1P1.mx,S=5,W=6", "mail\n");
        assert_eq!(mail.settle_stored().expect("moved"), Settled::Moved);
        assert_eq!(files(folder.path().join("cur")), ["1.M1P1.mx,S=5,W=6:2,S"]);
        assert!(files(folder.path().join("new")).is_empty());
        assert_eq!(mail.settle_stored().expect("no error"), Settled::Gone);
    }

    /// Another was renamed onto it, or it is still being written.
    #[test]
    fn what_was_not_read_is_not_settled() {
        let (folder, maildir) = maildir();
        let path = folder.path().join("new/1.mx");
        for content in ["another\n", "mail\nand more", "mail\n"] {
            let mut mail = deliver(&maildir, "1.mx", "mail\n");
            mail.read(100).expect("read");
            fs::write(folder.path().join("tmp/1.mx"), content).expect("written");
            fs::rename(folder.path().join("tmp/1.mx"), &path).expect("renamed");
            assert!(!mail.is_as_read());
            assert_eq!(mail.settle_stored().expect("no error"), Settled::Changed);
            let failed = settle_failed(&[(&mail, "why")]).remove(0).expect("no error");
            assert_eq!(failed, Settled::Changed);
            assert_eq!(fs::read_to_string(&path).expect("it is there"), content);
            assert!(files(folder.path().join(".failed/new")).is_empty());
            mail.read(100).expect("read again");
            assert!(mail.is_as_read());
            assert_eq!(mail.settle_stored().expect("moved"), Settled::Moved);
        }
    }

    #[test]
    fn no_other_mail_is_overwritten() {
        let (folder, maildir) = maildir();
        fs::write(folder.path().join("cur/1.mx:2,S"), "another").expect("written");
        let mail = deliver(&maildir, "1.mx", "mail\n");
        mail.settle_stored().expect("moved");
        assert_eq!(files(folder.path().join("cur")), ["1.mx:2,S", "1.mx_1:2,S"]);
        assert_eq!(
            fs::read_to_string(folder.path().join("cur/1.mx:2,S")).expect("read"),
            "another"
        );
    }

    #[test]
    fn the_failed_folder_of_a_subfolder_lies_beside_it() {
        let (folder, _) = maildir();
        let sub = folder.path().join(".Reports");
        for name in ["new", "cur", "tmp"] {
            fs::create_dir_all(sub.join(name)).expect("folder");
        }
        assert_eq!(
            failed_folder(&sub),
            folder.path().canonicalize().expect("path").join(".Reports.failed")
        );
        assert_eq!(failed_folder(folder.path()), folder.path().join(".failed"));
    }
}
