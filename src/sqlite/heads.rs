//! Heads: which head and which mail a record belongs to, where several mails bring records of one
//! report.
//!
//! Two mails may bring parts of one report, and a stranger may copy a report's id, period and
//! policy. A record is known by the report's key and its values whoever brings it, so all records
//! of a key are under the row that came first. A later mail with another head or origin has a row
//! of its own in the same table, whose `report_key` is the key and 8 bytes more, and the records
//! that it brought name that row in the column `head`.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Result, Row};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::read;
use crate::{
    message::Received,
    report::{AggregateReport, Repairs, ReportKey, TlsReport, hex},
};

/// The row of a key that came first, and that of the mail at hand.
pub(super) struct Heads {
    /// All records of the key are under this one.
    pub(super) first: i64,
    /// What the records of this mail name; nothing if the first row is its own.
    pub(super) other: Option<String>,
}

/// Finds the row of a DMARC report's key.
pub(super) fn dmarc(
    connection: &Connection,
    key: &ReportKey,
    report: &AggregateReport,
    mail: &Received,
) -> Result<Heads> {
    let head = |report: &AggregateReport, mail: &Received| {
        let AggregateReport { version, metadata, policy_published, records: _, lost, repairs } =
            report;
        digest(&(version, metadata, policy_published), *lost, repairs, mail)
    };
    let there = |row: &Row| Ok(head(&read::dmarc_head(row)?, &read::received(row)?));
    find(
        connection,
        "SELECT * FROM dmarc_reports WHERE report_key = unhex(?)",
        key,
        there,
        &head(report, mail),
    )
}

/// Finds the row of a TLS report's key.
pub(super) fn tls(
    connection: &Connection,
    key: &ReportKey,
    report: &TlsReport,
    mail: &Received,
) -> Result<Heads> {
    let head = |report: &TlsReport, mail: &Received| {
        let TlsReport {
            organization_name,
            date_range,
            contact_info,
            report_id,
            policies: _,
            lost,
            repairs,
        } = report;
        let range = (date_range.begin, date_range.end);
        digest(&(organization_name, range, contact_info, report_id), *lost, repairs, mail)
    };
    let there = |row: &Row| Ok(head(&read::tls_head(row)?, &read::received(row)?));
    find(
        connection,
        "SELECT * FROM tls_reports WHERE report_key = unhex(?)",
        key,
        there,
        &head(report, mail),
    )
}

fn find(
    connection: &Connection,
    sql: &str,
    key: &ReportKey,
    there: impl Fn(&Row) -> Result<String>,
    ours: &str,
) -> Result<Heads> {
    let mut statement = connection.prepare_cached(sql)?;
    let (first, theirs) =
        statement.query_row([key.as_str()], |row| Ok((row.get("id")?, there(row)?)))?;
    Ok(Heads { first, other: (theirs != ours).then(|| format!("{}{ours}", key.as_str())) })
}

/// The id of the row of this `report_key` in hexadecimal digits.
pub(super) fn id(connection: &Connection, table: &str, report_key: &str) -> Result<Option<i64>> {
    let sql = format!("SELECT id FROM {table} WHERE report_key = unhex(?)");
    connection.prepare_cached(&sql)?.query_row([report_key], |row| row.get(0)).optional()
}

/// What tells a head and a mail from others, in 16 hexadecimal digits.
fn digest(head: &impl Serialize, lost: usize, repairs: &Repairs, mail: &Received) -> String {
    let Received { message_id, at: _, from, authenticated } = mail;
    let all = (head, lost, repairs.names(), message_id, second(mail), from, authenticated);
    // Nothing in it can fail to be JSON.
    hex(&Sha256::digest(serde_json::to_vec(&all).unwrap_or_default())[..8])
}

/// When the mail was received, in seconds since 1970; the text may write one time in several ways.
pub(super) fn second(received: &Received) -> Option<i64> {
    received.at.as_deref()?.parse().ok().map(Timestamp::as_second)
}
