//! Card: how a domain stands, in a few lines.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    answers::{Filter, Key, Messages, is_at_or_below, overview::Tls},
    page::{
        asked::Asked,
        chart::{self, Spark},
        frame::Place,
        groups,
        policy::NextStep,
        standing::{Own, days, policy_word},
        view::View,
        words::Said,
    },
    verdict::{Bucket, Judged, SenderSums, Standing},
};

/// Senders to be mended that a card names.
const NAMED: usize = 3;

/// A time before with so many times fewer messages says nothing.
const COMPARED: u64 = 5;

/// How a domain stands.
#[derive(Debug, Serialize)]
pub(super) struct Card {
    pub(super) domain: Said,
    #[serde(skip)]
    pub(super) href: String,
    /// `p` of the newest report, if it is one that is known.
    pub(super) policy: Option<&'static str>,
    #[serde(flatten)]
    pub(super) messages: Messages,
    /// The domain's own mail.
    pub(super) own: Own,
    /// The same of the time before, of the same senders.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) own_before: Option<Own>,
    pub(super) strangers: u64,
    pub(super) strangers_refused: u64,
    pub(super) forwarded: u64,
    pub(super) unknown: u64,
    pub(super) to_repair: Vec<Repair>,
    /// The next step of its policy; nothing where the time is too short to say.
    pub(super) next: Option<NextStep>,
    pub(super) tls: TlsSessions,
    #[serde(skip)]
    pub(super) spark: Option<Spark>,
}

/// A sender of the domain that fails.
#[derive(Debug, Serialize)]
pub(super) struct Repair {
    pub(super) sender: Said,
    #[serde(skip)]
    pub(super) href: String,
    pub(super) failed: u64,
    pub(super) todo: Said,
}

/// TLS sessions to a domain.
#[derive(Debug, Default, Serialize)]
pub(super) struct TlsSessions {
    pub(super) all: u64,
    pub(super) successful: u64,
    /// The most frequent way to fail.
    pub(super) failure: Option<Said>,
    #[serde(skip)]
    pub(super) href: String,
}

impl TlsSessions {
    /// To mail servers of this domain and those below it.
    fn of(tls: &Tls, domain: &str) -> TlsSessions {
        let mut sum = TlsSessions::default();
        let mut ways: BTreeMap<&str, u64> = BTreeMap::new();
        for policy in tls.policies.iter().filter(|one| is_at_or_below(&one.policy_domain, domain)) {
            let all = policy.successful_sessions.saturating_add(policy.failed_sessions);
            sum.all = sum.all.saturating_add(all);
            sum.successful = sum.successful.saturating_add(policy.successful_sessions);
            for failure in &policy.failures {
                let way = failure.result_type.as_deref().unwrap_or("no reason told");
                let sessions = ways.entry(way).or_default();
                *sessions = sessions.saturating_add(failure.sessions);
            }
        }
        sum.failure = ways.into_iter().max_by_key(|(_, n)| *n).map(|(way, _)| way.into());
        sum
    }

    /// Those that did not reach TLS.
    pub(super) fn failed(&self) -> u64 {
        self.all.saturating_sub(self.successful)
    }
}

impl Card {
    pub(super) fn new(
        place: Place,
        asked: &Asked,
        filter: &Filter,
        found: &Standing,
        tls: &Tls,
    ) -> Card {
        let of_domain = asked.with(|asked| asked.filter.domains.only = vec![found.domain.clone()]);
        let of = |bucket| SenderSums::of(found.of(bucket)).now;
        let strangers = of(Bucket::Stranger);
        let repair = |one: &Judged| {
            let (name, messages) = (&one.history.sender.name, &one.history.tally.messages);
            let of_sender = of_domain.with(|asked| asked.filter.senders.only = vec![name.clone()]);
            Repair {
                sender: name.as_str().into(),
                href: place.link(View::Sender, &of_sender),
                failed: messages.failing(),
                todo: one.verdict.todo.as_str().into(),
            }
        };
        let own = Own::of(found);
        Card {
            domain: groups::name(&Key::Domain(found.domain.clone())),
            href: place.link(View::Domain, &of_domain),
            policy: found.policy.as_ref().and_then(|policy| policy_word(policy.p.as_deref())),
            messages: found.tally.messages,
            own,
            own_before: Own::before(found)
                .filter(|_| asked.compares)
                .filter(|before| before.messages >= own.messages / COMPARED),
            strangers: strangers.messages,
            strangers_refused: strangers.refused().min(strangers.messages),
            forwarded: of(Bucket::Forwarder).messages,
            unknown: of(Bucket::Unknown).messages.saturating_add(found.rest.messages),
            to_repair: found.of(Bucket::NeedsRepair).map(repair).collect(),
            next: NextStep::of(found, filter, place.now),
            tls: TlsSessions {
                href: place.link(View::Tls, &of_domain),
                ..TlsSessions::of(tls, &found.domain)
            },
            spark: spark(chart::range(filter, place.now), found, own.messages > 0),
        }
    }

    pub(super) fn named(&self) -> &[Repair] {
        &self.to_repair[..self.to_repair.len().min(NAMED)]
    }

    pub(super) fn unnamed(&self) -> u64 {
        self.to_repair.len().saturating_sub(NAMED) as u64
    }

    pub(super) fn has_strangers_let_in(&self) -> bool {
        self.strangers_refused < self.strangers
    }
}

/// Day by day: the domain's own mail, or where there is none, that of all others.
fn spark(range: (i64, i64), found: &Standing, has_own: bool) -> Option<Spark> {
    if has_own {
        return Spark::new(range, &days(found.own()), ["pass", "fail"]);
    }
    Spark::new(range, &days(&found.senders), ["faint", "quiet"])
}
