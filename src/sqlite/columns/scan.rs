//! Scan: goes through the columns once, and hands on the records of filters, each to its own
//! gatherer.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use rayon::prelude::*;
use rusqlite::{Connection, Result};

use super::{
    names::{find, name},
    numbers::Broken,
    segment::{Needed, Packed, Run, Segment, broken, read_runs},
    senders::{Naming, Wanted},
    view::{Parts, View},
    weights::Whom,
};
use crate::answers::{Filter, Outcome};

/// Segments that are in memory at once: some 40 MB of those that are full.
pub(super) const AT_ONCE: usize = 64;

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
pub(super) struct Asked {
    pub(super) addresses: bool,
    /// Raw results and reasons.
    pub(super) evidence: bool,
    /// Who sent it.
    pub(super) senders: bool,
}

/// When some reports begin, and their rows.
pub(in crate::sqlite) type NewestReports = (i64, BTreeSet<i64>);

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
    /// The lenses that mean runs of a domain, by the numbers of names that were met;
    domains: HashMap<u64, Vec<usize>>,
    /// and of a reporter besides.
    reporters: HashMap<(u64, u64), Vec<usize>>,
    /// The number of "pass" among the names.
    pub(super) pass: Option<u64>,
}

/// A filter, and what was learned for it.
pub(super) struct Lens<'f> {
    pub(super) filter: &'f Filter,
    /// Outcomes that are meant, by their numbers.
    pub(super) outcomes: [bool; Outcome::COUNT],
    any_address: bool,
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
            is_about_records: filter.is_about_records(),
            wanted: None,
        }
    }

    pub(super) fn lets(&self, record: &Packed) -> bool {
        self.outcomes[usize::from(record.outcome)]
            && (self.any_address || self.filter.lets_address(record.address.ip()))
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
            domains: HashMap::new(),
            reporters: HashMap::new(),
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
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {} FROM dmarc_columns
             WHERE (?1 IS NULL OR last >= ?1) AND (?2 IS NULL OR first < ?2) ORDER BY id",
            needed.columns()
        ))?;
        let mut rows = statement.query(self.period())?;
        // Each thread keeps what it gathers to the end: there may be thousands of senders to merge.
        let mut threads: Vec<Parts<G>> =
            (0..rayon::current_num_threads()).map(|_| Parts::new(&all)).collect();
        let mut is_end = false;
        while !is_end {
            let mut segments = Vec::new();
            while segments.len() < AT_ONCE {
                let Some(row) = rows.next()? else {
                    is_end = true;
                    break;
                };
                let runs = read_runs(row.get_ref("runs")?.as_blob()?).map_err(broken)?;
                if self.is_any_meant(&runs)? {
                    segments.push(Segment::with(runs, row, needed)?);
                }
            }
            let view = View { by_outcome, ..self.view(by_sender) };
            segments
                .par_chunks(segments.len().div_ceil(threads.len()).max(1))
                .zip(&mut threads)
                .try_for_each(|(segments, parts)| view.go_through_all(segments, parts))
                .map_err(broken)?;
        }
        let parts: Vec<_> = threads.into_iter().map(|thread| thread.parts).collect();
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
            let view = self.view(false);
            let mut meant = Vec::new();
            for run in &of_segment {
                view.meant(run, &mut meant);
                for lens in &meant {
                    match &mut newest[*lens] {
                        Some((begin, _)) if *begin > run.begin => {}
                        Some((begin, reports)) if *begin == run.begin => {
                            reports.insert(run.report);
                        }
                        older => *older = Some((run.begin, [run.report].into())),
                    }
                }
            }
        }
        Ok(newest)
    }

    /// All that any filter lets through by its period.
    fn period(&self) -> (Option<i64>, Option<i64>) {
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

    /// Learns the names of a segment's runs. True if any run is meant.
    fn is_any_meant(&mut self, runs: &[Run]) -> Result<bool> {
        let is_any =
            |lens: &Lens| lens.filter.domains.is_any() && lens.filter.organizations.is_any();
        if self.lenses.iter().all(is_any) {
            return Ok(true);
        }
        let mut is_meant = false;
        for Run { domain, organization, .. } in runs {
            if let Some(meant) = self.reporters.get(&(*domain, *organization)) {
                is_meant |= !meant.is_empty();
                continue;
            }
            let filter = |lens: &usize| self.lenses[*lens].filter;
            if !self.domains.contains_key(domain) {
                let name = name(self.connection, *domain)?.unwrap_or_default();
                let all = 0..self.lenses.len();
                let meant = all.filter(|lens| filter(lens).lets_domain(&name)).collect();
                self.domains.insert(*domain, meant);
            }
            let name = name(self.connection, *organization)?;
            let of_domain = self.domains[domain].iter().copied();
            let meant: Vec<usize> =
                of_domain.filter(|lens| filter(lens).lets_organization(name.as_deref())).collect();
            is_meant |= !meant.is_empty();
            self.reporters.insert((*domain, *organization), meant);
        }
        Ok(is_meant)
    }

    /// What the threads need.
    fn view(&self, by_sender: bool) -> View<'_> {
        View {
            by_sender,
            by_outcome: false,
            lenses: &self.lenses,
            again: &self.again,
            reporters: &self.reporters,
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
