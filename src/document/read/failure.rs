//! Failure reports out of their documents, which only this program makes.

use serde_json::Value;

use super::{text, texts};
use crate::report::{FailureReport, Repairs, failure::ReportedMessage};

/// The report in the object `failure`; `stored` is the object `received` beside it.
pub(super) fn read(failure: &Value, stored: &Value) -> FailureReport {
    let one = |name: &str| text(&failure[name]);
    let many = |name: &str| texts(&failure[name]);
    FailureReport {
        feedback_type: one("feedback_type"),
        user_agent: one("user_agent"),
        version: one("version"),
        auth_failure: many("auth_failure"),
        arrival_date: date(&failure["arrival_date"]),
        source_ip: failure["source_ip"].as_str().and_then(|ip| ip.parse().ok()),
        source_port: failure["source_port"].as_u64().and_then(|port| port.try_into().ok()),
        reported_domain: many("reported_domain"),
        identity_alignment: many("identity_alignment"),
        delivery_result: one("delivery_result"),
        original_mail_from: one("original_mail_from"),
        original_rcpt_to: many("original_rcpt_to"),
        original_envelope_id: one("original_envelope_id"),
        reporting_mta: one("reporting_mta"),
        incidents: failure["incidents"].as_u64(),
        dkim_domain: one("dkim_domain"),
        dkim_selector: one("dkim_selector"),
        dkim_identity: one("dkim_identity"),
        dkim_selector_dns: one("dkim_selector_dns"),
        spf_dns: many("spf_dns"),
        authentication_results: many("authentication_results"),
        reported_uri: many("reported_uri"),
        message: failure.get("message").filter(|message| message.is_object()).map(message),
        reporter: text(&stored["from"]),
        report_id: text(&stored["message_id"]),
        repairs: Repairs::default(),
    }
}

fn message(message: &Value) -> ReportedMessage {
    ReportedMessage {
        message_id: text(&message["message_id"]),
        from: text(&message["from"]),
        to: texts(&message["to"]),
        reply_to: text(&message["reply_to"]),
        subject: text(&message["subject"]),
        date: date(&message["date"]),
        headers: message["headers"].as_str().unwrap_or_default().to_owned(),
        body: message["body"].as_str().map(str::to_owned),
    }
}

/// Seconds since 1970 of an RFC 3339 date.
fn date(value: &Value) -> Option<i64> {
    let date: jiff::Timestamp = value.as_str()?.parse().ok()?;
    Some(date.as_second())
}
