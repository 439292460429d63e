//! Combination: the raw results of a record and the reasons for what was done with it, which many
//! records of a segment have in common. Each is a list of pairs of numbers, with its length in
//! front.

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
};

use foldhash::fast::RandomState;

use super::numbers::{Broken, Numbers, write};
use crate::answers::best;

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
    pub(super) fn clear(&mut self) {
        [&mut self.spf, &mut self.dkim, &mut self.reasons].into_iter().for_each(Vec::clear);
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        for list in [&self.spf, &self.dkim, &self.reasons] {
            let once = if list.len() > 1 { Some(each_once(list)) } else { None };
            let list = once.as_ref().unwrap_or(list);
            write(list.len() as u64, out);
            for (first, second) in list {
                write(*first, out);
                write(*second, out);
            }
        }
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Combination, Broken> {
        let mut numbers = Numbers(bytes);
        let mut list = || -> Result<Vec<Pair>, Broken> {
            let length = numbers.size()?;
            (0..length).map(|_| pair(&mut numbers)).collect()
        };
        Ok(Combination { spf: list()?, dkim: list()?, reasons: list()? })
    }
}

/// The name of the DKIM signature that passed and tells most of the sender; 0 if there is none.
pub(super) fn best_signature(bytes: &[u8], pass: Option<u64>) -> Result<u64, Broken> {
    let mut numbers = Numbers(bytes);
    for _ in 0..numbers.size()? {
        pair(&mut numbers)?;
    }
    let length = numbers.size()?;
    let pairs = (0..length).map_while(|_| pair(&mut numbers).ok());
    let passed = pairs.filter(|(domain, result)| *domain > 1 && Some(*result) == pass);
    let told = best(passed, |(domain, _)| domain & 1 == 1);
    Ok(told.map_or(0, |(domain, _)| domain >> 1))
}

fn pair(numbers: &mut Numbers) -> Result<Pair, Broken> {
    Ok((numbers.next()?, numbers.next()?))
}

fn each_once(list: &[Pair]) -> Vec<Pair> {
    let mut seen = HashSet::with_capacity_and_hasher(list.len(), RandomState::default());
    list.iter().copied().filter(|one| seen.insert(*one)).collect()
}

/// The combinations of a segment.
#[derive(Clone, Debug, Default)]
pub(super) struct Combinations {
    /// All of them, each with its length in front.
    pub(super) bytes: Vec<u8>,
    places: Vec<Range<usize>>,
    /// While more are added.
    numbers: HashMap<Box<[u8]>, u16, RandomState>,
}

impl Combinations {
    pub(super) fn read(bytes: &[u8]) -> Result<Combinations, Broken> {
        let mut places = Vec::new();
        let mut numbers = Numbers(bytes);
        while !numbers.is_empty() {
            let size = numbers.size()?;
            let start = bytes.len() - numbers.0.len();
            numbers.0 = numbers.0.get(size..).ok_or(Broken)?;
            places.push(start..start + size);
        }
        Ok(Combinations { bytes: bytes.to_vec(), places, numbers: HashMap::default() })
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    pub(super) fn get(&self, number: u16) -> &[u8] {
        &self.bytes[self.places[usize::from(number)].clone()]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.places.iter().map(|place| &self.bytes[place.clone()])
    }

    /// Adds one, be it there or not.
    pub(super) fn push(&mut self, combination: &[u8]) -> u16 {
        // No more than the records of two segments.
        let number = u16::try_from(self.len()).expect("a segment has less than 65536 records");
        write(combination.len() as u64, &mut self.bytes);
        let start = self.bytes.len();
        self.bytes.extend_from_slice(combination);
        self.places.push(start..self.bytes.len());
        number
    }

    /// Its number, a new one if it is new.
    pub(super) fn number(&mut self, combination: &[u8]) -> u16 {
        if let Some(number) = self.numbers.get(combination) {
            return *number;
        }
        let number = self.push(combination);
        self.numbers.insert(combination.into(), number);
        number
    }

    /// For more to be added to those that were read.
    pub(super) fn reopen(&mut self) {
        let numbers = self.iter().map(Box::from).zip(0..).collect();
        self.numbers = numbers;
    }
}
