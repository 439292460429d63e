//! Histories: what the columns say of senders, as much as it takes to judge them.

use std::{collections::HashMap, sync::Arc};

use foldhash::fast::RandomState;
use rayon::prelude::*;
use rusqlite::Result;

use super::{
    gather::Sum,
    groups::{PairSums, add},
    names::{find, name},
    noted::{Noted, Readings, Words},
    numbers::Broken,
    scan::{Asked, Gather, Of, Scan},
    scratch::{Days, Scratch, add_day},
    segment::{Address, Packed, Run, Segment},
    senders::{Heavy, Senders, places},
    weights::Whom,
};
use crate::{
    answers::{Day, Histories, History, Selector, Signs, capped_sum},
    report::aggregate::FORWARDING,
};

impl Scan<'_> {
    /// For each filter what is known of the senders with most messages; of all but the first so many
    /// filters no more than their sums and days.
    pub(in crate::sqlite) fn histories(
        &mut self,
        top: usize,
        whole: usize,
    ) -> Result<Vec<Histories>> {
        let senders = self.heaviest_senders(top)?;
        let mut words = Words { pass: self.pass, forwarding: Vec::new() };
        for word in FORWARDING {
            words.forwarding.extend(find(self.connection, word)?.map(i64::cast_unsigned));
        }
        let asked = Asked { addresses: true, evidence: true, senders: true, ..Asked::default() };
        let gather = |(n, Senders { heaviest, .. }): (usize, &Senders)| {
            let words = (n < whole).then(|| words.clone());
            Gathered::new(words, Arc::new(keys(heaviest)), heaviest.len())
        };
        let gather = senders.iter().enumerate().map(gather).collect();
        let found = self.gather(asked, gather)?;
        senders.into_iter().zip(found).map(|(senders, found)| self.told(senders, found)).collect()
    }

    fn told(&self, senders: Senders, gathered: Gathered) -> Result<Histories> {
        let Senders { total, heaviest, omitted } = senders;
        let history = |(sender, found): (_, Found)| {
            let selector = |(selector, [pass, fail, with_spf]): (u64, [u64; 3])| {
                let selector = name(self.connection, selector)?;
                Ok(Selector { selector, pass, fail, with_spf })
            };
            let selectors = found.selectors.into_iter().map(selector).collect::<Result<_>>()?;
            Ok(History {
                sender,
                tally: found.sum.tally(),
                addresses: found.addresses.number(),
                spf: self.raw(&found.spf)?,
                dkim: self.raw(&found.dkim)?,
                selectors: Selector::most_frequent(selectors),
                signs: found.signs,
                days: in_order(found.days),
            })
        };
        let senders = heaviest.into_iter().map(|heavy| heavy.key).zip(gathered.found);
        let senders = senders.map(history).collect::<Result<_>>()?;
        Ok(Histories { total, senders, omitted, rest: gathered.rest.tally().messages })
    }
}

/// In which place a sender is, by its key.
fn keys<K>(heaviest: &[Heavy<K>]) -> HashMap<u64, usize, RandomState> {
    places(heaviest).into_iter().map(|(whom, place)| (whom.key(), place)).collect()
}

/// What the senders of some places sent, and all others.
struct Gathered {
    /// Nothing where raw results are not asked for.
    words: Option<Words>,
    places: Arc<HashMap<u64, usize, RandomState>>,
    found: Vec<Found>,
    rest: Sum,
    /// Records of the segments at hand, by the places of their senders: each sender's sums are in the
    /// processor's cache while its records are counted.
    noted: Vec<Vec<Noted>>,
}

#[derive(Default)]
pub(super) struct Found {
    sum: Sum,
    addresses: Addresses,
    pub(super) spf: PairSums,
    pub(super) dkim: PairSums,
    /// By a name's number: those that passed, that did not, and that passed with SPF.
    pub(super) selectors: HashMap<u64, [u64; 3], RandomState>,
    pub(super) signs: Signs,
    days: Days,
}

/// Addresses, each as often as it was met: a table of millions would miss the processor's cache at
/// each record, and they are sorted once at the end.
#[derive(Default)]
struct Addresses {
    v4: Vec<u32>,
    v6: Vec<u128>,
}

impl Addresses {
    fn merge(&mut self, other: Addresses) {
        self.v4.extend(other.v4);
        self.v6.extend(other.v6);
    }

    /// How many there are, each counted once.
    fn number(self) -> u64 {
        distinct(self.v4) + distinct(self.v6)
    }
}

fn distinct<T: Ord + Send>(mut all: Vec<T>) -> u64 {
    all.par_sort_unstable();
    all.dedup();
    all.len() as u64
}

fn in_order(days: Days) -> Vec<Day> {
    let mut days: Vec<Day> = days.into_values().collect();
    days.sort_unstable_by_key(|day| day.begin);
    days
}

impl Gathered {
    fn new(
        words: Option<Words>,
        places: Arc<HashMap<u64, usize, RandomState>>,
        number: usize,
    ) -> Gathered {
        Gathered {
            words,
            places,
            found: (0..number).map(|_| Found::default()).collect(),
            rest: Sum::default(),
            noted: (0..number).map(|_| Vec::new()).collect(),
        }
    }
}

impl Gather for Gathered {
    fn fork(&self) -> Gathered {
        Gathered::new(self.words.clone(), Arc::clone(&self.places), self.found.len())
    }

    fn record(&mut self, of: &Of, record: &Packed) {
        let Some(place) = self.places.get(&Whom::sender(record).key()) else {
            self.rest.record(of, record);
            return;
        };
        let mut noted = Noted::new(of, record);
        match record.address {
            _ if self.words.is_none() => noted.outcome &= !Noted::HAS_V4,
            Address::V6(v6) => self.found[*place].addresses.v6.push(v6),
            Address::V4(_) | Address::None => {}
        }
        self.noted[*place].push(noted);
    }

    fn segments(&mut self, segments: &[Segment]) -> Result<(), Broken> {
        let mut readings = self.words.as_ref().map(|words| Readings::new(segments, words));
        let mut scratch = Scratch::new();
        for (found, noted) in self.found.iter_mut().zip(&mut self.noted) {
            for one in noted.drain(..) {
                let outcome = found.note(&one);
                scratch.days.add(one.begin, outcome, one.messages)?;
                if let Some(readings) = &mut readings {
                    let read = readings.read(one.segment, one.combination)?;
                    scratch.count(&read, readings, outcome, one.messages);
                }
            }
            scratch.days.put(&mut found.days);
            if let Some(readings) = &readings {
                scratch.put(readings, found)?;
            }
        }
        Ok(())
    }

    fn merge(&mut self, other: Gathered) {
        self.rest.merge(other.rest);
        for (ours, theirs) in self.found.iter_mut().zip(other.found) {
            ours.sum.merge(theirs.sum);
            ours.addresses.merge(theirs.addresses);
            theirs.spf.into_iter().for_each(|(pair, more)| add(&mut ours.spf, pair, more));
            theirs.dkim.into_iter().for_each(|(pair, more)| add(&mut ours.dkim, pair, more));
            for (selector, more) in theirs.selectors {
                let sums = ours.selectors.entry(selector).or_default();
                sums.iter_mut().zip(more).for_each(|(sum, more)| *sum = capped_sum(*sum, more));
            }
            ours.signs.merge(&theirs.signs);
            for day in theirs.days.into_values() {
                add_day(&mut ours.days, &day);
            }
        }
    }
}

impl Found {
    /// Counts all of a record but its combination; the number of its outcome.
    fn note(&mut self, one: &Noted) -> u8 {
        let Noted { report, begin, messages, .. } = *one;
        let run = Run { report, begin, ..Run::default() };
        let of = Of { run: &run, is_split: one.has(Noted::SPLIT) };
        let outcome = one.outcome & Noted::OUTCOME;
        self.sum.records(&of, outcome, 1, messages);
        if one.has(Noted::HAS_V4) {
            self.addresses.v4.push(one.v4);
        }
        outcome
    }
}
