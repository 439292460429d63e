//! Combination: the raw results of a record, its From and the reasons for what was done with it,
//! which many records of a segment have in common: From, then lists of numbers, each with its
//! length in front.

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
};

use foldhash::fast::RandomState;

use super::numbers::{Broken, Numbers, write};

/// Two numbers, each of a name, or 0.
pub(super) type Pair = [u64; 2];

/// Raw results and reasons of one record, each once.
#[derive(Debug, Default)]
pub(super) struct Combination {
    /// The domain in From. Its number is doubled; one more if it is below the policy's.
    pub(super) from: u64,
    /// Domain and result.
    pub(super) spf: Vec<Pair>,
    /// Domain, result and selector. The domain's number is doubled; one more if it is of the
    /// policy's organisation.
    pub(super) dkim: Vec<[u64; 3]>,
    /// Type, and 1 if its comment says `arc=pass`.
    pub(super) reasons: Vec<Pair>,
}

impl Combination {
    pub(super) fn clear(&mut self) {
        self.from = 0;
        self.spf.clear();
        self.dkim.clear();
        self.reasons.clear();
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        write(self.from, out);
        write_list(&self.spf, out);
        write_list(&self.dkim, out);
        write_list(&self.reasons, out);
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Combination, Broken> {
        let mut combination = Combination::default();
        combination.read_again(bytes)?;
        Ok(combination)
    }

    /// Reads another one into the same memory.
    pub(super) fn read_again(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        self.clear();
        let mut numbers = Numbers(bytes);
        self.from = numbers.next()?;
        read_list(&mut numbers, &mut self.spf)?;
        read_list(&mut numbers, &mut self.dkim)?;
        read_list(&mut numbers, &mut self.reasons)
    }
}

/// What a combination tells of who sent a record, as [`crate::senders::evidence()`] says: numbers
/// of names, 0 for none.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Told {
    /// The first signature of another organisation that passed.
    pub(super) signature: u64,
    /// The first of the policy's own.
    pub(super) own: u64,
    /// The domain that SPF passed for, whether or not it is aligned.
    pub(super) envelope: u64,
}

impl Told {
    /// `pass` is the number of that word.
    pub(super) fn by(bytes: &[u8], pass: Option<u64>) -> Result<Told, Broken> {
        let mut numbers = Numbers(bytes);
        numbers.next()?;
        let mut told = Told::default();
        let (mut is_only, mut passed) = (true, false);
        for _ in 0..numbers.size()? {
            let [domain, result] = some(&mut numbers)?;
            if domain != 0 {
                is_only &= told.envelope == 0 || told.envelope == domain;
                told.envelope = domain;
            }
            passed |= Some(result) == pass;
        }
        if !is_only || !passed {
            told.envelope = 0;
        }
        for _ in 0..numbers.size()? {
            let [domain, result, _] = some(&mut numbers)?;
            let first = if domain & 1 == 1 { &mut told.own } else { &mut told.signature };
            if *first == 0 && Some(result) == pass {
                *first = domain >> 1;
            }
        }
        Ok(told)
    }
}

fn read_list<const N: usize>(
    numbers: &mut Numbers,
    list: &mut Vec<[u64; N]>,
) -> Result<(), Broken> {
    for _ in 0..numbers.size()? {
        list.push(some(numbers)?);
    }
    Ok(())
}

fn some<const N: usize>(numbers: &mut Numbers) -> Result<[u64; N], Broken> {
    let mut all = [0; N];
    for one in &mut all {
        *one = numbers.next()?;
    }
    Ok(all)
}

fn write_list<const N: usize>(list: &[[u64; N]], out: &mut Vec<u8>) {
    let once = if list.len() > 1 { Some(each_once(list)) } else { None };
    let list = once.as_deref().unwrap_or(list);
    write(list.len() as u64, out);
    list.as_flattened().iter().for_each(|number| write(*number, out));
}

fn each_once<const N: usize>(list: &[[u64; N]]) -> Vec<[u64; N]> {
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
    pub(super) fn read(bytes: Vec<u8>) -> Result<Combinations, Broken> {
        let mut places = Vec::new();
        let mut numbers = Numbers(&bytes);
        while !numbers.is_empty() {
            let size = numbers.size()?;
            let start = bytes.len() - numbers.0.len();
            numbers.0 = numbers.0.get(size..).ok_or(Broken)?;
            places.push(start..start + size);
        }
        Ok(Combinations { bytes, places, numbers: HashMap::default() })
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
