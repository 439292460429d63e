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
    weights::{Heaviest, Weights, Whom},
};
use crate::answers::{By, Group, Groups, Key, Outcome, RawResult, Tally, capped_sum};

const DAY: i64 = 86_400;

impl Scan<'_> {
    /// Sums over all records that are meant.
    pub(in crate::sqlite) fn totals(&mut self) -> Result<Tally> {
        Ok(self.gather(Asked::default(), Sum::default())?.tally())
    }

    /// Sums over the groups of a property.
    pub(in crate::sqlite) fn groups(&mut self, by: By, top: usize) -> Result<Groups> {
        let of_run = |key: fn(&Run, Option<&Packed>) -> Option<u64>| Sums::new(key);
        match by {
            By::Day => {
                let sums = Sums::new(|run, _| Some(run.begin.div_euclid(DAY)));
                self.few(sums, by, top, |_, day| Ok(Key::Day(day.saturating_mul(DAY))))
            }
            By::Domain => self.few(of_run(|run, _| Some(run.domain)), by, top, |names, number| {
                Ok(Key::Domain(name(names, number)?.unwrap_or_default()))
            }),
            By::Organization => {
                self.few(of_run(|run, _| Some(run.organization)), by, top, |names, number| {
                    Ok(Key::Organization(name(names, number)?))
                })
            }
            By::Outcome => {
                let sums = Sums::new(|_, record| record.map(|record| record.outcome));
                self.few(sums, by, top, |_, number| {
                    let outcome = Outcome::of_number(number);
                    Ok(Key::Outcome(outcome.expect("the number of an outcome")))
                })
            }
            By::Address => self.addresses(top),
            By::Sender => self.senders(top),
        }
    }

    fn few<K: Copy + Eq + std::hash::Hash + Send + Sync>(
        &mut self,
        sums: Sums<K>,
        by: By,
        top: usize,
        key: impl Fn(&Connection, K) -> Result<Key>,
    ) -> Result<Groups> {
        let (total, sums) = self.gather(Asked::default(), (Sum::default(), sums))?;
        let group = |(of, tally)| {
            let key = key(self.connection, of)?;
            Ok(Group { key, tally, spf: Vec::new(), dkim: Vec::new() })
        };
        let groups = sums.tallies().map(group).collect::<Result<_>>()?;
        Ok(Groups::new(total.tally(), by, groups, top))
    }

    /// In two goes: who is heaviest, and what they sent.
    fn addresses(&mut self, top: usize) -> Result<Groups> {
        let weights = Weights::new(Whom::address, &RandomState::default());
        let asked = Asked { addresses: true, ..Asked::default() };
        let (total, weights) = self.gather(asked, (Sum::default(), weights))?;
        let Heaviest { list, all, .. } = weights.heaviest(top);
        let mut heaviest: Vec<Heavy<Key>> = list
            .into_iter()
            .map(|(whom, weight)| Heavy { key: Key::Address(whom.ip()), weight, whom: vec![whom] })
            .collect();
        heaviest.sort_unstable_by(Heavy::cmp);
        heaviest.truncate(top);
        let groups = self.sent(asked, Whom::address, heaviest)?;
        let omitted = all.saturating_sub(groups.len() as u64);
        Ok(Groups { total: total.tally(), groups, omitted })
    }

    fn senders(&mut self, top: usize) -> Result<Groups> {
        let Senders { total, heaviest, omitted } = self.heaviest_senders(top)?;
        let heaviest = heaviest.into_iter().map(|Heavy { key, weight, whom }| Heavy {
            key: Key::Sender(key),
            weight,
            whom,
        });
        let asked = Asked { addresses: true, senders: true, evidence: false };
        let groups = self.sent(asked, Whom::sender, heaviest.collect())?;
        Ok(Groups { total, groups, omitted })
    }

    /// What those sent.
    fn sent(
        &mut self,
        asked: Asked,
        whom: fn(&Packed) -> Whom,
        heaviest: Vec<Heavy<Key>>,
    ) -> Result<Vec<Group>> {
        if heaviest.is_empty() {
            return Ok(Vec::new());
        }
        let asked = Asked { evidence: true, ..asked };
        let found = self.gather(asked, Chosen::new(whom, &heaviest))?;
        heaviest
            .into_iter()
            .zip(&found.found)
            .map(|(Heavy { key, .. }, one)| {
                let (spf, dkim) = (self.raw(&one.spf)?, self.raw(&one.dkim)?);
                Ok(Group { key, tally: one.sum.tally(), spf, dkim })
            })
            .collect()
    }

    pub(super) fn raw(&self, results: &HashMap<Pair, u64>) -> Result<Vec<RawResult>> {
        let result = |(&[domain, result], &messages): (&Pair, &u64)| {
            let (domain, result) = (name(self.connection, domain)?, name(self.connection, result)?);
            Ok(RawResult { domain, result, messages })
        };
        Ok(RawResult::most_frequent(results.iter().map(result).collect::<Result<_>>()?))
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
    spf: HashMap<Pair, u64>,
    dkim: HashMap<Pair, u64>,
}

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
pub(super) fn pairs(dkim: &[[u64; 3]]) -> BTreeSet<Pair> {
    dkim.iter().map(|[domain, result, _]| [domain >> 1, *result]).collect()
}

pub(super) fn add(sums: &mut HashMap<Pair, u64>, pair: Pair, messages: u64) {
    let sum = sums.entry(pair).or_default();
    *sum = capped_sum(*sum, messages);
}
