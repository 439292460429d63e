//! Domain: how one domain stands, as a block; or many of them, a row each.

use super::{Block, Cell, Column, Line, Mark, Row, Table, by, first::change, tls::failure, word};
use crate::{
    answers::{Groups, Key, Tally},
    figures::{self, things, thousands},
    mode::report::ask::{Answer, AnsweredPeriod, Details, DomainAnswer},
};

const DAY: i64 = 86_400;

/// More days than this are not drawn one by one.
const MOST_DAYS: i64 = 3660;

/// The block of a domain that has one.
pub(super) fn block(one: &DomainAnswer, answer: &Answer) -> Option<Block> {
    let details = one.details.as_ref()?;
    let mut heading = vec![word(Some(&one.domain), "(no domain)").into_owned()];
    if one.tally.reports > 0 {
        let reports = things(one.tally.reports, "report");
        heading.push(format!("{reports} from {}", things(details.receivers, "receiver")));
    }
    let mut lines = Vec::new();
    if one.tally.messages.messages > 0 {
        lines.push(mail(one, details, &answer.period));
    }
    if answer.has_tls() {
        lines.extend(tls(details));
    }
    let mut tables = Vec::new();
    if !details.senders.groups.is_empty() {
        tables.push(by::table(crate::answers::By::Sender, &details.senders));
    }
    Some(Block { heading, lines, tables })
}

/// `2,104 of 2,310 messages pass (91 %, ▼3 on the 30 days before)`.
fn mail(one: &DomainAnswer, details: &Details, period: &AnsweredPeriod) -> Line {
    let (pass, all) = (one.tally.messages.pass, one.tally.messages.messages);
    let before = one.before.as_ref().map(|before| (before.messages.pass, before.messages.messages));
    let change = before.and_then(|before| change((pass, all), before, period));
    let share = figures::share(pass, all);
    let change = change.map(|change| format!(", {change}")).unwrap_or_default();
    let mut line = Line::new(
        mark(pass, all),
        "mail",
        format!("{} of {} messages pass ({share}{change})", thousands(pass), thousands(all)),
    );
    line.days = each_day(&details.days, period);
    line
}

fn mark(good: u64, all: u64) -> Mark {
    match figures::thousandths(good, all) {
        None => Mark::Plain,
        Some(950..) => Mark::Good,
        Some(500..) => Mark::Warning,
        Some(_) => Mark::Bad,
    }
}

/// `99.4 % of 1,234 sessions; shop.example.com: certificate-host-mismatch 1`.
fn tls(details: &Details) -> Option<Line> {
    let tls = &details.tls;
    let all = tls.successful_sessions.saturating_add(tls.failed_sessions);
    if tls.reports == 0 {
        return None;
    }
    let share = figures::share(tls.successful_sessions, all);
    let mut text = format!("{share} of {}", things(all, "session"));
    for policy in &tls.policies {
        if let (Some(first), true) = (policy.failures.first(), policy.failed_sessions > 0) {
            let domain = word(Some(&policy.policy_domain), "(no domain)");
            text += &format!("; {domain}: {}", failure(first));
        }
    }
    let mark = if tls.failed_sessions == 0 { Mark::Good } else { Mark::Warning };
    Some(Line::new(mark, "TLS in", text))
}

/// Messages of each day, those without any, too.
fn each_day(groups: &Groups, period: &AnsweredPeriod) -> Vec<u64> {
    let day = |second: i64| second.div_euclid(DAY);
    let begin = |key: &Key| if let Key::Day(begin) = key { Some(*begin) } else { None };
    let first = period.since.or_else(|| begin(&groups.groups.first()?.key));
    let last = groups.groups.last().and_then(|group| begin(&group.key));
    let (Some(first), Some(last)) = (first, last) else { return Vec::new() };
    // Reports on today come tomorrow. Where all time is told of, the last report is its end.
    let end = if period.since.is_some() { day(period.end()) } else { 0 };
    let (first, end) = (day(first), end.max(day(last) + 1));
    if !(2..=MOST_DAYS).contains(&(end - first)) {
        return Vec::new();
    }
    let mut days = vec![0_u64; usize::try_from(end - first).unwrap_or(0)];
    for group in &groups.groups {
        let at = begin(&group.key).and_then(|begin| usize::try_from(day(begin) - first).ok());
        if let Some(day) = at.and_then(|at| days.get_mut(at)) {
            *day = day.saturating_add(group.tally.messages.messages);
        }
    }
    days
}

/// A row for each domain that has no block.
pub(super) fn others(domains: &[&DomainAnswer], top: usize) -> Table {
    let columns = vec![
        Column::new("Other domains", 0),
        Column::new("Messages", 0),
        Column::new("Pass", 0),
        Column::new("Fail", 0),
        Column::new("Before", 1),
        Column::new("Reports", 2),
    ];
    let row = |one: &&DomainAnswer| {
        let share = |tally: &Tally| (tally.messages.pass, tally.messages.messages);
        let (pass, all) = share(&one.tally);
        let before = one.before.as_ref().map(share);
        Row::from(vec![
            Cell::of(word(Some(&one.domain), "(no domain)")),
            Cell::of(thousands(all)),
            Cell::share(pass, all),
            Cell::number(one.tally.messages.failing()),
            Cell::of(before.map_or("-".into(), |(pass, all)| figures::share(pass, all))),
            Cell::number(one.tally.reports),
        ])
    };
    let rows = domains.iter().take(top).map(row).collect();
    Table { columns, rows, omitted: domains.len().saturating_sub(top) as u64 }
}
