//! Sums over senders that are judged.

use super::{Judged, Standing};
use crate::answers::Messages;

/// Senders, counted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SenderSums {
    pub(crate) senders: u64,
    pub(crate) now: Messages,
    /// In the period before, as far as that is known.
    pub(crate) before: Messages,
}

impl SenderSums {
    pub(crate) fn of<'j>(all: impl IntoIterator<Item = &'j Judged>) -> SenderSums {
        let mut sums = SenderSums::default();
        for one in all {
            sums.senders += 1;
            sums.now.merge(&one.history.tally.messages);
            sums.before.merge(&one.before.unwrap_or_default());
        }
        sums
    }

    /// Those of a domain's own senders, all well or not.
    pub(crate) fn own(standing: &Standing) -> SenderSums {
        SenderSums::of(standing.own())
    }

    /// What was delivered.
    pub(crate) fn delivered(&self) -> u64 {
        self.now.disposition.none.saturating_add(self.now.disposition.pass)
    }
}
