//! TLS reports: a row each, and one a policy.

use rusqlite::{Result, params};

use super::{Insert, authenticated, integer, json_list};
use crate::{
    message::Received,
    report::{TlsReport, tls::PolicyResult},
    sqlite::heads,
};

impl Insert<'_> {
    /// The id of the new row; nothing if there is one of this key.
    pub(super) fn tls_report(
        &mut self,
        key: &str,
        report: &TlsReport,
        received: &Received,
    ) -> Result<Option<i64>> {
        let is_new = self.tls_report.execute(params![
            key,
            report.organization_name.as_deref(),
            report.contact_info.as_deref(),
            &*report.report_id,
            report.date_range.begin,
            report.date_range.end,
            received.message_id.as_deref(),
            heads::second(received),
            received.from.as_deref(),
            authenticated(received),
            json_list(report.repairs.names()),
            integer(report.lost as u64),
        ])?;
        Ok((is_new > 0).then(|| self.connection.last_insert_rowid()))
    }

    /// True if the policy is new.
    pub(super) fn tls_policy(
        &mut self,
        report: i64,
        part: i64,
        head: Option<i64>,
        result: &PolicyResult,
    ) -> Result<bool> {
        let PolicyResult { policy, summary, failure_details } = result;
        let is_new = self.tls_policy.execute(params![
            report,
            part,
            head,
            policy.policy_type.as_deref(),
            policy.policy_domain.as_deref(),
            json_list(&policy.policy_string),
            json_list(&policy.mx_host),
            integer(summary.total_successful_session_count),
            integer(summary.total_failure_session_count),
        ])?;
        if is_new == 0 {
            return Ok(false);
        }
        for (n, detail) in (0_u32..).zip(failure_details) {
            self.failure_detail.execute(params![
                report,
                part,
                n,
                detail.result_type.as_deref(),
                detail.sending_mta_ip.as_deref(),
                detail.receiving_mx_hostname.as_deref(),
                detail.receiving_mx_helo.as_deref(),
                detail.receiving_ip.as_deref(),
                integer(detail.failed_session_count),
                detail.additional_information.as_deref(),
                detail.failure_reason_code.as_deref(),
            ])?;
        }
        Ok(true)
    }
}
