//! Retry: mails of `.failed` go back to `new/`, as they were delivered, so that they are read
//! again.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, Seek, SeekFrom, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    Folder, Maildir,
    copy::{ERROR_HEADER, is_same},
    lock::Lock,
    names::{numbered, unique_part, without_colons},
};
use crate::file::{self, identity::FileIdentity, rename::rename_to_free_name};

/// How many mails went back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retried {
    /// Mails that are in `new/` now.
    pub mails: u64,
    /// Files that could not be moved; they stay in `.failed`.
    pub stuck: u64,
}

/// Moves all mails of the Maildir's folder `.failed` back to `new/`, without the header that told
/// the reason. A mail leaves `.failed` only after it is on disk in `new/`. `on_error` hears of each
/// that can't be moved.
///
/// # Errors
/// The folder can't be read.
pub fn retry(
    maildir: &Arc<Maildir>,
    on_error: &mut dyn FnMut(&Path, io::Error),
) -> io::Result<Retried> {
    let mut retried = Retried::default();
    let failed = match Maildir::open(maildir.failed()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(retried),
        failed => failed?,
    };
    let mode = fs::metadata(maildir.path())?.mode() & 0o7777;
    fs::DirBuilder::new().recursive(true).mode(mode).create(maildir.path().join("tmp"))?;
    for folder in [Folder::New, Folder::Cur] {
        for entry in failed.entries(folder)? {
            let path = entry?.path();
            match move_back(maildir, &path) {
                Ok(true) => retried.mails += 1,
                Ok(false) => {}
                Err(error) => {
                    retried.stuck += 1;
                    on_error(&path, error);
                }
            }
        }
    }
    Ok(retried)
}

/// False if another process has taken the mail away, or it is none.
fn move_back(maildir: &Arc<Maildir>, path: &Path) -> io::Result<bool> {
    // For one mail only: what fails meanwhile waits for it.
    let _lock = Lock::of(maildir.failed())?.ok_or_else(|| {
        io::Error::new(io::ErrorKind::Unsupported, "the file system has no locks (flock)")
    })?;
    let original = match file::open_regular(path) {
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidInput) =>
        {
            return Ok(false);
        }
        original => original?,
    };
    let name = path.file_name().unwrap_or_default();
    let base = without_colons(&unique_part(name));
    let new = maildir.path().join("new");
    // The lock keeps others from it, and what was killed is found again by the next.
    let temporary = maildir.path().join("tmp").join(numbered(&base, 0, b".retry"));
    let mut copy = copy_without_reason(&original, &temporary).inspect_err(|_| {
        let _ = fs::remove_file(&temporary);
    })?;
    deliver(&mut copy, &temporary, &new, &base).inspect_err(|_| {
        let _ = fs::remove_file(&temporary);
    })?;
    remove(path, &original, maildir.failed())?;
    Ok(true)
}

/// Removes a mail from `.failed`, although a mail reader may have renamed it: it was seen, or its
/// flags changed.
fn remove(path: &Path, mail: &File, failed: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        removed => return removed,
    }
    let mail = FileIdentity::from(&mail.metadata()?).file();
    for folder in ["new", "cur"] {
        for file in fs::read_dir(failed.join(folder))? {
            let path = file?.path();
            if FileIdentity::of(&path)?.is_some_and(|there| there.file() == mail) {
                return fs::remove_file(path);
            }
        }
    }
    Ok(())
}

fn copy_without_reason(original: &File, temporary: &PathBuf) -> io::Result<File> {
    let mode = original.metadata()?.mode();
    let mut copy = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(temporary)?;
    let mut original = BufReader::new(original);
    let mut first = Vec::new();
    io::Read::take(&mut original, 64 << 10).read_until(b'\n', &mut first)?;
    if !first.starts_with(ERROR_HEADER.as_bytes()) {
        copy.write_all(&first)?;
    }
    io::copy(&mut original, &mut copy)?;
    copy.sync_all()?;
    Ok(copy)
}

fn deliver(copy: &mut File, temporary: &Path, new: &Path, base: &[u8]) -> io::Result<()> {
    for number in 0.. {
        let target = new.join(numbered(base, number, b""));
        match rename_to_free_name(temporary, &target) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                copy.seek(SeekFrom::Start(0))?;
                // A crash came between delivery and removal.
                if file::open_regular(&target).is_ok_and(|other| {
                    is_same(&mut BufReader::new(&*copy), &mut BufReader::new(other))
                        .unwrap_or(false)
                }) {
                    fs::remove_file(temporary)?;
                    break;
                }
            }
            renamed => {
                renamed?;
                break;
            }
        }
    }
    File::open(new)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs as unix_fs;

    use super::*;
    use crate::maildir::settle_failed;

    #[test]
    fn a_mail_that_a_reader_renames_meanwhile_is_not_left_in_failed() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["new", "cur"] {
            fs::create_dir(folder.path().join(name)).expect("a folder");
        }
        let [old, new, other] =
            ["new/1.mx", "cur/1.mx:2,S", "cur/2.mx:2,S"].map(|name| folder.path().join(name));
        fs::write(&old, "x").expect("written");
        fs::write(&other, "x").expect("written");
        let mail = File::open(&old).expect("opened");
        fs::rename(&old, &new).expect("renamed");
        remove(&old, &mail, folder.path()).expect("removed");
        assert!(!new.exists() && other.exists());
        remove(&old, &mail, folder.path()).expect("somebody has removed it");
    }

    #[test]
    fn a_mail_comes_back_as_it_was_delivered() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["new", "cur", "tmp"] {
            fs::create_dir(folder.path().join(name)).expect("a folder");
        }
        let maildir = Maildir::open(folder.path()).expect("a Maildir");
        let mails = [("1.mx", "Subject: a\r\n\r\nb"), ("10:00.eml", "x"), ("2.mx", "")];
        for (name, content) in mails {
            fs::write(folder.path().join("new").join(name), content).expect("written");
        }
        let entries: Vec<_> = maildir
            .entries(Folder::New)
            .expect("listed")
            .map(|entry| entry.expect("an entry"))
            .collect();
        let failing: Vec<_> = entries.iter().map(|entry| (entry, "why")).collect();
        assert!(settle_failed(&failing).iter().all(Result::is_ok));
        // No mails, and what was left by one that was killed.
        fs::create_dir(folder.path().join(".failed/new/folder")).expect("a folder");
        unix_fs::symlink("/dev/null", folder.path().join(".failed/cur/link")).expect("a link");
        fs::write(folder.path().join("tmp/2.mx.retry"), "half").expect("written");
        // A crash left one in both places.
        fs::write(folder.path().join("new/1.mx"), mails[0].1).expect("written");
        let retried = retry(&maildir, &mut |_, error| panic!("{error}")).expect("read");
        assert_eq!(retried, Retried { mails: 3, stuck: 0 });
        let read =
            |name: &str| fs::read_to_string(folder.path().join("new").join(name)).expect("read");
        assert_eq!(
            [read("1.mx"), read("10_00.eml"), read("2.mx")],
            mails.map(|(_, content)| content.to_owned())
        );
        assert_eq!(fs::read_dir(folder.path().join("new")).expect("listed").count(), 3);
        assert_eq!(fs::read_dir(folder.path().join("tmp")).expect("listed").count(), 0);
        let left = fs::read_dir(folder.path().join(".failed/new")).expect("listed");
        assert_eq!(
            left.map(|file| file.expect("a file").file_name()).collect::<Vec<_>>(),
            ["folder"]
        );
        fs::remove_dir(folder.path().join("tmp")).expect("removed");
        assert_eq!(
            retry(&maildir, &mut |_, error| panic!("{error}")).expect("read"),
            Retried::default()
        );
    }
}
