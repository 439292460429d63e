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
mod mapping;
mod pace;
mod prepare;
mod send;
pub(crate) mod template;
mod tuning;

use std::{
    collections::BTreeMap,
    io, mem,
    ops::Range,
    sync::{Arc, atomic::AtomicBool, atomic::Ordering},
    thread::JoinHandle,
    time::Instant,
};

use parking_lot::Mutex;
use serde_json::Value;

use self::{
    aside::Aside,
    client::Client,
    config::{ImportTuning, OpenSearchConfig, Target},
    index::Readiness,
    pace::Pace,
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
    message::Contents,
    metrics::StoreMetrics,
    report::Kind,
    settle::{Acknowledgement, Pending, Ticket},
    stop::Stop,
};

/// Documents of one mail travel together up to this many bytes; those of a huge report are spread
/// over many batches.
const ITEM_BYTES: usize = 1 << 20;

/// So many batches may wait for an index in trouble.
const BATCHES_ASIDE: usize = 2;

/// All kinds of documents, in the order of their numbers.
pub(crate) const KINDS: [Kind; 3] = [Kind::Dmarc, Kind::Tls, Kind::Failure];

/// The sink; see the module.
pub struct OpenSearchSink {
    shared: Arc<Shared>,
    senders: Mutex<Vec<JoinHandle<()>>>,
    /// They send again what waits aside, one for each kind.
    asides: Mutex<Vec<JoinHandle<()>>>,
}

struct Shared {
    config: OpenSearchConfig,
    client: Client,
    queue: Queue<BulkPart>,
    backoff: Backoff,
    /// Where documents wait whose index is in trouble, for each kind.
    asides: [Aside; 3],
    pace: Pace,
    /// When the store last answered.
    answered: Mutex<Option<Instant>>,
    /// Indices relaxed by this import, and what their refresh was before.
    relaxed: Mutex<Vec<(String, Value)>>,
    /// Templates and pipelines were looked at.
    prepared: AtomicBool,
    preparing: Mutex<()>,
    /// For each kind, whether our template is there, as far as we may look.
    templates_there: Mutex<[bool; 3]>,
    /// What is known of the index of each kind.
    readiness: [Mutex<Readiness>; 3],
    /// What stands in front of an `_id`, for each kind.
    dmarc_action: Vec<u8>,
    tlsrpt_action: Vec<u8>,
    failures_action: Vec<u8>,
}

/// Documents of one mail and kind, as lines of a `_bulk` body.
struct BulkPart {
    /// Nothing where the mail has no document.
    kind: Option<Kind>,
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
        stop: Arc<Stop>,
        metrics: StoreMetrics,
    ) -> Result<OpenSearchSink, Failure> {
        let client =
            Client::new(&config).map_err(|error| Failure::new(Exit::Configuration, error))?;
        let nodes = config.nodes.join(", ");
        let backoff = Backoff::new(nodes.clone(), config.patience, stop, metrics);
        let aside = |kind| {
            let backoff =
                backoff.of_part(format!("index {} of {nodes}", config.target(kind).index));
            Aside::new(backoff, config.on_trouble, config.bulk_bytes * BATCHES_ASIDE)
        };
        let shared = Arc::new(Shared {
            // Two batches wait while two are under way: senders never wait for parsers, and memory
            // stays small.
            queue: Queue::new(config.bulk_bytes, config.bulk_bytes * 2),
            asides: KINDS.map(aside),
            backoff,
            pace: Pace::default(),
            answered: Mutex::default(),
            relaxed: Mutex::default(),
            prepared: AtomicBool::new(false),
            preparing: Mutex::new(()),
            templates_there: Mutex::default(),
            readiness: Default::default(),
            dmarc_action: action(&config.dmarc),
            tlsrpt_action: action(&config.tlsrpt),
            failures_action: action(&config.failures),
            client,
            config,
        });
        let senders = (0..shared.config.in_flight.max(1))
            .map(|n| start(&shared, &format!("bulk-{n}"), Shared::send_batches))
            .collect::<Result<_, _>>()?;
        let serve = |kind| move |shared: &Shared| shared.serve_aside(kind);
        let asides = KINDS
            .into_iter()
            .map(|kind| start(&shared, &format!("aside-{}", kind as usize), serve(kind)))
            .collect::<Result<_, _>>()?;
        Ok(OpenSearchSink { shared, senders: Mutex::new(senders), asides: Mutex::new(asides) })
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
    fn aside(&self, kind: Kind) -> &Aside {
        &self.asides[kind as usize]
    }

    /// What the thread of each [`Aside`] does.
    fn serve_aside(&self, kind: Kind) {
        self.aside(kind).serve(self.config.bulk_bytes, |waiting| self.send(waiting));
    }

    /// If a thread ends because work is to end, no other may wait for it.
    fn end_if_asked(&self) {
        if self.backoff.stop().is_asked() {
            self.queue.abandon();
            self.asides.iter().for_each(Aside::abandon);
        }
    }
}

impl Sink for OpenSearchSink {
    fn accept(&self, contents: Contents, ticket: &Ticket) {
        let shared = &self.shared;
        // Holds the mail while the queue is waited for, so that it can't count as complete between
        // two pushes.
        let whole = ticket.pending();
        let mut kinds = [false; 3];
        contents.reports.iter().for_each(|report| kinds[report.kind() as usize] = true);
        if !KINDS.into_iter().all(|kind| !kinds[kind as usize] || shared.aside(kind).admit()) {
            return;
        }
        let write = |documents: &Documents, n, bytes: &mut Vec<u8>| {
            bytes.extend_from_slice(match documents.kind() {
                Kind::Dmarc => &shared.dmarc_action,
                Kind::Tls => &shared.tlsrpt_action,
                Kind::Failure => &shared.failures_action,
            });
            documents.write_id(n, bytes);
            bytes.extend_from_slice(b"\"}}\n");
            documents.write_source(n, bytes);
            bytes.push(b'\n');
        };
        let push = |Chunk { kind, bytes, ends }: Chunk| {
            shared
                .queue
                .push(bytes.len(), BulkPart { kind, bytes, ends, pending: ticket.pending() })
        };
        if lines::chunks(&contents, ITEM_BYTES.min(shared.config.bulk_bytes), write, push).is_ok() {
            whole.acknowledge(Acknowledgement::default());
        }
    }

    fn flush(&self) {
        self.shared.queue.flush();
    }

    fn identity(&self) -> Option<Identity> {
        let shared = &self.shared;
        let indices = KINDS.map(|kind| shared.config.target(kind).index.as_str()).join(",");
        if shared.prepare().is_err() {
            return None;
        }
        let path = format!(
            "/{indices}/_settings?filter_path=*.settings.index.uuid&ignore_unavailable=true"
        );
        let answer = shared.client.get(&path).ok().filter(|answer| answer.status == 200)?;
        let found: BTreeMap<String, Value> = serde_json::from_slice(&answer.body).ok()?;
        let incarnation = found
            .iter()
            .map(|(name, index)| format!("{name} {}", index["settings"]["index"]["uuid"]));
        let incarnation = incarnation.collect::<Vec<_>>().join(" ");
        let name = format!("{} {indices}", shared.config.nodes.join(","));
        (!found.is_empty()).then_some(Identity { name, incarnation })
    }

    fn queued_bytes(&self) -> usize {
        self.shared.queue.weight() + self.shared.asides.iter().map(Aside::weight).sum::<usize>()
    }

    fn has_room_again(&self) -> bool {
        // All are asked, since each says it once.
        self.shared.asides.iter().filter(|aside| aside.has_room_again()).count() > 0
    }

    fn finish(&self) {
        self.shared.queue.close();
        join(&self.senders);
        // Only now, since senders put aside what is not taken.
        self.shared.asides.iter().for_each(Aside::close);
        join(&self.asides);
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

/// `{"create":{"_index":"…","pipeline":"…","_id":"`, ready for an id.
fn action(target: &Target) -> Vec<u8> {
    let text = |text: &str| Value::from(text).to_string();
    let pipeline = target
        .pipeline
        .as_deref()
        .map(|name| format!(r#""pipeline":{},"#, text(name)))
        .unwrap_or_default();
    format!(r#"{{"create":{{"_index":{},{pipeline}"_id":""#, text(&target.index)).into_bytes()
}
