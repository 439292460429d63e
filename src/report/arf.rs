//! From the parts of a mail to a failure report: the fields of ARF (RFC 5965 section 3), or the
//! text for people that some mail servers send in their place.

use std::{net::IpAddr, sync::LazyLock};

use mail_parser::{Address, HeaderName, Message, MessageParser};

use super::{
    Repairs, Text, Unreadable,
    aggregate_xml::address,
    date,
    failure::{FailureReport, ReportedMessage},
    feedback_fields::{FIELDS, FeedbackFields, VALUES_KEPT},
    text,
};
use crate::limits::Limits;

const FORMAT: &str = "failure report";

/// Bytes kept of the header and of the body of the reported mail, in values.
const VALUES_OF_HEADERS: usize = 16;
const VALUES_OF_BODY: usize = 64;

/// Bytes looked at of the feedback part, and of the reported mail in search of its header.
pub(crate) const FEEDBACK_BYTES: usize = 256 << 10;
const HEADER_BYTES: usize = 1 << 20;

/// Only the fields that something is done with: mail-parser takes time with the square of the
/// number of parameters for others.
static PARSER: LazyLock<MessageParser> = LazyLock::new(|| {
    MessageParser::new()
        .header_address(HeaderName::From)
        .header_address(HeaderName::To)
        .header_address(HeaderName::ReplyTo)
        .header_text(HeaderName::Subject)
        .header_date(HeaderName::Date)
        .header_id(HeaderName::MessageId)
        .default_header_ignore()
});

/// What a failure report is made from.
#[derive(Default)]
pub(crate) struct ReportedParts<'x> {
    /// The part `message/feedback-report`, decoded, or a text that stands for it.
    pub(crate) feedback: &'x [u8],
    /// `feedback` is a text for people.
    pub(crate) for_people: bool,
    /// The reported mail, or its header.
    pub(crate) reported: Option<&'x [u8]>,
    /// Keep the body of the reported mail.
    pub(crate) keep_body: bool,
    /// Address of the sender of the report.
    pub(crate) reporter: Option<Text>,
    /// Message-ID of the report.
    pub(crate) report_id: Option<Text>,
    /// Date of the report.
    pub(crate) date: Option<i64>,
    /// What was mended on the way here.
    pub(crate) repairs: Repairs,
}

/// True if a part of unknown type holds the fields of a feedback report.
pub(crate) fn is_feedback(bytes: &[u8]) -> bool {
    let start = bytes.trim_ascii_start();
    start.get(..14).is_some_and(|name| name.eq_ignore_ascii_case(b"feedback-type:"))
}

/// True if a text for people tells of a failure, in the words of Exim, cPanel and Baruwa.
pub(crate) fn is_for_people(bytes: &[u8]) -> bool {
    memchr::memmem::find(bytes, b"Sender IP Address:").is_some()
        && memchr::memmem::find(bytes, b"DMARC").is_some()
}

/// Makes the report.
pub(crate) fn parse(parts: ReportedParts, limits: &Limits) -> Result<FailureReport, Unreadable> {
    let mut repairs = parts.repairs;
    if parts.feedback.len() > FEEDBACK_BYTES {
        repairs.note("feedback-cut");
    }
    let text =
        text::decode(&parts.feedback[..parts.feedback.len().min(FEEDBACK_BYTES)], &mut repairs);
    let mut cutter = Cutter { limits, repairs };
    let mut report = FailureReport {
        reporter: parts.reporter,
        report_id: parts.report_id,
        ..FailureReport::default()
    };
    let mut reported = parts.reported;
    if parts.for_people {
        cutter.repairs.note("no-feedback-part");
        let headers = for_people(&text, &mut report, &mut cutter);
        report.message = headers
            .and_then(|headers| reported_message(headers.as_bytes(), parts.keep_body, &mut cutter));
        reported = reported.filter(|_| report.message.is_none());
    } else {
        fields_of_arf(&text, &mut report, &mut cutter);
    }
    if let Some(reported) = reported {
        report.message = reported_message(reported, parts.keep_body, &mut cutter);
    }
    if report.reported_domain.is_empty()
        && let Some(from) = report.message.as_ref().and_then(|message| message.from.as_ref())
        && let Some((_, domain)) = from.rsplit_once('@')
    {
        report.reported_domain.push(domain.trim_end_matches('>').to_lowercase().into());
        cutter.repairs.note("missing-reported-domain");
    }
    if report.arrival_date.is_none() && parts.date.is_some() {
        report.arrival_date = parts.date;
        cutter.repairs.note("missing-arrival-date");
    }
    report.repairs = cutter.repairs;
    if tells_which_mail(&report) {
        return Ok(report);
    }
    let what = "Source-IP, Reported-Domain, Original-Mail-From and mail";
    Err(Unreadable::Missing { format: FORMAT, what })
}

/// True if there is something by which to know the mail that failed.
fn tells_which_mail(report: &FailureReport) -> bool {
    report.source_ip.is_some()
        || !report.reported_domain.is_empty()
        || report.original_mail_from.is_some()
        || report.message.is_some()
}

fn fields_of_arf(text: &str, report: &mut FailureReport, cutter: &mut Cutter) {
    let mut fields = FeedbackFields::of(text);
    report.feedback_type =
        fields.first("feedback-type").map(|value| cutter.text(&value.to_lowercase()));
    report.user_agent = fields.first("user-agent").map(|value| cutter.text(&value));
    report.version = fields.first("version").map(|value| cutter.text(&value));
    report.auth_failure = words(&fields.all("auth-failure"), cutter);
    let date = fields.first("arrival-date").or_else(|| fields.first("received-date"));
    report.arrival_date = date.as_deref().and_then(date::of_mail).or_else(|| date::parse(&date?));
    report.source_ip = fields.first("source-ip").and_then(|value| source_ip(&value, cutter));
    report.source_port = fields.first("source-port").and_then(|value| {
        let port = value.parse().ok();
        cutter.note_unless(port.is_some(), "source-port-unreadable");
        port
    });
    let domains = fields.all("reported-domain");
    report.reported_domain =
        domains.iter().map(|domain| cutter.text(&domain.to_lowercase())).collect();
    report.identity_alignment = words(&fields.all("identity-alignment"), cutter);
    report.delivery_result =
        fields.first("delivery-result").map(|value| cutter.text(&value.to_lowercase()));
    report.original_mail_from =
        fields.first("original-mail-from").and_then(|value| mailbox(&value, cutter));
    let recipients = fields.all("original-rcpt-to");
    report.original_rcpt_to =
        recipients.iter().filter_map(|value| mailbox(value, cutter)).collect();
    report.original_envelope_id =
        fields.first("original-envelope-id").map(|value| cutter.text(&value));
    let mta = fields.first("reporting-mta");
    report.reporting_mta = mta
        .map(|mta| cutter.text(mta.split_once(';').map_or(mta.as_str(), |(_, name)| name).trim()));
    report.incidents = fields.first("incidents").and_then(|value| {
        let incidents = super::number(&value);
        cutter.note_unless(incidents.is_some(), "incidents-unreadable");
        incidents
    });
    report.dkim_domain =
        fields.first("dkim-domain").map(|value| cutter.text(&value.to_lowercase()));
    report.dkim_selector = fields.first("dkim-selector").map(|value| cutter.text(&value));
    report.dkim_identity = fields.first("dkim-identity").map(|value| cutter.text(&value));
    report.dkim_selector_dns = fields.first("dkim-selector-dns").map(|value| cutter.text(&value));
    report.spf_dns = fields.all("spf-dns").iter().map(|value| cutter.text(value)).collect();
    let results = fields.all("authentication-results");
    report.authentication_results = results.iter().map(|value| cutter.text(value)).collect();
    report.reported_uri =
        fields.all("reported-uri").iter().map(|value| cutter.text(value)).collect();
    cutter.note_left_out(&fields);
}

/// Reads `Sender IP Address: 192.0.2.1` and the like. What follows a line of hyphens is the header
/// of the mail.
fn for_people<'x>(
    text: &'x str,
    report: &mut FailureReport,
    cutter: &mut Cutter,
) -> Option<&'x str> {
    let rule = text
        .match_indices("-----")
        .map(|(at, _)| at)
        .find(|at| text[..*at].ends_with('\n') || *at == 0);
    let (summary, rest) = text.split_at(rule.unwrap_or(text.len()));
    let mut fields = FeedbackFields::of_text(summary);
    report.feedback_type = Some("auth-failure".into());
    report.auth_failure = vec!["dmarc".into()];
    report.source_ip =
        fields.first("sender ip address").and_then(|value| source_ip(&value, cutter));
    let domains = fields.all("sender domain");
    report.reported_domain =
        domains.iter().map(|domain| cutter.text(&domain.to_lowercase())).collect();
    report.arrival_date = fields.first("received date").and_then(|value| date::of_mail(&value));
    let aligned = |fields: &mut FeedbackFields, name: &str| {
        fields
            .first(name)
            .is_some_and(|value| matches!(value.to_lowercase().as_str(), "yes" | "pass" | "true"))
    };
    for (name, mechanism) in [("spf alignment", "spf"), ("dkim alignment", "dkim")] {
        if aligned(&mut fields, name) {
            report.identity_alignment.push(mechanism.into());
        }
    }
    if report.identity_alignment.is_empty() {
        report.identity_alignment.push("none".into());
    }
    report.delivery_result =
        fields.first("dmarc results").map(|value| cutter.text(&value.to_lowercase()));
    cutter.note_left_out(&fields);
    // The line of hyphens may go on for two lines of explanation; an empty line ends it.
    let blank =
        rest.find("\n\n").map(|at| at + 2).or_else(|| rest.find("\r\n\r\n").map(|at| at + 4))?;
    Some(rest[blank..].trim_start_matches(['\r', '\n']))
}

/// What there is to know of the reported mail; nothing if there is none.
fn reported_message(bytes: &[u8], keep_body: bool, cutter: &mut Cutter) -> Option<ReportedMessage> {
    let bytes = bytes.trim_ascii_start();
    let (headers, body) = bytes.split_at(header_end(&bytes[..bytes.len().min(HEADER_BYTES)]));
    cutter.note_unless(memchr::memchr_iter(b'\n', headers).count() < FIELDS, "message-cut");
    let message = PARSER.parse_headers(headers)?;
    let subject = message.subject().map(str::trim).filter(|subject| !subject.is_empty());
    let found = ReportedMessage {
        message_id: message.message_id().map(|id| cutter.text(id.trim())),
        from: addresses(message.from(), cutter).into_iter().next(),
        to: addresses(message.to(), cutter),
        reply_to: addresses(message.reply_to(), cutter).into_iter().next(),
        subject: subject.map(|subject| cutter.text(subject)),
        date: message
            .date()
            .filter(|date| date.is_valid())
            .map(mail_parser::DateTime::to_timestamp),
        headers: cutter.long_text(headers, VALUES_OF_HEADERS),
        body: keep_body
            .then(|| cutter.long_text(body.trim_ascii_start(), VALUES_OF_BODY))
            .filter(|body| !body.is_empty()),
    };
    has_fields(&message).then_some(found)
}

/// Where the header ends: at the first line that is neither a field nor the continuation of one.
/// Whatever a mail parser would make of the rest, it may be personal data.
fn header_end(bytes: &[u8]) -> usize {
    let mut end = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n').take(FIELDS) {
        let is_folded = end > 0 && matches!(line.first(), Some(b' ' | b'\t'));
        let is_envelope = end == 0 && (line.starts_with(b"From ") || line.starts_with(b">From "));
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(0);
        let is_field = colon > 0
            && line[..colon].trim_ascii_end().iter().all(|byte| matches!(byte, b'!'..=b'~'));
        if line.trim_ascii().is_empty() || !(is_folded || is_envelope || is_field) {
            break;
        }
        end += line.len();
    }
    end
}

/// True if there are fields that a mail has; any text is the header of some mail to a mail parser.
fn has_fields(message: &Message) -> bool {
    let known = ["From", "To", "Subject", "Date", "Message-ID", "Received", "Return-Path"];
    message
        .headers()
        .iter()
        .any(|header| known.iter().any(|name| header.name().eq_ignore_ascii_case(name)))
}

/// `Name <address>`, each.
fn addresses(field: Option<&Address>, cutter: &mut Cutter) -> Vec<Text> {
    let Some(field) = field else { return Vec::new() };
    let one = |addr: &mail_parser::Addr| match (addr.name(), addr.address()) {
        (Some(name), Some(address)) => Some(format!("{name} <{address}>")),
        (None, Some(text)) | (Some(text), None) => Some(text.to_owned()),
        (None, None) => None,
    };
    let mut all = field.iter().filter_map(one);
    let kept = all.by_ref().take(VALUES_KEPT).map(|address| cutter.text(&address)).collect();
    cutter.note_unless(all.next().is_none(), "values-cut");
    kept
}

/// The values of a field whose values are words with commas between.
fn words(values: &[String], cutter: &mut Cutter) -> Vec<Text> {
    let mut words: Vec<Text> = Vec::new();
    for word in values
        .iter()
        .flat_map(|value| value.split([',', ' ', '\t']))
        .filter(|word| !word.is_empty())
    {
        let word = cutter.text(&word.to_lowercase());
        if words.contains(&word) {
            continue;
        }
        if words.len() == VALUES_KEPT {
            cutter.repairs.note("values-cut");
            break;
        }
        words.push(word);
    }
    words
}

/// An envelope address without its angle brackets; nothing for that of a bounce, `<>`.
fn mailbox(value: &str, cutter: &mut Cutter) -> Option<Text> {
    let bare = value
        .trim()
        .strip_prefix('<')
        .and_then(|rest| rest.strip_suffix('>'))
        .unwrap_or(value)
        .trim();
    Some(cutter.text(bare)).filter(|address| !address.is_empty())
}

fn source_ip(value: &str, cutter: &mut Cutter) -> Option<IpAddr> {
    // `192.0.2.1 (mail.example.org)` has been seen.
    let first = value.split_whitespace().next().unwrap_or_default();
    let address = address(first);
    if address.is_none() {
        cutter.repairs.note("source-ip-unreadable");
    }
    address
}

/// Cuts values at the limit, and notes it.
struct Cutter<'l> {
    limits: &'l Limits,
    repairs: Repairs,
}

impl Cutter<'_> {
    fn note_unless(&mut self, is_well: bool, name: &'static str) {
        if !is_well {
            self.repairs.note(name);
        }
    }

    fn note_left_out(&mut self, fields: &FeedbackFields) {
        self.note_unless(!fields.too_many, "feedback-cut");
        self.note_unless(!fields.values_cut, "values-cut");
        self.note_unless(!fields.repeated, "repeated-element");
    }

    fn text(&mut self, text: &str) -> Text {
        let end = text.floor_char_boundary(self.limits.value_bytes);
        if end < text.len() {
            self.repairs.note("value-cut");
        }
        Text::from(&text[..end])
    }

    fn long_text(&mut self, bytes: &[u8], values: usize) -> String {
        let text = String::from_utf8_lossy(bytes);
        let text = text.trim_end();
        let end = text.floor_char_boundary(self.limits.value_bytes.saturating_mul(values));
        if end < text.len() {
            self.repairs.note("message-cut");
        }
        text[..end].to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_ends_where_the_first_doubt_begins() {
        for (header, rest) in [
            ("From: a\r\n\tb\r\n", "\r\nTo: secret\r\n"),
            ("From: a\n", " \nTo: secret\n"),
            (">From x\nFrom: a\n", "Dear Ms Secret,\nTo: you\n"),
            ("", " From: a\n"),
        ] {
            assert_eq!(
                header_end(format!("{header}{rest}").as_bytes()),
                header.len(),
                "{header}{rest}"
            );
        }
    }
}
