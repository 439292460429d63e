//! Known: the mails in `new/` that are not to be taken up now, and why.

use std::{
    collections::HashSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{
    maildir::Entry,
    settle::{Origin, Outcome, Settlement, apply::Moved},
};

/// What is known of mails in `new/`.
#[derive(Default)]
pub(super) struct Known(Mutex<Mails>);

#[derive(Default)]
struct Mails {
    under_way: HashSet<Entry>,
    /// Mail of other kinds that is to stay.
    kept: HashSet<Entry>,
    /// Mails that could not be read or moved.
    stuck: HashSet<Entry>,
}

impl Known {
    fn mails(&self) -> MutexGuard<'_, Mails> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True if the mail is to be taken up now; it counts as under way from here on.
    pub(super) fn take_up(&self, entry: &Entry) -> bool {
        let mut mails = self.mails();
        !mails.kept.contains(entry) && !mails.stuck.contains(entry) && mails.under_way.insert(entry.clone())
    }

    /// The mail was not taken up after all.
    pub(super) fn let_go(&self, entry: &Entry) {
        self.mails().under_way.remove(entry);
    }

    pub(super) fn settled(&self, settlement: &Settlement, moved: Moved) {
        let Origin::Maildir(entry) = &settlement.origin else { return };
        let mut mails = self.mails();
        mails.under_way.remove(entry);
        match (&settlement.outcome, moved) {
            (_, Moved::Yes) => {}
            (Outcome::Unrecognized(_) | Outcome::NotAFile, Moved::No) => {
                mails.kept.insert(entry.clone());
            }
            _ => {
                mails.stuck.insert(entry.clone());
            }
        }
    }

    pub(super) fn try_stuck_again(&self) {
        let mut mails = self.mails();
        mails.stuck.clear();
        // Forgets what a person has taken away meanwhile.
        mails.kept.retain(|entry| entry.path().exists());
    }
}
