//! Situations: those that were told, beside the reports.

use rusqlite::{Result, Row, params};

use super::{Store, query::Reader, schema::begin};
use crate::changes::{
    ChangeKind,
    situations::{Situation, SituationKey, SituationStep, Told},
};

const KEEP: &str =
    "INSERT OR REPLACE INTO situations (way, kind, domain, who, opened, found, grade, text)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
const DROP: &str = "DELETE FROM situations WHERE way = ? AND kind = ? AND domain = ? AND who = ?";

impl Reader {
    /// The situations that were told. Those of a kind that only a later version knows are not seen.
    ///
    /// # Errors
    /// SQLite can't read the file.
    pub(crate) fn situations(&self) -> Result<Told> {
        let sql = "SELECT way, kind, domain, who, opened, found, grade, text FROM situations";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(())?;
        let mut told = Told::new();
        while let Some(row) = rows.next()? {
            if let Some(situation) = situation(row)? {
                told.entry(row.get("way")?).or_default().push(situation);
            }
        }
        Ok(told)
    }
}

impl Store {
    /// Keeps what was told by a way, on the disk when this returns.
    ///
    /// # Errors
    /// SQLite can't write the file.
    pub(crate) fn keep_told(&mut self, way: &str, step: &SituationStep) -> Result<()> {
        let transaction = begin(&mut self.connection)?;
        for SituationKey { kind, domain, who } in &step.dropped {
            transaction.prepare_cached(DROP)?.execute((way, kind.word(), domain, who))?;
        }
        for Situation { key: SituationKey { kind, domain, who }, opened, found, grade, text } in
            &step.kept
        {
            let row = params![way, kind.word(), domain, who, opened, found, grade, text];
            transaction.prepare_cached(KEEP)?.execute(row)?;
        }
        transaction.commit()
    }
}

fn situation(row: &Row) -> Result<Option<Situation>> {
    let Some(kind) = ChangeKind::from_word(row.get_ref("kind")?.as_str()?) else { return Ok(None) };
    Ok(Some(Situation {
        key: SituationKey { kind, domain: row.get("domain")?, who: row.get("who")? },
        opened: row.get("opened")?,
        found: row.get("found")?,
        grade: row.get("grade")?,
        text: row.get("text")?,
    }))
}
