//! Group: from documents to reports. Those of one report come one after the other.
//!
//! A document with an id of this program is known by it. One of the Ruby tool has none; what
//! identifies it are its values, and its number among the same ones in its report, so that the
//! report must be gathered first.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    mem,
    net::IpAddr,
};

use serde_json::Value;

use super::{Found, pages::SearchHit};
use crate::{
    document::{
        Portion,
        read::{self, Single},
    },
    limits::Limits,
    message::Received,
    report::{Ids, Report, ReportKey},
    senders::Host,
};

/// How many records or policies are handed out at once.
const PORTION: usize = 1000;

/// What was gathered and is not handed out yet.
pub(super) struct Backlog<'l> {
    limits: &'l Limits,
    /// Begin and report id, as the walk is ordered by them.
    at: Option<(i64, Value)>,
    /// Documents with ids: those of the last report.
    own: Option<OwnDocuments>,
    /// Reports that were handed out in part.
    met: HashSet<ReportKey>,
    /// Documents without ids.
    others: BTreeMap<ReportKey, Gathered>,
    /// How many these are, and the name of the first.
    gathered: usize,
    /// More of them than a report may have.
    too_many: Option<String>,
}

/// Documents with ids of one report, whose heads and mails are the same.
struct OwnDocuments {
    report: Report,
    ids: Ids,
    received: Received,
    /// What each document says of its address. Databases change: two may disagree.
    hosts: HashMap<IpAddr, Option<Host>>,
    is_first: bool,
}

/// A report without ids.
struct Gathered {
    report: Report,
    hosts: HashMap<IpAddr, Host>,
}

impl<'l> Backlog<'l> {
    pub(super) fn new(limits: &'l Limits) -> Backlog<'l> {
        Backlog {
            limits,
            at: None,
            own: None,
            met: HashSet::new(),
            others: BTreeMap::new(),
            gathered: 0,
            too_many: None,
        }
    }

    /// Takes a document, whose period begins then by the walk's order.
    pub(super) fn add<E>(
        &mut self,
        begin: i64,
        hit: SearchHit,
        take: &mut impl FnMut(Found) -> Result<(), E>,
    ) -> Result<(), E> {
        let SearchHit { index, id, source, sort: [_, report, _] } = hit;
        if self.at.as_ref().is_none_or(|at| (at.0, &at.1) != (begin, &report)) {
            self.end(take)?;
            self.at = Some((begin, report));
        }
        let name = || format!("document {id} of {index}");
        match read::read(&id, source, self.limits.value_bytes) {
            Ok(single) if single.id.is_some() => self.add_own(begin, single, take),
            Ok(single) => {
                self.add_other(single, name);
                Ok(())
            }
            Err(error) => take(Found::Unusable { begin, name: name(), reason: error.to_string() }),
        }
    }

    fn add_own<E>(
        &mut self,
        begin: i64,
        single: Single,
        take: &mut impl FnMut(Found) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some((key, part)) = &single.id else { return Ok(()) };
        if let Some(open) = &mut self.own
            && open.ids.key == *key
            && open.takes(&single)
        {
            open.ids.parts.push(*part);
            open.hosts.extend(single.address.map(|address| (address, single.host)));
            open.report.append(single.report);
            return Ok(());
        }
        let next = OwnDocuments {
            is_first: self.met.insert(key.clone()),
            ids: Ids { key: key.clone(), parts: vec![*part] },
            hosts: single.address.map(|address| (address, single.host)).into_iter().collect(),
            report: single.report,
            received: single.received,
        };
        match self.own.replace(next) {
            Some(own) => take(Found::Portion { begin, portion: own.into() }),
            None => Ok(()),
        }
    }

    fn add_other(&mut self, single: Single, name: impl Fn() -> String) {
        self.gathered += 1;
        if self.gathered > self.limits.records {
            self.too_many.get_or_insert_with(name);
            self.others.clear();
            return;
        }
        let host = single.address.zip(single.host);
        let key = single.report.key();
        if let Some(other) = self.others.get_mut(&key) {
            other.report.append(single.report);
            other.hosts.extend(host);
        } else {
            let hosts = host.into_iter().collect();
            self.others.insert(key, Gathered { report: single.report, hosts });
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
        if let Some(own) = self.own.take() {
            take(Found::Portion { begin, portion: own.into() })?;
        }
        let others = mem::take(&mut self.others);
        if let Some(name) = self.too_many.take() {
            let reason = self.limits.too_many_records().to_string();
            return take(Found::Unusable { begin, name: format!("report with {name}"), reason });
        }
        for (_, Gathered { mut report, hosts }) in others {
            let repeated = report.without_repeats() as u64;
            if repeated > 0 {
                take(Found::Repeated(repeated))?;
            }
            let (ids, received) = (report.ids(), Received::default());
            let portion = Portion { report, ids, received, hosts, is_first: true };
            take(Found::Portion { begin, portion })?;
        }
        Ok(())
    }
}

impl OwnDocuments {
    /// True if there is room for this document, and nothing in it speaks against the others.
    fn takes(&self, single: &Single) -> bool {
        let known = single.address.and_then(|address| self.hosts.get(&address));
        self.ids.parts.len() < PORTION
            && known.is_none_or(|host| *host == single.host)
            && self.received == single.received
            && self.report.has_head_of(&single.report)
    }
}

impl From<OwnDocuments> for Portion {
    fn from(own: OwnDocuments) -> Portion {
        let OwnDocuments { report, ids, received, hosts, is_first } = own;
        let known = hosts.into_iter().filter_map(|(address, host)| Some((address, host?)));
        Portion { report, ids, received, hosts: known.collect(), is_first }
    }
}
