//! Summary: what the reports of a selection say, in numbers. The names are those of `report
//! --json`.

use serde::Serialize;

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
    pub sources: Vec<Source>,
    /// How many more sources there are.
    pub sources_omitted: u64,
}

/// Numbers of messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Messages {
    /// All of them.
    pub messages: u64,
    /// Those that passed DMARC.
    pub pass: u64,
    /// Those for which SPF passed and was aligned.
    pub spf_aligned: u64,
    /// Those for which DKIM passed and was aligned.
    pub dkim_aligned: u64,
    /// What was done with them.
    pub disposition: Disposition,
}

/// Numbers of messages by what was done with them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Disposition {
    /// Nothing.
    pub none: u64,
    /// Nothing, since they passed (RFC 9990).
    pub pass: u64,
    /// Put into quarantine.
    pub quarantine: u64,
    /// Rejected.
    pub reject: u64,
    /// The report says something else or nothing.
    pub other: u64,
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
pub struct Source {
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

/// A result before alignment.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct RawResult {
    /// The domain that SPF or DKIM spoke of.
    pub domain: Option<String>,
    /// `pass`, `fail`, `softfail`, ….
    pub result: Option<String>,
    /// Messages with it.
    pub messages: u64,
}

/// TLS reports, summed up.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
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
#[derive(Debug, PartialEq, Eq, Serialize)]
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
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct TlsFailure {
    /// By RFC 8460 section 4.3.
    pub result_type: Option<String>,
    /// Sessions that failed so.
    pub sessions: u64,
}

/// Failure reports, summed up.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
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
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
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
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Counted {
    /// The value, if reports say it.
    pub value: Option<String>,
    /// Messages with it.
    pub messages: u64,
}

impl Messages {
    /// Adds another's numbers; none gets beyond the largest.
    pub(super) fn add(&mut self, other: &Messages) {
        let (ours, theirs) = (&mut self.disposition, &other.disposition);
        for (sum, more) in [
            (&mut self.messages, other.messages),
            (&mut self.pass, other.pass),
            (&mut self.spf_aligned, other.spf_aligned),
            (&mut self.dkim_aligned, other.dkim_aligned),
            (&mut ours.none, theirs.none),
            (&mut ours.pass, theirs.pass),
            (&mut ours.quarantine, theirs.quarantine),
            (&mut ours.reject, theirs.reject),
            (&mut ours.other, theirs.other),
        ] {
            *sum = sum.saturating_add(more);
        }
    }
}
