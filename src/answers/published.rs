//! Published: which policy a domain published, as reports found it.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
};

use crate::moment::DAY;

/// A policy, from a day on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The first second of the day (UTC), since 1970.
    pub from: i64,
    /// `p`, if reports say it.
    pub p: Option<String>,
}

/// Policies of days, counted.
#[derive(Debug, Default)]
pub(crate) struct PublishedDays(BTreeMap<i64, HashMap<Option<String>, u64>>);

impl PublishedDays {
    /// Counts reports that begin at this second and found this policy.
    pub(crate) fn add(&mut self, begin: i64, p: Option<&str>, reports: u64) {
        let day = self.0.entry(begin.div_euclid(DAY)).or_default();
        *day.entry(p.map(str::to_ascii_lowercase)).or_default() += reports;
    }

    /// The policy of each day is what most of its reports found; days on which it stayed are left
    /// out.
    pub(crate) fn finish(self) -> Vec<Published> {
        let mut changes: Vec<Published> = Vec::new();
        for (day, found) in self.0 {
            let most = found.into_iter().min_by(|(p, reports), (other_p, other_reports)| {
                (Reverse(reports), p).cmp(&(Reverse(other_reports), other_p))
            });
            let Some((p, _)) = most else { continue };
            if changes.last().is_none_or(|last| last.p != p) {
                changes.push(Published { from: day.saturating_mul(DAY), p });
            }
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_most_reports_of_a_day_found_counts() {
        let mut days = PublishedDays::default();
        for (day, p, reports) in
            [(0, "none", 2), (1, "none", 1), (2, "none", 1), (2, "Reject", 2), (5, "reject", 1)]
        {
            days.add(day * DAY + 5, Some(p), reports);
        }
        let found: Vec<_> = days.finish().into_iter().map(|one| (one.from, one.p)).collect();
        assert_eq!(found, [(0, Some("none".into())), (2 * DAY, Some("reject".into()))]);
    }
}
