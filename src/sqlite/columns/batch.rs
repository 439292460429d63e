//! Batch: the records of a transaction on their way into columns.

use std::{mem, net::IpAddr};

use rusqlite::{Connection, OptionalExtension, Result, params};

use super::{
    Names,
    combination::Combination,
    segment::{ADDRESSES, MOST, NO_ADDRESS, Needed, Run, Segment, V4, V6},
    sort::sort,
};
use crate::{
    answers::{Outcome, folded, is_at_or_below},
    report::{AggregateReport, aggregate::Record},
    senders::is_related,
    sqlite::read,
};

/// A segment with at least this many records gets no more of a later transaction: some 60 kB, which
/// would be written anew each time.
const FULL: usize = 4096;

/// Records of an open transaction.
#[derive(Debug, Default)]
pub(in crate::sqlite) struct Batch {
    segments: Vec<Segment>,
    /// Those of the report at hand, which is stored whole or not at all.
    report: Vec<Segment>,
    /// The domain of its policy, folded.
    domain: String,
    /// What the record at hand has, for its memory.
    combination: Combination,
    written: Vec<u8>,
}

/// What a run says of its report.
pub(in crate::sqlite) struct ReportHead<'r> {
    report: i64,
    begin: i64,
    domain: Option<&'r str>,
    organization: Option<&'r str>,
    policy: Option<&'r str>,
}

impl<'r> ReportHead<'r> {
    pub(in crate::sqlite) fn of(report: i64, head: &'r AggregateReport) -> ReportHead<'r> {
        ReportHead {
            report,
            begin: head.metadata.date_range.begin,
            domain: head.policy_published.domain.as_deref(),
            organization: head.metadata.org_name.as_deref(),
            policy: head.policy_published.p.as_deref(),
        }
    }
}

impl Batch {
    /// How many records there are of reports that are kept.
    pub(super) fn len(&self) -> usize {
        self.segments.iter().map(Segment::len).sum()
    }

    /// The report is stored.
    pub(in crate::sqlite) fn keep(&mut self) {
        for segment in self.report.drain(..) {
            let last = self.segments.last();
            if last.is_none_or(|last| last.len() + segment.len() > MOST) {
                self.segments.push(Segment::default());
            }
            self.segments.last_mut().expect("one was made").append(segment);
        }
    }

    /// The report is not stored.
    pub(in crate::sqlite) fn take_back(&mut self) {
        self.report.clear();
    }

    /// Begins the records of a report.
    pub(in crate::sqlite) fn begin(
        &mut self,
        connection: &Connection,
        names: &mut Names,
        head: &ReportHead,
        again: bool,
    ) -> Result<()> {
        self.domain = folded(head.domain.unwrap_or_default()).into_owned();
        let domain = names.number(connection, Some(&self.domain))?;
        let organization = names.number(connection, head.organization)?;
        let policy = names.number(connection, head.policy)?;
        let (report, begin) = (head.report, head.begin);
        let run = Run { report, begin, domain, organization, policy, again, records: 0 };
        self.open_segment().runs.push(run);
        Ok(())
    }

    /// Adds a record of a report. If that was begun by another mail, it goes on.
    pub(in crate::sqlite) fn record(
        &mut self,
        connection: &Connection,
        names: &mut Names,
        report: i64,
        record: &Record,
    ) -> Result<()> {
        let run = self.report.last().and_then(|segment| segment.runs.last());
        if run.is_none_or(|run| run.report != report) {
            let head: AggregateReport = connection
                .prepare_cached("SELECT * FROM dmarc_reports WHERE id = ?")?
                .query_row([report], read::dmarc_head)?;
            self.begin(connection, names, &ReportHead::of(report, &head), true)?;
        }
        self.combine(connection, names, record)?;
        let written = mem::take(&mut self.written);
        let segment = self.open_segment();
        let kind = match record.row.source_ip {
            None => NO_ADDRESS,
            Some(IpAddr::V4(v4)) => {
                segment.v4.push(v4.into());
                V4
            }
            Some(IpAddr::V6(v6)) => {
                segment.v6.push(v6.into());
                V6
            }
        };
        let code = Outcome::of(&record.row.policy_evaluated).number() * ADDRESSES + kind;
        // What the table of records can keep.
        segment.push(code, record.row.count.min(i64::MAX.cast_unsigned()), &written);
        self.written = written;
        Ok(())
    }

    /// Writes the columns. Small segments of earlier transactions are merged with new ones, and many
    /// are sorted.
    pub(in crate::sqlite) fn store(&mut self, connection: &Connection) -> Result<()> {
        for mut segment in self.segments.drain(..) {
            // Those that were merged before are larger, so that a record is written a few times.
            while let Some((id, mut last)) = last(connection, segment.len())? {
                last.reopen();
                last.append(segment);
                segment = last;
                connection
                    .prepare_cached("DELETE FROM dmarc_columns WHERE id = ?")?
                    .execute([id])?;
            }
            segment.store(connection, None)?;
        }
        sort(connection)
    }

    /// The segment that is filled. A report that does not fit goes on in another.
    fn open_segment(&mut self) -> &mut Segment {
        let last = self.report.last();
        if last.is_none_or(|segment| segment.len() >= MOST) {
            let run = last.and_then(|segment| segment.runs.last().copied());
            let rest = run.map(|run| Run { again: true, records: 0, ..run });
            let runs = rest.into_iter().collect();
            self.report.push(Segment { runs, ..Segment::default() });
        }
        self.report.last_mut().expect("one was made")
    }

    /// Notes the raw results and reasons of a record, each once.
    fn combine(
        &mut self,
        connection: &Connection,
        names: &mut Names,
        record: &Record,
    ) -> Result<()> {
        let all = &mut self.combination;
        all.clear();
        if let Some(from) = record.identifiers.header_from.as_deref().map(folded) {
            let is_below = from != self.domain && is_at_or_below(&from, &self.domain);
            all.from = names.number(connection, Some(&from))? << 1 | u64::from(is_below);
        }
        for spf in &record.auth_results.spf {
            let domain = names.number(connection, spf.domain.as_deref().map(folded).as_deref())?;
            all.spf.push([domain, names.number(connection, spf.result.as_deref())?]);
        }
        for dkim in &record.auth_results.dkim {
            let signer = dkim.domain.as_deref().map(folded);
            let own = signer.as_deref().is_some_and(|signer| is_related(signer, &self.domain));
            let domain = names.number(connection, signer.as_deref())?;
            let result = names.number(connection, dkim.result.as_deref())?;
            let selector = names.number(connection, dkim.selector.as_deref())?;
            all.dkim.push([domain << 1 | u64::from(own), result, selector]);
        }
        for reason in &record.row.policy_evaluated.reason {
            let kind = names.number(connection, reason.kind.as_deref())?;
            all.reasons.push([kind, u64::from(reason.says_arc_pass())]);
        }
        self.written.clear();
        all.write(&mut self.written);
        Ok(())
    }
}

/// The last segment, if it is to be merged with one of so many records.
fn last(connection: &Connection, records: usize) -> Result<Option<(i64, Segment)>> {
    let sql = "SELECT * FROM dmarc_columns WHERE id = (SELECT max(id) FROM dmarc_columns)
               AND sums IS NULL AND records < ?1 AND records <= 2 * ?2 AND records + ?2 < 65536";
    let limits = params![
        i64::try_from(FULL).unwrap_or(i64::MAX),
        i64::try_from(records.max(1)).unwrap_or(i64::MAX)
    ];
    connection
        .prepare_cached(sql)?
        .query_row(limits, |row| Ok((row.get("id")?, Segment::read(row, Needed::ALL)?)))
        .optional()
}
