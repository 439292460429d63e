//! Fill: the columns of a store that was made before there were any.

use std::time::{Duration, Instant};

use rusqlite::{Connection, Result};
use tracing::info;

use super::{Batch, Names, ReportHead};
use crate::sqlite::read;

/// How often progress is told.
const EVERY: Duration = Duration::from_secs(2);

/// Records that are put into columns at once.
const RECORDS: usize = 20_000;

/// The step to version 9.
pub(in crate::sqlite) fn fill(connection: &Connection) -> Result<()> {
    let mut reports = connection
        .prepare("SELECT * FROM dmarc_reports WHERE length(report_key) = 16 ORDER BY id")?;
    let count = "SELECT count(*) FROM dmarc_reports WHERE length(report_key) = 16";
    let all: i64 = connection.query_row(count, (), |row| row.get(0))?;
    let (mut batch, mut names) = (Batch::default(), Names::default());
    let mut rows = reports.query(())?;
    let (mut told, mut done) = (Instant::now(), 0_i64);
    if all > 0 {
        info!("bringing the store up to date: {all} reports");
    }
    while let Some(row) = rows.next()? {
        let report = row.get("id")?;
        let head = read::dmarc_head(row)?;
        let head = ReportHead::of(report, &head);
        batch.begin(connection, &mut names, &head, false)?;
        read::each_record(connection, report, |record| {
            batch.record(connection, &mut names, report, record)
        })?;
        batch.keep();
        if batch.len() >= RECORDS {
            batch.store(connection)?;
        }
        done += 1;
        if told.elapsed() >= EVERY {
            told = Instant::now();
            info!("bringing the store up to date: {} %", done * 100 / all.max(1));
        }
    }
    batch.store(connection)
}
