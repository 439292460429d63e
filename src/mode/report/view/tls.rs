//! TLS: a table of policies, each with the ways in which sessions failed.

use std::cmp::Reverse;

use super::{Cell, Column, Table, TableRow, word};
use crate::{
    answers::overview::{Tls, TlsFailure, TlsPolicy},
    figures::thousands,
};

/// Ways to fail that are shown of one policy; JSON has some more.
const DETAILS: usize = 3;

/// The policies, those with most failed sessions first; of several domains only those with any,
/// and nothing if there are none. So many rows are shown.
pub(super) fn table(tls: &Tls, is_alone: bool, top: usize) -> Option<Table> {
    let columns = vec![
        Column::new("TLS policy", 0),
        Column::new("Sessions", 0),
        Column::new("Failed", 0),
        Column::new("Over TLS", 0),
        Column::new("Reports", 1),
    ];
    let numbers = |good: u64, bad: u64, reports: u64| {
        let all = good.saturating_add(bad);
        let all_of = Cell::of(thousands(all));
        [all_of, Cell::number(bad), Cell::share(good, all), Cell::number(reports)]
    };
    let row = |policy: &TlsPolicy| {
        let kind = word(policy.policy_type.as_deref(), "(no type)");
        let name = format!("{} {kind}", word(Some(&policy.policy_domain), "(no domain)"));
        let TlsPolicy { successful_sessions, failed_sessions, reports, .. } = *policy;
        let mut cells = vec![Cell::of(name)];
        cells.extend(numbers(successful_sessions, failed_sessions, reports));
        TableRow {
            cells,
            details: policy.failures.iter().take(DETAILS).map(failure).collect(),
            ..TableRow::default()
        }
    };
    let mut policies: Vec<&TlsPolicy> = tls.policies.iter().collect();
    policies.retain(|policy| is_alone || policy.failed_sessions > 0);
    policies.sort_by_key(|policy| Reverse(policy.failed_sessions));
    if policies.is_empty() {
        return None;
    }
    let omitted = policies.len().saturating_sub(top) as u64;
    let rows = policies.into_iter().take(top).map(row).collect();
    let total = (tls.policies.len() > 1).then(|| {
        let mut cells = vec![Cell::of("All")];
        cells.extend(numbers(tls.successful_sessions, tls.failed_sessions, tls.reports));
        cells.into()
    });
    Some(Table { columns, rows, omitted, total })
}

/// `certificate-expired 7`.
pub(super) fn failure(TlsFailure { result_type, sessions }: &TlsFailure) -> String {
    format!("{} {}", word(result_type.as_deref(), "(no reason)"), thousands(*sessions))
}
