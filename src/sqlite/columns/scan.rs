//! Scan: goes through the columns once, and hands on the records of filters, each to its own
//! gatherer.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

use parking_lot::RwLock;
use rusqlite::{Connection, Result};

use super::{
    learned::Learned,
    names::find,
    numbers::Broken,
    ranges::AddressRanges,
    run_sums::RunSums,
    segment::{Needed, Packed, Run, Segment, broken, read_runs},
    segments::Segments,
    senders::{Naming, Wanted},
    threads::go_through,
    view::{Parts, View},
    weights::Whom,
};
use crate::answers::{Filter, Outcome};

/// Takes what it needs of the records that a filter means, in any number of copies at once.
pub(super) trait Gather: Send + Sync {
    /// Records of a report that have the same outcome may come all at once, by `records`.
    const BY_OUTCOME: bool = false;

    /// An empty one for another thread.
    fn fork(&self) -> Self;
    /// A record is meant. Those of a report follow each other, unless it is split.
    fn record(&mut self, of: &Of, record: &Packed);
    /// So many records of a report are meant, with one outcome.
    fn records(&mut self, _of: &Of, _outcome: u8, _records: u64, _messages: u64) {}
    /// A report without any record is meant.
    fn empty(&mut self, _of: &Of) {}
    /// All of these runs are meant, where [`Asked::sums`] asks for them.
    fn summed(&mut self, _sums: &RunSums) {}
    /// All records of a segment that are meant were handed on.
    fn segment(&mut self, _segment: &Segment) -> Result<(), Broken> {
        Ok(())
    }
    /// The same of these segments, whose places among each other the records told.
    fn segments(&mut self, _segments: &[Segment]) -> Result<(), Broken> {
        Ok(())
    }
    /// Takes what another has.
    fn merge(&mut self, other: Self);
}

/// What is asked of each record, beside its outcome and messages.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "they have nothing to do with each other")]
pub(super) struct Asked {
    pub(super) addresses: bool,
    /// Raw results and reasons.
    pub(super) evidence: bool,
    /// Who sent it.
    pub(super) senders: bool,
    /// Records may be added up by run, since it does not matter which outcomes a report has.
    pub(super) sums: bool,
}

impl Asked {
    pub(super) const SUMS: Asked =
        Asked { addresses: false, evidence: false, senders: false, sums: true };
}

/// When some reports begin, and their rows by the numbers of who reports.
pub(in crate::sqlite) type NewestReports = (i64, BTreeMap<u64, BTreeSet<i64>>);

/// The report that a record is of.
#[derive(Clone, Copy)]
pub(super) struct Of<'s> {
    pub(super) run: &'s Run,
    /// Its records came in several runs.
    pub(super) is_split: bool,
}

/// One moment of the columns, seen through filters.
pub(in crate::sqlite) struct Scan<'f> {
    pub(super) connection: &'f Connection,
    /// What senders are called.
    pub(super) naming: &'f Naming<'f>,
    pub(super) lenses: Vec<Lens<'f>>,
    /// Reports that have more than one run.
    again: HashSet<i64>,
    pub(super) learned: RwLock<Learned>,
    /// The number of "pass" among the names.
    pub(super) pass: Option<u64>,
}

/// A filter, and what was learned for it.
pub(super) struct Lens<'f> {
    pub(super) filter: &'f Filter,
    /// Outcomes that are meant, by their numbers.
    pub(super) outcomes: [bool; Outcome::COUNT],
    any_address: bool,
    addresses: AddressRanges,
    pub(super) is_about_records: bool,
    /// The senders that are meant, once they are known; nothing if all are.
    wanted: Option<Arc<Wanted>>,
}

impl<'f> Lens<'f> {
    fn new(filter: &'f Filter) -> Lens<'f> {
        let mut outcomes = [false; Outcome::COUNT];
        Outcome::all()
            .zip(&mut outcomes)
            .for_each(|(outcome, meant)| *meant = filter.lets_outcome(outcome));
        Lens {
            filter,
            outcomes,
            any_address: filter.networks.is_any(),
            addresses: AddressRanges::of(&filter.networks),
            is_about_records: filter.is_about_records(),
            wanted: None,
        }
    }

    pub(super) fn lets(&self, record: &Packed) -> bool {
        self.outcomes[usize::from(record.outcome)]
            && (self.any_address || self.addresses.lets(record.address))
            && self.wanted.as_ref().is_none_or(|wanted| wanted.lets(Whom::sender(record)))
    }
}

impl<'f> Scan<'f> {
    pub(in crate::sqlite) fn new(
        connection: &'f Connection,
        filters: &'f [Filter],
        naming: &'f Naming<'f>,
    ) -> Result<Scan<'f>> {
        Ok(Scan {
            connection,
            naming,
            lenses: filters.iter().map(Lens::new).collect(),
            again: split_reports(connection)?,
            learned: RwLock::default(),
            pass: find(connection, "pass")?.map(i64::cast_unsigned),
        })
    }

    /// Hands the records that each filter means to its gatherer, on all threads.
    pub(super) fn gather<G: Gather>(&mut self, asked: Asked, mut all: Vec<G>) -> Result<Vec<G>> {
        if all.is_empty() {
            return Ok(all);
        }
        self.find_wanted()?;
        let by_sender = asked.senders || self.lenses.iter().any(|lens| lens.wanted.is_some());
        if by_sender {
            self.naming.known(self.connection)?;
        }
        let is_by_address = self.lenses.iter().any(|lens| !lens.any_address);
        let by_outcome = G::BY_OUTCOME && !by_sender && !is_by_address && !asked.addresses;
        let needed = Needed {
            addresses: asked.addresses || by_sender || is_by_address,
            evidence: asked.evidence || by_sender,
        };
        let by_sum =
            asked.sums && by_outcome && !self.lenses.iter().any(|lens| lens.is_about_records);
        let view = self.view(by_sender, by_outcome, by_sum);
        let mut summed = Parts::new(&all);
        let mut segments = Segments::new(self, needed)?;
        let read = || segments.some(by_sum.then_some(&mut summed));
        let mut parts = go_through(&view, &all, read)?;
        parts.push(summed.parts);
        for part in parts {
            for (all, part) in all.iter_mut().zip(part) {
                part.into_iter().for_each(|part| all.merge(part));
            }
        }
        Ok(all)
    }

    /// For each filter when the newest reports begin of those that it lets through by its period,
    /// domain and reporter, and which reports these are.
    pub(in crate::sqlite) fn newest(&mut self) -> Result<Vec<Option<NewestReports>>> {
        let mut segments = self.connection.prepare_cached(
            "SELECT last, id FROM dmarc_columns
             WHERE (?1 IS NULL OR last >= ?1) AND (?2 IS NULL OR first < ?2)",
        )?;
        let mut segments = segments
            .query_map(self.period(), |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<Vec<(i64, i64)>>>()?;
        segments.sort_unstable();
        let mut runs =
            self.connection.prepare_cached("SELECT runs FROM dmarc_columns WHERE id = ?")?;
        let mut newest: Vec<Option<NewestReports>> = vec![None; self.lenses.len()];
        for (last, id) in segments.into_iter().rev() {
            let is_older = |newest: &Option<NewestReports>| {
                newest.as_ref().is_some_and(|(newest, _)| *newest > last)
            };
            if newest.iter().all(is_older) {
                break;
            }
            let of_segment = runs.query_row([id], |row| {
                read_runs(row.get_ref("runs")?.as_blob()?).map_err(broken)
            })?;
            self.is_any_meant(&of_segment)?;
            let view = self.view(false, false, false);
            let learned = self.learned.read();
            let mut meant = Vec::new();
            for run in &of_segment {
                view.meant(&learned, run, &mut meant);
                for lens in &meant {
                    let newest = &mut newest[*lens];
                    if newest.as_ref().is_none_or(|(begin, _)| *begin < run.begin) {
                        *newest = Some((run.begin, BTreeMap::new()));
                    }
                    if let Some((begin, reports)) = newest
                        && *begin == run.begin
                    {
                        reports.entry(run.organization).or_default().insert(run.report);
                    }
                }
            }
        }
        Ok(newest)
    }

    /// All that any filter lets through by its period.
    pub(super) fn period(&self) -> (Option<i64>, Option<i64>) {
        let filters = || self.lenses.iter().map(|lens| lens.filter);
        // Nothing is before all that is said.
        let since = filters().map(|filter| filter.since).min().flatten();
        let is_open = filters().any(|filter| filter.until.is_none());
        (since, filters().map(|filter| filter.until).max().flatten().filter(|_| !is_open))
    }

    /// The senders that filters name.
    fn find_wanted(&mut self) -> Result<()> {
        for at in 0..self.lenses.len() {
            let Lens { filter, ref wanted, .. } = self.lenses[at];
            if !filter.senders.is_any() && wanted.is_none() {
                self.lenses[at].wanted = Some(self.wanted(filter)?);
            }
        }
        Ok(())
    }

    /// What the threads need.
    pub(super) fn view(&self, by_sender: bool, by_outcome: bool, by_sum: bool) -> View<'_> {
        View {
            by_sender,
            by_outcome,
            by_sum,
            lenses: &self.lenses,
            again: &self.again,
            learned: &self.learned,
            pass: self.pass,
            known: self.naming.addresses(),
        }
    }
}

/// Reports that have more than one run.
fn split_reports(connection: &Connection) -> Result<HashSet<i64>> {
    let mut statement = connection.prepare_cached("SELECT runs FROM dmarc_columns WHERE again")?;
    let mut rows = statement.query(())?;
    let mut split = HashSet::new();
    while let Some(row) = rows.next()? {
        let runs = read_runs(row.get_ref(0)?.as_blob()?).map_err(broken)?;
        split.extend(runs.iter().filter(|run| run.again).map(|run| run.report));
    }
    Ok(split)
}
