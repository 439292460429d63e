//! Scale: where on a picture a day and a number of messages are.

use std::collections::BTreeMap;

use super::words::{self, number};
use crate::answers::Day;

/// Seconds of a day.
pub(super) const DAY: i64 = 86_400;

/// 2012, the year of the first DMARC reports: what claims to be older would make all else small.
const EARLIEST: i64 = 1_325_376_000;

/// Messages of some days.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::page) struct Count {
    pub(in crate::page) pass: u64,
    pub(in crate::page) fail: u64,
}

impl Count {
    /// Adds messages of another day or sender.
    pub(in crate::page) fn add(&mut self, day: &Day) {
        let fail = day.messages.saturating_sub(day.pass);
        self.sum(Count { pass: day.pass, fail });
    }

    fn sum(&mut self, other: Count) {
        self.pass = self.pass.saturating_add(other.pass);
        self.fail = self.fail.saturating_add(other.fail);
    }

    /// Those that passed and those that failed.
    pub(super) fn all(&self) -> u64 {
        self.pass.saturating_add(self.fail)
    }
}

/// Days on the way from left to right.
pub(super) struct Axis {
    /// The first one, in days since 1970.
    pub(super) begin: i64,
    /// Days of a bar.
    pub(super) each: i64,
    pub(super) bars: i64,
}

impl Axis {
    /// `3 Mar 2026`, or the first and last day of a bar.
    pub(super) fn words(&self, n: i64) -> String {
        let first = self.begin + n * self.each;
        if self.each == 1 {
            return words::day(first * DAY);
        }
        format!("{} to {}", words::day(first * DAY), words::day((first + self.each - 1) * DAY))
    }
}

/// The messages of each bar, for days within a range of seconds since 1970; nothing if there are
/// none.
pub(super) fn sums(
    range: (i64, i64),
    days: &BTreeMap<i64, Count>,
    most: i64,
) -> Option<(Axis, BTreeMap<i64, Count>)> {
    let first = days.keys().next()?.max(&EARLIEST);
    let begin = if range.0 < EARLIEST { *first } else { range.0 }.div_euclid(DAY);
    let end = range.1.saturating_add(DAY - 1).div_euclid(DAY).max(begin + 1);
    let each = (end - begin + most - 1) / most;
    let mut sums: BTreeMap<i64, Count> = BTreeMap::new();
    let within = |second: &i64| (begin..end).contains(&second.div_euclid(DAY));
    for (second, count) in days.iter().filter(|(second, _)| within(second)) {
        let bar = (second.div_euclid(DAY) - begin).div_euclid(each);
        sums.entry(bar).or_default().sum(*count);
    }
    let bars = (end - begin + each - 1) / each;
    (!sums.is_empty()).then_some((Axis { begin, each, bars }, sums))
}

/// The room for bars, in the picture's own units.
pub(super) struct Scale {
    pub(super) left: i64,
    pub(super) width: i64,
    pub(super) height: i64,
    /// Room above the highest bar.
    pub(super) above: i64,
}

impl Scale {
    /// Where a day is.
    pub(super) fn x(&self, axis: &Axis, day: i64) -> i64 {
        let days = (day - axis.begin).clamp(0, axis.each * axis.bars);
        self.left + days * self.width / (axis.each * axis.bars)
    }

    /// How high up a number is.
    pub(super) fn y(&self, value: u64, top: u64) -> i64 {
        let room = self.height - self.above;
        let height = i128::from(value) * i128::from(room) / i128::from(top.max(1));
        self.height - i64::try_from(height).unwrap_or(room).min(room)
    }
}

/// Some days.
#[derive(Debug)]
pub(super) struct Bar {
    pub(super) x: i64,
    pub(super) width: i64,
    pub(super) pass: Span,
    pub(super) fail: Span,
    pub(super) title: String,
}

/// A part of a bar, from above.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Span {
    pub(super) y: i64,
    pub(super) height: i64,
}

/// The bar of this number.
pub(super) fn bar(axis: &Axis, scale: &Scale, n: i64, count: Count, top: u64, noun: &str) -> Bar {
    let x = scale.x(axis, axis.begin + n * axis.each);
    let next = scale.x(axis, axis.begin + (n + 1) * axis.each);
    let middle = scale.y(count.pass, top);
    let mut upper = scale.y(count.all(), top);
    // What failed is seen, however little it is.
    if count.fail > 0 && upper == middle {
        upper -= 1;
    }
    Bar {
        x,
        width: (next - x - i64::from(next - x > 2)).max(1),
        pass: Span { y: middle, height: scale.height - middle },
        fail: Span { y: upper, height: middle - upper },
        title: format!(
            "{}: {} of {} {noun} passed, {} failed",
            axis.words(n),
            number(count.pass),
            number(count.all()),
            number(count.fail)
        ),
    }
}
