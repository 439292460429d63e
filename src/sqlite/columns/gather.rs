//! Gather: sums over records, and over those of each group where there are few groups.

use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
    mem,
};

use super::{
    numbers::Broken,
    run_sums::RunSums,
    scan::{Gather, Of},
    segment::{Packed, Run, Segment},
};
use crate::answers::{Messages, Outcome, Tally, capped_sum};

/// Records, counted.
#[derive(Clone, Debug)]
pub(super) struct Sum {
    /// Reports whose records follow each other.
    reports: u64,
    /// The report of the last record.
    last_report: Option<i64>,
    /// Reports that have several runs; seldom any. None where sums of runs count: there the first
    /// run counts.
    split: HashSet<i64>,
    records: u64,
    messages: [u64; Outcome::COUNT],
    first: i64,
    last: i64,
}

impl Default for Sum {
    fn default() -> Self {
        Sum {
            reports: 0,
            last_report: None,
            split: HashSet::new(),
            records: 0,
            messages: [0; Outcome::COUNT],
            first: i64::MAX,
            last: i64::MIN,
        }
    }
}

impl Sum {
    pub(super) fn tally(&self) -> Tally {
        let mut messages = Messages::default();
        Outcome::all().zip(self.messages).for_each(|(outcome, sum)| messages.add(outcome, sum));
        let reports = self.reports + self.split.len() as u64;
        let is_known = reports > 0;
        Tally {
            reports,
            records: self.records,
            messages,
            first: is_known.then_some(self.first),
            last: is_known.then_some(self.last),
        }
    }
}

impl Gather for Sum {
    const BY_OUTCOME: bool = true;

    fn fork(&self) -> Sum {
        Sum::default()
    }

    fn record(&mut self, of: &Of, record: &Packed) {
        self.records(of, record.outcome, 1, record.messages);
    }

    fn records(&mut self, of: &Of, outcome: u8, records: u64, messages: u64) {
        if self.last_report != Some(of.run.report) {
            self.empty(of);
        }
        self.records += records;
        let sum = &mut self.messages[usize::from(outcome)];
        *sum = capped_sum(*sum, messages);
    }

    /// Counts the report, once.
    fn empty(&mut self, of: &Of) {
        let Run { report, begin, again, .. } = *of.run;
        self.first = self.first.min(begin);
        self.last = self.last.max(begin);
        if of.is_split {
            self.split.insert(report);
        } else if again {
            // Its first run counts, which may be still to come.
            return;
        } else {
            self.reports += 1;
        }
        self.last_report = Some(report);
    }

    fn summed(&mut self, sums: &RunSums) {
        self.reports += sums.reports;
        self.first = self.first.min(sums.first);
        self.last = self.last.max(sums.last);
        for (outcome, records, messages) in &sums.outcomes {
            self.records += records;
            let sum = &mut self.messages[usize::from(*outcome)];
            *sum = capped_sum(*sum, *messages);
        }
    }

    fn merge(&mut self, other: Sum) {
        self.reports += other.reports;
        self.last_report = None;
        self.split.extend(other.split);
        self.records += other.records;
        for (sum, more) in self.messages.iter_mut().zip(other.messages) {
            *sum = capped_sum(*sum, more);
        }
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
    }
}

/// Records by a property, each value with a sum of its own.
pub(super) struct Sums<K> {
    /// The property of a report and the outcome of a record; nothing of a report without records if
    /// it is one of records.
    key: fn(&Run, Option<u8>) -> Option<K>,
    places: HashMap<K, usize>,
    each: Vec<Sum>,
    /// Most often the next is the same.
    last: Option<(K, usize)>,
}

impl<K: Copy + Eq + Hash> Sums<K> {
    pub(super) fn new(key: fn(&Run, Option<u8>) -> Option<K>) -> Self {
        Sums { key, places: HashMap::new(), each: Vec::new(), last: None }
    }

    fn of(&mut self, key: K) -> &mut Sum {
        let place = match self.last {
            Some((last, place)) if last == key => place,
            _ => *self.places.entry(key).or_insert_with(|| {
                self.each.push(Sum::default());
                self.each.len() - 1
            }),
        };
        self.last = Some((key, place));
        &mut self.each[place]
    }

    pub(super) fn tallies(&self) -> impl Iterator<Item = (K, Tally)> {
        self.places.iter().map(|(key, place)| (*key, self.each[*place].tally()))
    }
}

impl<K: Copy + Eq + Hash + Send + Sync> Gather for Sums<K> {
    const BY_OUTCOME: bool = true;

    fn fork(&self) -> Self {
        Sums::new(self.key)
    }

    fn record(&mut self, of: &Of, record: &Packed) {
        self.records(of, record.outcome, 1, record.messages);
    }

    fn records(&mut self, of: &Of, outcome: u8, records: u64, messages: u64) {
        if let Some(key) = (self.key)(of.run, Some(outcome)) {
            self.of(key).records(of, outcome, records, messages);
        }
    }

    fn empty(&mut self, of: &Of) {
        if let Some(key) = (self.key)(of.run, None) {
            self.of(key).empty(of);
        }
    }

    fn summed(&mut self, sums: &RunSums) {
        let RunSums { domain, organization, first: begin, .. } = *sums;
        let run = Run { begin, domain, organization, ..Run::default() };
        if let Some(key) = (self.key)(&run, None) {
            self.of(key).summed(sums);
        }
    }

    fn merge(&mut self, mut other: Self) {
        for (key, place) in mem::take(&mut other.places) {
            self.of(key).merge(mem::take(&mut other.each[place]));
        }
    }
}

/// Two at once.
impl<A: Gather, B: Gather> Gather for (A, B) {
    const BY_OUTCOME: bool = A::BY_OUTCOME && B::BY_OUTCOME;

    fn fork(&self) -> Self {
        (self.0.fork(), self.1.fork())
    }

    fn record(&mut self, of: &Of, record: &Packed) {
        self.0.record(of, record);
        self.1.record(of, record);
    }

    fn records(&mut self, of: &Of, outcome: u8, records: u64, messages: u64) {
        self.0.records(of, outcome, records, messages);
        self.1.records(of, outcome, records, messages);
    }

    fn empty(&mut self, of: &Of) {
        self.0.empty(of);
        self.1.empty(of);
    }

    fn summed(&mut self, sums: &RunSums) {
        self.0.summed(sums);
        self.1.summed(sums);
    }

    fn segment(&mut self, segment: &Segment) -> Result<(), Broken> {
        self.0.segment(segment)?;
        self.1.segment(segment)
    }

    fn merge(&mut self, other: Self) {
        self.0.merge(other.0);
        self.1.merge(other.1);
    }
}
