//! Lane: one index on the way to the store, with what is known of it and what waits for it.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use parking_lot::Mutex;
use serde_json::Value;

use super::{Shared, aside::Aside, index::Readiness, send::Waiting, start};
use crate::{report::Kind, stop::Reason};

/// One index.
pub(super) struct Lane {
    pub(super) kind: Kind,
    pub(super) index: String,
    /// What stands in front of an `_id`.
    pub(super) action: Vec<u8>,
    /// What waits while the index is in trouble.
    pub(super) aside: Aside,
    pub(super) readiness: Mutex<Readiness>,
    /// A thread sends again what waits aside.
    is_served: AtomicBool,
}

impl PartialEq for Lane {
    fn eq(&self, other: &Lane) -> bool {
        self.kind == other.kind && self.index == other.index
    }
}

/// All lanes there are so far, for each kind by the name of the index.
#[derive(Default)]
pub(super) struct Lanes([Mutex<BTreeMap<String, Arc<Lane>>>; 3]);

impl Lanes {
    pub(super) fn all(&self) -> Vec<Arc<Lane>> {
        self.0
            .iter()
            .flat_map(|of_kind| of_kind.lock().values().cloned().collect::<Vec<_>>())
            .collect()
    }
}

impl Shared {
    /// The lane to this index, which is new where nothing went there before.
    pub(super) fn lane(&self, kind: Kind, index: String) -> Arc<Lane> {
        let mut lanes = self.lanes.0[kind as usize].lock();
        if let Some(lane) = lanes.get(&index) {
            return Arc::clone(lane);
        }
        let nodes = self.config.nodes.join(", ");
        let backoff = self.backoff.of_part(format!("index {index} of {nodes}"));
        let room = self.config.bulk_bytes * super::BATCHES_ASIDE;
        let lane = Arc::new(Lane {
            kind,
            action: action(&index, self.config.target(kind).pipeline.as_deref()),
            aside: Aside::new(backoff, self.config.on_trouble, room),
            readiness: Mutex::default(),
            is_served: AtomicBool::new(false),
            index: index.clone(),
        });
        lanes.insert(index, Arc::clone(&lane));
        lane
    }

    /// Puts documents aside, since the index does not take them for this reason, or has not taken
    /// others.
    pub(super) fn put_aside(&self, lane: &Arc<Lane>, waiting: Waiting, reason: Option<&str>) {
        lane.aside.put(waiting, reason);
        if lane.is_served.swap(true, Ordering::AcqRel) {
            return;
        }
        let Some(shared) = self.myself.upgrade() else { return };
        let served = Arc::clone(lane);
        let serve = move |shared: &Shared| {
            served.aside.serve(shared.config.bulk_bytes, |waiting| shared.send(waiting));
        };
        match start(&shared, &format!("aside-{}", lane.index), serve) {
            Ok(thread) => self.asides.lock().push(thread),
            Err(error) => {
                let reason = format!("no room for another thread: {error}");
                self.backoff.stop().ask(Reason::StoreUnreachable(reason));
                self.end_if_asked();
            }
        }
    }
}

/// `{"create":{"_index":"…","pipeline":"…","_id":"`, ready for an id.
fn action(index: &str, pipeline: Option<&str>) -> Vec<u8> {
    let text = |text: &str| Value::from(text).to_string();
    let pipeline = pipeline.map(|name| format!(r#""pipeline":{},"#, text(name)));
    let pipeline = pipeline.unwrap_or_default();
    format!(r#"{{"create":{{"_index":{},{pipeline}"_id":""#, text(index)).into_bytes()
}
