//! Report: bytes of one unpacked payload in, a [`Report`] or the reason why there is none out.
//!
//! Parsing is total: no input panics, nothing is read but the bytes given, and the same bytes
//! always give the same report.

pub mod aggregate;
pub mod failure;
pub mod key;
pub mod repairs;
pub mod tls;

mod aggregate_xml;
pub(crate) mod arf;
mod date;
mod feedback_fields;
mod number;
mod parts;
mod search;
mod several;
mod text;
mod tls_json;
mod xml;

use std::net::IpAddr;

use compact_str::CompactString;

use self::{number::number, search::Search, xml::Pieces};
use crate::limits::{LimitExceeded, Limits};

pub use aggregate::AggregateReport;
pub use date::rfc3339;
pub use failure::FailureReport;
pub use key::{Ids, ReportKey};
pub use repairs::Repairs;
pub use several::parse_within;
pub use tls::TlsReport;

/// Text out of a report. Most values (results, domains, addresses) fit in 24 bytes and need no
/// heap.
pub type Text = CompactString;

/// One report, whatever its format.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "nearly all reports are of the large variant")]
pub enum Report {
    /// DMARC aggregate report (RFC 7489 appendix C, RFC 9990).
    Aggregate(AggregateReport),
    /// SMTP TLS report (RFC 8460 section 4).
    Tls(TlsReport),
    /// Failure report (RFC 9991).
    Failure(FailureReport),
}

/// The kinds of documents; each has an index and tables of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// One record of a DMARC aggregate report.
    Dmarc,
    /// One policy of an SMTP TLS report.
    Tls,
    /// One failure report.
    Failure,
}

impl Kind {
    /// All of them, in the order of their numbers: journals and tables are in it.
    pub(crate) const ALL: [Kind; 3] = [Kind::Dmarc, Kind::Tls, Kind::Failure];
}

/// The time a report speaks of, both ends in seconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Period {
    /// First second.
    pub begin: i64,
    /// Last second; the reporter's own idea of "last", which may be the next day's first.
    pub end: i64,
}

impl Report {
    /// Which kind of documents this report gives.
    pub fn kind(&self) -> Kind {
        match self {
            Report::Aggregate(_) => Kind::Dmarc,
            Report::Tls(_) => Kind::Tls,
            Report::Failure(_) => Kind::Failure,
        }
    }

    /// The time it speaks of; of a failure report, the arrival of the mail that failed, or 1970 if
    /// that is unknown.
    pub fn period(&self) -> Period {
        match self {
            Report::Aggregate(report) => report.metadata.date_range,
            Report::Tls(report) => report.date_range,
            Report::Failure(report) => {
                let at = report.arrival_date.unwrap_or(0);
                Period { begin: at, end: at }
            }
        }
    }

    /// The addresses that mail was sent from, as often as they are named.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        let (records, failure) = match self {
            Report::Aggregate(report) => (report.records.as_slice(), None),
            Report::Tls(_) => (Default::default(), None),
            Report::Failure(report) => (Default::default(), report.source_ip),
        };
        records.iter().filter_map(|record| record.row.source_ip).chain(failure)
    }

    /// True if the other has the id and the period of this one, as the same report in another form
    /// has.
    pub(crate) fn is_like(&self, other: &Report) -> bool {
        let id = |report: &Report| match report {
            Report::Aggregate(report) => Some(report.metadata.report_id.clone()),
            Report::Tls(report) => Some(report.report_id.clone()),
            Report::Failure(report) => report.report_id.clone(),
        };
        self.kind() == other.kind() && self.period() == other.period() && id(self) == id(other)
    }

    /// How many documents this report gives: one a record, or one a policy.
    pub fn len(&self) -> usize {
        match self {
            Report::Aggregate(report) => report.records.len(),
            Report::Tls(report) => report.policies.len(),
            Report::Failure(_) => 1,
        }
    }

    /// How many records, or policies and failure details, were read, those that were lost included.
    pub(crate) fn parts(&self) -> usize {
        let details = match self {
            Report::Tls(report) => {
                report.policies.iter().map(|policy| policy.failure_details.len()).sum()
            }
            Report::Aggregate(_) | Report::Failure(_) => 0,
        };
        self.len() + self.lost() + details
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
            Report::Failure(report) => &report.repairs,
        }
    }

    pub(crate) fn repairs_mut(&mut self) -> &mut Repairs {
        match self {
            Report::Aggregate(report) => &mut report.repairs,
            Report::Tls(report) => &mut report.repairs,
            Report::Failure(report) => &mut report.repairs,
        }
    }

    /// Records or policies that could not be read and are missing here.
    pub fn lost(&self) -> usize {
        match self {
            Report::Aggregate(report) => report.lost,
            Report::Tls(report) => report.lost,
            Report::Failure(_) => 0,
        }
    }
}

/// Two hexadecimal digits a byte.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// Why a payload gives no report.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Neither XML nor JSON, or XML and JSON of other kinds.
    #[error("not a report: {0}")]
    NotAReport(String),
    /// It calls itself a report, but something that no report can do without is missing or
    /// senseless.
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
    /// Reports in XML and in JSON take turns in one text.
    #[error("XML and JSON reports take turns too often in one text")]
    TooMixed,
    /// Behind or in front of a report stand parts of another.
    #[error("beside a report, parts of another stand in the text, without its beginning")]
    PartsLeft,
    /// Behind or in front of a report stands something else, which may be packed.
    #[error("beside a report stands what is no text")]
    NoText,
    /// A limit was exceeded.
    #[error(transparent)]
    Limit(#[from] LimitExceeded),
}

impl Unreadable {
    /// The error for a report of whose records or policies none is left.
    fn all_lost(format: &'static str, lost: usize, what: &str) -> Unreadable {
        Unreadable::Broken { format, reason: format!("none of {lost} {what} can be read") }
    }

    /// True if the bytes never claimed to be a report, so that nothing is lost by passing over
    /// them.
    pub fn is_something_else(&self) -> bool {
        matches!(self, Unreadable::NotAReport(_))
    }
}

/// True if a text that begins with something else holds what is or claims to be a report.
pub fn is_in(bytes: &[u8]) -> bool {
    let found = |text: &[u8]| Search::new(text).next(0).is_some();
    match text::decode_utf16(bytes) {
        Some(text) => found(text.as_bytes()),
        None => found(bytes),
    }
}

/// Reads one unpacked payload, XML or JSON told apart by the first byte that is not blank; the
/// first report if it holds several.
///
/// # Errors
/// [`Unreadable`] says why there is no report in the bytes.
pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Report, Unreadable> {
    parse_all(bytes, limits, &Repairs::default()).swap_remove(0)
}

/// How much more of a mail may be read: all its reports are in memory at once, and each takes its
/// time.
#[derive(Debug)]
pub struct Left {
    /// Records, policies and failure details.
    records: usize,
    /// What began like a report and was none.
    refused: usize,
    pieces: Pieces,
    json_bytes: u64,
    /// Bytes of text that is not UTF-8: it is copied, and becomes three times as long at worst.
    other_bytes: u64,
}

impl Left {
    /// As much as the limits allow.
    pub fn of(limits: &Limits) -> Left {
        // Short values take up to eight times their text in memory, so the limit of XML would be
        // too much for JSON.
        Left {
            records: limits.records,
            refused: limits.records,
            pieces: Pieces::new(limits),
            json_bytes: limits.unpacked_bytes / 4,
            other_bytes: several::other_bytes(limits),
        }
    }

    /// Takes what a report had. One that had too much is refused, with the limit of the whole mail.
    fn take(
        &mut self,
        report: Result<Report, Unreadable>,
        limits: &Limits,
    ) -> Result<Report, Unreadable> {
        match report {
            Ok(report) if report.parts() > self.records => Err(limits.too_many_records().into()),
            Err(Unreadable::Limit(limit)) if limit.what == limits.too_many_records().what => {
                Err(limits.too_many_records().into())
            }
            Ok(report) => {
                self.records -= report.parts();
                Ok(report)
            }
            Err(error) => {
                self.refused = self.refused.checked_sub(1).ok_or(limits.too_many_records())?;
                Err(error)
            }
        }
    }
}

/// Reads one unpacked payload: a report, or several one after another. Never empty. `repairs` says
/// what was mended on the way here.
pub fn parse_all(
    bytes: &[u8],
    limits: &Limits,
    repairs: &Repairs,
) -> Vec<Result<Report, Unreadable>> {
    parse_within(bytes, limits, &mut Left::of(limits), repairs)
}
