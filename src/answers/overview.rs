//! Overview: what the reports of a filter say, in numbers. The names are those of `report --json`.

use serde::Serialize;

use super::{Group, Key, Messages, RawResult};

/// What the selected reports say.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Overview {
    /// Of DMARC reports.
    pub dmarc: Dmarc,
    /// Of SMTP TLS reports.
    pub tls: Tls,
    /// Of DMARC failure reports.
    pub failure: Failures,
    /// When the newest report begins that is not of this period, or is: in seconds since 1970.
    #[serde(skip)]
    pub newest: Option<i64>,
    /// The same of all domains.
    #[serde(skip)]
    pub newest_of_all: Option<i64>,
}

impl Overview {
    /// True if no report was selected.
    pub fn is_empty(&self) -> bool {
        self.dmarc.reports == 0 && self.tls.reports == 0 && self.failure.reports == 0
    }
}

/// DMARC reports, summed up.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Dmarc {
    /// Reports.
    pub reports: u64,
    /// Of all domains and sources.
    #[serde(flatten)]
    pub messages: Messages,
    /// Domains with most messages.
    pub domains: Vec<Domain>,
    /// How many more domains there are.
    pub domains_omitted: u64,
    /// Sources with most messages.
    pub sources: Vec<SendingServer>,
    /// How many more sources there are.
    pub sources_omitted: u64,
}

/// DMARC results of a policy's domain.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Domain {
    /// Its name in small letters; empty if reports do not say it.
    pub domain: String,
    /// Reports on it.
    pub reports: u64,
    /// Messages in its name.
    #[serde(flatten)]
    pub messages: Messages,
}

/// DMARC results of a sending server.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct SendingServer {
    /// Its address, if reports say it.
    pub source_ip: Option<String>,
    /// Messages from it.
    #[serde(flatten)]
    pub messages: Messages,
    /// Raw results of SPF, most frequent first.
    pub spf: Vec<RawResult>,
    /// Raw results of DKIM, most frequent first.
    pub dkim: Vec<RawResult>,
}

/// TLS reports, summed up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tls {
    /// Reports.
    pub reports: u64,
    /// Sessions that reached TLS.
    pub successful_sessions: u64,
    /// Sessions that did not.
    pub failed_sessions: u64,
    /// Policies with most sessions.
    pub policies: Vec<TlsPolicy>,
    /// How many more policies there are.
    pub policies_omitted: u64,
}

/// TLS sessions under one kind of policy of one domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TlsPolicy {
    /// The domain in small letters; empty if reports do not say it.
    pub policy_domain: String,
    /// `sts`, `tlsa` or `no-policy-found`.
    pub policy_type: Option<String>,
    /// Reports on it.
    pub reports: u64,
    /// Sessions that reached TLS.
    pub successful_sessions: u64,
    /// Sessions that did not.
    pub failed_sessions: u64,
    /// Why not, most frequent first.
    pub failures: Vec<TlsFailure>,
}

/// A way to fail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TlsFailure {
    /// By RFC 8460 section 4.3.
    pub result_type: Option<String>,
    /// Sessions that failed so.
    pub sessions: u64,
}

/// Failure reports, summed up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Failures {
    /// Reports.
    pub reports: u64,
    /// Messages that they are about; one report may stand for several.
    pub messages: u64,
    /// Domains with most messages. A report may name more than one.
    pub domains: Vec<FailureDomain>,
    /// How many more domains there are.
    pub domains_omitted: u64,
}

/// Messages that failed in the name of a domain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FailureDomain {
    /// Its name in small letters; empty if reports do not say it.
    pub domain: String,
    /// Reports on it.
    pub reports: u64,
    /// Messages that they are about.
    pub messages: u64,
    /// Addresses they came from, most frequent first.
    pub sources: Vec<Counted>,
    /// What failed: `dmarc`, `dkim`, `spf`, ….
    pub auth_failures: Vec<Counted>,
    /// What became of them: `delivered`, `spam`, `reject`, ….
    pub delivery_results: Vec<Counted>,
}

/// A value, and how many messages have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Counted {
    /// The value, if reports say it.
    pub value: Option<String>,
    /// Messages with it.
    pub messages: u64,
}

impl From<Group> for Domain {
    /// A group by domain.
    fn from(group: Group) -> Domain {
        let domain = match group.key {
            Key::Domain(domain) => domain,
            _ => String::new(),
        };
        Domain { domain, reports: group.tally.reports, messages: group.tally.messages }
    }
}

impl From<Group> for SendingServer {
    /// A group by address.
    fn from(group: Group) -> SendingServer {
        let source_ip = match group.key {
            Key::Address(address) => address.map(|address| address.to_string()),
            _ => None,
        };
        let Group { tally, spf, dkim, .. } = group;
        SendingServer { source_ip, messages: tally.messages, spf, dkim }
    }
}
