//! Demo: a year of a made-up company's reports, as the mails that brought them; the same ones for
//! the same seed and last day. For who wants to see the program with something in it, and for tests
//! of what tells of changes. No I/O.
//!
//! The company has three domains, servers of its own, and services that send for it; seven
//! receivers report. Its year holds what happens in such years ([`Year::events`]). All names are of
//! RFC 2606, all addresses of RFC 5737, 3849 and 2544; what is known of these is made up, too
//! ([`host`]).
//!
//! The mails are read by the real parser. To have them in a store, hand them to a pipeline in
//! their order, as `mode::files` does with standard input:
//!
//! ```text
//! let run = Ingest::start_finite(config)?;
//! for mail in Year::new(1, last_day).mails() {
//!     let bytes = Some(Bytes::Whole(mail?.bytes));
//!     run.pipeline.submit(pipeline::Mail { origin: Origin::Input("demo".into()), tag: 0, bytes });
//! }
//! run.finish(Level::INFO);
//! ```

mod broken;
mod chance;
mod company;
mod dmarc;
mod events;
mod failure;
mod hosts;
mod mail;
mod receivers;
mod tls;

use std::io;

use jiff::civil::Date;

use self::{company::DOMAINS, dmarc::About, receivers::RECEIVERS};

pub use self::{
    events::{Event, What},
    hosts::host,
};

/// The year; see the module.
#[derive(Clone, Copy, Debug)]
pub struct Year {
    seed: u64,
    /// Days since 1970.
    first_day: i64,
}

/// A mail with a report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DemoMail {
    /// When it came, in seconds since 1970.
    pub received: i64,
    /// The whole mail, lines ended as in a Maildir.
    pub bytes: Vec<u8>,
}

impl Year {
    /// Days of the year.
    pub const DAYS: i64 = 365;

    /// The year whose last day is this one. Other seeds give other numbers, with the same events.
    pub fn new(seed: u64, last_day: Date) -> Year {
        let epoch = Date::constant(1970, 1, 1);
        let last = last_day.duration_since(epoch).as_hours() / 24;
        Year { seed, first_day: last + 1 - Year::DAYS }
    }

    /// The day of the year with this number, from 0.
    pub fn day(&self, day: i64) -> Date {
        date(self.first_day + day)
    }

    /// What happens in it, in the order of the first days.
    pub fn events(&self) -> Vec<Event> {
        events::events(self.first_day)
    }

    /// All mails: those of a day together, the days in their order.
    ///
    /// # Errors
    /// None in practice: archives are written to memory.
    pub fn mails(self) -> impl Iterator<Item = io::Result<DemoMail>> {
        (0..Year::DAYS).flat_map(move |day| self.mails_about(day))
    }

    /// The mails that tell of a day.
    pub fn mails_about(&self, day: i64) -> Vec<io::Result<DemoMail>> {
        let mut mails = Vec::new();
        for (receiver, n) in RECEIVERS.iter().zip(0..) {
            if !receiver.reports_on(day) {
                continue;
            }
            for domain in DOMAINS {
                let (seed, first_day) = (self.seed, self.first_day);
                let about = About { seed, first_day, day, receiver, n, domain };
                mails.extend(dmarc::mail(&about).transpose());
                if receiver.reports_tls {
                    mails.extend(tls::mail(&about).transpose());
                }
                if receiver.reports_failures {
                    mails.extend(failure::mails(&about).into_iter().map(Ok));
                }
            }
        }
        mails
    }
}

/// A day since 1970.
fn date(day: i64) -> Date {
    Date::constant(1970, 1, 1).saturating_add(jiff::Span::new().days(day))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::{
        message,
        moment::DAY,
        report::{Kind, Repairs},
    };

    const LAST_DAY: Date = Date::constant(2026, 9, 30);

    #[test]
    fn the_same_seed_gives_the_same_mails() {
        let of = |seed| {
            let mails = Year::new(seed, LAST_DAY).mails_about(155);
            mails.into_iter().map(|mail| mail.expect("a mail")).collect::<Vec<_>>()
        };
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
        assert_eq!(Year::new(1, LAST_DAY).day(364), LAST_DAY);
    }

    #[test]
    fn every_mail_is_a_report_that_needs_no_repair() {
        let year = Year::new(1, LAST_DAY);
        let (mut ids, mut kinds) = (HashSet::new(), HashSet::new());
        for day in (0..Year::DAYS).step_by(6) {
            for mail in year.mails_about(day) {
                let mail = mail.expect("a mail");
                let contents = message::read_with(&mail.bytes, &message::ReadOptions::default());
                assert_eq!(contents.complaint(), None, "{}", String::from_utf8_lossy(&mail.bytes));
                assert_eq!(contents.reports.len(), 1);
                let report = &contents.reports[0];
                let key = report.key().as_str().to_owned();
                assert!(ids.insert(key), "another mail has this report");
                assert_eq!(*report.repairs(), Repairs::default());
                kinds.insert(report.kind());
                let begin = (year.first_day + day) * DAY;
                let lasts = if report.kind() == Kind::Failure { DAY } else { 1 };
                assert!((begin..begin + lasts).contains(&report.period().begin));
                assert!((begin..begin + 3 * DAY).contains(&mail.received));
            }
        }
        assert_eq!(kinds.len(), 3);
    }
}
