//! Rows of the tables, and the parts of reports that they hold.

use std::net::IpAddr;

use rusqlite::{Error, Result, Row, types::Type};
use serde::de::DeserializeOwned;

use crate::{
    message::Received,
    report::{
        AggregateReport, FailureReport, Period, Repairs, ReportKey, Text, TlsReport,
        aggregate::{
            AuthResults, DkimResult, Identifiers, Metadata, OverrideReason, PolicyEvaluated,
            PolicyPublished, Record, Row as RecordRow, SpfResult,
        },
        failure::ReportedMessage,
        rfc3339,
        tls::{FailureDetail, Policy, PolicyResult, Summary},
    },
};

pub(in crate::sqlite) fn dmarc_head(row: &Row) -> Result<AggregateReport> {
    Ok(AggregateReport {
        version: text(row, "version")?,
        metadata: Metadata {
            org_name: text(row, "org_name")?,
            email: text(row, "email")?,
            extra_contact_info: text(row, "extra_contact_info")?,
            report_id: text(row, "report_id")?.unwrap_or_default(),
            date_range: period(row)?,
            error: list(row, "errors")?,
            generator: text(row, "generator")?,
        },
        policy_published: PolicyPublished {
            domain: text(row, "domain")?,
            adkim: text(row, "adkim")?,
            aspf: text(row, "aspf")?,
            p: text(row, "p")?,
            sp: text(row, "sp")?,
            np: text(row, "np")?,
            pct: row.get("pct")?,
            fo: text(row, "fo")?,
            testing: text(row, "testing")?,
            discovery_method: text(row, "discovery_method")?,
        },
        records: Vec::new(),
        lost: usize::try_from(count(row, "lost")?).unwrap_or(usize::MAX),
        repairs: repairs(row)?,
    })
}

pub(super) fn record(row: &Row) -> Result<Record> {
    Ok(Record {
        row: RecordRow {
            source_ip: address(row, "source_ip")?,
            count: count(row, "count")?,
            policy_evaluated: PolicyEvaluated {
                disposition: text(row, "disposition")?,
                dkim: text(row, "dkim")?,
                spf: text(row, "spf")?,
                reason: Vec::new(),
            },
        },
        identifiers: Identifiers {
            header_from: text(row, "header_from")?,
            envelope_from: text(row, "envelope_from")?,
            envelope_to: text(row, "envelope_to")?,
        },
        auth_results: AuthResults::default(),
    })
}

pub(super) fn override_reason(row: &Row) -> Result<OverrideReason> {
    Ok(OverrideReason { kind: text(row, "type")?, comment: text(row, "comment")? })
}

pub(super) fn spf_result(row: &Row) -> Result<SpfResult> {
    Ok(SpfResult {
        domain: text(row, "domain")?,
        scope: text(row, "scope")?,
        result: text(row, "result")?,
        human_result: text(row, "human_result")?,
    })
}

pub(super) fn dkim_result(row: &Row) -> Result<DkimResult> {
    Ok(DkimResult {
        domain: text(row, "domain")?,
        selector: text(row, "selector")?,
        result: text(row, "result")?,
        human_result: text(row, "human_result")?,
    })
}

pub(in crate::sqlite) fn tls_head(row: &Row) -> Result<TlsReport> {
    Ok(TlsReport {
        organization_name: text(row, "organization_name")?,
        date_range: period(row)?,
        contact_info: text(row, "contact_info")?,
        report_id: text(row, "report_id")?.unwrap_or_default(),
        policies: Vec::new(),
        lost: usize::try_from(count(row, "lost")?).unwrap_or(usize::MAX),
        repairs: repairs(row)?,
    })
}

pub(super) fn policy(row: &Row) -> Result<PolicyResult> {
    Ok(PolicyResult {
        policy: Policy {
            policy_type: text(row, "policy_type")?,
            policy_string: list(row, "policy_strings")?,
            policy_domain: text(row, "policy_domain")?,
            mx_host: list(row, "mx_hosts")?,
        },
        summary: Summary {
            total_successful_session_count: count(row, "successful_sessions")?,
            total_failure_session_count: count(row, "failed_sessions")?,
        },
        failure_details: Vec::new(),
    })
}

pub(super) fn failure_detail(row: &Row) -> Result<FailureDetail> {
    Ok(FailureDetail {
        result_type: text(row, "result_type")?,
        sending_mta_ip: text(row, "sending_mta_ip")?,
        receiving_mx_hostname: text(row, "receiving_mx_hostname")?,
        receiving_mx_helo: text(row, "receiving_mx_helo")?,
        receiving_ip: text(row, "receiving_ip")?,
        failed_session_count: count(row, "failed_sessions")?,
        additional_information: text(row, "additional_information")?,
        failure_reason_code: text(row, "failure_reason_code")?,
    })
}

pub(in crate::sqlite) fn failure_report(row: &Row) -> Result<FailureReport> {
    Ok(FailureReport {
        feedback_type: text(row, "feedback_type")?,
        user_agent: text(row, "user_agent")?,
        version: text(row, "version")?,
        auth_failure: list(row, "auth_failure")?,
        arrival_date: row.get("arrival_date")?,
        source_ip: address(row, "source_ip")?,
        source_port: row.get("source_port")?,
        reported_domain: list(row, "reported_domain")?,
        identity_alignment: list(row, "identity_alignment")?,
        delivery_result: text(row, "delivery_result")?,
        original_mail_from: text(row, "original_mail_from")?,
        original_rcpt_to: list(row, "original_rcpt_to")?,
        original_envelope_id: text(row, "original_envelope_id")?,
        reporting_mta: text(row, "reporting_mta")?,
        incidents: row
            .get::<_, Option<i64>>("incidents")?
            .and_then(|number| number.try_into().ok()),
        dkim_domain: text(row, "dkim_domain")?,
        dkim_selector: text(row, "dkim_selector")?,
        dkim_identity: text(row, "dkim_identity")?,
        dkim_selector_dns: text(row, "dkim_selector_dns")?,
        spf_dns: list(row, "spf_dns")?,
        authentication_results: list(row, "authentication_results")?,
        reported_uri: list(row, "reported_uri")?,
        message: match row.get("message_headers")? {
            Some(headers) => Some(reported_message(row, headers)?),
            None => None,
        },
        reporter: text(row, "received_from")?,
        report_id: text(row, "received_message_id")?,
        repairs: repairs(row)?,
    })
}

fn reported_message(row: &Row, headers: String) -> Result<ReportedMessage> {
    Ok(ReportedMessage {
        message_id: text(row, "message_id")?,
        from: text(row, "message_from")?,
        to: list(row, "message_to")?,
        reply_to: text(row, "message_reply_to")?,
        subject: text(row, "message_subject")?,
        date: row.get("message_date")?,
        headers,
        body: row.get("message_body")?,
    })
}

pub(super) fn key(row: &Row) -> Result<ReportKey> {
    let bytes: Vec<u8> = row.get("report_key")?;
    // A row that is only a head has 8 bytes more.
    let key = bytes.get(..16).and_then(|key| key.try_into().ok()).map(ReportKey::from_bytes);
    key.ok_or_else(|| Error::InvalidColumnType(0, "report_key".into(), Type::Blob))
}

pub(in crate::sqlite) fn received(row: &Row) -> Result<Received> {
    Ok(Received {
        message_id: text(row, "received_message_id")?,
        at: row.get::<_, Option<i64>>("received_at")?.and_then(rfc3339),
        from: text(row, "received_from")?,
        authenticated: json(row, "authenticated")?,
    })
}

fn period(row: &Row) -> Result<Period> {
    Ok(Period { begin: row.get("period_begin")?, end: row.get("period_end")? })
}

fn repairs(row: &Row) -> Result<Repairs> {
    list(row, "repairs").map(Repairs::from_names)
}

pub(in crate::sqlite) fn text(row: &Row, column: &str) -> Result<Option<Text>> {
    Ok(row.get_ref(column)?.as_str_or_null()?.map(Text::from))
}

/// A count; never negative unless the tables were changed by hand.
pub(in crate::sqlite) fn count(row: &Row, column: impl rusqlite::RowIndex) -> Result<u64> {
    row.get(column).map(|number: i64| u64::try_from(number).unwrap_or(0))
}

/// A JSON array of texts.
pub(in crate::sqlite) fn list(row: &Row, column: &str) -> Result<Vec<Text>> {
    Ok(json(row, column)?.unwrap_or_default())
}

fn json<T: DeserializeOwned>(row: &Row, column: &str) -> Result<Option<T>> {
    parsed(row, column, |json| serde_json::from_str(json))
}

pub(in crate::sqlite) fn address(row: &Row, column: &str) -> Result<Option<IpAddr>> {
    parsed(row, column, str::parse)
}

/// Parses a text column; an unparsable value is an error, never skipped.
fn parsed<T, E: std::error::Error + Send + Sync + 'static>(
    row: &Row,
    column: &str,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<Option<T>> {
    let parsed = row.get_ref(column)?.as_str_or_null()?.map(parse).transpose();
    let index = row.as_ref().column_index(column)?;
    parsed.map_err(|error| Error::FromSqlConversionFailure(index, Type::Text, Box::new(error)))
}
