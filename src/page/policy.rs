//! Policy: whether a domain's policy may be made stricter, and what that would hit.

use serde::Serialize;

use super::words::Said;
use crate::{
    answers::Filter,
    moment::DAY,
    verdict::{self, Standing},
};

/// A shorter time says too little: some senders work once a month.
const LEAST: i64 = 28 * DAY;

/// The next step of a policy, and what other tags would have hit.
#[derive(Debug, Serialize)]
pub(super) struct NextStep {
    /// The tags to publish; nothing if all is done, or nothing should be changed yet.
    pub(super) publish: Option<&'static str>,
    pub(super) why: Said,
    pub(super) hits: Vec<PolicyHit>,
    /// Those that fail, of senders with so few messages that they were not judged.
    pub(super) rest: u64,
    /// As [`verdict::Step`] has it.
    #[serde(skip)]
    pub(super) is_strictest: bool,
    /// Messages of one's own that a strict policy would hit, or hits.
    #[serde(skip)]
    pub(super) hits_own: u64,
}

/// Messages that a tag would have hit.
#[derive(Debug, Serialize)]
pub(super) struct PolicyHit {
    pub(super) tag: &'static str,
    pub(super) meaning: &'static str,
    pub(super) yours: u64,
    pub(super) forwarded: u64,
    pub(super) unknown: u64,
    pub(super) strangers: u64,
    /// One's own senders that it hits, and their messages.
    pub(super) senders: Vec<(Said, u64)>,
}

impl NextStep {
    /// What is advised; nothing where the time that was asked for is too short.
    pub(super) fn of(found: &Standing, filter: &Filter, now: i64) -> Option<NextStep> {
        let until = filter.until.unwrap_or(now).min(now);
        if filter.since.is_some_and(|since| until.saturating_sub(since) < LEAST) {
            return None;
        }
        let verdict::Advice { hits, next, rest, .. } = verdict::advice(found);
        let hit = |hit: verdict::Hit| PolicyHit {
            tag: hit.tag,
            meaning: hit.meaning,
            yours: hit.yours,
            forwarded: hit.forwarded,
            unknown: hit.unknown,
            strangers: hit.strangers,
            senders: hit.senders.into_iter().map(|one| (one.name.into(), one.messages)).collect(),
        };
        Some(NextStep {
            is_strictest: next.is_strictest,
            // `p` and `sp`.
            hits_own: hits.iter().take(2).map(|hit| hit.yours).fold(0, u64::saturating_add),
            publish: next.publish,
            why: next.why.into(),
            hits: hits.into_iter().map(hit).collect(),
            rest,
        })
    }
}
