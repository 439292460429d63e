//! Weight: about how many bytes the contents of a mail take in memory, so that the queue can be
//! bounded.

use std::mem::size_of_val;

use crate::{
    message::Contents,
    report::{Report, Text, aggregate::Record, tls::PolicyResult},
};

/// Of a mail apart from its records and policies.
const MAIL: usize = 2048;

/// Texts up to this length stand in their struct, which is counted as a whole.
const INLINE: usize = size_of::<Text>();

/// Bytes in memory, about.
pub(super) fn of(contents: &Contents) -> usize {
    contents.reports.iter().map(report).fold(MAIL, usize::saturating_add)
}

fn report(report: &Report) -> usize {
    match report {
        Report::Aggregate(report) => {
            size_of_val(report) + report.records.iter().map(record).sum::<usize>()
        }
        Report::Failure(report) => {
            let message = report.message.as_ref();
            let header = message.map_or(0, |message| {
                message.headers.len() + message.body.as_ref().map_or(0, String::len)
            });
            // The texts are short, and there is one report in a mail as a rule.
            2 * size_of_val(report) + header
        }
        Report::Tls(report) => {
            size_of_val(report) + report.policies.iter().map(policy).sum::<usize>()
        }
    }
}

fn record(record: &Record) -> usize {
    let Record { row, identifiers, auth_results, .. } = record;
    let evaluated = &row.policy_evaluated;
    let fixed = size_of_val(record)
        + size_of_val(&*evaluated.reason)
        + size_of_val(&*auth_results.spf)
        + size_of_val(&*auth_results.dkim);
    let texts =
        texts([&identifiers.header_from, &identifiers.envelope_from, &identifiers.envelope_to])
            + texts([&evaluated.disposition, &evaluated.dkim, &evaluated.spf])
            + evaluated.reason.iter().map(|r| texts([&r.kind, &r.comment])).sum::<usize>()
            + auth_results
                .spf
                .iter()
                .map(|r| texts([&r.domain, &r.scope, &r.result, &r.human_result]))
                .sum::<usize>()
            + auth_results
                .dkim
                .iter()
                .map(|r| texts([&r.domain, &r.selector, &r.result, &r.human_result]))
                .sum::<usize>();
    fixed + texts
}

fn policy(policy: &PolicyResult) -> usize {
    let PolicyResult { policy: published, failure_details, .. } = policy;
    let lists = published.policy_string.iter().chain(&published.mx_host);
    let detail = |d: &crate::report::tls::FailureDetail| {
        texts([&d.result_type, &d.sending_mta_ip, &d.receiving_mx_hostname, &d.receiving_mx_helo])
            + texts([&d.receiving_ip, &d.additional_information, &d.failure_reason_code])
    };
    size_of_val(policy)
        + size_of_val(&**failure_details)
        + texts([&published.policy_type, &published.policy_domain])
        + lists.map(|text| INLINE + outside(text)).sum::<usize>()
        + failure_details.iter().map(detail).sum::<usize>()
}

fn texts<const N: usize>(texts: [&Option<Text>; N]) -> usize {
    texts.into_iter().flatten().map(outside).sum()
}

/// Bytes on the heap.
fn outside(text: &Text) -> usize {
    if text.len() > INLINE { text.len() } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::TlsReport;

    #[test]
    fn long_texts_and_lists_count() {
        let policy = |texts: usize| PolicyResult {
            policy: crate::report::tls::Policy {
                mx_host: vec!["x".repeat(1000).into(); texts],
                ..Default::default()
            },
            ..Default::default()
        };
        let contents = |policies| Contents {
            reports: vec![Report::Tls(TlsReport { policies, ..TlsReport::default() })],
            ..Contents::default()
        };
        let grown = of(&contents(vec![policy(10)])) - of(&contents(vec![policy(0)]));
        assert_eq!(grown, 10 * (1000 + INLINE));
        assert!(of(&contents(vec![policy(0); 1000])) >= 1000 * size_of::<PolicyResult>());
    }
}
