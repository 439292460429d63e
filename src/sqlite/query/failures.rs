//! Failures: what failure reports say, in numbers. Each report is about one mail, or stands for
//! several.

use std::collections::HashMap;

use rusqlite::{Result, Row};

use super::{DETAILS, Snapshot, cut, number};
use crate::sqlite::summary::{Counted, FailureDomain, Failures};

/// The selected failure reports as `f`. One without a date is counted to 1970, as everywhere.
pub(in crate::sqlite) const FAILURES: &str = "\
WITH f AS (
    SELECT id, coalesce(arrival_date, 0) AS arrival FROM dmarc_failures
    WHERE coalesce(arrival_date, 0) >= :since AND coalesce(arrival_date, 0) < :until
        AND (:domain IS NULL OR EXISTS (
            SELECT 1 FROM json_each(reported_domain)
            WHERE substr('.' || lower(rtrim(value, '.')), -length(:domain)) = :domain
        ))
)";

/// Their mails as `m`, once for each domain that a report names.
const MAILS: &str = "\
m AS (
    SELECT DISTINCT t.id, t.source_ip, t.auth_failure, t.delivery_result,
        max(coalesce(t.incidents, 1), 0) AS messages, lower(rtrim(coalesce(j.value, ''), '.')) AS domain
    FROM f JOIN dmarc_failures t USING (id) LEFT JOIN json_each(t.reported_domain) j
    WHERE :domain IS NULL OR substr('.' || lower(rtrim(j.value, '.')), -length(:domain)) = :domain
)";

impl Snapshot<'_> {
    pub(super) fn failures(&self) -> Result<Failures> {
        let all = format!(
            "{FAILURES} SELECT count(*) AS reports,
                CAST(total(max(coalesce(incidents, 1), 0)) AS INTEGER) AS messages
             FROM f JOIN dmarc_failures USING (id)"
        );
        let row = |row: &Row| Ok((number(row, "reports")?, number(row, "messages")?));
        let mut failures = Failures::default();
        for (reports, messages) in self.list(&all, row)? {
            (failures.reports, failures.messages) = (reports, messages);
        }
        if failures.reports == 0 {
            return Ok(failures);
        }
        failures.domains = self.failed_domains()?;
        failures.domains_omitted = cut(&mut failures.domains, self.top);
        self.failure_details(&mut failures.domains)?;
        Ok(failures)
    }

    fn failed_domains(&self) -> Result<Vec<FailureDomain>> {
        let sql = format!(
            "{FAILURES}, {MAILS}
             SELECT domain, count(*) AS reports, CAST(total(messages) AS INTEGER) AS messages
             FROM m GROUP BY domain ORDER BY total(messages) DESC, reports DESC, domain"
        );
        self.list(&sql, |row| {
            let (domain, reports) = (row.get("domain")?, number(row, "reports")?);
            Ok(FailureDomain {
                domain,
                reports,
                messages: number(row, "messages")?,
                ..FailureDomain::default()
            })
        })
    }

    /// The most frequent sources, failures and deliveries of these domains, all by one walk.
    fn failure_details(&self, domains: &mut [FailureDomain]) -> Result<()> {
        let sql = format!(
            "{FAILURES}, {MAILS},
            details AS (
                SELECT id, domain, messages, 'source' AS kind, source_ip AS value FROM m
                UNION ALL SELECT id, domain, messages, 'delivery', lower(delivery_result) FROM m
                UNION ALL SELECT DISTINCT m.id, domain, messages, 'failure', lower(j.value)
                FROM m LEFT JOIN json_each(m.auth_failure) j
            ),
            sums AS (
                SELECT domain, kind, value, CAST(total(messages) AS INTEGER) AS messages FROM details
                GROUP BY domain, kind, value
            ),
            ranked AS (
                SELECT *, row_number() OVER (PARTITION BY domain, kind ORDER BY messages DESC, value) AS rank FROM sums
            )
            SELECT domain, kind, value, messages FROM ranked WHERE rank <= {DETAILS} ORDER BY domain, kind, rank"
        );
        let row = |row: &Row| {
            let detail = Counted { value: row.get("value")?, messages: number(row, "messages")? };
            Ok((row.get::<_, String>("domain")?, row.get::<_, String>("kind")?, detail))
        };
        let details = self.list(&sql, row)?;
        let mut listed: HashMap<String, &mut FailureDomain> =
            domains.iter_mut().map(|domain| (domain.domain.clone(), domain)).collect();
        for (domain, kind, detail) in details {
            let Some(domain) = listed.get_mut(&domain) else { continue };
            match kind.as_str() {
                "source" => domain.sources.push(detail),
                "failure" => domain.auth_failures.push(detail),
                _ => domain.delivery_results.push(detail),
            }
        }
        Ok(())
    }
}
