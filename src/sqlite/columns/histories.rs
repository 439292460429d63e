//! Histories: what the columns say of senders, as much as it takes to judge them.

use std::{
    collections::{BTreeMap, HashMap},
    mem,
    sync::Arc,
};

use foldhash::fast::RandomState;
use rayon::prelude::*;
use rusqlite::Result;

use super::{
    combination::{Combination, Pair, Told},
    gather::Sum,
    groups::{add, pairs},
    names::{find, name},
    numbers::Broken,
    scan::{Asked, Gather, Of, Scan},
    segment::{Address, Packed, Segment},
    senders::{Senders, places},
    weights::Whom,
};
use crate::{
    answers::{Day, Evaluated, Histories, History, Outcome, Selector, Sign, Signs, capped_sum},
    moment::DAY,
    report::aggregate::FORWARDING,
};

impl Scan<'_> {
    /// For each filter what is known of the senders with most messages.
    pub(in crate::sqlite) fn histories(&mut self, top: usize) -> Result<Vec<Histories>> {
        let senders = self.heaviest_senders(top)?;
        let mut words = Words { pass: self.pass, forwarding: Vec::new() };
        for word in FORWARDING {
            words.forwarding.extend(find(self.connection, word)?.map(i64::cast_unsigned));
        }
        let asked = Asked { addresses: true, evidence: true, senders: true };
        let gather = |Senders { heaviest, .. }: &Senders| {
            Gathered::new(words.clone(), Arc::new(places(heaviest)), heaviest.len())
        };
        let gather = senders.iter().map(gather).collect();
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

/// Numbers of words.
#[derive(Clone)]
struct Words {
    pass: Option<u64>,
    forwarding: Vec<u64>,
}

/// What the senders of some places sent, and all others.
struct Gathered {
    words: Words,
    places: Arc<HashMap<Whom, usize, RandomState>>,
    found: Vec<Found>,
    rest: Sum,
    /// Messages with a combination of the segment at hand, and an outcome.
    combinations: HashMap<(usize, u16, u8), u64, RandomState>,
}

#[derive(Default)]
struct Found {
    sum: Sum,
    addresses: Addresses,
    spf: HashMap<Pair, u64>,
    dkim: HashMap<Pair, u64>,
    /// By a name's number: those that passed, that did not, and that passed with SPF.
    selectors: HashMap<u64, [u64; 3]>,
    signs: Signs,
    /// By their first second.
    days: HashMap<i64, Day, RandomState>,
}

/// Addresses, each as often as it was met: a table of millions would miss the processor's cache at
/// each record, and they are sorted once at the end.
#[derive(Default)]
struct Addresses {
    v4: Vec<u32>,
    v6: Vec<u128>,
}

impl Addresses {
    fn add(&mut self, address: Address) {
        match address {
            Address::None => {}
            Address::V4(v4) => self.v4.push(v4),
            Address::V6(v6) => self.v6.push(v6),
        }
    }

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

fn in_order(days: HashMap<i64, Day, RandomState>) -> Vec<Day> {
    let mut days: Vec<Day> = days.into_values().collect();
    days.sort_unstable_by_key(|day| day.begin);
    days
}

impl Gathered {
    fn new(
        words: Words,
        places: Arc<HashMap<Whom, usize, RandomState>>,
        number: usize,
    ) -> Gathered {
        Gathered {
            words,
            places,
            found: (0..number).map(|_| Found::default()).collect(),
            rest: Sum::default(),
            combinations: HashMap::default(),
        }
    }
}

impl Gather for Gathered {
    fn fork(&self) -> Gathered {
        Gathered::new(self.words.clone(), Arc::clone(&self.places), self.found.len())
    }

    fn record(&mut self, of: &Of, record: &Packed) {
        let Some(place) = self.places.get(&Whom::sender(record)) else {
            self.rest.record(of, record);
            return;
        };
        let found = &mut self.found[*place];
        found.sum.record(of, record);
        found.addresses.add(record.address);
        let begin = of.run.begin.div_euclid(DAY).saturating_mul(DAY);
        let outcome = Outcome::of_number(record.outcome).expect("the number of an outcome");
        let of_day = Day::of(begin, outcome, record.messages);
        found.days.entry(begin).or_insert(Day { begin, ..Day::default() }).merge(&of_day);
        let key = (*place, record.combination, record.outcome);
        let messages = self.combinations.entry(key).or_default();
        *messages = capped_sum(*messages, record.messages);
    }

    fn segment(&mut self, segment: &Segment) -> Result<(), Broken> {
        for ((place, combination, outcome), messages) in mem::take(&mut self.combinations) {
            let bytes = segment.combinations.get(combination);
            let told = Told::by(bytes, self.words.pass)?;
            let outcome = Outcome::of_number(outcome).ok_or(Broken)?;
            let combination = Combination::read(bytes)?;
            self.found[place].count(&combination, &told, outcome, messages, &self.words);
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
            for (begin, day) in theirs.days {
                ours.days.entry(begin).or_insert(Day { begin, ..Day::default() }).merge(&day);
            }
        }
    }
}

impl Found {
    fn count(
        &mut self,
        combination: &Combination,
        told: &Told,
        outcome: Outcome,
        messages: u64,
        words: &Words,
    ) {
        let Combination { from, spf, dkim, reasons } = combination;
        let passed = |result: &u64| Some(*result) == words.pass;
        spf.iter().for_each(|pair| add(&mut self.spf, *pair, messages));
        pairs(dkim).into_iter().for_each(|pair| add(&mut self.dkim, pair, messages));
        let own = dkim.iter().filter(|[domain, ..]| domain & 1 == 1);
        let mut selectors: BTreeMap<u64, bool> = BTreeMap::new();
        for [_, result, selector] in own {
            *selectors.entry(*selector).or_default() |= passed(result);
        }
        let has_own = !selectors.is_empty();
        for (selector, passed) in selectors {
            let sums = self.selectors.entry(selector).or_default();
            let with_spf = passed && outcome.spf == Evaluated::Pass;
            for (sum, counts) in sums.iter_mut().zip([passed, !passed, with_spf]) {
                *sum = capped_sum(*sum, if counts { messages } else { 0 });
            }
        }
        let is_from = |domain: u64| *from == 0 || domain == from >> 1;
        self.signs.count(
            outcome,
            messages,
            Sign {
                has_own_signature: has_own,
                is_for_another: told.signature != 0 || told.envelope != 0,
                is_forwarded: reasons
                    .iter()
                    .any(|[kind, arc]| *arc == 1 || words.forwarding.contains(kind)),
                is_spf_strict: *from == 0 || spf.iter().any(|[domain, _]| is_from(*domain)),
                is_dkim_strict: *from == 0
                    || dkim
                        .iter()
                        .any(|[domain, result, _]| passed(result) && is_from(domain >> 1)),
                is_below: from & 1 == 1,
            },
        );
    }
}
