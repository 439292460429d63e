//! Reports: which reports have documents of a filter.

use serde_json::{Value, json};

use super::{AskError, BEGIN, ClusterAnswers, filter, lists, scripts, tally};
use crate::{
    answers::{
        Filter, ListedReport, ListedReports, Published, PublishedDays, ReportName, TlsDay, TlsDays,
    },
    report::Kind,
};

/// The newest reports, each once for each of its domains.
pub(super) fn reports(
    cluster: &ClusterAnswers,
    kind: Kind,
    filter: &Filter,
    most: usize,
) -> Result<Vec<ListedReport>, AskError> {
    match kind {
        Kind::Dmarc => dmarc(cluster, filter, most),
        Kind::Tls => tls(cluster, filter, most),
        Kind::Failure => Ok(Vec::new()),
    }
}

fn dmarc(
    cluster: &ClusterAnswers,
    filter: &Filter,
    most: usize,
) -> Result<Vec<ListedReport>, AskError> {
    let keyword = |name: &str| json!({ "terms": { "field": name, "missing_bucket": true } });
    let sources = json!([
        { "begin": { "terms": { "field": BEGIN, "order": "desc" } } },
        { "organization": keyword("feedback.report_metadata.org_name.keyword") },
        { "id": keyword("feedback.report_metadata.report_id.keyword") },
        { "domain": keyword("feedback.policy_published.domain.keyword") },
    ]);
    let composite = json!({ "size": most.max(1), "sources": sources });
    let asked = json!({ "page": { "composite": composite, "aggs": tally::aggregations() } });
    let found = cluster.search(Kind::Dmarc, &filter::records(filter), &asked)?;
    let mut reports = ListedReports::default();
    for bucket in found["page"]["buckets"].as_array().into_iter().flatten() {
        let key = &bucket["key"];
        let name = ReportName {
            kind: Kind::Dmarc,
            organization: key["organization"].as_str().map(str::to_owned),
            report_id: key["id"].as_str().unwrap_or_default().to_owned(),
            begin: key["begin"].as_i64().unwrap_or_default().div_euclid(1000),
        };
        let messages = tally::read(bucket).messages;
        let domain = key["domain"].as_str().unwrap_or_default();
        reports.add(name, domain, messages.messages, messages.pass);
    }
    Ok(reports.finish(most))
}

/// There are few; they are summed up here.
fn tls(
    cluster: &ClusterAnswers,
    filter: &Filter,
    most: usize,
) -> Result<Vec<ListedReport>, AskError> {
    const FIELDS: [&str; 5] = [
        "organization-name",
        "report-id",
        "date-range.start-datetime",
        "policies.policy.policy-domain",
        "policies.summary",
    ];
    let mut reports = ListedReports::default();
    let query = filter::period(filter, "date-range.start-datetime");
    lists::each(cluster, Kind::Tls, &query, &FIELDS, |_, source| {
        let organization = source["organization-name"].as_str();
        let domain = source["policies"]["policy"]["policy-domain"].as_str().unwrap_or_default();
        let is_meant = filter.lets_organization(organization)
            && filter.lets_domain(&crate::answers::folded(domain));
        let Some(begin) = begin(&source["date-range"]["start-datetime"]).filter(|_| is_meant)
        else {
            return;
        };
        let name = ReportName {
            kind: Kind::Tls,
            organization: organization.map(str::to_owned),
            report_id: source["report-id"].as_str().unwrap_or_default().to_owned(),
            begin,
        };
        let sessions = |name: &str| tally::whole(&source["policies"]["summary"][name]);
        let good = sessions("total-successful-session-count");
        let all = good.saturating_add(sessions("total-failure-session-count"));
        reports.add(name, domain, all, good);
    })?;
    Ok(reports.finish(most))
}

/// Sessions day by day.
pub(super) fn tls_days(cluster: &ClusterAnswers, filter: &Filter) -> Result<Vec<TlsDay>, AskError> {
    const FIELDS: [&str; 4] = [
        "organization-name",
        "date-range.start-datetime",
        "policies.policy.policy-domain",
        "policies.summary",
    ];
    let mut days = TlsDays::new(filter);
    let query = filter::period(filter, "date-range.start-datetime");
    lists::each(cluster, Kind::Tls, &query, &FIELDS, |_, source| {
        let Some(begin) = begin(&source["date-range"]["start-datetime"]) else { return };
        let sessions = ["successful", "failure"].map(|what| {
            tally::whole(&source["policies"]["summary"][format!("total-{what}-session-count")])
        });
        let domain = source["policies"]["policy"]["policy-domain"].as_str();
        days.add(begin, source["organization-name"].as_str(), domain, sessions);
    })?;
    Ok(days.finish())
}

/// How the policy changed.
pub(super) fn published(
    cluster: &ClusterAnswers,
    filter: &Filter,
) -> Result<Vec<Published>, AskError> {
    let policies = json!({ "policies": { "terms": {
        "field": "feedback.policy_published.p.keyword", "size": 10, "missing": "",
    }, "aggs": { "reports": tally::distinct(&json!({ "source": scripts::REPORT })) } } });
    let asked = json!({ "days": {
        "date_histogram": { "field": BEGIN, "fixed_interval": "1d", "min_doc_count": 1 },
        "aggs": policies,
    } });
    let query = filter::records(&Filter {
        since: filter.since,
        until: filter.until,
        domains: filter.domains.clone(),
        exactly: filter.exactly,
        organizations: filter.organizations.clone(),
        ..Filter::default()
    });
    let found = cluster.search(Kind::Dmarc, &query, &asked)?;
    let buckets = |found: &Value| found["buckets"].as_array().cloned().unwrap_or_default();
    let mut days = PublishedDays::default();
    for day in buckets(&found["days"]) {
        let begin = day["key"].as_i64().unwrap_or_default().div_euclid(1000);
        for policy in buckets(&day["policies"]) {
            let p = policy["key"].as_str().filter(|p| !p.is_empty());
            days.add(begin, p, tally::whole(&policy["reports"]["value"]));
        }
    }
    Ok(days.finish())
}

fn begin(text: &Value) -> Option<i64> {
    text.as_str()?.parse().ok().map(jiff::Timestamp::as_second)
}
