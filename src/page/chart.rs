//! Chart: what passed and what failed over time, as a picture in SVG whose colours the style sheet
//! gives, so that it is right in dark, on paper, and without any.

use std::collections::BTreeMap;

use askama::Template;

use super::words::{self, number, share};
use crate::answers::{Groups, Key};

const DAY: i64 = 86_400;

/// 2012, the year of the first DMARC reports: what claims to be older would make all else small.
const EARLIEST: i64 = 1_325_376_000;

/// Bars at most; with more days each stands for several.
const BARS: i64 = 100;

/// Size of the picture, in its own units.
const WIDTH: i64 = 960;
const HEIGHT: i64 = 220;
/// Room on the left for numbers, below for days, above for the highest number.
const LEFT: i64 = 64;
const BELOW: i64 = 24;
const ABOVE: i64 = 12;

/// Messages of some days.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) pass: u64,
    pub(super) fail: u64,
}

/// A picture of what passed and failed.
#[derive(Debug, Template)]
#[template(path = "page/chart.html")]
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

/// Some days.
#[derive(Debug)]
struct Bar {
    x: i64,
    width: i64,
    pass: Span,
    fail: Span,
    title: String,
}

/// A part of a bar, from above.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    y: i64,
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
    policy: String,
    title: String,
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
    pub(super) policies: &'s [(i64, String)],
}

impl Chart {
    /// Nothing where there is no day.
    pub(super) fn new(shown: &Shown) -> Option<Chart> {
        let Shown { id, noun, range, days, policies } = *shown;
        let begin = range.0.max(EARLIEST).div_euclid(DAY);
        let end = range.1.saturating_add(DAY - 1).div_euclid(DAY).max(begin + 1);
        let each = ((end - begin) + BARS - 1) / BARS;
        let mut sums: BTreeMap<i64, Count> = BTreeMap::new();
        let within = |second: &i64| (begin..end).contains(&second.div_euclid(DAY));
        for (second, count) in days.iter().filter(|(second, _)| within(second)) {
            let bar = (second.div_euclid(DAY) - begin).div_euclid(each);
            let sum = sums.entry(bar).or_default();
            sum.pass = sum.pass.saturating_add(count.pass);
            sum.fail = sum.fail.saturating_add(count.fail);
        }
        let bars = (end - begin + each - 1) / each;
        let axis = Axis { begin, each, bars };
        let most = sums.values().map(|sum| sum.pass.saturating_add(sum.fail)).max()?;
        let top = rounded_up(most);
        Some(Chart {
            id,
            noun,
            summary: summary(noun, &axis, &sums),
            bars: (0..bars).map(|n| bar(&axis, n, sums.get(&n), top, noun)).collect(),
            marks: [top, top / 2]
                .into_iter()
                .filter(|value| *value > 0)
                .map(|value| Mark { at: y_of(value, top), words: number(value) })
                .collect(),
            days: axis.days(),
            bands: bands(&axis, policies),
            height: HEIGHT + BELOW + if policies.is_empty() { 0 } else { 22 },
        })
    }
}

/// Days on the way from left to right.
struct Axis {
    /// The first one, in days since 1970.
    begin: i64,
    /// Days of a bar.
    each: i64,
    bars: i64,
}

impl Axis {
    /// Where a day is.
    fn x(&self, day: i64) -> i64 {
        let days = (day - self.begin).clamp(0, self.each * self.bars);
        LEFT + days * (WIDTH - LEFT) / (self.each * self.bars)
    }

    /// About six days with their names.
    fn days(&self) -> Vec<Mark> {
        let step = (self.bars / 6).max(1);
        let named = (0..self.bars).step_by(usize::try_from(step).unwrap_or(1)).map(|n| {
            let day = self.begin + n * self.each;
            Mark { at: self.x(day), words: words::day(day * DAY) }
        });
        // Its words need room on the right.
        named.filter(|mark| mark.at < WIDTH - 60).collect()
    }

    /// `3 Mar 2026`, or the first and last day of a bar.
    fn words(&self, n: i64) -> String {
        let first = self.begin + n * self.each;
        if self.each == 1 {
            return words::day(first * DAY);
        }
        format!("{} to {}", words::day(first * DAY), words::day((first + self.each - 1) * DAY))
    }
}

fn y_of(value: u64, top: u64) -> i64 {
    let room = HEIGHT - ABOVE;
    let height = i128::from(value) * i128::from(room) / i128::from(top.max(1));
    HEIGHT - i64::try_from(height).unwrap_or(room)
}

fn bar(axis: &Axis, n: i64, count: Option<&Count>, top: u64, noun: &str) -> Bar {
    let x = axis.x(axis.begin + n * axis.each);
    let next = axis.x(axis.begin + (n + 1) * axis.each);
    let count = count.copied().unwrap_or_default();
    let middle = y_of(count.pass, top);
    let mut upper = y_of(count.pass.saturating_add(count.fail), top);
    // What failed is seen, however little it is.
    if count.fail > 0 && upper == middle {
        upper -= 1;
    }
    Bar {
        x,
        width: (next - x - if next - x > 3 { 1 } else { 0 }).max(1),
        pass: Span { y: middle, height: HEIGHT - middle },
        fail: Span { y: upper, height: middle - upper },
        title: format!(
            "{}: {} of {} {noun} passed, {} failed",
            axis.words(n),
            number(count.pass),
            number(count.pass.saturating_add(count.fail)),
            number(count.fail)
        ),
    }
}

fn bands(axis: &Axis, policies: &[(i64, String)]) -> Vec<Band> {
    let ends = policies.iter().skip(1).map(|(day, _)| Some(*day)).chain([None]);
    let end = (axis.begin + axis.each * axis.bars) * DAY;
    policies
        .iter()
        .zip(ends)
        .map(|((from, policy), until)| {
            let until = until.unwrap_or(end);
            let (x, right) = (axis.x(from.div_euclid(DAY)), axis.x(until.div_euclid(DAY)));
            let title = format!("p={policy} from {}", words::day(*from));
            Band { x, width: (right - x).max(2), policy: policy.clone(), title }
        })
        .collect()
}

/// The next number that begins with 1, 2 or 5.
fn rounded_up(most: u64) -> u64 {
    let mut unit = 1u64;
    loop {
        for step in [1, 2, 5] {
            match unit.checked_mul(step) {
                Some(value) if value >= most => return value.max(2),
                Some(_) => {}
                None => return most,
            }
        }
        match unit.checked_mul(10) {
            Some(next) => unit = next,
            None => return most,
        }
    }
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
        words += &format!(" Most failed: {}, on {}.", number(worst.fail), axis.words(*n));
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
        assert!(chart.summary.starts_with("1,095 of 1,460 messages passed (75.0%), 365 failed."));
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
