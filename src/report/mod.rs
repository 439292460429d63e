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

mod text;
mod tls_json;
mod xml;

use compact_str::CompactString;

use self::{aggregate_xml::End, number::number, xml::Pieces};
use crate::limits::{LimitExceeded, Limits};

pub use aggregate::AggregateReport;
pub use date::rfc3339;
pub use failure::FailureReport;
pub use key::{Ids, Key};
pub use repairs::Repairs;
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
    text::find_report(bytes).is_some()
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
    pieces: Pieces,
    json_bytes: u64,
}

impl Left {
    /// As much as the limits allow.
    pub fn of(limits: &Limits) -> Left {
        // Short values take up to eight times their text in memory, so the limit of XML would be
        // too much for JSON.
        Left {
            records: limits.records,
            pieces: Pieces::new(limits),
            json_bytes: limits.unpacked_bytes / 4,
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
            report => {
                self.records -= report.as_ref().map_or(0, Report::parts);
                report
            }
        }
    }
}

/// Text in other encodings than UTF-8 is copied, and becomes three times as long at worst.
fn check_encoding(bytes: &[u8], limits: &Limits) -> Result<(), LimitExceeded> {
    // No memory is won by refusing little.
    let value = (limits.unpacked_bytes / 4).max(1 << 20);
    if bytes.len() as u64 <= value || std::str::from_utf8(bytes).is_ok() {
        return Ok(());
    }
    let error = limits.too_much_unpacked();
    Err(LimitExceeded {
        what: "bytes of text that is not UTF-8 (a quarter of what may be unpacked)",
        value,
        ..error
    })
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

/// Whether the first report in a text is XML, and the text from there on.
fn begin<'t>(text: &'t str, repairs: &mut Repairs) -> Result<(bool, &'t str), Unreadable> {
    let blank = |c: char| c.is_whitespace() || matches!(c, '\u{FEFF}' | '\0');
    let text = text.trim_start_matches(blank);
    match text.as_bytes().first() {
        Some(b'<') if !text::is_json_before_root(text.as_bytes()) => return Ok((true, text)),
        Some(b'{') => return Ok((false, text)),
        Some(_) => {}
        None => return Err(Unreadable::NotAReport("empty".into())),
    }
    let Some((is_xml, start)) = text::find_first(text.as_bytes()) else {
        return Err(Unreadable::NotAReport("neither XML nor JSON".into()));
    };
    let is_list = text.starts_with('[') && text[1..start].trim().is_empty();
    repairs.note(match (is_xml, is_list) {
        (true, _) => "text-before-xml",
        (false, true) => "reports-in-a-list",
        (false, false) => "text-before-json",
    });
    Ok((is_xml, &text[start..]))
}

/// [`parse_all`] for one of several payloads of a mail.
pub fn parse_within(
    bytes: &[u8],
    limits: &Limits,
    left: &mut Left,
    repairs: &Repairs,
) -> Vec<Result<Report, Unreadable>> {
    let mut repairs = repairs.clone();
    if let Err(limit) = check_encoding(bytes, limits) {
        return vec![Err(limit.into())];
    }
    let text = text::decode(bytes, &mut repairs);
    let (mut is_xml, mut rest) = match begin(&text, &mut repairs) {
        Ok(found) => found,
        Err(error) => return vec![Err(error)],
    };
    // JSON is counted from its first report to the end of the text.
    let mut switches = 2;
    let mut is_new = true;
    let mut reports = Vec::new();
    loop {
        if is_new && is_xml {
            rest = aggregate_xml::without_half_end_tag(rest);
        } else if is_new
            && let Err(limit) = tls_json::check(rest, limits, left.records, &mut left.json_bytes)
        {
            reports.push(Err(limit.into()));
            return reports;
        }
        let (report, end) = one(rest, is_xml, limits, left, &repairs);
        let next = match (&report, end) {
            (_, Some(end)) => next(rest, end, is_xml),
            (Err(Unreadable::NotAReport(_)), None) => other(rest, is_xml),
            (_, None) => None,
        };
        reports.push(left.take(report, limits));
        match next {
            Some(_) if reports.len() >= limits.members => {
                reports.push(Err(limits.too_many_members().into()));
                return reports;
            }
            Some((begins_with_xml, at)) => {
                rest = &rest[at..];
                is_new = begins_with_xml != is_xml;
                if is_new && switches == 0 {
                    reports.push(Err(Unreadable::TooMixed));
                    return reports;
                }
                switches -= usize::from(is_new);
                is_xml = begins_with_xml;
            }
            None => return reports,
        }
    }
}

/// Reads the first report of a text, and says where it ends if something may follow.
fn one(
    text: &str,
    is_xml: bool,
    limits: &Limits,
    left: &mut Left,
    repairs: &Repairs,
) -> (Result<Report, Unreadable>, Option<End>) {
    if is_xml {
        let limits = Limits { records: left.records, ..limits.clone() };
        let (report, end) = aggregate_xml::parse(text, &limits, &mut left.pieces, repairs.clone());
        (report.map(Report::Aggregate), end)
    } else {
        let (report, end) = tls_json::parse(text, limits, repairs.clone());
        (report.map(Report::Tls), end.map(|at| End { at, is_root: false }))
    }
}

/// Where the report behind another begins, and whether it is XML.
fn next(text: &str, end: End, is_xml: bool) -> Option<(bool, usize)> {
    let rest = &text[end.at..];
    let same = match is_xml {
        true if end.is_root => Some(0),
        true => text::find_root(rest.as_bytes()),
        false => text::next_json(rest),
    };
    // All of the text is searched for the other format only if none of the same follows.
    let nearer = other(&rest[..same.unwrap_or(rest.len())], is_xml);
    nearer.or(same.map(|at| (is_xml, at))).map(|(is_xml, at)| (is_xml, end.at + at))
}

/// Where the first report of the other format begins.
fn other(text: &str, is_xml: bool) -> Option<(bool, usize)> {
    let find = if is_xml { text::find_json } else { text::find_root };
    find(text.as_bytes()).map(|at| (!is_xml, at))
}
