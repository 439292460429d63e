//! Filter: which documents are meant, in the query language of OpenSearch.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::{ADDRESS, BEGIN, evaluated, scripts};
use crate::{
    answers::{Choice, Disposition, Filter, Network, Outcome, ReportName, Verdict, folded},
    report::Kind,
};

/// The DMARC records of a filter.
pub(super) fn records(filter: &Filter) -> Value {
    all_of(&[
        range(filter, BEGIN),
        domains(&filter.domains, "feedback.policy_published.domain.keyword"),
        choice(
            &filter.organizations,
            |name| json!({ "term": { "feedback.report_metadata.org_name.keyword": name } }),
        ),
        choice(&filter.networks, network),
        choice(&filter.senders, |sender| {
            let params = json!({ "wanted": scripts::word(sender) });
            let source = scripts::is_sender();
            json!({ "script": { "script": { "source": source, "params": params } } })
        }),
        choice(&filter.dispositions, |wanted| disposition(*wanted)),
        choice(&filter.dmarc, |wanted| dmarc(*wanted)),
        choice(&filter.spf, |wanted| spf(*wanted)),
        choice(&filter.dkim, |wanted| dkim(*wanted)),
    ])
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
pub(crate) fn domains(domains: &Choice<String>, field: &str) -> Value {
    choice(domains, |wanted| {
        let wanted = folded(wanted);
        let wanted = wanted.trim_start_matches('.');
        if wanted.is_empty() {
            return any_of(&[none_of(&exists(field)), json!({ "regexp": { field: "\\.*" } })]);
        }
        let literal = wanted.replace('\\', "\\\\").replace('*', "\\*").replace('?', "\\?");
        let patterns = ["", "*."].map(|front| {
            ["", "."].map(|end| {
                let value = format!("{front}{literal}{end}");
                json!({ "wildcard": { field: { "value": value, "case_insensitive": true } } })
            })
        });
        any_of(patterns.as_flattened())
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

fn network(network: &Network) -> Value {
    let wanted =
        json!({ "term": { ADDRESS: format!("{}/{}", network.first(), network.length()) } });
    if let IpAddr::V6(first) = network.first() {
        // IPv4 is a part of IPv6 to OpenSearch, which takes no such network either.
        if first.to_ipv4_mapped().is_some() && network.length() >= 96 {
            return json!({ "match_none": {} });
        }
        let v4 = json!({ "term": { ADDRESS: "0.0.0.0/0" } });
        return all_of(&[wanted, none_of(&v4)]);
    }
    wanted
}

pub(super) fn disposition(wanted: Disposition) -> Value {
    let field = evaluated("disposition");
    if wanted == Disposition::Other {
        return none_of(&json!({ "terms": { field: ["none", "pass", "quarantine", "reject"] } }));
    }
    json!({ "term": { field: wanted.word() } })
}

pub(super) fn spf(wanted: Verdict) -> Value {
    verdict(wanted, &evaluated("spf"))
}

pub(super) fn dkim(wanted: Verdict) -> Value {
    verdict(wanted, &evaluated("dkim"))
}

fn verdict(wanted: Verdict, field: &str) -> Value {
    let pass = json!({ "term": { field: "pass" } });
    match wanted {
        Verdict::Pass => pass,
        Verdict::Fail => all_of(&[exists(field), none_of(&pass)]),
        Verdict::Unknown => none_of(&exists(field)),
    }
}

pub(super) fn dmarc(wanted: Verdict) -> Value {
    let fields = ["spf", "dkim"].map(evaluated);
    let passed = any_of(&fields.each_ref().map(|field| verdict(Verdict::Pass, field)));
    let is_known = any_of(&fields.each_ref().map(|field| exists(field)));
    match wanted {
        Verdict::Pass => passed,
        Verdict::Fail => all_of(&[is_known, none_of(&passed)]),
        Verdict::Unknown => none_of(&is_known),
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
