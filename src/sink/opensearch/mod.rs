//! The OpenSearch sink: documents of many mails in large `_bulk` requests, several under way, every item judged.
//!
//! Parsers append the bytes of their documents to a [`Queue`]; sender threads take batches, assemble the body and
//! send it until each document is stored, already there or refused for good. Only documents that may still succeed
//! are sent again. Documents are written with `create` and an id made from what identifies them, so a request whose answer
//! was lost can be repeated.

mod answer;
mod client;
pub mod config;
mod prepare;
mod send;
mod template;
mod tuning;

use std::{
    collections::BTreeMap,
    mem,
    ops::Range,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool, atomic::AtomicU64, atomic::Ordering},
    thread::{self, JoinHandle},
};

use serde_json::Value;

use self::{
    client::{CaFileError, Client},
    config::{Config, Import, Target},
};
use super::{Identity, Sink, outage::Outage, queue::Queue};
use crate::{
    document::Documents,
    message::Contents,
    metrics::StoreMetrics,
    report::Kind,
    settle::{Acknowledgement, Delivery, Pending},
    stop::Stop,
};

/// Documents of one mail travel together up to this many bytes; those of a huge report are spread over many batches.
const ITEM_BYTES: usize = 1 << 20;

/// Why the sink can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The CA file can't be used.
    #[error(transparent)]
    CaFile(#[from] CaFileError),
    /// No thread could be started.
    #[error("can't start a thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// The sink; see the module.
pub struct OpenSearchSink {
    shared: Arc<Shared>,
    senders: Mutex<Vec<JoinHandle<()>>>,
}

struct Shared {
    config: Config,
    client: Client,
    queue: Queue<Item>,
    outage: Outage,
    /// Documents judged finally so far: proof that the store works, whatever becomes of single documents.
    judged: AtomicU64,
    /// Templates and pipelines were looked at.
    prepared: AtomicBool,
    preparing: Mutex<()>,
    /// What stands in front of an `_id`, for each kind.
    dmarc_action: Vec<u8>,
    tlsrpt_action: Vec<u8>,
    failures_action: Vec<u8>,
}

/// Documents of one mail, as lines of a `_bulk` body.
struct Item {
    bytes: Vec<u8>,
    /// Where each document ends.
    ends: Vec<usize>,
    pending: Pending,
}

impl Item {
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
    pub fn start(config: Config, stop: Arc<Stop>, metrics: StoreMetrics) -> Result<OpenSearchSink, StartError> {
        let client = Client::new(&config)?;
        let shared = Arc::new(Shared {
            // Two batches wait while two are under way: senders never wait for parsers, and memory stays small.
            queue: Queue::new(config.bulk_bytes, config.bulk_bytes * 2),
            outage: Outage::new(config.nodes.join(", "), config.patience, stop, metrics),
            judged: AtomicU64::new(0),
            prepared: AtomicBool::new(false),
            preparing: Mutex::new(()),
            dmarc_action: action(&config.dmarc),
            tlsrpt_action: action(&config.tlsrpt),
            failures_action: action(&config.failures),
            client,
            config,
        });
        let sender = |n| {
            let shared = Arc::clone(&shared);
            let thread = thread::Builder::new().name(format!("bulk-{n}"));
            thread.spawn(move || shared.send_batches())
        };
        let senders = (0..shared.config.in_flight.max(1)).map(sender).collect::<Result<_, _>>()?;
        Ok(OpenSearchSink { shared, senders: Mutex::new(senders) })
    }
}

impl Sink for OpenSearchSink {
    fn accept(&self, contents: Contents, delivery: &Delivery) {
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        let item_bytes = ITEM_BYTES.min(self.shared.config.bulk_bytes);
        let push = |mut bytes: Vec<u8>, mut ends: Vec<usize>| {
            // What growing left over would not be counted by the queue.
            bytes.shrink_to_fit();
            ends.shrink_to_fit();
            self.shared.queue.push(bytes.len(), Item { bytes, ends, pending: delivery.pending() });
        };
        // Holds the mail while the queue is waited for, so that it can't count as complete between two pushes.
        let whole = delivery.pending();
        for report in &contents.reports {
            let documents = Documents::new(report, &contents.received);
            let action = match documents.kind() {
                Kind::Dmarc => &self.shared.dmarc_action,
                Kind::Tls => &self.shared.tlsrpt_action,
                Kind::Failure => &self.shared.failures_action,
            };
            for n in 0..documents.len() {
                bytes.extend_from_slice(action);
                documents.write_id(n, &mut bytes);
                bytes.extend_from_slice(b"\"}}\n");
                documents.write_source(n, &mut bytes);
                bytes.push(b'\n');
                ends.push(bytes.len());
                if bytes.len() >= item_bytes {
                    push(mem::take(&mut bytes), mem::take(&mut ends));
                }
            }
        }
        // A mail without documents travels too: nothing is settled while the store is away.
        push(bytes, ends);
        whole.acknowledge(Acknowledgement::default());
    }

    fn hurry(&self) {
        self.shared.queue.hurry();
    }

    fn identity(&self) -> Option<Identity> {
        let shared = &self.shared;
        let indices =
            [Kind::Dmarc, Kind::Tls, Kind::Failure].map(|kind| shared.config.target(kind).index.as_str()).join(",");
        if !shared.prepare() {
            return None;
        }
        let path = format!("/{indices}/_settings?filter_path=*.settings.index.uuid&ignore_unavailable=true");
        let answer = shared.client.get(&path).ok().filter(|answer| answer.status == 200)?;
        let found: BTreeMap<String, Value> = serde_json::from_slice(&answer.body).ok()?;
        let incarnation = found.iter().map(|(name, index)| format!("{name} {}", index["settings"]["index"]["uuid"]));
        let incarnation = incarnation.collect::<Vec<_>>().join(" ");
        let name = format!("{} {indices}", shared.config.nodes.join(","));
        (!found.is_empty()).then_some(Identity { name, incarnation })
    }

    fn queued_bytes(&self) -> usize {
        self.shared.queue.weight()
    }

    fn finish(&self) {
        self.shared.queue.close();
        let senders = mem::take(&mut *self.senders.lock().unwrap_or_else(PoisonError::into_inner));
        for sender in senders {
            // A sender that panicked has dropped its mails unanswered: they stay where they are.
            let _ = sender.join();
        }
        if self.shared.config.import == Some(Import { tune: true }) && self.shared.prepared.load(Ordering::Acquire) {
            self.shared.restore_refresh();
        }
    }
}

/// `{"create":{"_index":"…","pipeline":"…","_id":"`, ready for an id.
fn action(target: &Target) -> Vec<u8> {
    let text = |text: &str| Value::from(text).to_string();
    let pipeline = target.pipeline.as_deref().map(|name| format!(r#""pipeline":{},"#, text(name))).unwrap_or_default();
    format!(r#"{{"create":{{"_index":{},{pipeline}"_id":""#, text(&target.index)).into_bytes()
}
