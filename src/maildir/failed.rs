//! Failed: mails that can't be used are delivered to the folder `.failed`, each with the reason in a
//! header on top.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write},
    mem,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::SystemTime,
};

use parking_lot::Mutex;

use super::{
    Entry, leftovers,
    names::{numbered, without_colons},
    rename::rename_to_free_name,
};
use crate::{sanitize, source};

/// The header in front of a mail that can't be used; its value is the reason.
pub const ERROR_HEADER: &str = "X-Email-Report-Processor-Error";

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

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{deliver, files, maildir},
        *,
    };

    fn fail(mail: &Entry, reason: &str) -> bool {
        settle_failed(&[(mail, reason)]).remove(0).expect("delivered")
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
}
