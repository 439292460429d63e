//! Chart: what passed and what failed over time, as a picture in SVG whose colours the style sheet
//! gives, so that it is right in dark, on paper, and without any.

mod scale;

use std::{collections::BTreeMap, fmt::Write};

use askama::Template;

pub(super) use self::scale::Count;
use self::scale::{Axis, Bar, DAY, Scale, bar, sums};
use super::words::{self, number, share};
use crate::answers::{Groups, Key};

/// Bars at most; with more days each stands for several.
const BARS: i64 = 100;

/// The large picture: numbers stand on the left, days below.
const LARGE: Scale = Scale { left: 64, width: 896, height: 220, above: 12 };

/// Room for the days, and below them for policies.
const BELOW: i64 = 24;
const POLICIES: i64 = 22;

/// The small picture.
const SMALL: Scale = Scale { left: 0, width: 120, height: 24, above: 1 };
const SMALL_BARS: i64 = 40;

/// A picture of what passed and failed.
#[derive(Debug, Template)]
#[template(path = "page/chart/chart.html")]
pub(super) struct Chart {
    id: &'static str,
    /// What is counted, such as messages.
    noun: &'static str,
    /// The same in words.
    summary: String,
    bars: Vec<Bar>,
    marks: Vec<Mark>,
    days: Vec<Mark>,
    bands: Vec<Band>,
    height: i64,
}

/// A word beside an axis.
#[derive(Debug)]
struct Mark {
    at: i64,
    words: String,
}

/// A time in which a policy was published.
#[derive(Debug)]
struct Band {
    x: i64,
    width: i64,
    policy: &'static str,
    title: String,
}

/// A small picture of the same, for a row of a table.
#[derive(Debug, Template)]
#[template(path = "page/chart/spark.html")]
pub(super) struct Spark {
    words: String,
    bars: Vec<Bar>,
}

impl Spark {
    /// Nothing where there is no day.
    pub(super) fn new(range: (i64, i64), days: &BTreeMap<i64, Count>) -> Option<Spark> {
        let (axis, sums) = sums(range, days, SMALL_BARS)?;
        let top = sums.values().map(Count::all).max()?;
        let bars = sums.iter().map(|(n, count)| bar(&axis, &SMALL, *n, *count, top, "messages"));
        Some(Spark { words: summary("messages", &axis, &sums), bars: bars.collect() })
    }
}

/// What a picture shows, and of which time.
#[derive(Debug)]
pub(super) struct Shown<'s> {
    pub(super) id: &'static str,
    pub(super) noun: &'static str,
    /// First day and the one after the last, in seconds since 1970.
    pub(super) range: (i64, i64),
    /// By the first second of each day.
    pub(super) days: &'s BTreeMap<i64, Count>,
    /// The policies that were published, each from this day on.
    pub(super) policies: &'s [(i64, &'static str)],
}

impl Chart {
    /// Nothing where there is no day.
    pub(super) fn new(shown: &Shown) -> Option<Chart> {
        let Shown { id, noun, range, days, policies } = *shown;
        let (axis, sums) = sums(range, days, BARS)?;
        let top = rounded_up(sums.values().map(Count::all).max()?);
        Some(Chart {
            id,
            noun,
            summary: summary(noun, &axis, &sums),
            bars: (0..axis.bars)
                .map(|n| {
                    bar(&axis, &LARGE, n, sums.get(&n).copied().unwrap_or_default(), top, noun)
                })
                .collect(),
            marks: [top, top / 2]
                .into_iter()
                .filter(|value| *value > 0)
                .map(|value| Mark { at: LARGE.y(value, top), words: number(value) })
                .collect(),
            days: named_days(&axis),
            bands: bands(&axis, policies),
            height: LARGE.height + BELOW + if policies.is_empty() { 0 } else { POLICIES },
        })
    }
}

/// About six days with their names.
fn named_days(axis: &Axis) -> Vec<Mark> {
    let step = (axis.bars / 6).max(1);
    let named = (0..axis.bars).step_by(usize::try_from(step).unwrap_or(1)).map(|n| {
        let day = axis.begin + n * axis.each;
        Mark { at: LARGE.x(axis, day), words: words::day(day * DAY) }
    });
    // Its words need room on the right.
    named.filter(|mark| mark.at < LARGE.left + LARGE.width - 60).collect()
}

fn bands(axis: &Axis, policies: &[(i64, &'static str)]) -> Vec<Band> {
    let ends = policies.iter().skip(1).map(|(day, _)| Some(*day)).chain([None]);
    let end = (axis.begin + axis.each * axis.bars) * DAY;
    policies
        .iter()
        .zip(ends)
        .map(|((from, policy), until)| {
            let until = until.unwrap_or(end);
            let (x, right) =
                (LARGE.x(axis, from.div_euclid(DAY)), LARGE.x(axis, until.div_euclid(DAY)));
            let title = format!("p={policy} from {}", words::day(*from));
            Band { x, width: (right - x).max(2), policy, title }
        })
        .collect()
}

/// The next round number.
fn rounded_up(most: u64) -> u64 {
    const STEPS: [u64; 10] = [10, 12, 15, 20, 25, 30, 40, 50, 60, 80];
    if most <= 10 {
        return most.next_multiple_of(2).max(2);
    }
    let unit = 10_u64.pow(most.ilog10()) / 10;
    let values = STEPS.into_iter().chain([100]).filter_map(|step| unit.checked_mul(step));
    values.into_iter().find(|value| *value >= most).unwrap_or(most)
}

fn summary(noun: &str, axis: &Axis, sums: &BTreeMap<i64, Count>) -> String {
    let add = |sum: u64, more: u64| sum.saturating_add(more);
    let pass = sums.values().map(|sum| sum.pass).fold(0, add);
    let fail = sums.values().map(|sum| sum.fail).fold(0, add);
    let mut words = format!(
        "{} of {} {noun} passed ({}), {} failed.",
        number(pass),
        number(pass.saturating_add(fail)),
        share(pass, pass.saturating_add(fail)),
        number(fail)
    );
    if let Some((n, worst)) =
        sums.iter().max_by_key(|(_, sum)| sum.fail).filter(|one| one.1.fail > 0)
    {
        // Writing to a String can't fail.
        let _ = write!(words, " Most failed: {}, on {}.", number(worst.fail), axis.words(*n));
    }
    words
}

/// The days of DMARC results.
pub(super) fn days(groups: &Groups) -> BTreeMap<i64, Count> {
    let day = |group: &crate::answers::Group| match group.key {
        Key::Day(second) => {
            let messages = &group.tally.messages;
            let fail = messages.messages.saturating_sub(messages.pass);
            Some((second, Count { pass: messages.pass, fail }))
        }
        _ => None,
    };
    groups.groups.iter().filter_map(day).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(days: &[(i64, Count)], range: (i64, i64)) -> Option<Chart> {
        let days = days.iter().map(|(day, count)| (day * DAY, *count)).collect();
        let range = (range.0 * DAY, range.1 * DAY);
        Chart::new(&Shown { id: "c", noun: "messages", range, days: &days, policies: &[] })
    }

    /// A day of 2024.
    const FIRST: i64 = 19_723;

    #[test]
    fn a_year_has_a_hundred_bars_at_most_and_all_messages() {
        let days: Vec<_> = (0..365).map(|day| (FIRST + day, Count { pass: 3, fail: 1 })).collect();
        let chart = chart(&days, (FIRST, FIRST + 365)).expect("a picture");
        assert!(chart.bars.len() <= 100, "{}", chart.bars.len());
        assert!(chart.summary.starts_with("1,095 of 1,460 messages passed (75 %), 365 failed."));
    }

    #[test]
    fn numbers_beyond_sense_give_a_picture_all_the_same() {
        let huge = Count { pass: u64::MAX, fail: u64::MAX };
        let chart =
            chart(&[(-1_000_000, huge), (20_000, Count { pass: 0, fail: 1 })], (0, 1 << 40))
                .expect("a picture");
        assert!(chart.bars.len() <= 100);
        let picture = chart.render().expect("rendered");
        assert!(picture.contains("<svg"));
    }

    #[test]
    fn the_highest_number_is_round() {
        let rounded = [0, 1, 3, 10, 11, 99, 101, 1501, 81_000].map(rounded_up);
        assert_eq!(rounded, [2, 2, 4, 10, 12, 100, 120, 2000, 100_000]);
        assert_eq!(rounded_up(u64::MAX), u64::MAX);
    }

    #[test]
    fn one_failure_among_many_is_seen() {
        let chart = chart(&[(FIRST, Count { pass: 1_000_000, fail: 1 })], (FIRST, FIRST + 1))
            .expect("a picture");
        assert!(chart.bars[0].fail.height > 0);
    }

    #[test]
    fn without_a_day_there_is_no_picture() {
        assert!(chart(&[], (FIRST, FIRST + 30)).is_none());
        assert!(chart(&[(-5, Count { pass: 1, fail: 0 })], (-9, FIRST)).is_none());
    }
}
