//! Standing: what pages show of a domain's senders and of what is thought of them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    asked::Asked,
    chart::{self, Count, Spark},
    frame::Place,
    mine::{Claim, ClaimChange, Claims},
    view::View,
    words::{Said, Then},
};
use crate::{
    answers::{Choice, Filter, Messages},
    verdict::{Bucket, Judged, Mechanism, SenderSums, Standing, Whose},
};

/// At least so many senders of a domain are judged, those with most messages.
pub(super) const JUDGED: usize = 50;

/// A domain's own mail, as far as it is known which is.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Own {
    pub(super) messages: u64,
    pub(super) pass: u64,
}

impl Own {
    /// Of the senders that are the domain's own.
    pub(super) fn of(found: &Standing) -> Own {
        SenderSums::own(found).now.into()
    }

    /// The same senders in the time before; nothing if they sent none, or there was no such time.
    pub(super) fn before(found: &Standing) -> Option<Own> {
        let before = SenderSums::own(found).before;
        (before.messages > 0).then(|| before.into())
    }
}

impl From<Messages> for Own {
    fn from(Messages { messages, pass, .. }: Messages) -> Own {
        Own { messages, pass }
    }
}

/// The mail of senders, day by day.
pub(super) fn days<'j>(senders: impl IntoIterator<Item = &'j Judged>) -> BTreeMap<i64, Count> {
    let mut days: BTreeMap<i64, Count> = BTreeMap::new();
    for day in senders.into_iter().flat_map(|one| &one.history.days) {
        days.entry(day.begin).or_default().add(day);
    }
    days
}

/// A policy's word, if it is one of RFC 7489.
pub(super) fn policy_word(said: Option<&str>) -> Option<&'static str> {
    ["none", "quarantine", "reject"].into_iter().find(|known| said == Some(known))
}

/// Senders of which the same is thought.
#[derive(Debug, Serialize)]
pub(super) struct BucketTable {
    pub(super) bucket: Bucket,
    #[serde(skip)]
    pub(super) title: &'static str,
    #[serde(skip)]
    pub(super) about: &'static str,
    /// Of all its senders.
    pub(super) messages: u64,
    pub(super) senders: Vec<SenderRow>,
}

/// Senders that are shown of those about whom nothing is to be done; the others are a click away.
const FIRST: usize = 5;

impl BucketTable {
    fn split(&self) -> (&[SenderRow], &[SenderRow]) {
        let all = self.senders.len();
        // One more would take no more room than the words that there is one.
        let shown = if self.bucket.is_own() || all <= FIRST + 1 { all } else { FIRST };
        self.senders.split_at(shown)
    }

    /// Those that are shown at once.
    pub(super) fn first(&self) -> &[SenderRow] {
        self.split().0
    }

    /// The others.
    pub(super) fn rest(&self) -> &[SenderRow] {
        self.split().1
    }
}

/// A sender.
#[derive(Debug, Serialize)]
pub(super) struct SenderRow {
    pub(super) sender: Said,
    pub(super) kind: Said,
    pub(super) addresses: u64,
    #[serde(flatten)]
    pub(super) messages: Messages,
    #[serde(skip)]
    pub(super) before: Option<Messages>,
    pub(super) why: Said,
    pub(super) todo: Said,
    /// The mechanisms to be mended.
    pub(super) repair: Vec<&'static str>,
    /// The user said that it is the domain's own.
    pub(super) said: bool,
    pub(super) thin: bool,
    #[serde(skip)]
    pub(super) first: Option<Then>,
    #[serde(skip)]
    pub(super) last: Option<Then>,
    #[serde(skip)]
    pub(super) spark: Option<Spark>,
    #[serde(skip)]
    pub(super) href: String,
    #[serde(skip)]
    pub(super) only: String,
    #[serde(skip)]
    pub(super) not: String,
    /// The button by which it is said to be the user's own.
    #[serde(skip)]
    pub(super) claim: Option<Claim>,
}

/// The senders of a domain, bucket by bucket.
pub(super) fn buckets(
    place: Place,
    asked: &Asked,
    claims: Claims,
    found: &Standing,
) -> Vec<BucketTable> {
    let filter = asked.filter(place.now);
    let table = |bucket: Bucket| {
        let senders: Vec<SenderRow> = found
            .of(bucket)
            .map(|one| SenderRow {
                claim: button(claims, &found.domain, one),
                ..row(place, asked, &filter, one)
            })
            .collect();
        let messages =
            senders.iter().fold(0_u64, |sum, row| sum.saturating_add(row.messages.messages));
        let (title, about) = words(bucket);
        BucketTable { bucket, title, about, messages, senders }
    };
    Bucket::ALL.into_iter().map(table).filter(|table| !table.senders.is_empty()).collect()
}

/// What a bucket is called, and what that means.
fn words(bucket: Bucket) -> (&'static str, &'static str) {
    match bucket {
        Bucket::NeedsRepair => {
            ("Yours, needs repair", "Your own mail that fails: this is what to work on.")
        }
        Bucket::Stranger => (
            "Strangers",
            "They send in your name and are not yours. With p=reject receivers turn them away.",
        ),
        Bucket::Unknown => ("Unknown", "Too little mail to tell whose it is."),
        Bucket::Forwarder => (
            "Forwarders and mailing lists",
            "They pass on mail that others sent. That it fails SPF is normal; nothing to do.",
        ),
        Bucket::Mine => ("Yours", "Your own mail, and it passes."),
    }
}

/// Of what is the domain's own by evidence, well or not, nothing need be said.
fn button(claims: Claims, domain: &str, one: &Judged) -> Option<Claim> {
    let claim = claims.button(domain, &Whose::Sender(one.history.sender.name.clone()))?;
    let is_plain = one.verdict.bucket.is_own() && claim.change == ClaimChange::Add;
    (!is_plain).then_some(claim)
}

fn row(place: Place, asked: &Asked, filter: &Filter, one: &Judged) -> SenderRow {
    let Judged { history, before, verdict } = one;
    let sender = &history.sender.name;
    let choose = |view, is_not: bool| {
        place.link(
            view,
            &asked.with(|asked| {
                if is_not {
                    asked.filter.senders.not.push(sender.clone());
                } else {
                    asked.filter.senders = Choice::of(sender.clone());
                }
            }),
        )
    };
    let then = |second: Option<i64>| second.map(|second| Then::new(second, place.now));
    SenderRow {
        sender: history.sender.name.as_str().into(),
        kind: history.sender.kind.as_deref().unwrap_or_default().into(),
        addresses: history.addresses,
        messages: history.tally.messages,
        before: before.filter(|_| asked.compares),
        why: verdict.why.as_str().into(),
        todo: verdict.todo.as_str().into(),
        repair: verdict.repair.iter().copied().map(Mechanism::name).collect(),
        said: verdict.said,
        thin: verdict.thin,
        first: then(history.tally.first),
        last: then(history.tally.last),
        spark: Spark::new(
            chart::range(filter, place.now),
            &days([one]),
            if verdict.bucket.is_own() { ["pass", "fail"] } else { ["faint", "quiet"] },
        ),
        href: choose(View::Sender, false),
        only: choose(View::Domain, false),
        not: choose(View::Domain, true),
        claim: None,
    }
}
