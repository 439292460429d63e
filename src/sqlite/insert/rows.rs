//! Rows: the records of new reports, many a statement; and what belongs to a record.
//!
//! Of a new report every record is new, so none has to be looked for. In the order of their keys
//! each goes behind the last row, where SQLite's cursor stands already.

use rusqlite::{
    Connection, Result, params_from_iter,
    types::{ToSqlOutput, Value},
};

use crate::report::{
    Text,
    aggregate::{DkimResult, OverrideReason, Record, SpfResult},
};

/// Rows a statement.
const TOGETHER: usize = 32;

/// Records that are still to be put into the tables.
#[derive(Default)]
pub(super) struct Rows<'r>(Vec<Row<'r>>);

#[derive(Clone, Copy)]
struct Row<'r> {
    report: i64,
    part: i64,
    record: &'r Record,
}

impl<'r> Rows<'r> {
    /// Takes up the records of a new report; those of equal identity once. Gives those that were
    /// taken up.
    pub(super) fn take_up(
        &mut self,
        report: i64,
        parts: &[u64],
        records: &'r [Record],
    ) -> impl Iterator<Item = &'r Record> + use<'_, 'r> {
        // No more than 63 bits are set.
        let row = |(part, record): (&u64, _)| Row { report, part: part.cast_signed(), record };
        let mut rows: Vec<Row<'r>> = parts.iter().zip(records).map(row).collect();
        rows.sort_by_key(|row| row.part);
        rows.dedup_by_key(|row| row.part);
        let before = self.0.len();
        self.0.append(&mut rows);
        self.0[before..].iter().map(|row| row.record)
    }

    /// Puts all of them into the tables.
    pub(super) fn put_down(&mut self, connection: &Connection) -> Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        put(connection, RECORDS, self.0.iter().map(Row::record))?;
        put_results(connection, &self.0)?;
        self.0.clear();
        Ok(())
    }
}

/// Puts into the tables what belongs to a record that is there.
pub(super) fn put_results_of(
    connection: &Connection,
    report: i64,
    part: i64,
    record: &Record,
) -> Result<()> {
    put_results(connection, &[Row { report, part, record }])
}

fn put_results(connection: &Connection, rows: &[Row]) -> Result<()> {
    put(connection, REASONS, rows.iter().flat_map(Row::reasons))?;
    put(connection, SPF_RESULTS, rows.iter().flat_map(Row::spf_results))?;
    put(connection, DKIM_RESULTS, rows.iter().flat_map(Row::dkim_results))
}

/// What a table gets a row, and its columns.
type Columns<const N: usize> = (&'static str, [&'static str; N]);

const RECORDS: Columns<10> = (
    "dmarc_records",
    [
        "report",
        "record",
        "source_ip",
        "count",
        "disposition",
        "dkim",
        "spf",
        "header_from",
        "envelope_from",
        "envelope_to",
    ],
);
const REASONS: Columns<5> =
    ("dmarc_override_reasons", ["report", "record", "n", "type", "comment"]);
const SPF_RESULTS: Columns<7> =
    ("dmarc_spf_results", ["report", "record", "n", "domain", "scope", "result", "human_result"]);
const DKIM_RESULTS: Columns<7> = (
    "dmarc_dkim_results",
    ["report", "record", "n", "domain", "selector", "result", "human_result"],
);

impl Row<'_> {
    fn record(&self) -> [ToSqlOutput<'_>; 10] {
        let Record { row, identifiers, auth_results: _ } = self.record;
        let evaluated = &row.policy_evaluated;
        let address = row.source_ip.map(|ip| Value::Text(ip.to_string()));
        [
            self.report.into(),
            self.part.into(),
            ToSqlOutput::Owned(address.unwrap_or(Value::Null)),
            super::integer(row.count).into(),
            text(evaluated.disposition.as_ref()),
            text(evaluated.dkim.as_ref()),
            text(evaluated.spf.as_ref()),
            text(identifiers.header_from.as_ref()),
            text(identifiers.envelope_from.as_ref()),
            text(identifiers.envelope_to.as_ref()),
        ]
    }

    fn reasons(&self) -> impl Iterator<Item = [ToSqlOutput<'_>; 5]> {
        (0_i64..).zip(&self.record.row.policy_evaluated.reason).map(move |(n, reason)| {
            let OverrideReason { kind, comment } = reason;
            let [kind, comment] = [kind, comment].map(|one| text(one.as_ref()));
            [self.report.into(), self.part.into(), n.into(), kind, comment]
        })
    }

    fn spf_results(&self) -> impl Iterator<Item = [ToSqlOutput<'_>; 7]> {
        (0_i64..).zip(&self.record.auth_results.spf).map(move |(n, one)| {
            let SpfResult { domain, scope, result, human_result } = one;
            self.result(n, [domain, scope, result, human_result])
        })
    }

    fn dkim_results(&self) -> impl Iterator<Item = [ToSqlOutput<'_>; 7]> {
        (0_i64..).zip(&self.record.auth_results.dkim).map(move |(n, one)| {
            let DkimResult { domain, selector, result, human_result } = one;
            self.result(n, [domain, selector, result, human_result])
        })
    }

    fn result<'t>(&self, n: i64, texts: [&'t Option<Text>; 4]) -> [ToSqlOutput<'t>; 7] {
        let [one, two, three, four] = texts.map(|one| text(one.as_ref()));
        [self.report.into(), self.part.into(), n.into(), one, two, three, four]
    }
}

fn text(text: Option<&Text>) -> ToSqlOutput<'_> {
    text.map_or(ToSqlOutput::Owned(Value::Null), |text| text.as_str().into())
}

/// The statement for so many rows. With `OR FAIL` nothing is kept to take back a part of them: the
/// transaction is given up.
fn statement<const N: usize>((table, columns): Columns<N>, rows: usize) -> String {
    let one = format!("({})", ["?"; N].join(","));
    let all = vec![one.as_str(); rows].join(",");
    format!("INSERT OR FAIL INTO {table} ({}) VALUES {all}", columns.join(","))
}

fn put<'v, const N: usize>(
    connection: &Connection,
    columns: Columns<N>,
    mut rows: impl Iterator<Item = [ToSqlOutput<'v>; N]>,
) -> Result<()> {
    let mut some = Vec::with_capacity(TOGETHER);
    let mut many = None;
    loop {
        some.clear();
        some.extend(rows.by_ref().take(TOGETHER));
        if some.len() < TOGETHER {
            break;
        }
        let many = match &mut many {
            Some(many) => many,
            none => none.insert(connection.prepare_cached(&statement(columns, TOGETHER))?),
        };
        many.execute(params_from_iter(some.as_flattened()))?;
    }
    if some.is_empty() {
        return Ok(());
    }
    let mut one = connection.prepare_cached(&statement(columns, 1))?;
    some.iter().try_for_each(|row| one.execute(params_from_iter(row)).map(drop))
}
