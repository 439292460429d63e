//! History: what reports of a period say of a sender, as much as it takes to judge it
//! ([`crate::verdict`]).

use std::cmp::Reverse;

use super::{DETAILS, Evaluated, Messages, Outcome, RawResult, Tally, capped_sum};
use crate::senders::Sender;

/// What reports say of the senders of a filter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histories {
    /// All records.
    pub total: Tally,
    /// Those with most messages first, then by name.
    pub senders: Vec<History>,
    /// How many more senders there are.
    pub omitted: u64,
    /// The messages of these.
    pub rest: Messages,
}

/// What reports say of one sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// Who it is.
    pub sender: Sender,
    /// Its records. The period's first and last report that tell of it are in there.
    pub tally: Tally,
    /// How many addresses its mail came from; those that reports do not say count for none.
    pub addresses: u64,
    /// Raw results of SPF, most frequent first.
    pub spf: Vec<RawResult>,
    /// Raw results of DKIM, most frequent first.
    pub dkim: Vec<RawResult>,
    /// Signatures of the policy's own organisation, by selector, most frequent first.
    pub selectors: Vec<Selector>,
    /// More of its messages.
    pub signs: Signs,
    /// Day by day; days without a message are left out.
    pub days: Vec<Day>,
}

/// Messages with signatures of the policy's own organisation, made with one key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    /// `s=`, if reports say it.
    pub selector: Option<String>,
    /// Messages with such a signature that passed.
    pub pass: u64,
    /// Messages with such a signature that did not, and none that did.
    pub fail: u64,
    /// Messages with one that passed, for which SPF passed and was aligned, too: so the key is in
    /// the hands of a server that the domain's SPF record names.
    pub with_spf: u64,
}

/// Numbers of messages that tell one kind of sender from another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signs {
    /// They did not pass DMARC, and have a signature of the policy's own organisation: one that was
    /// broken on the way, or whose key is not published.
    pub broken_signature: u64,
    /// SPF is not aligned, and passes for another domain, or another domain's signature passes.
    pub elsewhere: u64,
    /// They did not pass DMARC, but were treated as forwarded ones or those of a mailing list: the
    /// reasons `forwarded`, `mailing_list`, `trusted_forwarder` (RFC 7489 appendix C), or a comment
    /// that says `arc=pass` (RFC 8617).
    pub forwarded: u64,
    /// They pass now, and would not with `adkim=s`.
    pub lost_by_adkim: u64,
    /// They pass now, and would not with `aspf=s`.
    pub lost_by_aspf: u64,
    /// They pass now, and would not with both.
    pub lost_by_both: u64,
    /// The domain in their From is below the policy's.
    pub below: u64,
    /// The same, and they did not pass DMARC.
    pub below_fail: u64,
}

/// A sender's messages of one day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Day {
    /// The first second of the day (UTC), since 1970.
    pub begin: i64,
    /// Messages in reports whose period begins on it.
    pub messages: u64,
    /// Those that passed DMARC.
    pub pass: u64,
    /// Those for which SPF passed and was aligned.
    pub spf_aligned: u64,
    /// Those for which DKIM passed and was aligned.
    pub dkim_aligned: u64,
}

/// What a record says beside its outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "they have nothing to do with each other")]
pub(crate) struct Sign {
    /// It has a signature of the policy's own organisation.
    pub(crate) has_own_signature: bool,
    /// SPF passes for some domain, or another organisation's signature does.
    pub(crate) is_for_another: bool,
    /// A reason says that somebody passed it on.
    pub(crate) is_forwarded: bool,
    /// SPF was asked for From's own domain, or From is not known.
    pub(crate) is_spf_strict: bool,
    /// A signature of From's own domain passes, or From is not known.
    pub(crate) is_dkim_strict: bool,
    /// From is below the policy's domain.
    pub(crate) is_below: bool,
}

impl Signs {
    /// Counts so many messages with this outcome.
    pub(crate) fn count(&mut self, outcome: Outcome, messages: u64, sign: Sign) {
        let passes = |is_spf: bool, is_dkim: bool| {
            is_spf && outcome.spf == Evaluated::Pass || is_dkim && outcome.dkim == Evaluated::Pass
        };
        let pass = passes(true, true);
        for (sum, counts) in [
            (&mut self.broken_signature, !pass && sign.has_own_signature),
            (&mut self.elsewhere, outcome.spf != Evaluated::Pass && sign.is_for_another),
            (&mut self.forwarded, !pass && sign.is_forwarded),
            (&mut self.lost_by_adkim, pass && !passes(true, sign.is_dkim_strict)),
            (&mut self.lost_by_aspf, pass && !passes(sign.is_spf_strict, true)),
            (&mut self.lost_by_both, pass && !passes(sign.is_spf_strict, sign.is_dkim_strict)),
            (&mut self.below, sign.is_below),
            (&mut self.below_fail, !pass && sign.is_below),
        ] {
            if counts {
                *sum = capped_sum(*sum, messages);
            }
        }
    }

    /// Adds those of other messages.
    pub(crate) fn merge(&mut self, other: &Signs) {
        for (sum, more) in [
            (&mut self.broken_signature, other.broken_signature),
            (&mut self.elsewhere, other.elsewhere),
            (&mut self.forwarded, other.forwarded),
            (&mut self.lost_by_adkim, other.lost_by_adkim),
            (&mut self.lost_by_aspf, other.lost_by_aspf),
            (&mut self.lost_by_both, other.lost_by_both),
            (&mut self.below, other.below),
            (&mut self.below_fail, other.below_fail),
        ] {
            *sum = capped_sum(*sum, more);
        }
    }
}

impl Day {
    /// So many messages with this outcome.
    pub(crate) fn of(begin: i64, outcome: Outcome, messages: u64) -> Day {
        let if_passed = |result| if result == Evaluated::Pass { messages } else { 0 };
        Day {
            begin,
            messages,
            pass: if_passed(outcome.dmarc()),
            spf_aligned: if_passed(outcome.spf),
            dkim_aligned: if_passed(outcome.dkim),
        }
    }

    /// Adds those of other messages.
    pub(crate) fn merge(&mut self, other: &Day) {
        for (sum, more) in [
            (&mut self.messages, other.messages),
            (&mut self.pass, other.pass),
            (&mut self.spf_aligned, other.spf_aligned),
            (&mut self.dkim_aligned, other.dkim_aligned),
        ] {
            *sum = capped_sum(*sum, more);
        }
    }
}

impl Selector {
    /// The most frequent ones.
    pub(crate) fn most_frequent(mut selectors: Vec<Selector>) -> Vec<Selector> {
        selectors.sort_unstable_by(|one, other| {
            let messages = |one: &Selector| Reverse(one.pass.saturating_add(one.fail));
            messages(one).cmp(&messages(other)).then_with(|| one.selector.cmp(&other.selector))
        });
        selectors.truncate(DETAILS);
        selectors
    }
}
