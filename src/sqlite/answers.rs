//! Answers: what an SQLite store says to the questions of [`crate::answers`]: of DMARC records from
//! its columns, of all else from its tables.

use std::{collections::HashMap, net::IpAddr, slice};

use rusqlite::{Connection, Result, Row, named_params};

use super::{
    addresses,
    columns::{Naming, NewestReports, Scan, Summed},
    read::{self, Reports, count},
};
use crate::{
    answers::{
        Answers, By, Choice, FailureRow, FailureSums, Filter, Groups, Histories, ListedReport,
        ListedReports, NameBelow, NamesBelow, Published, PublishedDays, ReportName, StoredDocument,
        Tally, TlsDay, TlsDays, TlsRow, TlsSums, folded,
        overview::{Failures, Tls},
    },
    document::Portion,
    report::{Kind, Text, aggregate::PolicyPublished},
    senders::Host,
};

/// One moment of a store.
pub struct StoreAnswers<'c> {
    pub(super) reports: Reports<'c>,
    pub(super) naming: Naming<'c>,
}

const TLS_POLICIES: &str = "\
SELECT p.report, r.organization_name, p.policy_domain, p.policy_type, p.successful_sessions, p.failed_sessions,
       r.report_id, r.period_begin
FROM tls_reports r CROSS JOIN tls_policies p ON p.report = r.id
WHERE (:since IS NULL OR r.period_begin >= :since) AND (:until IS NULL OR r.period_begin < :until)";

const TLS_FAILURES: &str = "\
SELECT p.report, r.organization_name, p.policy_domain, p.policy_type, f.result_type, f.failed_sessions
FROM tls_reports r CROSS JOIN tls_policies p ON p.report = r.id
    CROSS JOIN tls_failure_details f USING (report, policy)
WHERE (:since IS NULL OR r.period_begin >= :since) AND (:until IS NULL OR r.period_begin < :until)";

/// One without a date is counted to 1970, as everywhere.
const FAILURES: &str = "\
SELECT coalesce(arrival_date, 0) AS arrival, reported_domain, source_ip, auth_failure, delivery_result, incidents, id
FROM dmarc_failures
WHERE (:since IS NULL OR arrival >= :since) AND (:until IS NULL OR arrival < :until)";

impl Answers for StoreAnswers<'_> {
    type Error = rusqlite::Error;

    fn totals(&self, filter: &Filter) -> Result<Tally> {
        Ok(only(self.totals_each(slice::from_ref(filter))?))
    }

    fn groups(&self, filter: &Filter, by: By, top: usize) -> Result<Groups> {
        Ok(only(self.groups_each(slice::from_ref(filter), by, top)?))
    }

    fn histories(&self, filter: &Filter, top: usize) -> Result<Histories> {
        Ok(only(self.histories_each(slice::from_ref(filter), top)?))
    }

    fn totals_each(&self, filters: &[Filter]) -> Result<Vec<Tally>> {
        self.scan(filters)?.totals()
    }

    fn groups_each(&self, filters: &[Filter], by: By, top: usize) -> Result<Vec<Groups>> {
        self.scan(filters)?.groups(by, top)
    }

    fn histories_each(&self, filters: &[Filter], top: usize) -> Result<Vec<Histories>> {
        self.scan(filters)?.histories(top, filters.len())
    }

    fn histories_and_days(
        &self,
        whole: &[Filter],
        days: &[Filter],
        top: usize,
    ) -> Result<(Vec<Histories>, Vec<Histories>)> {
        // Of one look through the store.
        let mut found = self.scan(&[whole, days].concat())?.histories(top, whole.len())?;
        let days = found.split_off(whole.len());
        Ok((found, days))
    }

    fn policy(&self, filter: &Filter) -> Result<Option<PolicyPublished>> {
        Ok(only(self.policy_each(slice::from_ref(filter))?))
    }

    fn policy_each(&self, filters: &[Filter]) -> Result<Vec<Option<PolicyPublished>>> {
        let newest = self.scan(filters)?.newest()?.into_iter();
        newest.map(|newest| self.first_policy(newest)).collect()
    }

    fn tls(&self, filter: &Filter, top: usize) -> Result<Tls> {
        let mut sums = TlsSums::new(filter);
        self.each(TLS_POLICIES, filter, |row| {
            sums.policy(&tls_row(row)?, count(row, 4)?, count(row, 5)?);
            Ok(())
        })?;
        self.each(TLS_FAILURES, filter, |row| {
            sums.failure(&tls_row(row)?, row.get_ref(4)?.as_str_or_null()?, count(row, 5)?);
            Ok(())
        })?;
        Ok(sums.finish(top))
    }

    fn failures(&self, filter: &Filter, top: usize) -> Result<Failures> {
        let mut sums = FailureSums::new(filter);
        self.each(FAILURES, filter, |row| {
            sums.add(&failure_row(row)?);
            Ok(())
        })?;
        Ok(sums.finish(top))
    }

    fn tls_days(&self, filter: &Filter) -> Result<Vec<TlsDay>> {
        let mut days = TlsDays::new(filter);
        self.each(TLS_POLICIES, filter, |row| {
            let TlsRow { organization, domain, .. } = tls_row(row)?;
            days.add(row.get(7)?, organization, domain, [count(row, 4)?, count(row, 5)?]);
            Ok(())
        })?;
        Ok(days.finish())
    }

    fn failure_reports(&self, filter: &Filter, most: usize) -> Result<Vec<StoredDocument>> {
        let mut newest: Vec<(i64, i64)> = Vec::new();
        self.each(FAILURES, filter, |row| {
            if failure_row(row)?.is_meant(filter) {
                newest.push((row.get("arrival")?, row.get("id")?));
            }
            Ok(())
        })?;
        newest.sort_unstable_by(|one, other| other.cmp(one));
        let mut found = Vec::new();
        for (_, id) in newest.into_iter().take(most) {
            self.reports.one(Kind::Failure, id, &mut |portion| {
                found.extend(documents(&portion));
                Ok::<_, rusqlite::Error>(())
            })?;
        }
        Ok(found)
    }

    fn hosts(&self, addresses: &[IpAddr]) -> Result<HashMap<IpAddr, Host>> {
        let mut hosts = addresses::known(self.transaction(), &addresses.iter().copied().collect())?;
        hosts.retain(|_, host| !host.is_unknown());
        Ok(hosts)
    }

    fn report(&self, name: &ReportName, most: usize) -> Result<Vec<StoredDocument>> {
        let sql = match name.kind {
            Kind::Dmarc => {
                "SELECT id FROM dmarc_reports WHERE period_begin = ? AND report_id = ? AND org_name IS ?
                 AND length(report_key) = 16"
            }
            Kind::Tls => {
                "SELECT id FROM tls_reports WHERE period_begin = ? AND report_id = ? AND organization_name IS ?
                 AND length(report_key) = 16"
            }
            Kind::Failure => return Ok(Vec::new()),
        };
        let mut statement = self.transaction().prepare_cached(sql)?;
        let ids = statement
            .query_map((name.begin, &name.report_id, &name.organization), |row| row.get(0))?
            .collect::<Result<Vec<i64>>>()?;
        let mut found = Vec::new();
        for id in ids {
            self.reports.one(name.kind, id, &mut |portion| {
                found.extend(documents(&portion));
                Ok::<_, rusqlite::Error>(())
            })?;
        }
        found.sort_by(|one, other| one.id.cmp(&other.id));
        found.truncate(most);
        Ok(found)
    }

    fn reports(&self, kind: Kind, filter: &Filter, most: usize) -> Result<Vec<ListedReport>> {
        let mut reports = ListedReports::default();
        match kind {
            Kind::Dmarc => {
                let newest = self.scan(slice::from_ref(filter))?.newest_reports(most)?;
                let sql = "SELECT org_name, report_id, domain FROM dmarc_reports WHERE id = ?";
                let mut head = self.transaction().prepare_cached(sql)?;
                for Summed { report, begin, messages, pass } in newest {
                    head.query_row([report], |row| {
                        let (organization, report_id) = (row.get(0)?, row.get(1)?);
                        let domain = row.get_ref(2)?.as_str_or_null()?.unwrap_or_default();
                        let name = ReportName { kind, organization, report_id, begin };
                        reports.add(name, domain, messages, pass);
                        Ok(())
                    })?;
                }
            }
            Kind::Tls => self.each(TLS_POLICIES, filter, |row| {
                let policy = tls_row(row)?;
                let domain = policy.domain.unwrap_or_default();
                if filter.lets_organization(policy.organization)
                    && filter.lets_domain(&folded(domain))
                {
                    let organization = policy.organization.map(str::to_owned);
                    let (report_id, begin) = (row.get(6)?, row.get(7)?);
                    let name = ReportName { kind, organization, report_id, begin };
                    let (good, failed) = (count(row, 4)?, count(row, 5)?);
                    reports.add(name, domain, good.saturating_add(failed), good);
                }
                Ok(())
            })?,
            Kind::Failure => {}
        }
        Ok(reports.finish(most))
    }

    fn published(&self, filter: &Filter) -> Result<Vec<Published>> {
        let mut days = PublishedDays::default();
        // Records are not looked at.
        self.scan(slice::from_ref(filter))?.policies(&mut days)?;
        Ok(days.finish())
    }

    fn names_below(&self, filter: &Filter, domain: &str, top: usize) -> Result<Vec<NameBelow>> {
        let filter = Filter {
            since: filter.since,
            until: filter.until,
            domains: Choice::of(domain.to_owned()),
            exactly: true,
            ..Filter::default()
        };
        let domain = folded(domain);
        let mut names = NamesBelow::new(&domain);
        self.scan(slice::from_ref(&filter))?.below(&mut names)?;
        Ok(names.finish(top))
    }

    fn newest(&self, filter: &Filter) -> Result<Option<i64>> {
        let of_domains = Filter {
            domains: filter.domains.clone(),
            exactly: filter.exactly,
            ..Filter::default()
        };
        let dmarc = only(self.scan(slice::from_ref(&of_domains))?.newest()?);
        let mut newest = dmarc.map(|(begin, _)| begin);
        let mut note = |begin: i64| newest = newest.max(Some(begin));
        let sql = "SELECT r.period_begin, p.policy_domain FROM tls_reports r
                   CROSS JOIN tls_policies p ON p.report = r.id ORDER BY r.period_begin DESC";
        let begin = self.first_of(sql, &of_domains, |row| {
            Ok(vec![read::text(row, "policy_domain")?.unwrap_or_default()])
        })?;
        begin.into_iter().for_each(&mut note);
        let sql = "SELECT coalesce(arrival_date, 0), reported_domain FROM dmarc_failures
                   ORDER BY arrival_date DESC";
        let arrival = self.first_of(sql, &of_domains, |row| {
            let domains = read::list(row, "reported_domain")?;
            Ok(if domains.is_empty() { vec![Text::default()] } else { domains })
        })?;
        arrival.into_iter().for_each(note);
        Ok(newest)
    }
}

fn documents(portion: &Portion) -> impl Iterator<Item = StoredDocument> {
    let documents = portion.documents();
    (0..documents.len()).map(move |n| {
        let (mut id, mut source) = (Vec::new(), Vec::new());
        documents.write_id(n, &mut id);
        documents.write_source(n, &mut source);
        StoredDocument {
            id: String::from_utf8_lossy(&id).into_owned(),
            // What was written is JSON.
            source: serde_json::from_slice(&source).unwrap_or_default(),
        }
    })
}

impl StoreAnswers<'_> {
    fn scan<'f>(&'f self, filters: &'f [Filter]) -> Result<Scan<'f>> {
        Scan::new(self.transaction(), filters, &self.naming)
    }

    /// The policy of the first of these reports, by reporter and report id.
    fn first_policy(&self, newest: Option<NewestReports>) -> Result<Option<PolicyPublished>> {
        // Of the first reporter only: there may be thousands of reports.
        let mut first = None;
        for (organization, reports) in newest.map(|(_, reports)| reports).unwrap_or_default() {
            let name = self.naming.text(self.transaction(), organization)?;
            let name = (name.is_none(), name);
            if first.as_ref().is_none_or(|(first, _)| name < *first) {
                first = Some((name, reports));
            }
        }
        let mut head =
            self.transaction().prepare_cached("SELECT * FROM dmarc_reports WHERE id = ?")?;
        let mut heads = first
            .into_iter()
            .flat_map(|(_, reports)| reports)
            .map(|report| head.query_row([report], read::dmarc_head))
            .collect::<Result<Vec<_>>>()?;
        heads.sort_by(|one, other| one.metadata.report_id.cmp(&other.metadata.report_id));
        Ok(heads.into_iter().next().map(|head| head.policy_published))
    }

    fn transaction(&self) -> &Connection {
        self.reports.transaction()
    }

    fn each(
        &self,
        sql: &str,
        filter: &Filter,
        mut take: impl FnMut(&Row) -> Result<()>,
    ) -> Result<()> {
        let mut statement = self.transaction().prepare_cached(sql)?;
        let params = named_params! { ":since": filter.since, ":until": filter.until };
        let mut rows = statement.query(params)?;
        while let Some(row) = rows.next()? {
            take(row)?;
        }
        Ok(())
    }

    /// The number in the first row one of whose domains is meant.
    fn first_of(
        &self,
        sql: &str,
        filter: &Filter,
        domains: impl Fn(&Row) -> Result<Vec<Text>>,
    ) -> Result<Option<i64>> {
        let mut statement = self.transaction().prepare_cached(sql)?;
        let mut rows = statement.query(())?;
        while let Some(row) = rows.next()? {
            if domains(row)?.iter().any(|domain| filter.lets_domain(&folded(domain))) {
                return row.get(0).map(Some);
            }
        }
        Ok(None)
    }
}

/// What was answered to the one filter.
fn only<T>(answers: Vec<T>) -> T {
    answers.into_iter().next().expect("an answer to each filter")
}

fn tls_row<'r>(row: &'r Row) -> Result<TlsRow<'r, i64>> {
    Ok(TlsRow {
        report: row.get(0)?,
        organization: row.get_ref(1)?.as_str_or_null()?,
        domain: row.get_ref(2)?.as_str_or_null()?,
        policy_type: row.get_ref(3)?.as_str_or_null()?,
    })
}

fn failure_row(row: &Row) -> Result<FailureRow> {
    let incidents: Option<i64> = row.get("incidents")?;
    Ok(FailureRow {
        domains: read::list(row, "reported_domain")?,
        source: read::address(row, "source_ip")?,
        auth_failure: read::list(row, "auth_failure")?,
        delivery_result: read::text(row, "delivery_result")?,
        incidents: incidents.map(|number| u64::try_from(number).unwrap_or(0)),
    })
}
