//! The OpenSearch sink: documents of many mails in large `_bulk` requests, several under way, every
//! item judged.
//!
//! Parsers append the bytes of their documents to a [`Queue`]; sender threads take batches,
//! assemble the body and send it until each document is stored, already there or refused for good.
//! Only documents that may still succeed are sent again. Documents are written with `create` and an
//! id made from what identifies them, so a request whose answer was lost can be repeated.

mod answer;
mod aside;
pub(crate) mod certificates;
pub(crate) mod client;
pub mod config;
mod index;
mod index_name;
mod lane;
pub(crate) mod mapping;
mod pace;
mod prepare;
mod seen;
mod send;
pub(crate) mod template;
mod tuning;

use std::{
    io, mem,
    ops::Range,
    sync::{Arc, Weak, atomic::AtomicBool, atomic::Ordering},
    thread::JoinHandle,
    time::Instant,
};

use jiff::Timestamp;

use parking_lot::Mutex;
use serde_json::Value;

use self::{
    client::Client,
    config::{ImportTuning, OpenSearchConfig},
    lane::{Lane, Lanes},
    pace::Pace,
    seen::NotedIndices,
};
use super::{
    Identity, Sink,
    backoff::Backoff,
    lines::{self, Chunk},
    queue::Queue,
    worker,
};
use crate::{
    document::Documents,
    exit::{Exit, Failure},
    lookup::Databases,
    message::Contents,
    metrics::StoreMetrics,
    report::{Kind, Report, rfc3339},
    settle::{Acknowledgement, Pending, Ticket},
    stop::Stop,
};

/// Documents of one mail travel together up to this many bytes; those of a huge report are spread
/// over many batches.
const ITEM_BYTES: usize = 1 << 20;

/// So many batches may wait for an index in trouble.
const BATCHES_ASIDE: usize = 2;

/// The sink; see the module.
pub struct OpenSearchSink {
    shared: Arc<Shared>,
    databases: Option<Arc<Databases>>,
    senders: Mutex<Vec<JoinHandle<()>>>,
}

struct Shared {
    config: OpenSearchConfig,
    client: Client,
    queue: Queue<BulkPart>,
    backoff: Backoff,
    lanes: Lanes,
    /// They send again what waits aside, one for each index that was in trouble.
    asides: Mutex<Vec<JoinHandle<()>>>,
    /// For these threads.
    myself: Weak<Shared>,
    pace: Pace,
    /// When the store last answered.
    answered: Mutex<Option<Instant>>,
    /// Indices relaxed by this import, and what their refresh was before.
    relaxed: Mutex<Vec<(String, Value)>>,
    seen: NotedIndices,
    /// Templates and pipelines were looked at.
    prepared: AtomicBool,
    preparing: Mutex<()>,
    /// For each kind, whether our template is there, as far as we may look.
    templates_there: Mutex<[bool; 3]>,
}

/// Documents of one mail for one index, as lines of a `_bulk` body.
struct BulkPart {
    /// Nothing where the mail has no document.
    lane: Option<Arc<Lane>>,
    bytes: Vec<u8>,
    /// Where each document ends.
    ends: Vec<usize>,
    pending: Pending,
}

impl BulkPart {
    fn document(&self, n: usize) -> Range<usize> {
        let start = n.checked_sub(1).map_or(0, |before| self.ends[before]);
        start..self.ends[n]
    }
}

impl OpenSearchSink {
    /// Starts the sender threads. Nothing is sent before the first document.
    ///
    /// # Errors
    /// The CA file can't be used, or there is no room for a thread.
    pub fn start(
        config: OpenSearchConfig,
        databases: Option<Arc<Databases>>,
        stop: Arc<Stop>,
        metrics: StoreMetrics,
    ) -> Result<OpenSearchSink, Failure> {
        let client =
            Client::new(&config).map_err(|error| Failure::new(Exit::Configuration, error))?;
        let nodes = config.nodes.join(", ");
        let backoff = Backoff::new(nodes, config.patience, stop, metrics);
        let shared = Arc::new_cyclic(|myself| Shared {
            // Two batches wait while two are under way: senders never wait for parsers, and memory
            // stays small.
            queue: Queue::new(config.bulk_bytes, config.bulk_bytes * 2),
            lanes: Lanes::default(),
            asides: Mutex::default(),
            myself: Weak::clone(myself),
            backoff,
            pace: Pace::default(),
            answered: Mutex::default(),
            relaxed: Mutex::default(),
            seen: NotedIndices::default(),
            prepared: AtomicBool::new(false),
            preparing: Mutex::new(()),
            templates_there: Mutex::default(),
            client,
            config,
        });
        let senders = (0..shared.config.in_flight.max(1))
            .map(|n| start(&shared, &format!("bulk-{n}"), Shared::send_batches))
            .collect::<Result<_, _>>()?;
        Ok(OpenSearchSink { shared, databases, senders: Mutex::new(senders) })
    }
}

/// Starts a thread that does this job, and lets no other wait for it when it ends.
fn start(
    shared: &Arc<Shared>,
    name: &str,
    job: impl FnOnce(&Shared) + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let (doing, closing) = (Arc::clone(shared), Arc::clone(shared));
    let stop = Arc::clone(shared.backoff.stop());
    worker::start(name, stop, move || job(&doing), move || closing.end_if_asked())
}

impl Shared {
    /// Takes out the reports whose periods are still to come where indices are named by periods: a
    /// stranger could have indices made without end.
    fn refuse_ahead(&self, contents: &mut Contents) -> Acknowledgement {
        let now = Timestamp::now().as_second();
        let mut refused = Acknowledgement::default();
        contents.reports.retain(|report| {
            let begin = report.period().begin;
            let is_ahead = self.config.target(report.kind()).index.is_ahead(begin, now);
            if is_ahead {
                refused.refused += report.len() as u64;
                let begin = rfc3339(begin).unwrap_or_else(|| "a day beyond the calendar".into());
                refused.reason = Some(format!(
                    "its period begins in the future ({begin}), and the index is named after it"
                ));
            }
            !is_ahead
        });
        refused
    }

    /// If a thread ends because work is to end, no other may wait for it.
    fn end_if_asked(&self) {
        if self.backoff.stop().is_asked() {
            self.queue.abandon();
            self.lanes.all().iter().for_each(|lane| lane.aside.abandon());
        }
    }
}

impl Sink for OpenSearchSink {
    fn accept(&self, mut contents: Contents, ticket: &Ticket) {
        let shared = &self.shared;
        // Holds the mail while the queue is waited for, so that it can't count as complete between
        // two pushes.
        let whole = ticket.pending();
        let refused = shared.refuse_ahead(&mut contents);
        let lane = |report: &Report| {
            let index = &shared.config.target(report.kind()).index;
            shared.lane(report.kind(), index.at(report.period().begin))
        };
        if !contents.reports.iter().all(|report| lane(report).aside.admit()) {
            return;
        }
        let write = |lane: &Arc<Lane>, documents: &Documents, n, bytes: &mut Vec<u8>| {
            bytes.extend_from_slice(&lane.action);
            documents.write_id(n, bytes);
            bytes.extend_from_slice(b"\"}}\n");
            documents.write_source(n, bytes);
            bytes.push(b'\n');
        };
        let push = |Chunk { place: lane, bytes, ends }: Chunk<Arc<Lane>>| {
            shared
                .queue
                .push(bytes.len(), BulkPart { lane, bytes, ends, pending: ticket.pending() })
        };
        let chunk_bytes = ITEM_BYTES.min(shared.config.bulk_bytes);
        let databases = self.databases.as_deref();
        if lines::chunks(&contents, databases, chunk_bytes, lane, write, push).is_ok() {
            whole.acknowledge(refused);
        }
    }

    fn flush(&self) {
        self.shared.queue.flush();
    }

    fn identity(&self) -> Option<Identity> {
        let shared = &self.shared;
        shared.prepare().ok()?;
        let indices = Kind::ALL.map(|kind| shared.config.target(kind).index.to_string()).join(",");
        let name = format!("{} {indices}", shared.config.nodes.join(","));
        if shared.has_dated() {
            // Which store it is tell the indices that were written to; see `progress`.
            return Some(Identity { name, incarnation: "of indices by date".into() });
        }
        let found: Vec<String> = shared.incarnations(&indices).ok()?.into_iter().collect();
        (!found.is_empty()).then(|| Identity { name, incarnation: found.join(" ") })
    }

    fn progress(&self) -> Option<String> {
        self.shared.seen.news()
    }

    fn has_come_to(&self, progress: Option<&str>) -> bool {
        progress.is_none_or(|noted| self.shared.has_seen(noted))
    }

    fn queued_bytes(&self) -> usize {
        let lanes = self.shared.lanes.all();
        self.shared.queue.weight() + lanes.iter().map(|lane| lane.aside.weight()).sum::<usize>()
    }

    fn has_room_again(&self) -> bool {
        // All are asked, since each says it once.
        let lanes = self.shared.lanes.all();
        lanes.iter().filter(|lane| lane.aside.has_room_again()).count() > 0
    }

    fn finish(&self) {
        self.shared.queue.close();
        join(&self.senders);
        // Only now, since senders put aside what is not taken.
        self.shared.lanes.all().iter().for_each(|lane| lane.aside.close());
        join(&self.shared.asides);
        if self.shared.config.import == Some(ImportTuning { tune: true })
            && self.shared.prepared.load(Ordering::Acquire)
        {
            self.shared.restore_refresh();
        }
    }
}

fn join(threads: &Mutex<Vec<JoinHandle<()>>>) {
    for thread in mem::take(&mut *threads.lock()) {
        // Panics are caught; what a thread held is then dropped unanswered.
        let _ = thread.join();
    }
}
