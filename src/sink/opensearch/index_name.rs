//! Index name: one index, or a name for each year or month of a report's period.
//!
//! The period is part of a document's id, so that a report that comes again goes to the same index,
//! where `create` finds the first. The clock has no say in it: a report whose period is still to
//! come would go to one index today and to another once it has begun.

use std::fmt;

use jiff::{Timestamp, ToSpan, civil::date, tz::TimeZone};

use crate::moment::DAY;

const YEAR: &str = "{yyyy}";
const MONTH: &str = "{MM}";

/// 2012-01-01, when DMARC was made public.
const FIRST: i64 = 1_325_376_000;

/// Clocks that are wrong by less are honest ones, in seconds.
const AHEAD: i64 = 7 * DAY;

/// The name of an index, in which `{yyyy}` and `{MM}` may stand for year and month (UTC).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexName(String);

impl IndexName {
    /// Takes a name.
    ///
    /// # Errors
    /// It can't be the name of an index, for this reason.
    pub fn new(name: String) -> Result<IndexName, String> {
        let fixed = name.replacen(YEAR, "2026", 1).replacen(MONTH, "12", 1);
        let has_year = name.contains(YEAR);
        // What would mean something else in a URL or what the cluster would refuse document by
        // document.
        let is_bad = |c| !matches!(c, 'a'..='z' | '0'..='9') && !"-_+.!$&'()=;~@".contains(c);
        if fixed.contains(['{', '}']) {
            return Err(format!(
                "{name:?}: only {YEAR} and {MONTH} stand for something, each once; an index a day \
                 would be too small"
            ));
        }
        if name.contains(MONTH) && !has_year {
            return Err(format!("{name:?}: {MONTH} without {YEAR} would mix the years"));
        }
        if fixed.is_empty()
            || fixed.len() > 255
            || name.starts_with(['-', '_', '+', '.', '{'])
            || fixed.contains(is_bad)
        {
            return Err(format!("{name:?} can't be the name of an index"));
        }
        Ok(IndexName(name))
    }

    /// True if there are several, by year or month.
    pub fn is_dated(&self) -> bool {
        self.0.contains(YEAR)
    }

    /// The index for a report whose period begins `begin` seconds after 1970. Periods before DMARC
    /// are all in year 0, or a stranger could have indices made without end; for the same reason
    /// what [`IndexName::is_ahead`] is to be refused.
    pub fn at(&self, begin: i64) -> String {
        if !self.is_dated() {
            return self.0.clone();
        }
        let date = Timestamp::from_second(begin).ok().filter(|_| begin >= FIRST);
        let (year, month) = date.map_or((0, 0), |date| {
            let date = TimeZone::UTC.to_datetime(date);
            (date.year(), date.month())
        });
        self.named(year, month)
    }

    /// True if indices are named by dates, and this begin of a period is more than a week after
    /// `now`, as in no honest report.
    pub fn is_ahead(&self, begin: i64, now: i64) -> bool {
        self.is_dated() && begin > now.saturating_add(AHEAD)
    }

    /// Those of honest reports that are over before `end`, in seconds since 1970: no report in them
    /// begins later.
    pub fn over_before(&self, end: i64) -> Vec<String> {
        let mut names = Vec::new();
        let Ok(end) = Timestamp::from_second(end) else { return names };
        let end = TimeZone::UTC.to_datetime(end).date();
        let mut month = date(2012, 1, 1);
        while self.is_dated() && month < end {
            let Ok(next) = month.checked_add(1.month()) else { break };
            let span = if self.0.contains(MONTH) { next } else { date(month.year() + 1, 1, 1) };
            if span <= end {
                names.push(self.named(month.year(), month.month()));
            }
            month = next;
        }
        names.dedup();
        names
    }

    /// True if an index has such a name: there may be others that only begin alike.
    pub fn has(&self, index: &str) -> bool {
        let shape = self.0.replace(YEAR, "\0\0\0\0").replace(MONTH, "\0\0");
        let is_alike = |(own, other): (u8, u8)| match own {
            0 => other.is_ascii_digit(),
            own => own == other,
        };
        shape.len() == index.len() && shape.bytes().zip(index.bytes()).all(is_alike)
    }

    /// True if a pattern with `*` means it, whether it is there or not; of those by date that of
    /// year 0 stands for all.
    pub fn is_meant_by(&self, pattern: &str) -> bool {
        let name = self.at(0);
        let Some((start, rest)) = pattern.split_once('*') else { return name == pattern };
        let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
        let within = name.strip_prefix(start).and_then(|name| name.strip_suffix(end));
        let found = within.and_then(|within| {
            middle.split('*').try_fold(within, |within, part| Some(within.split_once(part)?.1))
        });
        found.is_some()
    }

    fn named(&self, year: i16, month: i8) -> String {
        self.0.replace(YEAR, &format!("{year:04}")).replace(MONTH, &format!("{month:02}"))
    }

    /// All of them, with `*` where the date stands.
    pub fn wildcard(&self) -> String {
        let Some((before, _)) = self.0.split_once('{') else { return self.0.clone() };
        let after = self.0.rsplit_once('}').map_or("", |(_, after)| after);
        format!("{before}*{after}")
    }

    /// The name without what stands for a date, for a template: `dmarc-reports-{yyyy}` has the
    /// same as `dmarc-reports`, whose template is for both.
    pub fn base(&self) -> String {
        let wildcard = self.wildcard();
        match wildcard.strip_suffix("-*") {
            Some(base) => base.to_owned(),
            None => self.0.replace(['{', '}'], "").to_lowercase(),
        }
    }

    /// For which names its template is.
    pub fn patterns(&self) -> Vec<String> {
        let (base, wildcard) = (self.base(), self.wildcard());
        if self.is_dated() && wildcard != format!("{base}-*") {
            return vec![wildcard];
        }
        let dated = format!("{base}-*");
        vec![base, dated]
    }
}

/// What a name stands for, by the indices that the cluster finds under it, where that is more than
/// one index: of these, only the one that is written to now is looked into for a report that comes
/// again.
pub(crate) fn rolls_over<'i>(
    name: &str,
    mut indices: impl ExactSizeIterator<Item = &'i String>,
) -> Option<&'static str> {
    let count = indices.len();
    if indices.any(|index| index.starts_with(&format!(".ds-{name}-"))) {
        Some("a data stream")
    } else {
        (count > 1).then_some("an alias of several indices")
    }
}

impl fmt::Display for IndexName {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> IndexName {
        IndexName::new(name.into()).expect("a name")
    }

    #[test]
    fn the_month_is_that_in_which_the_period_begins() {
        let months = name("dmarc-reports-{yyyy}-{MM}");
        // 2026-10-31T23:59:59Z, and a second later.
        assert_eq!(months.at(1_793_491_199), "dmarc-reports-2026-10");
        assert_eq!(months.at(1_793_491_200), "dmarc-reports-2026-11");
        assert_eq!(name("a-{yyyy}").at(1_793_491_200), "a-2026");
        assert_eq!(name("a").at(1_793_491_200), "a");
    }

    #[test]
    fn whole_months_and_years_are_over() {
        let end = "2012-03-15T00:00:00Z".parse::<Timestamp>().expect("a moment").as_second();
        assert_eq!(name("a-{yyyy}-{MM}").over_before(end), ["a-2012-01", "a-2012-02"]);
        assert_eq!(name("a-{yyyy}").over_before(end), [""; 0]);
        assert_eq!(name("a-{yyyy}").over_before(end + 2 * 366 * 86_400), ["a-2012", "a-2013"]);
        // The first second of a month is not over.
        let first = "2012-02-01T00:00:00Z".parse::<Timestamp>().expect("a moment").as_second();
        assert_eq!(name("a-{yyyy}-{MM}").over_before(first), ["a-2012-01"]);
        assert_eq!(name("a").over_before(end), [""; 0]);
    }

    #[test]
    fn indices_of_others_are_told_apart() {
        let months = name("a-{yyyy}-{MM}");
        assert!(months.has("a-2026-10") && months.has("a-0000-00") && name("a").has("a"));
        for other in ["a", "a-2026", "a-2026-10-old", "a-backups", "b-2026-10", "a-2026-1x"] {
            assert!(!months.has(other), "{other}");
        }
    }

    #[test]
    fn patterns_mean_what_is_not_there_yet() {
        let months = name("a-{yyyy}-{MM}");
        for pattern in ["*", "a-*", "a-*-*", "*-00", "a*0*00", "a-0000-00"] {
            assert!(months.is_meant_by(pattern), "{pattern}");
        }
        for pattern in ["a", "b-*", "a-*-1", "a-*1*", "a-0000-00*0"] {
            assert!(!months.is_meant_by(pattern), "{pattern}");
        }
        assert!(name("a-1").is_meant_by("a-*") && !name("a").is_meant_by("a-*"));
    }

    #[test]
    fn periods_that_can_not_be_share_an_index() {
        let months = name("a-{yyyy}-{MM}");
        for begin in [i64::MIN, -1, 0, FIRST - 1] {
            assert_eq!(months.at(begin), "a-0000-00");
        }
        assert_eq!(months.at(FIRST), "a-2012-01");
    }

    #[test]
    fn what_is_to_come_is_told_by_the_clock() {
        let now = 1_800_000_000;
        for (begin, is_ahead) in
            [(i64::MIN, false), (now + AHEAD, false), (now + AHEAD + 1, true), (i64::MAX, true)]
        {
            assert_eq!(name("a-{yyyy}").is_ahead(begin, now), is_ahead, "{begin}");
            assert!(!name("a").is_ahead(begin, now));
        }
    }

    #[test]
    fn templates_are_for_all_of_them_and_shared_with_the_name_without_a_date() {
        let parts = |text: &str| (name(text).base(), name(text).wildcard(), name(text).patterns());
        let reports = || vec!["reports".to_owned(), "reports-*".to_owned()];
        assert_eq!(parts("reports"), ("reports".into(), "reports".into(), reports()));
        for dated in ["reports-{yyyy}", "reports-{yyyy}-{MM}", "reports-{yyyy}.{MM}"] {
            assert_eq!(parts(dated), ("reports".into(), "reports-*".into(), reports()));
        }
        let within = ("a-yyyy-b".into(), "a-*-b".into(), vec!["a-*-b".to_owned()]);
        assert_eq!(parts("a-{yyyy}-b"), within);
    }

    #[test]
    fn what_can_not_be_a_name_is_refused_with_the_reason() {
        for (bad, reason) in [
            ("", "can't be"),
            ("A", "can't be"),
            ("a*", "can't be"),
            ("_a", "can't be"),
            ("{yyyy}-a", "can't be"),
            ("a-{MM}", "without {yyyy}"),
            ("a-{yyyy}-{MM}-{dd}", "an index a day"),
            ("a-{yyyy}-{yyyy}", "each once"),
            ("a-{YYYY}", "only {yyyy}"),
        ] {
            let error = IndexName::new(bad.into()).expect_err("refused");
            assert!(error.contains(reason), "{bad}: {error}");
        }
    }
}
