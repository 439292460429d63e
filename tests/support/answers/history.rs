//! Histories of senders, made of their records as simply as they can be.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use super::naive::{Found, MOST, count, dkim, fold, raw_results, spf, tally};
use email_report_processor::answers::{Day, History, Selector, Sender, Signs};

/// The same sums as of [`History`], by the records themselves.
pub(super) fn history(sender: Sender, found: &[Found]) -> History {
    let mut signs = Signs::default();
    let mut days: BTreeMap<i64, Day> = BTreeMap::new();
    let mut selectors: BTreeMap<Option<String>, Selector> = BTreeMap::new();
    let mut addresses = BTreeSet::new();
    for (_, stored, record) in found {
        let Some(record) = record else { continue };
        let messages = count(record);
        let add = |sum: &mut u64, counts: bool| {
            if counts {
                *sum = sum.saturating_add(messages).min(MOST);
            }
        };
        addresses.extend(record.row.source_ip);
        let evaluated = &record.row.policy_evaluated;
        let spf = evaluated.spf_aligned() == Some(true);
        let dkim = evaluated.dkim_aligned() == Some(true);
        let pass = spf || dkim;
        let begin = stored.begin.div_euclid(86_400) * 86_400;
        let day = days.entry(begin).or_insert(Day { begin, ..Day::default() });
        add(&mut day.messages, true);
        add(&mut day.pass, pass);
        add(&mut day.spf_aligned, spf);
        add(&mut day.dkim_aligned, dkim);

        let own = record.auth_results.dkim.iter().filter(|one| {
            one.domain.as_deref().is_some_and(|name| is_related(&fold(name), &stored.domain))
        });
        let is_pass = |result: Option<&str>| result == Some("pass");
        let mut used: BTreeMap<Option<String>, bool> = BTreeMap::new();
        for one in own {
            *used.entry(one.selector.as_deref().map(str::to_owned)).or_default() |=
                is_pass(one.result.as_deref());
        }
        add(&mut signs.broken_signature, !pass && !used.is_empty());
        for (selector, passed) in used {
            let used = selectors
                .entry(selector.clone())
                .or_insert(Selector { selector, ..Selector::default() });
            add(&mut used.pass, passed);
            add(&mut used.fail, !passed);
            add(&mut used.with_spf, passed && spf);
        }

        let results = &record.auth_results;
        let asked: BTreeSet<String> =
            results.spf.iter().filter_map(|one| one.domain.as_deref().map(fold)).collect();
        let envelope =
            asked.len() == 1 && results.spf.iter().any(|one| is_pass(one.result.as_deref()));
        let signers: Vec<String> = results
            .dkim
            .iter()
            .filter(|one| is_pass(one.result.as_deref()))
            .filter_map(|one| one.domain.as_deref().map(fold))
            .collect();
        let other = signers.iter().any(|signer| !is_related(signer, &stored.domain));
        add(&mut signs.elsewhere, !spf && (envelope || other));
        let told = |kind: &str| ["forwarded", "mailing_list", "trusted_forwarder"].contains(&kind);
        let forwarded = evaluated.reason.iter().any(|reason| {
            reason.kind.as_deref().is_some_and(told)
                || reason.comment.as_deref().is_some_and(|comment| comment == "ARC=pass as")
        });
        add(&mut signs.forwarded, !pass && forwarded);
        let from = record.identifiers.header_from.as_deref().map(fold);
        let strict_spf = spf && from.as_ref().is_none_or(|from| asked.contains(from));
        let strict_dkim = dkim && from.as_ref().is_none_or(|from| signers.contains(from));
        add(&mut signs.lost_by_adkim, pass && !spf && !strict_dkim);
        add(&mut signs.lost_by_aspf, pass && !dkim && !strict_spf);
        add(&mut signs.lost_by_both, pass && !strict_spf && !strict_dkim);
        let below = from.as_ref().is_some_and(|from| {
            *from != stored.domain && from.ends_with(&format!(".{}", stored.domain))
        }) && !stored.domain.is_empty();
        add(&mut signs.below, below);
        add(&mut signs.below_fail, below && !pass);
    }
    let mut selectors: Vec<Selector> = selectors.into_values().collect();
    selectors
        .sort_by_key(|used| (Reverse(used.pass.saturating_add(used.fail)), used.selector.clone()));
    selectors.truncate(10);
    History {
        sender,
        tally: tally(found),
        addresses: addresses.len() as u64,
        spf: raw_results(found, spf),
        dkim: raw_results(found, dkim),
        selectors,
        signs,
        days: days.into_values().collect(),
    }
}

fn is_related(one: &str, other: &str) -> bool {
    let below = |one: &str, other: &str| {
        one == other || !other.is_empty() && one.ends_with(&format!(".{other}"))
    };
    below(one, other) || below(other, one)
}
