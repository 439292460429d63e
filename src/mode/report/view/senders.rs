//! Senders: a table of a domain's senders by bucket, what is to be done first on top.

use std::borrow::Cow;

use super::{Cell, Column, Mark, Table, TableRow, by, sentence, word};
use crate::{
    figures::{things, thousands},
    moment::days,
    verdict::{Bucket, Judged, SenderSums, Standing, Verdict},
};

/// So many senders of a bucket are explained.
const EXPLAINED: usize = 3;

/// The table; nothing if there are no senders. So many rows are shown of each bucket. Beside other
/// domains only what is to be repaired is explained.
pub(super) fn table(standing: &Standing, top: usize, is_alone: bool) -> Option<Table> {
    if standing.senders.is_empty() {
        return None;
    }
    let mut columns = vec![Column::new("Senders", 0)];
    columns.extend(by::COLUMNS);
    columns.extend([
        Column::new("Addresses", 2),
        Column::new("Kind", 5),
        Column::new("First and last report", 6),
    ]);
    let longest = standing.senders.iter().map(|one| one.history.tally.messages.messages).max();
    let mut rows = Vec::new();
    let mut hidden = 0;
    for bucket in Bucket::ALL {
        let all: Vec<&Judged> = standing.of(bucket).collect();
        if all.is_empty() {
            continue;
        }
        rows.push(TableRow::from(vec![heading(bucket, &all)]));
        let explained = match bucket {
            Bucket::NeedsRepair => all.len(),
            Bucket::Stranger | Bucket::Unknown if is_alone => EXPLAINED,
            _ => 0,
        };
        let row = |(n, one): (usize, &&Judged)| row(one, longest.unwrap_or(0), n < explained);
        rows.extend(all.iter().take(top).enumerate().map(row));
        hidden += all.len().saturating_sub(top) as u64;
    }
    Some(Table { columns, rows, omitted: hidden.saturating_add(standing.omitted), total: None })
}

/// `yours, needs repair: 2 senders, 206 messages`.
fn heading(bucket: Bucket, all: &[&Judged]) -> Cell {
    let sums = SenderSums::of(all.iter().copied());
    let mark = match bucket {
        Bucket::NeedsRepair => Mark::Warning,
        Bucket::Stranger => Mark::Bad,
        Bucket::Unknown | Bucket::Forwarder => Mark::Plain,
        Bucket::Mine => Mark::Good,
    };
    let senders = things(sums.senders, "sender");
    let messages = things(sums.now.messages, "message");
    Cell::marked(mark, format!("{}: {senders}, {messages}", bucket.title()))
}

fn row(one: &Judged, longest: u64, is_explained: bool) -> TableRow {
    let tally = &one.history.tally;
    let mut cells = vec![Cell::of(name(one))];
    cells.extend(by::numbers(&tally.messages, longest));
    cells.push(Cell::number(tally.reports));
    cells.push(Cell::of(thousands(one.history.addresses)));
    cells.push(Cell::of(word(one.history.sender.kind.as_deref(), "-")));
    cells.push(Cell::of(match (tally.first, tally.last) {
        (Some(first), Some(last)) => days(first, last.saturating_add(1)),
        _ => "-".into(),
    }));
    let Verdict { why, todo, .. } = &one.verdict;
    let sentences = is_explained.then(|| sentence(&format!("{why} {todo}"))).into_iter().collect();
    TableRow { cells, details: Vec::new(), sentences }
}

/// What a sender is called.
pub(super) fn name(one: &Judged) -> Cow<'_, str> {
    word(Some(&one.history.sender.name), "(unknown)")
}
