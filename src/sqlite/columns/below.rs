//! Below: the domains in From that are below the policy's, out of the combinations of records.

use std::{collections::HashMap, mem};

use foldhash::fast::RandomState;
use rusqlite::Result;

use super::{
    names::name,
    numbers::{Broken, Numbers},
    scan::{Asked, Gather, Of, Scan},
    segment::{Packed, Segment},
};
use crate::answers::{Evaluated, NamesBelow, Outcome, capped_sum};

/// Messages by the domain in From, and those of them that passed.
#[derive(Default)]
struct Below {
    names: HashMap<u64, [u64; 2], RandomState>,
    /// The same of the segment at hand, by its combinations; nothing of those that were not met.
    combinations: Vec<Option<[u64; 2]>>,
}

impl Below {
    fn add(&mut self, name: u64, more: [u64; 2]) {
        let sums = self.names.entry(name).or_default();
        sums.iter_mut().zip(more).for_each(|(sum, more)| *sum = capped_sum(*sum, more));
    }
}

impl Gather for Below {
    fn fork(&self) -> Below {
        Below::default()
    }

    fn record(&mut self, _: &Of, record: &Packed) {
        let at = usize::from(record.combination);
        if self.combinations.len() <= at {
            self.combinations.resize(at + 1, None);
        }
        let [messages, pass] = self.combinations[at].get_or_insert_default();
        *messages = capped_sum(*messages, record.messages);
        if Outcome::of_number(record.outcome).is_some_and(|one| one.dmarc() == Evaluated::Pass) {
            *pass = capped_sum(*pass, record.messages);
        }
    }

    fn segment(&mut self, segment: &Segment) -> Result<(), Broken> {
        for (number, sums) in (0..).zip(mem::take(&mut self.combinations)) {
            let Some(sums) = sums else { continue };
            let from = Numbers(segment.combinations.get(number)).next()?;
            // One more if it is below.
            if from & 1 == 1 {
                self.add(from >> 1, sums);
            }
        }
        Ok(())
    }

    fn merge(&mut self, other: Below) {
        other.names.into_iter().for_each(|(name, more)| self.add(name, more));
    }
}

impl Scan<'_> {
    /// Counts the names that are below the domain of the one filter.
    pub(in crate::sqlite) fn below(&mut self, names: &mut NamesBelow) -> Result<()> {
        let asked = Asked { evidence: true, ..Asked::default() };
        let below = self.each(Below::default);
        for (number, [messages, pass]) in
            self.gather(asked, below)?.into_iter().flat_map(|one| one.names)
        {
            names.add(&name(self.connection, number)?.unwrap_or_default(), messages, pass);
        }
        Ok(())
    }
}
