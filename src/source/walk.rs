//! Walk: everything under a path that may hold reports, one at a time, whatever the size of the
//! folders.

use std::{
    fs, io,
    ops::ControlFlow,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use walkdir::{DirEntry, WalkDir};

use crate::maildir::{Entry, Folder, Maildir};

/// How the names of Dovecot's own files go on behind `dovecot`.
const DOVECOTS: [&str; 11] = [
    ".index",
    ".list.index",
    ".map.index",
    ".mailbox.log",
    ".autoexpunge",
    "-uidlist",
    "-uidvalidity",
    "-keywords",
    "-acl",
    "-attributes",
    "-shared",
];

/// Something found.
#[derive(Debug)]
pub enum WalkEntry {
    /// A mail in `new/` or `cur/` of a Maildir.
    Mail(Entry),
    /// A file.
    File(PathBuf),
    /// A link to a folder or to nothing, which is not followed.
    Link(PathBuf),
}

/// Goes through `path`: a file, a Maildir (with `recursive` also the Maildir++ folders in it, but
/// for those of failed mails), or a folder of files, Maildirs and further folders.
pub fn walk(
    path: &Path,
    recursive: bool,
    visit: &mut dyn FnMut(io::Result<WalkEntry>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    if is_maildir(path) {
        maildir(path, visit)?;
        return if recursive { subfolders(path, visit) } else { ControlFlow::Continue(()) };
    }
    let mut entries = WalkDir::new(path).follow_root_links(true).into_iter();
    while let Some(entry) = entries.next() {
        match entry {
            Ok(entry) if entry.file_type().is_dir() => {
                if entry.depth() > 0 && is_maildir(entry.path()) {
                    entries.skip_current_dir();
                    maildir(entry.path(), visit)?;
                    subfolders(entry.path(), visit)?;
                }
            }
            Ok(entry) if entry.depth() > 0 && is_bookkeeping(entry.file_name().as_bytes()) => {}
            Ok(entry) if is_file(&entry) => visit(Ok(WalkEntry::File(entry.into_path())))?,
            Ok(entry) if is_lost_link(&entry) => visit(Ok(WalkEntry::Link(entry.into_path())))?,
            Ok(_) => {}
            Err(error) => visit(Err(error.into()))?,
        }
    }
    ControlFlow::Continue(())
}

fn is_maildir(path: &Path) -> bool {
    path.join("cur").is_dir() && path.join("new").is_dir()
}

/// True for the files that mail programs keep beside the mails.
pub fn is_bookkeeping(path: &[u8]) -> bool {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    // Not by `dovecot` alone: files with reports are named by who sent them, such as dovecot.org,
    // with `!` behind it.
    let is_dovecots = !name.contains(&b'!')
        && name
            .strip_prefix(b"dovecot")
            .is_some_and(|rest| DOVECOTS.iter().any(|begin| rest.starts_with(begin.as_bytes())));
    is_dovecots || matches!(name, b"maildirfolder" | b"subscriptions" | b"maildirsize")
}

/// A file, or a link to one: devices and pipes are not read.
fn is_file(entry: &DirEntry) -> bool {
    entry.file_type().is_file()
        || fs::metadata(entry.path()).is_ok_and(|metadata| metadata.is_file())
}

/// A link that leads to a folder, or nowhere.
fn is_lost_link(entry: &DirEntry) -> bool {
    entry.path_is_symlink() && fs::metadata(entry.path()).map_or(true, |there| there.is_dir())
}

fn maildir(
    path: &Path,
    visit: &mut dyn FnMut(io::Result<WalkEntry>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let maildir = match Maildir::open(path) {
        Ok(maildir) => maildir,
        Err(error) => return visit(Err(error)),
    };
    for folder in [Folder::New, Folder::Cur] {
        match Arc::clone(&maildir).entries(folder) {
            Ok(entries) => {
                for entry in entries {
                    visit(entry.map(WalkEntry::Mail))?;
                }
            }
            Err(error) => visit(Err(error))?,
        }
    }
    ControlFlow::Continue(())
}

/// The folders in a Maildir. Maildir++ is flat: all lie beside each other in the inbox, their names
/// begin with a dot. With Dovecot's `LAYOUT=fs` they are ordinary folders, and in each other.
fn subfolders(
    inbox: &Path,
    visit: &mut dyn FnMut(io::Result<WalkEntry>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let is_maildirs_own =
        |entry: &DirEntry| matches!(entry.file_name().as_bytes(), b"new" | b"cur" | b"tmp");
    let is_folder = |entry: &DirEntry| {
        entry.depth() == 0
            || (entry.file_type().is_dir()
                && !(is_maildirs_own(entry) && entry.path().parent().is_some_and(is_maildir))
                && !entry.file_name().as_bytes().ends_with(b".failed"))
    };
    for folder in WalkDir::new(inbox).min_depth(1).into_iter().filter_entry(is_folder) {
        match folder {
            Ok(folder) if is_maildir(folder.path()) => maildir(folder.path(), visit)?,
            Ok(_) => {}
            Err(error) => visit(Err(error.into()))?,
        }
    }
    ControlFlow::Continue(())
}
