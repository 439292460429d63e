//! Noted: records of some segments until they are counted, and the combinations that they have,
//! each read once.

use std::ops::Range;

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

/// A combination, and what it tells.
#[derive(Clone)]
pub(super) struct Read {
    pub(super) sign: Sign,
    /// Domains and results, each once.
    pub(super) spf: Range<usize>,
    pub(super) dkim: Range<usize>,
    /// Of the policy's own organisation, each once, and whether a signature with it passed.
    pub(super) selectors: Range<usize>,
}

/// Those of some segments that were met.
pub(super) struct Readings<'s> {
    segments: &'s [Segment],
    words: &'s Words,
    /// Where those of each segment begin in `places`, and there one more than the place in `all`.
    first: Vec<usize>,
    places: Vec<u32>,
    all: Vec<Read>,
    pub(super) pairs: Vec<Pair>,
    pub(super) selectors: Vec<(u64, bool)>,
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
            pairs: Vec::new(),
            selectors: Vec::new(),
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
        let Readings { words, pairs, selectors: all_selectors, combination, .. } = self;
        let told = Told::by(bytes, words.pass)?;
        combination.read_again(bytes)?;
        let Combination { from, spf, dkim, reasons } = combination;
        let passed = |result: &u64| Some(*result) == words.pass;
        let is_from = |domain: u64| *from == 0 || domain == *from >> 1;
        let begin = pairs.len();
        pairs.extend(spf.iter());
        let spf_end = pairs.len();
        let mut signed: Vec<Pair> =
            dkim.iter().map(|[domain, result, _]| [domain >> 1, *result]).collect();
        signed.sort_unstable();
        signed.dedup();
        pairs.extend(signed);
        let own = dkim.iter().filter(|[domain, ..]| domain & 1 == 1);
        let mut selectors: Vec<(u64, bool)> =
            own.map(|[_, result, selector]| (*selector, passed(result))).collect();
        // One that passed comes first, and stays.
        selectors.sort_unstable_by_key(|(selector, passed)| (*selector, !passed));
        selectors.dedup_by_key(|(selector, _)| *selector);
        let sign = Sign {
            has_own_signature: !selectors.is_empty(),
            is_for_another: told.signature != 0 || told.envelope != 0,
            is_forwarded: reasons
                .iter()
                .any(|[kind, arc]| *arc == 1 || words.forwarding.contains(kind)),
            is_spf_strict: *from == 0 || spf.iter().any(|[domain, _]| is_from(*domain)),
            is_dkim_strict: *from == 0
                || dkim.iter().any(|[domain, result, _]| passed(result) && is_from(domain >> 1)),
            is_below: *from & 1 == 1,
        };
        let first_selector = all_selectors.len();
        all_selectors.extend(selectors);
        Ok(Read {
            sign,
            spf: begin..spf_end,
            dkim: spf_end..pairs.len(),
            selectors: first_selector..all_selectors.len(),
        })
    }
}
