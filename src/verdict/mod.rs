//! Verdict: whose a sender is, why that is so, and what to do about it; and how a domain stands by
//! all its senders. Rules over what [`crate::answers`] tells, without any I/O.
//!
//! Texts in here name domains, selectors and owners as strangers' reports have them: who shows them
//! makes them harmless.

mod advice;
mod case;
mod mine;
mod rules;
mod standing;
mod sums;
mod words;

use serde::Serialize;

pub use self::{
    advice::{Advice, Hit, HitName, HitSender, Step, advice},
    mine::{Mine, MineError, ParseMineError, Whose},
    standing::{Standing, standing, standings},
};
pub(crate) use self::{
    mine::domain_name,
    sums::SenderSums,
    words::{counted, list, number, part},
};
use crate::answers::{History, Messages};

/// Whose a sender is. In the order in which a person looks at them: what is to be done first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bucket {
    /// The domain's own by evidence, and SPF or DKIM fails.
    NeedsRepair,
    /// Neither the domain's own by any evidence, nor one that passes its mail on.
    Stranger,
    /// Too little is known.
    Unknown,
    /// Passes on mail that others sent: a forwarder or a mailing list.
    Forwarder,
    /// The domain's own, and all is well.
    Mine,
}

/// A mechanism of DMARC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mechanism {
    /// RFC 7208.
    Spf,
    /// RFC 6376.
    Dkim,
}

/// What is thought of a sender.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Whose it is.
    pub bucket: Bucket,
    /// What is to be repaired; of [`Bucket::NeedsRepair`] one at least, of others none.
    pub repair: Vec<Mechanism>,
    /// The user said that it is the domain's own.
    pub said: bool,
    /// It rests on so few messages or days that it may well change.
    pub thin: bool,
    /// Why, in a sentence with numbers.
    pub why: String,
    /// What to do, in a sentence.
    pub todo: String,
}

/// A sender, and what is thought of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// What reports say of it.
    pub history: History,
    /// Its messages in the period before, as far as it was among the largest senders then.
    pub before: Option<Messages>,
    /// What is thought of it.
    pub verdict: Verdict,
}

impl Bucket {
    /// All of them, in their order.
    pub const ALL: [Bucket; 5] =
        [Bucket::NeedsRepair, Bucket::Stranger, Bucket::Unknown, Bucket::Forwarder, Bucket::Mine];

    /// The domain's own, all well or not.
    pub fn is_own(self) -> bool {
        matches!(self, Bucket::Mine | Bucket::NeedsRepair)
    }

    /// What a person calls it.
    pub fn title(self) -> &'static str {
        match self {
            Bucket::NeedsRepair => "yours, needs repair",
            Bucket::Stranger => "stranger",
            Bucket::Unknown => "unknown",
            Bucket::Forwarder => "forwarder or mailing list",
            Bucket::Mine => "yours",
        }
    }

    /// One word, as in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Bucket::NeedsRepair => "needs_repair",
            Bucket::Stranger => "stranger",
            Bucket::Unknown => "unknown",
            Bucket::Forwarder => "forwarder",
            Bucket::Mine => "mine",
        }
    }
}

impl Mechanism {
    /// As people write it.
    pub fn name(self) -> &'static str {
        match self {
            Mechanism::Spf => "SPF",
            Mechanism::Dkim => "DKIM",
        }
    }
}
