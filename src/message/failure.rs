//! Failure: finds the parts of a failure report in a mail. What they say is read by [`crate::report`].

use super::{
    ReadOptions,
    parts::{MimeMail, Part},
    value,
};
use crate::report::{self, FailureReport, Repairs, Unreadable, arf};

/// The failure report in a mail, and the parts that make it up: they are not looked into for other reports, since the
/// reported mail may claim to be one, and is not to be believed.
pub(super) fn find(mail: &MimeMail, options: &ReadOptions) -> Option<(Result<FailureReport, Unreadable>, [usize; 2])> {
    let declared = |part: &Part| part.is("message", "feedback-report");
    let mut repairs = Repairs::default();
    let (at, for_people) = match mail.parts.iter().position(declared) {
        Some(at) => (at, false),
        None => mail.parts.iter().enumerate().find_map(|(at, part)| Some((at, undeclared(part)?)))?,
    };
    if !for_people && !declared(&mail.parts[at]) {
        repairs.note("feedback-part-type");
    }
    let feedback = mail.parts[at].bytes(&mut repairs);
    let reported = mail.parts.iter().enumerate().find(|(other, part)| *other != at && is_mail_or_header(part));
    let bytes = reported.map(|(_, part)| part.bytes(&mut repairs));
    let header = &mail.header;
    let parts = arf::Parts {
        feedback: &feedback,
        for_people,
        reported: bytes.as_deref(),
        keep_body: options.keep_failed_message,
        reporter: header.from().and_then(|from| from.first()).and_then(|from| from.address()).map(value),
        report_id: header.message_id().map(value),
        date: header.date().filter(|date| date.is_valid()).map(mail_parser::DateTime::to_timestamp),
        repairs,
    };
    let report = report::arf::parse(parts, &options.limits);
    Some((report, [at, reported.map_or(at, |(other, _)| other)]))
}

/// Whether a part tells of a failure though its type does not say so; true if it is a text for people.
fn undeclared(part: &Part) -> Option<bool> {
    if part.is_mail() || part.is("text", "html") {
        return None;
    }
    if part.is_text() && arf::is_for_people(&part.start(arf::FEEDBACK_BYTES)) {
        return Some(true);
    }
    arf::is_feedback(&part.start(256)).then_some(false)
}

/// A mail, or `text/rfc822-headers` (RFC 6522 section 4), under whatever name.
fn is_mail_or_header(part: &Part) -> bool {
    part.is_mail()
        || [("text", "rfc822-headers"), ("message", "rfc822-headers"), ("text", "rfc822")]
            .iter()
            .any(|(kind, subtype)| part.is(kind, subtype))
}
