//! Message: the bytes of one mail (or bare report file) in, every report in it out.
//!
//! Every part of a mail is looked at, and told by its bytes, never by its name or declared type. [`parts`]
//! finds them; [`unpack`] takes archives apart; [`crate::report`] reads what comes out.

pub mod authentication;

mod encoded;
mod failure;
mod parts;
mod size;
mod unpack;

use std::{borrow::Cow, ops::Range};

use mail_parser::{HeaderName, Message, MessageParser};
use serde::Serialize;

use self::{
    authentication::Authenticated,
    parts::{MimeMail, Seen, starts_with_field, without_from_line},
    unpack::Spent,
};

use crate::{
    limits::{LimitExceeded, Limits},
    report::{self, Repairs, Report, Text, Unreadable, rfc3339},
};

/// How a mail is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// How much of it is looked at.
    pub limits: Limits,
    /// Keep the body of a mail that a failure report is about: it is personal data.
    pub keep_failed_message: bool,
    /// The name by which the receiving mail server signs its results of authentication; without it none are read.
    pub authserv_id: Option<String>,
    /// Believe that server's results also where it, or a stranger, wrote them directly below its `Received`. Means nothing
    /// without `authserv_id`.
    pub authserv_below_received: bool,
    /// Refuse reports whose sender is not authenticated. Means nothing without `authserv_id`.
    pub require_authenticated: bool,
}

impl From<Limits> for ReadOptions {
    fn from(limits: Limits) -> ReadOptions {
        ReadOptions { limits, ..ReadOptions::default() }
    }
}

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
    /// What the receiving server vouches for, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authenticated: Option<Authenticated>,
}

/// What a mail turned out to hold.
#[derive(Debug, Default)]
pub struct Contents {
    /// About the mail itself.
    pub received: Received,
    /// Its subject.
    pub subject: Option<Text>,
    /// The reports, in order of appearance.
    pub reports: Vec<Report>,
    /// Why parts that should have been reports are not among them.
    pub failures: Vec<Unusable>,
    /// How many more reports there were that are not wanted, because of their period.
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
    /// Whoever sent it is not who the From header says, as far as the receiving server could tell.
    #[error("the sender is not authenticated (--require-authenticated)")]
    NotAuthenticated,
    /// The same, though a field that would say so lies where it is not believed.
    #[error(
        "the sender is not authenticated (--require-authenticated): the results of your server lie below its Received, \
         where they are believed only with --authserv-below-received"
    )]
    NotAuthenticatedAbove,
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
            ([], None) => Some("holds no report".into()),
            ([], Some(other)) => Some(format!("holds no report ({other})")),
            ([only], _) => Some(only.to_string()),
            ([first, rest @ ..], _) => Some(format!("{first} (and {} more)", rest.len())),
        }
    }

    /// Subject and sender of the mail, for a person: `"Lunch?" from shop@example.org`. From a stranger.
    pub fn about(&self) -> Option<String> {
        let subject =
            self.subject.as_deref().map(|subject| format!("{:?}", &subject[..subject.floor_char_boundary(80)]));
        let from = self.received.from.as_deref().map(|from| format!("from {from}"));
        let words: Vec<String> = subject.into_iter().chain(from).collect();
        (!words.is_empty()).then(|| words.join(" "))
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
    read_with(bytes, &ReadOptions::from(limits.clone()))
}

/// [`read`], with more to say on how.
pub fn read_with(bytes: &[u8], options: &ReadOptions) -> Contents {
    read_counted(bytes, options, &mut |_| true).unwrap_or_default()
}

/// [`read_with`], asking `may_take` for memory before it is taken: bytes, more rather than less than will be needed. Gives up,
/// with nothing, when the answer is no.
pub fn read_counted(bytes: &[u8], options: &ReadOptions, may_take: &mut dyn FnMut(usize) -> bool) -> Option<Contents> {
    let limits = &options.limits;
    if bytes.len() as u64 > limits.mail_bytes {
        return Some(Contents::refused(limits.too_large()));
    }
    let mut contents = Contents::default();
    let mut reader = Walk {
        options,
        limits,
        seen: Seen::of(bytes.len()),
        unpacked: Spent::new(may_take),
        unpacking: false,
        left: report::Left::of(limits),
        would_pass_below: false,
        contents: &mut contents,
    };
    match Payload::of(bytes) {
        Payload::Other if looks_like_mail(bytes) || !report::is_in(bytes) => {
            if !reader.mail(bytes, 0) {
                reader.pass_over(Unreadable::NotAReport("not a mail".into()));
            }
        }
        _ => reader.payload(bytes, 0, &Repairs::default()),
    }
    if reader.unpacked.gave_up() {
        return None;
    }
    let would_pass_below = reader.would_pass_below;
    if size::of_documents(&contents) > limits.document_bytes {
        contents.reports.clear();
        contents.failures.insert(0, limits.too_large_documents().into());
    }
    if options.authserv_id.is_some() {
        let authenticated = contents.received.authenticated.get_or_insert_default();
        if options.require_authenticated && !authenticated.pass && !contents.reports.is_empty() {
            contents.reports.clear();
            let why = if would_pass_below { Unusable::NotAuthenticatedAbove } else { Unusable::NotAuthenticated };
            contents.failures.insert(0, why);
        }
    }
    if contents.reports.is_empty() {
        contents.subject = subject(bytes);
    }
    Some(contents)
}

/// The subject of a mail: wanted only where there is nothing better to say of it.
fn subject(mail: &[u8]) -> Option<Text> {
    const HEAD: usize = 16 << 10;
    let parser = MessageParser::new().header_text(HeaderName::Subject).default_header_ignore();
    parser.parse_headers(&mail[..mail.len().min(HEAD)])?.subject().map(value)
}

/// Memory that each byte of a text takes once it was read: a record, 400 bytes, can be written in 44.
const READ_TIMES: usize = 12;

/// Memory that an object of JSON and a line of a header take, however short.
const OBJECT_BYTES: usize = 512;
const FIELD_BYTES: usize = 200;

/// Memory needed to read what may be a report.
fn weight(bytes: &[u8]) -> usize {
    let objects = memchr::memchr_iter(b'{', bytes).count();
    bytes.len() * READ_TIMES + objects * OBJECT_BYTES
}

/// What some bytes are, by the bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Payload {
    Gzip,
    Zlib,
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
            // Deflate with a window of 32 KiB and no dictionary (RFC 1950 section 2.2): `x` and no letter.
            [0x78, 0x01 | 0x5E | 0x9C | 0xDA, ..] => Payload::Zlib,
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

struct Walk<'c> {
    options: &'c ReadOptions,
    limits: &'c Limits,
    /// What was seen of the mail so far, mails within it included.
    seen: Seen,
    /// What was unpacked so far.
    unpacked: Spent<'c>,
    /// An attachment is being unpacked.
    unpacking: bool,
    left: report::Left,
    /// The sender would be authenticated by what lies below the own server's `Received`, if that was believed.
    would_pass_below: bool,
    contents: &'c mut Contents,
}

impl Walk<'_> {
    /// Reads a mail, `depth` levels of mails and archives down. False if it is none.
    fn mail(&mut self, bytes: &[u8], depth: usize) -> bool {
        if depth > self.limits.nesting {
            self.fail(self.limits.nested_too_deep());
            return true;
        }
        let fields = self.seen.fields();
        let mail = parts::split(bytes, self.limits, &mut self.seen);
        self.unpacked.ask((self.seen.fields() - fields) * FIELD_BYTES);
        match mail {
            Ok(Some(mail)) => self.parts(&mail, depth),
            Ok(None) => return false,
            Err(limit) => self.fail(limit),
        }
        true
    }

    fn parts(&mut self, mail: &MimeMail, depth: usize) {
        if depth == 0 {
            self.contents.received = received(&mail.header, self.options);
            if self.options.require_authenticated {
                let below = ReadOptions { authserv_below_received: true, ..self.options.clone() };
                let below = received(&mail.header, &below).authenticated;
                self.would_pass_below = below.is_some_and(|below| below.pass);
            }
        }
        let failure = failure::find(mail, self.options).map(|(report, parts)| {
            self.push(report.map(Report::Failure));
            parts
        });
        for (index, part) in mail.parts.iter().enumerate() {
            if failure.is_some_and(|parts| parts.contains(&index)) {
                continue;
            }
            let mut repairs = Repairs::default();
            let bytes = part.bytes(&mut repairs);
            // Mails within each other are decoded one out of the other.
            if self.unpacking
                && matches!(bytes, Cow::Owned(_))
                && let Err(limit) = self.unpacked.take(bytes.len(), self.limits)
            {
                self.fail(limit);
                continue;
            }
            let payload = Payload::of(bytes.trim_ascii_start());
            if part.is("text", "html") {
                // The letter that comes with the report, unless it hides something else.
                if payload != Payload::Text || report::is_in(&bytes) {
                    self.payload(&bytes, depth, &repairs);
                }
            } else if !(part.is_mail() && payload == Payload::Other && self.mail(&bytes, depth + 1)) {
                self.payload(&bytes, depth, &repairs);
            }
        }
    }

    /// Reads an attachment, a member of an archive or a bare file; `repairs` says what was mended on the way.
    fn payload(&mut self, bytes: &[u8], depth: usize, repairs: &Repairs) {
        // Some mailers put an empty line too many in front of an attachment.
        let packed = bytes.trim_ascii_start();
        let unpack = match Payload::of(packed) {
            Payload::Text => return self.report(bytes, repairs),
            Payload::Other => return self.other(bytes, depth, repairs),
            _ if depth >= self.limits.nesting => return self.fail(self.limits.nested_too_deep()),
            Payload::Gzip => unpack::gzip,
            Payload::Zip => unpack::zip,
            Payload::Zlib => unpack::zlib,
        };
        let mut repairs = repairs.clone();
        if Payload::of(packed) == Payload::Zlib {
            repairs.note("zlib-for-gzip");
        }
        let outermost = !std::mem::replace(&mut self.unpacking, true);
        match unpack(packed, self.limits, &mut self.unpacked) {
            // Each is freed before the next is read.
            Ok(members) => members.into_iter().for_each(|member| self.payload(&member, depth + 1, &repairs)),
            Err(error) => self.fail(error),
        }
        if outermost {
            self.unpacking = false;
            self.unpacked.next_attachment();
        }
    }

    /// Reads what is neither an archive nor XML or JSON at first sight.
    fn other(&mut self, bytes: &[u8], depth: usize, repairs: &Repairs) {
        // A mail in an archive, or attached under a type of its own.
        if looks_like_mail(bytes) && self.mail(bytes, depth + 1) {
            return;
        }
        if report::is_in(bytes) {
            return self.report(bytes, repairs);
        }
        let mut repairs = repairs.clone();
        let hidden = if let Some(decoded) = encoded::undeclared_base64(bytes) {
            repairs.note("undeclared-base64");
            vec![decoded]
        } else {
            encoded::uuencoded(bytes, self.limits.members + 1)
        };
        if hidden.len() > self.limits.members {
            return self.fail(self.limits.too_many_members());
        }
        let signed = encoded::signed_content(bytes);
        if hidden.is_empty() && signed.is_none() {
            return self.pass_over(Unreadable::NotAReport("neither XML nor JSON".into()));
        }
        if depth >= self.limits.nesting {
            return self.fail(self.limits.nested_too_deep());
        }
        let size: usize = hidden.iter().chain(&signed).map(Vec::len).sum();
        if let Err(limit) = self.unpacked.take(size, self.limits) {
            return self.fail(limit);
        }
        for file in hidden {
            self.payload(&file, depth + 1, &repairs);
        }
        if let Some(entity) = signed
            && !self.mail(&entity, depth + 1)
        {
            self.pass_over(Unreadable::NotAReport("a signature without a mail".into()));
        }
    }

    fn report(&mut self, bytes: &[u8], repairs: &Repairs) {
        if !self.unpacked.ask(weight(bytes)) {
            return;
        }
        for report in report::parse_within(bytes, self.limits, &mut self.left, repairs) {
            self.push(report);
        }
    }

    fn push(&mut self, report: Result<Report, Unreadable>) {
        match report {
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

/// True if the bytes begin with a header field, and one that mails have is among the first.
fn looks_like_mail(bytes: &[u8]) -> bool {
    let bytes = without_from_line(bytes);
    let head = &bytes[..bytes.len().min(16 << 10)];
    starts_with_field(bytes)
        && [&b"from:"[..], b"subject:", b"mime-version:", b"content-type:"].iter().any(|header| {
            let is_here =
                |at: usize| head[at..].get(..header.len()).is_some_and(|name| name.eq_ignore_ascii_case(header));
            is_here(0) || memchr::memchr_iter(b'\n', head).any(|line_end| is_here(line_end + 1))
        })
}

fn received(message: &Message, options: &ReadOptions) -> Received {
    // `Message::received` would give the lowest one, which the sender wrote.
    let topmost = message.received_all().next().and_then(mail_parser::Received::date);
    let date = topmost.or_else(|| message.date().copied());
    let from = message.from().and_then(|from| from.first()).and_then(|from| from.address());
    let from_domain = from.and_then(|from| from.rsplit_once('@')).map(|(_, domain)| domain);
    Received {
        message_id: message.message_id().map(value),
        at: date.and_then(|date| rfc3339(date.to_timestamp())),
        from: from.map(value),
        authenticated: options
            .authserv_id
            .as_ref()
            .map(|id| Authenticated::of(message, id, options.authserv_below_received, from_domain)),
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
