//! Elsewhere: the store that was meant, maybe, where the one at hand has nothing to show.

use std::{
    fmt,
    fs::File,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use crate::{
    file::identity::device_and_inode,
    sanitize,
    sqlite::{OpenError, query::Reader},
};

/// Another store, and how to see it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Elsewhere {
    pub(super) store: PathBuf,
    /// Only its owner and root may look.
    is_closed: bool,
}

/// The first of these places, other than `store`, where reports are stored, or may be for all that
/// this user may see.
pub(super) fn find(store: &Path, places: &[PathBuf]) -> Option<Elsewhere> {
    let here = device_and_inode(store).ok();
    let is_here = |place: &Path| here.is_some() && device_and_inode(place).ok() == here;
    let mut others = places.iter().filter(|place| *place != store && !is_here(place));
    others.find_map(|place| look(place))
}

fn look(place: &Path) -> Option<Elsewhere> {
    let found = |is_closed| Some(Elsewhere { store: place.to_owned(), is_closed });
    match File::open(place) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return found(true),
        Err(_) => return None,
        Ok(_) => {}
    }
    match Reader::open_as_it_is(place) {
        Ok(mut reader) => reader.newest().ok()?.and_then(|_| found(false)),
        // What is in it is not known, and it is not ours to change.
        Err(OpenError::Older(_)) => found(false),
        Err(_) => None,
    }
}

impl Elsewhere {
    /// That it is there.
    pub(super) fn is_there(&self) -> &'static str {
        if self.is_closed {
            "there may be another that only its owner can read"
        } else {
            "there is another"
        }
    }

    /// The command that shows it.
    pub(super) fn command(&self) -> String {
        let path = self.store.display().to_string();
        let sudo = if self.is_closed { "sudo " } else { "" };
        let path = quoted(&sanitize::line(&path));
        format!("{sudo}email-report-processor report --store {path}")
    }
}

impl fmt::Display for Elsewhere {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}: {}", self.is_there(), self.command())
    }
}

/// A word for the shell.
pub(super) fn quoted(word: &str) -> String {
    // An equals sign in front has a meaning to zsh.
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+:,=".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) && !word.starts_with('=') {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_for_the_shell() {
        assert_eq!(quoted("/var/lib/a-b/reports.sqlite"), "/var/lib/a-b/reports.sqlite");
        assert_eq!(quoted("/home/it's me/$x"), r"'/home/it'\''s me/$x'");
    }

    #[test]
    fn what_only_its_owner_may_read_is_told_so() {
        let other = Elsewhere { store: "/s".into(), is_closed: true };
        assert_eq!(
            other.to_string(),
            "there may be another that only its owner can read: sudo email-report-processor report --store /s"
        );
    }
}
