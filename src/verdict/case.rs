//! Case: a sender that is to be judged, and what can be told of it.

use std::collections::HashMap;

use super::{
    Bucket, Mechanism, Verdict, Whose,
    words::{counted, list, number, part},
};
use crate::{
    answers::{Day, History, Messages, Selector},
    figures::is_share,
    report::aggregate::PolicyPublished,
};

/// Fewer messages say nothing of a sender that passes.
pub(super) const FEW_MESSAGES: u64 = 3;
/// So do messages of fewer days.
const FEW_DAYS: usize = 2;
/// Of messages that pass, nearly all: some always fail on the way.
pub(super) const NEARLY_ALL: u64 = 95;
/// What operators do that pass on.
pub(super) const FORWARDERS: [&str; 2] = ["forwarder", "mailing list"];

/// The keys by which a domain's mail is signed, whoever sends it.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// By selector: messages that passed, and of these those for which SPF passed, too.
    all: HashMap<Option<String>, (u64, u64)>,
}

impl Keys {
    pub(super) fn of<'h>(histories: impl IntoIterator<Item = &'h History>) -> Keys {
        let mut keys = Keys::default();
        for selector in histories.into_iter().flat_map(|history| &history.selectors) {
            let (pass, with_spf) = keys.all.entry(selector.selector.clone()).or_default();
            *pass = pass.saturating_add(selector.pass);
            *with_spf = with_spf.saturating_add(selector.with_spf);
        }
        keys
    }
}

/// A sender that is to be judged.
pub(super) struct Case<'c> {
    pub(super) history: &'c History,
    pub(super) before: Option<&'c Messages>,
    /// What of all that the user said makes it the domain's own.
    pub(super) said: &'c [&'c Whose],
    pub(super) keys: &'c Keys,
    pub(super) policy: Option<&'c PolicyPublished>,
}

impl Case<'_> {
    pub(super) fn messages(&self) -> &Messages {
        &self.history.tally.messages
    }

    pub(super) fn all(&self) -> u64 {
        self.messages().messages
    }

    pub(super) fn fail(&self) -> u64 {
        self.all().saturating_sub(self.messages().pass)
    }

    pub(super) fn is_thin(&self) -> bool {
        self.all() < FEW_MESSAGES || self.history.days.len() < FEW_DAYS
    }

    pub(super) fn is_kind(&self, kinds: &[&str]) -> bool {
        self.history.sender.kind.as_deref().is_some_and(|kind| kinds.contains(&kind))
    }

    /// `all 12 messages`, `3 of 12 messages`.
    pub(super) fn part(&self, some: u64) -> String {
        part(some, self.all(), "message")
    }

    /// `on 3 days`.
    pub(super) fn days(&self) -> String {
        format!("on {}", counted(self.history.days.len() as u64, "day"))
    }

    pub(super) fn mechanism(&self, mechanism: Mechanism) -> u64 {
        match mechanism {
            Mechanism::Spf => self.messages().spf_aligned,
            Mechanism::Dkim => self.messages().dkim_aligned,
        }
    }

    /// Which mechanism failed of those that it usually passes by; both if it passes by none.
    pub(super) fn broken(&self) -> Vec<Mechanism> {
        let both = [Mechanism::Spf, Mechanism::Dkim];
        let usual = both.into_iter().filter(|one| is_share(self.mechanism(*one), self.all(), 50));
        let broken: Vec<_> =
            usual.filter(|one| !is_share(self.mechanism(*one), self.all(), NEARLY_ALL)).collect();
        if broken.is_empty() { both.into() } else { broken }
    }

    /// `SPF passes for 3, DKIM for 12`.
    pub(super) fn by_mechanism(&self) -> String {
        let Messages { spf_aligned, dkim_aligned, .. } = self.messages();
        let words = |some: u64| match some {
            0 => "none".to_owned(),
            all if all == self.all() => "all".to_owned(),
            some => number(some),
        };
        format!("SPF passes for {}, DKIM for {}", words(*spf_aligned), words(*dkim_aligned))
    }

    /// True if mail failed on some days only, and on none of the last ones.
    pub(super) fn is_mended(&self) -> bool {
        let bad = bad_days(&self.history.days, |day| day.pass);
        let all = &self.history.days;
        let last = &all[all.len().saturating_sub(3)..];
        all.len() >= 10
            && is_share(all.len() as u64, bad.len() as u64, 400)
            && last.iter().all(|day| is_share(day.pass, day.messages, NEARLY_ALL))
            && is_share(
                all.iter().filter(|day| !bad.contains(&day.begin)).map(|day| day.pass).sum(),
                all.iter().filter(|day| !bad.contains(&day.begin)).map(|day| day.messages).sum(),
                NEARLY_ALL,
            )
    }

    /// A mechanism that passed until the last days, on which it fails, and since when.
    pub(super) fn breaks_now(&self) -> Option<(Mechanism, i64)> {
        let days = &self.history.days;
        if days.len() < 4 {
            return None;
        }
        let (before, last) = days.split_at(days.len() - 2);
        [Mechanism::Dkim, Mechanism::Spf].into_iter().find_map(|mechanism| {
            let of = |day: &Day| match mechanism {
                Mechanism::Spf => day.spf_aligned,
                Mechanism::Dkim => day.dkim_aligned,
            };
            let good = is_share(
                before.iter().map(of).sum(),
                before.iter().map(|day| day.messages).sum(),
                80,
            );
            let bad = bad_days(days, of);
            let is_bad = |day: &Day| bad.contains(&day.begin);
            let since = days.iter().rev().take_while(|day| is_bad(day)).last()?;
            (good && last.iter().all(is_bad)).then_some((mechanism, since.begin))
        })
    }

    /// Messages of servers that SPF passes for, signed by the keys that this sender's passing
    /// signatures were made with; nothing if it has other keys, or none.
    pub(super) fn signed_by_own_servers(&self) -> Option<u64> {
        let selectors = &self.history.selectors;
        let elsewhere = |selector: &Selector| {
            let with_spf = self.keys.all.get(&selector.selector).map_or(0, |(_, spf)| *spf);
            with_spf.saturating_sub(selector.with_spf)
        };
        let passed: u64 = selectors.iter().map(|selector| selector.pass).sum();
        let shared = selectors.iter().filter(|selector| elsewhere(selector) > 0);
        let of_shared: u64 = shared.clone().map(|selector| selector.pass).sum();
        (passed > 0 && is_share(of_shared, passed, 90)).then(|| shared.map(elsewhere).sum())
    }

    /// True if its broken signatures name a key by which others' pass.
    pub(super) fn has_known_key(&self) -> bool {
        let is_known = |selector: &Selector| {
            self.keys.all.get(&selector.selector).is_some_and(|(pass, _)| *pass > 0)
        };
        self.history.selectors.iter().filter(|selector| selector.fail > 0).any(is_known)
    }

    /// Reporters or our list say that it passes mail on.
    pub(super) fn is_told_to_pass_on(&self) -> bool {
        let forwarded = self.history.signs.forwarded;
        self.is_kind(&FORWARDERS) || forwarded > 0 && is_share(forwarded, self.fail(), 50)
    }

    /// What was done with those that did not pass.
    pub(super) fn done(&self) -> String {
        let done = &self.messages().disposition;
        let words = [(done.reject, "rejected"), (done.quarantine, "put into quarantine")];
        let done = words.into_iter().filter(|(some, _)| *some > 0);
        let done: Vec<String> =
            done.map(|(some, what)| format!("{} {}", number(some), what)).collect();
        if done.is_empty() { "none was refused".into() } else { list(&done) }
    }

    pub(super) fn is_refused(&self) -> bool {
        let done = &self.messages().disposition;
        is_share(done.reject.saturating_add(done.quarantine), self.fail(), NEARLY_ALL)
    }

    pub(super) fn is(&self, bucket: Bucket, why: String, todo: &str) -> Verdict {
        let (said, thin) = (!self.said.is_empty(), self.is_thin());
        Verdict { bucket, repair: Vec::new(), said, thin, why, todo: todo.to_owned() }
    }
}

/// Days on which less than half of the messages passed.
pub(super) fn bad_days(days: &[Day], passed: impl Fn(&Day) -> u64) -> Vec<i64> {
    let is_bad = |day: &&Day| !is_share(passed(day), day.messages, 50);
    days.iter().filter(is_bad).map(|day| day.begin).collect()
}
