//! Text: the digest for those who read text.

use std::fmt::Write;

use super::{Digest, buckets};
use crate::{
    answers::{
        Messages,
        overview::{Domain, TlsPolicy},
    },
    changes::{Change, percent},
    sanitize,
    verdict::{counted, number},
};

impl Digest {
    pub(super) fn text(&self) -> String {
        let mut text = format!("{}\n\n{}\n", self.first_line(), self.days());
        // Writing to a String can't fail.
        let _ = writeln!(text, "\nWhat changed");
        self.shown_changes().for_each(|change| tell(change, &mut text));
        more(self.more_changes(), &mut text);
        if self.news.changes.is_empty() {
            text.push_str("  Nothing.\n");
        }
        let dmarc = &self.totals.dmarc;
        let (reports, messages) = (dmarc.reports, dmarc.messages.messages);
        let reports = counted(reports, "report");
        let _ = writeln!(text, "\nDMARC: {reports}, {}", counted(messages, "message"));
        dmarc.domains.iter().for_each(|domain| {
            let _ = writeln!(text, "  {}: {}", name(&domain.domain), fared(domain));
        });
        more(dmarc.domains_omitted, &mut text);
        let _ = writeln!(text, "\nSenders of the last 30 days");
        for standing in &self.news.standings {
            let _ = writeln!(text, "  {}", name(&standing.domain));
            for line in buckets(standing) {
                let _ = writeln!(text, "    {line}");
            }
        }
        more(self.news.omitted, &mut text);
        let tls = &self.totals.tls;
        let _ = writeln!(text, "\nSMTP TLS: {}", counted(tls.reports, "report"));
        tls.policies.iter().for_each(|policy| {
            let _ = writeln!(text, "  {}: {}", name(&policy.policy_domain), reached(policy));
        });
        more(tls.policies_omitted, &mut text);
        let failure = &self.totals.failure;
        let reports = counted(failure.reports, "report");
        let _ = writeln!(
            text,
            "\nSingle failures: {reports}\n\n--\nStore {}\nemail-report-processor {}",
            self.store,
            env!("CARGO_PKG_VERSION")
        );
        text
    }
}

fn tell(change: &Change, text: &mut String) {
    let mark = if change.needs_attention { '!' } else { '-' };
    let front = match change.domain.as_str() {
        "" => String::new(),
        domain => format!("{}: ", sanitize::line(domain)),
    };
    let _ = writeln!(text, "{mark} {front}{}", sanitize::line(&change.text));
    if !change.todo.is_empty() {
        let _ = writeln!(text, "    {}", sanitize::line(&change.todo));
    }
}

fn more(omitted: u64, text: &mut String) {
    if omitted > 0 {
        let _ = writeln!(text, "  and {} more", number(omitted));
    }
}

/// A name out of a report.
pub(super) fn name(name: &str) -> String {
    if name.is_empty() { "(no domain)".into() } else { sanitize::line(name).into_owned() }
}

/// How a domain's mail fared.
pub(super) fn fared(domain: &Domain) -> String {
    let Messages { messages, pass, disposition: done, .. } = domain.messages;
    let front = format!("{}, {} pass", counted(messages, "message"), percent(pass, messages));
    let fail = number(messages.saturating_sub(pass));
    match (done.quarantine, done.reject) {
        _ if messages <= pass => front,
        (0, 0) => format!("{front}; {fail} fail, and none was refused"),
        (quarantine, reject) => format!(
            "{front}; {fail} fail; {} were put into quarantine, {} rejected",
            number(quarantine),
            number(reject),
        ),
    }
}

/// How sessions to a domain fared.
pub(super) fn reached(policy: &TlsPolicy) -> String {
    let all = policy.successful_sessions.saturating_add(policy.failed_sessions);
    let kind = sanitize::line(policy.policy_type.as_deref().unwrap_or("no type")).into_owned();
    let reasons: Vec<String> = policy
        .failures
        .iter()
        .take(3)
        .map(|failure| {
            let reason = failure.result_type.as_deref().unwrap_or("no reason");
            format!("{} {}", sanitize::line(reason), number(failure.sessions))
        })
        .collect();
    let reasons =
        if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join(", ")) };
    format!(
        "{}, {} failed{reasons}, policy {kind}",
        counted(all, "session"),
        number(policy.failed_sessions),
    )
}
