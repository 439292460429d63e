//! Rekey: what the steps to newer versions of the store do with keys. Version 1 knew records by
//! their place in the report; version 2 knows them by their values.

use rusqlite::{Connection, OptionalExtension, Result, named_params, params};
use tracing::info;

use super::read::{self, Identified};
use crate::report::{
    Report, ReportKey,
    key::{Fields, tell_apart},
};

/// The records as version 1 had them; [`read::records`] is given their places in the report.
const RECORDS: [&str; 4] = [
    "SELECT *, position AS record, NULL AS head FROM dmarc_records_1 WHERE report = ? ORDER BY position",
    "SELECT *, position AS record FROM dmarc_override_reasons_1 WHERE report = ? ORDER BY position, n",
    "SELECT *, position AS record FROM dmarc_spf_results_1 WHERE report = ? ORDER BY position, n",
    "SELECT *, position AS record FROM dmarc_dkim_results_1 WHERE report = ? ORDER BY position, n",
];

const POLICIES: [&str; 2] = [
    "SELECT *, position AS policy, NULL AS head FROM tls_policies_1 WHERE report = :report ORDER BY position",
    "SELECT *, position AS policy FROM tls_failure_details_1 WHERE report = ? ORDER BY position, n",
];

/// The table of records, which decides whether a record is new, and those that hang on it.
const RECORD_TABLES: [(&str, &str); 4] = [
    (
        "dmarc_records",
        "source_ip, count, disposition, dkim, spf, header_from, envelope_from, envelope_to",
    ),
    ("dmarc_override_reasons", "n, type, comment"),
    ("dmarc_spf_results", "n, domain, scope, result, human_result"),
    ("dmarc_dkim_results", "n, domain, selector, result, human_result"),
];

const POLICY_TABLES: [(&str, &str); 2] = [
    ("tls_policies", "policy_type, policy_domain, policy_strings, mx_hosts, successful_sessions, failed_sessions"),
    (
        "tls_failure_details",
        "n, result_type, sending_mta_ip, receiving_mx_hostname, receiving_mx_helo, receiving_ip, failed_sessions,
        additional_information, failure_reason_code",
    ),
];

/// Fills the tables of version 2 from those of version 1, which are dropped.
pub(super) fn fill(connection: &Connection) -> Result<()> {
    let dmarc = ids(connection, "dmarc_reports")?;
    let tls = ids(connection, "tls_reports")?;
    let reports = dmarc.len() + tls.len();
    if reports > 0 {
        info!("bringing the store up to date: {reports} reports");
    }
    dmarc.into_iter().try_for_each(|id| fill_dmarc(connection, id))?;
    tls.into_iter().try_for_each(|id| fill_tls(connection, id))?;
    // Those first that refer to others.
    for (table, _) in RECORD_TABLES.iter().rev().chain(POLICY_TABLES.iter().rev()) {
        connection.execute_batch(&format!("DROP TABLE {table}_1"))?;
    }
    Ok(())
}

/// The step to version 3: gives failure reports keys made from the header of the mail that failed
/// as it came, no longer from what was read from it, too.
pub(super) fn failures(connection: &Connection) -> Result<()> {
    ids(connection, "dmarc_failures")?.into_iter().try_for_each(|id| fill_failure(connection, id))
}

fn ids(connection: &Connection, table: &str) -> Result<Vec<i64>> {
    connection
        .prepare(&format!("SELECT id FROM {table} ORDER BY id"))?
        .query_map((), |row| row.get(0))?
        .collect()
}

fn fill_dmarc(connection: &Connection, id: i64) -> Result<()> {
    let head = connection
        .prepare_cached("SELECT * FROM dmarc_reports WHERE id = ?")?
        .query_row([id], |row| read::dmarc_head(row).map(Report::Aggregate))?;
    let mut fields = Fields::default();
    let found = read::records(connection, RECORDS, id, |records| {
        records
            .map(|record| record.map(|Identified { id, value, .. }| (id, fields.record(&value))))
            .collect()
    })?;
    let owner = owner(connection, "dmarc_reports", id, &head.key())?;
    copy(connection, &RECORD_TABLES, "record", (id, owner), found)?;
    remove_merged(connection, "dmarc_reports", (id, owner))
}

fn fill_tls(connection: &Connection, id: i64) -> Result<()> {
    let head = connection
        .prepare_cached("SELECT * FROM tls_reports WHERE id = ?")?
        .query_row([id], |row| read::tls_head(row).map(Report::Tls))?;
    let mut fields = Fields::default();
    let found =
        read::policies(connection, POLICIES, named_params! { ":report": id }, id, |policies| {
            policies
                .map(|policy| {
                    policy.map(|Identified { id, value, .. }| (id, fields.policy(&value)))
                })
                .collect()
        })?;
    let owner = owner(connection, "tls_reports", id, &head.key())?;
    copy(connection, &POLICY_TABLES, "policy", (id, owner), found)?;
    remove_merged(connection, "tls_reports", (id, owner))
}

fn fill_failure(connection: &Connection, id: i64) -> Result<()> {
    let report = connection
        .prepare_cached("SELECT * FROM dmarc_failures WHERE id = ?")?
        .query_row([id], |row| read::failure_report(row).map(Report::Failure))?;
    let owner = owner(connection, "dmarc_failures", id, &report.key())?;
    remove_merged(connection, "dmarc_failures", (id, owner))
}

/// Gives the report its new key; the report that has it already, if there is one: version 1 told
/// some apart that are one.
fn owner(connection: &Connection, table: &str, id: i64, key: &ReportKey) -> Result<i64> {
    let earlier = connection
        .prepare_cached(&format!("SELECT id FROM {table} WHERE report_key = unhex(?) AND id <> ?"))?
        .query_row(params![key.as_str(), id], |row| row.get(0))
        .optional()?;
    if earlier.is_none() {
        connection
            .prepare_cached(&format!("UPDATE {table} SET report_key = unhex(?) WHERE id = ?"))?
            .execute(params![key.as_str(), id])?;
    }
    Ok(earlier.unwrap_or(id))
}

fn remove_merged(connection: &Connection, table: &str, (id, owner): (i64, i64)) -> Result<()> {
    if id != owner {
        connection.prepare_cached(&format!("DELETE FROM {table} WHERE id = ?"))?.execute([id])?;
    }
    Ok(())
}

/// Copies the records found at these places of a report, unless its owner has the like already.
fn copy(
    connection: &Connection,
    tables: &[(&str, &str)],
    column: &str,
    (id, owner): (i64, i64),
    found: Vec<(u64, u64)>,
) -> Result<()> {
    let (positions, mut parts): (Vec<u64>, Vec<u64>) = found.into_iter().unzip();
    tell_apart(&mut parts);
    for (position, part) in positions.into_iter().zip(parts) {
        for (n, (table, columns)) in tables.iter().enumerate() {
            let sql = format!(
                "INSERT OR IGNORE INTO {table} (report, {column}, {columns})
                SELECT ?, ?, {columns} FROM {table}_1 WHERE report = ? AND position = ?"
            );
            let params = params![owner, part.cast_signed(), id, position.cast_signed()];
            let copied = connection.prepare_cached(&sql)?.execute(params)?;
            if n == 0 && copied == 0 {
                break;
            }
        }
    }
    Ok(())
}
