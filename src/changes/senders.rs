//! Senders: how those of a domain fare in the period, beside what was usual.

use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet},
    ops::Range,
};

use super::{
    Change, ChangeKind, DAY, Look, MONTH, is_share, open, percent, rate, situations::SituationKey,
};
use crate::{
    answers::{Answers, Choice, Disposition, Evaluated, Filter, Histories, History, Network},
    senders::Basis,
    verdict::{self, Bucket, Judged, Standing, Whose, counted, number, part},
};

/// Senders that are looked at: those with most messages.
const TOP: usize = 1000;

/// Domains with fewer days of reports before the period have no usual senders yet.
const KNOWN: i64 = 14 * DAY;

/// Days after which one who sent week by week is gone.
pub(super) const GONE: i64 = 10 * DAY;

/// A sender fails where as many hundredths of its messages do, and is repaired where no more do.
const FAILS: u64 = 20;

/// So many hundredths pass where all is well.
const PASSES: u64 = 80;

/// Forged mail is news from so many delivered messages on, and so many times what is usual.
const FORGED: u64 = 50;
const TIMES: u64 = 3;

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
    delivered: u64,
}

impl Seen<'_> {
    pub(super) fn name(&self) -> &str {
        &self.judged.history.sender.name
    }

    /// Nothing but a network is known of it.
    fn is_nameless(&self) -> bool {
        matches!(self.judged.history.sender.basis, Basis::Network | Basis::Nothing)
    }

    pub(super) fn bucket(&self) -> Bucket {
        self.judged.verdict.bucket
    }
}

/// How a domain stands over the month, and what is different with its senders in the period. `open`
/// are the situations that were found before.
///
/// # Errors
/// The store can't be read.
pub fn of_domain<A: Answers>(
    answers: &A,
    look: &Look,
    domain: &str,
    open: &[SituationKey],
) -> Result<(Standing, Vec<Change>), A::Error> {
    let month = Filter { domains: Choice::default(), ..look.filter(MONTH) };
    let standing = verdict::standing(answers, &month, domain, look.mine, look.period.end, TOP)?;
    let delivered = delivered(answers, look, domain)?;
    let (now, before) = (look.period.clone(), look.before());
    let seen: Vec<Seen> = standing
        .senders
        .iter()
        .map(|judged| {
            let mut earlier = sum(&judged.history, &before);
            if let Some(more) = judged.before {
                earlier.add(more.messages, more.pass);
            }
            let delivered = delivered.get(&judged.history.sender.name).map_or(0, |days| days.now);
            Seen { judged, now: sum(&judged.history, &now), before: earlier, delivered }
        })
        .collect();
    let first = standing.before.and_then(|before| before.first).or(standing.tally.first);
    let is_known = first.is_some_and(|first| first <= now.start - KNOWN);
    let mut changes = Vec::new();
    let mut told: Vec<&str> = Vec::new();
    let mut asked = 0;
    for seen in &seen {
        let change = match one(look, domain, seen, is_known) {
            None if seen.is_nameless() && seen.now.fail() >= look.volume && asked < NETWORKS => {
                asked += 1;
                once_passing(answers, look, domain, seen)?
            }
            change => change,
        };
        if let Some(change) = change {
            told.push(seen.name());
            changes.push(change);
        }
    }
    changes.extend(rate::change(domain, &seen, &told));
    changes.extend(forged(look, domain, &seen, &told, &delivered));
    once_each(&mut changes);
    let still = open::of_domain(look, domain, &seen, &changes, open);
    changes.extend(still);
    Ok((standing, changes))
}

/// A sender of whose networks the user said some are the domain's own is there twice: what is worse
/// is told.
fn once_each(changes: &mut Vec<Change>) {
    changes.sort_by_key(|change| Reverse(change.grade));
    let mut known = HashSet::new();
    changes.retain(|change| known.insert(change.key()));
}

/// The messages of a time.
fn sum(history: &History, time: &Range<i64>) -> Sum {
    let mut sum = Sum::default();
    for day in history.days.iter().filter(|day| time.contains(&day.begin)) {
        sum.add(day.messages, day.pass);
    }
    sum
}

/// Messages that failed and were delivered.
#[derive(Clone, Default)]
struct Delivered {
    /// In the period.
    now: u64,
    /// On each day before it.
    before: Vec<(i64, u64)>,
}

fn delivered<A: Answers>(
    answers: &A,
    look: &Look,
    domain: &str,
) -> Result<HashMap<String, Delivered>, A::Error> {
    let filter = Filter {
        domains: Choice::of(domain.to_owned()),
        exactly: true,
        dmarc: Choice::of(Evaluated::Fail),
        dispositions: Choice {
            only: Vec::new(),
            not: vec![Disposition::Quarantine, Disposition::Reject],
        },
        // What the user said is the domain's own is no stranger's, whoever else is there.
        networks: Choice { only: Vec::new(), not: own_networks(look, domain) },
        ..look.filter(MONTH)
    };
    let Histories { senders, .. } = answers.histories(&filter, TOP)?;
    let of = |history: History| {
        let before = look.before();
        let earlier = history.days.iter().filter(|day| before.contains(&day.begin));
        let before = earlier.map(|day| (day.begin, day.messages)).collect();
        let now = sum(&history, &look.period).messages;
        (history.sender.name, Delivered { now, before })
    };
    Ok(senders.into_iter().map(of).collect())
}

fn own_networks(look: &Look, domain: &str) -> Vec<Network> {
    let network = |whose: &Whose| match whose {
        Whose::Network(network) => Some(*network),
        _ => None,
    };
    look.mine.of(domain).filter_map(network).collect()
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
fn once_passing<A: Answers>(
    answers: &A,
    look: &Look,
    domain: &str,
    seen: &Seen,
) -> Result<Option<Change>, A::Error> {
    let Ok(network) = seen.name().parse::<Network>() else { return Ok(None) };
    let filter = Filter {
        domains: Choice::of(domain.to_owned()),
        exactly: true,
        networks: Choice::of(network),
        ..look.between(look.before())
    };
    let before = answers.totals(&filter)?.messages;
    let before = Sum { messages: before.messages, pass: before.pass };
    if before.messages < look.volume || !before.passes() {
        return Ok(None);
    }
    Ok(Some(failing(look, domain, seen, before, &seen.judged.verdict.todo)))
}

/// Mail of nameless strangers that was delivered.
fn forged(
    look: &Look,
    domain: &str,
    seen: &[Seen],
    told: &[&str],
    delivered: &HashMap<String, Delivered>,
) -> Option<Change> {
    let mut strangers: Vec<&Seen> = seen
        .iter()
        .filter(|seen| matches!(seen.bucket(), Bucket::Stranger | Bucket::Unknown))
        .filter(|seen| seen.is_nameless() && !told.contains(&seen.name()))
        .collect();
    let now = strangers.iter().fold(0_u64, |sum, seen| sum.saturating_add(seen.delivered));
    let mut days: HashMap<i64, u64> = HashMap::new();
    for one in strangers.iter().filter_map(|seen| delivered.get(seen.name())) {
        for (day, messages) in &one.before {
            let sum = days.entry(day / DAY).or_default();
            *sum = sum.saturating_add(*messages);
        }
    }
    // The day in the middle: a wave that has lasted for days is not usual yet.
    let before = look.before();
    let number_of_days = usize::try_from((before.end - before.start) / DAY).unwrap_or(0);
    let mut usual: Vec<u64> = days.into_values().collect();
    usual.resize(number_of_days.max(usual.len()), 0);
    usual.sort_unstable();
    let usual = usual.get(usual.len() / 2).copied().unwrap_or(0).saturating_mul(look.days());
    if now < FORGED || now < usual.saturating_mul(TIMES) {
        return None;
    }
    strangers.retain(|seen| seen.delivered > 0);
    strangers.sort_by_key(|seen| Reverse(seen.delivered));
    let largest = strangers.first().map(|seen| seen.name()).unwrap_or_default();
    let text = format!(
        "{} of strangers in this domain's name did not pass and {} delivered all the same, from {}, most \
         of them from {largest}; usual are {}.",
        counted(now, "message"),
        if now == 1 { "was" } else { "were" },
        counted(strangers.len() as u64, "network"),
        number(usual),
    );
    Some(Change {
        grade: now.ilog10(),
        todo: "A policy of quarantine or reject has receivers refuse it.".into(),
        ..Change::new(ChangeKind::ForgedMail, domain, "", text)
    })
}
