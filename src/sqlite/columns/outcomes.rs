//! Outcomes: records of a run, added up where nothing else of them is asked for.

use crate::answers::{Outcome, capped_sum};

/// Records and messages of a run, by the numbers of their outcomes.
#[derive(Debug)]
pub(super) struct OutcomeSums {
    sums: [(u64, u64); Outcome::COUNT],
    /// Those that are not zero.
    met: Vec<u8>,
}

impl OutcomeSums {
    pub(super) fn new() -> OutcomeSums {
        OutcomeSums { sums: [(0, 0); Outcome::COUNT], met: Vec::new() }
    }

    pub(super) fn add(&mut self, outcome: u8, messages: u64) {
        let (records, sum) = &mut self.sums[usize::from(outcome)];
        if *records == 0 {
            self.met.push(outcome);
        }
        *records += 1;
        *sum = capped_sum(*sum, messages);
    }

    /// Outcome, records and messages.
    pub(super) fn each(&self) -> impl Iterator<Item = (u8, u64, u64)> {
        self.met.iter().map(|outcome| {
            let (records, messages) = self.sums[usize::from(*outcome)];
            (*outcome, records, messages)
        })
    }

    pub(super) fn clear(&mut self) {
        for outcome in self.met.drain(..) {
            self.sums[usize::from(outcome)] = (0, 0);
        }
    }
}
