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

    /// The domain's own senders, all well or not.
    pub(crate) fn own(&self) -> impl Iterator<Item = &Judged> {
        self.senders.iter().filter(|one| one.verdict.bucket.is_own())
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
    // One for each domain.
    Ok(standings(answers, filter, &[domain], mine, now, top)?.swap_remove(0))
}

/// The same of several domains, asked all at once.
///
/// # Errors
/// The store can't be read.
pub fn standings<A: Answers>(
    answers: &A,
    filter: &Filter,
    domains: &[&str],
    mine: &Mine,
    now: i64,
    top: usize,
) -> Result<Vec<Standing>, A::Error> {
    let questions: Vec<Question> =
        domains.iter().map(|domain| Question::new(filter, domain, mine, now)).collect();
    let filters: Vec<Filter> = questions.iter().map(|one| one.filter.clone()).collect();
    let parts = || questions.iter().flat_map(|one| &one.parts);
    let now: Vec<Filter> = parts().map(|part| part.filter.clone()).collect();
    let earlier: Vec<Filter> = parts().filter_map(|part| part.before.clone()).collect();
    let split: Vec<Filter> = questions.iter().flat_map(Question::split).collect();
    let mut policies = answers.policy_each(&filters)?.into_iter();
    let (histories, earlier) = answers.histories_and_days(&now, &earlier, top)?;
    let (mut histories, mut earlier) = (histories.into_iter(), earlier.into_iter());
    let mut totals = answers.totals_each(&split)?.into_iter();
    let standing = |question: Question| {
        let policy = policies.next().flatten();
        question.judge(policy, &mut histories, &mut earlier, &mut totals)
    };
    Ok(questions.into_iter().map(standing).collect())
}

/// What is asked of a domain.
struct Question<'q> {
    domain: &'q str,
    filter: Filter,
    said: Vec<&'q Whose>,
    parts: Vec<Part<'q>>,
}

/// Some of a domain's mail.
struct Part<'q> {
    filter: Filter,
    /// The same of the period before.
    before: Option<Filter>,
    /// The network that the user said is the domain's own.
    network: Option<&'q Whose>,
}

/// A sender of one part.
struct Found<'s> {
    history: History,
    /// Its messages in the period before, of the same part.
    before: Option<Messages>,
    network: Option<&'s Whose>,
}

impl<'q> Question<'q> {
    fn new(filter: &Filter, domain: &'q str, mine: &'q Mine, now: i64) -> Question<'q> {
        let domains = Choice::of(domain.to_owned());
        let filter = Filter { domains, exactly: true, ..filter.clone() };
        let said: Vec<&Whose> = mine.of(domain).collect();
        let part = |(filter, network): (Filter, _)| {
            let before = filter.before(now);
            Part { filter, before, network }
        };
        let parts = parts(&filter, &said).into_iter().map(part).collect();
        Question { domain, filter, said, parts }
    }

    /// All of the period and of the one before, where it is in parts, which may have reports in
    /// common.
    fn split(&self) -> Vec<Filter> {
        match self.parts.first() {
            Some(part) if self.parts.len() > 1 => {
                let networks = &self.filter.networks;
                let before = part.before.clone();
                let before = before.map(|before| Filter { networks: networks.clone(), ..before });
                [self.filter.clone()].into_iter().chain(before).collect()
            }
            _ => Vec::new(),
        }
    }

    fn judge(
        self,
        policy: Option<PolicyPublished>,
        histories: &mut impl Iterator<Item = Histories>,
        before_each: &mut impl Iterator<Item = Histories>,
        totals: &mut impl Iterator<Item = Tally>,
    ) -> Standing {
        let split = self.split().len();
        let mut whole = totals.take(split);
        let (mut tally, mut before) = (whole.next(), whole.next());
        let (mut found, mut omitted, mut rest) = (Vec::new(), 0, Messages::default());
        for part in &self.parts {
            let of_part = histories.next().unwrap_or_default();
            let earlier = part.before.as_ref().and_then(|_| before_each.next());
            tally.get_or_insert(of_part.total);
            before = before.or(earlier.as_ref().map(|earlier| earlier.total));
            let earlier: HashMap<String, Messages> = earlier
                .into_iter()
                .flat_map(|earlier| earlier.senders)
                .map(|history| (history.sender.name, history.tally.messages))
                .collect();
            found.extend(of_part.senders.into_iter().map(|history| {
                let before = earlier.get(&history.sender.name).copied();
                Found { history, before, network: part.network }
            }));
            omitted += of_part.omitted;
            rest.merge(&of_part.rest);
        }
        let senders = judged(found, &self.said, policy.as_ref());
        let (domain, tally) = (self.domain.to_owned(), tally.unwrap_or_default());
        Standing { domain, tally, before, policy, senders, omitted, rest }
    }
}

/// By bucket, and within one those with most messages first.
fn judged(found: Vec<Found>, said: &[&Whose], policy: Option<&PolicyPublished>) -> Vec<Judged> {
    let keys = Keys::of(found.iter().map(|found| &found.history));
    let judge = |Found { history, before, network }: Found| {
        let is_said = |whose: &Whose| network == Some(whose) || is_said(whose, &history);
        let said: Vec<&Whose> = said.iter().copied().filter(|whose| is_said(whose)).collect();
        let before_sum = before.as_ref();
        let case = Case { history: &history, before: before_sum, said: &said, keys: &keys, policy };
        Judged { verdict: rules::verdict(&case), before, history }
    };
    let mut senders: Vec<Judged> = found.into_iter().map(judge).collect();
    senders.sort_by_key(|one| (one.verdict.bucket, Reverse(one.history.tally.messages.messages)));
    senders
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
