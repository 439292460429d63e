//! TLS: domains to which sessions fail.

use std::collections::BTreeMap;

use super::{Change, ChangeKind, Look, is_share, percent, situations::SituationKey};
use crate::{
    answers::{
        Answers,
        overview::{Tls, TlsPolicy},
    },
    verdict::{counted, list},
};

/// Fewer sessions that fail are no news: single ones fail everywhere.
const SESSIONS: u64 = 10;

/// Hundredths of all sessions; less is no news.
const PERCENT: u64 = 1;

/// Policies that are looked at: those with most sessions.
const POLICIES: usize = 1000;

/// Reasons that are told.
const REASONS: usize = 3;

#[derive(Default)]
struct Sessions {
    failed: u64,
    all: u64,
    reasons: BTreeMap<String, u64>,
}

pub(super) fn changes<A: Answers>(
    answers: &A,
    look: &Look,
    open: &[SituationKey],
) -> Result<Vec<Change>, A::Error> {
    let now = by_domain(answers.tls(&look.between(look.period.clone()), POLICIES)?);
    let is_bad = |sessions: &Sessions| {
        sessions.failed > 0 && is_share(sessions.failed, sessions.all, PERCENT)
    };
    let bad = now.iter().filter(|(_, now)| now.failed >= SESSIONS && is_bad(now));
    let bad: Vec<_> = bad.collect();
    let open = open.iter().filter(|key| key.kind == ChangeKind::TlsFailures);
    let open: Vec<_> =
        open.filter(|key| !bad.iter().any(|(name, _)| **name == key.domain)).collect();
    if bad.is_empty() && open.is_empty() {
        return Ok(Vec::new());
    }
    let before = by_domain(answers.tls(&look.between(look.before()), POLICIES)?);
    // It fails, be it in few sessions; or nobody reports on it, for now.
    let is_open = |key: &&&SituationKey| {
        now.get(&key.domain).map_or(before.contains_key(&key.domain), is_bad)
    };
    let still = open.iter().filter(is_open).map(|key| Change::still(key));
    let found = bad.iter().map(|(domain, now)| change(domain, now, before.get(*domain)));
    Ok(found.chain(still).collect())
}

fn by_domain(tls: Tls) -> BTreeMap<String, Sessions> {
    let mut domains: BTreeMap<String, Sessions> = BTreeMap::new();
    for policy in tls.policies {
        let TlsPolicy { policy_domain, successful_sessions, failed_sessions, failures, .. } =
            policy;
        let sum = domains.entry(policy_domain).or_default();
        sum.failed = sum.failed.saturating_add(failed_sessions);
        sum.all = sum.all.saturating_add(failed_sessions.saturating_add(successful_sessions));
        for failure in failures {
            let reason = failure.result_type.unwrap_or_else(|| "no reason".into());
            let sessions = sum.reasons.entry(reason).or_default();
            *sessions = sessions.saturating_add(failure.sessions);
        }
    }
    domains
}

fn change(domain: &str, now: &Sessions, before: Option<&Sessions>) -> Change {
    let mut reasons: Vec<_> = now.reasons.iter().collect();
    reasons.sort_by_key(|(_, sessions)| std::cmp::Reverse(**sessions));
    let reasons: Vec<String> =
        reasons.into_iter().take(REASONS).map(|(reason, _)| reason.clone()).collect();
    let reasons = if reasons.is_empty() { String::new() } else { format!(" ({})", list(&reasons)) };
    let usual = match before {
        Some(before) if before.all > 0 => {
            format!("; before it were {}", percent(before.failed, before.all))
        }
        _ => String::new(),
    };
    let text = format!(
        "{} of {} to this domain failed{reasons}, {}{usual}.",
        crate::verdict::number(now.failed),
        counted(now.all, "TLS session"),
        percent(now.failed, now.all),
    );
    let grades = [PERCENT, 10, 50];
    let grade = grades.iter().filter(|share| is_share(now.failed, now.all, **share)).count();
    Change {
        grade: u32::try_from(grade).unwrap_or(u32::MAX),
        todo: "Look at the certificates of your mail hosts and at the policy that names them."
            .into(),
        ..Change::new(ChangeKind::TlsFailures, domain, "", text)
    }
}
