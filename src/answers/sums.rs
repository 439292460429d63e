//! Sums over TLS policies and failure reports. There are few of them beside DMARC records, so that
//! a store hands on those of the period, and all else is done here.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    hash::Hash,
    net::IpAddr,
};

use super::{
    DETAILS, Filter, folded,
    overview::{Counted, FailureDomain, Failures, Tls, TlsFailure, TlsPolicy},
    tally::capped_sum,
};
use crate::report::Text;

/// A domain in small letters, and the type of its policy.
type PolicyName = (String, Option<String>);

/// TLS policies, summed up. `R` tells reports apart.
pub(crate) struct TlsSums<'f, R> {
    filter: &'f Filter,
    reports: HashSet<R>,
    policies: HashMap<PolicyName, PolicySum<R>>,
}

struct PolicySum<R> {
    reports: HashSet<R>,
    successful: u64,
    failed: u64,
    failures: HashMap<Option<String>, u64>,
}

/// A policy of a TLS report of the period.
pub(crate) struct TlsRow<'r, R> {
    /// Which report.
    pub(crate) report: R,
    pub(crate) organization: Option<&'r str>,
    pub(crate) domain: Option<&'r str>,
    pub(crate) policy_type: Option<&'r str>,
}

impl<'f, R: Eq + Hash + Clone> TlsSums<'f, R> {
    pub(crate) fn new(filter: &'f Filter) -> Self {
        TlsSums { filter, reports: HashSet::new(), policies: HashMap::new() }
    }

    /// Counts the sessions of a policy.
    pub(crate) fn policy(&mut self, row: &TlsRow<R>, successful: u64, failed: u64) {
        let Some(sum) = self.sum(row) else { return };
        sum.successful = capped_sum(sum.successful, successful);
        sum.failed = capped_sum(sum.failed, failed);
    }

    /// Counts the sessions of a policy that failed in some way.
    pub(crate) fn failure(&mut self, row: &TlsRow<R>, result_type: Option<&str>, sessions: u64) {
        let Some(sum) = self.sum(row) else { return };
        let failed = sum.failures.entry(result_type.map(str::to_owned)).or_default();
        *failed = capped_sum(*failed, sessions);
    }

    fn sum(&mut self, row: &TlsRow<R>) -> Option<&mut PolicySum<R>> {
        let domain = folded(row.domain.unwrap_or_default()).into_owned();
        if !self.filter.lets_domain(&domain) || !self.filter.lets_organization(row.organization) {
            return None;
        }
        self.reports.insert(row.report.clone());
        let name = (domain, row.policy_type.map(str::to_owned));
        let sum = self.policies.entry(name).or_insert_with(|| PolicySum {
            reports: HashSet::new(),
            successful: 0,
            failed: 0,
            failures: HashMap::new(),
        });
        sum.reports.insert(row.report.clone());
        Some(sum)
    }

    /// The `top` policies with most sessions.
    pub(crate) fn finish(self, top: usize) -> Tls {
        let mut all = Tls { reports: self.reports.len() as u64, ..Tls::default() };
        for ((policy_domain, policy_type), sum) in self.policies {
            all.successful_sessions = capped_sum(all.successful_sessions, sum.successful);
            all.failed_sessions = capped_sum(all.failed_sessions, sum.failed);
            all.policies.push(TlsPolicy {
                policy_domain,
                policy_type,
                reports: sum.reports.len() as u64,
                successful_sessions: sum.successful,
                failed_sessions: sum.failed,
                failures: most_frequent(sum.failures, |result_type, sessions| TlsFailure {
                    result_type,
                    sessions,
                }),
            });
        }
        all.policies.sort_unstable_by(|one, other| {
            let sessions = |policy: &TlsPolicy| {
                Reverse(policy.successful_sessions.saturating_add(policy.failed_sessions))
            };
            let name =
                |policy: &TlsPolicy| (policy.policy_domain.clone(), policy.policy_type.clone());
            sessions(one).cmp(&sessions(other)).then_with(|| name(one).cmp(&name(other)))
        });
        all.policies_omitted = all.policies.len().saturating_sub(top) as u64;
        all.policies.truncate(top);
        all
    }
}

/// A failure report of the period.
#[derive(Debug)]
pub(crate) struct FailureRow {
    /// Domains that it names.
    pub(crate) domains: Vec<Text>,
    /// Where the mail came from.
    pub(crate) source: Option<IpAddr>,
    /// What failed.
    pub(crate) auth_failure: Vec<Text>,
    /// What became of the mail.
    pub(crate) delivery_result: Option<Text>,
    /// How many mails it stands for; one if it does not say.
    pub(crate) incidents: Option<u64>,
}

impl FailureRow {
    /// The domains that are meant of those it names, in small letters, an empty one if it names
    /// none; nothing if the report is not meant.
    fn meant(&self, filter: &Filter) -> BTreeSet<String> {
        if !filter.lets_address(self.source) {
            return BTreeSet::new();
        }
        let named = self.domains.iter().map(|domain| folded(domain).into_owned());
        let mut domains: BTreeSet<String> = named.collect();
        if domains.is_empty() {
            domains.insert(String::new());
        }
        domains.retain(|domain| filter.lets_domain(domain));
        domains
    }

    /// True if one of its domains and its source are meant.
    pub(crate) fn is_meant(&self, filter: &Filter) -> bool {
        !self.meant(filter).is_empty()
    }
}

/// Failure reports, summed up.
pub(crate) struct FailureSums<'f> {
    filter: &'f Filter,
    reports: u64,
    messages: u64,
    domains: BTreeMap<String, DomainSum>,
}

#[derive(Default)]
struct DomainSum {
    reports: u64,
    messages: u64,
    sources: HashMap<Option<String>, u64>,
    auth_failures: HashMap<Option<String>, u64>,
    delivery_results: HashMap<Option<String>, u64>,
}

impl<'f> FailureSums<'f> {
    pub(crate) fn new(filter: &'f Filter) -> Self {
        FailureSums { filter, reports: 0, messages: 0, domains: BTreeMap::new() }
    }

    /// Counts a report, once for each domain that it names.
    pub(crate) fn add(&mut self, row: &FailureRow) {
        let domains = row.meant(self.filter);
        if domains.is_empty() {
            return;
        }
        let lower = |text: &Text| String::from(text.to_ascii_lowercase());
        let messages = row.incidents.unwrap_or(1);
        self.reports += 1;
        self.messages = capped_sum(self.messages, messages);
        let failures: BTreeSet<_> = row.auth_failure.iter().map(lower).collect();
        for domain in domains {
            let sum = self.domains.entry(domain).or_default();
            sum.reports += 1;
            sum.messages = capped_sum(sum.messages, messages);
            let count = |sums: &mut HashMap<Option<String>, u64>, value: Option<String>| {
                let sum = sums.entry(value).or_default();
                *sum = capped_sum(*sum, messages);
            };
            count(&mut sum.sources, row.source.map(|address| address.to_string()));
            count(&mut sum.delivery_results, row.delivery_result.as_ref().map(lower));
            if failures.is_empty() {
                count(&mut sum.auth_failures, None);
            }
            for failure in &failures {
                count(&mut sum.auth_failures, Some(failure.clone()));
            }
        }
    }

    /// The `top` domains with most messages.
    pub(crate) fn finish(self, top: usize) -> Failures {
        let counted = |sums| most_frequent(sums, |value, messages| Counted { value, messages });
        let mut domains: Vec<FailureDomain> = self
            .domains
            .into_iter()
            .map(|(domain, sum)| FailureDomain {
                domain,
                reports: sum.reports,
                messages: sum.messages,
                sources: counted(sum.sources),
                auth_failures: counted(sum.auth_failures),
                delivery_results: counted(sum.delivery_results),
            })
            .collect();
        // Those that are alike stay in the order of their names.
        domains.sort_by_key(|domain| (Reverse(domain.messages), Reverse(domain.reports)));
        let domains_omitted = domains.len().saturating_sub(top) as u64;
        domains.truncate(top);
        Failures { reports: self.reports, messages: self.messages, domains, domains_omitted }
    }
}

fn most_frequent<T>(
    sums: HashMap<Option<String>, u64>,
    make: impl Fn(Option<String>, u64) -> T,
) -> Vec<T> {
    let mut list: Vec<_> = sums.into_iter().collect();
    list.sort_unstable_by(|(value, number), (other_value, other_number)| {
        Reverse(number).cmp(&Reverse(other_number)).then_with(|| value.cmp(other_value))
    });
    list.truncate(DETAILS);
    list.into_iter().map(|(value, number)| make(value, number)).collect()
}
