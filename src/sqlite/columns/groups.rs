//! Groups: the answers that come out of the columns.

use std::{
    cmp::Reverse,
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use foldhash::fast::RandomState;
use rusqlite::{Connection, Result};

use super::{
    combination::{Combination, Pair},
    gather::{Sum, Sums},
    names::name,
    numbers::Broken,
    scan::{Asked, Gather, Of, Scan},
    segment::{Packed, Run, Segment},
    weights::{Heaviest, Weights, Whom},
};
use crate::answers::{
    By, Group, Groups, Key, Network, Outcome, RawResult, Sender, Tally, capped_sum,
};

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
                    let outcome = Outcome::all().nth(number.into());
                    Ok(Key::Outcome(outcome.expect("the number of an outcome")))
                })
            }
            By::Address => self.many(Whom::address, by, top),
            By::Sender => self.many(Whom::sender, by, top),
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
    fn many(&mut self, whom: fn(&Packed) -> Whom, by: By, top: usize) -> Result<Groups> {
        let weights = Weights::new(whom, &RandomState::default());
        let asked = Asked { addresses: true, evidence: false, signatures: by == By::Sender };
        let (total, weights) = self.gather(asked, (Sum::default(), weights))?;
        let Heaviest { list, all } = weights.heaviest(top);
        let mut chosen = list
            .into_iter()
            .map(|(whom, weight)| Ok((weight, self.key(whom, by)?, whom)))
            .collect::<Result<Vec<_>>>()?;
        chosen.sort_unstable_by(|(weight, key, _), (other_weight, other_key, _)| {
            Reverse(weight).cmp(&Reverse(other_weight)).then_with(|| key.cmp(other_key))
        });
        chosen.truncate(top);
        let mut groups = Vec::new();
        if !chosen.is_empty() {
            let asked = Asked { evidence: true, ..asked };
            let chosen_ones = chosen.iter().map(|(_, _, whom)| *whom);
            let found = self.gather(asked, Chosen::new(whom, chosen_ones))?;
            for ((_, key, _), one) in chosen.into_iter().zip(&found.found) {
                let (spf, dkim) = (self.raw(&one.spf)?, self.raw(&one.dkim)?);
                groups.push(Group { key, tally: one.sum.tally(), spf, dkim });
            }
        }
        let omitted = all.saturating_sub(groups.len() as u64);
        Ok(Groups { total: total.tally(), groups, omitted })
    }

    fn key(&self, whom: Whom, by: By) -> Result<Key> {
        let address: IpAddr = match whom {
            Whom::Signer(number) => {
                let name = name(self.connection, number)?.unwrap_or_default();
                return Ok(Key::Sender(Sender::Domain(name)));
            }
            Whom::Nobody if by == By::Sender => return Ok(Key::Sender(Sender::Unknown)),
            Whom::Nobody => return Ok(Key::Address(None)),
            Whom::V4(v4) => Ipv4Addr::from(v4).into(),
            Whom::V6(v6) => Ipv6Addr::from(v6).into(),
        };
        Ok(match by {
            By::Sender => Key::Sender(Sender::Network(Network::usual(address))),
            _ => Key::Address(Some(address)),
        })
    }

    fn raw(&self, results: &HashMap<Pair, u64>) -> Result<Vec<RawResult>> {
        let result = |(&(domain, result), &messages): (&Pair, &u64)| {
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
    fn new(whom: fn(&Packed) -> Whom, chosen: impl Iterator<Item = Whom>) -> Chosen {
        Chosen::at(whom, chosen.zip(0..).collect())
    }

    fn at(whom: fn(&Packed) -> Whom, places: HashMap<Whom, usize, RandomState>) -> Chosen {
        let found = places.iter().map(|_| ChosenSums::default()).collect();
        Chosen { whom, places, found, combinations: HashMap::default() }
    }
}

impl Gather for Chosen {
    fn fork(&self) -> Chosen {
        Chosen::at(self.whom, self.places.clone())
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
            let Combination { spf, dkim, reasons: _ } = combination;
            let found = &mut self.found[place];
            spf.into_iter().for_each(|pair| add(&mut found.spf, pair, messages));
            for (domain, result) in dkim {
                add(&mut found.dkim, (domain >> 1, result), messages);
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

fn add(sums: &mut HashMap<Pair, u64>, pair: Pair, messages: u64) {
    let sum = sums.entry(pair).or_default();
    *sum = capped_sum(*sum, messages);
}
