//! Names: the numbers of texts that the columns name.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use rusqlite::{Connection, OptionalExtension, Result};

use crate::sqlite::unused::data_version;

/// Names that are remembered: strangers' reports may bring any number.
const REMEMBERED: usize = 200_000;

/// Names that a writer has met, with their numbers.
#[derive(Debug, Default)]
pub(crate) struct Names {
    known: HashMap<Box<str>, i64, RandomState>,
    /// Those that the transaction brought, which may not come to be.
    new: Vec<Box<str>>,
    /// What the file was when they were met.
    version: Option<i64>,
}

impl Names {
    /// A transaction begins. If another process has changed the file, names may be gone.
    pub(crate) fn begin(&mut self, connection: &Connection) -> Result<()> {
        let version = Some(data_version(connection)?);
        if self.version != version {
            self.known.clear();
            self.version = version;
        }
        Ok(())
    }

    /// The number of a name, which gets one if it has none; 0 for nothing.
    pub(super) fn number(&mut self, connection: &Connection, name: Option<&str>) -> Result<u64> {
        let Some(name) = name else { return Ok(0) };
        if let Some(id) = self.known.get(name) {
            return Ok(id.cast_unsigned());
        }
        let id = if let Some(id) = find(connection, name)? {
            id
        } else {
            let mut insert = connection.prepare_cached("INSERT INTO names (name) VALUES (?)")?;
            self.new.push(name.into());
            insert.insert([name])?
        };
        if self.known.len() == REMEMBERED {
            self.known.clear();
        }
        self.known.insert(name.into(), id);
        Ok(id.cast_unsigned())
    }

    /// What was stored since the last call is on the disk.
    pub(crate) fn committed(&mut self) {
        self.new.clear();
    }

    /// What was stored since the last commit may be gone.
    pub(crate) fn rolled_back(&mut self) {
        for name in self.new.drain(..) {
            self.known.remove(&name);
        }
    }
}

/// The number of a name, if it has one.
pub(super) fn find(connection: &Connection, name: &str) -> Result<Option<i64>> {
    connection
        .prepare_cached("SELECT id FROM names WHERE name = ?")?
        .query_row([name], |row| row.get(0))
        .optional()
}

/// The name of a number; nothing for 0.
pub(super) fn name(connection: &Connection, number: u64) -> Result<Option<String>> {
    if number == 0 {
        return Ok(None);
    }
    connection
        .prepare_cached("SELECT name FROM names WHERE id = ?")?
        .query_row([number.cast_signed()], |row| row.get(0))
        .optional()
}
