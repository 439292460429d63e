//! Documents: what a store is given of a report, one JSON object a DMARC record, TLS policy or
//! failure.
//!
//! The field paths are those of the Ruby tool. What this program adds stands beside them, as does
//! what databases tell of the addresses, under the names of OpenSearch's processor `ip2geo`.

use std::net::IpAddr;

mod portion;
pub mod read;

use serde::Serialize;

pub use self::portion::Portion;
use crate::{
    message::Received,
    report::{
        AggregateReport, FailureReport, Ids, Kind, Report, TlsReport,
        aggregate::Record,
        rfc3339,
        tls::{FailureDetail, PolicyResult},
    },
    senders::Hosts,
};

/// The documents of one report, made one at a time: what they share is serialised once.
pub struct Documents<'r> {
    report: &'r Report,
    ids: Ids,
    /// Everything in front of the record or policy.
    head: Vec<u8>,
    hosts: Hosts<'r>,
}

impl<'r> Documents<'r> {
    /// The documents of `report`, which came with the mail `received`.
    pub fn new(report: &'r Report, received: &Received) -> Self {
        Documents::with_ids(report, report.ids(), received)
    }

    /// The same for a part of a report, whose ids can't be told from the part.
    pub fn with_ids(report: &'r Report, ids: Ids, received: &Received) -> Self {
        let head = match report {
            Report::Aggregate(aggregate) => dmarc_head(aggregate, report, received),
            Report::Tls(tls) => tls_head(tls, report, received),
            Report::Failure(failure) => failure_head(failure, report, received),
        };
        Documents { report, ids, head, hosts: Hosts::Unknown }
    }

    /// The same, with what is known of the addresses that mail was sent from. Their ids stay.
    #[must_use]
    pub fn with_hosts(self, hosts: Hosts<'r>) -> Self {
        Documents { hosts, ..self }
    }

    /// Which index they belong to.
    pub fn kind(&self) -> Kind {
        self.report.kind()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.report.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends the `_id` of document `n`: the report's key and what identifies the record in the
    /// report.
    pub fn write_id(&self, n: usize, out: &mut Vec<u8>) {
        self.ids.write(n, out);
    }

    /// Appends document `n` as one line of JSON without the line's end.
    pub fn write_source(&self, n: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.head);
        match self.report {
            Report::Aggregate(report) => {
                let record = &report.records[n];
                write_record(record, out);
                self.write_host(record.row.source_ip, out);
            }
            Report::Tls(report) => write_policy(&report.policies[n], out),
            Report::Failure(report) => {
                json(out, report);
                self.write_host(report.source_ip, out);
            }
        }
        out.push(b'}');
    }

    /// Goes on with the members that tell of the host with this address.
    fn write_host(&self, address: Option<IpAddr>, out: &mut Vec<u8>) {
        let Some(host) = address.and_then(|address| self.hosts.get(address)) else { return };
        let start = out.len();
        json(out, &host.members());
        // The object's own brackets go: its members follow those of the document.
        out.pop();
        if out.len() > start + 1 {
            out[start] = b',';
        } else {
            out.truncate(start);
        }
    }
}

fn dmarc_head(report: &AggregateReport, whole: &Report, received: &Received) -> Vec<u8> {
    let mut out = shared_head(Some(report.metadata.date_range.begin), whole, received);
    out.extend_from_slice(br#""feedback":{"#);
    if let Some(version) = &report.version {
        out.extend_from_slice(br#""version":"#);
        json(&mut out, version);
        out.push(b',');
    }
    out.extend_from_slice(br#""report_metadata":"#);
    json(&mut out, &report.metadata);
    out.extend_from_slice(br#","policy_published":"#);
    json(&mut out, &report.policy_published);
    out.extend_from_slice(br#","record":"#);
    out
}

fn write_record(record: &Record, out: &mut Vec<u8>) {
    json(out, record);
    let evaluated = &record.row.policy_evaluated;
    out.extend_from_slice(br#"},"dmarc":{"#);
    let known = [
        (&br#""pass":"#[..], evaluated.pass()),
        (br#""spf_aligned":"#, evaluated.spf_aligned()),
        (br#""dkim_aligned":"#, evaluated.dkim_aligned()),
    ];
    let mut comma = &b""[..];
    for (name, value) in known {
        // What the reporter does not say is not known, and neither true nor false.
        let Some(value) = value else { continue };
        out.extend_from_slice(comma);
        out.extend_from_slice(name);
        out.extend_from_slice(if value { b"true" } else { b"false" });
        comma = b",";
    }
    out.push(b'}');
}

fn tls_head(report: &TlsReport, whole: &Report, received: &Received) -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "kebab-case")]
    struct Head<'r> {
        #[serde(skip_serializing_if = "Option::is_none")]
        organization_name: Option<&'r str>,
        date_range: Range,
        #[serde(skip_serializing_if = "Option::is_none")]
        contact_info: Option<&'r str>,
        report_id: &'r str,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "kebab-case")]
    struct Range {
        #[serde(skip_serializing_if = "Option::is_none")]
        start_datetime: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        end_datetime: Option<String>,
    }
    let head = Head {
        organization_name: report.organization_name.as_deref(),
        date_range: Range {
            start_datetime: rfc3339(report.date_range.begin),
            end_datetime: rfc3339(report.date_range.end),
        },
        contact_info: report.contact_info.as_deref(),
        report_id: &report.report_id,
    };
    let mut out = shared_head(Some(report.date_range.begin), whole, received);
    let start = out.len();
    json(&mut out, &head);
    // The object stays open: its members go on with the policy.
    out.remove(start);
    out.pop();
    out.extend_from_slice(br#","policies":"#);
    out
}

/// The policy, and beside it which reason for a failure belongs to which receiving host: a store
/// takes the list of details apart, and loses that.
fn write_policy(result: &PolicyResult, out: &mut Vec<u8>) {
    json(out, result);
    let mut failures: Vec<String> =
        result.failure_details.iter().filter_map(FailureDetail::reason_and_host).collect();
    // Reports have a detail for each sending address: the same pair by the hundred.
    failures.sort_unstable();
    failures.dedup();
    if !failures.is_empty() {
        out.extend_from_slice(br#","tls":{"failures":"#);
        json(out, &failures);
        out.push(b'}');
    }
}

fn failure_head(report: &FailureReport, whole: &Report, received: &Received) -> Vec<u8> {
    let mut out = shared_head(report.arrival_date, whole, received);
    out.extend_from_slice(br#""failure":"#);
    out
}

/// `{"@timestamp":…,"received":{…},`
fn shared_head(begin: Option<i64>, report: &Report, received: &Received) -> Vec<u8> {
    #[derive(Serialize)]
    struct Provenance<'r> {
        #[serde(flatten)]
        received: &'r Received,
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        repairs: &'r [&'static str],
    }
    let mut out = Vec::with_capacity(1024);
    out.push(b'{');
    if let Some(timestamp) = begin.and_then(rfc3339) {
        out.extend_from_slice(br#""@timestamp":"#);
        json(&mut out, &timestamp);
        out.push(b',');
    }
    let provenance = Provenance { received, repairs: report.repairs().names() };
    out.extend_from_slice(br#""received":"#);
    json(&mut out, &provenance);
    out.push(b',');
    out
}

fn json(out: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(out, value)
        .expect("writing to memory cannot fail, and every map key here is text or a number");
}
