//! Rows: groups for programs and spreadsheets, a row each.

use std::io::{self, Write};

use csv::{Terminator, WriterBuilder};
use serde::Serialize;

use crate::{
    answers::{By, Group, Groups, Key, Messages, RawResult},
    report::rfc3339,
    sanitize,
};

/// The table that was asked for with `--by`, in JSON.
#[derive(Serialize)]
pub(super) struct RowsJson {
    by: &'static str,
    rows: Vec<RowJson>,
    omitted: u64,
}

#[derive(Serialize)]
struct RowJson {
    /// The value that the row's records have, if reports say it.
    value: Option<String>,
    reports: u64,
    records: u64,
    #[serde(flatten)]
    messages: Messages,
    /// When the first of the reports begins, RFC 3339.
    first: Option<String>,
    /// When the last one does.
    last: Option<String>,
    spf: Vec<RawResult>,
    dkim: Vec<RawResult>,
}

impl RowsJson {
    pub(super) fn new(by: By, groups: &Groups) -> RowsJson {
        let row = |group: &Group| RowJson {
            value: value(&group.key),
            reports: group.tally.reports,
            records: group.tally.records,
            messages: group.tally.messages,
            first: group.tally.first.and_then(rfc3339),
            last: group.tally.last.and_then(rfc3339),
            spf: group.spf.clone(),
            dkim: group.dkim.clone(),
        };
        let rows = groups.groups.iter().map(row).collect();
        RowsJson { by: word(by), rows, omitted: groups.omitted }
    }
}

/// As `--by` has it.
fn word(by: By) -> &'static str {
    match by {
        By::Day => "day",
        By::Domain => "domain",
        By::Organization => "organization",
        By::Sender => "sender",
        By::Address => "address",
        By::Outcome => "result",
    }
}

/// What the group's records have in common; nothing if reports do not say it.
fn value(key: &Key) -> Option<String> {
    match key {
        Key::Day(begin) => rfc3339(*begin)?.get(..10).map(str::to_owned),
        Key::Domain(domain) => Some(domain.clone()).filter(|domain| !domain.is_empty()),
        Key::Organization(name) => name.clone(),
        Key::Sender(sender) => Some(sender.to_string()),
        Key::Address(address) => address.map(|address| address.to_string()),
        Key::Outcome(outcome) => {
            let words = [outcome.disposition.word(), outcome.spf.word(), outcome.dkim.word()];
            Some(words.join(" "))
        }
    }
}

/// Columns behind the first one; scripts know these.
const COLUMNS: [&str; 13] = [
    "reports",
    "records",
    "messages",
    "pass",
    "spf_aligned",
    "dkim_aligned",
    "disposition_none",
    "disposition_pass",
    "disposition_quarantine",
    "disposition_reject",
    "disposition_other",
    "first",
    "last",
];

/// The groups, with the names of the columns in front.
pub(super) fn write_csv(by: By, groups: &Groups, out: &mut impl Write) -> io::Result<()> {
    let mut csv = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(out);
    let row =
        |cells: &[String]| cells.iter().map(|cell| sanitize::cell(cell).into_owned()).collect();
    let mut rows: Vec<Vec<String>> =
        vec![[word(by)].into_iter().chain(COLUMNS).map(str::to_owned).collect()];
    for Group { key, tally, .. } in &groups.groups {
        let Messages { messages, pass, spf_aligned, dkim_aligned, disposition: done } =
            tally.messages;
        let numbers = [
            tally.reports,
            tally.records,
            messages,
            pass,
            spf_aligned,
            dkim_aligned,
            done.none,
            done.pass,
            done.quarantine,
            done.reject,
            done.other,
        ];
        let ends = [tally.first, tally.last].map(|end| end.and_then(rfc3339).unwrap_or_default());
        let cells: Vec<String> = [value(key).unwrap_or_default()]
            .into_iter()
            .chain(numbers.map(|number| number.to_string()))
            .chain(ends)
            .collect();
        rows.push(row(&cells));
    }
    for row in rows {
        csv.write_record(row).map_err(|error| match error.into_kind() {
            // The system's own error, whose kind tells a reader that has seen enough.
            csv::ErrorKind::Io(error) => error,
            other => io::Error::other(format!("{other:?}")),
        })?;
    }
    csv.flush()
}
