//! Scale: where on a picture a day and a number of messages are.

use std::{collections::BTreeMap, fmt};

use super::words;
use crate::{answers::Day, moment::DAY};

/// 2012, the year of the first DMARC reports: what claims to be older would make all else small.
const EARLIEST: i64 = 1_325_376_000;

/// Messages, or sessions, of some days.
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

    pub(super) fn sum(&mut self, other: Count) {
        self.pass = self.pass.saturating_add(other.pass);
        self.fail = self.fail.saturating_add(other.fail);
    }

    /// What is left of them without others.
    pub(in crate::page) fn without(self, others: Count) -> Count {
        Count {
            pass: self.pass.saturating_sub(others.pass),
            fail: self.fail.saturating_sub(others.fail),
        }
    }

    /// Those that passed and those that failed.
    pub(in crate::page) fn all(self) -> u64 {
        self.pass.saturating_add(self.fail)
    }
}

/// Days on the way from left to right.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    /// The first one, in days since 1970.
    pub(super) begin: i64,
    /// Days of a bar.
    pub(super) each: i64,
    pub(super) bars: i64,
}

impl Axis {
    /// For a range of seconds since 1970, or from the first day on that there is something of.
    pub(super) fn new(range: (i64, i64), first: i64, most: i64) -> Axis {
        let first = first.max(EARLIEST);
        let begin = if range.0 < EARLIEST { first } else { range.0 }.div_euclid(DAY);
        let end = range.1.saturating_add(DAY - 1).div_euclid(DAY).max(begin + 1);
        let each = (end - begin + most - 1) / most;
        Axis { begin, each, bars: (end - begin + each - 1) / each }
    }

    /// The messages of each bar.
    pub(super) fn sums(&self, days: &BTreeMap<i64, Count>) -> BTreeMap<i64, Count> {
        let mut sums: BTreeMap<i64, Count> = BTreeMap::new();
        for (second, count) in days {
            let bar = (second.div_euclid(DAY) - self.begin).div_euclid(self.each);
            if (0..self.bars).contains(&bar) {
                sums.entry(bar).or_default().sum(*count);
            }
        }
        sums
    }

    /// Days from left to right.
    pub(super) fn days(&self) -> i64 {
        self.each * self.bars
    }

    /// Where a day begins.
    pub(super) fn x(&self, day: i64) -> Percent {
        Percent((day - self.begin).clamp(0, self.days()) * WHOLE / self.days())
    }

    /// `3 Mar 2026`, or the first and last day of a bar.
    pub(super) fn words(&self, n: i64) -> String {
        let first = (self.begin + n * self.each) * DAY;
        match self.each {
            1 => words::day(first),
            each => crate::moment::days(first, first + each * DAY),
        }
    }
}

/// A part of the width, in thousandths of per cent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Percent(pub(super) i64);

const WHOLE: i64 = 100_000;

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}.{:03}%", self.0 / 1000, self.0 % 1000)
    }
}

/// How high a number is, where the highest one has so much room.
pub(super) fn height(value: u64, top: u64, room: i64) -> i64 {
    let height = i128::from(value) * i128::from(room) / i128::from(top.max(1));
    i64::try_from(height).unwrap_or(room).min(room)
}

/// A part of a bar.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) class: &'static str,
    pub(super) y: i64,
    pub(super) height: i64,
}

/// The parts of a bar that stands on this line, the passed ones below those that failed. What
/// failed is seen, however little it is.
pub(super) fn parts(
    count: Count,
    top: u64,
    (base, room): (i64, i64),
    classes: [&'static str; 2],
    least: i64,
) -> impl Iterator<Item = Part> {
    let all = height(count.all(), top, room);
    let mut fail = all - height(count.pass, top, room);
    if count.fail > 0 {
        fail = fail.max(least.min(room));
    }
    let pass = (all - fail).max(0);
    let [passed, failed] = classes;
    [
        Part { class: passed, y: base - pass, height: pass },
        Part { class: failed, y: base - pass - fail, height: fail },
    ]
    .into_iter()
    .filter(|part| part.height > 0)
}
