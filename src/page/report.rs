//! Report: one report as it is stored: its head, its records, what was mended, how it arrived.

use askama::Template;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::{
    asked::{Asked, Period},
    content::{Content, Table},
    frame::{Frame, Place},
    trouble::Trouble,
    view::View,
    words::{self, Said, Then},
};
use crate::{
    answers::{Answers, Choice, Network, ReportName, StoredDocument},
    report::{Kind, repairs::explain},
    sanitize,
};

/// Records that are shown, where nothing is said; all of them are in CSV and JSON.
const ROWS: usize = 200;

/// Records that are told. OpenSearch gives one more at once, not two.
const MOST: usize = 9_999;

/// One report.
#[derive(Debug, Template, Serialize)]
#[template(path = "page/report.html")]
pub(super) struct ReportPage {
    #[serde(skip)]
    frame: Frame,
    #[serde(skip)]
    kind: Kind,
    #[serde(skip)]
    reporter: Said,
    #[serde(skip)]
    begin: Then,
    /// What stands in its head, and what is known of its mail.
    #[serde(skip)]
    facts: Vec<(&'static str, Said)>,
    #[serde(skip)]
    repairs: Vec<(Said, &'static str)>,
    #[serde(skip)]
    records: Vec<Record>,
    #[serde(skip)]
    policies: Vec<ReportedPolicy>,
    /// How many of them are shown.
    #[serde(skip)]
    rows: usize,
    /// There are more than are told.
    is_cut: bool,
    /// The first document as JSON.
    #[serde(skip)]
    example: String,
    documents: Vec<Document>,
}

/// A record or policy as OpenSearch has it.
#[derive(Debug, Serialize)]
struct Document {
    #[serde(rename = "_id")]
    id: String,
    #[serde(rename = "_source")]
    source: Value,
}

/// A record of a DMARC report.
#[derive(Debug)]
struct Record {
    address: Said,
    /// The page of the address.
    href: String,
    messages: u64,
    passed: Option<bool>,
    disposition: Said,
    dkim: Said,
    spf: Said,
    from: Said,
    signatures: Vec<Said>,
    senders: Vec<Said>,
    reasons: Vec<Said>,
}

/// A policy of a TLS report.
#[derive(Debug)]
struct ReportedPolicy {
    domain: Said,
    kind: Said,
    successful: u64,
    failed: u64,
    failures: Vec<Said>,
}

impl ReportPage {
    /// Asks for the documents.
    ///
    /// # Errors
    /// The store can't be read, or has no such report.
    pub(super) fn ask<A: Answers>(
        answers: &A,
        place: Place,
        asked: &Asked,
    ) -> Result<ReportPage, Trouble>
    where
        Trouble: From<A::Error>,
    {
        let name = asked.report_name()?;
        let mut documents = answers.report(&name, MOST + 1)?;
        let is_cut = documents.len() > MOST;
        documents.truncate(MOST);
        let Some(first) = documents.first() else {
            return Err(Trouble::NotFound(
                "There is no such report. It may have been deleted by prune.",
            ));
        };
        let around = time_around(place, asked, name.begin);
        let (records, policies) = match name.kind {
            Kind::Tls => (Vec::new(), documents.iter().map(policy).collect()),
            Kind::Dmarc | Kind::Failure => {
                let records = documents.iter().map(|one| record(place, &around, one));
                (records.collect(), Vec::new())
            }
        };
        let example = serde_json::to_string_pretty(&first.source).unwrap_or_default();
        let reporter: Said = name.organization.as_deref().unwrap_or("nobody named").into();
        let names = first.source["received"]["repairs"].as_array().into_iter().flatten();
        Ok(ReportPage {
            frame: Frame::new(place, View::Report, asked, format!("Report of {reporter}")),
            kind: name.kind,
            reporter,
            begin: Then::new(name.begin, place.now),
            facts: facts(&name, &first.source),
            repairs: names
                .filter_map(Value::as_str)
                .map(|name| (name.into(), explain(name).unwrap_or_default()))
                .collect(),
            records,
            policies,
            rows: asked.rows.unwrap_or(ROWS),
            is_cut,
            example: sanitize::json(&example).into_owned(),
            documents: documents
                .into_iter()
                .map(|StoredDocument { id, source }| Document { id, source })
                .collect(),
        })
    }

    fn is_tls(&self) -> bool {
        self.kind == Kind::Tls
    }

    /// Those of a list that are shown.
    fn first<'l, T>(&self, all: &'l [T]) -> &'l [T] {
        &all[..all.len().min(self.rows)]
    }

    fn omitted(&self) -> u64 {
        self.documents.len().saturating_sub(self.rows) as u64
    }
}

/// The time that was chosen if the report is of it, else all: so what a report leads to is not
/// empty.
fn time_around(place: Place, asked: &Asked, begin: i64) -> Asked {
    let (since, until) = asked.period.range(place.now);
    let is_within =
        since.is_none_or(|since| since <= begin) && until.is_none_or(|until| begin < until);
    if is_within {
        return asked.period_only();
    }
    Asked { period: Period::preset("all"), ..Asked::default() }
}

/// What stands in the head of a report, and how it arrived.
fn facts(name: &ReportName, source: &Value) -> Vec<(&'static str, Said)> {
    let metadata = &source["feedback"]["report_metadata"];
    let published = &source["feedback"]["policy_published"];
    let received = &source["received"];
    let text = |value: &Value| Some(Said::from(value.as_str()?));
    let id = if name.report_id.is_empty() { None } else { Some((&*name.report_id).into()) };
    let policy = published["domain"].as_str().map(|domain| {
        let tag = |tag: &str| {
            let value = &published[tag];
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            (value != "null").then(|| format!("{tag}={value}"))
        };
        let tags = ["p", "sp", "np", "pct", "adkim", "aspf", "fo", "testing"];
        let tags: Vec<String> = tags.into_iter().filter_map(tag).collect();
        Said::from(format!("{domain}: {}", tags.join("; ")))
    });
    [
        ("Report id", id),
        ("Until", end(name.kind, source)),
        ("Policy found", policy),
        ("Contact", text(&metadata["email"]).or_else(|| text(&source["contact-info"]))),
        ("Errors", list(&metadata["error"], |one| text(one)).into_iter().next()),
        ("Came by mail from", text(&received["from"])),
        ("Message-ID of that mail", text(&received["message_id"])),
        ("Came at", text(&received["at"]).map(|at| moment(at.whole()))),
        ("Sender authenticated", authenticated(&received["authenticated"])),
    ]
    .into_iter()
    .filter_map(|(words, value)| Some((words, value?)))
    .collect()
}

fn end(kind: Kind, source: &Value) -> Option<Said> {
    if kind == Kind::Tls {
        return Some(moment(source["date-range"]["end-datetime"].as_str()?));
    }
    let end = &source["feedback"]["report_metadata"]["date_range"]["end"];
    let second = end.as_i64().or_else(|| end.as_str()?.parse().ok())?;
    Some(words::minute(second)?.into())
}

/// A time of RFC 3339 as people write it; what is none, as it is.
fn moment(text: &str) -> Said {
    let second = text.parse().ok().map(Timestamp::as_second);
    second.and_then(words::minute).unwrap_or_else(|| text.to_owned()).into()
}

fn authenticated(found: &Value) -> Option<Said> {
    let is_it = found["pass"].as_bool()?;
    let by = ["dkim", "spf", "dmarc"].map(|way| {
        let domains = list(&found[way], |domain| Some(format!("{way}={}", domain.as_str()?)));
        domains.join(" ")
    });
    let by: Vec<_> = by.iter().filter(|way| !way.is_empty()).map(String::as_str).collect();
    Some(format!("{}; {}", if is_it { "yes" } else { "no" }, by.join(" ")).into())
}

/// The members of a list, or of an object with numbers for names, as the Ruby tool wrote lists; a
/// list of one may be written as the one.
fn list<T>(value: &Value, read: impl Fn(&Value) -> Option<T>) -> Vec<T> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(list) => list.iter().filter_map(read).collect(),
        Value::Object(map) if map.keys().all(|key| key.parse::<u32>().is_ok()) => {
            map.values().filter_map(read).collect()
        }
        one => read(one).into_iter().collect(),
    }
}

/// Words with blanks between, of those members that are there.
fn joined(value: &Value, names: &[&str]) -> Option<Said> {
    let words: Vec<&str> = names.iter().filter_map(|name| value[name].as_str()).collect();
    (!words.is_empty()).then(|| words.join(" ").into())
}

fn record(place: Place, around: &Asked, document: &StoredDocument) -> Record {
    let record = &document.source["feedback"]["record"];
    let row = &record["row"];
    let evaluated = &row["policy_evaluated"];
    let text = |value: &Value| Said::from(value.as_str().unwrap_or("–"));
    let address = row["source_ip"].as_str();
    let network = address.and_then(|address| address.parse::<Network>().ok());
    let about = |network| {
        let asked = around.with(|asked| asked.filter.networks = Choice::of(network));
        place.link(View::Address, &asked)
    };
    let results = &record["auth_results"];
    Record {
        address: address.unwrap_or("no address").into(),
        href: network.map(about).unwrap_or_default(),
        messages: whole(&row["count"]),
        passed: document.source["dmarc"]["pass"].as_bool(),
        disposition: text(&evaluated["disposition"]),
        dkim: text(&evaluated["dkim"]),
        spf: text(&evaluated["spf"]),
        from: text(&record["identifiers"]["header_from"]),
        signatures: list(&results["dkim"], |one| joined(one, &["domain", "selector", "result"])),
        senders: list(&results["spf"], |one| joined(one, &["domain", "scope", "result"])),
        reasons: list(&evaluated["reason"], |one| joined(one, &["type", "comment"])),
    }
}

fn policy(document: &StoredDocument) -> ReportedPolicy {
    let result = &document.source["policies"];
    let text = |value: &Value| Said::from(value.as_str().unwrap_or("–"));
    let detail = |one: &Value| {
        let names = [
            "result-type",
            "receiving-mx-hostname",
            "sending-mta-ip",
            "failure-reason-code",
            "additional-information",
        ];
        let words = joined(one, &names)?;
        Some(Said::from(format!("{}× {}", whole(&one["failed-session-count"]), words.whole())))
    };
    ReportedPolicy {
        domain: text(&result["policy"]["policy-domain"]),
        kind: text(&result["policy"]["policy-type"]),
        successful: whole(&result["summary"]["total-successful-session-count"]),
        failed: whole(&result["summary"]["total-failure-session-count"]),
        failures: list(&result["failure-details"], detail),
    }
}

/// A whole number, which the Ruby tool may have written as text.
fn whole(value: &Value) -> u64 {
    value.as_u64().or_else(|| value.as_str()?.parse().ok()).unwrap_or(0)
}

impl Content for ReportPage {
    fn table(&self) -> Table {
        if self.is_tls() {
            let row = |policy: &ReportedPolicy| {
                vec![
                    policy.domain.whole().to_owned(),
                    policy.kind.whole().to_owned(),
                    policy.successful.to_string(),
                    policy.failed.to_string(),
                ]
            };
            return Table {
                columns: vec!["domain", "policy", "successful_sessions", "failed_sessions"],
                rows: self.policies.iter().map(row).collect(),
            };
        }
        let row = |record: &Record| {
            [
                &record.address,
                &record.messages.to_string().into(),
                &record.disposition,
                &record.dkim,
                &record.spf,
                &record.from,
            ]
            .map(|said| said.whole().to_owned())
            .into()
        };
        Table {
            columns: vec!["source_ip", "count", "disposition", "dkim", "spf", "header_from"],
            rows: self.records.iter().map(row).collect(),
        }
    }
}
