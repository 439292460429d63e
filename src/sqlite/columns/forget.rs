//! Forget: takes old reports out of the columns.

use rusqlite::{Connection, Result};

use super::segment::{Address, Needed, Run, Segment};

/// Takes out all reports whose periods begin before this second.
pub(in crate::sqlite) fn forget(connection: &Connection, before: i64) -> Result<()> {
    let sql = "SELECT id, last FROM dmarc_columns WHERE first < ?";
    let old = connection
        .prepare_cached(sql)?
        .query_map([before], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<Vec<(i64, i64)>>>()?;
    let columns = Needed::ALL.columns();
    let sql = format!("SELECT {columns} FROM dmarc_columns WHERE id = ?");
    for (id, last) in old {
        if last >= before {
            let read = |row: &rusqlite::Row| Segment::read(row, Needed::ALL);
            connection
                .prepare_cached(&sql)?
                .query_row([id], read)?
                .since(before)
                .store(connection)?;
        }
        connection.prepare_cached("DELETE FROM dmarc_columns WHERE id = ?")?.execute([id])?;
    }
    Ok(())
}

impl Segment {
    /// The reports whose periods begin at this second or later.
    fn since(&self, begin: i64) -> Segment {
        let mut kept = Segment::default();
        let mut records = self.records();
        for run in &self.runs {
            let is_kept = run.begin >= begin;
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
        let mut packed = Segment::default();
        packed.append(kept);
        packed
    }
}
