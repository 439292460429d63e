//! Failure: finds the parts of a failure report in a mail. What they say is read by [`crate::report`].

use mail_parser::{Message, MessagePart, MimeHeaders, PartType};

use super::{Options, contents_of, value};
use crate::report::{self, FailureReport, Repairs, Unreadable, failure_arf};

/// The failure report in a mail, and the parts that make it up: they are not looked into for other reports, since the
/// reported mail may claim to be one, and is not to be believed.
pub(super) fn find(message: &Message, options: &Options) -> Option<(Result<FailureReport, Unreadable>, [usize; 2])> {
    let declared = |part: &MessagePart| is_type(part, "message", "feedback-report");
    let mut repairs = Repairs::default();
    let (at, for_people) = match message.parts.iter().position(declared) {
        Some(at) => (at, false),
        None => message.parts.iter().enumerate().find_map(|(at, part)| Some((at, undeclared(part)?)))?,
    };
    if !for_people && !declared(&message.parts[at]) {
        repairs.note("feedback-part-type");
    }
    let feedback = contents_of(message, &message.parts[at], &mut repairs);
    let reported = (message.parts.iter().enumerate())
        .find(|(other, part)| *other != at && (matches!(part.body, PartType::Message(_)) || is_header_part(part)));
    let mail = reported.map(|(_, part)| match &part.body {
        PartType::Message(inner) => whole(inner).into(),
        _ => contents_of(message, part, &mut repairs),
    });
    let parts = failure_arf::Parts {
        feedback: &feedback,
        for_people,
        reported: mail.as_deref(),
        keep_body: options.keep_failed_message,
        reporter: message.from().and_then(|from| from.first()).and_then(|from| from.address()).map(value),
        report_id: message.message_id().map(value),
        date: message.date().filter(|date| date.is_valid()).map(mail_parser::DateTime::to_timestamp),
        repairs,
    };
    let report = report::failure_arf::parse(parts, &options.limits);
    Some((report, [at, reported.map_or(at, |(other, _)| other)]))
}

/// Whether a part tells of a failure though its type does not say so; true if it is a text for people.
fn undeclared(part: &MessagePart) -> Option<bool> {
    match &part.body {
        PartType::Text(text) if failure_arf::is_for_people(text.as_bytes()) => Some(true),
        PartType::Text(_) | PartType::Binary(_) | PartType::InlineBinary(_) => {
            failure_arf::is_feedback(part.contents()).then_some(false)
        }
        _ => None,
    }
}

fn is_type(part: &MessagePart, kind: &str, subtype: &str) -> bool {
    part.content_type().is_some_and(|content_type| {
        content_type.ctype().eq_ignore_ascii_case(kind)
            && content_type.subtype().is_some_and(|found| found.eq_ignore_ascii_case(subtype))
    })
}

/// `text/rfc822-headers` (RFC 6522 section 4), or what is declared as a mail and was not recognised as one.
fn is_header_part(part: &MessagePart) -> bool {
    [("text", "rfc822-headers"), ("message", "rfc822-headers"), ("message", "rfc822"), ("text", "rfc822")]
        .iter()
        .any(|(kind, subtype)| is_type(part, kind, subtype))
}

/// The bytes of a mail within a mail.
fn whole<'x>(message: &'x Message) -> &'x [u8] {
    let Some(root) = message.parts.first() else { return &[] };
    let end = message.parts.iter().map(|part| part.offset_end).max().unwrap_or(root.offset_end);
    message.raw_message.get(root.offset_header as usize..end as usize).unwrap_or_default()
}
