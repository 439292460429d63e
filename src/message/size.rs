//! Size: how many bytes the documents of a mail will have, told from the reports without making
//! any. A bit more or less does not matter: a mail of a few kilobytes can ask for gigabytes, since
//! what a report says of itself stands in each document.

use super::{Contents, Received};
use crate::report::{
    AggregateReport, Report, Text, TlsReport, aggregate::Record, tls::PolicyResult,
};

/// Names of members and punctuation: in front of the record or policy, of a record or policy, and
/// of a result, reason or failure detail.
const HEAD: u64 = 300;
const RECORD: u64 = 240;
const RESULT: u64 = 40;

/// Bytes of the documents of all reports, about.
pub(super) fn of_documents(contents: &Contents) -> u64 {
    let received = received(&contents.received);
    contents.reports.iter().map(|report| of_report(report, received)).fold(0, u64::saturating_add)
}

fn of_report(report: &Report, received: u64) -> u64 {
    let (head, records) = match report {
        Report::Aggregate(report) => {
            (aggregate_head(report), report.records.iter().map(record).sum::<u64>())
        }
        Report::Tls(report) => (tls_head(report), report.policies.iter().map(policy).sum()),
        // One document, of parts that are cut.
        Report::Failure(_) => return 0,
    };
    let repairs = report.repairs().names().iter().map(|name| name.len() as u64 + 3).sum::<u64>();
    (HEAD + received + repairs + head).saturating_mul(report.len() as u64).saturating_add(records)
}

fn received(received: &Received) -> u64 {
    let authenticated = received.authenticated.as_ref().map_or(0, |found| {
        texts([&found.spf, &found.dmarc]) + found.dkim.iter().map(text).sum::<u64>()
    });
    texts([&received.message_id, &received.from]) + authenticated
}

fn aggregate_head(report: &AggregateReport) -> u64 {
    let (metadata, policy) = (&report.metadata, &report.policy_published);
    let metadata_texts =
        [&report.version, &metadata.org_name, &metadata.email, &metadata.extra_contact_info];
    let policy_texts =
        [&policy.domain, &policy.adkim, &policy.aspf, &policy.p, &policy.sp, &policy.np];
    texts(metadata_texts)
        + texts([&metadata.generator, &policy.fo, &policy.testing, &policy.discovery_method])
        + texts(policy_texts)
        + text(&metadata.report_id)
        + metadata.error.iter().map(text).sum::<u64>()
}

fn record(record: &Record) -> u64 {
    let (evaluated, names) = (&record.row.policy_evaluated, &record.identifiers);
    let reasons =
        evaluated.reason.iter().map(|reason| RESULT + texts([&reason.kind, &reason.comment]));
    let results = &record.auth_results;
    let dkim = results.dkim.iter().map(|dkim| {
        RESULT + texts([&dkim.domain, &dkim.selector, &dkim.result, &dkim.human_result])
    });
    let spf = results
        .spf
        .iter()
        .map(|spf| RESULT + texts([&spf.domain, &spf.scope, &spf.result, &spf.human_result]));
    RECORD
        + texts([&evaluated.disposition, &evaluated.dkim, &evaluated.spf])
        + texts([&names.header_from, &names.envelope_from, &names.envelope_to])
        + reasons.chain(dkim).chain(spf).sum::<u64>()
}

fn tls_head(report: &TlsReport) -> u64 {
    texts([&report.organization_name, &report.contact_info]) + text(&report.report_id)
}

fn policy(result: &PolicyResult) -> u64 {
    let policy = &result.policy;
    let details = result.failure_details.iter().map(|detail| {
        4 * RESULT
            + texts([&detail.result_type, &detail.sending_mta_ip, &detail.receiving_mx_hostname])
            + texts([
                &detail.receiving_mx_helo,
                &detail.receiving_ip,
                &detail.additional_information,
            ])
            + texts([&detail.failure_reason_code])
            // Once more, as a pair.
            + texts([&detail.result_type, &detail.receiving_mx_hostname])
    });
    RECORD
        + texts([&policy.policy_type, &policy.policy_domain])
        + policy.policy_string.iter().chain(&policy.mx_host).map(text).sum::<u64>()
        + details.sum::<u64>()
}

fn texts<const N: usize>(values: [&Option<Text>; N]) -> u64 {
    values.into_iter().flatten().map(text).sum()
}

/// As JSON has it: with quotation marks, a backslash before some characters, and six bytes for one
/// of control. Few texts are long, and only those are worth a look at each byte.
fn text(text: &Text) -> u64 {
    const SHORT: usize = 64;
    let more = |byte: u8| match byte {
        b'"' | b'\\' => 1,
        0..=0x1F => 5,
        _ => 0,
    };
    let escaped = if text.len() > SHORT { text.bytes().map(more).sum() } else { 0 };
    text.len() as u64 + 3 + escaped
}
