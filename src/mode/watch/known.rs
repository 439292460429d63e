//! Known: the mails in `new/` that are not to be taken up now, and why.

use std::{
    collections::{HashMap, HashSet},
    mem,
    time::Instant,
};

use parking_lot::{Mutex, MutexGuard};

use crate::{
    maildir::{Entry, QUIET},
    settle::{MailOutcome, Origin, Settlement, apply::Moved},
};

/// What is known of mails in `new/`.
#[derive(Default)]
pub(super) struct Known(Mutex<Mails>);

#[derive(Default)]
struct Mails {
    /// With the turn in which each was taken up.
    under_way: HashMap<Entry, u64>,
    /// Mail of other kinds that is to stay.
    kept: HashSet<Entry>,
    /// Mails that were left, or could not be read or moved.
    stuck: HashSet<Entry>,
    /// Mails that may be unfinished, and since when that is known.
    unfinished: HashMap<Entry, Instant>,
    /// Stuck mails of an earlier turn: what is stuck was to be tried again while they were still
    /// under way. And those that changed while they were read.
    late: Vec<Entry>,
    /// How often what is stuck was to be tried again.
    turn: u64,
}

impl Known {
    fn mails(&self) -> MutexGuard<'_, Mails> {
        self.0.lock()
    }

    /// True if the mail is to be taken up now; it counts as under way from here on.
    pub(super) fn take_up(&self, entry: &Entry) -> bool {
        let mut mails = self.mails();
        let turn = mails.turn;
        // Its name may have been that of something else.
        if mails.kept.get(entry).is_some_and(|kept| !kept.is_as_read()) {
            mails.kept.remove(entry);
        }
        let is_free = ![&mails.kept, &mails.stuck].iter().any(|known| known.contains(entry))
            && !mails.unfinished.contains_key(entry)
            && !mails.under_way.contains_key(entry);
        if is_free {
            mails.under_way.insert(entry.clone(), turn);
        }
        is_free
    }

    /// The mail was not taken up after all.
    pub(super) fn let_go(&self, entry: &Entry) {
        self.mails().under_way.remove(entry);
    }

    pub(super) fn settled(&self, settlement: &Settlement, moved: Moved) {
        let Origin::Maildir(entry) = &settlement.origin else { return };
        let mut mails = self.mails();
        let taken_up = mails.under_way.remove(entry);
        match (&settlement.outcome, moved) {
            (_, Moved::Yes) => {}
            (_, Moved::Changed) => mails.late.push(entry.clone()),
            (_, Moved::Unfinished) => {
                mails.unfinished.insert(entry.clone(), Instant::now());
            }
            (MailOutcome::Unrecognized(_) | MailOutcome::NotAFile, Moved::No) => {
                mails.kept.insert(entry.clone());
            }
            _ if taken_up.is_some_and(|turn| turn < mails.turn) => mails.late.push(entry.clone()),
            _ => {
                mails.stuck.insert(entry.clone());
            }
        }
    }

    /// Mails that are to be taken up again, now, although the folder is not read.
    pub(super) fn take_late(&self) -> Vec<Entry> {
        let mut mails = self.mails();
        let mut late = mem::take(&mut mails.late);
        let whole_by_now = mails.unfinished.extract_if(|_, since| since.elapsed() >= QUIET);
        late.extend(whole_by_now.map(|(entry, _)| entry));
        late
    }

    pub(super) fn try_stuck_again(&self) {
        let mut mails = self.mails();
        mails.turn += 1;
        mails.stuck.clear();
        // Forgets what a person has taken away meanwhile.
        mails.kept.retain(Entry::is_as_read);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{
        maildir::{Folder, Maildir},
        settle::Counts,
    };

    fn left(entry: &Entry) -> Settlement {
        let origin = Origin::Maildir(entry.clone());
        Settlement {
            origin,
            tag: 0,
            outcome: MailOutcome::Left,
            tally: Counts::default(),
            breaks_off: false,
            about: None,
        }
    }

    #[test]
    fn a_mail_is_taken_up_whatever_had_its_name_before() {
        let folder = tempfile::tempdir().expect("a folder");
        ["new", "cur"]
            .iter()
            .for_each(|part| fs::create_dir(folder.path().join(part)).expect("a folder"));
        let maildir = Maildir::open(folder.path()).expect("a Maildir");
        let mut entry = maildir.entry(Folder::New, "1.mx".into()).expect("a mail");
        let known = Known::default();
        let mut keep = |outcome: MailOutcome| {
            assert!(known.take_up(&entry));
            entry.read(100).expect("read");
            known.settled(&Settlement { outcome, ..left(&entry) }, Moved::No);
            assert!(!known.take_up(&entry), "it is known");
        };
        fs::create_dir(folder.path().join("new/1.mx")).expect("a folder");
        keep(MailOutcome::NotAFile);
        fs::remove_dir(folder.path().join("new/1.mx")).expect("removed");
        fs::write(folder.path().join("new/1.mx"), "half").expect("written");
        keep(MailOutcome::Unrecognized("why".into()));
        fs::write(folder.path().join("new/1.mx"), "half and the rest").expect("written");
        keep(MailOutcome::Unrecognized("why".into()));
    }

    #[test]
    fn a_mail_that_changed_is_taken_up_again() {
        let folder = tempfile::tempdir().expect("a folder");
        ["new", "cur"]
            .iter()
            .for_each(|part| fs::create_dir(folder.path().join(part)).expect("a folder"));
        let maildir = Maildir::open(folder.path()).expect("a Maildir");
        let entry = maildir.entry(Folder::New, "1.mx".into()).expect("a mail");
        let known = Known::default();
        assert!(known.take_up(&entry));
        known.settled(&left(&entry), Moved::Changed);
        assert_eq!(known.take_late(), std::slice::from_ref(&entry));
        assert!(known.take_up(&entry));
    }

    /// The index was in trouble when the mail came to it, and back when the mail's answer came.
    #[test]
    fn a_mail_that_is_left_after_the_stuck_ones_were_freed_is_taken_up_again() {
        let folder = tempfile::tempdir().expect("a folder");
        ["new", "cur"]
            .iter()
            .for_each(|part| fs::create_dir(folder.path().join(part)).expect("a folder"));
        let maildir = Maildir::open(folder.path()).expect("a Maildir");
        let entry = |name: &str| maildir.entry(Folder::New, name.into()).expect("a mail");
        let (early, late) = (entry("early"), entry("late"));
        let known = Known::default();
        assert!(known.take_up(&early) && known.take_up(&late) && !known.take_up(&late));
        known.settled(&left(&early), Moved::No);
        known.try_stuck_again();
        known.settled(&left(&late), Moved::No);
        assert!(known.take_up(&early), "the one that was stuck is free");
        assert_eq!(known.take_late(), std::slice::from_ref(&late));
        assert!(known.take_up(&late));
        // This time it was tried after all.
        known.settled(&left(&late), Moved::No);
        assert_eq!((known.take_late(), known.take_up(&late)), (Vec::new(), false));
    }
}
