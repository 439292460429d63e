//! Selected: which records, policies and failures a filter means, one by one.

use std::net::IpAddr;

use crate::{
    answers::{Choice, Filter, Network, Outcome, folded},
    document::Portion,
    report::{AggregateReport, Report, Text, aggregate::Record},
    senders::{self, Host, Operators},
};

/// A filter, and what senders are called.
pub(super) struct Selected<'o> {
    pub(super) filter: Filter,
    pub(super) operators: &'o Operators,
}

impl Selected<'_> {
    /// Leaves only what is meant in a portion. False if that is nothing.
    pub(super) fn keep(&self, portion: &mut Portion) -> bool {
        let Portion { report, ids, hosts, .. } = portion;
        match report {
            Report::Aggregate(report) => {
                let is_meant = self.lets_head(report);
                let policy = report.policy_published.domain.clone();
                let host = |address: Option<IpAddr>| hosts.get(&address?);
                keep(&mut report.records, &mut ids.parts, |record| {
                    let host = host(record.row.source_ip);
                    is_meant && self.lets_record(policy.as_deref(), record, host)
                });
                !report.records.is_empty() || is_meant && !self.filter.is_about_records()
            }
            Report::Tls(report) => {
                let organization = report.organization_name.as_deref();
                let is_meant =
                    !self.filter.is_about_records() && self.filter.lets_organization(organization);
                keep(&mut report.policies, &mut ids.parts, |one| {
                    is_meant && self.lets_domain(one.policy.policy_domain.as_ref())
                });
                !report.policies.is_empty()
            }
            Report::Failure(report) => {
                let others = Filter { networks: Choice::default(), ..self.filter.clone() };
                let domains = report.reported_domain.as_slice();
                let is_domain = if domains.is_empty() {
                    self.lets_domain(None)
                } else {
                    domains.iter().any(|domain| self.lets_domain(Some(domain)))
                };
                !others.is_about_records()
                    && is_domain
                    && self.filter.lets_address(report.source_ip)
            }
        }
    }

    fn lets_head(&self, report: &AggregateReport) -> bool {
        self.filter.lets_organization(report.metadata.org_name.as_deref())
            && self.lets_domain(report.policy_published.domain.as_ref())
    }

    fn lets_domain(&self, domain: Option<&Text>) -> bool {
        self.filter.lets_domain(&folded(domain.map(AsRef::as_ref).unwrap_or_default()))
    }

    fn lets_record(&self, policy: Option<&str>, record: &Record, host: Option<&Host>) -> bool {
        self.filter.lets_address(record.row.source_ip)
            && self.filter.lets_outcome(Outcome::of(&record.row.policy_evaluated))
            && (self.filter.senders.is_any() || {
                let sender = senders::of_record(policy, record, host, self.operators);
                self.filter.senders.lets(|wanted| is_name(wanted, &sender.name))
            })
    }
}

/// True if somebody is called so, in any case; a network may be written in several ways.
fn is_name(wanted: &str, name: &str) -> bool {
    let network = |text: &str| text.parse::<Network>().ok();
    wanted.eq_ignore_ascii_case(name)
        || network(wanted).is_some_and(|wanted| network(name) == Some(wanted))
}

/// Keeps what is meant, with what identifies it.
fn keep<T>(values: &mut Vec<T>, parts: &mut Vec<u64>, is_meant: impl Fn(&T) -> bool) {
    let kept: Vec<bool> = values.iter().map(is_meant).collect();
    let mut each = kept.iter();
    values.retain(|_| each.next().copied().unwrap_or(false));
    let mut each = kept.iter();
    parts.retain(|_| each.next().copied().unwrap_or(false));
}
