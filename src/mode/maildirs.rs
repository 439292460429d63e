//! Maildirs as they are named on the command line: opened, or refused in words that name the
//! mistake.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    config::Config,
    exit::Failure,
    file::Bytes,
    maildir::{Entry, Folder, Maildir},
    message::{self, Contents},
};

/// Mails that are looked at to see whether a Maildir is a person's inbox.
const LOOKED_AT: usize = 20;
/// Fewer mails say nothing.
const ENOUGH: usize = 8;
/// Larger ones are not looked at.
const LARGEST: u64 = 1 << 20;

/// Opens a Maildir, or says what is wrong with the path.
pub(super) fn open(path: &Path) -> Result<Arc<Maildir>, Failure> {
    Maildir::open_to_read_again(path).map_err(|error| mistake(path, &error))
}

/// What is wrong with a path that is no Maildir; nothing of one that is not there yet.
pub(super) fn mistake_if_there(path: &Path) -> Option<Failure> {
    match Maildir::open(path) {
        Err(error) if path.exists() && is_mistake(path) => Some(mistake(path, &error)),
        _ => None,
    }
}

fn is_mistake(path: &Path) -> bool {
    path.is_file() || maildir_around(path).is_some()
}

/// The Maildir whose `new`, `cur` or `tmp` this is.
fn maildir_around(path: &Path) -> Option<PathBuf> {
    let path = path.canonicalize().ok()?;
    let is_part =
        path.file_name().is_some_and(|name| ["new", "cur", "tmp"].iter().any(|part| name == *part));
    let around = path.parent().filter(|around| is_part && Maildir::open(around).is_ok())?;
    Some(around.to_owned())
}

fn mistake(path: &Path, error: &io::Error) -> Failure {
    let name = path.display();
    if let Some(around) = maildir_around(path) {
        return Failure::usage(format!(
            "{name} is a folder inside a Maildir; give the Maildir: {}",
            around.display()
        ));
    }
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => Failure::usage(format!(
            "{name} is a file; mbox files, archives and single mails are for import"
        )),
        Ok(metadata) if metadata.is_dir() && error.kind() == io::ErrorKind::NotFound => {
            Failure::usage(format!("{name} is no Maildir: there are no folders new and cur in it"))
        }
        _ => Failure::path(path, error),
    }
}

/// Refuses Maildirs in which most mails are no reports, before the first one is moved; not if it
/// was said what is to become of such mails.
pub(super) fn refuse_inboxes<'m>(
    maildirs: impl IntoIterator<Item = &'m Arc<Maildir>>,
    config: &Config,
) -> Result<(), Failure> {
    if config.unrecognized_is_said {
        return Ok(());
    }
    maildirs.into_iter().try_for_each(|maildir| look(maildir, &config.pipeline.reading))
}

fn look(maildir: &Arc<Maildir>, reading: &message::ReadOptions) -> Result<(), Failure> {
    let read = |mut entry: Entry| match entry.read(LARGEST) {
        Ok(Bytes::Whole(bytes)) => Some(message::read_with(&bytes, reading)),
        _ => None,
    };
    let sample = |folder| -> Vec<Contents> {
        let listed = maildir.entries(folder).into_iter().flatten();
        listed.filter_map(Result::ok).filter_map(read).take(LOOKED_AT).collect()
    };
    let are_reports = |mails: &[Contents]| {
        mails.iter().filter(|mail| mail.is_something_else()).count() * 2 <= mails.len()
    };
    // Where mostly reports were stored it is no inbox, however much other mail has come since.
    let (new, stored) = (sample(Folder::New), sample(Folder::Cur));
    if are_reports(&new) || (stored.len() >= ENOUGH && are_reports(&stored)) {
        return Ok(());
    }
    let mails: Vec<Contents> = new.into_iter().chain(stored).collect();
    let others: Vec<_> = mails.iter().filter(|mail| mail.is_something_else()).collect();
    if mails.len() < ENOUGH {
        return Ok(());
    }
    let example =
        others.iter().find_map(|mail| mail.about()).map(|about| format!(", such as {about}"));
    Err(Failure::usage(format!(
        "{} looks like an inbox: {} of the {} mails looked at are no reports{}. Nothing was moved. \
         Give the folder that the reports are filed into; or say what is to become of other mails: \
         --unrecognized keep leaves them, --unrecognized fail moves them to .failed",
        maildir.path().display(),
        others.len(),
        mails.len(),
        example.unwrap_or_default()
    )))
}
