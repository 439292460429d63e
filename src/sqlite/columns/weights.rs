//! Weights: messages by address or sender, of which there may be as many as records.
//!
//! One table of all would be far larger than a processor's cache, and each record a miss. So they
//! are first put into parts by a hash, one write each, and then each part is summed up in a table
//! that fits.

use std::{
    cmp::Reverse,
    collections::HashMap,
    hash::{BuildHasher, Hash, Hasher},
    mem,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use foldhash::fast::RandomState;
use rayon::prelude::*;

use super::{
    combination::Told,
    scan::{Gather, Of},
    segment::{Address, Packed},
};
use crate::answers::{Network, Outcome, capped_sum};

/// Parts of one filter; of several each has fewer.
const PARTS: usize = 256;

/// Keys that are summed up as they come, of one filter; of several each has fewer. Most mail is of a
/// few thousand senders, and need not be put into parts record by record.
const FRONT: usize = 4096;

/// But at least so many: hardly ever a filter is about as many senders as all are.
const FRONT_OF_MANY: usize = 1024;

/// After so many keys it is clear whether that pays.
const TRIED: u64 = 1 << 16;

/// Bits of an IPv6 address behind its usual network.
const V6_REST: u32 = Network::USUAL_V6.trailing_zeros();

/// Whom records are grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whom {
    Nobody,
    /// An address, or the first one of a network.
    V4(u32),
    V6(u128),
    /// By a name's number: who signed,
    Signer(u64),
    /// whom SPF passed for,
    Envelope(u64),
    /// who has a key of the policy's own domain;
    OwnSigner(u64),
    /// among those who are known to send from some addresses.
    Known(u32),
}

impl Whom {
    pub(super) fn address(record: &Packed) -> Whom {
        match record.address {
            Address::None => Whom::Nobody,
            Address::V4(v4) => Whom::V4(v4),
            Address::V6(v6) => Whom::V6(v6),
        }
    }

    /// The address, if it is one.
    pub(super) fn ip(self) -> Option<IpAddr> {
        match self {
            Whom::V4(v4) => Some(Ipv4Addr::from(v4).into()),
            Whom::V6(v6) => Some(Ipv6Addr::from(v6).into()),
            _ => None,
        }
    }

    /// By the best evidence, as [`crate::senders::evidence()`] says.
    pub(super) fn sender(record: &Packed) -> Whom {
        let Told { signature, envelope, own } = record.told;
        if signature != 0 {
            return Whom::Signer(signature);
        }
        if envelope != 0 && !Outcome::is_spf_pass(record.outcome) {
            return Whom::Envelope(envelope);
        }
        if record.known != 0 {
            return Whom::Known(record.known);
        }
        match record.address {
            Address::None if own != 0 => Whom::OwnSigner(own),
            Address::None => Whom::Nobody,
            Address::V4(v4) => Whom::V4(v4 & Network::USUAL_V4),
            Address::V6(v6) => Whom::V6(v6 & Network::USUAL_V6),
        }
    }

    /// A sender in few bits: of an address its usual network.
    pub(super) fn key(self) -> u64 {
        match self {
            Whom::V4(v4) => u64::from(v4 & Network::USUAL_V4) << 3 | 4,
            Whom::V6(v6) => ((v6 >> V6_REST) as u64) << 3 | 5,
            Whom::Nobody => 6,
            // The number ends with what it is of.
            other => {
                let number = other.number().unwrap_or_default();
                number >> 2 << 3 | number & 3
            }
        }
    }

    /// Those that have a number, as one number.
    fn number(self) -> Option<u64> {
        match self {
            Whom::Signer(number) => Some(number << 2),
            Whom::Envelope(number) => Some(number << 2 | 1),
            Whom::OwnSigner(number) => Some(number << 2 | 2),
            Whom::Known(number) => Some(u64::from(number) << 2 | 3),
            Whom::Nobody | Whom::V4(_) | Whom::V6(_) => None,
        }
    }

    fn of_number(number: u64) -> Whom {
        let rest = number >> 2;
        match number & 3 {
            0 => Whom::Signer(rest),
            1 => Whom::Envelope(rest),
            2 => Whom::OwnSigner(rest),
            _ => Whom::Known(u32::try_from(rest).unwrap_or_default()),
        }
    }
}

/// In one go: this is asked of millions of records.
impl Hash for Whom {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match *self {
            Whom::V4(v4) => state.write_u64(u64::from(v4) << 32 | 5),
            Whom::V6(v6) => state.write_u128(v6),
            other => state.write_u64(other.number().unwrap_or_default() << 1),
        }
    }
}

impl From<IpAddr> for Whom {
    fn from(address: IpAddr) -> Whom {
        match address {
            IpAddr::V4(v4) => Whom::V4(v4.into()),
            IpAddr::V6(v6) => Whom::V6(v6.into()),
        }
    }
}

/// Messages by whom.
pub(super) struct Weights {
    whom: fn(&Packed) -> Whom,
    nobody: Option<u64>,
    v4: Parts<u32>,
    /// Two halves: a number of 128 bits would be stretched to their multiple.
    v6: Parts<[u64; 2]>,
    /// Those that have a number.
    numbered: Parts<u64>,
}

/// What the weights come to.
pub(super) struct Heaviest {
    /// The heaviest addresses or networks, and nobody, in no order.
    pub(super) list: Vec<(Whom, u64)>,
    /// All others.
    pub(super) numbered: Vec<(Whom, u64)>,
    /// How many addresses or networks there are in all, with nobody.
    pub(super) all: u64,
}

impl Weights {
    /// Those of one of so many filters.
    pub(super) fn new(whom: fn(&Packed) -> Whom, hasher: &RandomState, filters: usize) -> Weights {
        let of_one = |all: usize| (all / filters.next_power_of_two()).max(1);
        Weights::with(whom, hasher, [of_one(PARTS), of_one(FRONT).max(FRONT_OF_MANY)])
    }

    fn with(whom: fn(&Packed) -> Whom, hasher: &RandomState, sizes: [usize; 2]) -> Weights {
        Weights {
            whom,
            nobody: None,
            v4: Parts::new(hasher, sizes),
            v6: Parts::new(hasher, sizes),
            numbered: Parts::new(hasher, sizes),
        }
    }

    /// The `top` heaviest.
    pub(super) fn heaviest(self, top: usize) -> Heaviest {
        let (v4, all_v4) = self.v4.heaviest(top);
        let (v6, all_v6) = self.v6.heaviest(top);
        let (numbered, _) = self.numbered.heaviest(usize::MAX);
        let mut list: Vec<(Whom, u64)> =
            self.nobody.map(|weight| (Whom::Nobody, weight)).into_iter().collect();
        list.extend(v4.into_iter().map(|(v4, weight)| (Whom::V4(v4), weight)));
        list.extend(v6.into_iter().map(|(v6, weight)| (Whom::V6(whole(v6)), weight)));
        let numbered = numbered.into_iter().map(|(one, weight)| (Whom::of_number(one), weight));
        let all = u64::from(self.nobody.is_some()) + all_v4 + all_v6;
        Heaviest { list, numbered: numbered.collect(), all }
    }
}

fn halves(v6: u128) -> [u64; 2] {
    let bytes = v6.to_be_bytes();
    let half = |n: usize| u64::from_be_bytes(bytes.as_chunks().0[n]);
    [half(0), half(1)]
}

fn whole([high, low]: [u64; 2]) -> u128 {
    u128::from(high) << 64 | u128::from(low)
}

impl Gather for Weights {
    fn fork(&self) -> Weights {
        Weights::with(self.whom, &self.v4.hasher, [self.v4.small.len(), self.v4.front.len()])
    }

    fn record(&mut self, _: &Of, record: &Packed) {
        let whom = (self.whom)(record);
        match whom {
            Whom::Nobody => {
                let nobody = self.nobody.get_or_insert_default();
                *nobody = capped_sum(*nobody, record.messages);
            }
            Whom::V4(v4) => self.v4.add(v4, record.messages),
            Whom::V6(v6) => self.v6.add(halves(v6), record.messages),
            _ => self.numbered.add(whom.number().unwrap_or_default(), record.messages),
        }
    }

    fn merge(&mut self, other: Weights) {
        if let Some(more) = other.nobody {
            let nobody = self.nobody.get_or_insert_default();
            *nobody = capped_sum(*nobody, more);
        }
        self.v4.merge(other.v4);
        self.v6.merge(other.v6);
        self.numbered.merge(other.numbered);
    }
}

/// Messages by keys, in parts.
struct Parts<K> {
    hasher: RandomState,
    /// Sums of keys that came lately, each in the one place that its hash gives it.
    front: Vec<Option<(K, u64)>>,
    /// How many came, and how many of them found theirs there.
    came: u64,
    found: u64,
    small: Vec<Vec<(K, u32)>>,
    /// Counts that need more bits.
    large: Vec<Vec<(K, u64)>>,
}

impl<K: Copy + Eq + Ord + Hash + Send + Sync> Parts<K> {
    /// With so many parts, and places in front of them: powers of two.
    fn new(hasher: &RandomState, [parts, front]: [usize; 2]) -> Self {
        Parts {
            hasher: hasher.clone(),
            front: vec![None; front],
            came: 0,
            found: 0,
            small: (0..parts).map(|_| Vec::new()).collect(),
            large: (0..parts).map(|_| Vec::new()).collect(),
        }
    }

    fn add(&mut self, key: K, messages: u64) {
        if self.front.is_empty() {
            self.put(key, messages);
            return;
        }
        self.came += 1;
        // Where hardly any comes again, as with addresses, it would only cost.
        if self.came == TRIED && self.found < TRIED / 4 {
            self.put_front();
            self.put(key, messages);
            return;
        }
        let place = (self.hasher.hash_one(key) >> 40) as usize & (self.front.len() - 1);
        match &mut self.front[place] {
            Some((there, sum)) if *there == key => {
                self.found += 1;
                *sum = capped_sum(*sum, messages);
            }
            other => {
                if let Some((there, sum)) = other.replace((key, messages)) {
                    self.put(there, sum);
                }
            }
        }
    }

    fn put(&mut self, key: K, messages: u64) {
        // Other bits than those by which a table finds its place.
        let part = (self.hasher.hash_one(key) >> 32) as usize & (self.small.len() - 1);
        match u32::try_from(messages) {
            Ok(messages) => self.small[part].push((key, messages)),
            Err(_) => self.large[part].push((key, messages)),
        }
    }

    fn put_front(&mut self) {
        for (key, sum) in mem::take(&mut self.front).into_iter().flatten() {
            self.put(key, sum);
        }
    }

    fn merge(&mut self, mut other: Self) {
        other.put_front();
        for (ours, theirs) in self.small.iter_mut().zip(other.small) {
            append(ours, theirs);
        }
        for (ours, theirs) in self.large.iter_mut().zip(other.large) {
            append(ours, theirs);
        }
    }

    /// The `top` heaviest, the smallest key first where they are as heavy; and how many keys there
    /// are.
    fn heaviest(mut self, top: usize) -> (Vec<(K, u64)>, u64) {
        self.put_front();
        let hasher = self.hasher;
        let parts = self.small.into_par_iter().zip(self.large);
        let sums = parts.map(|(small, large)| {
            let mut sums: HashMap<K, u64, RandomState> = HashMap::with_hasher(hasher.clone());
            let small = small.into_iter().map(|(key, messages)| (key, u64::from(messages)));
            for (key, messages) in small.chain(large) {
                let sum = sums.entry(key).or_default();
                *sum = capped_sum(*sum, messages);
            }
            let all = sums.len() as u64;
            (cut(sums.into_iter().collect(), top), all)
        });
        let (lists, numbers): (Vec<_>, Vec<_>) = sums.unzip();
        (cut(lists.concat(), top), numbers.into_iter().sum())
    }
}

/// Puts one list behind another; the first is not copied.
fn append<T>(ours: &mut Vec<T>, theirs: Vec<T>) {
    if ours.is_empty() {
        *ours = theirs;
    } else {
        ours.extend(theirs);
    }
}

fn cut<K: Copy + Ord>(mut list: Vec<(K, u64)>, top: usize) -> Vec<(K, u64)> {
    if top == 0 {
        return Vec::new();
    }
    if list.len() > top {
        list.select_nth_unstable_by_key(top - 1, |(key, weight)| (Reverse(*weight), *key));
        list.truncate(top);
    }
    list
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_heaviest_are_found_among_many() {
        let mut parts = Parts::new(&RandomState::default(), [PARTS, 16]);
        for key in 0_u32..1000 {
            parts.add(key, u64::from(key % 10));
            parts.add(key, if key == 7 { u64::MAX } else { 0 });
        }
        let (mut top, all) = parts.heaviest(3);
        top.sort_unstable_by_key(|(key, weight)| (Reverse(*weight), *key));
        assert_eq!((top, all), (vec![(7, i64::MAX.cast_unsigned()), (9, 9), (19, 9)], 1000));
    }

    #[test]
    fn numbers_tell_sorts_apart() {
        let numbered = [Whom::Signer(7), Whom::Envelope(7), Whom::OwnSigner(7), Whom::Known(7)];
        for whom in numbered {
            assert_eq!(whom.number().map(Whom::of_number), Some(whom));
        }
        let others = [Whom::Nobody, Whom::V4(7 << 8), Whom::V4(8 << 8), Whom::V6(7 << 80)];
        let keys: HashSet<u64> = numbered.into_iter().chain(others).map(Whom::key).collect();
        assert_eq!(keys.len(), numbered.len() + others.len());
    }
}
