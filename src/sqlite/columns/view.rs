//! View: what the threads of a scan need to go through segments.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;
use parking_lot::RwLock;

use super::{
    blobs::Blobs,
    combination::Told,
    learned::Learned,
    numbers::Broken,
    outcomes::OutcomeSums,
    scan::{Gather, Lens, Of},
    segment::{Address, Run, Segment},
};

/// What a thread gathers, for each filter of which there is something.
pub(super) struct Parts<'g, G> {
    all: &'g [G],
    pub(super) parts: Vec<Option<G>>,
}

impl<'g, G: Gather> Parts<'g, G> {
    pub(super) fn new(all: &'g [G]) -> Parts<'g, G> {
        Parts { all, parts: all.iter().map(|_| None).collect() }
    }

    pub(super) fn of(&mut self, lens: usize) -> &mut G {
        self.parts[lens].get_or_insert_with(|| self.all[lens].fork())
    }
}

/// Filters, and what was learned for them.
#[derive(Clone, Copy)]
pub(super) struct View<'s> {
    /// Signatures are looked at.
    pub(super) by_sender: bool,
    /// Nothing but outcomes is.
    pub(super) by_outcome: bool,
    /// Of some runs there are only sums.
    pub(super) by_sum: bool,
    pub(super) lenses: &'s [Lens<'s>],
    pub(super) again: &'s HashSet<i64>,
    pub(super) learned: &'s RwLock<Learned>,
    pub(super) pass: Option<u64>,
    /// Who is known to send from an address.
    pub(super) known: Option<&'s HashMap<Address, u32, RandomState>>,
}

impl View<'_> {
    pub(super) fn go_through_all<G: Gather>(
        &self,
        all: Vec<Blobs>,
        parts: &mut Parts<'_, G>,
    ) -> Result<(), Broken> {
        let segments = all.into_iter().map(Blobs::unpack).collect::<Result<Vec<_>, _>>()?;
        for (segment, number) in segments.iter().zip(0..) {
            // Not longer: who reads the next ones may have something to learn.
            let learned = self.learned.read();
            self.go_through(&learned, segment, number, parts)?;
        }
        parts.parts.iter_mut().flatten().try_for_each(|part| part.segments(&segments))
    }

    fn go_through<G: Gather>(
        &self,
        learned: &Learned,
        segment: &Segment,
        number: u8,
        parts: &mut Parts<'_, G>,
    ) -> Result<(), Broken> {
        let told = if self.by_sender { self.told(segment)? } else { Vec::new() };
        let known = self.known.filter(|known| self.by_sender && !known.is_empty());
        let mut records = segment.records();
        let (mut meant, mut sums) = (Vec::new(), OutcomeSums::new());
        for run in &segment.runs {
            self.meant(learned, run, &mut meant);
            if meant.is_empty() {
                records.skip(run.records);
                continue;
            }
            let may_be_split = !self.by_sum && !self.again.is_empty();
            let of = Of { run, is_split: may_be_split && self.again.contains(&run.report) };
            if run.records == 0 && !of.is_split {
                for lens in meant.iter().filter(|lens| !self.lenses[**lens].is_about_records) {
                    parts.of(*lens).empty(&of);
                }
            }
            if self.by_outcome {
                records.sum(run.records, &mut sums);
                for (outcome, records, messages) in sums.each() {
                    let lets = |lens: &&usize| self.lenses[**lens].outcomes[usize::from(outcome)];
                    for lens in meant.iter().filter(lets) {
                        parts.of(*lens).records(&of, outcome, records, messages);
                    }
                }
                sums.clear();
                continue;
            }
            for _ in 0..run.records {
                let mut record = records.next();
                record.segment = number;
                if let Some(combination) = segment.evidence.get(record.at) {
                    record.combination = *combination;
                    record.told = told.get(usize::from(*combination)).copied().unwrap_or_default();
                }
                if let Some(known) = known {
                    record.known = known.get(&record.address).copied().unwrap_or_default();
                }
                for lens in &meant {
                    if self.lenses[*lens].lets(&record) {
                        parts.of(*lens).record(&of, &record);
                    }
                }
            }
        }
        parts.parts.iter_mut().flatten().try_for_each(|part| part.segment(segment))
    }

    /// The filters that mean reports like this one.
    pub(super) fn meant(&self, learned: &Learned, run: &Run, meant: &mut Vec<usize>) {
        meant.clear();
        let mut add = |lens: usize| {
            if self.lenses[lens].filter.lets_begin(run.begin) {
                meant.push(lens);
            }
        };
        match learned.of(run) {
            Some(lenses) => lenses.iter().for_each(|lens| add(*lens)),
            // Where all are meant, none was learned.
            None => (0..self.lenses.len()).for_each(add),
        }
    }

    /// What each combination tells of the sender.
    fn told(&self, segment: &Segment) -> Result<Vec<Told>, Broken> {
        segment.combinations.iter().map(|one| Told::by(one, self.pass)).collect()
    }
}
