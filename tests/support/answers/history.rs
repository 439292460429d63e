//! Histories of senders, made of their records as simply as they can be.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use super::naive::{Found, MOST, Stored, count, dkim, fold, raw_results, spf, tally};
use email_report_processor::{
    answers::{Day, History, Selector, Sender, Signs},
    report::aggregate::{AuthResults, Record},
};

/// The same sums as of [`History`], by the records themselves.
pub(super) fn history(sender: Sender, found: &[Found]) -> History {
    let mut sums = Sums::default();
    for (_, stored, record) in found {
        if let Some(record) = record {
            sums.add(stored, record);
        }
    }
    let mut selectors: Vec<Selector> = sums.selectors.into_values().collect();
    selectors
        .sort_by_key(|used| (Reverse(used.pass.saturating_add(used.fail)), used.selector.clone()));
    selectors.truncate(10);
    History {
        sender,
        tally: tally(found),
        addresses: sums.addresses.len() as u64,
        spf: raw_results(found, spf),
        dkim: raw_results(found, dkim),
        selectors,
        signs: sums.signs,
        days: sums.days.into_values().collect(),
    }
}

/// What is known of the records so far.
#[derive(Default)]
struct Sums {
    signs: Signs,
    days: BTreeMap<i64, Day>,
    selectors: BTreeMap<Option<String>, Selector>,
    addresses: BTreeSet<IpAddr>,
}

/// What a record says was aligned.
#[derive(Clone, Copy)]
struct Aligned {
    spf: bool,
    dkim: bool,
}

impl Aligned {
    fn pass(self) -> bool {
        self.spf || self.dkim
    }
}

/// Adds a record's messages to a sum they count in.
fn add(sum: &mut u64, record: &Record, counts: bool) {
    if counts {
        *sum = sum.saturating_add(count(record)).min(MOST);
    }
}

fn is_pass(result: Option<&str>) -> bool {
    result == Some("pass")
}

impl Sums {
    fn add(&mut self, stored: &Stored, record: &Record) {
        let evaluated = &record.row.policy_evaluated;
        let aligned = Aligned {
            spf: evaluated.spf_aligned() == Some(true),
            dkim: evaluated.dkim_aligned() == Some(true),
        };
        self.addresses.extend(record.row.source_ip);
        self.add_day(stored, record, aligned);
        self.add_own_signatures(stored, record, aligned);
        self.add_forwarding(stored, record, aligned);
        self.add_strictness(stored, record, aligned);
    }

    fn add_day(&mut self, stored: &Stored, record: &Record, aligned: Aligned) {
        let begin = stored.begin.div_euclid(86_400) * 86_400;
        let day = self.days.entry(begin).or_insert(Day { begin, ..Day::default() });
        add(&mut day.messages, record, true);
        add(&mut day.pass, record, aligned.pass());
        add(&mut day.spf_aligned, record, aligned.spf);
        add(&mut day.dkim_aligned, record, aligned.dkim);
    }

    /// The selectors by which the domain itself signed.
    fn add_own_signatures(&mut self, stored: &Stored, record: &Record, aligned: Aligned) {
        let own = record.auth_results.dkim.iter().filter(|one| {
            one.domain.as_deref().is_some_and(|name| is_related(&fold(name), &stored.domain))
        });
        let mut used: BTreeMap<Option<String>, bool> = BTreeMap::new();
        for one in own {
            *used.entry(one.selector.as_deref().map(str::to_owned)).or_default() |=
                is_pass(one.result.as_deref());
        }
        let broken = !aligned.pass() && !used.is_empty();
        add(&mut self.signs.broken_signature, record, broken);
        for (selector, passed) in used {
            let used = self
                .selectors
                .entry(selector.clone())
                .or_insert(Selector { selector, ..Selector::default() });
            add(&mut used.pass, record, passed);
            add(&mut used.fail, record, !passed);
            add(&mut used.with_spf, record, passed && aligned.spf);
        }
    }

    /// Signs of others on the way.
    fn add_forwarding(&mut self, stored: &Stored, record: &Record, aligned: Aligned) {
        let results = &record.auth_results;
        let envelope = asked(results).len() == 1
            && results.spf.iter().any(|one| is_pass(one.result.as_deref()));
        let other = signers(results).iter().any(|signer| !is_related(signer, &stored.domain));
        add(&mut self.signs.elsewhere, record, !aligned.spf && (envelope || other));
        let told = |kind: &str| ["forwarded", "mailing_list", "trusted_forwarder"].contains(&kind);
        let forwarded = record.row.policy_evaluated.reason.iter().any(|reason| {
            reason.kind.as_deref().is_some_and(told)
                || reason.comment.as_deref().is_some_and(|comment| comment == "ARC=pass as")
        });
        add(&mut self.signs.forwarded, record, !aligned.pass() && forwarded);
    }

    /// What a stricter policy would lose, and what is sent below the domain.
    fn add_strictness(&mut self, stored: &Stored, record: &Record, aligned: Aligned) {
        let Aligned { spf, dkim } = aligned;
        let (signs, pass) = (&mut self.signs, aligned.pass());
        let from = record.identifiers.header_from.as_deref().map(fold);
        let is_from = |names: &BTreeSet<String>| from.as_ref().is_none_or(|f| names.contains(f));
        let strict_spf = spf && is_from(&asked(&record.auth_results));
        let strict_dkim = dkim && is_from(&signers(&record.auth_results));
        add(&mut signs.lost_by_adkim, record, pass && !spf && !strict_dkim);
        add(&mut signs.lost_by_aspf, record, pass && !dkim && !strict_spf);
        add(&mut signs.lost_by_both, record, pass && !strict_spf && !strict_dkim);
        let below = from.as_ref().is_some_and(|from| {
            *from != stored.domain && from.ends_with(&format!(".{}", stored.domain))
        }) && !stored.domain.is_empty();
        add(&mut signs.below, record, below);
        add(&mut signs.below_fail, record, below && !pass);
    }
}

/// The domains that SPF was asked for.
fn asked(results: &AuthResults) -> BTreeSet<String> {
    results.spf.iter().filter_map(|one| one.domain.as_deref().map(fold)).collect()
}

/// The domains whose signatures passed.
fn signers(results: &AuthResults) -> BTreeSet<String> {
    let passed = results.dkim.iter().filter(|one| is_pass(one.result.as_deref()));
    passed.filter_map(|one| one.domain.as_deref().map(fold)).collect()
}

fn is_related(one: &str, other: &str) -> bool {
    let below = |one: &str, other: &str| {
        one == other || !other.is_empty() && one.ends_with(&format!(".{other}"))
    };
    below(one, other) || below(other, one)
}
