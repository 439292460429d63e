//! Identity: what tells reports, records and policies apart. It is made from values of the model
//! alone, so that it is the same however and however often a report arrives, and can be told again
//! from a store's tables.
//!
//! The fields and their order are frozen: another choice would store everything a second time. Free
//! text that a later version may read better (`human_result`, `errors`, `repairs`) has no part in
//! it, nor has a record's place in the report.

use std::net::IpAddr;

use sha2::{Digest, Sha256};

use super::{
    AggregateReport, FailureReport, Report, Text, TlsReport,
    aggregate::{DkimResult, OverrideReason, Record, SpfResult},
    failure::ReportedMessage,
    hex,
    tls::{FailureDetail, PolicyResult},
};

/// What identifies a report, as 32 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ReportKey(String);

impl ReportKey {
    /// From the 16 bytes that a store keeps.
    pub fn from_bytes(bytes: [u8; 16]) -> ReportKey {
        ReportKey(hex(&bytes))
    }

    /// The 32 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What identifies the documents of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ids {
    /// The report's key.
    pub key: ReportKey,
    /// A number below 2⁶³ for each record or policy, different within the report; 0 for a failure
    /// report.
    pub parts: Vec<u64>,
}

impl Ids {
    /// Appends the `_id` of document `n`: the key and 16 hexadecimal digits.
    pub fn write(&self, n: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(self.key.as_str().as_bytes());
        out.push(b'-');
        let digit = |shift: u32| b"0123456789abcdef"[(self.parts[n] >> shift & 0xf) as usize];
        out.extend((0..16).rev().map(|place| digit(4 * place)));
    }
}

impl Report {
    /// What identifies its documents.
    pub fn ids(&self) -> Ids {
        let mut fields = Fields::default();
        let mut parts = match self {
            Report::Aggregate(report) => {
                report.records.iter().map(|one| fields.record(one)).collect()
            }
            Report::Tls(report) => report.policies.iter().map(|one| fields.policy(one)).collect(),
            Report::Failure(_) => vec![0],
        };
        tell_apart(&mut parts);
        Ids { key: self.key(), parts }
    }

    /// The key of this report.
    ///
    /// - DMARC: reporter, report id, period and `policy_published`. So a report with another head
    ///   has a row of its own in SQLite.
    /// - TLS: reporter, report id and period.
    /// - Failure: all fields of the feedback report, the header of the mail that failed, and the
    ///   Message-ID of the mail that brought the report.
    pub fn key(&self) -> ReportKey {
        let mut fields = Fields::default();
        match self {
            Report::Aggregate(report) => fields.dmarc_head(report),
            Report::Tls(report) => fields.tls_head(report),
            Report::Failure(report) => fields.failure(report),
        }
        ReportKey(hex(&Sha256::digest(&fields.bytes)[..16]))
    }
}

/// The values to hash, one behind the other.
#[derive(Default)]
pub(crate) struct Fields {
    /// Used again for each record, so that none needs memory of its own.
    bytes: Vec<u8>,
}

impl Fields {
    /// What identifies a record, but for others with the same values.
    pub(crate) fn record(&mut self, record: &Record) -> u64 {
        let Record { row, identifiers, auth_results } = record;
        let evaluated = &row.policy_evaluated;
        self.bytes.clear();
        self.address(row.source_ip);
        self.count(row.count);
        self.texts([&evaluated.disposition, &evaluated.dkim, &evaluated.spf]);
        self.number(evaluated.reason.len() as u64);
        for OverrideReason { kind, comment } in &evaluated.reason {
            self.texts([kind, comment]);
        }
        self.texts([
            &identifiers.header_from,
            &identifiers.envelope_from,
            &identifiers.envelope_to,
        ]);
        self.number(auth_results.spf.len() as u64);
        for SpfResult { domain, scope, result, human_result: _ } in &auth_results.spf {
            self.texts([domain, scope, result]);
        }
        self.number(auth_results.dkim.len() as u64);
        for DkimResult { domain, selector, result, human_result: _ } in &auth_results.dkim {
            self.texts([domain, selector, result]);
        }
        self.part()
    }

    /// What identifies a policy, but for others with the same values.
    pub(crate) fn policy(&mut self, result: &PolicyResult) -> u64 {
        let PolicyResult { policy, summary, failure_details } = result;
        self.bytes.clear();
        self.texts([&policy.policy_type, &policy.policy_domain]);
        self.list(&policy.policy_string);
        self.list(&policy.mx_host);
        self.count(summary.total_successful_session_count);
        self.count(summary.total_failure_session_count);
        self.number(failure_details.len() as u64);
        for detail in failure_details {
            self.failure_detail(detail);
        }
        self.part()
    }

    fn failure_detail(&mut self, detail: &FailureDetail) {
        self.texts([
            &detail.result_type,
            &detail.sending_mta_ip,
            &detail.receiving_mx_hostname,
            &detail.receiving_mx_helo,
            &detail.receiving_ip,
            &detail.additional_information,
            &detail.failure_reason_code,
        ]);
        self.count(detail.failed_session_count);
    }

    fn dmarc_head(&mut self, report: &AggregateReport) {
        let AggregateReport { metadata, policy_published: policy, .. } = report;
        self.text(Some("dmarc"));
        self.text(metadata.org_name.as_deref().or(metadata.email.as_deref()));
        self.exact(metadata.report_id.as_bytes());
        self.seconds(Some(metadata.date_range.begin));
        self.seconds(Some(metadata.date_range.end));
        self.texts([
            &policy.domain,
            &policy.p,
            &policy.sp,
            &policy.np,
            &policy.adkim,
            &policy.aspf,
        ]);
        self.number(policy.pct.map_or(0, |pct| u64::from(pct) + 1));
        self.texts([&policy.fo, &policy.testing]);
    }

    fn tls_head(&mut self, report: &TlsReport) {
        self.text(Some("tls"));
        self.text(report.organization_name.as_deref().or(report.contact_info.as_deref()));
        self.exact(report.report_id.as_bytes());
        self.seconds(Some(report.date_range.begin));
        self.seconds(Some(report.date_range.end));
    }

    /// A failure report has no id. The mail that brought it has one, and so has the mail that
    /// failed; a burst of mails with the same id to several recipients differs in the rest.
    fn failure(&mut self, report: &FailureReport) {
        self.text(Some("failure"));
        self.text(report.reporting_mta.as_deref().or(report.reporter.as_deref()));
        self.exact(report.report_id.as_deref().unwrap_or_default().as_bytes());
        self.seconds(report.arrival_date);
        self.address(report.source_ip);
        self.number(report.source_port.map_or(0, |port| u64::from(port) + 1));
        self.number(report.incidents.map_or(0, |incidents| clamped(incidents) + 1));
        self.texts([
            &report.feedback_type,
            &report.delivery_result,
            &report.original_mail_from,
            &report.original_envelope_id,
            &report.dkim_domain,
            &report.dkim_selector,
            &report.dkim_identity,
            &report.dkim_selector_dns,
        ]);
        for list in [
            &report.auth_failure,
            &report.reported_domain,
            &report.identity_alignment,
            &report.original_rcpt_to,
            &report.spf_dns,
            &report.authentication_results,
            &report.reported_uri,
        ] {
            self.list(list);
        }
        if let Some(message) = &report.message {
            self.message(message);
        }
    }

    fn message(&mut self, message: &ReportedMessage) {
        // As it came, not what was read from it, which a later version may read better. Without
        // blanks: ends of lines and folds are not the same on every road.
        let headers: Vec<u8> =
            message.headers.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        self.exact(&headers);
    }

    /// 63 bits: an integer of SQLite is signed.
    fn part(&self) -> u64 {
        first_63_bits(&Sha256::digest(&self.bytes))
    }

    fn texts<const N: usize>(&mut self, texts: [&Option<Text>; N]) {
        texts.into_iter().for_each(|text| self.text(text.as_deref()));
    }

    fn list(&mut self, texts: &[Text]) {
        self.number(texts.len() as u64);
        texts.iter().for_each(|text| self.text(Some(text)));
    }

    /// Without regard to case and a dot at the end, since the same report has been seen in both
    /// spellings. What is not there is the same as an empty text. Unicode promises never to pair
    /// other letters than it does today.
    fn text(&mut self, text: Option<&str>) {
        let text = text.unwrap_or_default().trim_end_matches('.');
        if text.is_ascii() {
            self.number(text.len() as u64);
            self.bytes.extend(text.bytes().map(|byte| byte.to_ascii_lowercase()));
        } else {
            self.exact(text.to_lowercase().as_bytes());
        }
    }

    /// The length in front keeps ("ab", "c") and ("a", "bc") apart.
    fn exact(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
    }

    fn address(&mut self, address: Option<IpAddr>) {
        match address {
            None => self.exact(&[]),
            Some(IpAddr::V4(address)) => self.exact(&address.octets()),
            Some(IpAddr::V6(address)) => self.exact(&address.octets()),
        }
    }

    fn count(&mut self, count: u64) {
        self.number(clamped(count));
    }

    fn seconds(&mut self, seconds: Option<i64>) {
        self.bytes.push(u8::from(seconds.is_some()));
        self.bytes.extend_from_slice(&seconds.unwrap_or_default().to_le_bytes());
    }

    /// Seven bits a byte, the high bit set in all but the last (LEB128): most lengths and counts
    /// are short.
    fn number(&mut self, mut number: u64) {
        while number > 0x7f {
            self.bytes.push(number.to_le_bytes()[0] | 0x80);
            number >>= 7;
        }
        self.bytes.push(number.to_le_bytes()[0]);
    }
}

/// What SQLite can keep of a number.
fn clamped(number: u64) -> u64 {
    number.min(i64::MAX as u64)
}

fn first_63_bits(digest: &[u8]) -> u64 {
    digest[..8].iter().fold(0, |number, byte| number << 8 | u64::from(*byte)) >> 1
}

/// Records with the same values in one report are mails counted apart: the second, third and so on
/// each become another. Which of them is which makes no difference.
pub(crate) fn tell_apart(parts: &mut [u64]) {
    if parts.len() < 2 {
        return;
    }
    let mut order: Vec<(u64, usize)> = parts.iter().copied().zip(0..).collect();
    order.sort_unstable();
    for like in order.chunk_by(|one, next| one.0 == next.0) {
        for (nth, (part, at)) in (0_u64..).zip(like).skip(1) {
            let mut hash = Sha256::new();
            hash.update(part.to_le_bytes());
            hash.update(nth.to_le_bytes());
            parts[*at] = first_63_bits(&hash.finalize());
        }
    }
}
