//! The statements by which rows come into the tables.
//!
//! `unhex`: a key is stored as its 16 bytes. Keys are random, so the index on them is what a large
//! store reads and writes all over, and half the size is half the pages.

pub(super) const DMARC_REPORT: &str = "\
INSERT INTO dmarc_reports (report_key, version, org_name, email, extra_contact_info, report_id, period_begin, period_end,
    errors, generator, domain, adkim, aspf, p, sp, np, pct, fo, testing, discovery_method,
    received_message_id, received_at, received_from, authenticated, repairs, lost)
VALUES (unhex(?), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (report_key) DO NOTHING";

pub(super) const DMARC_RECORD: &str = "\
INSERT INTO dmarc_records (report, record, head, source_ip, count, disposition, dkim, spf,
    header_from, envelope_from, envelope_to)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (report, record) DO NOTHING";

pub(super) const TLS_REPORT: &str = "\
INSERT INTO tls_reports (report_key, organization_name, contact_info, report_id, period_begin, period_end,
    received_message_id, received_at, received_from, authenticated, repairs, lost)
VALUES (unhex(?), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (report_key) DO NOTHING";

pub(super) const TLS_POLICY: &str = "\
INSERT INTO tls_policies (report, policy, head, policy_type, policy_domain, policy_strings, mx_hosts,
    successful_sessions, failed_sessions)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (report, policy) DO NOTHING";

pub(super) const FAILURE_DETAIL: &str = "\
INSERT INTO tls_failure_details (report, policy, n, result_type, sending_mta_ip, receiving_mx_hostname,
    receiving_mx_helo, receiving_ip, failed_sessions, additional_information, failure_reason_code)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

pub(super) const FAILURE: &str = "\
INSERT INTO dmarc_failures (report_key, feedback_type, user_agent, version, auth_failure, arrival_date,
    source_ip, source_port, reported_domain, identity_alignment, delivery_result, original_mail_from,
    original_rcpt_to, original_envelope_id, reporting_mta, incidents, dkim_domain, dkim_selector,
    dkim_identity, dkim_selector_dns, spf_dns, authentication_results, reported_uri, message_id, message_from,
    message_to, message_reply_to, message_subject, message_date, message_headers, message_body,
    received_message_id, received_at, received_from, authenticated, repairs)
VALUES (unhex(?), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,
    ?, ?, ?, ?)
ON CONFLICT (report_key) DO NOTHING";
