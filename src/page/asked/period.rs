//! Period: which time is asked for.

use jiff::Timestamp;

use super::Chosen;
use crate::moment::Moment;

/// Times that are one click away, and their names.
pub(in crate::page) const PRESETS: [(&str, &str); 5] =
    [("7d", "7 days"), ("30d", "30 days"), ("90d", "90 days"), ("1y", "a year"), (ALL, "all")];

/// What is shown where nothing is said, as by `report`.
const USUAL: &str = "30d";
const USUAL_DAYS: i64 = 30;

/// All time.
const ALL: &str = "all";

/// A time as it is typed, from the usual one on if nothing is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::page) struct Period {
    since: Option<String>,
    until: Option<String>,
}

impl Period {
    pub(super) fn set_since(&mut self, text: &str) -> Result<(), String> {
        if text != ALL {
            moment(text)?;
        }
        self.since = Some(text.to_owned());
        self.check()
    }

    pub(super) fn set_until(&mut self, text: &str) -> Result<(), String> {
        moment(text)?;
        self.until = Some(text.to_owned());
        self.check()
    }

    /// Fixed times in the wrong order never hold a report.
    fn check(&self) -> Result<(), String> {
        let [since, until] = [&self.since, &self.until].map(|text| {
            let fixed = text.as_deref().and_then(|text| moment(text).ok());
            fixed.filter(|moment| !moment.is_relative())
        });
        match (since, until) {
            (Some(since), Some(until))
                if until.end(Timestamp::UNIX_EPOCH) <= since.begin(Timestamp::UNIX_EPOCH) =>
            {
                Err("it ends before it begins".into())
            }
            _ => Ok(()),
        }
    }

    /// This time until now.
    pub(in crate::page) fn preset(text: &str) -> Period {
        Period { since: Some(text.to_owned()), until: None }
    }

    /// True if it is what this preset gives.
    pub(in crate::page) fn is_preset(&self, text: &str) -> bool {
        self.until.is_none() && self.since_text() == text
    }

    fn since_text(&self) -> &str {
        self.since.as_deref().unwrap_or(USUAL)
    }

    /// The first second, and the first one after it, since 1970.
    pub(in crate::page) fn range(&self, now: i64) -> (Option<i64>, Option<i64>) {
        // Beyond the calendar there is no now.
        let now = Timestamp::from_second(now).unwrap_or(Timestamp::MAX);
        let begin = |text: &str| moment(text).ok().map(|moment| moment.begin(now));
        let end = |text: &String| moment(text).ok().map(|moment| moment.end(now));
        let since = match (&self.since, &self.until) {
            // All that is older.
            (None, Some(_)) => None,
            // Whole days.
            (None, None) => Some(Moment::DaysAgo(USUAL_DAYS).begin(now)),
            _ => begin(self.since_text()),
        };
        (since, self.until.as_ref().and_then(end))
    }

    /// The time of the same length that ends where this one begins.
    pub(in crate::page) fn before(&self, now: i64) -> Option<(i64, i64)> {
        let (since, until) = self.range(now);
        let since = since.filter(|since| *since > i64::MIN)?;
        let length = until.unwrap_or(now).min(now).saturating_sub(since);
        (length > 0).then(|| (since.saturating_sub(length), since))
    }

    pub(super) fn pairs(&self) -> Vec<Chosen> {
        let pair = |key: &str, text: &Option<String>| {
            text.clone().map(|value| Chosen { key: key.into(), value })
        };
        [pair("since", &self.since), pair("until", &self.until)].into_iter().flatten().collect()
    }
}

fn moment(text: &str) -> Result<Moment, String> {
    text.parse().map_err(|error: crate::moment::ParseMomentError| error.to_string())
}
