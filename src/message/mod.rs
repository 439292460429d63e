//! Message: the bytes of one mail (or bare report file) in, every report in it out.
//!
//! Every part of a mail is looked at, and told by its bytes, never by its name or declared type. mail-parser
//! finds the parts; [`unpack`] takes archives apart; [`crate::report`] reads what comes out.

mod unpack;

use std::{borrow::Cow, ops::Range};

use mail_parser::{Encoding, Message, MessageParser, MessagePart, PartType};
use serde::Serialize;

use unpack::Spent;

use crate::{
    limits::{LimitExceeded, Limits},
    report::{self, Report, Text, Unreadable, rfc3339},
};

/// What is remembered of the mail that brought a report: the documents' object `received`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Received {
    /// Message-ID, without the angle brackets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<Text>,
    /// When the mail was received: the date of the topmost Received header, or else that of the mail; RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// Address of the From header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Text>,
}

/// What a mail turned out to hold.
#[derive(Debug, Default)]
pub struct Contents {
    /// About the mail itself.
    pub received: Received,
    /// The reports, in order of appearance.
    pub reports: Vec<Report>,
    /// Why parts that should have been reports are not among them.
    pub failures: Vec<Unusable>,
    /// How many more reports there were that nobody wants, because of their period.
    pub passed_over: usize,
    /// The first thing that was found instead of a report.
    pub other: Option<Unreadable>,
}

/// Why a part of a mail, or the whole, can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// The archive can't be unpacked.
    #[error("{0}")]
    Archive(#[from] unpack::ArchiveError),
    /// What was unpacked can't be read.
    #[error("{0}")]
    Report(#[from] Unreadable),
    /// A limit was exceeded.
    #[error("{0}")]
    Limit(#[from] LimitExceeded),
    /// This program is at fault.
    #[error("a bug in this program ({0}); please report it with the mail")]
    Bug(String),
}

impl Contents {
    /// Of a mail that was not looked into.
    pub fn refused(why: impl Into<Unusable>) -> Contents {
        Contents { failures: vec![why.into()], ..Contents::default() }
    }

    /// Why the mail does not count as used up, in one line; nothing if all its reports could be read.
    pub fn complaint(&self) -> Option<String> {
        match (self.failures.as_slice(), &self.other) {
            ([], _) if !self.reports.is_empty() || self.passed_over > 0 => None,
            ([], None) => Some("no report found in the mail".into()),
            ([], Some(other)) => Some(format!("no report found in the mail ({other})")),
            ([only], _) => Some(only.to_string()),
            ([first, rest @ ..], _) => Some(format!("{first} (and {} more)", rest.len())),
        }
    }

    /// Takes out the reports whose period begins outside of `wanted`, in seconds since 1970.
    pub fn keep_only(&mut self, wanted: &Range<i64>) {
        let all = self.reports.len();
        self.reports.retain(|report| wanted.contains(&report.period().begin));
        self.passed_over += all - self.reports.len();
    }

    /// True if nothing in the mail is or claims to be a report: mail of another kind.
    pub fn is_something_else(&self) -> bool {
        self.reports.is_empty() && self.failures.is_empty() && self.passed_over == 0
    }
}

/// Reads one mail or bare report file.
pub fn read(bytes: &[u8], limits: &Limits) -> Contents {
    if bytes.len() as u64 > limits.mail_bytes {
        return Contents::refused(limits.too_large());
    }
    let mut contents = Contents::default();
    let mut reader = Reader { limits, parts: 0, unpacking: None, contents: &mut contents };
    match Payload::of(bytes) {
        Payload::Other => reader.mail(bytes, 0),
        _ => reader.payload(bytes, 0),
    }
    contents
}

/// What some bytes are, by the bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Payload {
    Gzip,
    Zip,
    /// XML or JSON in any encoding.
    Text,
    Other,
}

impl Payload {
    fn of(bytes: &[u8]) -> Payload {
        match bytes {
            [0x1F, 0x8B, ..] => Payload::Gzip,
            [b'P', b'K', 3 | 5, 4 | 6, ..] => Payload::Zip,
            [0xFF, 0xFE, b'<' | b'{', ..] | [0xFE, 0xFF, 0, b'<' | b'{', ..] | [0, b'<' | b'{', ..] => Payload::Text,
            _ => {
                let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
                match bytes.trim_ascii_start().first() {
                    Some(b'<' | b'{') => Payload::Text,
                    _ => Payload::Other,
                }
            }
        }
    }
}

struct Reader<'c> {
    limits: &'c Limits,
    /// MIME parts seen so far, those of mails within the mail included.
    parts: usize,
    /// While an attachment is being unpacked: how much of it has been.
    unpacking: Option<Spent>,
    contents: &'c mut Contents,
}

impl Reader<'_> {
    /// Reads a mail, `depth` levels of mails and archives down.
    fn mail(&mut self, bytes: &[u8], depth: usize) {
        match MessageParser::default().parse(bytes) {
            Some(message) => self.message(&message, depth),
            None => self.pass_over(Unreadable::NotAReport("not a mail".into())),
        }
    }

    fn message(&mut self, message: &Message, depth: usize) {
        if depth > self.limits.nesting {
            return self.fail(self.limits.nested_too_deep());
        }
        if depth == 0 {
            self.contents.received = received(message);
        }
        self.parts += message.parts.len();
        if self.parts > self.limits.parts {
            return self.fail(self.limits.too_many_parts());
        }
        for part in &message.parts {
            match &part.body {
                PartType::Multipart(_) => {}
                PartType::Message(inner) => self.message(inner, depth + 1),
                PartType::Binary(_) | PartType::InlineBinary(_) => self.payload(part.contents(), depth),
                PartType::Text(text) => {
                    let bytes = undecoded(message, part, text);
                    self.payload(&bytes, depth);
                }
                // An HTML part is the letter that comes with the report, unless it hides something else.
                PartType::Html(text) => {
                    let bytes = undecoded(message, part, text);
                    if Payload::of(&bytes) != Payload::Text || memchr::memmem::find(&bytes, b"<feedback").is_some() {
                        self.payload(&bytes, depth);
                    }
                }
            }
        }
    }

    /// Reads an attachment, a member of an archive or a bare file.
    fn payload(&mut self, bytes: &[u8], depth: usize) {
        let payload = Payload::of(bytes);
        match payload {
            Payload::Text => self.report(bytes),
            // A mail in an archive, or attached under a type of its own.
            Payload::Other if looks_like_mail(bytes) => self.mail(bytes, depth + 1),
            Payload::Other => self.pass_over(Unreadable::NotAReport("neither XML nor JSON".into())),
            Payload::Gzip | Payload::Zip if depth >= self.limits.nesting => self.fail(self.limits.nested_too_deep()),
            Payload::Gzip | Payload::Zip => {
                let outermost = self.unpacking.is_none();
                let spent = self.unpacking.get_or_insert_default();
                let unpack = if payload == Payload::Gzip { unpack::gzip } else { unpack::zip };
                match unpack(bytes, self.limits, spent) {
                    Ok(members) => members.iter().for_each(|member| self.payload(member, depth + 1)),
                    Err(error) => self.fail(error),
                }
                if outermost {
                    self.unpacking = None;
                }
            }
        }
    }

    fn report(&mut self, bytes: &[u8]) {
        match report::parse(bytes, self.limits) {
            Ok(report) => self.contents.reports.push(report),
            Err(error) if error.is_something_else() => self.pass_over(error),
            Err(error) => self.fail(error),
        }
    }

    fn fail(&mut self, error: impl Into<Unusable>) {
        self.contents.failures.push(error.into());
    }

    fn pass_over(&mut self, what: Unreadable) {
        self.contents.other.get_or_insert(what);
    }
}

/// The bytes of a text part without the change of character set that mail-parser made, for what calls itself text and is
/// not, and since an XML declaration speaks of the original bytes.
fn undecoded<'x>(message: &'x Message, part: &'x MessagePart, text: &'x str) -> Cow<'x, [u8]> {
    let raw = message.raw_message.get(part.offset_body as usize..part.offset_end as usize);
    let decoded = raw.and_then(|raw| match part.encoding {
        Encoding::None => Some(Cow::Borrowed(raw)),
        Encoding::Base64 => mail_parser::decoders::base64::base64_decode(raw).map(Cow::Owned),
        Encoding::QuotedPrintable => {
            mail_parser::decoders::quoted_printable::quoted_printable_decode(raw).map(Cow::Owned)
        }
    });
    decoded.unwrap_or(Cow::Borrowed(text.as_bytes()))
}

/// True if the bytes begin with a header field, as in `Received: from …`.
fn looks_like_mail(bytes: &[u8]) -> bool {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
    let is_name = !name.is_empty() && name.len() < line.len() && name.iter().all(|byte| matches!(byte, b'!'..=b'~'));
    is_name
        && [&b"\nfrom:"[..], b"\nsubject:", b"\nmime-version:", b"\ncontent-type:"].iter().any(|header| {
            bytes.len() >= header.len()
                && bytes[..bytes.len().min(16 << 10)]
                    .windows(header.len())
                    .any(|window| window.eq_ignore_ascii_case(header))
        })
}

fn received(message: &Message) -> Received {
    // `Message::received` would give the lowest one, which the sender wrote.
    let topmost = message.received_all().next().and_then(mail_parser::Received::date);
    let date = topmost.or_else(|| message.date().copied());
    Received {
        message_id: message.message_id().map(value),
        at: date.and_then(|date| rfc3339(date.to_timestamp())),
        from: message.from().and_then(|from| from.first()).and_then(|from| from.address()).map(value),
    }
}

/// A value out of a header, cut at what a mail address or id can have (RFC 5321 section 4.5.3.1).
fn value(text: &str) -> Text {
    Text::from(&text[..text.floor_char_boundary(512)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_topmost_received_header_says_when() {
        let mail = "Received: from b by c; Wed, 02 Sep 2026 04:10:00 +0000\n\
                    Received: from a by b; Tue, 01 Sep 2026 00:00:00 +0000\n\
                    Date: Mon, 31 Aug 2026 00:00:00 +0000\n\n";
        let received = read(mail.as_bytes(), &Limits::default()).received;
        assert_eq!(received.at.as_deref(), Some("2026-09-02T04:10:00Z"));
    }
}
