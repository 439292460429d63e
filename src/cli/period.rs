//! Flags for the period of reports, alike in all commands that have them.

use std::ops::Range;

use clap::Args;
use jiff::Timestamp;

use crate::moment::Moment;

/// The period that a report speaks of.
#[derive(Args, Clone, Copy, Debug)]
pub struct PeriodFlags {
    /// Only reports since 2026-01-31, 2026-01, yesterday, an RFC 3339 time, or an age (12h, 30d,
    /// 4w, 6mo, 1y)
    ///
    /// A report belongs to the period in which its own begins.
    #[arg(long, value_name = "TIME")]
    pub since: Option<Moment>,
    /// Only reports that begin before the end of this day, month or time
    #[arg(long, value_name = "TIME")]
    pub until: Option<Moment>,
}

impl PeriodFlags {
    /// Seconds since 1970; nothing if all reports are wanted.
    pub fn range(&self, now: Timestamp) -> Option<Range<i64>> {
        if self.since.is_none() && self.until.is_none() {
            return None;
        }
        let begin = self.since.map_or(i64::MIN, |since| since.begin(now));
        Some(begin..self.until.map_or(i64::MAX, |until| until.end(now)))
    }
}
