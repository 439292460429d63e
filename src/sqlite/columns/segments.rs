//! Segments: reads those of which something is meant, a part of each after the other.

use std::vec;

use rusqlite::{CachedStatement, Result, Row};

use super::{
    blobs::Blobs,
    run_sums::{RunSums, read_sums},
    scan::{Gather, Scan},
    segment::{Needed, Run, broken, read_runs},
    view::Parts,
};

/// Records after which a thread gets no more segments to go through at once, some 2 MB,
pub(super) const RECORDS: usize = 1 << 17;

/// and segments.
pub(super) const SEGMENTS: usize = 128;

/// The segments of a scan's period.
pub(super) struct Segments<'s> {
    scan: &'s Scan<'s>,
    needed: Needed,
    /// Each with its domain, where it has but one.
    ids: vec::IntoIter<(i64, Option<i64>)>,
    /// Columns one by one, since all that a statement names is read, be it looked at or not.
    sums: CachedStatement<'s>,
    runs: CachedStatement<'s>,
    columns: CachedStatement<'s>,
}

impl<'s> Segments<'s> {
    pub(super) fn new(scan: &'s Scan<'s>, needed: Needed) -> Result<Segments<'s>> {
        let of_one = |columns: &str| {
            let sql = format!("SELECT {columns} FROM dmarc_columns WHERE id = ?");
            scan.connection.prepare_cached(&sql)
        };
        let ids = scan
            .connection
            .prepare_cached(
                // Those of one domain one after the other: a thread has fewer senders at a time.
                "SELECT id, domain FROM dmarc_columns
                 WHERE (?1 IS NULL OR last >= ?1) AND (?2 IS NULL OR first < ?2)
                 ORDER BY domain, first, id",
            )?
            .query_map(scan.period(), |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<Vec<(i64, Option<i64>)>>>()?;
        Ok(Segments {
            scan,
            needed,
            ids: ids.into_iter(),
            sums: of_one("sums")?,
            runs: of_one("runs")?,
            columns: of_one(needed.columns())?,
        })
    }

    /// The next segments of which something is meant, as many as a thread goes through at once;
    /// fewer at the end. Where sums are enough they are taken, and the segment is left out.
    pub(super) fn some<G: Gather>(
        &mut self,
        mut summed: Option<&mut Parts<G>>,
    ) -> Result<Vec<Blobs>> {
        let mut some: Vec<Blobs> = Vec::new();
        let mut records = 0;
        while some.len() < SEGMENTS && records < RECORDS {
            let Some(id) = self.next_id()? else { break };
            if let Some(summed) = &mut summed
                && self.take_sums(id, summed)?
            {
                continue;
            }
            let runs = self.runs_of(id)?;
            if self.scan.is_any_meant(&runs)? {
                let needed = self.needed;
                let blobs = self.columns.query_row([id], |row| Blobs::of(runs, row, needed))?;
                records += blobs.len();
                some.push(blobs);
            }
        }
        Ok(some)
    }

    /// The runs of the next segment of which some are meant.
    pub(super) fn next_runs(&mut self) -> Result<Option<Vec<Run>>> {
        while let Some(id) = self.next_id()? {
            let runs = self.runs_of(id)?;
            if self.scan.is_any_meant(&runs)? {
                return Ok(Some(runs));
            }
        }
        Ok(None)
    }

    /// The next one that is of a domain that is meant, or of several.
    fn next_id(&mut self) -> Result<Option<i64>> {
        for (id, domain) in self.ids.by_ref() {
            let domain = domain.map(i64::cast_unsigned);
            if domain.map_or(Ok(true), |domain| self.scan.is_domain_meant(domain))? {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    fn runs_of(&mut self, id: i64) -> Result<Vec<Run>> {
        let runs = |row: &Row| read_runs(row.get_ref(0)?.as_blob()?).map_err(broken);
        self.runs.query_row([id], runs)
    }

    /// False if a segment has no sums, or one of which not all is of a period.
    fn take_sums<G: Gather>(&mut self, id: i64, parts: &mut Parts<G>) -> Result<bool> {
        let sums = self.sums.query_row([id], |row| {
            let sums = row.get_ref(0)?.as_blob_or_null()?;
            sums.map(read_sums).transpose().map_err(broken)
        })?;
        let Some(sums) = sums else { return Ok(false) };
        let is_whole = |sums: &RunSums| {
            let RunSums { first, last, .. } = *sums;
            self.scan.lenses.iter().map(|lens| lens.filter).all(|filter| {
                filter.lets_begin(first) && filter.lets_begin(last)
                    || filter.since.is_some_and(|since| last < since)
                    || filter.until.is_some_and(|until| until <= first)
            })
        };
        if !sums.iter().all(is_whole) {
            return Ok(false);
        }
        let view = self.scan.view(false, true, true);
        let mut meant = Vec::new();
        for sums in &sums {
            let RunSums { domain, organization, first: begin, .. } = *sums;
            let run = Run { begin, domain, organization, ..Run::default() };
            self.scan.is_any_meant(&[run])?;
            view.meant(&self.scan.learned.read(), &run, &mut meant);
            meant.iter().for_each(|lens| parts.of(*lens).summed(sums));
        }
        Ok(true)
    }
}
