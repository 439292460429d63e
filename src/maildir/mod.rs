//! Maildir: taking up mails from `new/` and settling them by renaming, so that each is in exactly
//! one place at any instant.
//!
//! Another process may take a mail away at any moment; that is never an error here.

mod leftovers;
mod rename;
pub mod retry;

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::{OsStr, OsString},
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write},
    iter, mem,
    os::unix::{
        ffi::{OsStrExt, OsStringExt},
        fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
    process,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::SystemTime,
};

use parking_lot::Mutex;

use self::rename::rename_to_free_name;
use crate::{sanitize, source};

/// The header in front of a mail that can't be used; its value is the reason.
pub const ERROR_HEADER: &str = "X-Email-Report-Processor-Error";

/// Longest name of a file.
const NAME_BYTES: usize = 255;

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

    /// The folder to which mails are delivered that can't be used.
    pub fn failed(&self) -> &Path {
        &self.failed
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
        is_mail.then(|| Entry { maildir: Arc::clone(self), folder, name })
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

    /// Which folder of the Maildir it lies in.
    pub fn folder(&self) -> Folder {
        self.folder
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
        if self.folder == Folder::Cur && with_seen(&self.name) == self.name {
            return Ok(true);
        }
        let cur = self.maildir.path.join("cur");
        let source = self.path();
        let (base, flags) = split_flags(&self.name);
        let (base, flags) = (without_colons(base), with_flag_s(flags));
        for number in 0.. {
            let target = cur.join(numbered(&base, number, &flags));
            match rename_to_free_name(&source, &target) {
                Ok(()) => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::NotFound && !source.exists() => {
                    return Ok(false);
                }
                // Another mail has the name already: possible only where names are not unique. Both
                // are kept.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

/// Delivers mails to the folders `.failed` of their Maildirs, each with the reason in a header on
/// top. The originals are removed only when the copies and their names are on disk, which many
/// mails together cost hardly more than one. For each mail: true if it was still there.
///
/// A crash between the steps leaves both; the next run finds the copy, byte for byte the same, and
/// removes the original.
///
/// # Errors
/// For each mail: its copy could not be written; the mail is where it was.
pub fn settle_failed(mails: &[(&Entry, &str)]) -> Vec<io::Result<bool>> {
    let copies: Vec<io::Result<Option<Copy>>> =
        mails.iter().map(|(mail, reason)| Copy::write(mail, reason)).collect();
    synchronise(&copies);
    let named: Vec<io::Result<Option<Copy>>> =
        copies.into_iter().map(|copy| copy?.map(Copy::deliver).transpose()).collect();
    let folders: BTreeSet<PathBuf> = named
        .iter()
        .filter_map(|copy| copy.as_ref().ok()?.as_ref())
        .map(|copy| copy.folder.join("new"))
        .collect();
    folders
        .iter()
        .filter_map(|new| new.parent())
        .for_each(|folder| leftovers::clear(&folder.join("tmp")));
    let synchronised: BTreeMap<PathBuf, io::Result<()>> = folders
        .into_iter()
        .map(|folder| (folder.clone(), File::open(folder).and_then(|file| file.sync_all())))
        .collect();
    let finish = |(copy, (mail, _)): (io::Result<Option<Copy>>, &(&Entry, &str))| {
        let Some(copy) = copy? else { return Ok(false) };
        if let Some(Err(error)) = synchronised.get(&copy.folder.join("new")) {
            return Err(io::Error::new(error.kind(), error.to_string()));
        }
        match fs::remove_file(mail.path()) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    };
    named.into_iter().zip(mails).map(finish).collect()
}

/// Puts copies on disk, several at a time, so that the file system writes its journal once for
/// many.
fn synchronise(copies: &[io::Result<Option<Copy>>]) {
    const AT_A_TIME: usize = 8;
    let copies: Vec<&Copy> =
        copies.iter().filter_map(|copy| copy.as_ref().ok()?.as_ref()).collect();
    let sync = |copy: &Copy| *copy.synchronised.lock() = copy.file.sync_all();
    if let [only] = copies.as_slice() {
        return sync(only);
    }
    thread::scope(|scope| {
        for copies in copies.chunks(copies.len().div_ceil(AT_A_TIME).max(1)) {
            scope.spawn(move || copies.iter().for_each(|copy| sync(copy)));
        }
    });
}

/// The copy of a mail on its way to a folder `.failed`. Its temporary file goes with it, unless it
/// was delivered.
struct Copy {
    /// The folder `.failed`.
    folder: PathBuf,
    temporary: PathBuf,
    file: File,
    /// Bytes of the header on top.
    header: usize,
    /// The name without size and flags.
    base: Vec<u8>,
    size: u64,
    /// Whether it is on disk; an error until then.
    synchronised: Mutex<io::Result<()>>,
}

impl Copy {
    /// Writes the copy to `tmp/`; nothing if the mail is gone.
    fn write(mail: &Entry, reason: &str) -> io::Result<Option<Copy>> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let mut original = match source::open_regular(&mail.path()) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let folder = mail.maildir.failed.clone();
        create_folder(&folder, &mail.maildir.path)?;
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
        let mode = original.metadata()?.mode();
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&temporary)?;
        let base = without_colons(&mail.unique_name());
        let synchronised = Mutex::new(Err(io::Error::other("not synchronised")));
        let mut copy =
            Copy { folder, temporary, file, header: header.len(), base, size: 0, synchronised };
        copy.file.write_all(header.as_bytes())?;
        copy.file.write_all(head)?;
        io::copy(&mut original, &mut copy.file)?;
        copy.size = copy.file.metadata()?.len();
        Ok(Some(copy))
    }

    /// Gives the copy its name in `new/`.
    fn deliver(self) -> io::Result<Copy> {
        mem::replace(&mut *self.synchronised.lock(), Ok(()))?;
        for number in 0.. {
            // Sizes in the old name (`,S=`, `,W=`) would be wrong now, and Dovecot believes them.
            let target = self.folder.join("new").join(numbered(
                &self.base,
                number,
                format!(",S={}", self.size).as_bytes(),
            ));
            match rename_to_free_name(&self.temporary, &target) {
                Ok(()) => break,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    // A crash came between delivery and removal, or a second watcher was first:
                    // then it is our copy.
                    if self.is_same_mail(&target)? {
                        break;
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(self)
    }

    /// True if a file is a copy of the same mail: all bytes below its first header are the same.
    fn is_same_mail(&self, path: &Path) -> io::Result<bool> {
        // A mail reader may have moved it meanwhile, or it is no file.
        let Ok(other) = source::open_regular(path) else { return Ok(false) };
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
fn create_folder(folder: &Path, like: &Path) -> io::Result<()> {
    if folder.join("tmp").is_dir() {
        return Ok(());
    }
    let mode = fs::metadata(like)?.mode() & 0o7777;
    // By this empty file a Maildir++ reader tells a folder from an inbox. `tmp` comes last: where
    // it is, all is.
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

/// The name up to the flags, and the flags: what follows the last `:2,`. Other colons belong to the
/// name: people save mails under names with times and subjects in them.
fn split_flags(name: &OsStr) -> (&[u8], &[u8]) {
    let bytes = name.as_bytes();
    match memchr::memmem::rfind(bytes, b":2,") {
        Some(at) => (&bytes[..at], &bytes[at + 3..]),
        None => (bytes, b""),
    }
}

/// The name without flags and without the sizes `,S=…` and `,W=…`.
pub(super) fn unique_part(name: &OsStr) -> Vec<u8> {
    let (base, _) = split_flags(name);
    let is_size = |piece: &&[u8]| {
        let digits =
            piece.strip_prefix(b"S=").or_else(|| piece.strip_prefix(b"W=")).unwrap_or_default();
        !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
    };
    let mut pieces = base.split(|byte| *byte == b',');
    let first = pieces.next().unwrap_or_default();
    let others = pieces.filter(|piece| !is_size(piece));
    iter::once(first).chain(others).collect::<Vec<_>>().join(&b',')
}

/// Colons become `_`: readers of a Maildir take what follows the first one for flags.
pub(super) fn without_colons(base: &[u8]) -> Vec<u8> {
    base.iter().map(|byte| if *byte == b':' { b'_' } else { *byte }).collect()
}

/// `base` and `end`, with a number between from the second name on. File systems take 255 bytes, so
/// `base` may be cut.
pub(super) fn numbered(base: &[u8], number: u64, end: &[u8]) -> OsString {
    let middle = if number == 0 { String::new() } else { format!("_{number}") };
    let room = NAME_BYTES.saturating_sub(middle.len() + end.len());
    OsString::from_vec([&base[..base.len().min(room)], middle.as_bytes(), end].concat())
}

/// `:2,` and the flags with S among them, in the order of their letters as the Maildir format
/// demands.
fn with_flag_s(flags: &[u8]) -> Vec<u8> {
    let mut flags = flags.to_vec();
    if !flags.contains(&b'S') {
        flags.push(b'S');
        flags.sort_unstable();
    }
    [b":2,", flags.as_slice()].concat()
}

/// The name with the flag S added.
fn with_seen(name: &OsStr) -> OsString {
    let (base, flags) = split_flags(name);
    numbered(base, 0, &with_flag_s(flags))
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

    fn fail(mail: &Entry, reason: &str) -> bool {
        settle_failed(&[(mail, reason)]).remove(0).expect("delivered")
    }

    fn files(folder: impl AsRef<Path>) -> Vec<String> {
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
        assert_eq!(
            fs::read_to_string(folder.path().join("cur/1.mx:2,S")).expect("read"),
            "another"
        );
    }

    #[test]
    fn flags_are_kept_and_sorted() {
        assert_eq!(with_seen(OsStr::new("1.mx:2,FT")), "1.mx:2,FST");
        assert_eq!(with_seen(OsStr::new("1.mx:2,S")), "1.mx:2,S");
        assert_eq!(with_seen(OsStr::new("1.mx")), "1.mx:2,S");
        assert_eq!(unique_part(OsStr::new("1.mx,S=5,W=6:2,FS")), b"1.mx");
        assert_eq!(unique_part(OsStr::new("10:00:01,a,S=b,W=:2,")), b"10:00:01,a,S=b,W=");
    }

    #[test]
    fn a_failed_mail_says_why() {
        let (folder, maildir) = maildir();
        let mail = deliver(&maildir, "1.M1P1.mx,S=5,W=6", "Subject: x\r\n\r\nbody");
        assert!(fail(&mail, "bad\nnews"));
        let content = "X-Email-Report-Processor-Error: bad?news\r\nSubject: x\r\n\r\nbody";
        let name = format!("1.M1P1.mx,S={}", content.len());
        assert_eq!(files(folder.path().join(".failed/new")), [name.as_str()]);
        assert_eq!(
            fs::read_to_string(folder.path().join(".failed/new").join(name)).expect("read"),
            content
        );
        assert!(
            files(folder.path().join("new")).is_empty()
                && files(folder.path().join(".failed/tmp")).is_empty()
        );
        assert!(folder.path().join(".failed/maildirfolder").exists());
    }

    #[test]
    fn a_crash_between_delivery_and_removal_leaves_one_copy() {
        let (folder, maildir) = maildir();
        let mail = deliver(&maildir, "1.mx", "body");
        fail(&mail, "why");
        let again = deliver(&maildir, "1.mx", "body");
        assert!(fail(&again, "why"));
        assert_eq!(files(folder.path().join(".failed/new")).len(), 1);
        assert!(files(folder.path().join("new")).is_empty());
    }

    #[test]
    fn names_that_look_alike_lose_no_mail() {
        let (folder, maildir) = maildir();
        let names = [
            "Report: a.eml",
            "Report: b.eml",
            "10:00:01.eml",
            "10:30:00.eml",
            "a,b",
            "a,c",
            "a,S=4",
            "a,S=x",
            "a",
        ];
        let mails: Vec<Entry> = names
            .iter()
            .map(|name| deliver(&maildir, name, &format!("{name}.").repeat(3)))
            .collect();
        let settled = settle_failed(&mails.iter().map(|mail| (mail, "why")).collect::<Vec<_>>());
        assert!(settled.into_iter().all(|settled| settled.expect("delivered")));
        let copies = files(folder.path().join(".failed/new"));
        assert_eq!(copies.len(), names.len(), "{copies:?}");
        let mut bodies: Vec<String> = copies
            .iter()
            .map(|name| {
                fs::read_to_string(folder.path().join(".failed/new").join(name)).expect("read")
            })
            .map(|text| text.split_once('\n').expect("a header").1.to_owned())
            .collect();
        bodies.sort();
        let mut expected: Vec<String> =
            names.iter().map(|name| format!("{name}.").repeat(3)).collect();
        expected.sort();
        assert_eq!(bodies, expected);
    }

    #[test]
    fn other_mail_of_the_same_name_and_size_is_no_copy() {
        let (folder, maildir) = maildir();
        for n in 0..150 {
            let mail = deliver(&maildir, "1.mx", &format!("{n:05}"));
            assert!(fail(&mail, "why"));
            let mail = deliver(&maildir, "2.mx", &format!("{n:05}"));
            assert!(mail.settle_stored().expect("moved"));
        }
        assert_eq!(files(folder.path().join(".failed/new")).len(), 150);
        assert_eq!(files(folder.path().join("cur")).len(), 150);
        assert!(
            files(folder.path().join("new")).is_empty()
                && files(folder.path().join(".failed/tmp")).is_empty()
        );
    }

    #[test]
    fn a_name_of_255_bytes_can_be_settled() {
        let (folder, maildir) = maildir();
        let name = "x".repeat(255);
        assert!(deliver(&maildir, &name, "a").settle_stored().expect("moved"));
        assert!(fail(&deliver(&maildir, &name, "b"), "why"));
        assert_eq!(
            (
                files(folder.path().join("cur")).len(),
                files(folder.path().join(".failed/new")).len()
            ),
            (1, 1)
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
