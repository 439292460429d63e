//! Unused: names and addresses of which no report speaks any more go, so that nothing is left of
//! reports that were deleted, and nobody asks for names of their hosts.
//!
//! What is used is read out of the columns before the lock is taken, since that takes a second for
//! some million records. If others stored something meanwhile it is read again, at last under the
//! lock.

use std::net::IpAddr;

use rusqlite::{Connection, Result};

use super::{
    Store,
    columns::Unused,
    prune::{PruneError, patiently},
    schema::begin,
};
use crate::stop::Stop;

/// So often it is tried without holding up others.
const ATTEMPTS: usize = 2;

impl Store {
    /// Deletes what no report speaks of.
    pub(crate) fn forget_unused(&mut self, stop: &Stop) -> Result<(), PruneError> {
        for attempt in 0..=ATTEMPTS {
            stop.check()?;
            if !self.is_in_place() {
                return Err(PruneError::Moved);
            }
            if patiently(stop, || self.try_to_forget(attempt == ATTEMPTS))? {
                break;
            }
        }
        Ok(())
    }

    /// False if others stored something meanwhile.
    fn try_to_forget(&mut self, under_lock: bool) -> Result<bool> {
        let mut transaction = if under_lock {
            begin(&mut self.connection)?
        } else {
            self.connection.transaction()?
        };
        let unused = Unused::find(&transaction)?;
        if unused.is_empty() {
            return Ok(true);
        }
        if !under_lock {
            let before = data_version(&transaction)?;
            transaction.commit()?;
            transaction = begin(&mut self.connection)?;
            if data_version(&transaction)? != before {
                return Ok(false);
            }
        }
        unused.delete(&transaction)?;
        transaction.commit()?;
        Ok(true)
    }
}

/// Another number once another connection has changed the file.
pub(super) fn data_version(connection: &Connection) -> Result<i64> {
    connection.query_row("PRAGMA data_version", (), |row| row.get(0))
}

impl Unused {
    fn find(connection: &Connection) -> Result<Unused> {
        let mut unused = Unused::default();
        let mut names = connection.prepare("SELECT id FROM names")?;
        for id in names.query_map((), |row| row.get::<_, i64>(0))? {
            unused.names.insert(id?.cast_unsigned());
        }
        let mut addresses = connection.prepare("SELECT address FROM addresses")?;
        for address in addresses.query_map((), |row| row.get::<_, String>(0))? {
            // All were written as addresses.
            unused.addresses.extend(address?.parse::<IpAddr>());
        }
        if !unused.is_empty() {
            unused.strike_out_columns(connection)?;
        }
        let sql = "SELECT source_ip FROM dmarc_failures WHERE source_ip IS NOT NULL";
        let mut failures = connection.prepare(sql)?;
        for address in failures.query_map((), |row| row.get::<_, String>(0))? {
            if let Ok(address) = address?.parse() {
                unused.addresses.remove(&address);
            }
        }
        Ok(unused)
    }

    fn is_empty(&self) -> bool {
        self.names.is_empty() && self.addresses.is_empty()
    }

    fn delete(&self, connection: &Connection) -> Result<()> {
        let mut name = connection.prepare("DELETE FROM names WHERE id = ?")?;
        for id in &self.names {
            name.execute([id.cast_signed()])?;
        }
        let mut host = connection.prepare("DELETE FROM addresses WHERE address = ?")?;
        for address in &self.addresses {
            host.execute([address.to_string()])?;
        }
        Ok(())
    }
}
