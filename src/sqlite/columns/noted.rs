//! Noted: records of some segments until they are counted, and the combinations that they have,
//! each read once.

use std::{collections::HashMap, hash::Hash, ops::Range};

use foldhash::fast::RandomState;

use super::{
    combination::{Combination, Pair, Told},
    numbers::Broken,
    scan::Of,
    segment::{Address, Packed, Segment},
};
use crate::answers::Sign;

/// What is counted of a record, in few bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Noted {
    pub(super) report: i64,
    pub(super) begin: i64,
    pub(super) messages: u64,
    pub(super) v4: u32,
    pub(super) combination: u16,
    pub(super) segment: u8,
    /// Its number, and the marks below.
    pub(super) outcome: u8,
}

impl Noted {
    pub(super) const OUTCOME: u8 = 0x3f;
    /// It has an IPv4 address.
    pub(super) const HAS_V4: u8 = 0x40;
    /// Its report has several runs.
    pub(super) const SPLIT: u8 = 0x80;

    pub(super) fn new(of: &Of, record: &Packed) -> Noted {
        let (v4, mark) = match record.address {
            Address::V4(v4) => (v4, Noted::HAS_V4),
            Address::V6(_) | Address::None => (0, 0),
        };
        Noted {
            report: of.run.report,
            begin: of.run.begin,
            messages: record.messages,
            v4,
            combination: record.combination,
            segment: record.segment,
            outcome: record.outcome | mark | if of.is_split { Noted::SPLIT } else { 0 },
        }
    }

    pub(super) fn has(&self, mark: u8) -> bool {
        self.outcome & mark != 0
    }
}

/// Numbers of words.
#[derive(Clone)]
pub(super) struct Words {
    pub(super) pass: Option<u64>,
    pub(super) forwarding: Vec<u64>,
}

/// A combination, and what it tells. Ranges are of [`Readings::ids`].
#[derive(Clone, Debug)]
pub(super) struct Read {
    /// The place of its sign.
    pub(super) sign: u32,
    /// Domains and results, each once.
    pub(super) spf: Range<u32>,
    pub(super) dkim: Range<u32>,
    /// Of the policy's own organisation, each once: twice its number, and one more if a signature
    /// with it passed.
    pub(super) selectors: Range<u32>,
}

/// Values with small numbers.
pub(super) struct Numbered<T> {
    numbers: HashMap<T, u32, RandomState>,
    pub(super) values: Vec<T>,
}

impl<T: Copy + Eq + Hash> Numbered<T> {
    pub(super) fn new() -> Numbered<T> {
        Numbered { numbers: HashMap::default(), values: Vec::new() }
    }

    pub(super) fn number(&mut self, value: T) -> Result<u32, Broken> {
        if let Some(number) = self.numbers.get(&value) {
            return Ok(*number);
        }
        let number = u32::try_from(self.values.len()).map_err(|_| Broken)?;
        self.numbers.insert(value, number);
        self.values.push(value);
        Ok(number)
    }
}

/// Those of some segments that were met.
pub(super) struct Readings<'s> {
    segments: &'s [Segment],
    words: &'s Words,
    /// Where those of each segment begin in `places`, and there one more than the place in `all`.
    first: Vec<usize>,
    places: Vec<u32>,
    all: Vec<Read>,
    pub(super) ids: Vec<u32>,
    pub(super) signs: Numbered<Sign>,
    pub(super) pairs: Numbered<Pair>,
    pub(super) selectors: Numbered<u64>,
    combination: Combination,
}

impl<'s> Readings<'s> {
    pub(super) fn new(segments: &'s [Segment], words: &'s Words) -> Readings<'s> {
        let mut number = 0;
        let place = |segment: &Segment| {
            let first = number;
            number += segment.combinations.len();
            first
        };
        let first = segments.iter().map(place).collect();
        Readings {
            segments,
            words,
            first,
            places: vec![0; number],
            all: Vec::new(),
            ids: Vec::new(),
            signs: Numbered::new(),
            pairs: Numbered::new(),
            selectors: Numbered::new(),
            combination: Combination::default(),
        }
    }

    /// A combination of a segment.
    pub(super) fn read(&mut self, segment: u8, number: u16) -> Result<Read, Broken> {
        let at = self.first[usize::from(segment)] + usize::from(number);
        if self.places[at] == 0 {
            let bytes = self.segments[usize::from(segment)].combinations.get(number);
            let read = self.read_new(bytes)?;
            self.all.push(read);
            self.places[at] = u32::try_from(self.all.len()).map_err(|_| Broken)?;
        }
        Ok(self.all[self.places[at] as usize - 1].clone())
    }

    fn read_new(&mut self, bytes: &[u8]) -> Result<Read, Broken> {
        let told = Told::by(bytes, self.words.pass)?;
        self.combination.read_again(bytes)?;
        let Readings { words, ids, signs, pairs, selectors, combination, .. } = self;
        let Combination { from, spf, dkim, reasons } = combination;
        let passed = |result: &u64| Some(*result) == words.pass;
        let is_from = |domain: u64| *from == 0 || domain == *from >> 1;
        let spf_ids = noted(ids, spf.iter().map(|pair| pairs.number(*pair)))?;
        let mut signed: Vec<Pair> =
            dkim.iter().map(|[domain, result, _]| [domain >> 1, *result]).collect();
        signed.sort_unstable();
        signed.dedup();
        let dkim_ids = noted(ids, signed.into_iter().map(|pair| pairs.number(pair)))?;
        let own = dkim.iter().filter(|[domain, ..]| domain & 1 == 1);
        let mut keys: Vec<(u64, bool)> =
            own.map(|[_, result, selector]| (*selector, passed(result))).collect();
        // One that passed comes first, and stays.
        keys.sort_unstable_by_key(|(selector, passed)| (*selector, !passed));
        keys.dedup_by_key(|(selector, _)| *selector);
        let sign = Sign {
            has_own_signature: !keys.is_empty(),
            is_for_another: told.signature != 0 || told.envelope != 0,
            is_forwarded: reasons
                .iter()
                .any(|[kind, arc]| *arc == 1 || words.forwarding.contains(kind)),
            is_spf_strict: *from == 0 || spf.iter().any(|[domain, _]| is_from(*domain)),
            is_dkim_strict: *from == 0
                || dkim.iter().any(|[domain, result, _]| passed(result) && is_from(domain >> 1)),
            is_below: *from & 1 == 1,
        };
        let of_key = |(selector, passed): (u64, bool)| {
            Ok(selectors.number(selector)? << 1 | u32::from(passed))
        };
        let selectors = noted(ids, keys.into_iter().map(of_key))?;
        Ok(Read { sign: signs.number(sign)?, spf: spf_ids, dkim: dkim_ids, selectors })
    }
}

/// Puts numbers behind the others; where they are.
fn noted(
    ids: &mut Vec<u32>,
    more: impl Iterator<Item = Result<u32, Broken>>,
) -> Result<Range<u32>, Broken> {
    let place = |ids: &Vec<u32>| u32::try_from(ids.len()).map_err(|_| Broken);
    let begin = place(ids)?;
    for number in more {
        ids.push(number?);
    }
    Ok(begin..place(ids)?)
}
