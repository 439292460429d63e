//! Domain: how one domain stands, as a block; or many of them, a row each.

use super::{
    Block, Cell, Column, Line, Mark, Table, TableRow, first::change, senders, tls::failure, word,
};
use crate::{
    answers::{Groups, Key, Tally},
    figures::{self, things, thousands},
    mode::report::ask::{AnsweredPeriod, DomainAnswer, ReportAnswer},
    moment::DAY,
    verdict::{Bucket, Judged, SenderSums, Standing},
};

/// More days than this are not drawn one by one.
const MOST_DAYS: i64 = 3660;

/// So many senders are named in a line.
const NAMED: usize = 2;

/// The block of a domain that has one.
pub(super) fn block(one: &DomainAnswer, answer: &ReportAnswer, top: usize) -> Option<Block> {
    let is_alone = answer.domains.len() == 1;
    let details = one.details.as_ref()?;
    let mut heading = vec![word(Some(&one.domain), "(no domain)").into_owned()];
    let standing = one.standing.as_ref();
    let policy = standing.and_then(|standing| standing.policy.as_ref()?.p.as_deref());
    heading.extend(policy.map(|p| format!("p={}", word(Some(p), "none"))));
    if one.tally.reports > 0 {
        let reports = things(one.tally.reports, "report");
        heading.push(format!("{reports} from {}", things(details.receivers, "receiver")));
    }
    let mut lines = Vec::new();
    if let (Some(standing), true) = (standing, one.tally.messages.messages > 0) {
        lines.push(mail(standing, &details.days, &answer.period));
        lines.extend(to_fix(standing));
        lines.extend(forged(standing));
        lines.extend(unknown(standing));
        lines.extend(few(standing));
    }
    if answer.has_tls() {
        lines.extend(tls(one));
    }
    let tables =
        standing.and_then(|standing| senders::table(standing, top, is_alone)).into_iter().collect();
    Some(Block { heading, lines, tables })
}

/// `2,104 of 2,310 messages pass (91 %, ▼3 on the 30 days before)`: of the domain's own senders, as
/// far as they are known, or of all.
fn mail(standing: &Standing, days: &Groups, period: &AnsweredPeriod) -> Line {
    let own = SenderSums::own(standing);
    let sum = |tally: &Tally| (tally.messages.pass, tally.messages.messages);
    let (about, (pass, all), before) = if own.now.messages > 0 {
        let before = (own.before.pass, own.before.messages);
        ("your mail", (own.now.pass, own.now.messages), Some(before))
    } else {
        ("all mail", sum(&standing.tally), standing.before.as_ref().map(sum))
    };
    let change = before.and_then(|before| change((pass, all), before, period));
    let share = figures::share(pass, all);
    let change = change.map(|change| format!(", {change}")).unwrap_or_default();
    let text = format!("{} of {} pass ({share}{change})", thousands(pass), things(all, "message"));
    // A domain that nobody sends for is well if all strangers are refused.
    let forged = SenderSums::of(standing.of(Bucket::Stranger));
    let is_refused = forged.now.messages == all && forged.delivered() == 0;
    let mark = if is_refused { Mark::Good } else { mark(pass, all) };
    Line { days: each_day(days, period), ..Line::new(mark, about, text) }
}

fn mark(good: u64, all: u64) -> Mark {
    match figures::thousandths(good, all) {
        None => Mark::Plain,
        Some(950..) => Mark::Good,
        Some(500..) => Mark::Warning,
        Some(_) => Mark::Bad,
    }
}

/// `206 messages from sendgrid.example (12 addresses): DKIM fails; 3 more senders`.
fn to_fix(standing: &Standing) -> Option<Line> {
    let all: Vec<&Judged> = standing.of(Bucket::NeedsRepair).collect();
    if all.is_empty() {
        return None;
    }
    let one = |judged: &&Judged| {
        let messages = things(judged.history.tally.messages.messages, "message");
        let names: Vec<&str> = judged.verdict.repair.iter().map(|what| what.name()).collect();
        let fails = match names.as_slice() {
            [one] => format!("{one} fails"),
            several => format!("{} fail", several.join(" and ")),
        };
        let addresses = things(judged.history.addresses, "address");
        format!("{messages} from {} ({addresses}): {fails}", senders::name(judged))
    };
    let mut parts: Vec<String> = all.iter().take(NAMED).map(one).collect();
    if all.len() > NAMED {
        let more = thousands((all.len() - NAMED) as u64);
        parts.push(format!("{more} more"));
    }
    Some(Line::new(Mark::Warning, "to fix", parts.join("; ")))
}

/// `118 messages from 3 senders; 96 delivered, policy is p=none`.
fn forged(standing: &Standing) -> Option<Line> {
    let sums = SenderSums::of(standing.of(Bucket::Stranger));
    if sums.now.messages == 0 {
        return None;
    }
    let messages = things(sums.now.messages, "message");
    let senders = things(sums.senders, "sender");
    let policy = standing.policy.as_ref().and_then(|policy| policy.p.as_deref());
    let policy = policy.map(|p| format!(", policy is p={}", word(Some(p), "none")));
    let (mark, delivered) = match sums.delivered() {
        0 => (Mark::Plain, "none delivered".to_owned()),
        some => (Mark::Bad, format!("{} delivered", thousands(some))),
    };
    let text = format!("{messages} from {senders}; {delivered}{}", policy.unwrap_or_default());
    Some(Line::new(mark, "forged?", text))
}

/// `17 messages from 5 senders, of which too little is known`.
fn unknown(standing: &Standing) -> Option<Line> {
    let sums = SenderSums::of(standing.of(Bucket::Unknown));
    if sums.now.messages == 0 {
        return None;
    }
    let messages = things(sums.now.messages, "message");
    let senders = things(sums.senders, "sender");
    let text = format!("{messages} from {senders}, of which too little is known");
    Some(Line::new(Mark::Plain, "unknown", text))
}

/// `1,234 messages from 890 senders with few each, 1,100 fail; 900 delivered`: who is not judged.
fn few(standing: &Standing) -> Option<Line> {
    let rest = &standing.rest;
    if rest.messages == 0 {
        return None;
    }
    let (mark, delivered) = match rest.delivered_failing() {
        0 => (Mark::Plain, String::new()),
        some => (Mark::Bad, format!("; {} of these delivered", thousands(some))),
    };
    let text = format!(
        "{} from {} with few each, {} fail{delivered}",
        things(rest.messages, "message"),
        things(standing.omitted, "sender"),
        thousands(rest.failing()),
    );
    Some(Line::new(mark, "and more", text))
}

/// `99.4 % of 1,234 sessions; shop.example.com: certificate-host-mismatch 1`.
fn tls(one: &DomainAnswer) -> Option<Line> {
    let sum = |count: fn(&crate::answers::overview::TlsPolicy) -> u64| {
        one.tls.iter().fold(0_u64, |sum, policy| sum.saturating_add(count(policy)))
    };
    let (good, bad) = (sum(|one| one.successful_sessions), sum(|one| one.failed_sessions));
    let all = good.saturating_add(bad);
    if all == 0 {
        return None;
    }
    let failing = one.tls.iter().filter(|policy| policy.failed_sessions > 0);
    let failing = failing.take(NAMED).map(|policy| {
        let domain = word(Some(&policy.policy_domain), "(no domain)");
        let first = policy.failures.first().map(failure);
        let how = first.unwrap_or_else(|| format!("{} failed", thousands(policy.failed_sessions)));
        format!("{domain}: {how}")
    });
    let all = format!("{} of {}", figures::share(good, all), things(all, "session"));
    let text = [all].into_iter().chain(failing).collect::<Vec<_>>().join("; ");
    let mark = if bad == 0 { Mark::Good } else { Mark::Warning };
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
        TableRow::from(vec![
            Cell::of(word(Some(&one.domain), "(no domain)")),
            Cell::of(thousands(all)),
            Cell::share(pass, all),
            Cell::number(one.tally.messages.failing()),
            Cell::of(before.map_or("-".into(), |(pass, all)| figures::share(pass, all))),
            Cell::number(one.tally.reports),
        ])
    };
    let rows = domains.iter().take(top).map(row).collect();
    Table { columns, rows, omitted: domains.len().saturating_sub(top) as u64, total: None }
}
