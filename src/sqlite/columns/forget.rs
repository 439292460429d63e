//! Forget: takes reports that are deleted out of the columns.

use std::collections::HashMap;

use rusqlite::{Connection, Result, Row};

use super::segment::{Address, Needed, Run, Segment, broken, read_runs};

/// Takes out the reports of these rows, each with the second at which its period begins. Reports
/// that came after each other are in the same segments mostly.
pub(in crate::sqlite) fn forget(
    connection: &Connection,
    reports: &HashMap<i64, i64>,
) -> Result<()> {
    let is_of_them = |row: &Row| {
        let runs = read_runs(row.get_ref("runs")?.as_blob()?).map_err(broken)?;
        Ok((row.get("id")?, runs.iter().any(|run| reports.contains_key(&run.report))))
    };
    let segments = connection
        .prepare_cached("SELECT id, runs FROM dmarc_columns WHERE last >= ? AND first <= ?")?
        .query_map([reports.values().min(), reports.values().max()], is_of_them)?
        .collect::<Result<Vec<(i64, bool)>>>()?;
    let sql = format!(
        "SELECT sums IS NOT NULL AS is_sorted, runs, {} FROM dmarc_columns WHERE id = ?",
        Needed::ALL.columns()
    );
    for (id, _) in segments.into_iter().filter(|(_, is_of_them)| *is_of_them) {
        let read = |row: &Row| {
            let is_sorted = row.get("is_sorted")?;
            Ok(Segment { is_sorted, ..Segment::read(row, Needed::ALL)? })
        };
        let kept = connection.prepare_cached(&sql)?.query_row([id], read)?.without(reports);
        connection.prepare_cached("DELETE FROM dmarc_columns WHERE id = ?")?.execute([id])?;
        if !kept.runs.is_empty() {
            // Where it was: sorted ones come first.
            kept.store(connection, Some(id))?;
        }
    }
    Ok(())
}

impl Segment {
    /// All but the reports of these rows.
    fn without(&self, reports: &HashMap<i64, i64>) -> Segment {
        let mut kept = Segment::default();
        let mut records = self.records();
        for run in &self.runs {
            let is_kept = !reports.contains_key(&run.report);
            if is_kept {
                kept.runs.push(Run { records: 0, ..*run });
            }
            for _ in 0..run.records {
                let record = records.next();
                if !is_kept {
                    continue;
                }
                match record.address {
                    Address::V4(v4) => kept.v4.push(v4),
                    Address::V6(v6) => kept.v6.push(v6),
                    Address::None => {}
                }
                let combination = self.combinations.get(self.evidence[record.at]);
                kept.push(self.codes[record.at], record.messages, combination);
            }
        }
        // Only then combinations that are alike become one.
        let mut packed = Segment { is_sorted: self.is_sorted, ..Segment::default() };
        packed.append(kept);
        packed
    }
}
