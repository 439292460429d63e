//! Events: what happens in the year, so that whoever looks at its reports can be held to it.

use std::{fmt, ops::RangeInclusive};

use jiff::civil::Date;

use super::{Year, date};

/// What is new or different from a day on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The first day.
    pub first: Date,
    /// The last day; the last one of the year, if it stays so.
    pub last: Date,
    /// What happens.
    pub what: What,
    /// The domain of the company.
    pub domain: &'static str,
    /// Who does it, or what is new: a sender, a policy, a reporter, a reason of RFC 8460.
    pub who: &'static str,
}

/// What may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum What {
    /// Somebody sends who has not sent before.
    NewSender,
    /// What failed passes from now on.
    SenderRepaired,
    /// Somebody has ended to send.
    SenderGone,
    /// The policy is another one.
    PolicyChanged,
    /// Others send in the domain's name, and part of that is delivered.
    ForgedMail,
    /// The same, and all is refused.
    ForgedMailRefused,
    /// Own mail fails.
    KeyBroken,
    /// Mail can't be delivered over TLS.
    TlsFailures,
    /// A receiver sends no reports any more.
    ReporterSilent,
}

// Days of the year, from 0.
pub(super) const NEWS_BEGINS: i64 = 70;
pub(super) const NEWS_IS_REPAIRED: i64 = 118;
const QUARANTINE: i64 = 135;
pub(super) const WAVE: RangeInclusive<i64> = 96..=104;
const INVOICES_QUARANTINE: i64 = 180;
pub(super) const OLD_FAX_ENDS: i64 = 195;
const REJECT: i64 = 210;
pub(super) const KEY_IS_BROKEN: RangeInclusive<i64> = 230..=231;
pub(super) const TLS_FAILS: RangeInclusive<i64> = 258..=264;
const INVOICES_REJECT: i64 = 285;
pub(super) const SILENT_FROM: i64 = 300;
pub(super) const REFUSED_WAVE: RangeInclusive<i64> = 320..=326;
pub(super) const CRM_BEGINS: i64 = 353;
const LAST: i64 = Year::DAYS - 1;

const EVENTS: [(What, RangeInclusive<i64>, &str, &str); 12] = [
    (What::NewSender, NEWS_BEGINS..=LAST, "example.com", "postwing.example"),
    (What::SenderRepaired, NEWS_IS_REPAIRED..=LAST, "example.com", "postwing.example"),
    (What::PolicyChanged, QUARANTINE..=LAST, "example.com", "quarantine"),
    (What::ForgedMail, WAVE, "example.com", "198.18.0.0/15"),
    (What::PolicyChanged, INVOICES_QUARANTINE..=LAST, "example.net", "quarantine"),
    (What::SenderGone, OLD_FAX_ENDS..=LAST, "example.com", "faxport.example"),
    (What::PolicyChanged, REJECT..=LAST, "example.com", "reject"),
    (What::KeyBroken, KEY_IS_BROKEN, "example.net", "192.0.2.0/24"),
    (What::TlsFailures, TLS_FAILS, "example.com", "certificate-expired"),
    (What::PolicyChanged, INVOICES_REJECT..=LAST, "example.net", "reject"),
    (What::ForgedMailRefused, REFUSED_WAVE, "example.com", "198.18.0.0/15"),
    (What::NewSender, CRM_BEGINS..=LAST, "example.com", "leadpipe.example"),
];

/// The policy of a domain on a day of the year.
pub(super) fn policy(domain: &str, day: i64) -> &'static str {
    let steps = match domain {
        "example.com" => [QUARANTINE, REJECT],
        "example.net" => [INVOICES_QUARANTINE, INVOICES_REJECT],
        _ => [i64::MIN; 2],
    };
    match steps.map(|step| day >= step) {
        [_, true] => "reject",
        [true, false] => "quarantine",
        [false, false] => "none",
    }
}

/// All events, in the order of their first days.
pub(super) fn events(first_day: i64) -> Vec<Event> {
    let day = |day| date(first_day + day);
    let mut events: Vec<Event> = EVENTS
        .into_iter()
        .map(|(what, days, domain, who)| {
            let (first, last) = (day(*days.start()), day(*days.end()));
            Event { first, last, what, domain, who }
        })
        .collect();
    events.push(Event {
        first: day(SILENT_FROM),
        last: day(LAST),
        what: What::ReporterSilent,
        domain: "example.com",
        who: super::receivers::SILENT,
    });
    events.sort_by_key(|event| event.first);
    events
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            What::NewSender => "a new sender",
            What::SenderRepaired => "a sender is repaired",
            What::SenderGone => "a sender is gone",
            What::PolicyChanged => "another policy",
            What::ForgedMail => "forged mail",
            What::ForgedMailRefused => "forged mail, refused",
            What::KeyBroken => "a DKIM key is broken",
            What::TlsFailures => "TLS fails",
            What::ReporterSilent => "a reporter falls silent",
        })
    }
}

/// `2026-02-03 to 2026-02-09, example.com: TLS fails (certificate-expired)`.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Event { first, last, what, domain, who } = self;
        write!(f, "{first} to {last}, {domain}: {what} ({who})")
    }
}
