//! Standing: how a domain stands in a period, by all its senders.

use std::{cmp::Reverse, collections::HashMap};

use super::{
    Judged, Mine, Whose,
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
    let asked: Vec<Filter> = questions.iter().flat_map(Question::asked).collect();
    let split: Vec<Filter> = questions.iter().flat_map(Question::split).collect();
    let mut policies = answers.policy_each(&filters)?.into_iter();
    let mut histories = answers.histories_each(&asked, top)?.into_iter();
    let mut totals = answers.totals_each(&split)?.into_iter();
    let standing = |question: Question| {
        let policy = policies.next().flatten();
        let found: Vec<_> = histories.by_ref().take(question.parts.len()).collect();
        let before = question.before.as_ref().and_then(|_| histories.next());
        let total = if question.parts.len() > 1 { totals.next() } else { None };
        question.judge(policy, found, before, total)
    };
    Ok(questions.into_iter().map(standing).collect())
}

/// What is asked of a domain.
struct Question<'q> {
    domain: &'q str,
    filter: Filter,
    said: Vec<&'q Whose>,
    parts: Vec<(Filter, Option<&'q Whose>)>,
    /// Of the period before.
    before: Option<Filter>,
}

impl<'q> Question<'q> {
    fn new(filter: &Filter, domain: &'q str, mine: &'q Mine, now: i64) -> Question<'q> {
        let domains = Choice::of(domain.to_owned());
        let filter = Filter { domains, exactly: true, ..filter.clone() };
        let said: Vec<&Whose> = mine.of(domain).collect();
        let (parts, before) = (parts(&filter, &said), filter.before(now));
        Question { domain, filter, said, parts, before }
    }

    /// Of which histories are asked for: those of the parts, then of the period before.
    fn asked(&self) -> Vec<Filter> {
        let parts = self.parts.iter().map(|(filter, _)| filter);
        parts.chain(&self.before).cloned().collect()
    }

    /// All, where it is in parts, which may have reports in common.
    fn split(&self) -> Vec<Filter> {
        if self.parts.len() > 1 { vec![self.filter.clone()] } else { Vec::new() }
    }

    fn judge(
        self,
        policy: Option<PolicyPublished>,
        of_parts: Vec<Histories>,
        before: Option<Histories>,
        total: Option<Tally>,
    ) -> Standing {
        let (mut found, mut omitted, mut rest) = (Vec::new(), 0, Messages::default());
        let mut tally = total;
        for (histories, (_, network)) in of_parts.into_iter().zip(&self.parts) {
            found.extend(histories.senders.into_iter().map(|history| (history, *network)));
            omitted += histories.omitted;
            rest.merge(&histories.rest);
            tally.get_or_insert(histories.total);
        }
        let earlier: HashMap<&str, &Messages> = before
            .iter()
            .flat_map(|before| &before.senders)
            .map(|history| (&*history.sender.name, &history.tally.messages))
            .collect();
        let keys = Keys::of(found.iter().map(|(history, _)| history));
        let judge = |(history, network): (History, Option<&Whose>)| {
            let is_said = |whose: &Whose| network == Some(whose) || is_said(whose, &history);
            let said: Vec<&Whose> =
                self.said.iter().copied().filter(|whose| is_said(whose)).collect();
            let before = earlier.get(&*history.sender.name).copied();
            let policy = policy.as_ref();
            let case = Case { history: &history, before, said: &said, keys: &keys, policy };
            Judged { before: before.copied(), verdict: rules::verdict(&case), history }
        };
        let mut senders: Vec<Judged> = found.into_iter().map(judge).collect();
        senders
            .sort_by_key(|one| (one.verdict.bucket, Reverse(one.history.tally.messages.messages)));
        Standing {
            domain: self.domain.to_owned(),
            tally: tally.unwrap_or_default(),
            before: before.map(|before| before.total),
            policy,
            senders,
            omitted,
            rest,
        }
    }
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
