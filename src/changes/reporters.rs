//! Reporters: who sent reports week by week, and sends none any more.

use std::collections::{BTreeMap, BTreeSet};

use super::{Change, ChangeKind, DAY, Look, situations::SituationKey};
use crate::{
    answers::{Answers, By, Key},
    moment::day,
};

/// Days without a report after which a reporter counts as silent. Reports come a day late, and
/// small receivers have days without mail.
const SILENT: i64 = 6 * DAY;

/// Weeks before that, in each of which it sent as many reports as this, at least.
const WEEKS: i64 = 4;
const REPORTS: u64 = 3;

/// Reporters that are looked at in a week: those with most messages.
const TOP: usize = 200;

/// The largest weeks; who has no name is no reporter.
type Reporters = BTreeMap<String, (u64, i64)>;

pub(super) fn changes<A: Answers>(
    answers: &A,
    look: &Look,
    open: &[SituationKey],
) -> Result<Vec<Change>, A::Error> {
    let end = look.period.end;
    let lately = reporters(answers, look, end - SILENT, end)?;
    // Reporters that fell silent in the period are silent since before its end by so much.
    let length = look.period.end - look.period.start;
    let latest = reporters(answers, look, end - SILENT - length, end - SILENT)?;
    let mut regular: Option<BTreeSet<String>> = None;
    for week in 0..WEEKS {
        let until = end - SILENT - length - week * 7 * DAY;
        let weekly = reporters(answers, look, until - 7 * DAY, until)?;
        let weekly: BTreeSet<String> = weekly
            .into_iter()
            .filter(|(_, (reports, _))| *reports >= REPORTS)
            .map(|(name, _)| name)
            .collect();
        regular = Some(match regular {
            None => weekly,
            Some(regular) => regular.intersection(&weekly).cloned().collect(),
        });
    }
    let mut regular = regular.unwrap_or_default();
    // Who has sent nothing since before the period has been told of.
    regular.retain(|name| latest.contains_key(name));
    if lately.is_empty() {
        let is_open =
            open.iter().any(|key| key.kind == ChangeKind::ReporterSilent && key.who.is_empty());
        let last = latest.values().map(|(_, last)| *last).max();
        let mut changes = match last {
            Some(last) if !regular.is_empty() => vec![nothing(Some(last))],
            _ if is_open => vec![nothing(None)],
            _ => Vec::new(),
        };
        // That all are silent does not end that one is.
        let ones =
            open.iter().filter(|key| key.kind == ChangeKind::ReporterSilent && !key.who.is_empty());
        changes.extend(ones.map(Change::still));
        return Ok(changes);
    }
    let mut changes: Vec<Change> = regular
        .iter()
        .filter(|name| !lately.contains_key(*name))
        .map(|name| silent(name, latest.get(name).map(|(_, last)| *last)))
        .collect();
    let still = open.iter().filter(|key| {
        key.kind == ChangeKind::ReporterSilent
            && !key.who.is_empty()
            && !lately.contains_key(&key.who)
    });
    for key in still {
        if !changes.iter().any(|change| change.who == key.who) {
            changes.push(silent(&key.who, None));
        }
    }
    Ok(changes)
}

/// The reports of each reporter, and when the last one begins.
fn reporters<A: Answers>(
    answers: &A,
    look: &Look,
    since: i64,
    until: i64,
) -> Result<Reporters, A::Error> {
    let groups = answers.groups(&look.between(since..until), By::Organization, TOP)?;
    let named = groups.groups.into_iter().filter_map(|group| match group.key {
        Key::Organization(Some(name)) => {
            Some((name, (group.tally.reports, group.tally.last.unwrap_or(since))))
        }
        _ => None,
    });
    Ok(named.collect())
}

fn since(last: Option<i64>) -> String {
    last.map(|last| format!("; the last one is of {}", day(last))).unwrap_or_default()
}

fn silent(name: &str, last: Option<i64>) -> Change {
    let text = format!(
        "{name} sent DMARC reports week by week, and none of the last days{}.",
        since(last)
    );
    let todo = "Look whether its reports lie elsewhere, or in .failed; it may have ended them.";
    Change { todo: todo.into(), ..Change::new(ChangeKind::ReporterSilent, "", name, text) }
}

fn nothing(last: Option<i64>) -> Change {
    let text = format!("No DMARC report came of the last days, from nobody{}.", since(last));
    let todo =
        "Look at the mailbox, at what stores its mail, and at rua= in the DNS (check --dns).";
    Change { todo: todo.into(), ..Change::new(ChangeKind::ReporterSilent, "", "", text) }
}
