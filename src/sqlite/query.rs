//! Query: a store opened to be read, and which of its reports are to be.

use std::path::Path;

use rusqlite::{Connection, Result, Transaction};

use super::{OpenError, answers::StoreAnswers, columns::Naming, open_to_read};
use crate::{
    answers::{Answers, Filter},
    senders::Operators,
};

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

/// A store opened to be asked.
#[derive(Debug)]
pub struct Reader {
    pub(super) connection: Connection,
}

impl Reader {
    /// Opens a store that exists; nothing in it is changed.
    ///
    /// # Errors
    /// [`OpenError`] says why that is impossible.
    pub fn open(path: &Path) -> std::result::Result<Reader, OpenError> {
        open_to_read(path).map(|connection| Reader { connection })
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
