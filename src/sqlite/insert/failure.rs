//! Failure reports: one row each.

use rusqlite::{Result, params};

use super::{Insert, authenticated, integer, json_list};
use crate::{
    message::Received,
    report::{FailureReport, ReportKey},
    sqlite::heads,
};

impl Insert<'_> {
    /// True if the report is new.
    pub(super) fn failure(
        &mut self,
        key: &ReportKey,
        report: &FailureReport,
        received: &Received,
    ) -> Result<bool> {
        let message = report.message.as_ref();
        let is_new = self.failure.execute(params![
            key.as_str(),
            report.feedback_type.as_deref(),
            report.user_agent.as_deref(),
            report.version.as_deref(),
            json_list(&report.auth_failure),
            report.arrival_date,
            report.source_ip.map(|ip| ip.to_string()),
            report.source_port,
            json_list(&report.reported_domain),
            json_list(&report.identity_alignment),
            report.delivery_result.as_deref(),
            report.original_mail_from.as_deref(),
            json_list(&report.original_rcpt_to),
            report.original_envelope_id.as_deref(),
            report.reporting_mta.as_deref(),
            report.incidents.map(integer),
            report.dkim_domain.as_deref(),
            report.dkim_selector.as_deref(),
            report.dkim_identity.as_deref(),
            report.dkim_selector_dns.as_deref(),
            json_list(&report.spf_dns),
            json_list(&report.authentication_results),
            json_list(&report.reported_uri),
            message.and_then(|message| message.message_id.as_deref()),
            message.and_then(|message| message.from.as_deref()),
            message.and_then(|message| json_list(&message.to)),
            message.and_then(|message| message.reply_to.as_deref()),
            message.and_then(|message| message.subject.as_deref()),
            message.and_then(|message| message.date),
            message.map(|message| message.headers.as_str()),
            message.and_then(|message| message.body.as_deref()),
            received.message_id.as_deref(),
            heads::second(received),
            received.from.as_deref(),
            authenticated(received),
            json_list(report.repairs.names()),
        ])?;
        Ok(is_new > 0)
    }
}
