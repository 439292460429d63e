//! Blobs: the columns of a row as they were read, which another thread makes a segment of.

use rusqlite::{Error, Result, Row};

use super::{
    combination::Combinations,
    numbers::{Broken, Numbers},
    segment::{ADDRESSES, Needed, Run, Segment, V4, V6},
};
use crate::answers::Outcome;

/// The columns of a row that are needed.
pub(super) struct Blobs {
    pub(super) runs: Vec<Run>,
    codes: Vec<u8>,
    /// Large ones behind the others.
    counts: Vec<u8>,
    addresses: Option<Vec<u8>>,
    /// Numbers of combinations, and these.
    evidence: Option<[Vec<u8>; 2]>,
}

impl Blobs {
    /// Of a row whose runs were read already.
    pub(super) fn of(runs: Vec<Run>, row: &Row, needed: Needed) -> Result<Blobs> {
        let blob = |column: &str| Ok::<_, Error>(row.get_ref(column)?.as_blob()?.to_vec());
        let if_needed = |needed: bool, column| needed.then(|| blob(column)).transpose();
        let numbers = if_needed(needed.evidence, "evidence")?;
        let combinations = if_needed(needed.evidence, "combinations")?;
        Ok(Blobs {
            runs,
            codes: blob("outcomes")?,
            counts: blob("counts")?,
            addresses: if_needed(needed.addresses, "addresses")?,
            evidence: numbers.zip(combinations).map(<[_; 2]>::from),
        })
    }

    /// How many records.
    pub(super) fn len(&self) -> usize {
        self.codes.len()
    }

    /// Looks whether the columns are as long as each other, and all numbers in them are known.
    pub(super) fn unpack(self) -> Result<Segment, Broken> {
        let Blobs { runs, codes, mut counts, addresses, evidence } = self;
        let records = runs.iter().map(|run| run.records).sum();
        let is_code = |code: &u8| usize::from(code / ADDRESSES) < Outcome::COUNT;
        if codes.len() != records || counts.len() < records || !codes.iter().all(is_code) {
            return Err(Broken);
        }
        let large = all(&counts[records..])?;
        counts.truncate(records);
        let mut segment = Segment { runs, codes, counts, large, ..Segment::default() };
        if let Some(addresses) = addresses {
            segment.unpack_addresses(&addresses)?;
        }
        if let Some([numbers, combinations]) = evidence {
            segment.unpack_evidence(&numbers, combinations)?;
        }
        Ok(segment)
    }
}

impl Segment {
    fn unpack_addresses(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        let of_kind = |kind| self.codes.iter().filter(|code| **code % ADDRESSES == kind).count();
        let (all_v4, all_v6) = (of_kind(V4), of_kind(V6));
        let (v4, v6) = bytes.split_at_checked(4 * all_v4).ok_or(Broken)?;
        if v6.len() != 16 * all_v6 {
            return Err(Broken);
        }
        self.v4 = v4.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect();
        self.v6 = v6.as_chunks().0.iter().map(|bytes| u128::from_le_bytes(*bytes)).collect();
        Ok(())
    }

    fn unpack_evidence(&mut self, numbers: &[u8], combinations: Vec<u8>) -> Result<(), Broken> {
        self.combinations = Combinations::read(combinations)?;
        self.evidence = numbers.as_chunks().0.iter().map(|two| u16::from_le_bytes(*two)).collect();
        let is_known = |number: &u16| usize::from(*number) < self.combinations.len();
        if self.evidence.len() == self.len() && self.evidence.iter().all(is_known) {
            Ok(())
        } else {
            Err(Broken)
        }
    }
}

fn all(bytes: &[u8]) -> Result<Vec<u64>, Broken> {
    let mut numbers = Numbers(bytes);
    let mut all = Vec::new();
    while !numbers.is_empty() {
        all.push(numbers.next()?);
    }
    Ok(all)
}
