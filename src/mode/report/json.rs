//! JSON: one object for programs. Its names are a promise; contrib/guide/asking.md lists them.

use std::{
    cmp::Reverse,
    io::{self, Write},
};

use serde::Serialize;

use super::{Told, rows::RowsJson};
use crate::{
    answers::{History, Messages, overview::Overview},
    report::rfc3339,
    sanitize,
    verdict::{Judged, Standing, Verdict},
};

/// Everything that `--format json` gives.
#[derive(Serialize)]
struct ReportJson<'t> {
    /// The file that was read, or the nodes that were asked.
    store: &'t str,
    /// Another store that has reports, if this one has none.
    other_store: Option<String>,
    /// First second, RFC 3339.
    since: Option<String>,
    /// First second after the period, RFC 3339.
    until: Option<String>,
    /// The first domain that was asked for.
    domain: Option<&'t str>,
    /// When the newest report of the domains, or of all, begins, whatever its period.
    newest_report: Option<String>,
    #[serde(flatten)]
    overview: Option<&'t Overview>,
    /// How domains stand, those with most failing messages first; not with `--by`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    standings: Vec<StandingJson<'t>>,
    /// The table that was asked for with `--by`.
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<RowsJson>,
}

#[derive(Serialize)]
struct StandingJson<'t> {
    domain: &'t str,
    /// `p=`, as the newest report of the period has it.
    policy: Option<&'t str>,
    reports: u64,
    #[serde(flatten)]
    messages: Messages,
    /// The same numbers of the period before; null if this one has no beginning.
    before: Option<Messages>,
    /// By bucket, within one those with most messages first.
    senders: Vec<SenderJson<'t>>,
    senders_omitted: u64,
}

#[derive(Serialize)]
struct SenderJson<'t> {
    name: &'t str,
    kind: Option<&'t str>,
    #[serde(flatten)]
    verdict: &'t Verdict,
    addresses: u64,
    reports: u64,
    #[serde(flatten)]
    messages: Messages,
    before: Option<Messages>,
    /// When the first of the reports begins, RFC 3339.
    first: Option<String>,
    /// When the last one does.
    last: Option<String>,
}

impl<'t> From<&'t Standing> for StandingJson<'t> {
    fn from(standing: &'t Standing) -> StandingJson<'t> {
        let policy = standing.policy.as_ref().and_then(|policy| policy.p.as_deref());
        StandingJson {
            domain: &standing.domain,
            policy,
            reports: standing.tally.reports,
            messages: standing.tally.messages,
            before: standing.before.map(|before| before.messages),
            senders: Vec::new(),
            senders_omitted: standing.omitted,
        }
    }
}

/// At least so many senders of a domain are listed.
const LISTED: usize = 50;

/// A standing with the senders that have most messages, in their order.
fn listed(standing: &Standing, top: usize) -> StandingJson<'_> {
    let mut largest: Vec<usize> = (0..standing.senders.len()).collect();
    // As a store orders them, so that the pages list the same ones.
    let order = |n: usize| {
        let History { sender, tally, .. } = &standing.senders[n].history;
        (Reverse(tally.messages.messages), sender)
    };
    largest.sort_by(|one, other| order(*one).cmp(&order(*other)));
    let left_out = largest.split_off(largest.len().min(top.max(LISTED)));
    largest.sort_unstable();
    let senders = largest.into_iter().map(|n| SenderJson::from(&standing.senders[n])).collect();
    let senders_omitted = standing.omitted.saturating_add(left_out.len() as u64);
    StandingJson { senders, senders_omitted, ..StandingJson::from(standing) }
}

impl<'t> From<&'t Judged> for SenderJson<'t> {
    fn from(one: &'t Judged) -> SenderJson<'t> {
        let History { sender, tally, addresses, .. } = &one.history;
        SenderJson {
            name: &sender.name,
            kind: sender.kind.as_deref(),
            verdict: &one.verdict,
            addresses: *addresses,
            reports: tally.reports,
            messages: tally.messages,
            before: one.before,
            first: tally.first.and_then(rfc3339),
            last: tally.last.and_then(rfc3339),
        }
    }
}

pub(super) fn write(told: &Told, out: &mut impl Write) -> io::Result<()> {
    let answer = &told.answer;
    let object = ReportJson {
        store: &told.store,
        other_store: told.elsewhere.as_ref().map(|other| other.store.display().to_string()),
        since: answer.period.since.and_then(rfc3339),
        until: answer.period.until.and_then(rfc3339),
        domain: answer.filter.domains.only.first().map(String::as_str),
        newest_report: answer.newest.and_then(rfc3339),
        overview: answer.overview.as_ref(),
        standings: answer
            .domains
            .iter()
            .filter_map(|one| Some(listed(one.standing.as_ref()?, told.top)))
            .collect(),
        groups: answer.by.as_ref().map(|(by, groups)| RowsJson::new(*by, groups)),
    };
    let json = serde_json::to_string_pretty(&object).map_err(io::Error::other)?;
    writeln!(out, "{}", sanitize::json(&json))
}
