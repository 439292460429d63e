//! Forged: mail of strangers in a domain's name that was delivered, far more than usual.

use std::{cmp::Reverse, collections::HashMap};

use super::{
    Change, ChangeKind, DAY, Look, MONTH,
    senders::{Seen, TOP, sum},
};
use crate::{
    answers::{Answers, Choice, Disposition, Evaluated, Filter, History, Network},
    verdict::{Bucket, Whose, counted, number},
};

/// Forged mail is news from so many delivered messages on, and so many times what is usual.
const FORGED: u64 = 50;
const TIMES: u64 = 3;

/// Messages that failed and were delivered.
#[derive(Clone, Default)]
pub(super) struct Delivered {
    /// In the period.
    pub(super) now: u64,
    /// On each day before it.
    before: Vec<(i64, u64)>,
}

pub(super) fn delivered<A: Answers>(
    answers: &A,
    look: &Look,
    domains: &[&str],
) -> Result<Vec<HashMap<String, Delivered>>, A::Error> {
    let filter = |domain: &&str| Filter {
        domains: Choice::of((*domain).to_owned()),
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
    let filters: Vec<Filter> = domains.iter().map(filter).collect();
    let of = |history: History| {
        let before = look.before();
        let earlier = history.days.iter().filter(|day| before.contains(&day.begin));
        let before = earlier.map(|day| (day.begin, day.messages)).collect();
        let now = sum(&history, &look.period).messages;
        (history.sender.name, Delivered { now, before })
    };
    let found = answers.histories_and_days(&[], &filters, TOP)?.1.into_iter();
    Ok(found.map(|found| found.senders.into_iter().map(of).collect()).collect())
}

fn own_networks(look: &Look, domain: &str) -> Vec<Network> {
    let network = |whose: &Whose| match whose {
        Whose::Network(network) => Some(*network),
        _ => None,
    };
    look.mine.of(domain).filter_map(network).collect()
}

/// Mail of nameless strangers that was delivered.
pub(super) fn forged(
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
