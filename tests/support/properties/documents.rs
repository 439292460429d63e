//! What holds for the documents of any report.

use std::collections::HashSet;

use email_report_processor::{
    document::Documents,
    message::Received,
    report::{
        Report,
        aggregate::AggregateReport,
        failure::FailureReport,
        tls::{PolicyResult, TlsReport},
    },
};
use serde_json::Value;

use super::any_report;

/// Reports made of any values, which no parser would let through.
pub fn documents(bytes: &[u8]) {
    let (received, report) = any_report::report(bytes);
    let sources = check_documents(&report, &received, usize::MAX);
    for (n, document) in sources.iter().enumerate() {
        assert_eq!(text(document, "/received/message_id"), received.message_id.as_deref());
        assert_eq!(text(document, "/received/from"), received.from.as_deref());
        match &report {
            Report::Aggregate(report) => check_dmarc(document, report, n),
            Report::Tls(report) => check_tls(document, report, n),
            Report::Failure(report) => check_failure(document, report),
        }
    }
    check_key(&report);
}

fn text<'d>(document: &'d Value, pointer: &str) -> Option<&'d str> {
    document.pointer(pointer).and_then(Value::as_str)
}

fn number(document: &Value, pointer: &str) -> Option<u64> {
    document.pointer(pointer).and_then(Value::as_u64)
}

/// Document n is of record n.
fn check_dmarc(document: &Value, report: &AggregateReport, n: usize) {
    let text = |pointer: &str| text(document, pointer);
    let (metadata, record) = (&report.metadata, &report.records[n]);
    let of_metadata = "/feedback/report_metadata";
    assert_eq!(text(&format!("{of_metadata}/org_name")), metadata.org_name.as_deref());
    assert_eq!(text(&format!("{of_metadata}/report_id")), Some(metadata.report_id.as_str()));
    let published = &report.policy_published;
    assert_eq!(text("/feedback/policy_published/domain"), published.domain.as_deref());
    let begin = document.pointer(&format!("{of_metadata}/date_range/begin"));
    assert_eq!(begin.and_then(Value::as_i64), Some(metadata.date_range.begin));
    assert_eq!(number(document, "/feedback/record/row/count"), Some(record.row.count));
    let header_from = text("/feedback/record/identifiers/header_from");
    assert_eq!(header_from, record.identifiers.header_from.as_deref());
    for (n, dkim) in record.auth_results.dkim.iter().enumerate() {
        let pointer = format!("/feedback/record/auth_results/dkim/{n}/selector");
        assert_eq!(text(&pointer), dkim.selector.as_deref());
    }
    let passed = document.pointer("/dmarc/pass").and_then(Value::as_bool);
    assert_eq!(passed, record.row.policy_evaluated.pass());
}

/// Document n is of policy n.
fn check_tls(document: &Value, report: &TlsReport, n: usize) {
    let policy = &report.policies[n];
    assert_eq!(text(document, "/organization-name"), report.organization_name.as_deref());
    assert_eq!(text(document, "/report-id"), Some(report.report_id.as_str()));
    let domain = text(document, "/policies/policy/policy-domain");
    assert_eq!(domain, policy.policy.policy_domain.as_deref());
    for (n, detail) in policy.failure_details.iter().enumerate() {
        let pointer = format!("/policies/failure-details/{n}/failed-session-count");
        assert_eq!(number(document, &pointer), Some(detail.failed_session_count));
    }
}

fn check_failure(document: &Value, report: &FailureReport) {
    assert_eq!(text(document, "/failure/user_agent"), report.user_agent.as_deref());
    let headers = report.message.as_ref().map(|message| message.headers.as_str());
    let expected = headers.filter(|headers| !headers.is_empty());
    assert_eq!(text(document, "/failure/message/headers"), expected);
}

/// Another id makes another report; capitals in names do not.
fn check_key(report: &Report) {
    let mut other = report.clone();
    let mut same = report.clone();
    match (&mut other, &mut same) {
        (Report::Aggregate(other), Report::Aggregate(same)) => {
            other.metadata.report_id.push('x');
            same.metadata.org_name =
                same.metadata.org_name.take().map(|name| name.to_ascii_uppercase());
        }
        (Report::Tls(other), Report::Tls(same)) => {
            other.report_id.push('x');
            same.organization_name =
                same.organization_name.take().map(|name| name.to_ascii_uppercase());
        }
        (Report::Failure(other), Report::Failure(same)) => {
            let id = other.report_id.take().unwrap_or_default();
            other.report_id = Some(format!("{id}x").into());
            same.reporting_mta = same.reporting_mta.take().map(|name| name.to_ascii_uppercase());
        }
        _ => unreachable!("clones"),
    }
    assert_eq!(same.key(), report.key());
    assert_ne!(other.key(), report.key());
}

/// The documents of a report: each is one line of valid JSON, with an id of its own, the same each
/// time; no value in them is longer than allowed; their sums are those of the report.
pub fn check_documents(report: &Report, received: &Received, value_bytes: usize) -> Vec<Value> {
    let documents = Documents::new(report, received);
    let again = Documents::new(report, received);
    assert_eq!((documents.len(), documents.kind()), (report.len(), report.kind()));
    let key = report.key();
    assert!(key.as_str().len() == 32 && key.as_str().bytes().all(|byte| byte.is_ascii_hexdigit()));
    let mut ids = HashSet::new();
    let mut sources = Vec::new();
    let (mut mails, mut sessions) = (0_u128, 0_u128);
    for n in 0..documents.len() {
        let (mut id, mut source) = (Vec::new(), Vec::new());
        documents.write_id(n, &mut id);
        documents.write_source(n, &mut source);
        let (mut second_id, mut second_source) = (Vec::new(), Vec::new());
        again.write_id(n, &mut second_id);
        again.write_source(n, &mut second_source);
        assert_eq!((&second_id, &second_source), (&id, &source), "the same each time");
        let part =
            id.strip_prefix(key.as_str().as_bytes()).and_then(|rest| rest.strip_prefix(b"-"));
        assert!(part.is_some_and(|part| part.len() == 16
            && part.iter().all(u8::is_ascii_hexdigit)
            && part[0] < b'8'));
        assert!(ids.insert(id), "ids are unique within a report");
        assert!(!source.iter().any(|byte| matches!(byte, b'\n' | b'\r')), "one line");
        let document: Value = serde_json::from_slice(&source).expect("a document is JSON");
        check_values(&document, value_bytes);
        let number = |pointer| number(&document, pointer).map_or(0, u128::from);
        mails += number("/feedback/record/row/count");
        sessions += number("/policies/summary/total-successful-session-count");
        sources.push(document);
    }
    let (mut expected_mails, mut expected_sessions) = (0_u128, 0_u128);
    match report {
        Report::Aggregate(report) => {
            expected_mails = report.records.iter().map(|record| u128::from(record.row.count)).sum();
        }
        Report::Tls(report) => {
            let successful =
                |policy: &PolicyResult| u128::from(policy.summary.total_successful_session_count);
            expected_sessions = report.policies.iter().map(successful).sum();
        }
        Report::Failure(_) => {}
    }
    assert_eq!((mails, sessions), (expected_mails, expected_sessions));
    sources
}

/// No text is longer than allowed: of the reported mail, the header may have 16 values' length and
/// the body 64.
fn check_values(value: &Value, value_bytes: usize) {
    match value {
        Value::Array(list) => list.iter().for_each(|value| check_values(value, value_bytes)),
        Value::Object(members) => {
            for (name, value) in members {
                let room = match name.as_str() {
                    "headers" => 16,
                    "body" => 64,
                    // Pairs of values.
                    "tls" => 3,
                    // Names of repairs and headers of the mail itself.
                    "received" | "@timestamp" => usize::MAX,
                    _ => 1,
                };
                check_values(value, value_bytes.saturating_mul(room));
            }
        }
        // Dates are written in 20 bytes whatever the limit, addresses in 39, and numbers as they
        // are.
        Value::String(text) => {
            assert!(text.len() <= value_bytes.max(40), "{} bytes: {text}", text.len());
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
