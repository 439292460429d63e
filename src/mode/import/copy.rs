//! Copy: another store as the source of an import: an SQLite file of this program, or indices of
//! OpenSearch, those of the Ruby tool included. It is only read, and nothing is settled.
//!
//! Reports come kind by kind, in the order of their periods. The journal knows up to which begin
//! everything is stored, for a source that has not changed since: what came meanwhile may lie
//! anywhere.

mod source;

use std::{ops::Range, sync::atomic::Ordering::Relaxed};

use parking_lot::Mutex;
use tracing::{error, info, warn};

use self::source::{CopyError, SourceView};
pub(super) use self::source::{CopySource, is_sqlite};
use super::{
    feed::Fed,
    journal::{FileKey, Place},
    progress::Counters,
    state::Remembered,
};
use crate::{
    cli,
    document::Portion,
    ingest::{Finished, Ingest, counted},
    report::{Kind, Report, Text},
    sanitize,
    settle::Tag,
    stored::{Found, ReadError},
};

/// Goes through a store.
pub(super) struct Copier<'c> {
    pub(super) run: &'c Ingest,
    pub(super) state: &'c Mutex<Remembered>,
    pub(super) counters: &'c Counters,
    pub(super) period: Range<i64>,
    told: Told,
    /// Portions so far; they number the places of one begin.
    portions: u64,
}

/// What there is to say of a copy.
#[derive(Default)]
pub(super) struct Told {
    pub(super) fed: Fed,
    /// Documents that were left out, since their report was read twice.
    repeated: u64,
    /// Documents that are none of a report.
    other: u64,
}

impl<'c> Copier<'c> {
    pub(super) fn new(
        run: &'c Ingest,
        state: &'c Mutex<Remembered>,
        counters: &'c Counters,
        period: Option<Range<i64>>,
    ) -> Copier<'c> {
        let period = period.unwrap_or(i64::MIN..i64::MAX);
        let fed = Fed { all_read: true, ..Fed::default() };
        let told = Told { fed, ..Told::default() };
        Copier { run, state, counters, period, told, portions: 0 }
    }

    pub(super) fn done(self) -> Told {
        self.told
    }

    pub(super) fn copy(&mut self, source: &mut CopySource) {
        let (name, identity) = (source.name(), source.identity());
        match self.all(source, &name, &identity) {
            Ok(()) | Err(CopyError::Stopped | CopyError::Index(ReadError::Stopped)) => {}
            Err(error) => {
                error!("{}: {error}", sanitize::line(&name));
                self.told.fed.all_read = false;
            }
        }
    }

    fn all(
        &mut self,
        source: &mut CopySource,
        name: &str,
        identity: &str,
    ) -> Result<(), CopyError> {
        let period = self.period.clone();
        let mut source = source.at_this_moment(&period)?;
        let mut counts = [0; 3];
        for (count, kind) in counts.iter_mut().zip(Kind::ALL) {
            *count = source.count(kind, &period)?;
        }
        let all = counts.iter().sum();
        self.told.fed.found = all;
        self.counters.total.store(all, Relaxed);
        self.counters.total_known.store(true, Relaxed);
        if let SourceView::Index(index) = &source
            && period == (i64::MIN..i64::MAX)
        {
            self.told.other = index.count_all()?.saturating_sub(all);
        }
        let key = format!("{identity} {}", source.mark()?);
        let key = FileKey::new(key.as_bytes(), all, (0, 0));
        let Some((stream, resume)) = self.begin(key) else { return Ok(()) };
        let (first, since) = (resume.numbers()[0], resume.numbers().get(1).copied());
        for (number, kind) in (0..).zip(Kind::ALL) {
            let since = since.filter(|_| number == first).map_or(period.start, in_order_of);
            let rest = since.max(period.start)..period.end;
            let all = counts[kind as usize];
            let done = match rest.start > period.start {
                _ if number < first => all,
                true => all.saturating_sub(source.count(kind, &rest)?),
                false => 0,
            };
            self.counters.bytes.fetch_add(done, Relaxed);
            if number < first {
                continue;
            }
            source.each(kind, &rest, |found| self.take(stream, number, name, found))?;
            let behind = Place::default().within(number + 1);
            self.state.lock().journal.reach(stream, behind.clone(), behind);
        }
        self.state.lock().journal.end_stream(stream);
        Ok(())
    }

    /// The journal's tag of this source, and where to go on; nothing if it is finished.
    fn begin(&mut self, key: FileKey) -> Option<(Tag, Place)> {
        let journal = &mut self.state.lock().journal;
        if journal.is_finished(key) {
            self.told.fed.finished = 1;
            return None;
        }
        let (stream, start) = (journal.stream(Some(key)), Place::default().within(0));
        let resume = journal.resume(stream, &start);
        journal.reach(stream, start, resume.clone());
        Some((stream, resume))
    }

    fn take(&mut self, stream: Tag, kind: u64, name: &str, found: Found) -> Result<(), CopyError> {
        if self.run.stop.is_asked() {
            return Err(CopyError::Stopped);
        }
        let mut tag = |begin| {
            self.portions += 1;
            let begin = Place::default().within(kind).within(ordered(begin));
            let end = begin.within(self.portions);
            self.state.lock().journal.mail(stream, begin, end)
        };
        let documents = match found {
            Found::Portion { begin, portion } => {
                let (tag, documents) = (tag(begin), portion.report.len() as u64);
                let named = format!("{name}, {}", named(&portion));
                self.run.pipeline.hand_on(named, tag, portion.into());
                documents
            }
            Found::Unusable { begin, name: document, reason } => {
                let tag = tag(begin);
                self.state.lock().unusable_document(tag, &format!("{name}, {document}"), &reason);
                self.told.fed.damaged += 1;
                1
            }
            Found::Repeated(documents) => {
                self.told.repeated += documents;
                documents
            }
        };
        self.counters.bytes.fetch_add(documents, Relaxed);
        Ok(())
    }
}

impl Told {
    /// Says what the summary line does not.
    pub(super) fn tell(&self, import: &cli::ImportFlags, finished: &Finished) {
        let Fed { finished: before, damaged, found, .. } = self.fed;
        if before > 0 {
            info!(
                "all of it was copied by an earlier import, and nothing has changed there since \
                 (--fresh copies it again)"
            );
        }
        if self.repeated > 0 {
            info!(
                "{} left out: their reports were read more than once, and stand there again",
                counted(self.repeated, "document")
            );
        }
        if self.other > 0 {
            let kind = if self.other == 1 { "another kind" } else { "other kinds" };
            info!("{} of {kind} not copied", counted(self.other, "document"));
        }
        if damaged > 0 {
            warn!("{} can't be read as a report", counted(damaged, "document"));
        }
        if import.dry_run {
            info!("dry run: nothing was stored");
        }
        if finished.reason.is_none() && self.fed.all_read && found == 0 {
            warn!("nothing was found to copy");
        }
    }
}

/// Names a report for a person.
fn named(portion: &Portion) -> String {
    let (id, who) = match &portion.report {
        Report::Aggregate(report) => {
            (Some(&report.metadata.report_id), report.metadata.org_name.as_ref())
        }
        Report::Tls(report) => (Some(&report.report_id), report.organization_name.as_ref()),
        Report::Failure(report) => (report.report_id.as_ref(), report.reporting_mta.as_ref()),
    };
    let text = |text: Option<&Text>| text.map_or("?", |text| text).to_owned();
    format!("report {} of {}", text(id), text(who))
}

/// A second since 1970 as a number that is as much greater, without a sign.
fn ordered(second: i64) -> u64 {
    second.cast_unsigned() ^ (1 << 63)
}

/// The second again.
fn in_order_of(number: u64) -> i64 {
    (number ^ (1 << 63)).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_in_the_order_of_time() {
        for pair in [i64::MIN, -5, -1, 0, 1, 1_700_000_000, i64::MAX].windows(2) {
            assert!(ordered(pair[0]) < ordered(pair[1]));
            assert_eq!(in_order_of(ordered(pair[0])), pair[0]);
        }
    }
}
