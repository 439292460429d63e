//! Filter: which documents are meant, in the query language of OpenSearch.

use std::net::IpAddr;

use serde_json::{Map, Value, json};

use super::{ADDRESS, BEGIN, result_field, scripts};
use crate::{
    answers::{Choice, Disposition, Evaluated, Filter, Network, Outcome, ReportName, folded},
    report::Kind,
};

/// The DMARC records of a filter, whoever sent them.
pub(super) fn records(filter: &Filter) -> Value {
    all_of(&[
        range(filter, BEGIN),
        domains(filter, "feedback.policy_published.domain.keyword"),
        choice(
            &filter.organizations,
            |name| json!({ "term": { "feedback.report_metadata.org_name.keyword": name } }),
        ),
        choice(&filter.networks, |wanted| network(wanted, ADDRESS)),
        choice(&filter.dispositions, |wanted| disposition(*wanted)),
        choice(&filter.dmarc, |wanted| dmarc(*wanted)),
        choice(&filter.spf, |wanted| spf(*wanted)),
        choice(&filter.dkim, |wanted| dkim(*wanted)),
    ])
}

/// The DMARC records of the reports of a filter's period, domains and reporters.
pub(super) fn reports(filter: &Filter) -> Value {
    let Filter { since, until, domains, exactly, organizations, .. } = filter.clone();
    records(&Filter { since, until, domains, exactly, organizations, ..Filter::default() })
}

/// Those of some records whose senders' words are meant.
pub(super) fn sent_by(records: &Value, words: &Choice<Vec<String>>) -> Value {
    let wanted = choice(words, |words| {
        let places: Map<String, Value> =
            words.iter().map(|word| (word.clone(), 0.into())).collect();
        let (source, params) = (scripts::is_placed(), json!({ "places": places }));
        json!({ "script": { "script": { "source": source, "params": params } } })
    });
    all_of(&[records.clone(), wanted])
}

/// Records of an outcome.
pub(super) fn outcome(outcome: Outcome) -> Value {
    all_of(&[disposition(outcome.disposition), spf(outcome.spf), dkim(outcome.dkim)])
}

/// Documents of the period of a filter.
pub(super) fn period(filter: &Filter, field: &str) -> Value {
    range(filter, field)
}

/// Failure reports of the period of a filter. Those without a date are counted to 1970, as
/// everywhere.
pub(super) fn arrival(filter: &Filter) -> Value {
    let within = range(filter, "@timestamp");
    if filter.lets_begin(0) { any_of(&[within, none_of(&exists("@timestamp"))]) } else { within }
}

/// Failure reports of the period, domains and sources of a filter.
pub(super) fn failures(filter: &Filter) -> Value {
    all_of(&[
        arrival(filter),
        domains(filter, "failure.reported_domain.keyword"),
        choice(&filter.networks, |wanted| network(wanted, "failure.source_ip")),
    ])
}

/// DMARC records with one of these sources, of which something is known.
pub(super) fn hosts(addresses: &[String]) -> Value {
    let known = ["ip2geo.asn", "ip2geo.organization_name", "source.country", "source.reverse_dns"];
    all_of(&[json!({ "terms": { ADDRESS: addresses } }), any_of(&known.map(exists))])
}

/// Documents of the reports of a name.
pub(super) fn report(name: &ReportName) -> Value {
    let (begin, id, organization) = match name.kind {
        Kind::Tls => ("date-range.start-datetime", "report-id", "organization-name"),
        Kind::Dmarc | Kind::Failure => {
            (BEGIN, "feedback.report_metadata.report_id", "feedback.report_metadata.org_name")
        }
    };
    let organization = format!("{organization}.keyword");
    all_of(&[
        json!({ "range": { begin: {
            "gte": name.begin, "lte": name.begin, "format": "epoch_second"
        } } }),
        json!({ "term": { format!("{id}.keyword"): name.report_id } }),
        match &name.organization {
            Some(name) => json!({ "term": { organization: name } }),
            None => none_of(&exists(&organization)),
        },
    ])
}

/// Documents whose domain is meant.
pub(crate) fn domains(filter: &Filter, field: &str) -> Value {
    let fronts: &[&str] = if filter.exactly { &[""] } else { &["", "*."] };
    choice(&filter.domains, |wanted| {
        let wanted = folded(wanted);
        let wanted = if filter.exactly { &wanted } else { wanted.trim_start_matches('.') };
        if wanted.is_empty() {
            return any_of(&[none_of(&exists(field)), json!({ "regexp": { field: "\\.*" } })]);
        }
        let literal = wanted.replace('\\', "\\\\").replace('*', "\\*").replace('?', "\\?");
        let patterns: Vec<Value> = fronts
            .iter()
            .flat_map(|front| ["", "."].map(|end| format!("{front}{literal}{end}")))
            .map(|value| {
                json!({ "wildcard": { field: { "value": value, "case_insensitive": true } } })
            })
            .collect();
        any_of(&patterns)
    })
}

fn range(filter: &Filter, field: &str) -> Value {
    let mut limits = json!({ "format": "epoch_second" });
    if let Some(since) = filter.since {
        limits["gte"] = since.into();
    }
    if let Some(until) = filter.until {
        limits["lt"] = until.into();
    }
    if filter.since.is_none() && filter.until.is_none() {
        return json!({ "match_all": {} });
    }
    json!({ "range": { field: limits } })
}

fn network(network: &Network, field: &str) -> Value {
    let wanted = json!({ "term": { field: format!("{}/{}", network.first(), network.length()) } });
    if let IpAddr::V6(first) = network.first() {
        // IPv4 is a part of IPv6 to OpenSearch, which takes no such network either.
        if first.to_ipv4_mapped().is_some() && network.length() >= 96 {
            return json!({ "match_none": {} });
        }
        let v4 = json!({ "term": { field: "0.0.0.0/0" } });
        return all_of(&[wanted, none_of(&v4)]);
    }
    wanted
}

pub(super) fn disposition(wanted: Disposition) -> Value {
    let field = result_field("disposition");
    if wanted == Disposition::Other {
        return none_of(&json!({ "terms": { field: ["none", "pass", "quarantine", "reject"] } }));
    }
    json!({ "term": { field: wanted.word() } })
}

pub(super) fn spf(wanted: Evaluated) -> Value {
    evaluated(wanted, &result_field("spf"))
}

pub(super) fn dkim(wanted: Evaluated) -> Value {
    evaluated(wanted, &result_field("dkim"))
}

fn evaluated(wanted: Evaluated, field: &str) -> Value {
    let pass = json!({ "term": { field: "pass" } });
    match wanted {
        Evaluated::Pass => pass,
        Evaluated::Fail => all_of(&[exists(field), none_of(&pass)]),
        Evaluated::Unknown => none_of(&exists(field)),
    }
}

pub(super) fn dmarc(wanted: Evaluated) -> Value {
    let fields = ["spf", "dkim"].map(result_field);
    let passed = any_of(&fields.each_ref().map(|field| evaluated(Evaluated::Pass, field)));
    let is_known = any_of(&fields.each_ref().map(|field| exists(field)));
    match wanted {
        Evaluated::Pass => passed,
        Evaluated::Fail => all_of(&[is_known, none_of(&passed)]),
        Evaluated::Unknown => none_of(&is_known),
    }
}

fn choice<T>(choice: &Choice<T>, query: impl Fn(&T) -> Value) -> Value {
    let only: Vec<Value> = choice.only.iter().map(&query).collect();
    let not: Vec<Value> = choice.not.iter().map(&query).collect();
    if choice.only.is_empty() {
        return json!({ "bool": { "must_not": not } });
    }
    json!({ "bool": { "should": only, "minimum_should_match": 1, "must_not": not } })
}

fn exists(field: &str) -> Value {
    json!({ "exists": { "field": field } })
}

fn all_of(queries: &[Value]) -> Value {
    json!({ "bool": { "filter": queries } })
}

fn any_of(queries: &[Value]) -> Value {
    json!({ "bool": { "should": queries, "minimum_should_match": 1 } })
}

fn none_of(query: &Value) -> Value {
    json!({ "bool": { "must_not": [query] } })
}
