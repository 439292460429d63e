//! By: a table of groups.

use super::{Cell, Column, Table, TableRow, word};
use crate::{
    answers::{By, Group, Groups, Key, Messages, Outcome, RawResult},
    figures::{self, thousands},
    moment,
};

/// Raw results shown of one address or sender; JSON has some more.
const DETAILS: usize = 3;

/// The groups, a row each.
pub(in crate::mode::report) fn table(by: By, groups: &Groups) -> Table {
    let title = match by {
        By::Day => "Day",
        By::Domain => "Domain",
        By::Organization => "Organization",
        By::Sender => "Sender",
        By::Address => "Address",
        By::Outcome => "Result",
    };
    let mut columns = vec![Column::new(title, 0)];
    columns.extend(COLUMNS);
    let longest = groups.groups.iter().map(|group| group.tally.messages.messages).max();
    let row = |group: &Group| {
        let mut cells = vec![Cell::of(name(&group.key))];
        cells.extend(numbers(&group.tally.messages, longest.unwrap_or(0)));
        cells.push(Cell::number(group.tally.reports));
        TableRow { cells, details: details(group), ..TableRow::default() }
    };
    let rows = groups.groups.iter().map(row).collect();
    let has_total = groups.groups.len() > 1 || groups.omitted > 0;
    let total = has_total.then(|| {
        let mut cells = vec![Cell::of("All")];
        cells.extend(numbers(&groups.total.messages, 0));
        cells.push(Cell::number(groups.total.reports));
        cells.into()
    });
    Table { columns, rows, omitted: groups.omitted, total }
}

/// What stands beside a name, as [`numbers`] fills it; behind it the number of reports.
pub(super) const COLUMNS: [Column; 10] = [
    Column::new("Messages", 0),
    Column::new("DMARC", 0),
    Column::new("SPF", 0),
    Column::new("DKIM", 0),
    Column::new("Delivered", 1),
    Column::new("Spam", 1),
    Column::new("Rejected", 1),
    Column::new("Other", 4),
    Column::new("", 3),
    Column::new("Reports", 2),
];

/// Numbers beside a name: all up to the bar of messages.
pub(super) fn numbers(messages: &Messages, longest: u64) -> Vec<Cell> {
    let all = messages.messages;
    let done = &messages.disposition;
    vec![
        Cell::of(thousands(all)),
        Cell::share(messages.pass, all),
        Cell::of(figures::share(messages.spf_aligned, all)),
        Cell::of(figures::share(messages.dkim_aligned, all)),
        // `pass` (RFC 9990) as `none`: both mean that the mails were left alone.
        Cell::number(done.none.saturating_add(done.pass)),
        Cell::number(done.quarantine),
        Cell::number(done.reject),
        Cell::number(done.other),
        match figures::thousandths(all, longest) {
            Some(length) => {
                Cell::bar(length, figures::thousandths(messages.pass, all).unwrap_or(0))
            }
            None => Cell::default(),
        },
    ]
}

/// What a group is called.
pub(in crate::mode::report) fn name(key: &Key) -> String {
    match key {
        Key::Day(begin) => moment::day(*begin),
        Key::Domain(domain) => word(Some(domain), "(no domain)").into_owned(),
        Key::Organization(name) => word(name.as_deref(), "(no name)").into_owned(),
        Key::Sender(sender) => word(Some(&sender.to_string()), "(unknown)").into_owned(),
        Key::Address(Some(address)) => address.to_string(),
        Key::Address(None) => "(no address)".into(),
        Key::Outcome(Outcome { disposition, spf, dkim }) => {
            let (spf, dkim) = (spf.word(), dkim.word());
            format!("{}, SPF {spf}, DKIM {dkim}", disposition.word())
        }
    }
}

fn details(group: &Group) -> Vec<String> {
    let mut details = Vec::new();
    for (mechanism, results) in [("SPF", &group.spf), ("DKIM", &group.dkim)] {
        details.extend(results.iter().take(DETAILS).map(|raw| result(mechanism, raw)));
    }
    details
}

/// `SPF pass example.org 1,000`.
fn result(mechanism: &str, RawResult { domain, result, messages }: &RawResult) -> String {
    let result = word(result.as_deref(), "(no result)");
    let domain = word(domain.as_deref(), "(no domain)");
    format!("{mechanism} {result} {domain} {}", thousands(*messages))
}
