//! Message: the bytes of one mail (or bare report file) in, every report in it out.
//!
//! Every part of a mail is looked at, and told by its bytes, never by its name or declared type.
//! [`parts`] finds them; [`walk`] goes through them; [`unpack`] takes archives apart;
//! [`crate::report`] reads what comes out.

pub mod authentication;

mod encoded;
mod failure;
mod parts;
mod signed;
mod size;
mod spent;
mod unpack;
mod walk;

use std::ops::Range;

use mail_parser::{HeaderName, Message, MessageParser};
use serde::Serialize;

use self::{authentication::Authenticated, walk::Walk};
use crate::{
    limits::{LimitExceeded, Limits},
    report::{Ids, Kind, Report, Text, Unreadable, rfc3339},
};

/// How a mail is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// How much of it is looked at.
    pub limits: Limits,
    /// Keep the body of a mail that a failure report is about: it is personal data.
    pub keep_failed_message: bool,
    /// The name by which the receiving mail server signs its results of authentication; without it
    /// none are read.
    pub authserv_id: Option<String>,
    /// Believe that server's results also where it, or a stranger, wrote them directly below its
    /// `Received`. Means nothing without `authserv_id`.
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
    /// When the mail was received: the date of the topmost Received header, or else that of the
    /// mail; RFC 3339.
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
    /// Why parts that should have been reports are not among them, the first hundred reasons.
    pub failures: Vec<Unusable>,
    /// How many more reasons there were.
    pub more_failures: usize,
    /// How many more reports there were that are not wanted, because of their period.
    pub passed_over: usize,
    /// The first thing that was found instead of a report.
    pub other: Option<Unreadable>,
    /// Ends are missing: what was read may be the beginning of more.
    pub breaks_off: bool,
    /// The only report is one that a store handed out, and nothing is known of a mail's bytes.
    pub stored: Option<Stored>,
}

/// What a store says of a report, or of a part of one, that it hands out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// What identifies its documents; it can't be told from a part.
    pub ids: Ids,
    /// No part of it was handed out before.
    pub is_first: bool,
}

/// Why a part of a mail, or the whole, can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// The archive can't be unpacked.
    #[error("{0}")]
    Archive(#[from] unpack::ArchiveError),
    /// It is in a format that this program does not unpack.
    #[error("an attachment is packed with {0}, which is not read")]
    Closed(&'static str),
    /// It breaks off.
    #[error("{0} is broken: it is cut off")]
    Cut(&'static str),
    /// There is a file in base64, among words or in lines that are not read.
    #[error("a text has an encoded file in it, in a form that is not read")]
    Encoded,
    /// The mail was sent in pieces (RFC 2046 section 5.2.2), of which nobody puts any together.
    #[error("a piece of a mail (message/partial), which is not put together with the others")]
    Partial,
    /// It is named like a report and holds none.
    #[error("an attachment is named like a report and can't be read as one")]
    Named,
    /// There is more in it than was read.
    #[error("an attachment holds files in more than one form, of which not all were read")]
    SeveralForms,
    /// There is a report in what may be a mail that failed.
    #[error("a report is in a mail that a letter seems to call failed, and is not believed there")]
    Doubtful,
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
        "the sender is not authenticated (--require-authenticated): the results of your server lie \
         below its Received, where they are believed only with --authserv-below-received"
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

    /// Why the mail does not count as used up, in one line; nothing if all its reports could be
    /// read, and all of them.
    pub fn complaint(&self) -> Option<String> {
        // What was lost once was told then.
        if self.stored.is_some() {
            return None;
        }
        match (self.failures.as_slice(), &self.other) {
            ([], _) if !self.reports.is_empty() || self.passed_over > 0 => self.incomplete(),
            ([], None) => Some("holds no report".into()),
            ([], Some(other)) => Some(format!("holds no report ({other})")),
            ([only], _) if self.more_failures == 0 => Some(only.to_string()),
            ([first, rest @ ..], _) => {
                Some(format!("{first} (and {} more)", rest.len() + self.more_failures))
            }
        }
    }

    /// What identifies the documents of each report.
    pub fn ids(&self) -> Vec<Ids> {
        match &self.stored {
            Some(stored) => vec![stored.ids.clone()],
            None => self.reports.iter().map(Report::ids).collect(),
        }
    }

    /// How much of the first report that was read in part only is missing.
    fn incomplete(&self) -> Option<String> {
        let report = self.reports.iter().find(|report| report.lost() > 0)?;
        let parts = if report.kind() == Kind::Tls { "policies" } else { "records" };
        let (lost, all) = (report.lost(), report.lost() + report.len());
        Some(format!("{lost} of {all} {parts} of the report can't be read"))
    }

    /// Subject and sender of the mail, for a person: `"Lunch?" from shop@example.org`. From a
    /// stranger.
    pub fn about(&self) -> Option<String> {
        let subject = self
            .subject
            .as_deref()
            .map(|subject| format!("{:?}", &subject[..subject.floor_char_boundary(80)]));
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

/// [`read_with`], asking `may_take` for memory before it is taken: bytes, more rather than less
/// than will be needed. Gives up, with nothing, when the answer is no.
pub fn read_counted(
    bytes: &[u8],
    options: &ReadOptions,
    may_take: &mut dyn FnMut(usize) -> bool,
) -> Option<Contents> {
    let limits = &options.limits;
    if bytes.len() as u64 > limits.mail_bytes {
        return Some(Contents::refused(limits.too_large()));
    }
    let mut contents = Contents::default();
    let mut walk = Walk::new(bytes.len(), options, may_take, &mut contents);
    walk.all(bytes);
    let would_pass_below = walk.would_pass_below;
    if walk.gave_up() {
        return None;
    }
    if size::of_documents(&contents) > limits.document_bytes {
        contents.reports.clear();
        contents.failures.insert(0, limits.too_large_documents().into());
    }
    if options.authserv_id.is_some() {
        let authenticated = contents.received.authenticated.get_or_insert_default();
        if options.require_authenticated && !authenticated.pass && !contents.reports.is_empty() {
            contents.reports.clear();
            let why = if would_pass_below {
                Unusable::NotAuthenticatedAbove
            } else {
                Unusable::NotAuthenticated
            };
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

/// What is known of a mail, by its header.
fn received(message: &Message, options: &ReadOptions) -> Received {
    // `Message::received` would give the lowest one, which the sender wrote.
    let topmost = message.received_all().next().and_then(mail_parser::Received::date);
    let date = topmost.or_else(|| message.date().copied());
    Received {
        message_id: message.message_id().map(value),
        at: date.and_then(|date| rfc3339(date.to_timestamp())),
        from: from(message).map(value),
        authenticated: authenticated(message, options, options.authserv_below_received),
    }
}

/// What the own server vouches for; nothing if that was not asked for.
fn authenticated(
    message: &Message,
    options: &ReadOptions,
    below_received: bool,
) -> Option<Authenticated> {
    let id = options.authserv_id.as_ref()?;
    let domain = from(message).and_then(|from| from.rsplit_once('@')).map(|(_, domain)| domain);
    Some(Authenticated::of(message, id, below_received, domain))
}

fn from<'m>(message: &'m Message) -> Option<&'m str> {
    message.from()?.first()?.address()
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
