//! History: what reports of a period say of a sender, as much as it takes to judge it
//! ([`crate::verdict`]).

use super::{Group, Groups, Key, Messages, RawResult, Tally};
use crate::senders::{self, Evidence, Operators, Sender};

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

impl Histories {
    /// As far as groups by sender tell of it.
    pub(crate) fn of(groups: Groups) -> Histories {
        let history = |group: Group| {
            let Key::Sender(sender) = group.key else { return None };
            let (signature, address) = match &sender {
                super::Sender::Domain(domain) => (Some(domain.as_str()), None),
                super::Sender::Network(network) => (None, Some(network.first())),
                super::Sender::Unknown => (None, None),
            };
            let signatures: Vec<&str> = signature.into_iter().collect();
            let evidence = Evidence { signatures: &signatures, address, ..Evidence::default() };
            let sender = senders::sender(&evidence, Operators::own());
            let day = Day {
                begin: group.tally.first.unwrap_or_default(),
                messages: group.tally.messages.messages,
                pass: group.tally.messages.pass,
                spf_aligned: group.tally.messages.spf_aligned,
                dkim_aligned: group.tally.messages.dkim_aligned,
            };
            Some(History {
                sender,
                tally: group.tally,
                addresses: 0,
                spf: group.spf,
                dkim: group.dkim,
                selectors: Vec::new(),
                signs: Signs::default(),
                days: vec![day],
            })
        };
        let senders = groups.groups.into_iter().filter_map(history).collect();
        let (total, omitted) = (groups.total, groups.omitted);
        Histories { total, senders, omitted, rest: Messages::default() }
    }
}
