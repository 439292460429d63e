//! Own: sums over senders that are judged.

use crate::{
    answers::Messages,
    verdict::{Bucket, Judged, Standing},
};

/// Senders, counted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    pub(super) senders: u64,
    pub(super) now: Messages,
    /// In the period before, as far as that is known.
    pub(super) before: Messages,
}

impl Sums {
    pub(super) fn of<'j>(all: impl IntoIterator<Item = &'j Judged>) -> Sums {
        let mut sums = Sums::default();
        for one in all {
            sums.senders += 1;
            sums.now.merge(&one.history.tally.messages);
            sums.before.merge(&one.before.unwrap_or_default());
        }
        sums
    }

    /// Those of a domain's own senders, all well or not.
    pub(super) fn own(standing: &Standing) -> Sums {
        let is_own =
            |one: &&Judged| matches!(one.verdict.bucket, Bucket::Mine | Bucket::NeedsRepair);
        Sums::of(standing.senders.iter().filter(is_own))
    }

    /// What was delivered.
    pub(super) fn delivered(&self) -> u64 {
        self.now.disposition.none.saturating_add(self.now.disposition.pass)
    }
}
