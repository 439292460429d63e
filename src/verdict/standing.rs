//! Standing: how a domain stands in a period, by all its senders.

use std::{cmp::Reverse, collections::HashMap};

use super::{
    Bucket, Judged, Mine, Whose,
    case::{Case, Keys},
    rules,
};
use crate::{
    answers::{
        Answers, Choice, Filter, Histories, History, Messages, Network, RawResult, Tally,
        is_at_or_below,
    },
    report::aggregate::PolicyPublished,
};

/// How a domain stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its name, as it was asked for.
    pub domain: String,
    /// What reports of the period say of its mail.
    pub tally: Tally,
    /// The same of the period before, which is as long; nothing if the period has no beginning.
    pub before: Option<Tally>,
    /// The policy, as the newest report of the period has it.
    pub policy: Option<PolicyPublished>,
    /// Its senders: by bucket, and within one those with most messages first.
    pub senders: Vec<Judged>,
    /// How many more senders there are, with fewer messages than these.
    pub omitted: u64,
    /// The messages of these.
    pub rest: Messages,
}

impl Standing {
    /// The senders of a bucket, those with most messages first.
    pub(crate) fn of(&self, bucket: Bucket) -> impl Iterator<Item = &Judged> {
        self.senders.iter().filter(move |one| one.verdict.bucket == bucket)
    }
}

/// Asks a store how a domain stands: the mail of the filter, whose domains are not looked at, in
/// the name of the policy of exactly this domain. `now` is in seconds since 1970, and ends a period
/// that lasts. The `top` senders with most messages are judged.
///
/// # Errors
/// The store can't be read.
pub fn standing<A: Answers>(
    answers: &A,
    filter: &Filter,
    domain: &str,
    mine: &Mine,
    now: i64,
    top: usize,
) -> Result<Standing, A::Error> {
    let filter = Filter { domains: Choice::of(domain.to_owned()), exactly: true, ..filter.clone() };
    let said: Vec<&Whose> = mine.of(domain).collect();
    let policy = answers.policy(&filter)?;
    let (mut found, mut omitted, mut rest) = (Vec::new(), 0, Messages::default());
    for (part, network) in parts(&filter, &said) {
        let earlier = earlier(answers, &part, now, top)?;
        let Histories { senders, omitted: more, rest: messages, .. } =
            answers.histories(&part, top)?;
        found.extend(senders.into_iter().map(|history| {
            let before = earlier.get(&history.sender.name).copied();
            Found { history, before, network }
        }));
        omitted += more;
        rest.merge(&messages);
    }
    let before = filter.before(now).map(|before| answers.totals(&before)).transpose()?;
    let keys = Keys::of(found.iter().map(|found| &found.history));
    let judge = |Found { history, before, network }: Found| {
        let said: Vec<&Whose> = said
            .iter()
            .copied()
            .filter(|whose| network == Some(*whose) || is_said(whose, &history))
            .collect();
        let case = Case {
            history: &history,
            before: before.as_ref(),
            said: &said,
            keys: &keys,
            policy: policy.as_ref(),
        };
        Judged { verdict: rules::verdict(&case), before, history }
    };
    let mut senders: Vec<Judged> = found.into_iter().map(judge).collect();
    senders.sort_by_key(|one| (one.verdict.bucket, Reverse(one.history.tally.messages.messages)));
    Ok(Standing {
        domain: domain.to_owned(),
        tally: answers.totals(&filter)?,
        before,
        policy,
        senders,
        omitted,
        rest,
    })
}

/// A sender of one part.
struct Found<'s> {
    history: History,
    /// Its messages in the period before, of the same part.
    before: Option<Messages>,
    /// The network that the user said is the domain's own.
    network: Option<&'s Whose>,
}

/// Messages of senders in the period before.
fn earlier<A: Answers>(
    answers: &A,
    part: &Filter,
    now: i64,
    top: usize,
) -> Result<HashMap<String, Messages>, A::Error> {
    let Some(before) = part.before(now) else { return Ok(HashMap::new()) };
    let Histories { senders, .. } = answers.histories(&before, top)?;
    let of = |history: History| (history.sender.name, history.tally.messages);
    Ok(senders.into_iter().map(of).collect())
}

/// The filter in parts: for each network that the user said is the domain's own what comes from
/// there, and what comes from elsewhere. Its senders may have mail in several.
fn parts<'s>(filter: &Filter, said: &[&'s Whose]) -> Vec<(Filter, Option<&'s Whose>)> {
    let networks = said.iter().filter_map(|whose| match whose {
        Whose::Network(network) => Some((*whose, *network)),
        _ => None,
    });
    let wanted = &filter.networks.only;
    if !wanted.is_empty() {
        // Which part of a network was said can't be asked for; all of it or nothing.
        let is_in = |network: &Network| wanted.iter().all(|wanted| network.has(wanted));
        let said = networks.into_iter().find(|(_, network)| is_in(network));
        return vec![(filter.clone(), said.map(|(whose, _)| whose))];
    }
    let mut not = filter.networks.not.clone();
    let mut parts = Vec::new();
    for (whose, network) in networks {
        let networks = Choice { only: vec![network], not: not.clone() };
        parts.push((Filter { networks, ..filter.clone() }, Some(whose)));
        not.push(network);
    }
    let networks = Choice { only: Vec::new(), not };
    parts.push((Filter { networks, ..filter.clone() }, None));
    parts
}

/// True if the user said, other than by a network, that a sender is the domain's own.
fn is_said(whose: &Whose, history: &History) -> bool {
    let all = history.tally.messages.messages;
    let is_half = |some: u64| some > 0 && some >= all.div_ceil(2);
    match whose {
        Whose::Network(_) => false,
        Whose::Sender(name) => name.eq_ignore_ascii_case(&history.sender.name),
        Whose::Selector(name) => {
            let used = history.selectors.iter();
            let used = used.filter(|used| used.selector.as_ref() == Some(name));
            is_half(used.map(|used| used.pass).sum())
        }
        Whose::Domain(domain) => {
            let passed = |results: &[RawResult]| {
                let of = results.iter().filter(|one| {
                    one.result.as_deref() == Some("pass")
                        && one.domain.as_deref().is_some_and(|name| is_at_or_below(name, domain))
                });
                of.fold(0_u64, |sum, one| sum.saturating_add(one.messages))
            };
            is_half(passed(&history.spf)) || is_half(passed(&history.dkim))
        }
    }
}
