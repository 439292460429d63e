//! Walk: goes through the parts of a mail, what is packed in them, and mails within it.

mod hidden;

use std::borrow::Cow;

use super::{
    Authenticated, Contents, ReadOptions, Unusable, authenticated, encoded, failure,
    parts::{self, MimeMail, Named, Part, Seen, looks_like_mail},
    received,
    spent::{Spent, weight},
    unpack::{self, Unpack},
};
use crate::{
    limits::Limits,
    payload::Payload,
    report::{self, Repairs, Report, Unreadable},
};

/// Memory that a line of a header takes, however short.
const FIELD_BYTES: usize = 200;

/// What was mended of a report whose end is missing.
const ENDS: [&str; 2] = ["missing-root-end-tag", "missing-end-brackets"];

/// So many bytes may stand in front of an archive. Further within, a picture may have its marks by
/// chance.
const FRONT: usize = 512;

/// Reasons kept why a mail fails: one is shown.
const FAILURES_KEPT: usize = 100;

/// Which failures count.
#[derive(Clone, Copy, PartialEq, Eq)]
enum CountedFailures {
    All,
    /// Of what calls itself a report: the part may be a mail that failed.
    OfReports,
}

pub(super) struct Walk<'c> {
    options: &'c ReadOptions,
    limits: &'c Limits,
    /// What was seen of the mail so far, mails within it included.
    seen: Seen,
    /// What was unpacked so far.
    unpacked: Spent<'c>,
    /// An attachment is being unpacked.
    unpacking: bool,
    left: report::Left,
    /// The sender would be authenticated by what lies below the own server's `Received`, if that
    /// was believed.
    pub(super) would_pass_below: bool,
    /// What the name of the part says that is being looked at.
    named: Named,
    /// Why a part was none that may have been a report, and may be another file.
    unread: Option<Unusable>,
    /// Which failures count.
    counting: CountedFailures,
    /// The first format met that is not unpacked.
    closed: Option<&'static str>,
    contents: &'c mut Contents,
}

impl<'c> Walk<'c> {
    pub(super) fn new(
        mail_bytes: usize,
        options: &'c ReadOptions,
        may_take: &'c mut dyn FnMut(usize) -> bool,
        contents: &'c mut Contents,
    ) -> Self {
        Walk {
            options,
            limits: &options.limits,
            seen: Seen::of(mail_bytes),
            unpacked: Spent::new(mail_bytes, &options.limits, may_take),
            unpacking: false,
            left: report::Left::of(&options.limits),
            would_pass_below: false,
            named: Named::Otherwise,
            unread: None,
            counting: CountedFailures::All,
            closed: None,
            contents,
        }
    }

    /// True once there was not enough memory.
    pub(super) fn gave_up(&self) -> bool {
        self.unpacked.gave_up()
    }

    /// Reads a whole mail or bare report file.
    pub(super) fn all(&mut self, bytes: &[u8]) {
        self.what_is_there(bytes);
        let lacks_end =
            |report: &Report| report.repairs().names().iter().any(|name| ENDS.contains(name));
        self.contents.breaks_off =
            self.seen.is_open() || self.contents.reports.iter().any(lacks_end);
    }

    fn what_is_there(&mut self, bytes: &[u8]) {
        match Payload::of(bytes) {
            Payload::Other if looks_like_mail(bytes) || !report::is_in(bytes) => {
                if !self.mail(bytes, 0) {
                    self.pass_over(Unreadable::NotAReport("not a mail".into()));
                }
            }
            _ => self.payload(bytes, 0, &Repairs::default()),
        }
        if !self.contents.is_something_else()
            && let Some(why) = self.unread.take()
        {
            self.fail(why);
        }
        let Some(format) = self.closed.take() else { return };
        let closed = Unusable::Closed(format);
        if self.contents.is_something_else() {
            self.contents.other = Some(Unreadable::NotAReport(closed.to_string()));
        } else {
            // Nobody knows what is in it.
            self.fail(closed);
        }
    }

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
            let passes = |found: Option<&Authenticated>| found.is_some_and(|found| found.pass);
            // Only the reason of a refusal tells of it.
            self.would_pass_below = self.options.require_authenticated
                && !passes(self.contents.received.authenticated.as_ref())
                && passes(authenticated(&mail.header, self.options, true).as_ref());
        }
        let failures = failure::find(mail, self.options);
        for report in failures.reports {
            self.push(report.map(Report::Failure));
        }
        for (index, part) in mail.parts.iter().enumerate() {
            if failures.parts.binary_search(&index).is_err() {
                self.part(part, depth);
            } else if failures.for_people {
                self.doubtful(part, depth);
            }
        }
    }

    /// Looks into a part of what a text for people calls a failure. A report in it is not believed,
    /// but the mail fails, so that a person decides; for a broken report too.
    fn doubtful(&mut self, part: &Part, depth: usize) {
        let reports = self.contents.reports.len();
        let (closed, unread) = (self.closed, self.unread.clone());
        let counting = std::mem::replace(&mut self.counting, CountedFailures::OfReports);
        self.part(part, depth);
        self.counting = counting;
        (self.closed, self.unread) = (closed, unread);
        if self.contents.reports.len() > reports {
            self.contents.reports.truncate(reports);
            self.fail(Unusable::Doubtful);
        }
    }

    fn part(&mut self, part: &Part, depth: usize) {
        self.named = part.named;
        if part.is("message", "partial") {
            return self.fail(Unusable::Partial);
        }
        let found = self.found();
        let mut repairs = Repairs::default();
        let bytes = part.bytes(&mut repairs);
        // Mails within each other are decoded one out of the other.
        if (self.unpacking || depth > 0)
            && matches!(bytes, Cow::Owned(_))
            && let Err(limit) = self.unpacked.take(bytes.len(), self.limits)
        {
            return self.fail(limit);
        }
        let payload = Payload::of(bytes.trim_ascii_start());
        if part.is("text", "html") {
            // The letter that comes with the report, unless it hides something else.
            let is_report = || report::is_in(&bytes) || encoded::report_in_html(&bytes).is_some();
            if payload != Payload::Text || is_report() {
                self.payload(&bytes, depth, &repairs);
            } else if encoded::has_file_in_words(&bytes) {
                self.fail(Unusable::Encoded);
            }
        } else if !(part.is_mail() && payload == Payload::Other && self.mail(&bytes, depth + 1)) {
            self.payload(&bytes, depth, &repairs);
        }
        if self.found() == found {
            self.nothing_in(part.named, payload, &bytes);
        }
    }

    /// How much was found that counts.
    fn found(&self) -> (usize, usize, bool) {
        let Contents { reports, failures, .. } = &self.contents;
        (reports.len(), failures.len(), self.closed.is_some())
    }

    /// A part had nothing in it. One that has the name of a report must have been one, whatever
    /// happened to it on its way.
    fn nothing_in(&mut self, named: Named, payload: Payload, bytes: &[u8]) {
        let start = &bytes[..bytes.len().min(FRONT)];
        let why = match (named, payload) {
            (Named::AReport, _) => return self.fail(Unusable::Named),
            // XML and JSON can be about anything.
            (_, Payload::Text) => return,
            (Named::LikeAReport, _) => Unusable::Named,
            _ if payload == Payload::Other && Payload::is_archive_within(start) => {
                Unusable::SeveralForms
            }
            _ => return,
        };
        self.unread.get_or_insert(why);
    }

    /// Reads an attachment, a member of an archive or a bare file; `repairs` says what was mended
    /// on the way.
    fn payload(&mut self, bytes: &[u8], depth: usize, repairs: &Repairs) {
        // Some mailers put an empty line too many in front of an attachment.
        let packed = bytes.trim_ascii_start();
        let unpack: Unpack = match Payload::of(packed) {
            Payload::Text => return self.report(bytes, repairs),
            Payload::Other => return self.other(bytes, depth, repairs),
            Payload::Closed(format) if self.named != Named::Otherwise => {
                return self.fail(Unusable::Closed(format));
            }
            Payload::Closed(format) => {
                self.closed.get_or_insert(format);
                return;
            }
            _ if depth >= self.limits.nesting => return self.fail(self.limits.nested_too_deep()),
            Payload::Gzip => unpack::gzip,
            Payload::Zip => unpack::zip,
            Payload::Tar => unpack::tar,
            Payload::Zlib => unpack::zlib,
            Payload::Zstd => unpack::zstd,
        };
        let mut within = repairs.clone();
        if Payload::of(packed) == Payload::Zlib {
            within.note("zlib-for-gzip");
        }
        let outermost = !std::mem::replace(&mut self.unpacking, true);
        match unpack(packed, self.limits, &mut self.unpacked) {
            Ok(unpacked) => {
                // Each is freed before the next is read.
                unpacked.files.into_iter().for_each(|file| self.payload(&file, depth + 1, &within));
                for bytes in unpacked.beside {
                    let padding = bytes.iter().take_while(|byte| **byte == 0).count();
                    if !bytes[padding..].trim_ascii().is_empty() {
                        self.beside(&bytes[padding..], depth + 1, repairs);
                    }
                }
            }
            Err(error) => self.fail(error),
        }
        if outermost {
            self.unpacking = false;
            self.unpacked.next_attachment();
        }
    }

    /// Reads what stands beside an archive.
    fn beside(&mut self, bytes: &[u8], depth: usize, repairs: &Repairs) {
        let found = self.found();
        self.payload(bytes, depth, repairs);
        if self.found() == found && Payload::is_archive_within(bytes) {
            self.fail(Unusable::SeveralForms);
        }
    }

    fn report(&mut self, bytes: &[u8], repairs: &Repairs) {
        if !self.unpacked.ask(weight(bytes)) {
            return;
        }
        let shown = if report::is_in(bytes) { None } else { encoded::report_in_html(bytes) };
        let mut repairs = Cow::Borrowed(repairs);
        if shown.is_some() {
            repairs.to_mut().note("report-in-html");
        }
        let text = shown.as_ref().map_or(bytes, String::as_bytes);
        for report in report::parse_within(text, self.limits, &mut self.left, &repairs) {
            // The letter has it as plain text, too.
            let is_known = |one: &Report| self.contents.reports.iter().any(|two| two.is_like(one));
            if shown.is_none() || !report.as_ref().is_ok_and(is_known) {
                self.push(report);
            }
        }
        let count = |size| self.unpacked.search(size, self.limits);
        match encoded::is_file_within(bytes, count) {
            Err(limit) => self.fail(limit),
            Ok(is_there) if is_there || Payload::is_archive_within(bytes) => {
                self.fail(Unusable::SeveralForms);
            }
            Ok(_) if encoded::has_file_in_words(bytes) => self.fail(Unusable::Encoded),
            Ok(_) => {}
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
        let error = error.into();
        // What is in a mail that failed may be broken, unless it was a report.
        let is_report = self.named == Named::AReport
            || matches!(error, Unusable::Report(_) | Unusable::Named | Unusable::Doubtful);
        if self.counting == CountedFailures::OfReports && !is_report {
            return;
        }
        if self.contents.failures.len() < FAILURES_KEPT {
            self.contents.failures.push(error);
        } else {
            self.contents.more_failures += 1;
        }
    }

    fn pass_over(&mut self, what: Unreadable) {
        self.contents.other.get_or_insert(what);
    }
}
