//! Kept: what the store answered for a page, for the next who asks for the same one. Only answers
//! are kept, and they are the same for everybody: the page itself is made anew for whoever asks, by
//! his rights and by what is said to be the user's own at that moment. What failure reports know of
//! persons is not kept.

use std::{
    collections::HashMap,
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use super::{asked::Asked, store::PageStore, view::View};
use crate::{
    answers::recorded::AnswerRecord,
    file::identity::{FileIdentity, device_and_inode},
    sqlite::query::Reader,
};

/// Bytes of all answers that are kept.
const MOST: usize = 64 << 20;

/// Answers of one page that are larger are not kept.
const LARGE_PAGE: usize = MOST / 8;

/// While reports are stored, the answers of a large store, and always those of a cluster, are good
/// for so many times the time that they took,
const TIMES: u32 = 10;
/// at most this long.
const LONGEST: Duration = Duration::from_secs(30);

/// A smaller file is asked again whenever it has changed: that takes no time.
const LARGE_FILE: u64 = 256 << 20;

/// A page, whatever it is written as, and what it was asked for.
type Key = (View, String);

/// Where the answers of one page are, or come to be: who asks the store holds it, so that others
/// wait rather than ask the same.
pub(super) type Shelf = Arc<tokio::sync::Mutex<Option<Arc<Kept>>>>;

/// What the store answered for a page.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) record: AnswerRecord,
    moment: Moment,
    asked: Instant,
    took: Duration,
}

/// What a store was when it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    /// Another number for another file.
    opening: u64,
    /// Another number once the file has changed; a cluster does not tell.
    version: Option<i64>,
    /// Asking takes long.
    is_large: bool,
}

/// Answers of all pages.
#[derive(Debug, Default)]
pub(super) struct KeptAnswers {
    pages: Mutex<Pages>,
    watched: Mutex<Watched>,
}

#[derive(Debug, Default)]
struct Pages {
    places: HashMap<Key, Place>,
    bytes: usize,
    /// Of all pages so far.
    uses: u64,
}

#[derive(Debug, Default)]
struct Place {
    shelf: Shelf,
    bytes: usize,
    /// The number of its last use.
    used: u64,
}

/// A file that is held open to see whether it changes.
#[derive(Debug, Default)]
struct Watched {
    reader: Option<(Reader, (u64, u64))>,
    openings: u64,
}

impl Kept {
    pub(super) fn new(record: AnswerRecord, moment: Moment, asked: Instant) -> Kept {
        Kept { record, moment, asked, took: asked.elapsed() }
    }

    /// True if a page that was asked for then, and is made now, may have these answers.
    fn is_good(&self, wanted: Instant, now: Moment) -> bool {
        let is_same = now.version.is_some() && self.moment == now;
        let lasts = (self.took * TIMES).min(LONGEST);
        let may_be_late = now.is_large && self.asked.elapsed() < lasts;
        // Asked while this one waited, it is as new as any.
        self.moment.opening == now.opening && (self.asked >= wanted || is_same || may_be_late)
    }
}

impl KeptAnswers {
    /// The place of a page's answers.
    pub(super) fn shelf(&self, view: View, asked: &Asked) -> Shelf {
        let mut pages = self.pages.lock();
        pages.uses += 1;
        let used = pages.uses;
        let place = pages.places.entry((view, asked.write())).or_default();
        place.used = used;
        Arc::clone(&place.shelf)
    }

    /// Notes how much the answers of a page take, and forgets those that were not used for the
    /// longest time where all take too much.
    pub(super) fn weigh(&self, view: View, asked: &Asked, bytes: usize) {
        let mut pages = self.pages.lock();
        let key = (view, asked.write());
        let bytes = if bytes > 0 { bytes + key.1.len() } else { 0 };
        if let Some(place) = pages.places.get_mut(&key) {
            place.bytes = bytes;
        }
        pages.places.retain(|_, place| place.bytes > 0 || Arc::strong_count(&place.shelf) > 1);
        pages.bytes = pages.places.values().map(|place| place.bytes).sum();
        while pages.bytes > MOST {
            let oldest = pages.places.iter().min_by_key(|(_, place)| place.used);
            let Some(oldest) = oldest.map(|(key, _)| key.clone()) else { break };
            let forgotten = pages.places.remove(&oldest);
            pages.bytes -= forgotten.map_or(0, |place| place.bytes);
        }
    }

    /// True if what is kept is good for a page that was asked for then.
    pub(super) fn is_good(&self, kept: &Kept, wanted: Instant, store: &PageStore) -> bool {
        self.moment(store).is_some_and(|now| kept.is_good(wanted, now))
    }

    /// What the store is now; nothing if it can't be read. Whoever asks it after that is told of
    /// this moment or of a later one.
    pub(super) fn moment(&self, store: &PageStore) -> Option<Moment> {
        let PageStore::File { path, .. } = store else {
            return Some(Moment { opening: 0, version: None, is_large: true });
        };
        let file = fs::metadata(path).ok()?;
        let identity = FileIdentity::from(&file).file();
        let mut watched = self.watched.lock();
        if watched.reader.as_ref().is_none_or(|(_, of)| *of != identity) {
            watched.reader = None;
            let reader = Reader::open_as_it_is(path).ok()?;
            if device_and_inode(path).ok()? != identity {
                return None;
            }
            watched.openings += 1;
            watched.reader = Some((reader, identity));
        }
        let version = watched.reader.as_ref().and_then(|(reader, _)| reader.version().ok());
        if version.is_none() {
            watched.reader = None;
        }
        let is_large = file.len() >= LARGE_FILE;
        Some(Moment { opening: watched.openings, version: Some(version?), is_large })
    }
}

/// True if the answers of a page may be kept, which take so many bytes.
pub(super) fn may_be_kept(view: View, bytes: usize) -> bool {
    view != View::Failures && bytes <= LARGE_PAGE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(text: &str) -> Asked {
        Asked::read(text).expect(text)
    }

    #[test]
    fn answers_of_a_small_file_are_good_until_it_changes() {
        let at = |version, is_large| Moment { opening: 1, version: Some(version), is_large };
        let begun = Instant::now();
        let mut kept = Kept::new(AnswerRecord::default(), at(7, false), begun);
        kept.took = Duration::from_hours(1);
        let later = begun + Duration::from_nanos(1);
        assert!(kept.is_good(later, at(7, false)));
        assert!(!kept.is_good(later, at(8, false)));
        // One that was asked while somebody waited is good for him.
        assert!(kept.is_good(begun, at(8, false)));
        assert!(!kept.is_good(begun, Moment { opening: 2, ..at(7, false) }));
        // A large one may be a little late, as long as that pays.
        assert!(kept.is_good(later, at(8, true)));
        kept.took = Duration::ZERO;
        assert!(!kept.is_good(later, at(8, true)));
        // A cluster never says that it is the same.
        let cluster = Moment { version: None, ..at(7, true) };
        kept.moment = cluster;
        assert!(!kept.is_good(later, cluster));
        kept.took = Duration::from_hours(1);
        assert!(kept.is_good(later, cluster));
    }

    #[test]
    fn what_was_not_used_for_long_is_forgotten_first() {
        let kept = KeptAnswers::default();
        let names = || (0..20).map(|n| format!("domain={n}.example"));
        for name in names() {
            kept.shelf(View::Domain, &asked(&name));
            kept.weigh(View::Domain, &asked(&name), MOST / 10);
            // The first is used all the time.
            kept.shelf(View::Domain, &asked("domain=0.example"));
        }
        let pages = kept.pages.lock();
        assert!(pages.bytes <= MOST, "{}", pages.bytes);
        let is_kept = |name: &str| pages.places.contains_key(&(View::Domain, asked(name).write()));
        let there: Vec<bool> = names().map(|name| is_kept(&name)).collect();
        assert_eq!(there.iter().filter(|there| **there).count(), 9);
        assert!(there[0] && !there[1] && there[19]);
    }

    #[test]
    fn a_page_that_could_not_be_made_leaves_nothing() {
        let kept = KeptAnswers::default();
        let held = kept.shelf(View::Tls, &asked(""));
        kept.weigh(View::Tls, &asked(""), 0);
        assert_eq!(kept.pages.lock().places.len(), 1, "somebody waits for it");
        drop(held);
        kept.weigh(View::Home, &asked(""), 0);
        assert!(kept.pages.lock().places.is_empty());
    }
}
