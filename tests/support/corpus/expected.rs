//! One mail and what is to come of it.

use std::collections::BTreeSet;

use email_report_processor::report::rfc3339;
use serde_json::{Map, Value, json};

use super::record::Record;

/// One mail and what is to come of it.
pub struct Mail {
    /// Its name in `new/`, unique in the corpus.
    pub name: String,
    /// The mail, with lines ending in LF.
    pub bytes: Vec<u8>,
    /// When it was delivered, seconds since 1970.
    pub time: i64,
    /// The number of the mail that brought the same report first.
    pub duplicate_of: Option<usize>,
    /// The object `received` of its documents. Of a report delivered twice, whichever comes first
    /// stays.
    pub received: Value,
    /// What the mail holds.
    pub content: Content,
}

/// What a mail holds.
#[derive(Clone, Debug)]
pub enum Content {
    /// A DMARC report.
    Dmarc(Dmarc),
    /// A TLS report.
    Tls(Tls),
    /// No report: mail of another kind.
    Junk(&'static str),
    /// A report whose archive can't be unpacked.
    Broken(&'static str),
}

/// A DMARC report as its documents have it.
#[derive(Clone, Debug)]
pub struct Dmarc {
    /// The reporter's id of the report.
    pub report_id: String,
    /// The sum of all counts.
    pub count_sum: u64,
    /// First second of the period.
    pub(super) begin: i64,
    /// `feedback` without `record`.
    pub(super) feedback: Map<String, Value>,
    /// `feedback.record` of each document.
    pub(super) records: Vec<Record>,
}

/// A TLS report as its documents have it.
#[derive(Clone, Debug)]
pub struct Tls {
    /// The reporter's id of the report.
    pub report_id: String,
    /// Sessions that reached TLS.
    pub successful: u64,
    /// Sessions that did not.
    pub failed: u64,
    /// Failure details of all policies.
    pub failure_details: u64,
    pub(super) begin: i64,
    /// The report without `policies`.
    pub(super) head: Map<String, Value>,
    /// `policies` of each document.
    pub(super) policies: Vec<Value>,
}

impl Content {
    /// How many documents it gives.
    pub fn len(&self) -> usize {
        match self {
            Content::Dmarc(report) => report.records.len(),
            Content::Tls(report) => report.policies.len(),
            Content::Junk(_) | Content::Broken(_) => 0,
        }
    }

    /// True if it gives none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The reporter's id of the report.
    pub fn report_id(&self) -> Option<&str> {
        match self {
            Content::Dmarc(report) => Some(&report.report_id),
            Content::Tls(report) => Some(&report.report_id),
            Content::Junk(_) | Content::Broken(_) => None,
        }
    }
}

impl Mail {
    /// The documents that the mail is to give, in order, without their ids.
    pub fn documents(&self) -> Vec<Value> {
        let timestamp = |begin| json!(rfc3339(begin));
        match &self.content {
            Content::Dmarc(report) => report
                .records
                .iter()
                .map(|record| {
                    let mut feedback = report.feedback.clone();
                    feedback.insert("record".into(), record.document());
                    let (spf, dkim) = (record.spf_aligned, record.dkim_aligned);
                    json!({
                        "@timestamp": timestamp(report.begin),
                        "received": self.received,
                        "feedback": feedback,
                        "dmarc": { "pass": spf || dkim, "spf_aligned": spf, "dkim_aligned": dkim },
                    })
                })
                .collect(),
            Content::Tls(report) => report
                .policies
                .iter()
                .map(|policy| {
                    let mut document = report.head.clone();
                    document.insert("@timestamp".into(), timestamp(report.begin));
                    document.insert("received".into(), self.received.clone());
                    document.insert("policies".into(), policy.clone());
                    let failures = failures(policy);
                    if !failures.is_empty() {
                        document.insert("tls".into(), json!({ "failures": failures }));
                    }
                    Value::Object(document)
                })
                .collect(),
            Content::Junk(_) | Content::Broken(_) => Vec::new(),
        }
    }

    /// The expectation in one object, for the file beside a corpus.
    pub fn expectation(&self) -> Value {
        let mut line = match &self.content {
            Content::Dmarc(report) => json!({"kind": "dmarc", "count_sum": report.count_sum}),
            Content::Tls(report) => {
                json!({"kind": "tls", "successful": report.successful, "failed": report.failed})
            }
            Content::Junk(what) => json!({"kind": "junk", "what": what}),
            Content::Broken(what) => json!({"kind": "broken", "what": what}),
        };
        line["name"] = json!(self.name);
        line["documents"] = json!(self.content.len());
        line["report_id"] = json!(self.content.report_id());
        line["duplicate_of"] = json!(self.duplicate_of);
        line
    }
}

/// Which reason belongs to which host, each pair once.
fn failures(policy: &Value) -> BTreeSet<String> {
    let details = policy["failure-details"].as_array();
    let pair = |detail: &Value| {
        let text = |name: &str| detail[name].as_str().expect("given in the corpus").to_owned();
        format!("{} {}", text("result-type"), text("receiving-mx-hostname"))
    };
    details.into_iter().flatten().map(pair).collect()
}
