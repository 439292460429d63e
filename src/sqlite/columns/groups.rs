//! Groups: the answers that come out of the columns.

use std::collections::{BTreeSet, HashMap};

use foldhash::fast::RandomState;
use rusqlite::{Connection, Result};

use super::{
    combination::{Combination, Pair},
    gather::{Sum, Sums},
    names::name,
    numbers::Broken,
    scan::{Asked, Gather, Of, Scan},
    segment::{Packed, Run, Segment},
    senders::{Heavy, Senders, places},
    weights::{Heaviest, Whom},
};
use crate::{
    answers::{By, DETAILS, Group, Groups, Key, Outcome, RawResult, Tally, capped_sum},
    moment::DAY,
};

impl Scan<'_> {
    /// For each filter sums over all records that are meant.
    pub(in crate::sqlite) fn totals(&mut self) -> Result<Vec<Tally>> {
        let sums = self.each(Sum::default);
        Ok(self.gather(Asked::SUMS, sums)?.iter().map(Sum::tally).collect())
    }

    /// For each filter sums over the groups of a property.
    pub(in crate::sqlite) fn groups(&mut self, by: By, top: usize) -> Result<Vec<Groups>> {
        match by {
            By::Day => {
                let day = |run: &Run, _: Option<u8>| Some(run.begin.div_euclid(DAY));
                self.few(day, by, top, |_, day| Ok(Key::Day(day.saturating_mul(DAY))))
            }
            By::Domain => self.few(
                |run, _| Some(run.domain),
                by,
                top,
                |names, number| Ok(Key::Domain(name(names, number)?.unwrap_or_default())),
            ),
            By::Organization => self.few(
                |run, _| Some(run.organization),
                by,
                top,
                |names, number| Ok(Key::Organization(name(names, number)?)),
            ),
            By::Outcome => self.few(
                |_, outcome| outcome,
                by,
                top,
                |_, number| {
                    let outcome = Outcome::of_number(number);
                    Ok(Key::Outcome(outcome.expect("the number of an outcome")))
                },
            ),
            By::Address => self.addresses(top),
            By::Sender => self.senders(top),
        }
    }

    /// One for each filter.
    pub(super) fn each<G>(&self, new: impl Fn() -> G) -> Vec<G> {
        self.lenses.iter().map(|_| new()).collect()
    }

    fn few<K: Copy + Eq + std::hash::Hash + Send + Sync>(
        &mut self,
        of: fn(&Run, Option<u8>) -> Option<K>,
        by: By,
        top: usize,
        key: impl Fn(&Connection, K) -> Result<Key>,
    ) -> Result<Vec<Groups>> {
        let sums = self.each(|| (Sum::default(), Sums::new(of)));
        let asked = Asked { sums: by != By::Outcome, ..Asked::default() };
        let found = self.gather(asked, sums)?;
        let group = |(of, tally)| {
            let key = key(self.connection, of)?;
            Ok(Group { key, tally, spf: Vec::new(), dkim: Vec::new() })
        };
        let groups = |(total, sums): (Sum, Sums<K>)| {
            let groups = sums.tallies().map(group).collect::<Result<_>>()?;
            Ok(Groups::new(total.tally(), by, groups, top))
        };
        found.into_iter().map(groups).collect()
    }

    /// In two goes: who is heaviest, and what they sent.
    fn addresses(&mut self, top: usize) -> Result<Vec<Groups>> {
        let asked = Asked { addresses: true, ..Asked::default() };
        let heaviest = self.heaviest(asked, Whom::address, top)?.into_iter();
        let (totals, heaviest): (Vec<_>, Vec<_>) = heaviest.unzip();
        let (lists, numbers): (Vec<_>, Vec<_>) = heaviest
            .into_iter()
            .map(|Heaviest { list, all, .. }| {
                let heavy = |(whom, weight): (Whom, u64)| Heavy {
                    key: Key::Address(whom.ip()),
                    weight,
                    whom: vec![whom],
                };
                let mut heaviest: Vec<Heavy<Key>> = list.into_iter().map(heavy).collect();
                heaviest.sort_unstable_by(Heavy::cmp);
                heaviest.truncate(top);
                (heaviest, all)
            })
            .unzip();
        let groups = self.sent(asked, Whom::address, lists)?;
        let all = totals.into_iter().zip(numbers).zip(groups);
        Ok(all
            .map(|((total, all), groups)| {
                let omitted = all.saturating_sub(groups.len() as u64);
                Groups { total, groups, omitted }
            })
            .collect())
    }

    fn senders(&mut self, top: usize) -> Result<Vec<Groups>> {
        let (others, lists): (Vec<_>, Vec<_>) = self
            .heaviest_senders(top)?
            .into_iter()
            .map(|Senders { total, heaviest, omitted }| {
                let heavy =
                    |Heavy { key, weight, whom }| Heavy { key: Key::Sender(key), weight, whom };
                ((total, omitted), heaviest.into_iter().map(heavy).collect())
            })
            .unzip();
        let asked = Asked { addresses: true, senders: true, ..Asked::default() };
        let groups = self.sent(asked, Whom::sender, lists)?;
        let all = others.into_iter().zip(groups);
        Ok(all.map(|((total, omitted), groups)| Groups { total, groups, omitted }).collect())
    }

    /// What those sent, for each filter.
    fn sent(
        &mut self,
        asked: Asked,
        whom: fn(&Packed) -> Whom,
        heaviest: Vec<Vec<Heavy<Key>>>,
    ) -> Result<Vec<Vec<Group>>> {
        if heaviest.iter().all(Vec::is_empty) {
            return Ok(heaviest.iter().map(|_| Vec::new()).collect());
        }
        let asked = Asked { evidence: true, ..asked };
        let chosen = heaviest.iter().map(|heaviest| Chosen::new(whom, heaviest)).collect();
        let found = self.gather(asked, chosen)?;
        let group = |(Heavy { key, .. }, one): (Heavy<Key>, &ChosenSums)| {
            let (spf, dkim) = (self.raw(&one.spf)?, self.raw(&one.dkim)?);
            Ok(Group { key, tally: one.sum.tally(), spf, dkim })
        };
        let each = heaviest.into_iter().zip(&found);
        each.map(|(heaviest, found)| {
            heaviest.into_iter().zip(&found.found).map(group).collect::<Result<_>>()
        })
        .collect()
    }

    /// The most frequent results. Others are not named.
    pub(super) fn raw(&self, results: &PairSums) -> Result<Vec<RawResult>> {
        let mut weights: Vec<u64> = results.values().copied().collect();
        let last = match weights.len().checked_sub(DETAILS) {
            Some(rest) if rest > 0 => *weights.select_nth_unstable(rest).1,
            _ => 0,
        };
        let result = |(&[domain, result], &messages): (&Pair, &u64)| {
            let (domain, result) = (
                self.naming.text(self.connection, domain)?,
                self.naming.text(self.connection, result)?,
            );
            Ok(RawResult { domain, result, messages })
        };
        let frequent = results.iter().filter(|(_, messages)| **messages >= last);
        Ok(RawResult::most_frequent(frequent.map(result).collect::<Result<_>>()?))
    }
}

/// What those that were chosen sent.
struct Chosen {
    whom: fn(&Packed) -> Whom,
    places: HashMap<Whom, usize, RandomState>,
    found: Vec<ChosenSums>,
    /// Messages with a combination of the segment at hand.
    combinations: HashMap<(usize, u16), u64, RandomState>,
}

#[derive(Default)]
struct ChosenSums {
    sum: Sum,
    spf: PairSums,
    dkim: PairSums,
}

/// Messages by domain and result, both numbers of names.
pub(super) type PairSums = HashMap<Pair, u64, RandomState>;

impl Chosen {
    fn new<K>(whom: fn(&Packed) -> Whom, heaviest: &[Heavy<K>]) -> Chosen {
        Chosen::at(whom, places(heaviest), heaviest.len())
    }

    fn at(
        whom: fn(&Packed) -> Whom,
        places: HashMap<Whom, usize, RandomState>,
        number: usize,
    ) -> Chosen {
        let found = (0..number).map(|_| ChosenSums::default()).collect();
        Chosen { whom, places, found, combinations: HashMap::default() }
    }
}

impl Gather for Chosen {
    fn fork(&self) -> Chosen {
        Chosen::at(self.whom, self.places.clone(), self.found.len())
    }

    fn record(&mut self, of: &Of, record: &Packed) {
        let Some(place) = self.places.get(&(self.whom)(record)) else { return };
        self.found[*place].sum.record(of, record);
        let messages = self.combinations.entry((*place, record.combination)).or_default();
        *messages = capped_sum(*messages, record.messages);
    }

    fn segment(&mut self, segment: &Segment) -> Result<(), Broken> {
        for ((place, combination), messages) in self.combinations.drain() {
            let combination = Combination::read(segment.combinations.get(combination))?;
            let Combination { spf, dkim, .. } = combination;
            let found = &mut self.found[place];
            spf.into_iter().for_each(|pair| add(&mut found.spf, pair, messages));
            for pair in pairs(&dkim) {
                add(&mut found.dkim, pair, messages);
            }
        }
        Ok(())
    }

    fn merge(&mut self, other: Chosen) {
        for (ours, theirs) in self.found.iter_mut().zip(other.found) {
            ours.sum.merge(theirs.sum);
            theirs.spf.into_iter().for_each(|(pair, more)| add(&mut ours.spf, pair, more));
            theirs.dkim.into_iter().for_each(|(pair, more)| add(&mut ours.dkim, pair, more));
        }
    }
}

/// Domains and results of signatures, each once: there may be several selectors.
fn pairs(dkim: &[[u64; 3]]) -> BTreeSet<Pair> {
    dkim.iter().map(|[domain, result, _]| [domain >> 1, *result]).collect()
}

pub(super) fn add(sums: &mut PairSums, pair: Pair, messages: u64) {
    let sum = sums.entry(pair).or_default();
    *sum = capped_sum(*sum, messages);
}
