//! Read: the reports themselves, out of the tables again, so that their documents are those that
//! another store was given.
//!
//! All is of one moment, even while reports come in, and in an order that stays: by the beginning
//! of their periods, and those that begin together as they were stored. A long report is handed out
//! in portions, so that memory stays flat.

mod rows;

use std::{collections::HashMap, iter::Peekable, mem};

use rusqlite::{Connection, Error, Result, Row, ToSql, named_params};

use super::addresses;
use super::query::{DMARC_REPORTS, FAILURES, Reader, Selection, Snapshot, TLS_POLICIES};
use super::schema::expect_current;
use crate::{
    document::Portion,
    report::{AggregateReport, Ids, Kind, Report, TlsReport, aggregate::Record, tls::PolicyResult},
};
pub(super) use rows::{address, count, dmarc_head, failure_report, list, received, text, tls_head};
use rows::{dkim_result, failure_detail, key, override_reason, policy, record, spf_result};

/// How many records or policies are in memory at once.
const PORTION: usize = 1000;

/// The records of a report, and what belongs to them, in the same order.
const RECORDS: [&str; 4] = [
    "SELECT * FROM dmarc_records WHERE report = ? ORDER BY record",
    "SELECT * FROM dmarc_override_reasons WHERE report = ? ORDER BY record, n",
    "SELECT * FROM dmarc_spf_results WHERE report = ? ORDER BY record, n",
    "SELECT * FROM dmarc_dkim_results WHERE report = ? ORDER BY record, n",
];

const POLICIES: &str = "SELECT * FROM p WHERE report = :report ORDER BY policy";

const FAILURE_DETAILS: &str =
    "SELECT * FROM tls_failure_details WHERE report = ? ORDER BY policy, n";

/// The selected reports at one moment.
pub struct Reports<'c> {
    snapshot: Snapshot<'c>,
}

impl Reader {
    /// The selected reports, as they are now. Until this is dropped SQLite keeps them for it, and
    /// its write-ahead log grows by what is stored meanwhile.
    ///
    /// # Errors
    /// SQLite can't read the file.
    pub fn reports(&mut self, selection: &Selection) -> Result<Reports<'_>> {
        let transaction = self.connection.transaction()?;
        expect_current(&transaction)?;
        Ok(Reports { snapshot: Snapshot::new(transaction, selection) })
    }
}

impl Reports<'_> {
    /// How many documents all the reports of this kind give.
    ///
    /// # Errors
    /// SQLite can't read the file.
    pub fn count(&self, kind: Kind) -> Result<u64> {
        let Snapshot { transaction, since, until, domain, .. } = &self.snapshot;
        let sql = match kind {
            Kind::Dmarc => format!(
                "{DMARC_REPORTS} SELECT count(*) FROM r JOIN dmarc_records d ON d.report = r.id"
            ),
            Kind::Tls => format!("{TLS_POLICIES} SELECT count(*) FROM p"),
            Kind::Failure => format!("{FAILURES} SELECT count(*) FROM f"),
        };
        let params = named_params! { ":since": since, ":until": until, ":domain": domain };
        transaction.query_row(&sql, params, |row| count(row, 0))
    }

    /// From now on only reports whose periods begin at or after this second are selected.
    pub(crate) fn set_since(&mut self, since: i64) {
        self.snapshot.since = since;
    }

    /// Something that is another after each change of what is selected.
    pub(crate) fn mark(&self) -> Result<String> {
        let sql = "SELECT concat_ws(' ', (SELECT max(id) FROM dmarc_reports),
            (SELECT max(id) FROM tls_reports), (SELECT max(id) FROM dmarc_failures),
            (SELECT count(*) FROM dmarc_records), (SELECT count(*) FROM tls_policies),
            (SELECT count(*) FROM imports))";
        self.snapshot.transaction.query_row(sql, (), |row| row.get(0))
    }

    /// Hands out the reports of this kind.
    ///
    /// # Errors
    /// SQLite can't read the file, or a portion was refused.
    pub fn each<E: From<Error>>(
        &self,
        kind: Kind,
        mut take: impl FnMut(Portion) -> Result<(), E>,
    ) -> Result<(), E> {
        let Snapshot { transaction, since, until, domain, .. } = &self.snapshot;
        let sql = match kind {
            Kind::Dmarc => format!("{DMARC_REPORTS} SELECT id FROM r ORDER BY period_begin, id"),
            // Those of which a policy is selected.
            Kind::Tls => format!(
                "{TLS_POLICIES} SELECT DISTINCT report FROM p ORDER BY period_begin, report"
            ),
            Kind::Failure => format!("{FAILURES} SELECT id FROM f ORDER BY arrival, id"),
        };
        let mut statement = transaction.prepare(&sql)?;
        let mut ids = statement
            .query(named_params! { ":since": since, ":until": until, ":domain": domain })?;
        while let Some(row) = ids.next()? {
            self.one(kind, row.get(0)?, &mut take)?;
        }
        Ok(())
    }

    /// Hands out the report of this row.
    pub(super) fn one<E: From<Error>>(
        &self,
        kind: Kind,
        id: i64,
        take: &mut impl FnMut(Portion) -> Result<(), E>,
    ) -> Result<(), E> {
        match kind {
            Kind::Dmarc => self.dmarc(id, take),
            Kind::Tls => self.tls(id, take),
            Kind::Failure => take(self.failure(id)?),
        }
    }

    pub(super) fn transaction(&self) -> &Connection {
        &self.snapshot.transaction
    }

    fn dmarc<E: From<Error>>(
        &self,
        id: i64,
        take: &mut impl FnMut(Portion) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut report =
            self.snapshot.transaction.prepare_cached("SELECT * FROM dmarc_reports WHERE id = ?")?;
        let mut read =
            |id| report.query_row([id], |row| Ok((dmarc_head(row)?, received(row)?, key(row)?)));
        let (head, received, key) = read(id)?;
        records(&self.snapshot.transaction, RECORDS, id, |records| {
            in_portions(records, |other, parts, records, is_first| {
                let other = other.map(&mut read).transpose()?;
                let (head, received) = other
                    .as_ref()
                    .map_or((&head, &received), |(head, received, _)| (head, received));
                let report = Report::Aggregate(AggregateReport { records, ..head.clone() });
                let ids = Ids { key: key.clone(), parts };
                let hosts = addresses::hosts(&self.snapshot.transaction, &report)?;
                take(Portion { report, ids, received: received.clone(), hosts, is_first })
            })
        })
    }

    fn tls<E: From<Error>>(
        &self,
        id: i64,
        take: &mut impl FnMut(Portion) -> Result<(), E>,
    ) -> Result<(), E> {
        let Snapshot { transaction, since, until, domain, .. } = &self.snapshot;
        let mut report = transaction.prepare_cached("SELECT * FROM tls_reports WHERE id = ?")?;
        let mut read =
            |id| report.query_row([id], |row| Ok((tls_head(row)?, received(row)?, key(row)?)));
        let (head, received, key) = read(id)?;
        let params =
            named_params! { ":since": since, ":until": until, ":domain": domain, ":report": id };
        policies(
            transaction,
            [&format!("{TLS_POLICIES} {POLICIES}"), FAILURE_DETAILS],
            params,
            id,
            |policies| {
                in_portions(policies, |other, parts, policies, is_first| {
                    let other = other.map(&mut read).transpose()?;
                    let (head, received) = other
                        .as_ref()
                        .map_or((&head, &received), |(head, received, _)| (head, received));
                    let report = Report::Tls(TlsReport { policies, ..head.clone() });
                    let ids = Ids { key: key.clone(), parts };
                    let hosts = HashMap::new();
                    take(Portion { report, ids, received: received.clone(), hosts, is_first })
                })
            },
        )
    }

    fn failure(&self, id: i64) -> Result<Portion> {
        let mut failure = self
            .snapshot
            .transaction
            .prepare_cached("SELECT * FROM dmarc_failures WHERE id = ?")?;
        failure.query_row([id], |row| {
            let report = Report::Failure(failure_report(row)?);
            Ok(Portion {
                hosts: addresses::hosts(&self.snapshot.transaction, &report)?,
                report,
                ids: Ids { key: key(row)?, parts: vec![0] },
                received: received(row)?,
                is_first: true,
            })
        })
    }
}

/// The records of a report with what identifies each, read by these statements (see [`RECORDS`]):
/// four walks side by side through tables of the same order.
pub(super) fn records<T, E: From<Error>>(
    connection: &Connection,
    [records, reasons, spf, dkim]: [&str; 4],
    report: i64,
    take: impl FnOnce(&mut dyn Iterator<Item = Result<Identified<Record>>>) -> Result<T, E>,
) -> Result<T, E> {
    let prepare = |sql| connection.prepare_cached(sql);
    let (mut records, mut reasons) = (prepare(records)?, prepare(reasons)?);
    let (mut spf, mut dkim) = (prepare(spf)?, prepare(dkim)?);
    let part = |row: &Row| count(row, "record");
    let mut reasons =
        reasons.query_map([report], |row| Ok((part(row)?, override_reason(row)?)))?.peekable();
    let mut spf = spf.query_map([report], |row| Ok((part(row)?, spf_result(row)?)))?.peekable();
    let mut dkim = dkim.query_map([report], |row| Ok((part(row)?, dkim_result(row)?)))?.peekable();
    let mut records = records.query_map([report], |row| {
        let (part, mut record) = (part(row)?, record(row)?);
        record.row.policy_evaluated.reason = parts(&mut reasons, part)?;
        record.auth_results.spf = parts(&mut spf, part)?;
        record.auth_results.dkim = parts(&mut dkim, part)?;
        Ok(Identified { id: part, head: row.get("head")?, value: record })
    })?;
    take(&mut records)
}

/// Each record of a report, in the order of what identifies them.
pub(super) fn each_record(
    connection: &Connection,
    report: i64,
    mut take: impl FnMut(&Record) -> Result<()>,
) -> Result<()> {
    records(connection, RECORDS, report, |records| {
        for record in records {
            take(&record?.value)?;
        }
        Ok(())
    })
}

/// The same of policies and their failure details. Policies may be left out by `params`.
pub(super) fn policies<T, E: From<Error>>(
    connection: &Connection,
    [policies, details]: [&str; 2],
    params: &[(&str, &dyn ToSql)],
    report: i64,
    take: impl FnOnce(&mut dyn Iterator<Item = Result<Identified<PolicyResult>>>) -> Result<T, E>,
) -> Result<T, E> {
    let (mut policies, mut details) =
        (connection.prepare_cached(policies)?, connection.prepare_cached(details)?);
    let part = |row: &Row| count(row, "policy");
    let mut details =
        details.query_map([report], |row| Ok((part(row)?, failure_detail(row)?)))?.peekable();
    let mut policies = policies.query_map(params, |row| {
        let (part, mut result) = (part(row)?, policy(row)?);
        result.failure_details = parts(&mut details, part)?;
        Ok(Identified { id: part, head: row.get("head")?, value: result })
    })?;
    take(&mut policies)
}

/// A record or policy.
pub(super) struct Identified<T> {
    /// What identifies it in its report.
    pub(super) id: u64,
    /// The row of its head, if that is not the report's (see [`super::heads`]).
    head: Option<i64>,
    pub(super) value: T,
}

/// Hands on so many of one head at a time; at least once, even if there are none.
fn in_portions<T, E: From<Error>>(
    all: &mut dyn Iterator<Item = Result<Identified<T>>>,
    mut hand_on: impl FnMut(Option<i64>, Vec<u64>, Vec<T>, bool) -> Result<(), E>,
) -> Result<(), E> {
    let (mut ids, mut portion, mut is_first, mut of) = (Vec::new(), Vec::new(), true, None);
    for part in all {
        let Identified { id, head, value } = part?;
        if portion.len() == PORTION || (head != of && !portion.is_empty()) {
            hand_on(of, mem::take(&mut ids), mem::take(&mut portion), mem::take(&mut is_first))?;
        }
        of = head;
        ids.push(id);
        portion.push(value);
    }
    hand_on(of, ids, portion, is_first)
}

/// What belongs to this record or policy. What belongs to smaller ones is passed over.
fn parts<T>(
    rows: &mut Peekable<impl Iterator<Item = Result<(u64, T)>>>,
    part: u64,
) -> Result<Vec<T>> {
    let mut parts = Vec::new();
    while let Some(row) = rows.next_if(|row| row.as_ref().map_or(true, |(of, _)| *of <= part)) {
        let (of, one) = row?;
        if of == part {
            parts.push(one);
        }
    }
    Ok(parts)
}
