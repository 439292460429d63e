//! Ask: what is to be told, got from a store.

use std::{borrow::Cow, cmp::Reverse, collections::BTreeMap};

use jiff::Timestamp;

use super::{AskedPeriod, ReportOptions};
use crate::{
    answers::{
        Answers, By, Choice, Filter, Groups, Key, Tally,
        overview::{Failures, Overview, Tls, TlsPolicy},
    },
    cli::ReportFormat,
    moment::{DAY, Moment},
    senders::domain::organisational,
    verdict::{Standing, standings},
};

/// Days of the usual period before today.
pub(super) const USUAL_DAYS: i64 = 30;

/// So many domains have a block of their own, the others a row.
const BLOCKS: usize = 3;

/// So many domains are judged where a condition asks for all: each takes some hundredths of a second,
/// and strangers may report on any number.
const DOMAINS: usize = 100;

/// At least so many senders of a domain are judged, those with most messages.
const JUDGED: usize = 1000;

/// What the store says.
#[derive(Debug)]
pub(super) struct ReportAnswer {
    pub(super) period: AnsweredPeriod,
    pub(super) filter: Filter,
    /// Of all that the filter lets through.
    pub(super) dmarc: Tally,
    /// All policies.
    pub(super) tls: Tls,
    /// All domains.
    pub(super) failures: Failures,
    /// When the newest report begins, whatever its period, of these domains and of all.
    pub(super) newest: Option<i64>,
    pub(super) newest_of_all: Option<i64>,
    /// If programs read it.
    pub(super) overview: Option<Overview>,
    /// If a table was asked for.
    pub(super) by: Option<(By, Groups)>,
    /// All domains, worst first; none if only a table was asked for.
    pub(super) domains: Vec<DomainAnswer>,
}

/// The period that is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AnsweredPeriod {
    pub(super) since: Option<i64>,
    pub(super) until: Option<i64>,
    pub(super) now: i64,
    /// Nobody asked for this one.
    pub(super) is_usual: bool,
    /// The usual one would be empty: this one ends with the newest report.
    pub(super) is_past: bool,
}

/// A domain that publishes a policy, or of which TLS or failure reports speak.
#[derive(Debug)]
pub(super) struct DomainAnswer {
    /// In small letters; empty if reports do not say it.
    pub(super) domain: String,
    pub(super) tally: Tally,
    /// The same of the period before, if this one has a beginning.
    pub(super) before: Option<Tally>,
    /// TLS policies of this domain and of those below it that are no others'.
    pub(super) tls: Vec<TlsPolicy>,
    /// If its senders are told of.
    pub(super) standing: Option<Standing>,
    /// If it has a block of its own.
    pub(super) details: Option<Details>,
}

/// What is told only of a domain that has a block of its own.
#[derive(Debug)]
pub(super) struct Details {
    pub(super) days: Groups,
    /// Who reports on it, counted.
    pub(super) receivers: u64,
}

/// Asks for all that is to be written.
pub(super) fn ask<A: Answers>(
    answers: &A,
    options: &ReportOptions,
    now: Timestamp,
) -> Result<ReportAnswer, A::Error> {
    let newest_of_all = answers.newest(&Filter::default())?;
    let newest = if options.filter.domains.is_any() {
        newest_of_all
    } else {
        answers.newest(&options.filter)?
    };
    let period = AnsweredPeriod::new(options.period, newest, now);
    let filter = Filter { since: period.since, until: period.until, ..options.filter.clone() };
    let top = options.top;
    let (mut by, mut overview, mut domains) = (None, None, Vec::new());
    // A spreadsheet has one table.
    let table = (options.format == ReportFormat::Csv).then_some(By::Domain);
    if let Some(asked) = options.by.or(table) {
        by = Some((asked, answers.groups(&filter, asked, top)?));
    }
    if options.format == ReportFormat::Json {
        overview = Some(answers.overview(&filter, top)?);
    }
    let (tls, failures) =
        (answers.tls(&filter, usize::MAX)?, answers.failures(&filter, usize::MAX)?);
    if by.is_none() || options.fail_on.iter().any(|condition| condition.of.is_about_senders()) {
        domains = all_domains(answers, &filter, &period, options, (&tls, &failures))?;
    }
    Ok(ReportAnswer {
        dmarc: answers.totals(&filter)?,
        tls,
        failures,
        period,
        filter,
        newest,
        newest_of_all,
        overview,
        by,
        domains,
    })
}

impl ReportAnswer {
    /// True if there is nothing to tell of.
    pub(super) fn is_empty(&self) -> bool {
        self.dmarc.reports == 0 && self.tls.reports == 0 && self.failures.reports == 0
    }

    /// True if TLS sessions are among what is meant: they have no sender and no result of DMARC.
    pub(super) fn has_tls(&self) -> bool {
        !self.filter.is_about_records()
    }

    /// The same of failure reports, of which the address is known.
    pub(super) fn has_failures(&self) -> bool {
        let others = Filter { networks: Choice::default(), ..self.filter.clone() };
        !others.is_about_records()
    }
}

impl AnsweredPeriod {
    fn new(asked: AskedPeriod, newest: Option<i64>, now: Timestamp) -> AnsweredPeriod {
        let (since, until) = match asked {
            AskedPeriod::Given { since, until } => {
                (since.map(|since| since.begin(now)), until.map(|until| until.end(now)))
            }
            AskedPeriod::Usual => (Some(Moment::DaysAgo(USUAL_DAYS).begin(now)), None),
        };
        let now = now.as_second();
        let mut period = AnsweredPeriod {
            since,
            until,
            now,
            is_usual: matches!(asked, AskedPeriod::Usual),
            is_past: false,
        };
        if let (true, Some(newest), Some(since)) = (period.is_usual, newest, since)
            && newest < since
        {
            let until = (newest.div_euclid(DAY) + 1).saturating_mul(DAY);
            period.until = Some(until);
            period.since = Some(until.saturating_sub(USUAL_DAYS * DAY));
            period.is_past = true;
        }
        period
    }

    /// The first second after it.
    pub(super) fn end(&self) -> i64 {
        self.until.unwrap_or(self.now)
    }

    /// Whole days in it; nothing if it has no beginning or is shorter than a day.
    pub(super) fn days(&self) -> Option<i64> {
        let days = self.end().checked_sub(self.since?)? / DAY;
        (days > 0).then_some(days)
    }

    /// As long before.
    pub(super) fn before(&self) -> Option<(i64, i64)> {
        let since = self.since?;
        let begin = since.checked_sub(self.days()?.checked_mul(DAY)?)?;
        Some((begin, since))
    }
}

fn all_domains<A: Answers>(
    answers: &A,
    filter: &Filter,
    period: &AnsweredPeriod,
    options: &ReportOptions,
    reports: (&Tls, &Failures),
) -> Result<Vec<DomainAnswer>, A::Error> {
    let now = by_domain(answers, filter)?;
    let before = match period.before() {
        Some((begin, end)) => {
            let filter = Filter { since: Some(begin), until: Some(end), ..filter.clone() };
            Some(by_domain(answers, &filter)?)
        }
        None => None,
    };
    let others = (!filter.is_about_records()).then_some(reports);
    let mut all = joined(now, before, others);
    // Those that are alike stay in the order of their names.
    all.sort_by_key(|one| Reverse((one.tally.messages.failing(), one.tally.messages.messages)));
    judge(answers, filter, period, options, &mut all)?;
    Ok(all)
}

/// Each domain with what is known of it. Those of which only TLS and failure reports speak are told
/// of, too, if these are.
fn joined(
    mut now: BTreeMap<String, Tally>,
    mut before: Option<BTreeMap<String, Tally>>,
    others: Option<(&Tls, &Failures)>,
) -> Vec<DomainAnswer> {
    let mut tls: BTreeMap<String, Vec<TlsPolicy>> = BTreeMap::new();
    if let Some((all_tls, failures)) = others {
        for policy in &all_tls.policies {
            let owner = owner(&policy.policy_domain, &now);
            now.entry(owner.clone()).or_default();
            tls.entry(owner).or_default().push(policy.clone());
        }
        for one in &failures.domains {
            let owner = owner(&one.domain, &now);
            now.entry(owner).or_default();
        }
    }
    for policies in tls.values_mut() {
        policies.sort_by_key(|policy| Reverse(policy.failed_sessions));
    }
    now.into_iter()
        .map(|(domain, tally)| DomainAnswer {
            before: before.as_mut().map(|before| before.remove(&domain).unwrap_or_default()),
            tls: tls.remove(&domain).unwrap_or_default(),
            domain,
            tally,
            standing: None,
            details: None,
        })
        .collect()
}

/// Judges the senders of the first domains, of more for programs, or of all where a condition is
/// about them.
fn judge<A: Answers>(
    answers: &A,
    filter: &Filter,
    period: &AnsweredPeriod,
    options: &ReportOptions,
    all: &mut [DomainAnswer],
) -> Result<(), A::Error> {
    let needs_all = options.fail_on.iter().any(|condition| condition.of.is_about_senders());
    let judged = match options.format {
        _ if needs_all => DOMAINS,
        // Who reads a screen reads the worst.
        ReportFormat::Json => options.top,
        _ => BLOCKS,
    };
    let judged = judged.min(all.len());
    let top = JUDGED.max(options.top);
    let domains: Vec<&str> = all[..judged].iter().map(|one| &*one.domain).collect();
    let (mine, ends) = (&options.mine, filter.whole_end(period.now));
    let standings = standings(answers, filter, &domains, mine, ends, top)?;
    let of_blocks: Vec<Filter> = domains
        .iter()
        .take(BLOCKS)
        .map(|domain| Filter {
            domains: Choice::of((*domain).to_owned()),
            exactly: true,
            ..filter.clone()
        })
        .collect();
    let days = answers.groups_each(&of_blocks, By::Day, 0)?;
    let receivers = answers.groups_each(&of_blocks, By::Organization, 0)?;
    for (one, standing) in all.iter_mut().zip(standings) {
        one.standing = Some(standing);
    }
    for (one, (days, receivers)) in all.iter_mut().zip(days.into_iter().zip(receivers)) {
        one.details = Some(Details { days, receivers: receivers.omitted });
    }
    Ok(())
}

/// Sums by the policy's domain.
fn by_domain<A: Answers>(
    answers: &A,
    filter: &Filter,
) -> Result<BTreeMap<String, Tally>, A::Error> {
    let mut all: BTreeMap<String, Tally> = BTreeMap::new();
    for group in answers.groups(filter, By::Domain, usize::MAX)?.groups {
        if let Key::Domain(domain) = group.key {
            all.insert(domain, group.tally);
        }
    }
    Ok(all)
}

/// The lowest of these domains that one is at or below; else its organisational domain. What is no
/// domain stands for itself.
fn owner(domain: &str, known: &BTreeMap<String, Tally>) -> String {
    let above = |rest: &&str| !rest.is_empty() && known.contains_key(*rest);
    let dots = domain.match_indices('.').map(|(at, _)| &domain[at + 1..]);
    let owner = std::iter::once(domain).chain(dots).find(above);
    let owner = owner.map(Cow::Borrowed).or_else(|| organisational(domain));
    owner.unwrap_or(Cow::Borrowed(domain)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usual(newest: &str) -> AnsweredPeriod {
        let now = "2026-11-26T17:00:00Z".parse().expect("now");
        let newest: Timestamp = newest.parse().expect(newest);
        AnsweredPeriod::new(AskedPeriod::Usual, Some(newest.as_second()), now)
    }

    #[test]
    fn the_usual_period_ends_with_the_newest_report_if_that_is_old() {
        let shown = |period: &AnsweredPeriod| {
            crate::moment::days(period.since.expect("a beginning"), period.end())
        };
        let recent = usual("2026-11-25T00:00:00Z");
        assert_eq!((shown(&recent).as_str(), recent.is_past), ("27 Oct – 26 Nov 2026", false));
        assert_eq!(recent.days(), Some(30));
        let old = usual("2026-03-20T12:00:00Z");
        assert_eq!((shown(&old).as_str(), old.is_past), ("19 Feb – 20 Mar 2026", true));
        let (begin, end) = old.before().expect("a period before");
        assert_eq!((end - begin, Some(end)), (30 * DAY, old.since));
    }

    #[test]
    fn what_only_tls_reports_speak_of_has_an_owner() {
        let known =
            ["example.org", "mail.example.org", ""].map(|name| (name.into(), Tally::default()));
        let known = BTreeMap::from(known);
        for (domain, expected) in [
            ("mail.example.org", "mail.example.org"),
            ("a.mail.example.org", "mail.example.org"),
            ("shop.example.org", "example.org"),
            ("mx.badexample.org", "badexample.org"),
            ("news.example.co.uk", "example.co.uk"),
            ("no name at all", "no name at all"),
            ("", ""),
        ] {
            assert_eq!(owner(domain, &known), expected);
        }
    }
}
