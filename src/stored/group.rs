//! Group: from documents to reports. Those of one report come one after the other.
//!
//! A document with an id of this program is known by it. One of the Ruby tool has none; what
//! identifies it are its values, and its number among the same ones in its report, so that the
//! report must be gathered first.

use std::{
    collections::{HashMap, HashSet},
    mem,
};

use serde_json::Value;

use super::{Found, pages::Hit};
use crate::{
    document::{
        Portion,
        read::{self, Single},
    },
    limits::Limits,
    message::Received,
    report::{Ids, Report, ReportKey},
};

/// How many records or policies are handed out at once.
const PORTION: usize = 1000;

/// What was gathered and is not handed out yet.
pub(super) struct Backlog<'l> {
    limits: &'l Limits,
    /// Begin and report id, as the walk is ordered by them.
    at: Option<(i64, Value)>,
    /// Documents with ids: those of the last report.
    own: Option<Portion>,
    /// Reports that were handed out in part.
    met: HashSet<ReportKey>,
    /// Documents without ids.
    others: HashMap<ReportKey, Report>,
    /// How many these are, and the name of the first.
    gathered: usize,
    /// More of them than a report may have.
    too_many: Option<String>,
}

impl<'l> Backlog<'l> {
    pub(super) fn new(limits: &'l Limits) -> Backlog<'l> {
        Backlog {
            limits,
            at: None,
            own: None,
            met: HashSet::new(),
            others: HashMap::new(),
            gathered: 0,
            too_many: None,
        }
    }

    /// Takes a document, whose period begins then by the walk's order.
    pub(super) fn add<E>(
        &mut self,
        begin: i64,
        hit: Hit,
        take: &mut impl FnMut(Found) -> Result<(), E>,
    ) -> Result<(), E> {
        let Hit { index, id, source, sort: [_, report, _] } = hit;
        if self.at.as_ref().is_none_or(|at| (at.0, &at.1) != (begin, &report)) {
            self.end(take)?;
            self.at = Some((begin, report));
        }
        let name = || format!("document {id} of {index}");
        match read::read(&id, source, self.limits.value_bytes) {
            Ok(Single { report, received, id: Some((key, part)) }) => {
                self.add_own(begin, report, received, key, part, take)
            }
            Ok(Single { report, .. }) => {
                self.add_other(report, name);
                Ok(())
            }
            Err(error) => take(Found::Unusable { begin, name: name(), reason: error.to_string() }),
        }
    }

    fn add_own<E>(
        &mut self,
        begin: i64,
        report: Report,
        received: Received,
        key: ReportKey,
        part: u64,
        take: &mut impl FnMut(Found) -> Result<(), E>,
    ) -> Result<(), E> {
        if let Some(open) = &mut self.own
            && open.ids.key == key
            && open.ids.parts.len() < PORTION
            && open.received == received
            && open.report.has_head_of(&report)
        {
            open.ids.parts.push(part);
            open.report.append(report);
            return Ok(());
        }
        let is_first = self.met.insert(key.clone());
        let ids = Ids { key, parts: vec![part] };
        let next = Portion { report, ids, received, hosts: HashMap::new(), is_first };
        match self.own.replace(next) {
            Some(portion) => take(Found::Portion { begin, portion }),
            None => Ok(()),
        }
    }

    fn add_other(&mut self, report: Report, name: impl Fn() -> String) {
        self.gathered += 1;
        if self.gathered > self.limits.records {
            self.too_many.get_or_insert_with(name);
            self.others.clear();
            return;
        }
        let key = report.key();
        match self.others.get_mut(&key) {
            Some(gathered) => gathered.append(report),
            None => {
                self.others.insert(key, report);
            }
        }
    }

    /// Hands out what there is: another report follows, or none.
    pub(super) fn end<E>(
        &mut self,
        take: &mut impl FnMut(Found) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some((begin, _)) = self.at.take() else { return Ok(()) };
        self.met.clear();
        self.gathered = 0;
        if let Some(portion) = self.own.take() {
            take(Found::Portion { begin, portion })?;
        }
        let others = mem::take(&mut self.others);
        if let Some(name) = self.too_many.take() {
            let reason = self.limits.too_many_records().to_string();
            return take(Found::Unusable { begin, name: format!("report with {name}"), reason });
        }
        for (_, mut report) in others {
            let repeated = report.without_repeats() as u64;
            if repeated > 0 {
                take(Found::Repeated(repeated))?;
            }
            let (ids, received) = (report.ids(), Received::default());
            let hosts = HashMap::new();
            let portion = Portion { report, ids, received, hosts, is_first: true };
            take(Found::Portion { begin, portion })?;
        }
        Ok(())
    }
}
