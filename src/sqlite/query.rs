//! Query: a store opened to be read, and which of its reports are to be.

use std::{path::Path, time::Instant};

use rusqlite::{Connection, Result, Transaction};

use super::{
    OpenError, answers::StoreAnswers, columns::Naming, open_to_read, renew::open_renewed,
    unused::data_version,
};
use crate::{
    answers::{Answers, Filter},
    senders::Operators,
};

/// Steps of SQLite's machine, some tenths of a millisecond, between two looks at the clock.
const STEPS: i32 = 10_000;

/// Which reports are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Their periods begin at or after this second.
    pub since: Option<i64>,
    /// Their periods begin before this second.
    pub until: Option<i64>,
    /// Their policy is that of this domain or one below it.
    pub domain: Option<String>,
}

impl Selection {
    /// True if nothing is left out.
    pub(crate) fn is_all(&self) -> bool {
        self.since.is_none_or(|since| since == i64::MIN)
            && self.until.is_none_or(|until| until == i64::MAX)
            && self.domain.is_none()
    }
}

/// A store opened to be asked.
#[derive(Debug)]
pub struct Reader {
    pub(super) connection: Connection,
}

impl Reader {
    /// Opens a store that exists. One of an older version is brought up to date first, which may
    /// take minutes; else nothing in it is changed.
    ///
    /// # Errors
    /// [`OpenError`] says why that is impossible.
    pub fn open(path: &Path) -> std::result::Result<Reader, OpenError> {
        open_renewed(path).map(|connection| Reader { connection })
    }

    /// The same for who can't wait: one of an older version is refused.
    ///
    /// # Errors
    /// [`OpenError`] says why that is impossible.
    pub(crate) fn open_as_it_is(path: &Path) -> std::result::Result<Reader, OpenError> {
        open_to_read(path).map(|connection| Reader { connection })
    }

    /// Another number once somebody else has changed the file: of two that this reader is told.
    ///
    /// # Errors
    /// SQLite can't read the file.
    pub(crate) fn version(&self) -> Result<i64> {
        data_version(&self.connection)
    }

    /// From this moment on all questions fail, those that are being answered, too.
    ///
    /// # Errors
    /// SQLite does not let itself be watched.
    pub fn give_up_at(&mut self, end: Instant) -> Result<()> {
        self.connection.progress_handler(STEPS, Some(move || Instant::now() >= end))
    }

    /// What the store says at this moment, and goes on to say while reports come in.
    ///
    /// # Errors
    /// SQLite can't read the file.
    pub fn answers(&mut self) -> Result<StoreAnswers<'_>> {
        self.answers_by(Operators::own())
    }

    /// The same, with the names of senders by other lists than our own.
    ///
    /// # Errors
    /// SQLite can't read the file.
    pub fn answers_by<'c>(&'c mut self, operators: &'c Operators) -> Result<StoreAnswers<'c>> {
        let reports = self.reports(&Selection::default())?;
        Ok(StoreAnswers { reports, naming: Naming::new(operators) })
    }

    /// When the newest report begins, in seconds since 1970.
    ///
    /// # Errors
    /// SQLite can't read the file.
    pub fn newest(&mut self) -> Result<Option<i64>> {
        self.answers()?.newest(&Filter::default())
    }
}

/// The selected DMARC reports as `r`. A domain is compared in small letters without the dot at its
/// end, and with a dot in front, so that the end of `.mail.example.org` is `.example.org` and that
/// of `.badexample.org` is not.
pub(super) const DMARC_REPORTS: &str = "\
WITH r AS (
    SELECT id, period_begin, lower(rtrim(coalesce(domain, ''), '.')) AS domain FROM dmarc_reports
    WHERE period_begin >= :since AND period_begin < :until AND length(report_key) = 16
        AND (:domain IS NULL OR substr('.' || lower(rtrim(domain, '.')), -length(:domain)) = :domain)
)";

/// The selected TLS policies as `p`.
pub(super) const TLS_POLICIES: &str = "\
WITH p AS (
    SELECT p.*, period_begin, lower(rtrim(coalesce(policy_domain, ''), '.')) AS domain
    FROM tls_reports r JOIN tls_policies p ON p.report = r.id
    WHERE period_begin >= :since AND period_begin < :until
        AND (:domain IS NULL OR substr('.' || lower(rtrim(policy_domain, '.')), -length(:domain)) = :domain)
)";

/// The selected failure reports as `f`. One without a date is counted to 1970, as everywhere.
pub(super) const FAILURES: &str = "\
WITH f AS (
    SELECT id, coalesce(arrival_date, 0) AS arrival FROM dmarc_failures
    WHERE coalesce(arrival_date, 0) >= :since AND coalesce(arrival_date, 0) < :until
        AND (:domain IS NULL OR EXISTS (
            SELECT 1 FROM json_each(reported_domain)
            WHERE substr('.' || lower(rtrim(value, '.')), -length(:domain)) = :domain
        ))
)";

/// One moment of a store, seen through a selection.
pub(super) struct Snapshot<'c> {
    pub(super) transaction: Transaction<'c>,
    pub(super) since: i64,
    pub(super) until: i64,
    /// With a dot in front.
    pub(super) domain: Option<String>,
}

impl<'c> Snapshot<'c> {
    pub(super) fn new(transaction: Transaction<'c>, selection: &Selection) -> Self {
        let fold = |domain: &String| format!(".{}", domain.trim_matches('.').to_ascii_lowercase());
        Snapshot {
            transaction,
            since: selection.since.unwrap_or(i64::MIN),
            until: selection.until.unwrap_or(i64::MAX),
            domain: selection.domain.as_ref().map(fold),
        }
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::ErrorCode;

    use super::*;
    use crate::sqlite::Store;

    #[test]
    fn a_question_without_end_ends_when_its_time_is_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("store.sqlite");
        drop(Store::open(&path).expect("a store"));
        let mut reader = Reader::open(&path).expect("opened");
        reader.give_up_at(Instant::now()).expect("watched");
        let endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)
                       SELECT max(x) FROM n";
        let answer = reader.connection.query_row(endless, (), |row| row.get::<_, i64>(0));
        let code = answer.expect_err("given up").sqlite_error_code();
        assert_eq!(code, Some(ErrorCode::OperationInterrupted));
    }
}
