//! Reporters: who sent reports week by week, and sends none any more.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use super::{Change, ChangeKind, DAY, Look, situations::SituationKey};
use crate::{
    answers::{Answers, By, Filter, Group, Key, Tally},
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
    let mut found = reporters(answers, look, times(look))?.into_iter();
    let lately = found.next().unwrap_or_default();
    let latest = found.next().unwrap_or_default();
    let weekly = |weekly: Reporters| -> BTreeSet<String> {
        let enough = weekly.into_iter().filter(|(_, (reports, _))| *reports >= REPORTS);
        enough.map(|(name, _)| name).collect()
    };
    let regular = found.map(weekly).reduce(|one, other| &one & &other);
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

/// The last days, those before them, and weeks before these.
fn times(look: &Look) -> Vec<Range<i64>> {
    let end = look.period.end;
    // Reporters that fell silent in the period are silent since before its end by so much.
    let length = look.period.end - look.period.start;
    let week = |week: i64| {
        let until = end - SILENT - length - week * 7 * DAY;
        until - 7 * DAY..until
    };
    let days = [end - SILENT..end, end - SILENT - length..end - SILENT];
    days.into_iter().chain((0..WEEKS).map(week)).collect()
}

/// The reports of each reporter in each of these times, and when the last one begins.
fn reporters<A: Answers>(
    answers: &A,
    look: &Look,
    times: Vec<Range<i64>>,
) -> Result<Vec<Reporters>, A::Error> {
    let filters: Vec<Filter> = times.into_iter().map(|time| look.between(time)).collect();
    let found = answers.groups_each(&filters, By::Organization, TOP)?;
    let named = |group: Group| match group.key {
        Key::Organization(Some(name)) => {
            let Tally { reports, last, .. } = group.tally;
            last.map(|last| (name, (reports, last)))
        }
        _ => None,
    };
    Ok(found.into_iter().map(|one| one.groups.into_iter().filter_map(named).collect()).collect())
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
