-- Version 3: a record or policy may name a head other than that of the first mail with its report's key (heads.rs).
--
-- Rows of dmarc_reports and tls_reports whose report_key is longer than 16 bytes are such heads: those bytes are the key.

ALTER TABLE dmarc_records ADD COLUMN head INTEGER;     -- in dmarc_reports; NULL where it is `report`
ALTER TABLE tls_policies ADD COLUMN head INTEGER;      -- in tls_reports; NULL where it is `report`

DROP VIEW dmarc;
DROP VIEW tls;
DROP VIEW tls_failures;

-- For questions typed by hand: one row a record, with times that can be read.
CREATE VIEW dmarc AS
SELECT lower(hex(substr(r.report_key, 1, 16))) || '-' || printf('%016x', d.record) AS id,
       datetime(r.period_begin, 'unixepoch') AS "begin", datetime(r.period_end, 'unixepoch') AS "end",
       r.org_name, r.report_id, r.domain, r.p, r.sp,
       d.source_ip, d.count, d.disposition, d.dkim, d.spf,
       CASE WHEN coalesce(d.dkim, d.spf) IS NOT NULL THEN d.dkim IS 'pass' OR d.spf IS 'pass' END AS pass,
       d.header_from, d.envelope_from, d.envelope_to
FROM dmarc_records d JOIN dmarc_reports r ON r.id = coalesce(d.head, d.report);

-- One row a TLS policy.
CREATE VIEW tls AS
SELECT lower(hex(substr(r.report_key, 1, 16))) || '-' || printf('%016x', p.policy) AS id,
       datetime(r.period_begin, 'unixepoch') AS "begin", datetime(r.period_end, 'unixepoch') AS "end",
       r.organization_name, r.report_id,
       p.policy_domain, p.policy_type, p.successful_sessions, p.failed_sessions
FROM tls_policies p JOIN tls_reports r ON r.id = coalesce(p.head, p.report);

-- One row a way in which TLS sessions failed.
CREATE VIEW tls_failures AS
SELECT datetime(r.period_begin, 'unixepoch') AS "begin", r.organization_name, p.policy_domain, p.policy_type,
       f.result_type, f.failed_sessions, f.sending_mta_ip, f.receiving_mx_hostname, f.receiving_ip,
       f.additional_information, f.failure_reason_code
FROM tls_failure_details f
JOIN tls_policies p USING (report, policy) JOIN tls_reports r ON r.id = coalesce(p.head, p.report);
