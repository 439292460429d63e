//! Maildir: taking up mails from `new/` and settling them by renaming, so that each is in exactly one place at any instant.
//!
//! Another process may take a mail away at any moment; that is never an error here.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::{
        ffi::{OsStrExt, OsStringExt},
        fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::fs::{CWD, RenameFlags};

use crate::sanitize;

/// The header in front of a mail that can't be used; its value is the reason.
pub const ERROR_HEADER: &str = "X-Email-Report-Processor-Error";

/// A Maildir: a folder with `new`, `cur` and `tmp`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Maildir {
    path: PathBuf,
    failed: PathBuf,
}

/// One mail in a Maildir.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    maildir: Arc<Maildir>,
    /// `new` or `cur`.
    folder: Folder,
    name: OsString,
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
        for folder in ["new", "cur"] {
            if !fs::metadata(path.join(folder))?.is_dir() {
                return Err(io::ErrorKind::NotADirectory.into());
            }
        }
        Ok(Arc::new(Maildir { path: path.to_owned(), failed: failed_folder(path) }))
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The mails in one of its folders, as they come; no more than one is held in memory.
    ///
    /// # Errors
    /// The folder can't be read.
    pub fn entries(self: &Arc<Self>, folder: Folder) -> io::Result<impl Iterator<Item = io::Result<Entry>> + use<>> {
        let maildir = Arc::clone(self);
        let listing = fs::read_dir(self.path.join(folder.name()))?;
        Ok(listing.filter_map(move |file| match file {
            Ok(file) => maildir.entry(folder, file.file_name()).map(Ok),
            Err(error) => Some(Err(error)),
        }))
    }

    /// The mail of this file name, whether it is there or not; nothing if a mail can't have this name.
    pub fn entry(self: &Arc<Self>, folder: Folder, name: OsString) -> Option<Entry> {
        let is_mail = !name.as_bytes().starts_with(b".");
        is_mail.then(|| Entry { maildir: Arc::clone(self), folder, name })
    }
}

/// Maildir++ is flat: the subfolder `failed` of the inbox `Maildir/` is `Maildir/.failed`, that of a folder `Maildir/.Reports`
/// is `Maildir/.Reports.failed`.
fn failed_folder(maildir: &Path) -> PathBuf {
    // A symbolic link or `.` says nothing about the name.
    let real = maildir.canonicalize().unwrap_or_else(|_| maildir.to_owned());
    match (real.parent(), real.file_name()) {
        (Some(root), Some(name)) if name.as_bytes().starts_with(b".") && root.join("cur").is_dir() => {
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
    pub fn unique_name(&self) -> &[u8] {
        unique_part(&self.name)
    }

    /// The Maildir it is in.
    pub fn maildir(&self) -> &Arc<Maildir> {
        &self.maildir
    }

    /// Moves the mail to `cur/` with the flag S (seen). True if it was still there.
    ///
    /// # Errors
    /// The mail could not be moved; it is where it was.
    pub fn settle_stored(&self) -> io::Result<bool> {
        let cur = self.maildir.path.join("cur");
        let mut target = cur.join(with_seen(&self.name));
        if self.folder == Folder::Cur && target.file_name() == Some(&self.name) {
            return Ok(true);
        }
        let source = self.path();
        for attempt in 1.. {
            match rename_to_free_name(&source, &target) {
                Ok(()) => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::NotFound && !source.exists() => return Ok(false),
                // Another mail has the name already: possible only where names are not unique. Both are kept.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempt < 100 => {
                    let mut name = unique_part(&self.name).to_vec();
                    write!(name, "_{attempt}")?;
                    target = cur.join(with_seen(&OsString::from_vec(name)));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Delivers the mail to the folder `.failed` with the reason in a header on top; the original is removed only
    /// when the copy is on disk. True if it was still there.
    ///
    /// # Errors
    /// The copy could not be written; the mail is where it was.
    pub fn settle_failed(&self, reason: &str) -> io::Result<bool> {
        let mut original = match File::open(self.path()) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        let failed = &self.maildir.failed;
        create_folder(failed, &self.maildir.path)?;
        let mut head = [0; 1024];
        let length = original.read(&mut head)?;
        let head = &head[..length];
        let line_end = if head.windows(2).any(|pair| pair == b"\r\n") { "\r\n" } else { "\n" };
        let header = format!("{ERROR_HEADER}: {}{line_end}", sanitize::header_value(reason));

        let size = original.metadata()?.len() + header.len() as u64;
        // Sizes in the old name (`,S=`, `,W=`) would be wrong now, and Dovecot believes them.
        let mut name = unique_part(&self.name).to_vec();
        write!(name, ",S={size}")?;
        let name = OsString::from_vec(name);
        let mut temporary_name = name.clone();
        temporary_name.push(format!(".{}", std::process::id()));
        let temporary = failed.join("tmp").join(temporary_name);
        let written = (|| {
            let mode = original.metadata()?.mode();
            let mut copy = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&temporary)?;
            copy.write_all(header.as_bytes())?;
            copy.write_all(head)?;
            io::copy(&mut original, &mut copy)?;
            copy.sync_all()?;
            match rename_to_free_name(&temporary, &failed.join("new").join(&name)) {
                // A crash came between delivery and removal, or a second watcher was first.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => fs::remove_file(&temporary)?,
                other => other?,
            }
            File::open(failed.join("new"))?.sync_all()
        })();
        if let Err(error) = written {
            let _ = fs::remove_file(&temporary);
            return Err(error);
        }
        match fs::remove_file(self.path()) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Renames without ever replacing a file; file systems that can't promise this (NFS) are asked first.
fn rename_to_free_name(from: &Path, to: &Path) -> io::Result<()> {
    match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) if to.try_exists()? => {
            Err(io::ErrorKind::AlreadyExists.into())
        }
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => fs::rename(from, to),
        other => Ok(other?),
    }
}

/// Creates a Maildir++ folder with the permissions of the Maildir it belongs to.
fn create_folder(folder: &Path, like: &Path) -> io::Result<()> {
    if folder.join("tmp").is_dir() {
        return Ok(());
    }
    let mode = fs::metadata(like)?.mode() & 0o7777;
    for part in [folder.to_owned(), folder.join("cur"), folder.join("new"), folder.join("tmp")] {
        fs::DirBuilder::new().recursive(true).mode(mode).create(part)?;
    }
    // By this empty file a Maildir++ reader tells a folder from an inbox.
    OpenOptions::new().create(true).append(true).mode(mode & 0o666).open(folder.join("maildirfolder"))?;
    Ok(())
}

/// The name up to the flags (`:2,…`) and the sizes (`,S=…`).
fn unique_part(name: &OsStr) -> &[u8] {
    let bytes = name.as_bytes();
    let end = bytes.iter().position(|byte| matches!(byte, b':' | b',')).unwrap_or(bytes.len());
    &bytes[..end]
}

/// The name with the flag S added, flags in the order of their letters as the Maildir format demands.
fn with_seen(name: &OsStr) -> OsString {
    let bytes = name.as_bytes();
    let (base, flags) = match memchr::memmem::rfind(bytes, b":2,") {
        Some(at) => (&bytes[..at], &bytes[at + 3..]),
        None => (memchr::memchr(b':', bytes).map_or(bytes, |at| &bytes[..at]), &b""[..]),
    };
    let mut flags = flags.to_vec();
    if !flags.contains(&b'S') {
        flags.push(b'S');
        flags.sort_unstable();
    }
    OsString::from_vec([base, b":2,", &flags].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn maildir() -> (tempfile::TempDir, Arc<Maildir>) {
        let folder = tempfile::tempdir().expect("temporary folder");
        for name in ["new", "cur", "tmp"] {
            fs::create_dir(folder.path().join(name)).expect("folder");
        }
        let maildir = Maildir::open(folder.path()).expect("a Maildir");
        (folder, maildir)
    }

    fn deliver(maildir: &Arc<Maildir>, name: &str, content: &str) -> Entry {
        fs::write(maildir.path().join("new").join(name), content).expect("delivered");
        maildir
            .entries(Folder::New)
            .expect("listed")
            .map(|entry| entry.expect("entry"))
            .find(|entry| entry.name() == name)
            .expect("the mail just delivered")
    }

    fn files(folder: impl AsRef<Path>) -> Vec<String> {
        let listing = fs::read_dir(folder).expect("folder");
        let mut names: Vec<_> = listing.map(|f| f.expect("file").file_name().into_string().expect("UTF-8")).collect();
        names.sort();
        names
    }

    #[test]
    fn a_stored_mail_is_seen() {
        let (folder, maildir) = maildir();
        let mail = deliver(&maildir, "1.M1P1.mx,S=5,W=6", "mail\n");
        assert!(mail.settle_stored().expect("moved"));
        assert_eq!(files(folder.path().join("cur")), ["1.M1P1.mx,S=5,W=6:2,S"]);
        assert!(files(folder.path().join("new")).is_empty());
        assert!(!mail.settle_stored().expect("no error"), "a mail that is gone is no error");
    }

    #[test]
    fn no_other_mail_is_overwritten() {
        let (folder, maildir) = maildir();
        fs::write(folder.path().join("cur/1.mx:2,S"), "another").expect("written");
        let mail = deliver(&maildir, "1.mx", "mail\n");
        mail.settle_stored().expect("moved");
        assert_eq!(files(folder.path().join("cur")), ["1.mx:2,S", "1.mx_1:2,S"]);
        assert_eq!(fs::read_to_string(folder.path().join("cur/1.mx:2,S")).expect("read"), "another");
    }

    #[test]
    fn flags_are_kept_and_sorted() {
        assert_eq!(with_seen(OsStr::new("1.mx:2,FT")), "1.mx:2,FST");
        assert_eq!(with_seen(OsStr::new("1.mx:2,S")), "1.mx:2,S");
        assert_eq!(with_seen(OsStr::new("1.mx")), "1.mx:2,S");
    }

    #[test]
    fn a_failed_mail_says_why() {
        let (folder, maildir) = maildir();
        let mail = deliver(&maildir, "1.M1P1.mx,S=5,W=6", "Subject: x\r\n\r\nbody");
        assert!(mail.settle_failed("bad\nnews").expect("delivered"));
        let content = "X-Email-Report-Processor-Error: bad?news\r\nSubject: x\r\n\r\nbody";
        let name = format!("1.M1P1.mx,S={}", content.len());
        assert_eq!(files(folder.path().join(".failed/new")), [name.as_str()]);
        assert_eq!(fs::read_to_string(folder.path().join(".failed/new").join(name)).expect("read"), content);
        assert!(files(folder.path().join("new")).is_empty() && files(folder.path().join(".failed/tmp")).is_empty());
        assert!(folder.path().join(".failed/maildirfolder").exists());
    }

    #[test]
    fn a_crash_between_delivery_and_removal_leaves_one_copy() {
        let (folder, maildir) = maildir();
        let mail = deliver(&maildir, "1.mx", "body");
        mail.settle_failed("why").expect("delivered");
        let again = deliver(&maildir, "1.mx", "body");
        assert!(again.settle_failed("why").expect("delivered"));
        assert_eq!(files(folder.path().join(".failed/new")).len(), 1);
        assert!(files(folder.path().join("new")).is_empty());
    }

    #[test]
    fn the_failed_folder_of_a_subfolder_lies_beside_it() {
        let (folder, _) = maildir();
        let sub = folder.path().join(".Reports");
        for name in ["new", "cur", "tmp"] {
            fs::create_dir_all(sub.join(name)).expect("folder");
        }
        assert_eq!(failed_folder(&sub), folder.path().canonicalize().expect("path").join(".Reports.failed"));
        assert_eq!(failed_folder(folder.path()), folder.path().join(".failed"));
    }
}
