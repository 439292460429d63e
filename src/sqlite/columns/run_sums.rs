//! Run sums: records of a sorted segment, added up by domain, day and reporter.

use std::collections::BTreeMap;

use super::{
    numbers::{Broken, Numbers, write, write_signed},
    outcomes::OutcomeSums,
    segment::{Run, Segment},
};
use crate::{
    answers::{Outcome, capped_sum},
    moment::DAY,
};

/// Runs of a domain, day and reporter, added up.
#[derive(Debug, Default)]
pub(super) struct RunSums {
    pub(super) domain: u64,
    pub(super) organization: u64,
    /// When the first of the reports begins, and the last one.
    pub(super) first: i64,
    pub(super) last: i64,
    /// Reports that no other run began.
    pub(super) reports: u64,
    /// Outcome, records and messages.
    pub(super) outcomes: Vec<(u8, u64, u64)>,
}

impl RunSums {
    fn add(&mut self, run: &Run, sums: &OutcomeSums) {
        let is_first = self.reports == 0 && self.outcomes.is_empty();
        self.first = if is_first { run.begin } else { self.first.min(run.begin) };
        self.last = if is_first { run.begin } else { self.last.max(run.begin) };
        self.reports += u64::from(!run.again);
        for (outcome, records, messages) in sums.each() {
            match self.outcomes.iter_mut().find(|(there, ..)| *there == outcome) {
                Some((_, all_records, all_messages)) => {
                    *all_records += records;
                    *all_messages = capped_sum(*all_messages, messages);
                }
                None => self.outcomes.push((outcome, records, messages)),
            }
        }
    }
}

/// Those of a segment, one behind the other.
pub(super) fn write_sums(segment: &Segment) -> Vec<u8> {
    let mut all: BTreeMap<(u64, i64, u64), RunSums> = BTreeMap::new();
    let mut records = segment.records();
    let mut sums = OutcomeSums::new();
    for run in &segment.runs {
        records.sum(run.records, &mut sums);
        let key = (run.domain, run.begin.div_euclid(DAY), run.organization);
        all.entry(key).or_default().add(run, &sums);
        sums.clear();
    }
    let mut out = Vec::new();
    for ((domain, _, organization), sum) in all {
        write(domain, &mut out);
        write(organization, &mut out);
        write_signed(sum.first, &mut out);
        write(sum.last.abs_diff(sum.first), &mut out);
        write(sum.reports, &mut out);
        write(sum.outcomes.len() as u64, &mut out);
        for (outcome, records, messages) in sum.outcomes {
            for number in [u64::from(outcome), records, messages] {
                write(number, &mut out);
            }
        }
    }
    out
}

/// Reads them again.
pub(super) fn read_sums(bytes: &[u8]) -> Result<Vec<RunSums>, Broken> {
    let mut numbers = Numbers(bytes);
    let mut all = Vec::new();
    while !numbers.is_empty() {
        let (domain, organization) = (numbers.next()?, numbers.next()?);
        let first = numbers.signed()?;
        let last = first.checked_add_unsigned(numbers.next()?).ok_or(Broken)?;
        let reports = numbers.next()?;
        let mut outcomes = Vec::new();
        for _ in 0..numbers.size()? {
            let outcome = u8::try_from(numbers.next()?).map_err(|_| Broken)?;
            Outcome::of_number(outcome).ok_or(Broken)?;
            outcomes.push((outcome, numbers.next()?, numbers.next()?));
        }
        all.push(RunSums { domain, organization, first, last, reports, outcomes });
    }
    Ok(all)
}
