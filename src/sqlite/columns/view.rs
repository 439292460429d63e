//! View: what the threads of a scan need to go through segments.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;

use super::{
    combination::Told,
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

    fn of(&mut self, lens: usize) -> &mut G {
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
    pub(super) lenses: &'s [Lens<'s>],
    pub(super) again: &'s HashSet<i64>,
    pub(super) reporters: &'s HashMap<(u64, u64), Vec<usize>>,
    pub(super) pass: Option<u64>,
    /// Who is known to send from an address.
    pub(super) known: Option<&'s HashMap<Address, u32, RandomState>>,
}

impl View<'_> {
    pub(super) fn go_through_all<G: Gather>(
        &self,
        segments: &[Segment],
        parts: &mut Parts<'_, G>,
    ) -> Result<(), Broken> {
        for (segment, number) in segments.iter().zip(0..) {
            self.go_through(segment, number, parts)?;
        }
        parts.parts.iter_mut().flatten().try_for_each(|part| part.segments(segments))
    }

    fn go_through<G: Gather>(
        &self,
        segment: &Segment,
        number: u8,
        parts: &mut Parts<'_, G>,
    ) -> Result<(), Broken> {
        let told = if self.by_sender { self.told(segment)? } else { Vec::new() };
        let known = self.known.filter(|known| self.by_sender && !known.is_empty());
        let mut records = segment.records();
        let (mut meant, mut sums) = (Vec::new(), OutcomeSums::new());
        for run in &segment.runs {
            self.meant(run, &mut meant);
            if meant.is_empty() {
                records.skip(run.records);
                continue;
            }
            let of =
                Of { run, is_split: !self.again.is_empty() && self.again.contains(&run.report) };
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
    pub(super) fn meant(&self, run: &Run, meant: &mut Vec<usize>) {
        meant.clear();
        let mut add = |lens: usize| {
            if self.lenses[lens].filter.lets_begin(run.begin) {
                meant.push(lens);
            }
        };
        match self.reporters.get(&(run.domain, run.organization)) {
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
