//! Sessions: who has logged in, for a while. They are kept in memory, and end with the program.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use super::token::random;

/// After so long without a page a session ends,
const IDLE: Duration = Duration::from_hours(12);
/// and after so long in any case.
const LONGEST: Duration = Duration::from_hours(7 * 24);
/// Of one person; the one that was used last longest ago goes first.
const OF_ONE: usize = 10;
/// Of all.
const MOST: usize = 2000;

/// Kept by the hash of the cookie's text: what is compared is not what a browser sends, so the time
/// that a search takes tells nothing.
type Id = [u8; 32];

/// Who has logged in.
#[derive(Debug, Default)]
pub(in crate::page) struct Sessions {
    all: Mutex<HashMap<Id, Session>>,
}

#[derive(Debug)]
struct Session {
    name: String,
    /// What the log-in was checked by: with another password it is over.
    credential: [u8; 32],
    begun: Instant,
    used: Instant,
}

impl Session {
    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.used) > IDLE
            || now.saturating_duration_since(self.begun) > LONGEST
    }
}

fn id(text: &str) -> Id {
    Sha256::digest(text).into()
}

impl Sessions {
    /// Begins a session, with a text that was never seen before.
    pub(in crate::page) fn begin(&self, name: &str, credential: [u8; 32]) -> String {
        self.begin_at(name, credential, Instant::now())
    }

    fn begin_at(&self, name: &str, credential: [u8; 32], now: Instant) -> String {
        let text = random();
        let mut all = self.all.lock();
        all.retain(|_, session| !session.is_over(now));
        let is_own = |session: &Session| session.name == name;
        if all.values().filter(|session| is_own(session)).count() >= OF_ONE {
            drop_oldest(&mut all, is_own);
        }
        if all.len() >= MOST {
            drop_oldest(&mut all, |_| true);
        }
        all.insert(id(&text), Session { name: name.into(), credential, begun: now, used: now });
        text
    }

    /// Who began the session with this text, and by what.
    pub(super) fn find(&self, text: &str) -> Option<(String, [u8; 32])> {
        self.find_at(text, Instant::now())
    }

    fn find_at(&self, text: &str, now: Instant) -> Option<(String, [u8; 32])> {
        let mut all = self.all.lock();
        let session = all.get_mut(&id(text)).filter(|session| !session.is_over(now))?;
        session.used = now;
        Some((session.name.clone(), session.credential))
    }

    /// Ends a session.
    pub(in crate::page) fn end(&self, text: &str) {
        self.all.lock().remove(&id(text));
    }
}

fn drop_oldest(all: &mut HashMap<Id, Session>, which: impl Fn(&Session) -> bool) {
    let some = all.iter().filter(|(_, session)| which(session));
    let oldest = some.min_by_key(|(_, session)| session.used).map(|(id, _)| *id);
    oldest.and_then(|id| all.remove(&id));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_end_by_themselves() {
        let sessions = Sessions::default();
        let start = Instant::now();
        let text = sessions.begin_at("anna", [1; 32], start);
        let found = Some(("anna".to_owned(), [1; 32]));
        assert_eq!(sessions.find_at(&text, start + IDLE), found);
        let late = start + IDLE + IDLE + Duration::from_secs(1);
        assert_eq!(sessions.find_at(&text, late), None);
        // Used all the time, it ends, too.
        let text = sessions.begin_at("anna", [1; 32], start);
        let mut now = start;
        while now < start + LONGEST {
            assert_eq!(sessions.find_at(&text, now), found);
            now += IDLE;
        }
        assert_eq!(sessions.find_at(&text, now + Duration::from_secs(1)), None);
        sessions.begin_at("bert", [1; 32], now + LONGEST);
        assert_eq!(sessions.all.lock().len(), 1);
    }

    #[test]
    fn nobody_pushes_others_out() {
        let sessions = Sessions::default();
        let start = Instant::now();
        let anna = sessions.begin_at("anna", [1; 32], start);
        let first = sessions.begin_at("bert", [2; 32], start);
        for n in 1..=OF_ONE as u64 {
            sessions.begin_at("bert", [2; 32], start + Duration::from_secs(n));
        }
        assert!(sessions.find_at(&anna, start).is_some());
        assert!(sessions.find_at(&first, start).is_none());
        assert_eq!(sessions.all.lock().len(), OF_ONE + 1);
        sessions.end(&anna);
        assert!(sessions.find_at(&anna, start).is_none());
    }

    #[test]
    fn their_number_has_an_end() {
        let sessions = Sessions::default();
        let start = Instant::now();
        for n in 0..=MOST {
            sessions.begin_at(&n.to_string(), [0; 32], start);
        }
        assert_eq!(sessions.all.lock().len(), MOST);
    }
}
