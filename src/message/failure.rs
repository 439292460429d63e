//! Failure: finds the parts of failure reports in a mail. What they say is read by
//! [`crate::report`].

use super::{
    ReadOptions,
    parts::{MAIL_HEAD, MimeMail, Part, looks_like_mail},
    value,
};
use crate::report::{FailureReport, Repairs, Unreadable, arf};

/// The failure reports in a mail, and the parts that are not looked into for other reports.
pub(super) struct FailureParts {
    pub(super) reports: Vec<Result<FailureReport, Unreadable>>,
    /// The parts with their fields, and those that are or may be the mails that failed: such a mail
    /// may claim to be a report, and is not to be believed.
    pub(super) parts: Vec<usize>,
    /// Only the words of a text for people say that something failed. They may stand in any letter,
    /// with which other reports come.
    pub(super) for_people: bool,
}

/// The failure reports in a mail. RFC 5965 section 2 allows one.
pub(super) fn find(mail: &MimeMail, options: &ReadOptions) -> FailureParts {
    let (feedback, for_people) = feedback(mail);
    let Some(&first) = feedback.first() else {
        return FailureParts { reports: Vec::new(), parts: Vec::new(), for_people };
    };
    let mails_from = |from: usize| -> Vec<usize> {
        let all = mail.parts.iter().enumerate().skip(from);
        let mails = all.filter(|(_, part)| is_mail_or_header(part)).map(|(at, _)| at);
        mails.filter(|at| feedback.binary_search(at).is_err()).collect()
    };
    // The mail that failed stands behind (RFC 6522 section 3); what is in front is something else,
    // unless there is nothing behind.
    let mut mails = mails_from(first);
    if mails.is_empty() {
        mails = mails_from(0);
    }
    let in_order = feedback.len() == 1 || feedback.len() == mails.len();
    let reported = |n: usize, at: usize| {
        if in_order {
            return mails.get(n).copied();
        }
        let next = feedback.get(n + 1).copied().unwrap_or(mail.parts.len());
        mails.get(mails.partition_point(|mail| *mail < at)).copied().filter(|mail| *mail < next)
    };
    let one = |(n, at): (usize, &usize)| of_parts(mail, *at, reported(n, *at), for_people, options);
    let reports = feedback.iter().enumerate().map(one).collect();
    let behind = mail.parts.iter().enumerate().skip(first);
    let parts = feedback.iter().copied().chain(mails.iter().copied());
    let mut parts: Vec<usize> =
        parts.chain(behind.filter(|(_, part)| may_be_mail(part)).map(|(at, _)| at)).collect();
    parts.sort_unstable();
    parts.dedup();
    FailureParts { reports, parts, for_people }
}

/// The parts that tell of a failure, and whether they are texts for people.
fn feedback(mail: &MimeMail) -> (Vec<usize>, bool) {
    let (mut fields, mut for_people) = (Vec::new(), Vec::new());
    for (at, part) in mail.parts.iter().enumerate() {
        let tells = if is_declared(part) { Some(false) } else { undeclared(part) };
        match tells {
            Some(true) => for_people.push(at),
            Some(false) => fields.push(at),
            None => {}
        }
    }
    if fields.is_empty() { (for_people, true) } else { (fields, false) }
}

fn is_declared(part: &Part) -> bool {
    part.is("message", "feedback-report")
}

fn of_parts(
    mail: &MimeMail,
    at: usize,
    reported: Option<usize>,
    for_people: bool,
    options: &ReadOptions,
) -> Result<FailureReport, Unreadable> {
    let mut repairs = Repairs::default();
    if !for_people && !is_declared(&mail.parts[at]) {
        repairs.note("feedback-part-type");
    }
    let feedback = mail.parts[at].bytes(&mut repairs);
    let bytes = reported.map(|other| mail.parts[other].bytes(&mut repairs));
    let header = &mail.header;
    let parts = arf::ReportedParts {
        feedback: &feedback,
        for_people,
        reported: bytes.as_deref(),
        keep_body: options.keep_failed_message,
        reporter: header
            .from()
            .and_then(|from| from.first())
            .and_then(|from| from.address())
            .map(value),
        report_id: header.message_id().map(value),
        date: header.date().filter(|date| date.is_valid()).map(mail_parser::DateTime::to_timestamp),
        repairs,
    };
    arf::parse(parts, &options.limits)
}

/// Whether a part tells of a failure though its type does not say so; true if it is a text for
/// people.
fn undeclared(part: &Part) -> Option<bool> {
    if is_mail_or_header(part) || part.is("text", "html") {
        return None;
    }
    if part.is_text() && arf::is_for_people(&part.start(arf::FEEDBACK_BYTES)) {
        return Some(true);
    }
    let begins = || arf::is_feedback(&part.start(256)).then_some(false);
    if part.is_archive() { None } else { begins() }
}

/// A mail, or `text/rfc822-headers` (RFC 6522 section 4), under whatever name.
fn is_mail_or_header(part: &Part) -> bool {
    part.is_mail()
        || [("text", "rfc822-headers"), ("message", "rfc822-headers"), ("text", "rfc822")]
            .iter()
            .any(|(kind, subtype)| part.is(kind, subtype))
}

/// A mail, or what may be one by its bytes, under whatever type.
fn may_be_mail(part: &Part) -> bool {
    is_mail_or_header(part) || looks_like_mail(part.start(MAIL_HEAD).trim_ascii_start())
}
