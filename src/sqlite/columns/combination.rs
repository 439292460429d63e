//! Combination: the raw results of a record and the reasons for what was done with it, which many
//! records of a segment have in common. Each is a list of pairs of numbers, with its length in
//! front.

use std::collections::{HashMap, HashSet};

use super::numbers::{Broken, Numbers, write};

/// A pair of numbers, each of a name, or 0.
pub(super) type Pair = (u64, u64);

/// Raw results and reasons of one record, each once.
#[derive(Debug, Default)]
pub(super) struct Combination {
    /// Domain and result.
    pub(super) spf: Vec<Pair>,
    /// Domain and result. The domain's number is doubled; one more if it is of the policy's
    /// organisation.
    pub(super) dkim: Vec<Pair>,
    /// Type, and nothing.
    pub(super) reasons: Vec<Pair>,
}

impl Combination {
    pub(super) fn write(self, out: &mut Vec<u8>) {
        for list in [self.spf, self.dkim, self.reasons] {
            let list = if list.len() > 1 { each_once(list) } else { list };
            write(list.len() as u64, out);
            for (first, second) in list {
                write(first, out);
                write(second, out);
            }
        }
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Combination, Broken> {
        let mut numbers = Numbers(bytes);
        let mut list = || -> Result<Vec<Pair>, Broken> {
            let length = numbers.size()?;
            (0..length).map(|_| Ok((numbers.next()?, numbers.next()?))).collect()
        };
        Ok(Combination { spf: list()?, dkim: list()?, reasons: list()? })
    }

    /// The domains of DKIM signatures that passed, and whether each is the policy's own.
    pub(super) fn signatures(&self, pass: Option<u64>) -> Vec<(u64, bool)> {
        let passed =
            self.dkim.iter().filter(|(domain, result)| *domain > 1 && Some(*result) == pass);
        passed.map(|(domain, _)| (domain >> 1, domain & 1 == 1)).collect()
    }
}

fn each_once(list: Vec<Pair>) -> Vec<Pair> {
    let mut seen = HashSet::new();
    list.into_iter().filter(|one| seen.insert(*one)).collect()
}

/// The combinations of a segment, as they are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Combinations {
    pub(super) list: Vec<Box<[u8]>>,
    numbers: HashMap<Box<[u8]>, u16>,
}

impl Combinations {
    /// Its number, a new one if it is new.
    pub(super) fn number(&mut self, combination: &[u8]) -> u16 {
        if let Some(number) = self.numbers.get(combination) {
            return *number;
        }
        // No more than the records of two segments.
        let number = u16::try_from(self.list.len()).expect("a segment has less than 65536 records");
        self.list.push(combination.into());
        self.numbers.insert(combination.into(), number);
        number
    }

    /// For more to be added to those that were read.
    pub(super) fn reopen(&mut self) {
        self.numbers = self.list.iter().cloned().zip(0..).collect();
    }
}
