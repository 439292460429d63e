//! From the tables back to reports: the proof that the tables keep everything that documents are made of.

use email_report_processor::{
    message::Received,
    report::{
        AggregateReport, Period, Repairs, Report, Text, TlsReport,
        aggregate::{
            AuthResults, DkimResult, Identifiers, Metadata, OverrideReason, PolicyEvaluated, PolicyPublished, Record,
            Row, SpfResult,
        },
        rfc3339,
        tls::{FailureDetail, Policy, PolicyResult, Summary},
    },
};
use rusqlite::{Connection, Row as Columns};

/// All reports, with what is known of their mails.
pub fn all(connection: &Connection) -> Vec<(Report, Received)> {
    let dmarc = list(connection, "SELECT * FROM dmarc_reports", |row| (dmarc(connection, row), received(row)));
    let tls = list(connection, "SELECT * FROM tls_reports", |row| (tls(connection, row), received(row)));
    dmarc.into_iter().chain(tls).collect()
}

fn list<T>(connection: &Connection, sql: &str, from_row: impl Fn(&Columns) -> T) -> Vec<T> {
    let mut statement = connection.prepare(sql).expect(sql);
    let rows = statement.query_map((), |row| Ok(from_row(row))).expect(sql);
    rows.collect::<Result<_, _>>().expect(sql)
}

/// The rows that belong to one record or policy.
fn parts<T>(connection: &Connection, table: &str, owner: (i64, u32), from_row: impl Fn(&Columns) -> T) -> Vec<T> {
    let (report, position) = owner;
    let sql = format!("SELECT * FROM {table} WHERE report = {report} AND position = {position} ORDER BY n");
    list(connection, &sql, from_row)
}

fn text(row: &Columns, column: &str) -> Option<Text> {
    row.get::<_, Option<String>>(column).expect(column).map(Text::from)
}

fn int(row: &Columns, column: &str) -> i64 {
    row.get(column).expect(column)
}

fn count(row: &Columns, column: &str) -> u64 {
    int(row, column).try_into().expect(column)
}

fn json(row: &Columns, column: &str) -> Vec<Text> {
    text(row, column).map(|json| serde_json::from_str(&json).expect(column)).unwrap_or_default()
}

fn period(row: &Columns) -> Period {
    Period { begin: int(row, "period_begin"), end: int(row, "period_end") }
}

fn repairs(row: &Columns) -> Repairs {
    let mut repairs = Repairs::default();
    json(row, "repairs").into_iter().for_each(|name| repairs.note(Box::leak(name.into_string().into_boxed_str())));
    repairs
}

fn received(row: &Columns) -> Received {
    Received {
        message_id: text(row, "received_message_id"),
        at: row.get::<_, Option<i64>>("received_at").expect("received_at").and_then(rfc3339),
        from: text(row, "received_from"),
    }
}

fn dmarc(connection: &Connection, row: &Columns) -> Report {
    let id = int(row, "id");
    let sql = format!("SELECT * FROM dmarc_records WHERE report = {id} ORDER BY position");
    Report::Aggregate(AggregateReport {
        version: text(row, "version"),
        metadata: Metadata {
            org_name: text(row, "org_name"),
            email: text(row, "email"),
            extra_contact_info: text(row, "extra_contact_info"),
            report_id: text(row, "report_id").expect("report_id"),
            date_range: period(row),
            error: json(row, "errors"),
            generator: text(row, "generator"),
        },
        policy_published: PolicyPublished {
            domain: text(row, "domain"),
            adkim: text(row, "adkim"),
            aspf: text(row, "aspf"),
            p: text(row, "p"),
            sp: text(row, "sp"),
            np: text(row, "np"),
            pct: row.get("pct").expect("pct"),
            fo: text(row, "fo"),
            testing: text(row, "testing"),
            discovery_method: text(row, "discovery_method"),
        },
        records: list(connection, &sql, |row| record(connection, id, row)),
        lost: usize::try_from(int(row, "lost")).expect("lost"),
        repairs: repairs(row),
    })
}

fn record(connection: &Connection, report: i64, row: &Columns) -> Record {
    let position = row.get("position").expect("position");
    let owner = (report, position);
    let reason = |row: &Columns| OverrideReason { kind: text(row, "type"), comment: text(row, "comment") };
    let spf = |row: &Columns| SpfResult {
        domain: text(row, "domain"),
        scope: text(row, "scope"),
        result: text(row, "result"),
        human_result: text(row, "human_result"),
    };
    let dkim = |row: &Columns| DkimResult {
        domain: text(row, "domain"),
        selector: text(row, "selector"),
        result: text(row, "result"),
        human_result: text(row, "human_result"),
    };
    Record {
        position,
        row: Row {
            source_ip: text(row, "source_ip").map(|ip| ip.parse().expect("an address")),
            count: count(row, "count"),
            policy_evaluated: PolicyEvaluated {
                disposition: text(row, "disposition"),
                dkim: text(row, "dkim"),
                spf: text(row, "spf"),
                reason: parts(connection, "dmarc_override_reasons", owner, reason),
            },
        },
        identifiers: Identifiers {
            header_from: text(row, "header_from"),
            envelope_from: text(row, "envelope_from"),
            envelope_to: text(row, "envelope_to"),
        },
        auth_results: AuthResults {
            spf: parts(connection, "dmarc_spf_results", owner, spf),
            dkim: parts(connection, "dmarc_dkim_results", owner, dkim),
        },
    }
}

fn tls(connection: &Connection, row: &Columns) -> Report {
    let id = int(row, "id");
    let sql = format!("SELECT * FROM tls_policies WHERE report = {id} ORDER BY position");
    Report::Tls(TlsReport {
        organization_name: text(row, "organization_name"),
        date_range: period(row),
        contact_info: text(row, "contact_info"),
        report_id: text(row, "report_id").expect("report_id"),
        policies: list(connection, &sql, |row| policy(connection, id, row)),
        lost: usize::try_from(int(row, "lost")).expect("lost"),
        repairs: repairs(row),
    })
}

fn policy(connection: &Connection, report: i64, row: &Columns) -> PolicyResult {
    let position = row.get("position").expect("position");
    let detail = |row: &Columns| FailureDetail {
        result_type: text(row, "result_type"),
        sending_mta_ip: text(row, "sending_mta_ip"),
        receiving_mx_hostname: text(row, "receiving_mx_hostname"),
        receiving_mx_helo: text(row, "receiving_mx_helo"),
        receiving_ip: text(row, "receiving_ip"),
        failed_session_count: count(row, "failed_sessions"),
        additional_information: text(row, "additional_information"),
        failure_reason_code: text(row, "failure_reason_code"),
    };
    PolicyResult {
        position,
        policy: Policy {
            policy_type: text(row, "policy_type"),
            policy_string: json(row, "policy_strings"),
            policy_domain: text(row, "policy_domain"),
            mx_host: json(row, "mx_hosts"),
        },
        summary: Summary {
            total_successful_session_count: count(row, "successful_sessions"),
            total_failure_session_count: count(row, "failed_sessions"),
        },
        failure_details: parts(connection, "tls_failure_details", (report, position), detail),
    }
}
