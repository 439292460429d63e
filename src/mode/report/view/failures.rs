//! Failures: a table of the domains that failure reports are about.

use super::{Cell, Column, Table, TableRow, word};
use crate::{
    answers::overview::{Counted, FailureDomain, Failures},
    figures::thousands,
};

/// Values shown of each kind for one domain; JSON has some more.
const DETAILS: usize = 3;

/// So many rows are shown.
pub(super) fn table(failures: &Failures, top: usize) -> Table {
    let columns = vec![
        Column::new("Failure reports", 0),
        Column::new("Messages", 0),
        Column::new("Reports", 0),
    ];
    let row = |domain: &FailureDomain| {
        let lists = [
            ("from", &domain.sources),
            ("failed", &domain.auth_failures),
            ("delivery", &domain.delivery_results),
        ];
        let details = lists.into_iter().flat_map(|(kind, list)| {
            list.iter().take(DETAILS).map(move |Counted { value, messages }| {
                let value = word(value.as_deref(), "(not said)");
                format!("{kind} {value} {}", thousands(*messages))
            })
        });
        TableRow {
            cells: cells(
                &word(Some(&domain.domain), "(no domain)"),
                domain.messages,
                domain.reports,
            ),
            details: details.collect(),
            ..TableRow::default()
        }
    };
    let rows = failures.domains.iter().take(top).map(row).collect();
    let total = (failures.domains.len() > 1)
        .then(|| cells("All", failures.messages, failures.reports).into());
    let omitted = failures.domains.len().saturating_sub(top) as u64;
    Table { columns, rows, omitted, total }
}

fn cells(name: &str, messages: u64, reports: u64) -> Vec<Cell> {
    vec![Cell::of(name), Cell::of(thousands(messages)), Cell::of(thousands(reports))]
}
