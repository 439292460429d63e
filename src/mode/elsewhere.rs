//! Elsewhere: the store that was meant, maybe, where the one at hand has nothing to show.

use std::{
    fmt,
    fs::File,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use crate::{file::identity::device_and_inode, sanitize, sqlite::query::Reader};

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
    let newest = Reader::open(place).ok()?.newest().ok()?;
    if newest.is_none() { None } else { found(false) }
}

impl fmt::Display for Elsewhere {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let path = self.store.display().to_string();
        let path = sanitize::line(&path);
        let (is, sudo) = if self.is_closed {
            ("may be another that only its owner can read", "sudo ")
        } else {
            ("is another", "")
        };
        write!(f, "there {is}: {sudo}email-report-processor report --store {}", quoted(&path))
    }
}

/// A word for the shell.
pub(super) fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+".contains(c);
    if word.chars().all(is_plain) {
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
