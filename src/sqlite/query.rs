//! Query: what a store can be asked: sums over the reports of a period.
//!
//! A report belongs to a period if its own period begins in it: each report is counted in exactly
//! one of two periods that follow each other, which an overlap would not give.

pub(super) mod failures;

use std::{collections::HashMap, path::Path};

use self::failures::FAILURES;
use super::{
    OpenError, open_to_read,
    summary::{
        Disposition, Dmarc, Domain, Messages, Overview, RawResult, Source, Tls, TlsFailure,
        TlsPolicy,
    },
};
use rusqlite::{Connection, Result, Row, Transaction, named_params};

/// How many raw results or ways to fail are told of one source or policy: the most frequent ones. A
/// stranger's report may name any number.
const DETAILS: usize = 10;

/// Which reports are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Their periods begin at or after this second.
    pub since: Option<i64>,
    /// Their periods begin before this second.
    pub until: Option<i64>,
    /// Their policy is that of this domain or one below it.
    pub domain: Option<String>,
    /// How many domains, sources and policies are listed.
    pub top: usize,
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

    /// True if there is no report at all.
    ///
    /// # Errors
    /// SQLite can't read the file.
    pub fn is_empty(&mut self) -> Result<bool> {
        Ok(self.newest()?.is_none())
    }

    /// When the newest report begins, in seconds since 1970.
    ///
    /// # Errors
    /// SQLite can't read the file.
    pub fn newest(&mut self) -> Result<Option<i64>> {
        let snapshot = Snapshot::new(self.connection.transaction()?, &Selection::default());
        snapshot.newest(None)
    }

    /// Sums up the selected reports. All numbers are of one moment, even while reports come in.
    ///
    /// # Errors
    /// SQLite can't read the file.
    pub fn summary(&mut self, selection: &Selection) -> Result<Overview> {
        let snapshot = Snapshot::new(self.connection.transaction()?, selection);
        let newest_of_all = snapshot.newest(None)?;
        let newest = if snapshot.domain.is_none() {
            newest_of_all
        } else {
            snapshot.newest(snapshot.domain.as_deref())?
        };
        Ok(Overview {
            dmarc: snapshot.dmarc()?,
            tls: snapshot.tls()?,
            failure: snapshot.failures()?,
            newest,
            newest_of_all,
        })
    }
}

/// Reads the sums of [`Messages`] of records `d`. `total` does not fail where `sum` would overflow,
/// as a forged report may well make it; the cast stops at the largest integer, and is exact up to
/// 2^53.
const MESSAGES: &str = "\
CAST(total(d.count) AS INTEGER) AS messages,
CAST(total(d.count) FILTER (WHERE d.spf = 'pass' OR d.dkim = 'pass') AS INTEGER) AS pass,
CAST(total(d.count) FILTER (WHERE d.spf = 'pass') AS INTEGER) AS spf_aligned,
CAST(total(d.count) FILTER (WHERE d.dkim = 'pass') AS INTEGER) AS dkim_aligned,
CAST(total(d.count) FILTER (WHERE d.disposition = 'none') AS INTEGER) AS d_none,
CAST(total(d.count) FILTER (WHERE d.disposition = 'pass') AS INTEGER) AS d_pass,
CAST(total(d.count) FILTER (WHERE d.disposition = 'quarantine') AS INTEGER) AS d_quarantine,
CAST(total(d.count) FILTER (WHERE d.disposition = 'reject') AS INTEGER) AS d_reject,
CAST(total(d.count) FILTER
    (WHERE d.disposition IS NULL OR d.disposition NOT IN ('none', 'pass', 'quarantine', 'reject')) AS INTEGER) AS d_other";

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

/// One moment of a store, seen through a selection.
pub(super) struct Snapshot<'c> {
    pub(super) transaction: Transaction<'c>,
    pub(super) since: i64,
    pub(super) until: i64,
    /// With a dot in front.
    pub(super) domain: Option<String>,
    top: usize,
}

impl<'c> Snapshot<'c> {
    pub(super) fn new(transaction: Transaction<'c>, selection: &Selection) -> Self {
        let fold = |domain: &String| format!(".{}", domain.trim_matches('.').to_ascii_lowercase());
        Snapshot {
            transaction,
            since: selection.since.unwrap_or(i64::MIN),
            until: selection.until.unwrap_or(i64::MAX),
            domain: selection.domain.as_ref().map(fold),
            top: selection.top,
        }
    }

    fn dmarc(&self) -> Result<Dmarc> {
        let mut domains = self.domains()?;
        let (sources, sources_in_all) = self.sources()?;
        let mut all = Dmarc::default();
        for domain in &domains {
            all.reports += domain.reports;
            all.messages.add(&domain.messages);
        }
        all.domains_omitted = cut(&mut domains, self.top);
        all.sources_omitted = sources_in_all.saturating_sub(sources.len() as u64);
        Ok(Dmarc { domains, sources, ..all })
    }

    fn domains(&self) -> Result<Vec<Domain>> {
        let sql = format!(
            "{DMARC_REPORTS} SELECT r.domain, count(DISTINCT r.id) AS reports, {MESSAGES}
             FROM r LEFT JOIN dmarc_records d ON d.report = r.id
             GROUP BY r.domain ORDER BY messages DESC, reports DESC, r.domain"
        );
        self.list(&sql, |row| {
            Ok(Domain {
                domain: row.get("domain")?,
                reports: number(row, "reports")?,
                messages: Messages::from_row(row)?,
            })
        })
    }

    /// The sources with most messages, and the number of all.
    fn sources(&self) -> Result<(Vec<Source>, u64)> {
        let sql = format!(
            "{DMARC_REPORTS} SELECT d.source_ip, {MESSAGES}, count(*) OVER () AS sources
             FROM r JOIN dmarc_records d ON d.report = r.id
             GROUP BY d.source_ip ORDER BY messages DESC, d.source_ip LIMIT {}",
            // Without a row there is no number of all.
            self.top.max(1)
        );
        let mut sources_in_all = 0;
        let mut sources = self.list(&sql, |row| {
            sources_in_all = number(row, "sources")?;
            let (source_ip, messages) = (row.get("source_ip")?, Messages::from_row(row)?);
            Ok(Source { source_ip, messages, spf: Vec::new(), dkim: Vec::new() })
        })?;
        sources.truncate(self.top);
        for (source, result) in self.raw_results("dmarc_spf_results", &sources)? {
            sources[source].spf.push(result);
        }
        for (source, result) in self.raw_results("dmarc_dkim_results", &sources)? {
            sources[source].dkim.push(result);
        }
        Ok((sources, sources_in_all))
    }

    /// The most frequent raw results of each of these sources, with the source's place in the list.
    /// One walk through the records for all of them: an index on the sources would make storing a
    /// record take half as long again.
    fn raw_results(&self, table: &str, sources: &[Source]) -> Result<Vec<(usize, RawResult)>> {
        // Joined in this order, whatever SQLite thinks of it: it would walk through all records for
        // each source. A record may have several results of a domain; its messages count once.
        let sql = format!(
            "{DMARC_REPORTS}, d AS (
                SELECT DISTINCT d.report, d.record, coalesce(d.source_ip, '') AS source, d.count,
                    lower(rtrim(a.domain, '.')) AS domain, a.result
                FROM r CROSS JOIN dmarc_records d ON d.report = r.id CROSS JOIN {table} a USING (report, record)
                WHERE coalesce(d.source_ip, '') IN (SELECT value FROM json_each(:sources))
            ),
            sums AS (
                SELECT source, domain, result, CAST(total(count) AS INTEGER) AS messages FROM d
                GROUP BY source, domain, result
            ),
            ranked AS (
                SELECT *, row_number() OVER (PARTITION BY source ORDER BY messages DESC, domain, result) AS rank FROM sums
            )
            SELECT source, domain, result, messages FROM ranked WHERE rank <= {DETAILS} ORDER BY source, rank"
        );
        let addresses =
            sources.iter().map(|source| source.source_ip.as_deref().unwrap_or_default());
        let places: HashMap<&str, usize> = addresses.clone().zip(0..).collect();
        let mut statement = self.transaction.prepare(&sql)?;
        let params = named_params! {
            ":since": self.since, ":until": self.until, ":domain": self.domain,
            ":sources": addresses.collect::<serde_json::Value>().to_string()
        };
        let results = statement.query_map(params, |row| {
            let (domain, result) = (row.get("domain")?, row.get("result")?);
            let result = RawResult { domain, result, messages: number(row, "messages")? };
            Ok(places.get(row.get_ref("source")?.as_str()?).map(|place| (*place, result)))
        })?;
        results.filter_map(Result::transpose).collect()
    }

    fn tls(&self) -> Result<Tls> {
        let reports = format!("{TLS_POLICIES} SELECT count(DISTINCT report) AS reports FROM p");
        let mut all = Tls {
            reports: self.list(&reports, |row| number(row, "reports"))?.iter().sum(),
            ..Tls::default()
        };
        let sql = format!(
            "{TLS_POLICIES} SELECT domain, policy_type, count(DISTINCT report) AS reports,
                CAST(total(successful_sessions) AS INTEGER) AS successful,
                CAST(total(failed_sessions) AS INTEGER) AS failed
             FROM p GROUP BY domain, policy_type
             ORDER BY total(successful_sessions) + total(failed_sessions) DESC, domain, policy_type"
        );
        all.policies = self.list(&sql, |row| {
            Ok(TlsPolicy {
                policy_domain: row.get("domain")?,
                policy_type: row.get("policy_type")?,
                reports: number(row, "reports")?,
                successful_sessions: number(row, "successful")?,
                failed_sessions: number(row, "failed")?,
                failures: Vec::new(),
            })
        })?;
        for policy in &all.policies {
            all.successful_sessions =
                all.successful_sessions.saturating_add(policy.successful_sessions);
            all.failed_sessions = all.failed_sessions.saturating_add(policy.failed_sessions);
        }
        all.policies_omitted = cut(&mut all.policies, self.top);
        self.tls_failures(&mut all.policies)?;
        Ok(all)
    }

    /// The most frequent failures of these policies, by one walk for all of them.
    fn tls_failures(&self, policies: &mut [TlsPolicy]) -> Result<()> {
        let sql = format!(
            "{TLS_POLICIES}, sums AS (
                SELECT p.domain, p.policy_type, f.result_type, CAST(total(f.failed_sessions) AS INTEGER) AS sessions
                FROM p JOIN tls_failure_details f USING (report, policy)
                GROUP BY p.domain, p.policy_type, f.result_type
            ),
            ranked AS (
                SELECT *, row_number()
                    OVER (PARTITION BY domain, policy_type ORDER BY sessions DESC, result_type) AS rank
                FROM sums
            )
            SELECT * FROM ranked WHERE rank <= {DETAILS} ORDER BY domain, policy_type, rank"
        );
        let failures = self.list(&sql, |row| {
            let failure = TlsFailure {
                result_type: row.get("result_type")?,
                sessions: number(row, "sessions")?,
            };
            Ok(((row.get("domain")?, row.get("policy_type")?), failure))
        })?;
        let mut listed: HashMap<(String, Option<String>), &mut TlsPolicy> = policies
            .iter_mut()
            .map(|policy| ((policy.policy_domain.clone(), policy.policy_type.clone()), policy))
            .collect();
        for (policy, failure) in failures {
            if let Some(policy) = listed.get_mut(&policy) {
                policy.failures.push(failure);
            }
        }
        Ok(())
    }

    /// When the newest report of a domain, given as in [`Snapshot::domain`], begins, whatever its
    /// period.
    fn newest(&self, domain: Option<&str>) -> Result<Option<i64>> {
        let sql = format!(
            "SELECT max(newest) FROM (
                SELECT * FROM ({DMARC_REPORTS} SELECT max(period_begin) AS newest FROM r)
                UNION ALL SELECT * FROM ({TLS_POLICIES} SELECT max(period_begin) FROM p)
                UNION ALL SELECT * FROM ({FAILURES} SELECT max(arrival) FROM f)
            )"
        );
        let params = named_params! { ":since": i64::MIN, ":until": i64::MAX, ":domain": domain };
        self.transaction.query_row(&sql, params, |row| row.get(0))
    }

    /// All rows of a question that has no other parameters than the selection.
    fn list<T>(&self, sql: &str, row: impl FnMut(&Row) -> Result<T>) -> Result<Vec<T>> {
        let mut statement = self.transaction.prepare(sql)?;
        let params =
            named_params! { ":since": self.since, ":until": self.until, ":domain": self.domain };
        statement.query_map(params, row)?.collect()
    }
}

impl Messages {
    fn from_row(row: &Row) -> Result<Messages> {
        Ok(Messages {
            messages: number(row, "messages")?,
            pass: number(row, "pass")?,
            spf_aligned: number(row, "spf_aligned")?,
            dkim_aligned: number(row, "dkim_aligned")?,
            disposition: Disposition {
                none: number(row, "d_none")?,
                pass: number(row, "d_pass")?,
                quarantine: number(row, "d_quarantine")?,
                reject: number(row, "d_reject")?,
                other: number(row, "d_other")?,
            },
        })
    }
}

/// A count; never negative unless the tables were changed by hand.
fn number(row: &Row, column: &str) -> Result<u64> {
    row.get(column).map(|number: i64| u64::try_from(number).unwrap_or(0))
}

/// Keeps the first ones; tells how many went.
fn cut<T>(list: &mut Vec<T>, top: usize) -> u64 {
    let cut = list.len().saturating_sub(top);
    list.truncate(top);
    cut as u64
}
