//! Seen: which indices an import has written to, for its journal. Those by month are made while it
//! lasts, so that all of them together can't tell beforehand which store it is; afterwards each one
//! must still be there for the journal to hold.

use std::{collections::BTreeSet, mem};

use parking_lot::Mutex;
use serde_json::{Map, Value};

use super::{Shared, client::Unavailable};
use crate::report::Kind;

/// Names of indices, each with its UUID behind a space.
#[derive(Default)]
pub(super) struct NotedIndices(Mutex<(BTreeSet<String>, HasChanged)>);

type HasChanged = bool;

impl NotedIndices {
    fn add(&self, index: String) {
        let (all, has_changed) = &mut *self.0.lock();
        *has_changed |= all.insert(index);
    }

    /// For the journal, if there are more than when this was last asked.
    pub(super) fn news(&self) -> Option<String> {
        let (all, has_changed) = &mut *self.0.lock();
        mem::take(has_changed).then(|| all.iter().map(String::as_str).collect::<Vec<_>>().join(","))
    }
}

impl Shared {
    /// True if some indices are named by dates.
    pub(super) fn has_dated(&self) -> bool {
        Kind::ALL.into_iter().any(|kind| self.config.target(kind).index.is_dated())
    }

    /// Notes an index, to which documents go from now on. One of which nothing can be told is noted
    /// as one that is never found again.
    pub(super) fn note(&self, index: &str) -> Result<(), Unavailable> {
        if self.config.import.is_some() && self.has_dated() {
            let found = self.incarnations(index)?;
            let unknown = || format!("{index} ?");
            self.seen.add(found.into_iter().next().unwrap_or_else(unknown));
        }
        Ok(())
    }

    /// True if all that a journal has noted is still there. It is noted again.
    pub(super) fn has_seen(&self, noted: &str) -> bool {
        let names = Kind::ALL.map(|kind| self.config.target(kind).index.wildcard());
        let Ok(there) = self.incarnations(&names.join(",")) else { return false };
        let noted: BTreeSet<String> = noted.split(',').map(str::to_owned).collect();
        let is_there = noted.is_subset(&there);
        if is_there {
            self.seen.0.lock().0 = noted;
        }
        is_there
    }

    /// Indices with their UUIDs.
    pub(super) fn incarnations(&self, names: &str) -> Result<BTreeSet<String>, Unavailable> {
        let path =
            format!("/{names}/_settings?filter_path=*.settings.index.uuid&ignore_unavailable=true");
        let answer = self.client.get(&path)?;
        let found: Map<String, Value> = serde_json::from_slice(&answer.body).unwrap_or_default();
        let uuid = |(name, index): (&String, &Value)| {
            Some(format!("{name} {}", index["settings"]["index"]["uuid"].as_str()?))
        };
        Ok(found.iter().filter_map(uuid).collect())
    }
}
