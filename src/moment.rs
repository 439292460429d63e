//! Moment: the ends of a period as a person types them. Days are those of UTC, as nearly all
//! reporters count them.

use std::{fmt, str::FromStr};

use jiff::{Span, Timestamp, ToSpan, civil::Date, tz::TimeZone};

/// Seconds of a day.
pub const DAY: i64 = 86_400;

/// A day or month, a point in time, or how long ago.
#[derive(Clone, Copy, Debug)]
pub enum Moment {
    /// `2024-01-31`.
    Day(Date),
    /// `2024-01`: the first day of the month.
    Month(Date),
    /// `today` (0), `yesterday` (1): so many days before today.
    DaysAgo(i64),
    /// `2024-01-31T12:00:00Z`.
    Time(Timestamp),
    /// `12h`, `30d`, `4w`, `6mo`, `1y`.
    Ago(Span),
}

/// The text is none of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseMomentError;

impl fmt::Display for ParseMomentError {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str(
            "expected a day (2024-01-31, yesterday), a month (2024-01), a time \
             (2024-01-31T12:00:00Z) or an age (12h, 30d, 4w, 6mo, 1y)",
        )
    }
}

impl std::error::Error for ParseMomentError {}

impl FromStr for Moment {
    type Err = ParseMomentError;

    fn from_str(text: &str) -> Result<Moment, ParseMomentError> {
        let text = text.trim();
        // A day first: as a timestamp's text it would lack the time.
        if let (10, Ok(day)) = (text.len(), text.parse()) {
            return Ok(Moment::Day(day));
        }
        if let (7, Ok(first)) = (text.len(), format!("{text}-01").parse()) {
            return Ok(Moment::Month(first));
        }
        if let Ok(time) = text.parse() {
            return Ok(Moment::Time(time));
        }
        match text.to_ascii_lowercase().as_str() {
            "today" => return Ok(Moment::DaysAgo(0)),
            "yesterday" => return Ok(Moment::DaysAgo(1)),
            _ => {}
        }
        age(text).map(Moment::Ago).ok_or(ParseMomentError)
    }
}

fn age(text: &str) -> Option<Span> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let number: i64 = number.parse().ok()?;
    match unit {
        "h" => Span::new().try_hours(number),
        "d" => Span::new().try_days(number),
        "w" => Span::new().try_weeks(number),
        "mo" => Span::new().try_months(number),
        "y" => Span::new().try_years(number),
        _ => return None,
    }
    .ok()
}

impl Moment {
    /// The first second of a period that begins here, seen from `now`.
    pub fn begin(self, now: Timestamp) -> i64 {
        match self {
            Moment::Day(day) | Moment::Month(day) => midnight(day),
            Moment::DaysAgo(days) => day_before(now, days).map_or(i64::MIN, midnight),
            Moment::Time(time) => time.as_second(),
            // What lies before the calendar's first day lies before every report.
            Moment::Ago(span) => {
                let then = TimeZone::UTC.to_datetime(now).checked_sub(span);
                then.and_then(|then| TimeZone::UTC.to_timestamp(then))
                    .map_or(i64::MIN, Timestamp::as_second)
            }
        }
    }

    /// The first second after a period that ends here: a day or month belongs to the period as a
    /// whole.
    pub fn end(self, now: Timestamp) -> i64 {
        match self {
            Moment::Day(day) => day.checked_add(1.day()).map_or(i64::MAX, midnight),
            Moment::Month(first) => first.checked_add(1.month()).map_or(i64::MAX, midnight),
            Moment::DaysAgo(days) => day_before(now, days - 1).map_or(i64::MAX, midnight),
            Moment::Time(_) | Moment::Ago(_) => self.begin(now),
        }
    }

    /// True if it is another time tomorrow.
    pub fn is_relative(self) -> bool {
        matches!(self, Moment::Ago(_) | Moment::DaysAgo(_))
    }
}

/// The day of a second since 1970, for a person: `13 Nov 2026`.
pub fn day(second: i64) -> String {
    let day = Timestamp::from_second(second).map(|then| TimeZone::UTC.to_datetime(then).date());
    day.map_or_else(
        |_| "a day beyond the calendar".into(),
        |day| day.strftime("%-d %b %Y").to_string(),
    )
}

/// The days of a period from one second to another, which is the first after it, for a person: `13
/// Nov 2026`, `1–30 Nov 2026`, `27 Oct – 26 Nov 2026`.
pub fn days(begin: i64, end: i64) -> String {
    let date = |second| {
        let then = Timestamp::from_second(second).ok()?;
        Some(TimeZone::UTC.to_datetime(then).date())
    };
    let last = end.saturating_sub(1).max(begin);
    let (Some(from), Some(to)) = (date(begin), date(last)) else {
        return format!("{} – {}", day(begin), day(last));
    };
    let shown = |date: Date, format: &str| date.strftime(format).to_string();
    let whole = shown(to, "%-d %b %Y");
    if from == to {
        whole
    } else if from.first_of_month() == to.first_of_month() {
        format!("{}–{whole}", from.day())
    } else if from.year() == to.year() {
        format!("{} – {whole}", shown(from, "%-d %b"))
    } else {
        format!("{} – {whole}", shown(from, "%-d %b %Y"))
    }
}

fn day_before(now: Timestamp, days: i64) -> Option<Date> {
    TimeZone::UTC.to_datetime(now).date().checked_sub(days.days()).ok()
}

fn midnight(day: Date) -> i64 {
    TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)).map_or(i64::MAX, Timestamp::as_second)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(text: &str) -> (String, String) {
        let now = "2024-03-31T12:30:00Z".parse().expect("now");
        let moment: Moment = text.parse().expect(text);
        let show = |second| Timestamp::from_second(second).expect("in the calendar").to_string();
        (show(moment.begin(now)), show(moment.end(now)))
    }

    #[test]
    fn days_times_and_ages() {
        let both = |time: &str| (time.to_owned(), time.to_owned());
        assert_eq!(
            ends("2024-02-29"),
            ("2024-02-29T00:00:00Z".into(), "2024-03-01T00:00:00Z".into())
        );
        assert_eq!(ends("2024-01-31T12:00:00+01:00"), both("2024-01-31T11:00:00Z"));
        assert_eq!(ends("2024-02"), ("2024-02-01T00:00:00Z".into(), "2024-03-01T00:00:00Z".into()));
        assert_eq!(ends("2023-12"), ("2023-12-01T00:00:00Z".into(), "2024-01-01T00:00:00Z".into()));
        assert_eq!(
            ends("yesterday"),
            ("2024-03-30T00:00:00Z".into(), "2024-03-31T00:00:00Z".into())
        );
        assert_eq!(ends("Today"), ("2024-03-31T00:00:00Z".into(), "2024-04-01T00:00:00Z".into()));
        assert_eq!(ends("12h"), both("2024-03-31T00:30:00Z"));
        assert_eq!(ends("30d"), both("2024-03-01T12:30:00Z"));
        assert_eq!(ends("4w"), both("2024-03-03T12:30:00Z"));
        assert_eq!(ends("1mo"), both("2024-02-29T12:30:00Z"));
        assert_eq!(ends("1y"), both("2023-03-31T12:30:00Z"));
    }

    #[test]
    fn a_day_for_a_person() {
        assert_eq!(day(1_794_528_000), "13 Nov 2026");
        assert_eq!(day(i64::MAX), "a day beyond the calendar");
    }

    #[test]
    fn a_period_for_a_person() {
        for (since, until, expected) in [
            ("2026-11-13", "2026-11-13", "13 Nov 2026"),
            ("2026-11", "2026-11", "1–30 Nov 2026"),
            ("2026-10-27", "2026-11-26", "27 Oct – 26 Nov 2026"),
            ("2025-11", "2026-11", "1 Nov 2025 – 30 Nov 2026"),
        ] {
            let [since, until] = [since, until].map(|text| text.parse::<Moment>().expect(text));
            let now = Timestamp::UNIX_EPOCH;
            assert_eq!(days(since.begin(now), until.end(now)), expected);
        }
        assert_eq!(days(0, 0), "1 Jan 1970");
        assert_eq!(days(i64::MIN, i64::MAX).matches("beyond the calendar").count(), 2);
    }

    #[test]
    fn nonsense_is_refused_and_no_age_is_too_long() {
        for text in [
            "",
            "d",
            "5",
            "5m",
            "-5d",
            "2024-13-01",
            "99999999999999999999d",
            "tomorrow",
            "2024-13",
            "2024-1",
            "é",
            "5 d",
        ] {
            assert!(text.parse::<Moment>().is_err(), "{text}");
        }
        assert_eq!(
            "19000y".parse::<Moment>().expect("parses").begin(Timestamp::UNIX_EPOCH),
            i64::MIN
        );
    }
}
