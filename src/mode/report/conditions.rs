//! Conditions: which of those that `--fail-on` names hold, and what is said of it.

use super::ask::ReportAnswer;
use crate::{
    cli::{Condition, ConditionLimit, ConditionOf},
    figures::{share, things},
    verdict::{Bucket, SenderSums},
};

/// What is said of a condition; nothing if it does not hold.
pub(super) fn held(condition: &Condition, answer: &ReportAnswer) -> Option<String> {
    let messages = &answer.dmarc.messages;
    let all = messages.messages;
    let (part, whole, what) = match condition.of {
        ConditionOf::NoReports => {
            let is_silent = answer.is_empty() || answer.period.is_past;
            return is_silent.then(|| format!("--fail-on {condition}: no reports came"));
        }
        ConditionOf::Failing => (messages.failing(), all, "message"),
        ConditionOf::ToFix => (of(answer, Bucket::NeedsRepair).now.messages, all, "message"),
        ConditionOf::Forged => (forged(answer), all, "message"),
        ConditionOf::TlsFailing => {
            let tls = &answer.tls;
            let all = tls.successful_sessions.saturating_add(tls.failed_sessions);
            (tls.failed_sessions, all, "session")
        }
        ConditionOf::FailureReports => (answer.failures.reports, 0, "failure report"),
    };
    let is_held = match condition.limit {
        ConditionLimit::Number(most) => part > most,
        ConditionLimit::Thousandths(most) => {
            u128::from(part) * 1000 > u128::from(whole) * u128::from(most)
        }
    };
    let said = || match condition.of {
        ConditionOf::FailureReports => things(part, what),
        ConditionOf::ToFix => format!("{} of senders that need repair", things(part, what)),
        ConditionOf::Forged => format!("{} of strangers were delivered", things(part, what)),
        _ => format!("{} ({}) failed", things(part, what), share(part, whole)),
    };
    is_held.then(|| format!("--fail-on {condition}: {}", said()))
}

/// What strangers sent and was delivered. Senders and domains with too little mail to be judged are
/// counted, too: many of them may be one who spreads his mail over the world.
fn forged(answer: &ReportAnswer) -> u64 {
    let rest = answer.domains.iter().map(|one| match &one.standing {
        Some(standing) => standing.rest.delivered_failing(),
        None => one.tally.messages.delivered_failing(),
    });
    let unjudged = rest.fold(0, u64::saturating_add);
    of(answer, Bucket::Stranger).delivered().saturating_add(unjudged)
}

/// Sums over the senders of a bucket, of all domains.
fn of(answer: &ReportAnswer, bucket: Bucket) -> SenderSums {
    let standings = answer.domains.iter().filter_map(|one| one.standing.as_ref());
    SenderSums::of(standings.flat_map(|standing| standing.of(bucket)))
}
