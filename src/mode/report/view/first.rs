//! First: what is shown, from the top: which period, the domains or the table that was asked for,
//! and what to ask next.

use super::{Block, Line, Mark, Table, View, by, domain, failures, tls, word};
use crate::{
    answers::{By, Choice, Key},
    figures::{self, things},
    mode::{
        elsewhere::Elsewhere,
        report::{
            Again, Told,
            ask::{AnsweredPeriod, ReportAnswer, USUAL_DAYS},
        },
    },
    moment::{day, days},
    sanitize,
    verdict::{Bucket, Standing},
};

/// Rows of each bucket, where several domains have a block.
const ROWS: usize = 3;

/// Everything that is shown.
pub(in crate::mode::report) fn view(told: &Told) -> View {
    let answer = &told.answer;
    let mut title = vec![period(answer)];
    title.extend(filter(answer));
    title.push(sanitize::line(&told.store).into_owned());
    let mut blocks = Vec::new();
    if answer.is_empty() {
        let nothing = Line::new(Mark::Warning, "nothing", nothing(told));
        blocks.push(Block { lines: vec![nothing], ..Block::default() });
    } else if let Some((by, groups)) = &answer.by {
        blocks.push(Block { tables: vec![by::table(*by, groups)], ..Block::default() });
    } else {
        // The first screen is short; one domain alone is told of in full.
        let rows = if answer.domains.len() > 1 { told.top.min(ROWS) } else { told.top };
        let blocked = answer.domains.iter().filter_map(|one| domain::block(one, answer, rows));
        blocks.extend(blocked);
        let rows: Vec<_> = answer.domains.iter().filter(|one| one.details.is_none()).collect();
        if !rows.is_empty() {
            let table = domain::others(&rows, told.top);
            blocks.push(Block { tables: vec![table], ..Block::default() });
        }
        blocks.extend(rest(answer, told.top));
    }
    let if_yours = if_yours(told);
    View { title, blocks, next: next(told), if_yours }
}

/// TLS and failure reports.
fn rest(answer: &ReportAnswer, top: usize) -> Option<Block> {
    let mut tables: Vec<Table> = Vec::new();
    if answer.has_tls() && answer.tls.reports > 0 {
        let is_alone = answer.domains.len() == 1;
        tables.extend(tls::table(&answer.tls, is_alone, top));
    }
    if answer.has_failures() && answer.failures.reports > 0 {
        tables.push(failures::table(&answer.failures, top));
    }
    (!tables.is_empty()).then(|| Block { tables, ..Block::default() })
}

/// `27 Oct – 26 Nov 2026 (the last 30 days; --all-time shows all)`.
fn period(answer: &ReportAnswer) -> String {
    let period = &answer.period;
    let known = [answer.dmarc.first, answer.dmarc.last];
    let shown = match (period.since, period.until, known) {
        (Some(since), _, _) => days(since, period.end()),
        (None, Some(until), _) => format!("until {}", day(until.saturating_sub(1))),
        (None, None, [Some(first), Some(last)]) => {
            format!("all time: {}", days(first, last.saturating_add(1)))
        }
        (None, None, _) => "all time".into(),
    };
    match period {
        AnsweredPeriod { is_past: true, .. } => {
            format!("{shown} (nothing came since; --all-time shows all)")
        }
        AnsweredPeriod { is_usual: true, .. } => {
            format!("{shown} (the last {USUAL_DAYS} days; --all-time shows all)")
        }
        _ => shown,
    }
}

/// What was asked for of all mail.
fn filter(answer: &ReportAnswer) -> Vec<String> {
    fn choice<T>(
        shown: &mut Vec<String>,
        what: &str,
        choice: &Choice<T>,
        name: impl Fn(&T) -> String,
    ) {
        let list = |all: &[T]| all.iter().map(&name).collect::<Vec<_>>().join(", ");
        if !choice.only.is_empty() {
            shown.push(format!("{what} {}", list(&choice.only)));
        }
        if !choice.not.is_empty() {
            shown.push(format!("{what} not {}", list(&choice.not)));
        }
    }
    let filter = &answer.filter;
    let text = |text: &String| word(Some(text), "(none)").into_owned();
    let mut shown = Vec::new();
    choice(&mut shown, "domain", &filter.domains, text);
    choice(&mut shown, "from", &filter.networks, ToString::to_string);
    choice(&mut shown, "sender", &filter.senders, |sender| text(sender));
    choice(&mut shown, "reported by", &filter.organizations, text);
    choice(&mut shown, "disposition", &filter.dispositions, |one| one.word().into());
    choice(&mut shown, "DMARC", &filter.dmarc, |one| one.word().into());
    choice(&mut shown, "SPF", &filter.spf, |one| one.word().into());
    choice(&mut shown, "DKIM", &filter.dkim, |one| one.word().into());
    shown
}

/// Where some are.
fn nothing(told: &Told) -> String {
    let ReportAnswer { newest, newest_of_all, filter, .. } = &told.answer;
    match (newest, newest_of_all, &told.elsewhere) {
        (Some(newest), _, _) if filter.is_about_records() => {
            format!("No mail of this kind; newest report here: {}", day(*newest))
        }
        (Some(newest), _, _) => format!("No reports; newest report here: {}", day(*newest)),
        (None, Some(newest), _) => {
            format!("No reports; newest report here, on another domain: {}", day(*newest))
        }
        (None, None, Some(elsewhere)) => {
            format!("No reports. This store is empty, but {}", elsewhere.is_there())
        }
        (None, None, None) => "No reports. This store is empty.".into(),
    }
}

/// What to ask next, best first.
fn next(told: &Told) -> Vec<String> {
    let answer = &told.answer;
    let again = &told.again;
    let mut next = Vec::new();
    if answer.is_empty() {
        if answer.newest.is_some() && !answer.filter.is_about_records() {
            next.extend(again.with(&["--all-time"]));
        }
        next.extend(told.elsewhere.as_ref().map(Elsewhere::command));
        return next;
    }
    match &answer.by {
        None => {
            let worst = answer.domains.first();
            if let (Some(worst), true) = (worst, answer.domains.len() > 1) {
                next.extend(again.with(&["--domain", &worst.domain]));
            } else if let Some(standing) = worst.and_then(|one| one.standing.as_ref()) {
                next.extend(of_domain(standing, again));
            }
        }
        Some((By::Domain, groups)) => next.extend(groups.groups.first().and_then(|group| {
            let Key::Domain(domain) = &group.key else { return None };
            again.with(&["--domain", domain])
        })),
        Some((By::Sender, groups)) => next.extend(groups.groups.first().and_then(|group| {
            let Key::Sender(sender) = &group.key else { return None };
            again.with(&["--sender", &sender.to_string(), "--by", "address"])
        })),
        Some((By::Address, groups)) => next.extend(groups.groups.first().and_then(|group| {
            let Key::Address(Some(address)) = group.key else { return None };
            again.with(&["--source", &address.to_string()])
        })),
        Some(_) => {}
    }
    next
}

/// What to ask of one domain: where what needs repair comes from, or else what fails.
fn of_domain(standing: &Standing, again: &Again) -> Option<String> {
    match first(standing, Bucket::NeedsRepair) {
        Some(name) => again.with(&["--sender", name, "--by", "address"]),
        None if standing.tally.messages.failing() == 0 => None,
        None => again.with(&["--only", "failing", "--by", "address"]),
    }
}

/// What may be said of the largest sender of one domain that is not known.
fn if_yours(told: &Told) -> Option<String> {
    let [one] = told.answer.domains.as_slice() else { return None };
    let name = first(one.standing.as_ref()?, Bucket::Unknown)?;
    told.again.mine(name, &one.domain)
}

/// The largest sender of a bucket.
fn first(standing: &Standing, bucket: Bucket) -> Option<&str> {
    standing.of(bucket).next().map(|one| one.history.sender.name.as_str())
}

/// How a share changed: `▼3 on the 30 days before`.
pub(super) fn change(
    now: (u64, u64),
    before: (u64, u64),
    period: &AnsweredPeriod,
) -> Option<String> {
    let now = figures::thousandths(now.0, now.1)?;
    let before = figures::thousandths(before.0, before.1)?;
    let days = u64::try_from(period.days()?).ok()?;
    let time = things(days, "day");
    let by = now.abs_diff(before);
    if by == 0 {
        return Some(format!("as in the {time} before"));
    }
    let arrow = if now > before { "▲" } else { "▼" };
    let points = if by < 10 { format!("0.{by}") } else { ((by + 5) / 10).to_string() };
    Some(format!("{arrow}{points} on the {time} before"))
}
