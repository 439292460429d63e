//! OpenSearch: what its indices say to the questions of [`crate::answers`]: aggregations, and lists
//! of one moment.
//!
//! The cluster counts DMARC records, so that little is sent; TLS policies and failure reports are
//! few, and are summed up here. What it can't count exactly: distinct values (reports, addresses,
//! senders) where there are thousands, sums above 2^53, and the heaviest of many groups where an
//! index has several shards. An IPv4 address and the same one within IPv6 (`::ffff:0:0/96`) are one
//! to it.

mod below;
pub(crate) mod filter;
mod groups;
mod histories;
mod lease;
mod lists;
mod reports;
mod scripts;
mod senders;
mod situations;
mod tally;

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use self::histories::Depth;
use crate::{
    answers::{
        Answers, By, FailureSums, Filter, Groups, Histories, ListedReport, NameBelow, Published,
        ReportName, StoredDocument, Tally, TlsDay, TlsSums,
        overview::{Failures, Tls},
    },
    document,
    exit::{Exit, Failure},
    report::{Kind, Report, aggregate::PolicyPublished},
    senders::{Host, Operators},
    sink::opensearch::{
        certificates::CertificateError,
        client::{Answer, Client, Unavailable},
        config::OpenSearchConfig,
    },
};

/// The beginning of the report's period.
const BEGIN: &str = "feedback.report_metadata.date_range.begin";

/// Messages of a record.
const COUNT: &str = "feedback.record.row.count";

/// The address that they were sent from.
const ADDRESS: &str = "feedback.record.row.source_ip";

/// A field of what became of them: `disposition`, `dkim` or `spf`.
fn result_field(name: &str) -> String {
    format!("feedback.record.row.policy_evaluated.{name}.keyword")
}

/// An index that is missing has nothing. What only some shards found would be taken for all there
/// is.
const WHOLE: &str =
    "ignore_unavailable=true&allow_no_indices=true&allow_partial_search_results=false";

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// A certificate or key can't be used.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The cluster can't be asked now.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The cluster does not take the question.
    #[error("OpenSearch refuses to answer: {0}")]
    Refused(String),
    /// The answer is not what was asked for.
    #[error("OpenSearch gave an answer that makes no sense: {0}")]
    Senseless(&'static str),
}

impl From<AskError> for Failure {
    fn from(error: AskError) -> Failure {
        let exit = match error {
            AskError::Certificate(_) | AskError::Refused(_) => Exit::Configuration,
            AskError::Unavailable(_) | AskError::Senseless(_) => Exit::TryAgain,
        };
        Failure::new(exit, error)
    }
}

/// A cluster that is asked.
#[derive(Clone, Debug)]
pub struct ClusterAnswers {
    client: Client,
    config: OpenSearchConfig,
    /// Names of senders by other lists than our own.
    operators: Option<Arc<Operators>>,
}

impl ClusterAnswers {
    /// Nothing is sent yet.
    ///
    /// # Errors
    /// A certificate or key can't be used.
    pub fn new(config: OpenSearchConfig) -> Result<ClusterAnswers, AskError> {
        Ok(ClusterAnswers { client: Client::new(&config)?, config, operators: None })
    }

    /// Takes the names of senders from these lists.
    #[must_use]
    pub fn with_names(self, operators: Arc<Operators>) -> ClusterAnswers {
        ClusterAnswers { operators: Some(operators), ..self }
    }

    /// Gives up at this moment, whatever is asked.
    #[must_use]
    pub fn until(self, end: Instant) -> ClusterAnswers {
        ClusterAnswers { client: self.client.until(end), ..self }
    }

    fn operators(&self) -> &Operators {
        self.operators.as_deref().unwrap_or(Operators::own())
    }

    /// The DMARC records of a filter.
    fn records(&self, filter: &Filter) -> Result<Value, AskError> {
        let records = filter::records(filter);
        if filter.senders.is_any() {
            return Ok(records);
        }
        let words = senders::wanted(self, &records, &filter.senders)?;
        Ok(filter::sent_by(&records, &words))
    }

    fn index(&self, kind: Kind) -> String {
        self.config.target(kind).index.wildcard()
    }

    /// Asks for aggregations over the documents of a query. An index that is missing has none.
    fn search(&self, kind: Kind, query: &Value, aggregations: &Value) -> Result<Value, AskError> {
        let path = format!("/{}/_search?{WHOLE}", self.index(kind));
        let body = json!({ "size": 0, "query": query, "aggs": aggregations });
        Ok(self.post(&path, &body)?["aggregations"].take())
    }

    /// Asks; again where the cluster has no room for it at this moment.
    fn post(&self, path: &str, body: &Value) -> Result<Value, AskError> {
        let mut pauses = PAUSES.into_iter().map(Duration::from_millis);
        loop {
            let busy = match self.client.post(path, body) {
                Err(Unavailable::Busy(reason)) => Unavailable::Busy(reason),
                answer => return useful(&answer?),
            };
            let pause = pauses.next().filter(|pause| self.client.has_time_for(*pause));
            thread::sleep(pause.ok_or(busy)?);
        }
    }

    /// The largest value of a date, in seconds since 1970.
    fn newest_of(&self, kind: Kind, query: &Value, field: &str) -> Result<Option<i64>, AskError> {
        let found =
            self.search(kind, query, &json!({ "newest": { "max": { "field": field } } }))?;
        Ok(tally::seconds(&found["newest"]))
    }
}

fn useful(answer: &Answer) -> Result<Value, AskError> {
    if answer.status >= 300 {
        return Err(AskError::Refused(answer.of_shard().unwrap_or_else(|| answer.summary())));
    }
    serde_json::from_slice(&answer.body).map_err(|_| AskError::Senseless("not JSON"))
}

/// Milliseconds for which a cluster that is busy is left alone before it is asked again.
const PAUSES: [u64; 6] = [250, 500, 1000, 2000, 4000, 8000];

/// So many documents that are newer than a report and can't be read are passed over.
const UNREADABLE: usize = 100;

/// Small questions that the cluster has at once: it answers each on few of its threads. Those about
/// senders are asked one by one, since each takes much of a node's memory.
const AT_ONCE: usize = 4;

/// Asks the same of each filter, some at once.
fn each<T: Send>(
    filters: &[Filter],
    ask: impl Fn(&Filter) -> Result<T, AskError> + Sync,
) -> Result<Vec<T>, AskError> {
    let mut answers = Vec::new();
    for some in filters.chunks(AT_ONCE) {
        let found: Vec<Result<T, AskError>> = thread::scope(|scope| {
            let asked: Vec<_> = some.iter().map(|filter| scope.spawn(|| ask(filter))).collect();
            let wait = |asked: thread::ScopedJoinHandle<_>| {
                asked.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            asked.into_iter().map(wait).collect()
        });
        for answer in found {
            answers.push(answer?);
        }
    }
    Ok(answers)
}

fn policy_of(id: &str, source: Value) -> Option<PolicyPublished> {
    match document::read::read(id, source, usize::MAX).ok()?.report {
        Report::Aggregate(report) => Some(report.policy_published),
        Report::Tls(_) | Report::Failure(_) => None,
    }
}

impl Answers for ClusterAnswers {
    type Error = AskError;

    fn totals(&self, filter: &Filter) -> Result<Tally, AskError> {
        let query = self.records(filter)?;
        Ok(tally::read(&self.search(Kind::Dmarc, &query, &tally::aggregations())?))
    }

    fn groups(&self, filter: &Filter, by: By, top: usize) -> Result<Groups, AskError> {
        groups::groups(self, filter, by, top)
    }

    fn histories(&self, filter: &Filter, top: usize) -> Result<Histories, AskError> {
        histories::histories(self, filter, top, Depth::Whole)
    }

    fn totals_each(&self, filters: &[Filter]) -> Result<Vec<Tally>, AskError> {
        each(filters, |filter| self.totals(filter))
    }

    fn histories_and_days(
        &self,
        whole: &[Filter],
        days: &[Filter],
        top: usize,
    ) -> Result<(Vec<Histories>, Vec<Histories>), AskError> {
        let of_days = |filter: &Filter| histories::histories(self, filter, top, Depth::Days);
        let days = days.iter().map(of_days).collect::<Result<_, _>>()?;
        Ok((self.histories_each(whole, top)?, days))
    }

    fn policy_each(&self, filters: &[Filter]) -> Result<Vec<Option<PolicyPublished>>, AskError> {
        each(filters, |filter| self.policy(filter))
    }

    fn policy(&self, filter: &Filter) -> Result<Option<PolicyPublished>, AskError> {
        let order = ["org_name.keyword", "report_id.keyword"]
            .map(|name| json!({ format!("feedback.report_metadata.{name}"): "asc" }));
        let query = filter::reports(filter);
        // What is not a report, since others write into the index, too, is passed over.
        for most in [1, UNREADABLE] {
            let found = lists::newest(self, Kind::Dmarc, &query, (BEGIN, &order), most)?;
            let is_all = found.len() < most;
            let policy = found.into_iter().find_map(|(id, source)| policy_of(&id, source));
            if policy.is_some() || is_all {
                return Ok(policy);
            }
        }
        Ok(None)
    }

    fn tls(&self, filter: &Filter, top: usize) -> Result<Tls, AskError> {
        let mut sums = TlsSums::new(filter);
        let query = filter::period(filter, "date-range.start-datetime");
        lists::each(self, Kind::Tls, &query, &lists::TLS_FIELDS, |id, source| {
            lists::add_policy(&mut sums, id, source);
        })?;
        Ok(sums.finish(top))
    }

    fn failures(&self, filter: &Filter, top: usize) -> Result<Failures, AskError> {
        let mut sums = FailureSums::new(filter);
        let query = filter::arrival(filter);
        lists::each(self, Kind::Failure, &query, &lists::FAILURE_FIELDS, |_, source| {
            sums.add(&lists::failure_row(source));
        })?;
        Ok(sums.finish(top))
    }

    fn tls_days(&self, filter: &Filter) -> Result<Vec<TlsDay>, AskError> {
        reports::tls_days(self, filter)
    }

    fn failure_reports(
        &self,
        filter: &Filter,
        most: usize,
    ) -> Result<Vec<StoredDocument>, AskError> {
        let query = filter::failures(filter);
        let found = lists::newest(self, Kind::Failure, &query, ("@timestamp", &[]), most)?;
        Ok(found.into_iter().map(|(id, source)| StoredDocument { id, source }).collect())
    }

    fn hosts(&self, addresses: &[IpAddr]) -> Result<HashMap<IpAddr, Host>, AskError> {
        groups::hosts(self, addresses)
    }

    fn report(&self, name: &ReportName, most: usize) -> Result<Vec<StoredDocument>, AskError> {
        let mut found = Vec::new();
        let query = filter::report(name);
        lists::each(self, name.kind, &query, &["*"], |id, source| {
            found.push(StoredDocument { id: id.to_owned(), source: source.clone() });
        })?;
        found.sort_by(|one, other| one.id.cmp(&other.id));
        found.truncate(most);
        Ok(found)
    }

    fn reports(
        &self,
        kind: Kind,
        filter: &Filter,
        most: usize,
    ) -> Result<Vec<ListedReport>, AskError> {
        reports::reports(self, kind, filter, most)
    }

    fn published(&self, filter: &Filter) -> Result<Vec<Published>, AskError> {
        reports::published(self, filter)
    }

    fn names_below(
        &self,
        filter: &Filter,
        domain: &str,
        top: usize,
    ) -> Result<Vec<NameBelow>, AskError> {
        below::names(self, filter, domain, top)
    }

    fn newest(&self, filter: &Filter) -> Result<Option<i64>, AskError> {
        let of = |field| filter::domains(filter, field);
        let domain = "feedback.policy_published.domain.keyword";
        let dmarc = self.newest_of(Kind::Dmarc, &of(domain), BEGIN)?;
        let policy = "policies.policy.policy-domain.keyword";
        let tls = self.newest_of(Kind::Tls, &of(policy), "date-range.start-datetime")?;
        let reported = "failure.reported_domain.keyword";
        let failures = self.newest_of(Kind::Failure, &of(reported), "@timestamp")?;
        Ok(dmarc.max(tls).max(failures))
    }
}
