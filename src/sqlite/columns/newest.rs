//! Newest: the reports with records that are meant, the newest of them.

use std::collections::HashMap;

use rusqlite::Result;

use super::{
    scan::{Asked, Gather, Of, Scan},
    segment::Packed,
};
use crate::answers::{Evaluated, Outcome, capped_sum};

/// A report's records that are meant.
#[derive(Clone, Copy, Debug)]
pub(in crate::sqlite) struct Summed {
    /// Its row.
    pub(in crate::sqlite) report: i64,
    /// When its period begins.
    pub(in crate::sqlite) begin: i64,
    pub(in crate::sqlite) messages: u64,
    pub(in crate::sqlite) pass: u64,
}

struct Newest {
    passes: [bool; Outcome::COUNT],
    reports: HashMap<i64, Summed>,
}

impl Newest {
    fn of(&mut self, of: &Of) -> &mut Summed {
        let (report, begin) = (of.run.report, of.run.begin);
        let none = Summed { report, begin, messages: 0, pass: 0 };
        self.reports.entry(report).or_insert(none)
    }
}

impl Gather for Newest {
    const BY_OUTCOME: bool = true;

    fn fork(&self) -> Newest {
        Newest { passes: self.passes, reports: HashMap::new() }
    }

    fn record(&mut self, of: &Of, record: &Packed) {
        self.records(of, record.outcome, 1, record.messages);
    }

    fn records(&mut self, of: &Of, outcome: u8, _: u64, messages: u64) {
        let passes = self.passes[usize::from(outcome)];
        let sum = self.of(of);
        sum.messages = capped_sum(sum.messages, messages);
        if passes {
            sum.pass = capped_sum(sum.pass, messages);
        }
    }

    fn empty(&mut self, of: &Of) {
        self.of(of);
    }

    fn merge(&mut self, other: Newest) {
        for (report, more) in other.reports {
            let none = Summed { messages: 0, pass: 0, ..more };
            let sum = self.reports.entry(report).or_insert(none);
            sum.messages = capped_sum(sum.messages, more.messages);
            sum.pass = capped_sum(sum.pass, more.pass);
        }
    }
}

impl Scan<'_> {
    /// So many of the newest reports of all filters, and those that begin with the last of them.
    pub(in crate::sqlite) fn newest_reports(&mut self, most: usize) -> Result<Vec<Summed>> {
        let mut passes = [false; Outcome::COUNT];
        Outcome::all()
            .zip(&mut passes)
            .for_each(|(outcome, passes)| *passes = outcome.dmarc() == Evaluated::Pass);
        let newest = self.each(|| Newest { passes, reports: HashMap::new() });
        let found = self.gather(Asked::default(), newest)?;
        let mut all: Vec<Summed> =
            found.into_iter().flat_map(|found| found.reports.into_values()).collect();
        all.sort_unstable_by_key(|one| std::cmp::Reverse(one.begin));
        if let Some(last) = most.checked_sub(1).and_then(|last| all.get(last)).copied() {
            all.truncate(all.partition_point(|one| one.begin >= last.begin));
        }
        Ok(all)
    }
}
