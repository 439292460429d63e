//! Report: bytes of one unpacked payload in, a [`Report`] or the reason why there is none out.
//!
//! Parsing is total: no input panics, nothing is read but the bytes given, and the same bytes
//! always give the same report.

pub mod aggregate;
pub mod tls;

mod aggregate_xml;
mod date;
mod text;
mod tls_json;
mod xml;

use compact_str::CompactString;
use sha2::{Digest, Sha256};

use crate::limits::{LimitExceeded, Limits};

pub use aggregate::AggregateReport;
pub use date::rfc3339;
pub use tls::TlsReport;

/// Text out of a report. Most values (results, domains, addresses) fit in 24 bytes and need no heap.
pub type Text = CompactString;

/// One report, whatever its format.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "nearly all reports are of the large variant")]
pub enum Report {
    /// DMARC aggregate report (RFC 7489 appendix C, RFC 9990).
    Aggregate(AggregateReport),
    /// SMTP TLS report (RFC 8460 section 4).
    Tls(TlsReport),
}

/// The kinds of documents; each has an index and tables of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// One record of a DMARC aggregate report.
    Dmarc,
    /// One policy of an SMTP TLS report.
    Tls,
}

/// The time a report speaks of, both ends in seconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Period {
    /// First second.
    pub begin: i64,
    /// Last second; the reporter's own idea of "last", which may be the next day's first.
    pub end: i64,
}

/// What identifies a report, as 32 hexadecimal digits: the same report gives the same key however
/// and however often it arrives.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key(String);

impl Key {
    /// The 32 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Report {
    /// Which kind of documents this report gives.
    pub fn kind(&self) -> Kind {
        match self {
            Report::Aggregate(_) => Kind::Dmarc,
            Report::Tls(_) => Kind::Tls,
        }
    }

    /// The time it speaks of.
    pub fn period(&self) -> Period {
        match self {
            Report::Aggregate(report) => report.metadata.date_range,
            Report::Tls(report) => report.date_range,
        }
    }

    /// How many documents this report gives: one a record, or one a policy.
    pub fn len(&self) -> usize {
        match self {
            Report::Aggregate(report) => report.records.len(),
            Report::Tls(report) => report.policies.len(),
        }
    }

    /// True for a report without a record or policy.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What was mended to read the report; the names stand in the documents' `received.repairs`.
    pub fn repairs(&self) -> &Repairs {
        match self {
            Report::Aggregate(report) => &report.repairs,
            Report::Tls(report) => &report.repairs,
        }
    }

    /// Records or policies that could not be read and are missing here.
    pub fn lost(&self) -> usize {
        match self {
            Report::Aggregate(report) => report.lost,
            Report::Tls(report) => report.lost,
        }
    }

    /// The key of this report, from kind, reporter, report id, domain and period. Domains and addresses
    /// are compared without regard to case, since the same report has been seen in both spellings.
    pub fn key(&self) -> Key {
        let (kind, reporter, id, domain, period) = match self {
            Report::Aggregate(r) => {
                let reporter = r.metadata.org_name.as_ref().or(r.metadata.email.as_ref());
                ("dmarc", reporter, &r.metadata.report_id, r.policy_published.domain.as_ref(), r.metadata.date_range)
            }
            Report::Tls(r) => {
                let reporter = r.organization_name.as_ref().or(r.contact_info.as_ref());
                let domain = r.policies.first().and_then(|p| p.policy.policy_domain.as_ref());
                ("tls", reporter, &r.report_id, domain, r.date_range)
            }
        };
        let fold = |text: Option<&Text>| text.map(|t| t.trim_end_matches('.').to_lowercase()).unwrap_or_default();
        let mut hash = Sha256::new();
        for field in [kind, &fold(reporter), id, &fold(domain)] {
            // The length in front keeps ("ab", "c") and ("a", "bc") apart.
            hash.update((field.len() as u64).to_le_bytes());
            hash.update(field);
        }
        hash.update(period.begin.to_le_bytes());
        hash.update(period.end.to_le_bytes());
        Key(hex(&hash.finalize()[..16]))
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// Names of what was mended while a report was read, each once, in order of discovery.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repairs(Vec<&'static str>);

impl Repairs {
    /// Notes a repair; a second one of the same name changes nothing.
    pub fn note(&mut self, name: &'static str) {
        if !self.0.contains(&name) {
            self.0.push(name);
        }
    }

    /// The names noted so far.
    pub fn names(&self) -> &[&'static str] {
        &self.0
    }
}

/// Why a payload gives no report.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Neither XML nor JSON, or XML and JSON of other kinds.
    #[error("not a report: {0}")]
    NotAReport(String),
    /// It calls itself a report, but something that no report can do without is missing or senseless.
    #[error("{format} without {what}")]
    Missing {
        /// "DMARC report" or "SMTP TLS report".
        format: &'static str,
        /// The missing element or member.
        what: &'static str,
    },
    /// The text breaks off or is not what its format demands.
    #[error("{format} is broken: {reason}")]
    Broken {
        /// "DMARC report" or "SMTP TLS report".
        format: &'static str,
        /// What the parser stumbled over.
        reason: String,
    },
    /// A limit was exceeded.
    #[error(transparent)]
    Limit(#[from] LimitExceeded),
}

impl Unreadable {
    /// True if the bytes never claimed to be a report, so that nothing is lost by passing over them.
    pub fn is_something_else(&self) -> bool {
        matches!(self, Unreadable::NotAReport(_))
    }
}

/// Reads one unpacked payload, XML or JSON told apart by the first byte that is not blank.
///
/// # Errors
/// [`Unreadable`] says why there is no report in the bytes.
pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Report, Unreadable> {
    let mut repairs = Repairs::default();
    let text = text::decode(bytes, &mut repairs);
    match text.trim_start().as_bytes().first() {
        Some(b'<') => aggregate_xml::parse(&text, limits, repairs).map(Report::Aggregate),
        Some(b'{') => tls_json::parse(&text, limits, repairs).map(Report::Tls),
        Some(_) => Err(Unreadable::NotAReport("neither XML nor JSON".into())),
        None => Err(Unreadable::NotAReport("empty".into())),
    }
}
