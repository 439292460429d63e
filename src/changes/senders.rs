//! Senders: how those of a domain fare in the period, beside what was usual.

use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet},
    ops::Range,
};

use super::{
    Change, ChangeKind, DAY, Look, MONTH,
    forged::{Delivered, delivered, forged},
    is_share, open, percent, rate,
    situations::SituationKey,
};
use crate::{
    answers::{Answers, Choice, Filter, History, Network, Tally},
    senders::Basis,
    verdict::{self, Bucket, Judged, Standing, counted, part},
};

/// Senders that are looked at: those with most messages.
pub(super) const TOP: usize = 1000;

/// Domains with fewer days of reports before the period have no usual senders yet.
const KNOWN: i64 = 14 * DAY;

/// Days after which one who sent week by week is gone.
pub(super) const GONE: i64 = 10 * DAY;

/// A sender fails where as many hundredths of its messages do, and is repaired where no more do.
const FAILS: u64 = 20;

/// So many hundredths pass where all is well.
const PASSES: u64 = 80;

/// Networks that are looked up one by one.
const NETWORKS: usize = 10;

/// Messages, and those that pass.
#[derive(Clone, Copy, Default)]
pub(super) struct Sum {
    pub(super) messages: u64,
    pub(super) pass: u64,
}

impl Sum {
    pub(super) fn add(&mut self, messages: u64, pass: u64) {
        self.messages = self.messages.saturating_add(messages);
        self.pass = self.pass.saturating_add(pass);
    }

    fn fail(self) -> u64 {
        self.messages.saturating_sub(self.pass)
    }

    fn passes(self) -> bool {
        is_share(self.pass, self.messages, PASSES)
    }

    pub(super) fn fails(self) -> bool {
        is_share(self.fail(), self.messages, FAILS)
    }
}

/// A sender, in the period and before.
pub(super) struct Seen<'s> {
    pub(super) judged: &'s Judged,
    pub(super) now: Sum,
    pub(super) before: Sum,
    /// Messages of the period that failed, and were neither refused nor put into quarantine.
    pub(super) delivered: u64,
}

impl<'s> Seen<'s> {
    pub(super) fn name(&self) -> &'s str {
        &self.judged.history.sender.name
    }

    /// Nothing but a network is known of it.
    pub(super) fn is_nameless(&self) -> bool {
        matches!(self.judged.history.sender.basis, Basis::Network | Basis::Nothing)
    }

    pub(super) fn bucket(&self) -> Bucket {
        self.judged.verdict.bucket
    }
}

/// How domains stand over the month, and what is different with their senders in the period. `open`
/// are the situations that were found before.
///
/// # Errors
/// The store can't be read.
pub(super) fn of_domains<A: Answers>(
    answers: &A,
    look: &Look,
    domains: &[&str],
    open: &[SituationKey],
) -> Result<Vec<(Standing, Vec<Change>)>, A::Error> {
    let month = Filter { domains: Choice::default(), ..look.filter(MONTH) };
    let standings = verdict::standings(answers, &month, domains, look.mine, look.period.end, TOP)?;
    let delivered = delivered(answers, look, domains)?;
    let all: Vec<OfDomain> = standings
        .iter()
        .zip(&delivered)
        .map(|(standing, delivered)| OfDomain::new(look, standing, delivered))
        .collect();
    let asked: Vec<Filter> = all.iter().flat_map(|one| one.asked(look)).collect();
    let mut earlier = answers.totals_each(&asked)?.into_iter();
    let changes: Vec<_> =
        all.into_iter().map(|one| one.changes(look, open, &mut earlier)).collect();
    Ok(standings.into_iter().zip(changes).collect())
}

/// The senders of a domain, and what is different with each as far as it tells by itself.
struct OfDomain<'s> {
    domain: &'s str,
    senders: Vec<(Seen<'s>, Option<Change>)>,
    /// None is left out.
    is_all: bool,
    delivered: &'s HashMap<String, Delivered>,
}

impl<'s> OfDomain<'s> {
    fn new(
        look: &Look,
        standing: &'s Standing,
        delivered: &'s HashMap<String, Delivered>,
    ) -> OfDomain<'s> {
        let domain = &standing.domain;
        let first = standing.before.and_then(|before| before.first).or(standing.tally.first);
        let is_known = first.is_some_and(|first| first <= look.period.start - KNOWN);
        let sender = |judged: &'s Judged| {
            let mut before = sum(&judged.history, &look.before());
            if let Some(more) = judged.before {
                before.add(more.messages, more.pass);
            }
            let now = sum(&judged.history, &look.period);
            let delivered = delivered.get(&judged.history.sender.name).map_or(0, |days| days.now);
            let seen = Seen { judged, now, before, delivered };
            let change = one(look, domain, &seen, is_known);
            (seen, change)
        };
        let senders = standing.senders.iter().map(sender).collect();
        OfDomain { domain, senders, is_all: standing.omitted == 0, delivered }
    }

    /// What the networks sent before that have to be looked up.
    fn asked(&self, look: &Look) -> Vec<Filter> {
        let networks = self.senders.iter().filter_map(|sender| looked_up(look, sender));
        networks
            .take(NETWORKS)
            .map(|network| Filter {
                domains: Choice::of(self.domain.to_owned()),
                exactly: true,
                networks: Choice::of(network),
                ..look.between(look.before())
            })
            .collect()
    }

    /// All that is different; `earlier` has what was asked.
    fn changes(
        self,
        look: &Look,
        open: &[SituationKey],
        earlier: &mut impl Iterator<Item = Tally>,
    ) -> Vec<Change> {
        let OfDomain { domain, senders, is_all, delivered } = self;
        let (mut seen, mut changes, mut told) = (Vec::new(), Vec::new(), Vec::new());
        let mut asked = 0;
        for sender in senders {
            let is_asked = asked < NETWORKS && looked_up(look, &sender).is_some();
            let (sender, mut change) = sender;
            if is_asked {
                asked += 1;
                change =
                    earlier.next().and_then(|before| once_passing(look, domain, &sender, &before));
            }
            if let Some(change) = change {
                told.push(sender.name());
                changes.push(change);
            }
            seen.push(sender);
        }
        changes.extend(rate::change(domain, &seen, &told));
        changes.extend(forged(look, domain, &seen, &told, delivered));
        once_each(&mut changes);
        let still = open::of_domain(look, domain, (&seen, is_all), &changes, open);
        changes.extend(still);
        changes
    }
}

/// The network of a sender of which nothing else is known, and whose mail fails.
fn looked_up(look: &Look, (seen, change): &(Seen, Option<Change>)) -> Option<Network> {
    let is_meant = change.is_none() && seen.is_nameless() && seen.now.fail() >= look.volume;
    if is_meant { seen.name().parse().ok() } else { None }
}

/// A sender of whose networks the user said some are the domain's own is there twice: what is worse
/// is told.
fn once_each(changes: &mut Vec<Change>) {
    changes.sort_by_key(|change| Reverse(change.grade));
    let mut known = HashSet::new();
    changes.retain(|change| known.insert(change.key()));
}

/// The messages of a time.
pub(super) fn sum(history: &History, time: &Range<i64>) -> Sum {
    let mut sum = Sum::default();
    for day in history.days.iter().filter(|day| time.contains(&day.begin)) {
        sum.add(day.messages, day.pass);
    }
    sum
}

/// What is different with a sender, as far as it tells by itself.
fn one(look: &Look, domain: &str, seen: &Seen, is_known: bool) -> Option<Change> {
    let Seen { judged, now, before, .. } = seen;
    if now.messages == 0 {
        return gone(look, domain, seen);
    }
    let is_of_volume = now.messages >= look.volume;
    if before.messages == 0 {
        return (is_known && is_of_volume).then(|| new(domain, seen)).flatten();
    }
    if !is_of_volume || seen.bucket() == Bucket::Forwarder {
        return None;
    }
    let fails = now.fail() >= look.volume && now.fails();
    let was_well = before.messages >= look.volume && before.passes();
    if fails && (seen.bucket() == Bucket::NeedsRepair || was_well) {
        let todo = if seen.bucket() == Bucket::NeedsRepair { &judged.verdict.todo } else { "" };
        return Some(failing(look, domain, seen, *before, todo));
    }
    let failed = before.messages >= look.volume && !is_share(before.pass, before.messages, FAILS);
    // Told once: for the period in which it began to pass.
    let days = judged.history.days.iter().filter(|day| day.begin < look.period.start);
    let failed_last = days
        .max_by_key(|day| day.begin)
        .is_some_and(|day| !is_share(day.pass, day.messages, FAILS));
    (failed && failed_last && now.passes()).then(|| {
        let text = format!(
            "{} of {}; before, {} did.",
            super::percent(now.pass, now.messages),
            counted(now.messages, "message") + " from " + seen.name() + " pass",
            percent(before.pass, before.messages),
        );
        Change::new(ChangeKind::SenderRepaired, domain, seen.name(), text)
    })
}

/// Who is not seen before. Nameless strangers are counted all together ([`forged`]).
fn new(domain: &str, seen: &Seen) -> Option<Change> {
    let is_stranger = matches!(seen.bucket(), Bucket::Stranger | Bucket::Unknown);
    if seen.bucket() == Bucket::Forwarder || is_stranger && seen.is_nameless() {
        return None;
    }
    let Seen { now, judged, delivered, .. } = seen;
    let text = format!(
        "{} sends in this domain's name, which it did not before: {} pass.",
        seen.name(),
        part(now.pass, now.messages, "message"),
    );
    let is_refused = seen.bucket() == Bucket::Stranger && *delivered == 0 && now.fail() > 0;
    Some(Change {
        needs_attention: !now.passes() && !is_refused,
        is_refused,
        todo: if now.passes() { String::new() } else { judged.verdict.todo.clone() },
        ..Change::new(ChangeKind::NewSender, domain, seen.name(), text)
    })
}

/// Who sent in each of two weeks and then no more: told for the period in which it is [`GONE`].
fn gone(look: &Look, domain: &str, seen: &Seen) -> Option<Change> {
    let history = &seen.judged.history;
    let last = history.days.iter().map(|day| day.begin).max()?;
    let sent = |time: Range<i64>| sum(history, &time).messages > 0;
    let is_regular =
        sent(last - 7 * DAY + 1..last + 1) && sent(last - 14 * DAY + 1..last - 7 * DAY + 1);
    let ended = look.period.start - GONE..look.period.end - GONE;
    let counts = matches!(seen.bucket(), Bucket::Mine | Bucket::NeedsRepair);
    if !(counts && is_regular && ended.contains(&last) && seen.before.messages >= look.volume) {
        return None;
    }
    let text = format!(
        "{} sent {} in this domain's name until {}, and none since.",
        seen.name(),
        counted(seen.before.messages, "message"),
        crate::moment::day(last),
    );
    Some(Change::new(ChangeKind::SenderGone, domain, seen.name(), text))
}

fn failing(look: &Look, domain: &str, seen: &Seen, before: Sum, todo: &str) -> Change {
    let (now, name) = (seen.now, seen.name());
    // Its worst day: what broke this morning is not worse tomorrow for being a larger part of the
    // period.
    let days = seen.judged.history.days.iter().filter(|day| look.period.contains(&day.begin));
    let days = days.filter(|day| day.messages.saturating_mul(look.days()) >= look.volume);
    let days = days.map(|day| Sum { messages: day.messages, pass: day.pass });
    let all: Vec<Sum> = days.chain([now]).collect();
    let is_bad = |share: &&u64| all.iter().any(|sum| is_share(sum.fail(), sum.messages, **share));
    let grades = [FAILS, 50, 90].iter().filter(is_bad);
    let usual = match before.messages {
        0 => String::new(),
        _ => format!("; before, {} passed", percent(before.pass, before.messages)),
    };
    let text = format!("{} from {name} fail{usual}.", part(now.fail(), now.messages, "message"));
    let todo = match todo {
        "" => "Look at its DKIM key and at your SPF record: what has changed?",
        todo => todo,
    };
    Change {
        grade: u32::try_from(grades.count()).unwrap_or(u32::MAX),
        todo: todo.to_owned(),
        ..Change::new(ChangeKind::SenderFails, domain, name, text)
    }
}

/// Nothing but a network is known of this mail, which fails: its signature may have told who sends
/// from there, as long as it passed.
fn once_passing(look: &Look, domain: &str, seen: &Seen, before: &Tally) -> Option<Change> {
    let before = Sum { messages: before.messages.messages, pass: before.messages.pass };
    if before.messages < look.volume || !before.passes() {
        return None;
    }
    Some(failing(look, domain, seen, before, &seen.judged.verdict.todo))
}
