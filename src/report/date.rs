//! Dates in reports: RFC 3339 as RFC 8460 demands, seconds since 1970 as RFC 7489 does, and what
//! else is met.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

/// Seconds since 1970-01-01 UTC. Takes whole and fractional seconds, milli- and microseconds, RFC
/// 3339, dates without a zone (read as UTC), and those of mail.
pub(super) fn parse(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(number) = text.parse::<i64>() {
        // Seconds reach this size in the year 5138, milliseconds did in 1973.
        return match number.unsigned_abs() {
            0..=99_999_999_999 => Some(number),
            100_000_000_000..=99_999_999_999_999 => Some(number / 1000),
            100_000_000_000_000..=99_999_999_999_999_999 => Some(number / 1_000_000),
            _ => None,
        };
    }
    let in_range = |seconds: &f64| seconds.is_finite() && seconds.abs() < 1e11;
    if let Some(seconds) = text.parse::<f64>().ok().filter(in_range) {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the range was checked, the fraction is not wanted"
        )]
        return Some(seconds as i64);
    }
    text.parse::<Timestamp>()
        .ok()
        .or_else(|| without_zone(text))
        .map(Timestamp::as_second)
        .or_else(|| of_mail(text))
}

/// `Mon, 2 Oct 2023 10:00:00 +0200` (RFC 5322 section 3.3), and what else mail-parser takes for it.
pub(crate) fn of_mail(text: &str) -> Option<i64> {
    let date = mail_parser::DateTime::parse_rfc822(text)?;
    date.is_valid().then(|| date.to_timestamp())
}

fn without_zone(text: &str) -> Option<Timestamp> {
    let civil: DateTime = text.trim_end_matches("UTC").trim_end().parse().ok()?;
    TimeZone::UTC.to_timestamp(civil).ok()
}

/// `YYYY-MM-DDTHH:MM:SSZ`, or nothing for a time that no calendar has.
pub fn rfc3339(seconds: i64) -> Option<String> {
    Timestamp::from_second(seconds).ok().map(|timestamp| timestamp.to_string())
}
