//! Words: how texts of reports, numbers and times are written on a page.

use std::{borrow::Borrow, fmt};

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    figures::{self, thousandths},
    report::rfc3339,
    sanitize,
};

/// Characters of a report's text that are shown; a value may have thousands.
const SHOWN: usize = 160;

/// A text out of a report. On a page it is on one line, without characters that hide or turn
/// others, and cut where it is too long; in JSON and in addresses it is whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(super) struct Said(String);

impl Said {
    /// The text as it came.
    pub(super) fn whole(&self) -> &str {
        &self.0
    }

    /// True if there is nothing to be seen of it.
    pub(super) fn is_empty(&self) -> bool {
        self.0.trim().is_empty()
    }
}

impl<T: Into<String>> From<T> for Said {
    fn from(text: T) -> Said {
        Said(text.into())
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self.0.char_indices().nth(SHOWN) {
            Some((end, _)) => write!(f, "{}…", sanitize::line(&self.0[..end])),
            None => f.write_str(&sanitize::line(&self.0)),
        }
    }
}

/// What a report says, or a dash where it does not.
pub(super) fn said(text: impl Borrow<Option<String>>) -> Said {
    text.borrow().as_deref().unwrap_or("–").into()
}

/// `1,234,567`.
pub(super) fn number(number: impl Borrow<u64>) -> String {
    figures::thousands(*number.borrow())
}

/// `1 mail`, `1,234 mails`.
pub(super) fn counted(count: impl Borrow<u64>, noun: &str) -> String {
    figures::things(*count.borrow(), noun)
}

/// `91 %`.
pub(super) fn share(part: impl Borrow<u64>, whole: impl Borrow<u64>) -> String {
    figures::share(*part.borrow(), *whole.borrow())
}

/// Per cent with one digit behind the point, for a width.
pub(super) fn tenths(part: impl Borrow<u64>, whole: impl Borrow<u64>) -> String {
    let thousandths = thousandths(*part.borrow(), *whole.borrow()).unwrap_or(0).min(1000);
    format!("{}.{}", thousandths / 10, thousandths % 10)
}

/// How a share changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ShareChange {
    pub(super) rose: bool,
    /// Points of per cent, such as `1.5`.
    pub(super) points: String,
}

/// By how much a share rose or fell; nothing if by less than a tenth of a point.
pub(super) fn change(
    part: impl Borrow<u64>,
    whole: impl Borrow<u64>,
    past_part: impl Borrow<u64>,
    past_whole: impl Borrow<u64>,
) -> Option<ShareChange> {
    let now = thousandths(*part.borrow(), *whole.borrow())?;
    let then = thousandths(*past_part.borrow(), *past_whole.borrow())?;
    let points = now.abs_diff(then);
    let change =
        || ShareChange { rose: now > then, points: format!("{}.{}", points / 10, points % 10) };
    (points > 0).then(change)
}

/// A moment in the past: how long ago, and exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Then {
    second: i64,
    now: i64,
}

impl Then {
    /// A second since 1970, seen from another.
    pub(super) fn new(second: i64, now: i64) -> Then {
        Then { second, now }
    }

    /// RFC 3339, in UTC.
    pub(super) fn exactly(self) -> String {
        rfc3339(self.second).unwrap_or_else(|| "a time beyond the calendar".into())
    }
}

/// `3 days ago`; beyond a year, and in the future, the day.
impl fmt::Display for Then {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        const UNITS: [(i64, i64, &str); 4] = [
            (2 * 3600, 60, "minute"),
            (2 * 86_400, 3600, "hour"),
            (60 * 86_400, 86_400, "day"),
            (366 * 86_400, 30 * 86_400, "month"),
        ];
        let passed = self.now.saturating_sub(self.second);
        let unit = UNITS.into_iter().find(|(below, ..)| passed < *below);
        match unit.filter(|_| passed >= 0) {
            Some(_) if passed < 60 => f.write_str("just now"),
            Some((_, length, noun)) => {
                write!(f, "{} ago", counted((passed / length).unsigned_abs(), noun))
            }
            None => f.write_str(&day(self.second)),
        }
    }
}

/// `13 Nov 2026`, in UTC.
pub(super) fn day(second: i64) -> String {
    crate::moment::day(second)
}

/// `13 Nov 2026, 04:55 UTC`; nothing beyond the calendar.
pub(super) fn minute(second: i64) -> Option<String> {
    let then = Timestamp::from_second(second).ok()?;
    Some(then.strftime("%-d %b %Y, %H:%M UTC").to_string())
}

/// `2026-11-13`, in UTC; nothing beyond the calendar.
pub(super) fn date(second: i64) -> Option<String> {
    let then = Timestamp::from_second(second).ok()?;
    Some(then.strftime("%F").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_in_points() {
        let of = |now, before| change(now, 1000, before, 1000).map(|it| (it.rose, it.points));
        assert_eq!(of(985, 970), Some((true, "1.5".into())));
        assert_eq!(of(970, 985), Some((false, "1.5".into())));
        assert_eq!(of(970, 970), None);
        assert_eq!(change(0, 0, 1, 1), None);
        assert_eq!(tenths(u64::MAX, u64::MAX), "100.0");
    }

    #[test]
    fn times_are_told_from_now() {
        let told = |ago: i64| Then::new(1_794_528_000 - ago, 1_794_528_000).to_string();
        assert_eq!(told(5), "just now");
        assert_eq!(told(60), "1 minute ago");
        assert_eq!(told(3 * 3600), "3 hours ago");
        assert_eq!(told(3 * 86_400), "3 days ago");
        assert_eq!(told(100 * 86_400), "3 months ago");
        assert_eq!(told(400 * 86_400), "9 Oct 2025");
        assert_eq!(told(-1), "13 Nov 2026");
        assert_eq!(Then::new(i64::MIN, i64::MAX).exactly(), "a time beyond the calendar");
        assert_eq!(minute(1_794_528_000).as_deref(), Some("13 Nov 2026, 00:00 UTC"));
        assert_eq!(minute(i64::MAX), None);
    }

    #[test]
    fn what_a_report_says_is_one_line_that_hides_nothing() {
        let said = Said::from("a\u{202e}b\n<b>");
        assert_eq!(said.to_string(), "a\u{fffd}b\u{fffd}<b>");
        assert_eq!(said.whole(), "a\u{202e}b\n<b>");
        assert_eq!(Said::from("ä".repeat(5000)).to_string(), format!("{}…", "ä".repeat(160)));
    }
}
