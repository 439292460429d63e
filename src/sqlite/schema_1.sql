-- The tables of version 1. Times are seconds since 1970-01-01 UTC.
--
-- A record's identity is (report, position), as in OpenSearch: that pair is the primary key, and a table without
-- rowid keeps its rows in this order, so that a report's records are neighbours and new ones are always appended.
-- Lists of things with parts are tables; lists of plain text are JSON arrays (json_each takes them apart).

CREATE TABLE dmarc_reports (
    id                  INTEGER PRIMARY KEY,
    report_key          BLOB NOT NULL UNIQUE,   -- 16 bytes; lower(hex(report_key)) begins the _id in OpenSearch
    version             TEXT,
    org_name            TEXT,
    email               TEXT,
    extra_contact_info  TEXT,
    report_id           TEXT NOT NULL,
    period_begin        INTEGER NOT NULL,
    period_end          INTEGER NOT NULL,
    errors              TEXT,                   -- JSON array
    generator           TEXT,
    domain              TEXT COLLATE NOCASE,    -- the policy's, as are the columns up to discovery_method
    adkim               TEXT,
    aspf                TEXT,
    p                   TEXT,
    sp                  TEXT,
    np                  TEXT,
    pct                 INTEGER,
    fo                  TEXT,
    testing             TEXT,
    discovery_method    TEXT,
    received_message_id TEXT,                   -- of the mail that brought it first
    received_at         INTEGER,
    received_from       TEXT,
    authenticated       TEXT,                   -- JSON object, where --authserv-id was given
    repairs             TEXT,                   -- JSON array
    lost                INTEGER NOT NULL,       -- records that could not be read
    stored_at           INTEGER NOT NULL DEFAULT (unixepoch())
) STRICT;

-- No index on the domain: the table is short. None on dmarc_records (source_ip): it made storing a record take half
-- as long again (1.03 s instead of 0.69 s for 132,014), and `report` walks through the records of its period anyway.
CREATE INDEX dmarc_reports_period ON dmarc_reports (period_begin);

CREATE TABLE dmarc_records (
    report        INTEGER NOT NULL REFERENCES dmarc_reports ON DELETE CASCADE,
    position      INTEGER NOT NULL,
    source_ip     TEXT,
    count         INTEGER NOT NULL,
    disposition   TEXT,
    dkim          TEXT,                         -- aligned result
    spf           TEXT,                         -- aligned result
    header_from   TEXT COLLATE NOCASE,
    envelope_from TEXT COLLATE NOCASE,
    envelope_to   TEXT COLLATE NOCASE,
    PRIMARY KEY (report, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE dmarc_override_reasons (
    report   INTEGER NOT NULL,
    position INTEGER NOT NULL,
    n        INTEGER NOT NULL,
    type     TEXT,
    comment  TEXT,
    PRIMARY KEY (report, position, n),
    FOREIGN KEY (report, position) REFERENCES dmarc_records ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE dmarc_spf_results (
    report       INTEGER NOT NULL,
    position     INTEGER NOT NULL,
    n            INTEGER NOT NULL,
    domain       TEXT COLLATE NOCASE,
    scope        TEXT,
    result       TEXT,
    human_result TEXT,
    PRIMARY KEY (report, position, n),
    FOREIGN KEY (report, position) REFERENCES dmarc_records ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE dmarc_dkim_results (
    report       INTEGER NOT NULL,
    position     INTEGER NOT NULL,
    n            INTEGER NOT NULL,
    domain       TEXT COLLATE NOCASE,
    selector     TEXT,
    result       TEXT,
    human_result TEXT,
    PRIMARY KEY (report, position, n),
    FOREIGN KEY (report, position) REFERENCES dmarc_records ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE tls_reports (
    id                  INTEGER PRIMARY KEY,
    report_key          BLOB NOT NULL UNIQUE,
    organization_name   TEXT,
    contact_info        TEXT,
    report_id           TEXT NOT NULL,
    period_begin        INTEGER NOT NULL,
    period_end          INTEGER NOT NULL,
    received_message_id TEXT,
    received_at         INTEGER,
    received_from       TEXT,
    authenticated       TEXT,                   -- JSON object, where --authserv-id was given
    repairs             TEXT,                   -- JSON array
    lost                INTEGER NOT NULL,       -- policies that could not be read
    stored_at           INTEGER NOT NULL DEFAULT (unixepoch())
) STRICT;

CREATE INDEX tls_reports_period ON tls_reports (period_begin);

CREATE TABLE tls_policies (
    report              INTEGER NOT NULL REFERENCES tls_reports ON DELETE CASCADE,
    position            INTEGER NOT NULL,
    policy_type         TEXT,
    policy_domain       TEXT COLLATE NOCASE,
    policy_strings      TEXT,                   -- JSON array
    mx_hosts            TEXT,                   -- JSON array
    successful_sessions INTEGER NOT NULL,
    failed_sessions     INTEGER NOT NULL,
    PRIMARY KEY (report, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE tls_failure_details (
    report                 INTEGER NOT NULL,
    position               INTEGER NOT NULL,
    n                      INTEGER NOT NULL,
    result_type            TEXT,
    sending_mta_ip         TEXT,
    receiving_mx_hostname  TEXT,
    receiving_mx_helo      TEXT,
    receiving_ip           TEXT,
    failed_sessions        INTEGER NOT NULL,
    additional_information TEXT,
    failure_reason_code    TEXT,
    PRIMARY KEY (report, position, n),
    FOREIGN KEY (report, position) REFERENCES tls_policies ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- One row a failure report; its identity is the key.
CREATE TABLE dmarc_failures (
    id                     INTEGER PRIMARY KEY,
    report_key             BLOB NOT NULL UNIQUE,
    feedback_type          TEXT,
    user_agent             TEXT,
    version                TEXT,
    auth_failure           TEXT,                -- JSON array, as are the other lists
    arrival_date           INTEGER,
    source_ip              TEXT,
    source_port            INTEGER,
    reported_domain        TEXT,                -- JSON array
    identity_alignment     TEXT,                -- JSON array
    delivery_result        TEXT,
    original_mail_from     TEXT,
    original_rcpt_to       TEXT,                -- JSON array
    original_envelope_id   TEXT,
    reporting_mta          TEXT,
    incidents              INTEGER,
    dkim_domain            TEXT COLLATE NOCASE,
    dkim_selector          TEXT,
    dkim_identity          TEXT,
    dkim_selector_dns      TEXT,
    spf_dns                TEXT,                -- JSON array
    authentication_results TEXT,                -- JSON array
    reported_uri           TEXT,                -- JSON array
    message_id             TEXT,                -- of the mail that failed, as are the columns up to message_body
    message_from           TEXT,
    message_to             TEXT,                -- JSON array
    message_reply_to       TEXT,
    message_subject        TEXT,
    message_date           INTEGER,
    message_headers        TEXT,                -- NULL where nothing is known of the mail
    message_body           TEXT,                -- only with --keep-failed-message
    received_message_id    TEXT,
    received_at            INTEGER,
    received_from          TEXT,
    authenticated          TEXT,
    repairs                TEXT,                -- JSON array
    stored_at              INTEGER NOT NULL DEFAULT (unixepoch())
) STRICT;

CREATE INDEX dmarc_failures_arrival ON dmarc_failures (arrival_date);

-- For questions typed by hand: one row a record, with times that can be read.
CREATE VIEW dmarc AS
SELECT lower(hex(r.report_key)) || '-' || d.position AS id,
       datetime(r.period_begin, 'unixepoch') AS "begin", datetime(r.period_end, 'unixepoch') AS "end",
       r.org_name, r.report_id, r.domain, r.p, r.sp,
       d.source_ip, d.count, d.disposition, d.dkim, d.spf, d.dkim IS 'pass' OR d.spf IS 'pass' AS pass,
       d.header_from, d.envelope_from, d.envelope_to
FROM dmarc_records d JOIN dmarc_reports r ON r.id = d.report;

-- One row a TLS policy.
CREATE VIEW tls AS
SELECT lower(hex(r.report_key)) || '-' || p.position AS id,
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
JOIN tls_policies p USING (report, position) JOIN tls_reports r ON r.id = f.report;
