//! Chart: what passed and what failed over time, as a picture in SVG whose colours the style sheet
//! gives, so that it is right in dark, on paper, and without any. Its width is that of the window:
//! places are told in per cent, so that words keep their size.

mod scale;

use std::{collections::BTreeMap, fmt::Write};

use askama::Template;

pub(super) use self::scale::Count;
use self::scale::{Axis, Part, Percent, height, parts};
use super::words;
use crate::{
    answers::{Filter, Groups, Key, TlsDay},
    figures::{share, things, thousands},
    moment::DAY,
};

/// Bars at most; with more days each stands for several.
const BARS: i64 = 100;
/// Room for the words above a lane, and below the last one for days and policies.
const WORDS: i64 = 30;
const BELOW: i64 = 24;
const BAND: i64 = 20;
/// Days that are named.
const NAMED: i64 = 6;
/// What failed is at least so high.
const SEEN: i64 = 2;

/// The small picture.
const SMALL_BARS: i64 = 40;
const SMALL_WIDTH: i64 = 120;
const SMALL_HEIGHT: i64 = 24;

/// A picture of what passed and failed: lanes, one below the other, with the same days.
#[derive(Debug, Template)]
#[template(path = "page/chart/chart.html")]
pub(super) struct Chart {
    id: &'static str,
    /// The same in words.
    summary: String,
    lanes: Vec<Drawn>,
    columns: Vec<Column>,
    days: Vec<Mark>,
    bands: Vec<Band>,
    height: i64,
}

/// What a lane shows, by the first second of each day.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) label: &'static str,
    pub(super) noun: &'static str,
    /// Classes of the style sheet for what passed and what failed, and what to call it.
    pub(super) keys: [(&'static str, &'static str); 2],
    pub(super) days: BTreeMap<i64, Count>,
    /// What passed is told in words only.
    pub(super) only_fails: bool,
    pub(super) height: i64,
}

/// A lane on the picture.
#[derive(Debug)]
struct Drawn {
    label: &'static str,
    keys: Vec<(&'static str, &'static str)>,
    /// The line that the bars stand on.
    base: i64,
    /// Where the words are.
    words: i64,
    /// The height of the highest bar.
    most: i64,
    top: String,
}

/// The bars of some days.
#[derive(Debug)]
struct Column {
    x: Percent,
    slot: Percent,
    width: Percent,
    title: String,
    parts: Vec<Part>,
}

/// A word beside an axis.
#[derive(Debug)]
struct Mark {
    at: Percent,
    words: String,
}

/// A time in which a policy was published.
#[derive(Debug)]
struct Band {
    x: Percent,
    width: Percent,
    policy: &'static str,
    title: String,
    words: Words,
}

/// Whether there is room for words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Words {
    Always,
    OnDesktop,
    Never,
}

/// A small picture of the same, for a row of a table.
#[derive(Debug, Template)]
#[template(path = "page/chart/spark.html")]
pub(super) struct Spark {
    words: String,
    bars: Vec<SmallBar>,
}

#[derive(Debug)]
struct SmallBar {
    x: i64,
    width: i64,
    parts: Vec<Part>,
}

impl Spark {
    /// Nothing where there is no day.
    pub(super) fn new(
        range: (i64, i64),
        days: &BTreeMap<i64, Count>,
        classes: [&'static str; 2],
    ) -> Option<Spark> {
        let axis = Axis::new(range, *days.keys().next()?, SMALL_BARS);
        let sums = axis.sums(days);
        let top = sums.values().map(|count| count.all()).max()?;
        let bar = |(n, count): (&i64, &Count)| {
            let (x, next) = (n * SMALL_WIDTH / axis.bars, (n + 1) * SMALL_WIDTH / axis.bars);
            SmallBar {
                x,
                width: (next - x - i64::from(next - x > 2)).max(1),
                parts: parts(*count, top, (SMALL_HEIGHT, SMALL_HEIGHT - 1), classes, 1).collect(),
            }
        };
        Some(Spark {
            words: summary("message", &axis, &sums),
            bars: sums.iter().map(bar).collect(),
        })
    }
}

/// What a picture shows, and of which time.
#[derive(Debug)]
pub(super) struct Shown<'s> {
    pub(super) id: &'static str,
    /// First day and the one after the last, in seconds since 1970.
    pub(super) range: (i64, i64),
    /// From above; those without a day are left out.
    pub(super) lanes: Vec<Lane>,
    /// The policies that were published, each from this day on.
    pub(super) policies: &'s [(i64, &'static str)],
}

impl Chart {
    /// Nothing where there is no day.
    pub(super) fn new(shown: Shown) -> Option<Chart> {
        let Shown { id, range, mut lanes, policies } = shown;
        lanes.retain(|lane| !lane.days.is_empty());
        let first = lanes.iter().filter_map(|lane| lane.days.keys().next()).min()?;
        let axis = Axis::new(range, *first, BARS);
        let sums: Vec<_> = lanes.iter().map(|lane| axis.sums(&lane.days)).collect();
        if sums.iter().all(BTreeMap::is_empty) {
            return None;
        }
        let mut columns: Vec<Column> = (0..axis.bars).map(|n| Column::new(&axis, n)).collect();
        let (mut drawn, mut words, mut y) = (Vec::new(), Vec::new(), 0);
        for (lane, sums) in lanes.iter().zip(&sums) {
            let base = y + WORDS + lane.height;
            let place = lane.place(sums, base);
            for (column, n) in columns.iter_mut().zip(0..) {
                let count = sums.get(&n).copied().unwrap_or_default();
                column.add(lane, count, &place);
            }
            words.push(format!("{}: {}", lane.label, summary(lane.noun, &axis, sums)));
            drawn.push(Drawn { words: y + 20, ..place.drawn });
            y = base;
        }
        words.extend(policy_words(policies));
        let bands = bands(&axis, policies);
        Some(Chart {
            id,
            summary: words.join(" "),
            lanes: drawn,
            columns,
            days: named_days(&axis),
            height: y + BELOW + if bands.is_empty() { 0 } else { BAND },
            bands,
        })
    }

    /// Where the days are named.
    fn days_at(&self) -> i64 {
        self.lanes.last().map_or(0, |lane| lane.base) + 16
    }

    /// Where the bands begin.
    fn bands_at(&self) -> i64 {
        self.days_at() + 8
    }
}

/// Where a lane is, and how much its highest bar is.
struct Placed {
    drawn: Drawn,
    top: u64,
    room: i64,
}

impl Lane {
    /// Of messages: the only lane, or the first one.
    pub(super) fn of_messages(label: &'static str, days: BTreeMap<i64, Count>) -> Lane {
        let keys = [("pass", "passed"), ("fail", "failed")];
        Lane { label, noun: "message", keys, days, only_fails: false, height: 170 }
    }

    /// Of mail that is not one's own, about which nothing is to be done.
    pub(super) fn of_others(label: &'static str, days: BTreeMap<i64, Count>) -> Lane {
        let keys = [("faint", "passed"), ("quiet", "failed")];
        Lane { keys, height: 64, ..Lane::of_messages(label, days) }
    }

    /// Of all TLS sessions.
    pub(super) fn of_sessions(label: &'static str, days: &[TlsDay]) -> Lane {
        let keys = [("pass", "over TLS"), ("fail", "failed")];
        Lane { keys, only_fails: false, height: 120, ..Lane::of_tls(label, days) }
    }

    /// Of TLS sessions that failed, whose number is small beside all.
    pub(super) fn of_tls(label: &'static str, days: &[TlsDay]) -> Lane {
        let count = |day: &TlsDay| Count { pass: day.successful, fail: day.failed };
        let days = days.iter().map(|day| (day.begin, count(day))).collect();
        let keys = [("", ""), ("fail", "failed")];
        Lane { label, noun: "session", keys, days, only_fails: true, height: 40 }
    }

    /// What is drawn of a number.
    fn drawn(&self, count: Count) -> Count {
        if self.only_fails { Count { pass: 0, ..count } } else { count }
    }

    fn place(&self, sums: &BTreeMap<i64, Count>, base: i64) -> Placed {
        let most = sums.values().map(|count| self.drawn(*count).all()).max().unwrap_or(0);
        let (top, room) = (rounded_up(most), self.height);
        let keys = self.keys.into_iter().filter(|(class, _)| !class.is_empty()).collect();
        let words = match most {
            0 => "none".into(),
            _ => thousands(top),
        };
        let drawn = Drawn {
            label: self.label,
            keys,
            base,
            words: 0,
            most: if most == 0 { base } else { base - height(top, top, room) },
            top: words,
        };
        Placed { drawn, top, room }
    }
}

impl Column {
    fn new(axis: &Axis, n: i64) -> Column {
        let at = |n: i64| axis.x(axis.begin + n * axis.each);
        let (x, next) = (at(n), at(n + 1));
        let slot = Percent(next.0 - x.0);
        // A fifth is left free between bars.
        Column { x, slot, width: Percent(slot.0 * 4 / 5), title: axis.words(n), parts: Vec::new() }
    }

    fn add(&mut self, lane: &Lane, count: Count, place: &Placed) {
        let classes = lane.keys.map(|(class, _)| class);
        let room = (place.drawn.base, place.room);
        self.parts.extend(parts(lane.drawn(count), place.top, room, classes, SEEN));
        // Writing to a String can't fail.
        let _ = write!(
            self.title,
            "\n{}: {} of {} failed",
            lane.label,
            thousands(count.fail),
            things(count.all(), lane.noun)
        );
    }
}

/// Days with their names, at equal distances.
fn named_days(axis: &Axis) -> Vec<Mark> {
    let named = NAMED.min(axis.days());
    (0..named)
        .map(|n| {
            let day = axis.begin + axis.days() * n / named;
            Mark { at: axis.x(day), words: words::day(day * DAY) }
        })
        .collect()
}

fn bands(axis: &Axis, policies: &[(i64, &'static str)]) -> Vec<Band> {
    let ends = policies.iter().skip(1).map(|(day, _)| Some(*day)).chain([None]);
    let end = (axis.begin + axis.days()) * DAY;
    let band = |((from, policy), until): (&(i64, &'static str), Option<i64>)| {
        let until = until.unwrap_or(end);
        let (x, right) = (axis.x(from.div_euclid(DAY)), axis.x(until.div_euclid(DAY)));
        let width = Percent((right.0 - x.0).max(300));
        let words = match width.0 {
            30_000.. => Words::Always,
            10_000.. => Words::OnDesktop,
            _ => Words::Never,
        };
        Band { x, width, policy, title: format!("p={policy} from {}", words::day(*from)), words }
    };
    policies.iter().zip(ends).map(band).collect()
}

/// How the policy changed, in a sentence.
fn policy_words(policies: &[(i64, &'static str)]) -> Option<String> {
    let ((_, first), rest) = policies.split_first()?;
    let then: Vec<String> =
        rest.iter().map(|(from, p)| format!(", p={p} from {} on", words::day(*from))).collect();
    Some(format!("The policy: p={first}{}.", then.concat()))
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
    let mut all = Count::default();
    sums.values().for_each(|sum| all.sum(*sum));
    let mut words = format!(
        "{} of {} passed ({}), {} failed.",
        thousands(all.pass),
        things(all.all(), noun),
        share(all.pass, all.all()),
        thousands(all.fail)
    );
    if let Some((n, worst)) =
        sums.iter().max_by_key(|(_, sum)| sum.fail).filter(|one| one.1.fail > 0)
    {
        // Writing to a String can't fail.
        let _ = write!(words, " Most failed: {}, on {}.", thousands(worst.fail), axis.words(*n));
    }
    words
}

/// The time of a filter.
pub(super) fn range(filter: &Filter, now: i64) -> (i64, i64) {
    (filter.since.unwrap_or(i64::MIN), filter.until.unwrap_or(now))
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
mod tests;
