//! Failure: finds the parts of failure reports in a mail. What they say is read by
//! [`crate::report`].

use super::{
    ReadOptions,
    parts::{MimeMail, Part},
    value,
};
use crate::report::{FailureReport, Repairs, Unreadable, arf};

/// A failure report, and the parts that make it up: they are not looked into for other reports,
/// since the reported mail may claim to be one, and is not to be believed.
type Found = (Result<FailureReport, Unreadable>, [usize; 2]);

/// The failure reports in a mail. RFC 5965 section 2 allows one.
pub(super) fn find(mail: &MimeMail, options: &ReadOptions) -> Vec<Found> {
    let (feedback, for_people) = feedback(mail);
    let all = mail.parts.iter().enumerate();
    let mails: Vec<usize> =
        all.filter(|(_, part)| is_mail_or_header(part)).map(|(at, _)| at).collect();
    let mails: Vec<usize> =
        mails.into_iter().filter(|at| feedback.binary_search(at).is_err()).collect();
    let in_order = feedback.len() == 1 || feedback.len() == mails.len();
    let reported = |n: usize, at: usize| {
        if in_order {
            return mails.get(n).copied();
        }
        let next = feedback.get(n + 1).copied().unwrap_or(mail.parts.len());
        mails.get(mails.partition_point(|mail| *mail < at)).copied().filter(|mail| *mail < next)
    };
    let one = |(n, at): (usize, &usize)| of_parts(mail, *at, reported(n, *at), for_people, options);
    feedback.iter().enumerate().map(one).collect()
}

/// The parts that tell of a failure, and whether they are texts for people.
fn feedback(mail: &MimeMail) -> (Vec<usize>, bool) {
    let parts_that = |is_one: &dyn Fn(&Part) -> bool| -> Vec<usize> {
        mail.parts.iter().enumerate().filter(|(_, part)| is_one(part)).map(|(at, _)| at).collect()
    };
    let declared = parts_that(&is_declared);
    if !declared.is_empty() {
        return (declared, false);
    }
    let fields = parts_that(&|part| undeclared(part) == Some(false));
    if !fields.is_empty() {
        return (fields, false);
    }
    (parts_that(&|part| undeclared(part) == Some(true)), true)
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
) -> Found {
    let mut repairs = Repairs::default();
    if !for_people && !is_declared(&mail.parts[at]) {
        repairs.note("feedback-part-type");
    }
    let feedback = mail.parts[at].bytes(&mut repairs);
    let bytes = reported.map(|other| mail.parts[other].bytes(&mut repairs));
    let header = &mail.header;
    let parts = arf::Parts {
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
    (arf::parse(parts, &options.limits), [at, reported.unwrap_or(at)])
}

/// Whether a part tells of a failure though its type does not say so; true if it is a text for
/// people.
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
