//! Scan: goes through the columns, and hands on the records of a filter.

use std::collections::{BTreeSet, HashMap, HashSet};

use foldhash::fast::RandomState;
use rayon::prelude::*;
use rusqlite::{Connection, Result, Row};

use super::{
    combination::Told,
    names::{find, name},
    numbers::Broken,
    segment::{Address, Needed, Packed, Run, Segment, broken, read_runs},
    senders::{Naming, Wanted},
    weights::Whom,
};
use crate::answers::{Filter, Outcome};

/// Segments that are in memory at once: some 40 MB of those that are full.
const AT_ONCE: usize = 64;

/// Takes what it needs of the records that are meant, in any number of copies at once.
pub(super) trait Gather: Send + Sync {
    /// An empty one for another thread.
    fn fork(&self) -> Self;
    /// A record is meant. Those of a report follow each other, unless it is split.
    fn record(&mut self, of: &Of, record: &Packed);
    /// A report without any record is meant.
    fn empty(&mut self, _of: &Of) {}
    /// All records of a segment that are meant were handed on.
    fn segment(&mut self, _segment: &Segment) -> Result<(), Broken> {
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

/// The report that a record is of.
#[derive(Clone, Copy)]
pub(super) struct Of<'s> {
    pub(super) run: &'s Run,
    /// Its records came in several runs.
    pub(super) is_split: bool,
}

/// One moment of the columns, seen through a filter.
pub(in crate::sqlite) struct Scan<'f> {
    pub(super) connection: &'f Connection,
    pub(super) filter: &'f Filter,
    /// What senders are called.
    pub(super) naming: &'f Naming<'f>,
    /// Reports that have more than one run.
    again: HashSet<i64>,
    /// Outcomes that are meant, by their numbers.
    outcomes: [bool; Outcome::COUNT],
    /// Whether a name that was met is meant.
    domains: HashMap<u64, bool>,
    organizations: HashMap<u64, bool>,
    /// The number of "pass" among the names.
    pub(super) pass: Option<u64>,
    /// The senders that are meant, once they are known; nothing if all are.
    wanted: Option<Wanted>,
}

impl<'f> Scan<'f> {
    pub(in crate::sqlite) fn new(
        connection: &'f Connection,
        filter: &'f Filter,
        naming: &'f Naming<'f>,
    ) -> Result<Scan<'f>> {
        let mut outcomes = [false; Outcome::COUNT];
        Outcome::all()
            .zip(&mut outcomes)
            .for_each(|(outcome, meant)| *meant = filter.lets_outcome(outcome));
        Ok(Scan {
            connection,
            filter,
            naming,
            again: split_reports(connection)?,
            outcomes,
            domains: HashMap::new(),
            organizations: HashMap::new(),
            pass: find(connection, "pass")?.map(i64::cast_unsigned),
            wanted: None,
        })
    }

    /// Hands the records that are meant to `gather`, on all threads.
    pub(super) fn gather<G: Gather>(&mut self, asked: Asked, mut gather: G) -> Result<G> {
        if !self.filter.senders.is_any() && self.wanted.is_none() {
            self.wanted = Some(self.find_wanted()?);
        }
        let by_sender = asked.senders || self.wanted.is_some();
        if by_sender {
            self.naming.known(self.connection)?;
        }
        let needed = Needed {
            addresses: asked.addresses || by_sender || !self.filter.networks.is_any(),
            evidence: asked.evidence || by_sender,
        };
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {} FROM dmarc_columns
             WHERE (?1 IS NULL OR last >= ?1) AND (?2 IS NULL OR first < ?2) ORDER BY id",
            needed.columns()
        ))?;
        let mut rows = statement.query((self.filter.since, self.filter.until))?;
        let mut is_end = false;
        while !is_end {
            let mut segments = Vec::new();
            while segments.len() < AT_ONCE {
                let Some(row) = rows.next()? else {
                    is_end = true;
                    break;
                };
                if self.is_any_meant(row)? {
                    segments.push(Segment::read(row, needed)?);
                }
            }
            let of_a_thread = AT_ONCE.div_ceil(rayon::current_num_threads());
            let view = self.view(by_sender);
            let parts: std::result::Result<Vec<G>, Broken> = segments
                .par_chunks(of_a_thread)
                .map(|segments| {
                    let mut part = gather.fork();
                    segments.iter().try_for_each(|one| view.go_through(one, &mut part))?;
                    Ok(part)
                })
                .collect();
            parts.map_err(broken)?.into_iter().for_each(|part| gather.merge(part));
        }
        Ok(gather)
    }

    /// When the newest reports begin of those that the filter lets through by its period, domain
    /// and reporter, and which reports these are.
    pub(in crate::sqlite) fn newest(&mut self) -> Result<Option<(i64, BTreeSet<i64>)>> {
        let mut segments = self.connection.prepare_cached("SELECT last, id FROM dmarc_columns")?;
        let mut segments = segments
            .query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<Vec<(i64, i64)>>>()?;
        segments.sort_unstable();
        let mut runs =
            self.connection.prepare_cached("SELECT runs FROM dmarc_columns WHERE id = ?")?;
        let mut newest: Option<(i64, BTreeSet<i64>)> = None;
        for (last, id) in segments.into_iter().rev() {
            if newest.as_ref().is_some_and(|(newest, _)| *newest > last) {
                break;
            }
            let of_segment = runs.query_row([id], |row| {
                let runs = read_runs(row.get_ref("runs")?.as_blob()?).map_err(broken)?;
                Ok(if self.is_any_meant(row)? { runs } else { Vec::new() })
            })?;
            let view = self.view(false);
            for run in of_segment.iter().filter(|run| view.is_meant(run)) {
                match &mut newest {
                    Some((begin, _)) if *begin > run.begin => {}
                    Some((begin, reports)) if *begin == run.begin => {
                        reports.insert(run.report);
                    }
                    _ => newest = Some((run.begin, [run.report].into())),
                }
            }
        }
        Ok(newest)
    }

    /// Learns the names of a segment's runs. True if any run is meant.
    fn is_any_meant(&mut self, row: &Row) -> Result<bool> {
        if self.filter.domains.is_any() && self.filter.organizations.is_any() {
            return Ok(true);
        }
        let mut is_any = false;
        for run in read_runs(row.get_ref("runs")?.as_blob()?).map_err(broken)? {
            let Scan { connection, filter, domains, organizations, .. } = self;
            let domain = learn(domains, run.domain, |number| {
                let name = name(connection, number)?;
                Ok(filter.lets_domain(name.as_deref().unwrap_or_default()))
            })?;
            let organization = learn(organizations, run.organization, |number| {
                Ok(filter.lets_organization(name(connection, number)?.as_deref()))
            })?;
            is_any |= domain && organization;
        }
        Ok(is_any)
    }

    /// What the threads need.
    fn view(&self, by_sender: bool) -> View<'_> {
        View {
            by_sender,
            filter: self.filter,
            again: &self.again,
            outcomes: &self.outcomes,
            domains: &self.domains,
            organizations: &self.organizations,
            pass: self.pass,
            known: self.naming.addresses(),
            wanted: self.wanted.as_ref(),
        }
    }
}

/// A filter, and what was learned for it.
#[derive(Clone, Copy)]
struct View<'s> {
    /// Signatures are looked at.
    by_sender: bool,
    filter: &'s Filter,
    again: &'s HashSet<i64>,
    outcomes: &'s [bool; Outcome::COUNT],
    domains: &'s HashMap<u64, bool>,
    organizations: &'s HashMap<u64, bool>,
    pass: Option<u64>,
    /// Who is known to send from an address.
    known: Option<&'s HashMap<Address, u32, RandomState>>,
    wanted: Option<&'s Wanted>,
}

impl View<'_> {
    fn go_through<G: Gather>(&self, segment: &Segment, gather: &mut G) -> Result<(), Broken> {
        let told = if self.by_sender { self.told(segment)? } else { Vec::new() };
        let known = self.known.filter(|known| self.by_sender && !known.is_empty());
        let mut records = segment.records();
        let any_address = self.filter.networks.is_any();
        let is_about_records = self.filter.is_about_records();
        for run in &segment.runs {
            let of =
                Of { run, is_split: !self.again.is_empty() && self.again.contains(&run.report) };
            let is_meant = self.is_meant(run);
            if is_meant && run.records == 0 && !is_about_records && !of.is_split {
                gather.empty(&of);
            }
            for _ in 0..run.records {
                let mut record = records.next();
                if let Some(number) = segment.evidence.get(record.at) {
                    record.combination = *number;
                    record.told = told.get(usize::from(*number)).copied().unwrap_or_default();
                }
                if let Some(known) = known {
                    record.known = known.get(&record.address).copied().unwrap_or_default();
                }
                if is_meant
                    && self.outcomes[usize::from(record.outcome)]
                    && (any_address || self.filter.lets_address(record.address.ip()))
                    && self.wanted.is_none_or(|wanted| wanted.lets(Whom::sender(&record)))
                {
                    gather.record(&of, &record);
                }
            }
        }
        gather.segment(segment)
    }

    fn is_meant(&self, run: &Run) -> bool {
        // Where all are meant, none was learned.
        let lets = |names: &HashMap<u64, bool>, number| names.get(number).copied().unwrap_or(true);
        self.filter.lets_begin(run.begin)
            && lets(self.domains, &run.domain)
            && lets(self.organizations, &run.organization)
    }

    /// What each combination tells of the sender.
    fn told(&self, segment: &Segment) -> Result<Vec<Told>, Broken> {
        segment.combinations.iter().map(|one| Told::by(one, self.pass)).collect()
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

fn learn(
    names: &mut HashMap<u64, bool>,
    number: u64,
    is_meant: impl FnOnce(u64) -> Result<bool>,
) -> Result<bool> {
    if let Some(known) = names.get(&number) {
        return Ok(*known);
    }
    let is_meant = is_meant(number)?;
    names.insert(number, is_meant);
    Ok(is_meant)
}
