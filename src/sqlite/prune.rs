//! Prune: old reports are deleted, in transactions so small that others who store and read hardly
//! wait, and the room in the file is given back.

use std::{
    collections::HashMap,
    env, fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rusqlite::{Connection, ErrorCode, Result};

use super::{Store, columns, schema::begin, session};
use crate::{
    report::Kind,
    stop::{Stop, Stopped},
};

/// Reports deleted in one transaction, and records after which it ends sooner.
const REPORTS: usize = 200;
const RECORDS: u64 = 5000;

/// From a tenth of the file on that is free it is written anew. Less is soon filled again.
const WORTH_IT: u64 = 10;

/// How long others who write are waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// What was deleted, or would be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pruned {
    /// Reports with records, policies, or failures.
    pub(crate) reports: u64,
    /// Records, policies, or failures.
    pub(crate) documents: u64,
}

/// What became of the room that is free in the file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// So many bytes were given back.
    Given(u64),
    /// They are, as soon as nobody reads what was there before.
    Soon(u64),
    /// So little is free that it stays, for reports to come.
    Kept(u64),
    /// Writing the file anew takes more bytes in a folder than are free there.
    TooLittle { folder: PathBuf, needed: u64, free: u64 },
}

/// For each kind: its reports as `r` with when they begin and a number of parts each, of which
/// those before `?1` are old. A failure report without a date is as old as the mail that brought
/// it.
fn old(kind: Kind) -> &'static str {
    match kind {
        Kind::Dmarc => {
            "SELECT id, period_begin AS begins,
                 (SELECT count(*) FROM dmarc_records WHERE report = r.id) AS parts
             FROM dmarc_reports r WHERE period_begin < ?1 AND length(report_key) = 16"
        }
        Kind::Tls => {
            "SELECT id, period_begin AS begins,
                 (SELECT count(*) FROM tls_policies WHERE report = r.id) AS parts
             FROM tls_reports r WHERE period_begin < ?1 AND length(report_key) = 16"
        }
        Kind::Failure => {
            "SELECT id, coalesce(arrival_date, received_at, stored_at) AS begins, 1 AS parts
             FROM dmarc_failures r WHERE begins < ?1"
        }
    }
}

fn table(kind: Kind) -> &'static str {
    match kind {
        Kind::Dmarc => "dmarc_reports",
        Kind::Tls => "tls_reports",
        Kind::Failure => "dmarc_failures",
    }
}

/// How much of a kind begins before this second.
pub(crate) fn count(connection: &Connection, kind: Kind, before: i64) -> Result<Pruned> {
    let sql = format!("SELECT count(*), coalesce(sum(parts), 0) FROM ({})", old(kind));
    connection.query_row(&sql, [before], |row| {
        let number = |n| row.get(n).map(|number: i64| number.cast_unsigned());
        Ok(Pruned { reports: number(0)?, documents: number(1)? })
    })
}

/// Why not all was deleted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PruneError {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error("stopped")]
    Stopped,
    #[error("the file was moved or replaced")]
    Moved,
    #[error("can't find out how much room there is in {}: {error}", folder.display())]
    Room { folder: PathBuf, error: io::Error },
}

impl From<Stopped> for PruneError {
    fn from(_: Stopped) -> PruneError {
        PruneError::Stopped
    }
}

impl Store {
    /// Deletes what begins before this second, and counts in `pruned` what is gone for good.
    pub(crate) fn prune(
        &mut self,
        kind: Kind,
        before: i64,
        stop: &Stop,
        pruned: &mut Pruned,
    ) -> Result<(), PruneError> {
        let mut is_noted = false;
        loop {
            stop.check()?;
            if !self.is_in_place() {
                return Err(PruneError::Moved);
            }
            let batch = patiently(stop, || self.prune_some(kind, before, !is_noted))?;
            if batch.reports == 0 {
                break;
            }
            is_noted = true;
            pruned.reports += batch.reports;
            pruned.documents += batch.documents;
        }
        // Rows that are only heads, once there is no record any more that names them.
        if kind != Kind::Failure {
            let table = table(kind);
            let sql = format!(
                "DELETE FROM {table} AS h WHERE period_begin < ? AND length(report_key) > 16
                 AND NOT EXISTS (SELECT 1 FROM {table} WHERE report_key = substr(h.report_key, 1, 16))"
            );
            patiently(stop, || self.connection.execute(&sql, [before]))?;
        }
        Ok(())
    }

    /// One transaction. Records and what belongs to them go with their report (`ON DELETE
    /// CASCADE`). `notes` has it leave a trace: ids are given again, and a store with others in
    /// place of these must not look the same ([`super::read::Reports::mark`]).
    fn prune_some(&mut self, kind: Kind, before: i64, notes: bool) -> Result<Pruned> {
        let transaction = begin(&mut self.connection)?;
        let mut pruned = Pruned::default();
        let mut deleted = HashMap::new();
        {
            let sql = format!("{} ORDER BY id LIMIT {REPORTS}", old(kind));
            let mut reports = transaction.prepare_cached(&sql)?;
            let reports = reports
                .query_map([before], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
                .collect::<Result<Vec<(i64, i64, i64)>>>()?;
            let sql = format!("DELETE FROM {} WHERE id = ?", table(kind));
            let mut delete = transaction.prepare_cached(&sql)?;
            for (id, begin, parts) in reports {
                delete.execute([id])?;
                deleted.insert(id, begin);
                pruned.reports += 1;
                pruned.documents += parts.cast_unsigned();
                if pruned.documents >= RECORDS {
                    break;
                }
            }
        }
        if kind == Kind::Dmarc && !deleted.is_empty() {
            columns::forget(&transaction, &deleted)?;
        }
        if notes && pruned.reports > 0 {
            session::leave_trace(&transaction)?;
        }
        transaction.commit()?;
        Ok(pruned)
    }

    /// Writes the file anew without what is free in it, if that is worth it and there is room for
    /// it: once as a temporary file, and once in the log. Others can read meanwhile; who stores
    /// waits.
    pub(crate) fn give_room_back(&self, stop: &Stop) -> Result<Room, PruneError> {
        let number = |name: &str| {
            let sql = format!("PRAGMA {name}");
            self.connection.query_row(&sql, (), |row| row.get(0)).map(i64::cast_unsigned)
        };
        let (size, all, free) =
            (number("page_size")?, number("page_count")?, number("freelist_count")?);
        let freed = free * size;
        if free == 0 || free * WORTH_IT < all {
            return Ok(Room::Kept(freed));
        }
        let folder = self.log.store.parent().unwrap_or(Path::new("/")).to_owned();
        if let Some(too_little) = too_little((all - free) * size, folder)? {
            return Ok(too_little);
        }
        // Not in memory, as for what else is temporary.
        self.connection.pragma_update(None, "temp_store", "file")?;
        patiently(stop, || self.connection.execute_batch("VACUUM"))?;
        let is_done = self.checkpoint();
        if !self.is_in_place() {
            return Err(PruneError::Moved);
        }
        Ok(if is_done { Room::Given(freed) } else { Room::Soon(freed) })
    }
}

/// Tries again while others write.
pub(super) fn patiently<T>(
    stop: &Stop,
    mut attempt: impl FnMut() -> Result<T>,
) -> Result<T, PruneError> {
    let since = Instant::now();
    loop {
        match attempt() {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && since.elapsed() < PATIENCE =>
            {
                stop.sleep(Duration::from_millis(100))?;
            }
            result => return Ok(result?),
        }
    }
}

/// The folder where so many bytes, and some more, can't be written.
fn too_little(bytes: u64, folder: PathBuf) -> Result<Option<Room>, PruneError> {
    let with_reserve = bytes + bytes / 10 + (1 << 20);
    let temporary = temporary_folder();
    let device =
        |folder: &Path| fs::metadata(folder).map(|m| std::os::unix::fs::MetadataExt::dev(&m));
    let is_same = matches!((device(&temporary), device(&folder)), (Ok(a), Ok(b)) if a == b);
    let needs = if is_same {
        vec![(folder, 2 * with_reserve)]
    } else {
        vec![(folder, with_reserve), (temporary, with_reserve)]
    };
    for (folder, needed) in needs {
        let free = match rustix::fs::statvfs(&folder) {
            Ok(system) => system.f_bavail.saturating_mul(system.f_frsize),
            Err(error) => return Err(PruneError::Room { folder, error: error.into() }),
        };
        if free < needed {
            return Ok(Some(Room::TooLittle { folder, needed, free }));
        }
    }
    Ok(None)
}

/// Where SQLite makes temporary files (<https://www.sqlite.org/tempfiles.html>, section 5).
fn temporary_folder() -> PathBuf {
    let named = ["SQLITE_TMPDIR", "TMPDIR"].into_iter().filter_map(env::var_os).map(PathBuf::from);
    let usual = ["/var/tmp", "/usr/tmp", "/tmp"].map(PathBuf::from);
    let access = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
    let is_usable =
        |folder: &PathBuf| folder.is_dir() && rustix::fs::access(folder, access).is_ok();
    named.chain(usual).find(is_usable).unwrap_or_else(|| ".".into())
}
