//! Policies: which ones the reports of a filter found, day by day.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use rusqlite::Result;

use super::{scan::Scan, segment::Needed, segments::Segments};
use crate::{answers::PublishedDays, moment::DAY};

impl Scan<'_> {
    /// Counts the reports that are meant by its period, domain and reporter, each once.
    pub(in crate::sqlite) fn policies(&self, days: &mut PublishedDays) -> Result<()> {
        let mut counted: HashMap<(i64, u64), u64, RandomState> = HashMap::default();
        let view = self.view(false, false, false);
        let mut meant = Vec::new();
        let mut segments = Segments::new(self, Needed { addresses: false, evidence: false })?;
        while let Some(runs) = segments.next_runs()? {
            let learned = self.learned.read();
            for run in runs.iter().filter(|run| !run.again) {
                view.meant(&learned, run, &mut meant);
                if !meant.is_empty() {
                    *counted.entry((run.begin.div_euclid(DAY), run.policy)).or_default() += 1;
                }
            }
        }
        for ((day, policy), reports) in counted {
            let policy = self.naming.text(self.connection, policy)?;
            days.add(day.saturating_mul(DAY), policy.as_deref(), reports);
        }
        Ok(())
    }
}
