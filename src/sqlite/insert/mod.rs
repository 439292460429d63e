//! Insert: the statements that put a mail's reports into the tables.
//!
//! The rule is that of OpenSearch's `create`: a document is known by its report's key and what
//! identifies the record in the report, and one that is there already stays as it is.

mod failure;
mod rows;
mod statements;
mod tls;

use rusqlite::{CachedStatement, Connection, Error, ErrorCode, Result, params};

use self::{
    rows::Rows,
    statements::{DMARC_RECORD, DMARC_REPORT, FAILURE, FAILURE_DETAIL, TLS_POLICY, TLS_REPORT},
};
use super::{
    columns::{Batch, Names, ReportHead},
    heads::{self, Heads},
};
use crate::{
    message::{Contents, Received},
    report::{AggregateReport, Ids, Report, ReportKey, aggregate::Record},
    settle::Acknowledgement,
};

/// Hexadecimal digits of a report's key.
const KEY_DIGITS: usize = 32;

/// What is taken back when the tables can't take a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Undo {
    /// All that the transaction has stored: faster, and hardly ever needed.
    Transaction,
    /// That report.
    Report,
}

/// Statements of an open transaction.
pub(crate) struct Insert<'c> {
    connection: &'c Connection,
    names: &'c mut Names,
    undo: Undo,
    rows: Rows<'c>,
    columns: Batch,
    savepoint: CachedStatement<'c>,
    release: CachedStatement<'c>,
    roll_back: CachedStatement<'c>,
    dmarc_report: CachedStatement<'c>,
    dmarc_has: CachedStatement<'c>,
    dmarc_record: CachedStatement<'c>,
    tls_report: CachedStatement<'c>,
    tls_has: CachedStatement<'c>,
    tls_policy: CachedStatement<'c>,
    failure_detail: CachedStatement<'c>,
    failure: CachedStatement<'c>,
}

/// In what reports with records and those with policies differ.
struct Steps<'c, R, P> {
    /// The heads' table.
    table: &'static str,
    /// Finds the row of a key.
    heads: fn(&Connection, &ReportKey, &R, &Received) -> Result<Heads>,
    /// The id of a new row; nothing if there is one of this key.
    head: fn(&mut Insert<'c>, &str, &R, &Received) -> Result<Option<i64>>,
    /// Whether a report has a record or policy.
    has: fn(&mut Insert<'c>, [i64; 2]) -> Result<bool>,
    /// Stores one; true if it is new.
    part: fn(&mut Insert<'c>, i64, i64, Option<i64>, &P) -> Result<bool>,
}

impl<'c> Insert<'c> {
    /// How many statements the connection must be able to keep, with those of transactions and of
    /// columns.
    pub(crate) const STATEMENTS: usize = 48;

    /// Takes the statements out of the connection's cache.
    pub(crate) fn new(
        connection: &'c Connection,
        names: &'c mut Names,
        undo: Undo,
    ) -> Result<Insert<'c>> {
        let prepare = |sql| connection.prepare_cached(sql);
        Ok(Insert {
            connection,
            names,
            undo,
            rows: Rows::default(),
            columns: Batch::default(),
            savepoint: prepare("SAVEPOINT report")?,
            release: prepare("RELEASE report")?,
            roll_back: prepare("ROLLBACK TO report")?,
            dmarc_report: prepare(DMARC_REPORT)?,
            dmarc_has: prepare("SELECT 1 FROM dmarc_records WHERE report = ? AND record = ?")?,
            dmarc_record: prepare(DMARC_RECORD)?,
            tls_report: prepare(TLS_REPORT)?,
            tls_has: prepare("SELECT 1 FROM tls_policies WHERE report = ? AND policy = ?")?,
            tls_policy: prepare(TLS_POLICY)?,
            failure_detail: prepare(FAILURE_DETAIL)?,
            failure: prepare(FAILURE)?,
        })
    }

    /// Stores the reports of one mail. With [`Undo::Report`] a report that the tables can't take is
    /// refused as a whole, and the others are stored.
    pub(crate) fn contents(
        &mut self,
        contents: &'c Contents,
        ids: &[Ids],
    ) -> Result<Acknowledgement> {
        let mut answer = Acknowledgement::default();
        for (report, ids) in contents.reports.iter().zip(ids) {
            let stored = match self.undo {
                Undo::Transaction => Ok(self.report(report, ids, &contents.received)?),
                Undo::Report => self.report_or_nothing(report, ids, &contents.received)?,
            };
            self.columns.keep();
            match stored {
                Ok(created) => {
                    answer.created += created;
                    answer.duplicates += report.len() as u64 - created;
                }
                Err(refused) => {
                    answer.refused += report.len() as u64;
                    answer.reason.get_or_insert_with(|| refused.to_string());
                }
            }
        }
        Ok(answer)
    }

    /// Stores a report, or nothing of it and says why the tables can't take it.
    fn report_or_nothing(
        &mut self,
        report: &'c Report,
        ids: &Ids,
        received: &Received,
    ) -> Result<Result<u64>> {
        self.savepoint.execute(())?;
        let stored = self.report(report, ids, received);
        match &stored {
            Err(error) if is_about_content(error) => {
                self.roll_back.execute(())?;
                self.columns.take_back();
                self.names.rolled_back();
            }
            Err(_) => return stored.map(Ok),
            Ok(_) => {}
        }
        self.release.execute(())?;
        Ok(stored)
    }

    /// Before the transaction ends: puts its records into the columns, too.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.rows.put_down(self.connection)?;
        self.columns.store(self.connection)
    }

    /// How many of the report's documents are new.
    fn report(&mut self, report: &'c Report, ids: &Ids, received: &Received) -> Result<u64> {
        match report {
            Report::Aggregate(dmarc) => {
                let new = self.dmarc_report(ids.key.as_str(), dmarc, received)?;
                if let (Some(id), Undo::Transaction) = (new, self.undo) {
                    return self.all_records(id, dmarc, ids);
                }
                // One of its records may be among them.
                self.rows.put_down(self.connection)?;
                let steps = Steps {
                    table: "dmarc_reports",
                    heads: heads::dmarc,
                    head: Insert::dmarc_report,
                    has: |insert, at| insert.dmarc_has.exists(at),
                    part: Insert::dmarc_record,
                };
                self.in_parts(&steps, new, dmarc, &dmarc.records, ids, received)
            }
            Report::Tls(tls) => {
                let new = self.tls_report(ids.key.as_str(), tls, received)?;
                let steps = Steps {
                    table: "tls_reports",
                    heads: heads::tls,
                    head: Insert::tls_report,
                    has: |insert, at| insert.tls_has.exists(at),
                    part: Insert::tls_policy,
                };
                self.in_parts(&steps, new, tls, &tls.policies, ids, received)
            }
            Report::Failure(failure) => self.failure(&ids.key, failure, received).map(u64::from),
        }
    }

    /// Takes up the records of a new report.
    fn all_records(&mut self, id: i64, report: &'c AggregateReport, ids: &Ids) -> Result<u64> {
        let mut created = 0;
        for record in self.rows.take_up(id, &ids.parts, &report.records) {
            self.columns.record(self.connection, self.names, id, record)?;
            created += 1;
        }
        Ok(created)
    }

    /// Stores the records or policies of a report whose row is new, or there. All of a key are under
    /// the row that came first; those of a mail with another head name a row of its own, made for the
    /// first that is new.
    fn in_parts<R, P>(
        &mut self,
        steps: &Steps<'c, R, P>,
        new: Option<i64>,
        report: &R,
        parts: &[P],
        ids: &Ids,
        received: &Received,
    ) -> Result<u64> {
        // No more than 63 bits are set.
        let parts = ids.parts.iter().map(|part| part.cast_signed()).zip(parts);
        let Heads { first, other } = match new {
            Some(first) => Heads { first, other: None },
            None => (steps.heads)(self.connection, &ids.key, report, received)?,
        };
        let mut created = 0;
        let mut head = None;
        for (part, value) in parts {
            if let (None, Some(other)) = (head, &other) {
                if (steps.has)(self, [first, part])? {
                    continue;
                }
                head = (steps.head)(self, other, report, received)?;
                if head.is_none() {
                    head = heads::id(self.connection, steps.table, other)?;
                }
            }
            created += u64::from((steps.part)(self, first, part, head, value)?);
        }
        Ok(created)
    }

    /// The id of the new row; nothing if there is one of this key.
    fn dmarc_report(
        &mut self,
        key: &str,
        report: &AggregateReport,
        received: &Received,
    ) -> Result<Option<i64>> {
        let AggregateReport { metadata, policy_published: policy, .. } = report;
        let is_new = self.dmarc_report.execute(params![
            key,
            report.version.as_deref(),
            metadata.org_name.as_deref(),
            metadata.email.as_deref(),
            metadata.extra_contact_info.as_deref(),
            &*metadata.report_id,
            metadata.date_range.begin,
            metadata.date_range.end,
            json_list(&metadata.error),
            metadata.generator.as_deref(),
            policy.domain.as_deref(),
            policy.adkim.as_deref(),
            policy.aspf.as_deref(),
            policy.p.as_deref(),
            policy.sp.as_deref(),
            policy.np.as_deref(),
            policy.pct,
            policy.fo.as_deref(),
            policy.testing.as_deref(),
            policy.discovery_method.as_deref(),
            received.message_id.as_deref(),
            heads::second(received),
            received.from.as_deref(),
            authenticated(received),
            json_list(report.repairs.names()),
            integer(report.lost as u64),
        ])?;
        if is_new == 0 {
            return Ok(None);
        }
        let id = self.connection.last_insert_rowid();
        // Another head of a report has no records of its own.
        if key.len() == KEY_DIGITS {
            let head = ReportHead::of(id, report);
            self.columns.begin(self.connection, self.names, &head, false)?;
        }
        Ok(Some(id))
    }

    /// True if the record is new.
    fn dmarc_record(
        &mut self,
        report: i64,
        part: i64,
        head: Option<i64>,
        record: &Record,
    ) -> Result<bool> {
        let Record { row, identifiers, auth_results: _ } = record;
        let evaluated = &row.policy_evaluated;
        let is_new = self.dmarc_record.execute(params![
            report,
            part,
            head,
            row.source_ip.map(|ip| ip.to_string()),
            integer(row.count),
            evaluated.disposition.as_deref(),
            evaluated.dkim.as_deref(),
            evaluated.spf.as_deref(),
            identifiers.header_from.as_deref(),
            identifiers.envelope_from.as_deref(),
            identifiers.envelope_to.as_deref(),
        ])?;
        if is_new == 0 {
            return Ok(false);
        }
        self.columns.record(self.connection, self.names, report, record)?;
        rows::put_results_of(self.connection, report, part, record)?;
        Ok(true)
    }
}

/// What the receiving server said of the mail, as JSON.
fn authenticated(received: &Received) -> Option<String> {
    received
        .authenticated
        .as_ref()
        .and_then(|authenticated| serde_json::to_string(authenticated).ok())
}

/// True if the report is to blame, and trying again would give the same: what SQLite says of a
/// value, not of the file. All else counts as an outage, since a mail that waits is not lost.
pub(crate) fn is_about_content(error: &Error) -> bool {
    match error.sqlite_error_code() {
        Some(code) => {
            matches!(
                code,
                ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig
            )
        }
        None => matches!(error, Error::ToSqlConversionFailure(_)),
    }
}

/// SQLite's integers are signed. A number that does not fit is nonsense or an attack; it stays the
/// largest.
fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A JSON array, or nothing for an empty list.
fn json_list<T: AsRef<str>>(list: &[T]) -> Option<String> {
    let list: Vec<&str> = list.iter().map(AsRef::as_ref).collect();
    (!list.is_empty()).then(|| serde_json::Value::from(list).to_string())
}
