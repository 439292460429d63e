//! Reporters: who sent reports week by week, and sends none any more. Those of DMARC and of TLS are
//! looked at each for itself: who sends both may end one.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    ops::Range,
};

use super::{Change, ChangeKind, DAY, Look, situations::SituationKey};
use crate::{
    answers::{Answers, By, Filter, Groups, Key, Tally},
    moment::day,
    report::Kind,
};

/// Days without a report after which a reporter counts as silent. Reports come a day late, and
/// small receivers have days without mail.
const SILENT: i64 = 6 * DAY;

/// Weeks before that, in each of which it sent as many reports as this, at least; or all of them
/// together one a day.
const WEEKS: i64 = 4;
const REPORTS: u64 = 3;
const TOGETHER: u64 = 7;

/// Reporters that are looked at in a week: those with most messages.
const TOP: usize = 200;

/// TLS reports that are looked at in all weeks: the newest ones.
const TLS_REPORTS: usize = 100_000;

/// Reports of a time.
#[derive(Default)]
struct Sent {
    /// Those of each reporter, and when the last one begins; who has no name is no reporter.
    by: BTreeMap<String, (u64, i64)>,
    /// All of them.
    reports: u64,
    last: Option<i64>,
}

pub(super) fn changes<A: Answers>(
    answers: &A,
    look: &Look,
    open: &[SituationKey],
) -> Result<Vec<Change>, A::Error> {
    let mut changes = of_kind(ChangeKind::ReporterSilent, dmarc(answers, look)?, open);
    changes.extend(of_kind(ChangeKind::TlsReporterSilent, tls(answers, look)?, open));
    Ok(changes)
}

fn of_kind(kind: ChangeKind, times: Vec<Sent>, open: &[SituationKey]) -> Vec<Change> {
    let mut times = times.into_iter();
    let lately = times.next().unwrap_or_default();
    let latest = times.next().unwrap_or_default();
    let weeks: Vec<Sent> = times.collect();
    let open: Vec<&SituationKey> = open.iter().filter(|key| key.kind == kind).collect();
    if lately.reports == 0 {
        let is_regular = weeks.iter().all(|week| week.reports >= TOGETHER);
        let is_regular = is_regular || !regular(&weeks, &latest).is_empty();
        let is_open = open.iter().any(|key| key.who.is_empty());
        let mut changes = match latest.last {
            Some(last) if is_regular => vec![nothing(kind, Some(last))],
            _ if is_open => vec![nothing(kind, None)],
            _ => Vec::new(),
        };
        // That all are silent does not end that one is.
        changes.extend(open.iter().filter(|key| !key.who.is_empty()).map(|key| Change::still(key)));
        return changes;
    }
    let mut changes: Vec<Change> = regular(&weeks, &latest)
        .into_iter()
        .filter(|name| !lately.by.contains_key(*name))
        .map(|name| silent(kind, name, latest.by.get(name).map(|(_, last)| *last)))
        .collect();
    for key in open {
        let is_still = !key.who.is_empty() && !lately.by.contains_key(&key.who);
        if is_still && !changes.iter().any(|change| change.who == key.who) {
            changes.push(silent(kind, &key.who, None));
        }
    }
    changes
}

/// Who sent enough in each week. Who has sent nothing since before the period has been told of.
fn regular<'s>(weeks: &'s [Sent], latest: &Sent) -> BTreeSet<&'s str> {
    let weekly = |week: &'s Sent| -> BTreeSet<&'s str> {
        let enough = week.by.iter().filter(|(_, (reports, _))| *reports >= REPORTS);
        enough.map(|(name, _)| name.as_str()).collect()
    };
    let regular = weeks.iter().map(weekly).reduce(|one, other| &one & &other);
    let mut regular = regular.unwrap_or_default();
    regular.retain(|name| latest.by.contains_key(*name));
    regular
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

/// The DMARC reports of each of these times.
fn dmarc<A: Answers>(answers: &A, look: &Look) -> Result<Vec<Sent>, A::Error> {
    let filters: Vec<Filter> = times(look).into_iter().map(|time| look.between(time)).collect();
    let sent = |groups: Groups| {
        let mut sent =
            Sent { reports: groups.total.reports, last: groups.total.last, ..Sent::default() };
        for group in groups.groups {
            let Tally { reports, last, .. } = group.tally;
            if let (Key::Organization(Some(name)), Some(last)) = (group.key, last) {
                sent.by.insert(name, (reports, last));
            }
        }
        sent
    };
    Ok(answers.groups_each(&filters, By::Organization, TOP)?.into_iter().map(sent).collect())
}

/// The same of TLS reports.
fn tls<A: Answers>(answers: &A, look: &Look) -> Result<Vec<Sent>, A::Error> {
    let times = times(look);
    let first = times.iter().map(|time| time.start).min().unwrap_or(look.period.start);
    let filter = look.between(first..look.period.end);
    let mut all: Vec<Sent> = times.iter().map(|_| Sent::default()).collect();
    let mut known = HashSet::new();
    // One that is about several domains is listed for each of them.
    for report in answers.reports(Kind::Tls, &filter, TLS_REPORTS)? {
        let name = report.name;
        let time = times.iter().position(|time| time.contains(&name.begin));
        let Some(sent) = time.and_then(|time| all.get_mut(time)) else { continue };
        if !known.insert(name.clone()) {
            continue;
        }
        sent.reports += 1;
        sent.last = sent.last.max(Some(name.begin));
        if let Some(organization) = name.organization {
            let (reports, last) = sent.by.entry(organization).or_insert((0, name.begin));
            (*reports, *last) = (*reports + 1, name.begin.max(*last));
        }
    }
    Ok(all)
}

/// What kind of reports it is.
fn word(kind: ChangeKind) -> &'static str {
    if kind == ChangeKind::TlsReporterSilent { "TLS" } else { "DMARC" }
}

fn since(last: Option<i64>) -> String {
    last.map(|last| format!("; the last one is of {}", day(last))).unwrap_or_default()
}

fn silent(kind: ChangeKind, name: &str, last: Option<i64>) -> Change {
    let text = format!(
        "{name} sent {} reports week by week, and none of the last days{}.",
        word(kind),
        since(last)
    );
    let todo = "Look whether its reports lie elsewhere, or in .failed; it may have ended them.";
    Change { todo: todo.into(), ..Change::new(kind, "", name, text) }
}

fn nothing(kind: ChangeKind, last: Option<i64>) -> Change {
    let text =
        format!("No {} report of the last days came from anybody{}.", word(kind), since(last));
    let todo =
        "Look at the mailbox, at what stores its mail, and at rua= in the DNS (check --dns).";
    Change { todo: todo.into(), ..Change::new(kind, "", "", text) }
}
