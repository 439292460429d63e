//! Schema: the tables of the store, and how a store of an older version comes to have them.

use rusqlite::{Connection, Result, Transaction, TransactionBehavior};

use super::{columns, rekey};

/// Marks the file as a store of this program ("ERPS"), in the header of the SQLite file where
/// `file` finds it, too.
pub(super) const APPLICATION_ID: i32 = 0x4552_5053;

/// Leads from one version to the next; a released step never changes.
struct Migration {
    sql: &'static str,
    /// What SQL can't do, after it.
    then: fn(&Connection) -> Result<()>,
}

/// Migration `n` leads from version `n` to version `n + 1`.
const STEPS: &[Migration] = &[
    Migration { sql: include_str!("schema_1.sql"), then: |_| Ok(()) },
    Migration { sql: include_str!("schema_2.sql"), then: rekey::fill },
    Migration { sql: include_str!("schema_3.sql"), then: rekey::failures },
    Migration { sql: include_str!("schema_4.sql"), then: |_| Ok(()) },
    // Columns are filled by the last of these steps.
    Migration { sql: include_str!("schema_5.sql"), then: |_| Ok(()) },
    Migration { sql: include_str!("schema_6.sql"), then: |_| Ok(()) },
    Migration { sql: include_str!("schema_7.sql"), then: |_| Ok(()) },
    Migration { sql: include_str!("schema_8.sql"), then: |_| Ok(()) },
    Migration { sql: include_str!("schema_9.sql"), then: columns::fill },
];

/// What the file says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// No table and no mark: a new file.
    Empty,
    /// A store of this program, of an older version or the current one.
    Known(usize),
    /// A store of this program's future.
    Newer,
    /// A database of another program.
    Foreign,
}

impl Version {
    /// The version that this program writes.
    pub(super) const CURRENT: Version = Version::Known(STEPS.len());

    /// Reads the version.
    pub(super) fn of(connection: &Connection) -> Result<Version> {
        Version::among(STEPS, connection)
    }

    fn among(steps: &[Migration], connection: &Connection) -> Result<Version> {
        // One statement, so that all comes from one moment.
        let sql = "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema)
                   FROM pragma_application_id, pragma_user_version";
        let row = |row: &rusqlite::Row| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        let (application, version, tables): (i32, i64, i64) = connection.query_row(sql, (), row)?;
        Ok(match (application, usize::try_from(version)) {
            (0, Ok(0)) if tables == 0 => Version::Empty,
            (APPLICATION_ID, Ok(version)) if version <= steps.len() => Version::Known(version),
            (APPLICATION_ID, _) => Version::Newer,
            _ => Version::Foreign,
        })
    }
}

/// Begins a transaction of a writer. A process that has the store open since before it was brought
/// up to date would leave out what only a newer version knows.
///
/// # Errors
/// SQLite can't write the file, or another version does by now.
pub(crate) fn begin(connection: &mut Connection) -> Result<Transaction<'_>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    expect_current(&transaction)?;
    Ok(transaction)
}

/// In a transaction: the store is of the version that this program knows.
///
/// # Errors
/// SQLite can't read the file, or it is of another one by now.
pub(super) fn expect_current(transaction: &Connection) -> Result<()> {
    if Version::of(transaction)? == Version::CURRENT {
        return Ok(());
    }
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_SCHEMA);
    let reason = "it was changed by another version of email-report-processor; start again with \
                  that version";
    Err(rusqlite::Error::SqliteFailure(code, Some(reason.into())))
}

/// Brings an empty file or a store of an older version to the current one, in one transaction. Two
/// processes may try it at the same time.
pub(super) fn migrate(connection: &mut Connection) -> Result<()> {
    migrate_by(STEPS, connection)
}

fn migrate_by(steps: &[Migration], connection: &mut Connection) -> Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Looked at again: another process may have been faster.
    let done = match Version::among(steps, &transaction)? {
        Version::Empty => 0,
        Version::Known(version) => version,
        Version::Newer | Version::Foreign => return Ok(()),
    };
    for step in &steps[done..] {
        transaction.execute_batch(step.sql)?;
        (step.then)(&transaction)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(
        None,
        "user_version",
        i64::try_from(steps.len()).unwrap_or(i64::MAX),
    )?;
    transaction.commit()
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn step(sql: &'static str) -> Migration {
        Migration { sql, then: |_| Ok(()) }
    }

    fn memory() -> Connection {
        Connection::open_in_memory().expect("memory")
    }

    #[test]
    fn an_older_store_is_brought_up_to_date_and_keeps_its_rows() {
        let first = "CREATE TABLE mails (name TEXT) STRICT";
        let second =
            "ALTER TABLE mails ADD COLUMN size INTEGER; UPDATE mails SET size = length(name)";
        let mut connection = memory();
        migrate_by(&[step(first)], &mut connection).expect("version 1");
        connection.execute("INSERT INTO mails VALUES ('four')", ()).expect("insert");
        migrate_by(&[step(first), step(second)], &mut connection).expect("version 2");
        migrate_by(&[step(first), step(second)], &mut connection).expect("nothing to do");
        let size: i64 =
            connection.query_row("SELECT size FROM mails", (), |row| row.get(0)).expect("one row");
        assert_eq!(size, 4);
        assert_eq!(
            Version::among(&[step(first), step(second)], &connection),
            Ok(Version::Known(2))
        );
        assert_eq!(Version::among(&[step(first)], &connection), Ok(Version::Newer));
    }

    /// All that there is of reports and records, in one line.
    fn told(connection: &Connection) -> String {
        let sql = "SELECT (SELECT count(*) FROM dmarc_reports) || ' ' ||
                          (SELECT count(*) || ' ' || sum(count) FROM dmarc_records)";
        connection.query_row(sql, (), |row| row.get(0)).expect("one row")
    }

    #[test]
    fn from_each_version_a_way_leads_to_the_newest() {
        let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/store-1.sqlite");
        let folder = tempfile::tempdir().expect("a folder");
        let at_once = folder.path().join("at-once");
        std::fs::copy(fixture, &at_once).expect("copied");
        let mut connection = Connection::open(&at_once).expect("opened");
        migrate(&mut connection).expect("brought up to date");
        let expected = told(&connection);
        for stop in 2..STEPS.len() {
            let file = folder.path().join(stop.to_string());
            std::fs::copy(fixture, &file).expect("copied");
            let mut connection = Connection::open(&file).expect("opened");
            migrate_by(&STEPS[..stop], &mut connection).expect("a version between");
            assert_eq!(Version::of(&connection), Ok(Version::Known(stop)));
            migrate(&mut connection).expect("brought up to date");
            assert_eq!(Version::of(&connection), Ok(Version::CURRENT));
            assert_eq!(told(&connection), expected, "by way of version {stop}");
        }
    }

    #[test]
    fn a_step_that_fails_changes_nothing() {
        let mut connection = memory();
        let first = "CREATE TABLE a (x ANY) STRICT";
        migrate_by(
            &[step(first), step("CREATE TABLE b (x ANY) STRICT; nonsense")],
            &mut connection,
        )
        .expect_err("nonsense");
        assert_eq!(Version::among(&[step(first)], &connection), Ok(Version::Empty));
    }

    #[test]
    fn other_databases_are_told_apart() {
        let connection = memory();
        assert_eq!(Version::of(&connection), Ok(Version::Empty));
        connection.execute_batch("CREATE TABLE theirs (x)").expect("a table");
        assert_eq!(Version::of(&connection), Ok(Version::Foreign));
    }
}
