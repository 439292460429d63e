//! Listed: the reports of a filter, each with its sums.

use std::{
    cmp::Reverse,
    collections::{HashMap, hash_map::Entry},
};

use super::{ReportName, folded, tally::capped_sum};

/// A report that has records, or policies, of a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedReport {
    /// What names it.
    pub name: ReportName,
    /// The domain of the policy, in small letters; empty if the report does not say it. A TLS
    /// report is listed once for each of its domains.
    pub domain: String,
    /// Messages, or TLS sessions.
    pub all: u64,
    /// Those that passed DMARC, or reached TLS.
    pub good: u64,
}

/// Reports, summed up: those of one name and domain are one.
#[derive(Debug, Default)]
pub(crate) struct ListedReports(HashMap<(ReportName, String), (u64, u64)>);

impl ListedReports {
    /// Counts messages or sessions, of which some are good.
    pub(crate) fn add(&mut self, name: ReportName, domain: &str, all: u64, good: u64) {
        let domain = folded(domain).into_owned();
        match self.0.entry((name, domain)) {
            Entry::Vacant(entry) => {
                entry.insert((all, good));
            }
            Entry::Occupied(mut entry) => {
                let (sum, sum_good) = entry.get_mut();
                *sum = capped_sum(*sum, all);
                *sum_good = capped_sum(*sum_good, good);
            }
        }
    }

    /// The newest ones first, and those that begin together by name.
    pub(crate) fn finish(self, most: usize) -> Vec<ListedReport> {
        let listed = |((name, domain), (all, good))| ListedReport { name, domain, all, good };
        let mut list: Vec<ListedReport> = self.0.into_iter().map(listed).collect();
        list.sort_unstable_by(|one, other| {
            let key = |report: &ListedReport| Reverse(report.name.begin);
            let name = |report: &ListedReport| {
                (report.name.organization.clone(), report.name.report_id.clone())
            };
            key(one)
                .cmp(&key(other))
                .then_with(|| name(one).cmp(&name(other)))
                .then_with(|| one.domain.cmp(&other.domain))
        });
        list.truncate(most);
        list
    }
}
