-- Version 2: a record or policy is known by its values, no longer by its place in the report.
--
-- `record` and `policy` are what src/report/key.rs makes of the values, 63 bits of a hash; rekey.rs beside this
-- file fills the new tables from the old ones (…_1) and drops those.

DROP VIEW dmarc;
DROP VIEW tls;
DROP VIEW tls_failures;
ALTER TABLE dmarc_records RENAME TO dmarc_records_1;
ALTER TABLE dmarc_override_reasons RENAME TO dmarc_override_reasons_1;
ALTER TABLE dmarc_spf_results RENAME TO dmarc_spf_results_1;
ALTER TABLE dmarc_dkim_results RENAME TO dmarc_dkim_results_1;
ALTER TABLE tls_policies RENAME TO tls_policies_1;
ALTER TABLE tls_failure_details RENAME TO tls_failure_details_1;

CREATE TABLE dmarc_records (
    report        INTEGER NOT NULL REFERENCES dmarc_reports ON DELETE CASCADE,
    record        INTEGER NOT NULL,
    source_ip     TEXT,
    count         INTEGER NOT NULL,
    disposition   TEXT,
    dkim          TEXT,                         -- aligned result
    spf           TEXT,                         -- aligned result
    header_from   TEXT COLLATE NOCASE,
    envelope_from TEXT COLLATE NOCASE,
    envelope_to   TEXT COLLATE NOCASE,
    PRIMARY KEY (report, record)
) STRICT, WITHOUT ROWID;

CREATE TABLE dmarc_override_reasons (
    report   INTEGER NOT NULL,
    record   INTEGER NOT NULL,
    n        INTEGER NOT NULL,
    type     TEXT,
    comment  TEXT,
    PRIMARY KEY (report, record, n),
    FOREIGN KEY (report, record) REFERENCES dmarc_records ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE dmarc_spf_results (
    report       INTEGER NOT NULL,
    record       INTEGER NOT NULL,
    n            INTEGER NOT NULL,
    domain       TEXT COLLATE NOCASE,
    scope        TEXT,
    result       TEXT,
    human_result TEXT,
    PRIMARY KEY (report, record, n),
    FOREIGN KEY (report, record) REFERENCES dmarc_records ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE dmarc_dkim_results (
    report       INTEGER NOT NULL,
    record       INTEGER NOT NULL,
    n            INTEGER NOT NULL,
    domain       TEXT COLLATE NOCASE,
    selector     TEXT,
    result       TEXT,
    human_result TEXT,
    PRIMARY KEY (report, record, n),
    FOREIGN KEY (report, record) REFERENCES dmarc_records ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE tls_policies (
    report              INTEGER NOT NULL REFERENCES tls_reports ON DELETE CASCADE,
    policy              INTEGER NOT NULL,
    policy_type         TEXT,
    policy_domain       TEXT COLLATE NOCASE,
    policy_strings      TEXT,                   -- JSON array
    mx_hosts            TEXT,                   -- JSON array
    successful_sessions INTEGER NOT NULL,
    failed_sessions     INTEGER NOT NULL,
    PRIMARY KEY (report, policy)
) STRICT, WITHOUT ROWID;

CREATE TABLE tls_failure_details (
    report                 INTEGER NOT NULL,
    policy                 INTEGER NOT NULL,
    n                      INTEGER NOT NULL,
    result_type            TEXT,
    sending_mta_ip         TEXT,
    receiving_mx_hostname  TEXT,
    receiving_mx_helo      TEXT,
    receiving_ip           TEXT,
    failed_sessions        INTEGER NOT NULL,
    additional_information TEXT,
    failure_reason_code    TEXT,
    PRIMARY KEY (report, policy, n),
    FOREIGN KEY (report, policy) REFERENCES tls_policies ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- Imports into this store, each with its number of transactions. A journal that knows of more than the store does is of
-- a state that was lost, as by putting back a copy of the file.
CREATE TABLE imports (
    token        BLOB PRIMARY KEY,              -- random
    transactions INTEGER NOT NULL,
    started_at   INTEGER NOT NULL DEFAULT (unixepoch())
) STRICT, WITHOUT ROWID;

-- For questions typed by hand: one row a record, with times that can be read.
CREATE VIEW dmarc AS
SELECT lower(hex(r.report_key)) || '-' || printf('%016x', d.record) AS id,
       datetime(r.period_begin, 'unixepoch') AS "begin", datetime(r.period_end, 'unixepoch') AS "end",
       r.org_name, r.report_id, r.domain, r.p, r.sp,
       d.source_ip, d.count, d.disposition, d.dkim, d.spf,
       CASE WHEN coalesce(d.dkim, d.spf) IS NOT NULL THEN d.dkim IS 'pass' OR d.spf IS 'pass' END AS pass,
       d.header_from, d.envelope_from, d.envelope_to
FROM dmarc_records d JOIN dmarc_reports r ON r.id = d.report;

-- One row a TLS policy.
CREATE VIEW tls AS
SELECT lower(hex(r.report_key)) || '-' || printf('%016x', p.policy) AS id,
       datetime(r.period_begin, 'unixepoch') AS "begin", datetime(r.period_end, 'unixepoch') AS "end",
       r.organization_name, r.report_id,
       p.policy_domain, p.policy_type, p.successful_sessions, p.failed_sessions
FROM tls_policies p JOIN tls_reports r ON r.id = p.report;

-- One row a way in which TLS sessions failed.
CREATE VIEW tls_failures AS
SELECT datetime(r.period_begin, 'unixepoch') AS "begin", r.organization_name, p.policy_domain, p.policy_type,
       f.result_type, f.failed_sessions, f.sending_mta_ip, f.receiving_mx_hostname, f.receiving_ip,
       f.additional_information, f.failure_reason_code
FROM tls_failure_details f
JOIN tls_policies p USING (report, policy) JOIN tls_reports r ON r.id = f.report;
