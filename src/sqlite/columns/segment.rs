//! Segment: some thousand records in columns, as a row has them.

use std::net::IpAddr;

use rusqlite::{Connection, Error, Result, Row, params, types::Type};

use super::{
    blobs::Blobs,
    combination::{Combinations, Told},
    numbers::{Broken, Numbers, write, write_signed},
    outcomes::OutcomeSums,
    run_sums::write_sums,
};

/// More than this many records are never added to a segment: evidence has 16 bits.
pub(super) const MOST: usize = 32_768;

/// A count of at least this many messages stands behind the others.
const LARGE: u8 = u8::MAX;

/// What the code of a record says of its address.
pub(super) const NO_ADDRESS: u8 = 0;
pub(super) const V4: u8 = 1;
pub(super) const V6: u8 = 2;
/// The code is the number of its outcome, times this, and one of those.
pub(super) const ADDRESSES: u8 = 3;

/// Records of one report that follow each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Run {
    /// The report's row.
    pub(super) report: i64,
    /// When its period begins.
    pub(super) begin: i64,
    /// Its policy's domain, among the names.
    pub(super) domain: u64,
    /// Who reports, among the names; 0 if it does not say.
    pub(super) organization: u64,
    /// Its policy's `p`, among the names; 0 if it does not say.
    pub(super) policy: u64,
    /// An earlier run is of the same report.
    pub(super) again: bool,
    /// How many records.
    pub(super) records: usize,
}

/// The columns that are needed beside those that always are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Needed {
    pub(super) addresses: bool,
    pub(super) evidence: bool,
}

impl Needed {
    pub(super) const ALL: Needed = Needed { addresses: true, evidence: true };

    /// Those that are not asked for are not read from the disk.
    pub(super) fn columns(self) -> &'static str {
        match (self.addresses, self.evidence) {
            (false, false) => "outcomes, counts",
            (true, false) => "outcomes, counts, addresses",
            (false, true) => "outcomes, counts, evidence, combinations",
            (true, true) => "outcomes, counts, addresses, evidence, combinations",
        }
    }
}

/// Some thousand records.
#[derive(Clone, Debug, Default)]
pub(super) struct Segment {
    pub(super) runs: Vec<Run>,
    pub(super) codes: Vec<u8>,
    pub(super) counts: Vec<u8>,
    /// Large counts, in their order.
    pub(super) large: Vec<u64>,
    pub(super) v4: Vec<u32>,
    pub(super) v6: Vec<u128>,
    /// For each record the number of its combination.
    pub(super) evidence: Vec<u16>,
    pub(super) combinations: Combinations,
    /// Its runs are sorted, and it has sums.
    pub(super) is_sorted: bool,
}

impl Segment {
    pub(super) fn len(&self) -> usize {
        self.codes.len()
    }

    /// Adds a record to the last run. Whether its combination is new is not looked at before the
    /// segment is put behind another.
    pub(super) fn push(&mut self, code: u8, count: u64, combination: &[u8]) {
        self.codes.push(code);
        match u8::try_from(count) {
            Ok(count) if count < LARGE => self.counts.push(count),
            _ => {
                self.counts.push(LARGE);
                self.large.push(count);
            }
        }
        self.evidence.push(self.combinations.push(combination));
        if let Some(run) = self.runs.last_mut() {
            run.records += 1;
        }
    }

    /// Puts all of another behind this one.
    pub(super) fn append(&mut self, other: Segment) {
        let numbers: Vec<u16> =
            other.combinations.iter().map(|one| self.combinations.number(one)).collect();
        self.evidence.extend(other.evidence.iter().map(|number| numbers[usize::from(*number)]));
        self.runs.extend(other.runs);
        self.codes.extend(other.codes);
        self.counts.extend(other.counts);
        self.large.extend(other.large);
        self.v4.extend(other.v4);
        self.v6.extend(other.v6);
    }

    /// Writes the row, the last one if nothing is said.
    pub(super) fn store(&self, connection: &Connection, id: Option<i64>) -> Result<()> {
        let sql = "INSERT INTO dmarc_columns (id, records, first, last, again, domain, sums, runs,
                       outcomes, counts, addresses, evidence, combinations)
                   VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        let begins = || self.runs.iter().map(|run| run.begin);
        let mut counts = self.counts.clone();
        self.large.iter().for_each(|count| write(*count, &mut counts));
        let mut addresses: Vec<u8> = self.v4.iter().flat_map(|v4| v4.to_le_bytes()).collect();
        addresses.extend(self.v6.iter().flat_map(|v6| v6.to_le_bytes()));
        let evidence: Vec<u8> = self.evidence.iter().flat_map(|one| one.to_le_bytes()).collect();
        connection.prepare_cached(sql)?.execute(params![
            id,
            i64::try_from(self.len()).unwrap_or(i64::MAX),
            begins().min(),
            begins().max(),
            self.runs.iter().any(|run| run.again),
            self.only_domain().filter(|_| self.is_sorted),
            self.is_sorted.then(|| write_sums(self)),
            write_runs(&self.runs),
            self.codes,
            counts,
            addresses,
            evidence,
            self.combinations.bytes,
        ])?;
        Ok(())
    }

    /// The domain of all runs, if there is but one.
    fn only_domain(&self) -> Option<i64> {
        let first = self.runs.first()?.domain;
        self.runs.iter().all(|run| run.domain == first).then(|| first.cast_signed())
    }

    /// Reads a row of the columns that are needed.
    pub(super) fn read(row: &Row, needed: Needed) -> Result<Segment> {
        let runs = read_runs(row.get_ref("runs")?.as_blob()?).map_err(broken)?;
        Blobs::of(runs, row, needed)?.unpack().map_err(broken)
    }

    /// For more to be added to what was read.
    pub(super) fn reopen(&mut self) {
        self.combinations.reopen();
    }

    /// How many large counts, IPv4 and IPv6 addresses so many records have from a place on.
    pub(super) fn widths(&self, at: usize, records: usize) -> [usize; 3] {
        let (codes, counts) = (&self.codes[at..at + records], &self.counts[at..at + records]);
        let of_kind = |kind| codes.iter().filter(|code| **code % ADDRESSES == kind).count();
        let large = counts.iter().map(|count| usize::from(*count == LARGE)).sum();
        [large, of_kind(V4), of_kind(V6)]
    }

    /// The records in their order, run by run.
    pub(super) fn records(&self) -> Records<'_> {
        Records {
            segment: self,
            at: 0,
            large: self.large.iter(),
            v4: self.v4.iter(),
            v6: self.v6.iter(),
        }
    }
}

/// A record's values.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packed {
    /// The number of its outcome.
    pub(super) outcome: u8,
    pub(super) messages: u64,
    pub(super) address: Address,
    /// Its place in the segment.
    pub(super) at: usize,
    /// The place of the segment among those that a thread has at once.
    pub(super) segment: u8,
    /// Its raw results and reasons, where they were asked for.
    pub(super) combination: u16,
    /// What these tell of the sender; nothing where it was not asked for.
    pub(super) told: Told,
    /// Who is known to send from the address, among [`super::senders::Known`]; 0 if nobody, or not
    /// asked for.
    pub(super) known: u32,
}

/// An address, in the form that is summed up fastest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Address {
    None,
    V4(u32),
    V6(u128),
}

impl From<IpAddr> for Address {
    fn from(address: IpAddr) -> Address {
        match address {
            IpAddr::V4(v4) => Address::V4(v4.into()),
            IpAddr::V6(v6) => Address::V6(v6.into()),
        }
    }
}

/// The records of a segment, one behind the other.
pub(super) struct Records<'s> {
    segment: &'s Segment,
    at: usize,
    large: std::slice::Iter<'s, u64>,
    v4: std::slice::Iter<'s, u32>,
    v6: std::slice::Iter<'s, u128>,
}

impl Records<'_> {
    /// Passes over so many.
    pub(super) fn skip(&mut self, records: usize) {
        let [large, v4, v6] = self.segment.widths(self.at, records);
        self.at += records;
        skip(&mut self.large, large);
        skip(&mut self.v4, v4);
        skip(&mut self.v6, v6);
    }

    /// Adds up so many by their outcomes. Addresses are passed over only where they were not read.
    pub(super) fn sum(&mut self, records: usize, sums: &mut OutcomeSums) {
        let range = self.at..self.at + records;
        self.at += records;
        let segment = self.segment;
        for (code, count) in segment.codes[range.clone()].iter().zip(&segment.counts[range]) {
            let messages = match *count {
                LARGE => self.large.next().copied().unwrap_or_default(),
                small => small.into(),
            };
            sums.add(code / ADDRESSES, messages);
        }
    }

    /// The columns are as long as each other, which was looked at when they were read.
    pub(super) fn next(&mut self) -> Packed {
        let at = self.at;
        self.at += 1;
        let code = self.segment.codes[at];
        let address = match code % ADDRESSES {
            V4 => self.v4.next().map_or(Address::None, |v4| Address::V4(*v4)),
            V6 => self.v6.next().map_or(Address::None, |v6| Address::V6(*v6)),
            _ => Address::None,
        };
        let messages = match self.segment.counts[at] {
            LARGE => self.large.next().copied().unwrap_or_default(),
            small => small.into(),
        };
        Packed {
            outcome: code / ADDRESSES,
            messages,
            address,
            at,
            segment: 0,
            combination: 0,
            told: Told::default(),
            known: 0,
        }
    }
}

fn skip<T>(values: &mut std::slice::Iter<T>, number: usize) {
    if let Some(last) = number.checked_sub(1) {
        values.nth(last);
    }
}

pub(super) fn broken(error: Broken) -> Error {
    Error::FromSqlConversionFailure(0, Type::Blob, Box::new(error))
}

fn write_runs(runs: &[Run]) -> Vec<u8> {
    let mut out = Vec::new();
    let (mut report, mut begin) = (0_i64, 0_i64);
    for run in runs {
        write_signed(run.report.wrapping_sub(report), &mut out);
        write_signed(run.begin.wrapping_sub(begin), &mut out);
        write(run.domain, &mut out);
        write(run.organization, &mut out);
        write(run.policy, &mut out);
        write((run.records as u64) << 1 | u64::from(run.again), &mut out);
        (report, begin) = (run.report, run.begin);
    }
    out
}

pub(super) fn read_runs(bytes: &[u8]) -> Result<Vec<Run>, Broken> {
    let mut numbers = Numbers(bytes);
    let (mut report, mut begin) = (0_i64, 0_i64);
    let mut runs = Vec::new();
    while !numbers.is_empty() {
        report = report.wrapping_add(numbers.signed()?);
        begin = begin.wrapping_add(numbers.signed()?);
        let [domain, organization, policy] = [numbers.next()?, numbers.next()?, numbers.next()?];
        let records = numbers.size()?;
        let (again, records) = (records & 1 == 1, records >> 1);
        runs.push(Run { report, begin, domain, organization, policy, again, records });
    }
    Ok(runs)
}
