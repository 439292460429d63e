//! Attempts: how often a log-in may be tried, from one address and for one name.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use sha2::{Digest, Sha256};

/// Failures are forgotten after so long.
const WINDOW: Duration = Duration::from_mins(10);
/// From one address; from a network that one customer has, where it is IPv6.
const FROM_ONE: u32 = 10;
/// For one name, from wherever. Many addresses can so keep a person out, but not out of a browser
/// that has logged in before: such browsers are counted by themselves.
const FOR_ONE: u32 = 30;
/// What is remembered at most.
const MOST: usize = 10_000;

/// Bits of an IPv6 address that its owner can't choose.
const PREFIX: u32 = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Key {
    From(IpAddr),
    Name([u8; 32]),
    /// Browsers that have logged in as this one before.
    Known([u8; 32]),
}

#[derive(Clone, Copy, Debug)]
struct Tries {
    since: Instant,
    tries: u32,
}

/// Somebody tries to log in.
#[derive(Clone, Copy, Debug)]
pub(in crate::page) struct Attempt<'a> {
    /// From where.
    pub(in crate::page) from: IpAddr,
    /// As whom.
    pub(in crate::page) name: &'a str,
    /// The browser has logged in as that one before.
    pub(in crate::page) is_known: bool,
}

/// How often a log-in was tried without success.
#[derive(Debug, Default)]
pub(in crate::page) struct Attempts {
    counts: Mutex<HashMap<Key, Tries>>,
}

impl Attempts {
    /// Counts an attempt, before it is known what comes of it.
    ///
    /// # Errors
    /// There were too many: how long to wait.
    pub(in crate::page) fn begin(&self, one: &Attempt) -> Result<(), Duration> {
        self.begin_at(one, Instant::now())
    }

    fn begin_at(&self, one: &Attempt, now: Instant) -> Result<(), Duration> {
        let mut counts = self.counts.lock();
        let keys = one.keys();
        for (key, most) in &keys {
            if let Some(count) = counts.get(key)
                && let passed = now.saturating_duration_since(count.since)
                && passed < WINDOW
                && count.tries >= *most
            {
                return Err(WINDOW.saturating_sub(passed));
            }
        }
        for (key, _) in keys {
            make_room(&mut counts, now);
            let count = counts.entry(key).or_insert(Tries { since: now, tries: 0 });
            if now.saturating_duration_since(count.since) >= WINDOW {
                *count = Tries { since: now, tries: 0 };
            }
            count.tries += 1;
        }
        Ok(())
    }

    /// It was the right password: that attempt does not count.
    pub(in crate::page) fn succeeded(&self, one: &Attempt) {
        let mut counts = self.counts.lock();
        for (key, _) in one.keys() {
            if let Some(count) = counts.get_mut(&key) {
                count.tries = count.tries.saturating_sub(1);
            }
        }
    }
}

impl Attempt<'_> {
    /// What it counts for, and how many may.
    fn keys(&self) -> Vec<(Key, u32)> {
        let name: [u8; 32] = Sha256::digest(self.name).into();
        if self.is_known {
            return vec![(Key::Known(name), FOR_ONE)];
        }
        vec![(key(self.from), FROM_ONE), (Key::Name(name), FOR_ONE)]
    }
}

fn key(from: IpAddr) -> Key {
    match from.to_canonical() {
        IpAddr::V6(address) => {
            let network = address.to_bits() >> PREFIX << PREFIX;
            Key::From(Ipv6Addr::from_bits(network).into())
        }
        address @ IpAddr::V4(_) => Key::From(address),
    }
}

fn make_room(counts: &mut HashMap<Key, Tries>, now: Instant) {
    if counts.len() < MOST {
        return;
    }
    counts.retain(|_, count| now.saturating_duration_since(count.since) < WINDOW);
    if counts.len() >= MOST {
        // Those who tried least, and of these the ones longest ago.
        let least = counts.iter().min_by_key(|(_, count)| (count.tries, count.since));
        if let Some(key) = least.map(|(key, _)| *key) {
            counts.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect(text)
    }

    fn attempt(from: IpAddr, name: &str) -> Attempt<'_> {
        Attempt { from, name, is_known: false }
    }

    fn begin(attempts: &Attempts, from: IpAddr, name: &str, now: Instant) -> Result<(), Duration> {
        attempts.begin_at(&attempt(from, name), now)
    }

    #[test]
    fn an_address_tries_some_times_and_then_waits() {
        let attempts = Attempts::default();
        let start = Instant::now();
        for n in 0..FROM_ONE {
            let from = address(if n % 2 == 0 { "192.0.2.1" } else { "::ffff:192.0.2.1" });
            assert_eq!(begin(&attempts, from, &n.to_string(), start), Ok(()));
        }
        let from = address("192.0.2.1");
        let wait = begin(&attempts, from, "anna", start + Duration::from_secs(1));
        assert_eq!(wait, Err(WINDOW.saturating_sub(Duration::from_secs(1))));
        assert_eq!(begin(&attempts, address("192.0.2.2"), "anna", start), Ok(()));
        assert_eq!(begin(&attempts, from, "anna", start + WINDOW), Ok(()));
        // A network of IPv6 is one customer's.
        for n in 0..FROM_ONE {
            let from = address(&format!("2001:db8::{n}"));
            assert_eq!(begin(&attempts, from, &format!("six {n}"), start), Ok(()));
        }
        assert!(begin(&attempts, address("2001:db8::ffff"), "x", start).is_err());
        assert!(begin(&attempts, address("2001:db8:0:1::"), "x", start).is_ok());
    }

    #[test]
    fn a_name_is_tried_some_times_from_wherever() {
        let attempts = Attempts::default();
        let start = Instant::now();
        for n in 0..FOR_ONE {
            let from = address(&format!("192.0.2.{n}"));
            assert_eq!(begin(&attempts, from, "anna", start), Ok(()));
        }
        assert!(begin(&attempts, address("198.51.100.1"), "anna", start).is_err());
        assert!(begin(&attempts, address("198.51.100.1"), "bert", start).is_ok());
    }

    #[test]
    fn strangers_keep_nobody_out_of_a_browser_that_is_known() {
        let attempts = Attempts::default();
        let start = Instant::now();
        for n in 0..FOR_ONE {
            let from = address(&format!("192.0.2.{}", n / FROM_ONE));
            assert_eq!(begin(&attempts, from, "anna", start), Ok(()));
        }
        let known = Attempt { is_known: true, ..attempt(address("192.0.2.0"), "anna") };
        assert!(begin(&attempts, known.from, "anna", start).is_err());
        // It has an end, too.
        for _ in 0..FOR_ONE {
            assert_eq!(attempts.begin_at(&known, start), Ok(()));
        }
        assert!(attempts.begin_at(&known, start).is_err());
    }

    #[test]
    fn what_succeeds_does_not_count() {
        let attempts = Attempts::default();
        let start = Instant::now();
        for _ in 0..3 * FOR_ONE {
            assert_eq!(begin(&attempts, address("192.0.2.1"), "anna", start), Ok(()));
            attempts.succeeded(&attempt(address("192.0.2.1"), "anna"));
        }
    }

    #[test]
    fn what_is_remembered_has_an_end() {
        let attempts = Attempts::default();
        let start = Instant::now();
        for _ in 0..FROM_ONE {
            assert!(begin(&attempts, address("192.0.2.1"), "first", start).is_ok());
        }
        for n in 0..5_100_u32 {
            let from = IpAddr::from((n + (10 << 24)).to_be_bytes());
            assert!(begin(&attempts, from, &n.to_string(), start).is_ok());
        }
        assert!(attempts.counts.lock().len() <= MOST);
        // Who has tried most is not forgotten for others.
        assert!(begin(&attempts, address("192.0.2.1"), "second", start).is_err());
    }
}
