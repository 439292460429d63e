//! Scratch: what records of one sender come to, before it goes to the sender's sums. The numbers in
//! it are small, so that a record costs a few additions, not as many looks into tables.

use std::{collections::HashMap, ops::Range};

use foldhash::fast::RandomState;

use super::{
    dense::Dense,
    groups::add,
    histories::Found,
    noted::{Numbered, Read, Readings},
    numbers::Broken,
};
use crate::{
    answers::{Day, Outcome, capped_sum},
    moment::DAY,
};

/// The number of an outcome has so many bits.
const BITS: u32 = 6;
const OUTCOME: u32 = (1 << BITS) - 1;
const _: () = assert!(Outcome::COUNT <= 1 << BITS);

/// A sender's days, by their first second.
pub(super) type Days = HashMap<i64, Day, RandomState>;

pub(super) fn add_day(days: &mut Days, more: &Day) {
    let begin = more.begin;
    days.entry(begin).or_insert(Day { begin, ..Day::default() }).merge(more);
}

/// Sums of days.
pub(super) struct DaySums {
    numbers: Numbered<i64>,
    /// Most often the next record is of the same day.
    last: (i64, u32),
    sums: Dense<4>,
    /// What a message with an outcome counts for.
    outcomes: Vec<[u64; 4]>,
}

impl DaySums {
    fn new() -> DaySums {
        let counts = |outcome| {
            let Day { begin: _, messages, pass, spf_aligned, dkim_aligned } =
                Day::of(0, outcome, 1);
            [messages, pass, spf_aligned, dkim_aligned]
        };
        DaySums {
            numbers: Numbered::new(),
            last: (0, u32::MAX),
            sums: Dense::new(0),
            outcomes: Outcome::all().map(counts).collect(),
        }
    }

    pub(super) fn add(&mut self, begin: i64, outcome: u8, messages: u64) -> Result<(), Broken> {
        let day = begin.div_euclid(DAY);
        if self.last.0 != day || self.last.1 == u32::MAX {
            self.last = (day, self.numbers.number(day)?);
            self.sums.grow(self.numbers.values.len());
        }
        let counts = self.outcomes[usize::from(outcome)];
        self.sums.add(self.last.1, counts.map(|counts| counts * messages));
        Ok(())
    }

    /// Puts all into a sender's days.
    pub(super) fn put(&mut self, days: &mut Days) {
        for (number, [messages, pass, spf_aligned, dkim_aligned]) in self.sums.drain() {
            let begin = self.numbers.values[number as usize].saturating_mul(DAY);
            add_day(days, &Day { begin, messages, pass, spf_aligned, dkim_aligned });
        }
    }
}

/// Sums of one sender.
pub(super) struct Scratch {
    pub(super) days: DaySums,
    spf: Dense<1>,
    dkim: Dense<1>,
    /// Those that passed, that did not, and that passed with SPF.
    selectors: Dense<3>,
    /// By a sign's number and an outcome's.
    signs: Dense<1>,
}

impl Scratch {
    pub(super) fn new() -> Scratch {
        Scratch {
            days: DaySums::new(),
            spf: Dense::new(0),
            dkim: Dense::new(0),
            selectors: Dense::new(0),
            signs: Dense::new(0),
        }
    }

    /// Counts messages with a combination.
    pub(super) fn count(&mut self, read: &Read, all: &Readings, outcome: u8, messages: u64) {
        self.spf.grow(all.pairs.values.len());
        self.dkim.grow(all.pairs.values.len());
        self.selectors.grow(all.selectors.values.len());
        self.signs.grow(all.signs.values.len() << BITS);
        let ids = |range: &Range<u32>| &all.ids[range.start as usize..range.end as usize];
        ids(&read.spf).iter().for_each(|pair| self.spf.add(*pair, [messages]));
        ids(&read.dkim).iter().for_each(|pair| self.dkim.add(*pair, [messages]));
        let with_spf = if Outcome::is_spf_pass(outcome) { messages } else { 0 };
        for selector in ids(&read.selectors) {
            let passed = selector & 1 == 1;
            let more = if passed { [messages, 0, with_spf] } else { [0, messages, 0] };
            self.selectors.add(selector >> 1, more);
        }
        self.signs.add(read.sign << BITS | u32::from(outcome), [messages]);
    }

    /// Puts all of combinations into a sender's sums.
    pub(super) fn put(&mut self, all: &Readings, found: &mut Found) -> Result<(), Broken> {
        let pair = |number: u32| all.pairs.values[number as usize];
        for (number, [messages]) in self.spf.drain() {
            add(&mut found.spf, pair(number), messages);
        }
        for (number, [messages]) in self.dkim.drain() {
            add(&mut found.dkim, pair(number), messages);
        }
        for (number, more) in self.selectors.drain() {
            let sums = found.selectors.entry(all.selectors.values[number as usize]).or_default();
            sums.iter_mut().zip(more).for_each(|(sum, more)| *sum = capped_sum(*sum, more));
        }
        for (number, [messages]) in self.signs.drain() {
            let sign = all.signs.values[(number >> BITS) as usize];
            found.signs.count(outcome_of(number & OUTCOME)?, messages, sign);
        }
        Ok(())
    }
}

fn outcome_of(number: u32) -> Result<Outcome, Broken> {
    u8::try_from(number).ok().and_then(Outcome::of_number).ok_or(Broken)
}
