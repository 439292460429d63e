//! Fresh: files that appeared in `new/` under their last names. A whole mail may have been linked
//! there, or somebody is still writing it: it is taken up once nobody has for a while.

use std::time::Instant;

use crate::{
    file::identity::FileIdentity,
    maildir::{Entry, QUIET},
};

/// More are not waited for.
const MOST: usize = 1024;

/// The files, what each was when it last was another, and since when.
#[derive(Default)]
pub(super) struct Fresh(Vec<(Entry, Option<FileIdentity>, Instant)>);

impl Fresh {
    /// One appeared. Gives it back if there are too many.
    pub(super) fn add(&mut self, entry: Entry) -> Option<Entry> {
        if self.0.len() >= MOST {
            return Some(entry);
        }
        self.0.push((entry, None, Instant::now()));
        None
    }

    /// Those that are whole by now.
    pub(super) fn take_whole(&mut self) -> Vec<Entry> {
        let mut whole = Vec::new();
        self.0.retain_mut(|(entry, known, since)| {
            // Taken away, or taken up when its writer closed it.
            let Ok(Some(now)) = FileIdentity::of(&entry.path()) else { return false };
            if *known != Some(now) {
                (*known, *since) = (Some(now), Instant::now());
            }
            let is_whole = since.elapsed() >= QUIET;
            if is_whole {
                whole.push(entry.clone());
            }
            !is_whole
        });
        whole
    }
}
