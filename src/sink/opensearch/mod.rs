//! The OpenSearch sink: documents of many mails in large `_bulk` requests, several under way, every item judged.
//!
//! Parsers append the bytes of their documents to a [`Queue`]; sender threads take batches, assemble the body and
//! send it until each document is stored, already there or refused for good. Only documents that may still succeed
//! are sent again. Documents are written with `create` and an id made from what identifies them, so a request whose answer
//! was lost can be repeated.

mod answer;
mod client;
pub mod config;
mod template;
mod tuning;

use std::{
    collections::BTreeMap,
    fmt, mem,
    ops::Range,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool, atomic::AtomicU64, atomic::Ordering},
    thread::{self, JoinHandle},
    time::Instant,
};

use serde_json::Value;
use tracing::{debug, info, warn};
use ureq::http::Method;

use self::{
    answer::{Outcome, Verdict},
    client::{CaFileError, Client},
    config::{Config, Import, Target},
};
use super::{Identity, Sink, outage::Outage, queue::Queue};
use crate::{
    document::Documents,
    message::Contents,
    metrics::{RequestResult, StoreMetrics},
    report::Kind,
    settle::{Acknowledgement, Delivery, Pending},
    stop::Stop,
};

/// Documents of one mail travel together up to this many bytes; those of a huge report are spread over many batches.
const ITEM_BYTES: usize = 1 << 20;

/// So many times documents are sent that the store does not take although it takes others.
const FUTILE_ATTEMPTS: u32 = 8;

/// The parts of the answer that are looked at; the others would be many times as long.
const BULK_PATH: &str = "/_bulk?filter_path=items.create.status,items.create.error";

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

/// What came of one request.
enum Attempt {
    /// One verdict a document.
    Judged(Vec<Verdict>),
    /// To be sent in two halves, after a pause if there is a reason for one.
    InHalves(Option<String>),
    /// Nothing is known to be stored.
    Failed(String),
}

/// Why documents have to be sent again.
enum Trouble {
    /// The store can't take anything now.
    Store(String),
    /// It can't take these documents; maybe others.
    Documents(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let (Trouble::Store(reason) | Trouble::Documents(reason)) = self;
        f.write_str(reason)
    }
}

/// Documents of a batch that the store has not judged finally: the item and the document's number in it.
type Remaining = Vec<(usize, usize)>;

impl Shared {
    fn send_batches(&self) {
        while let Some(items) = self.queue.take() {
            if self.outage.stop().is_asked() || !self.prepare() {
                drop(items);
                self.queue.abandon();
                return;
            }
            self.send(items);
        }
    }

    /// Sends one batch until every document is judged, or work is to end.
    fn send(&self, items: Vec<Item>) {
        let mut remaining: Remaining = Vec::new();
        for (n, item) in items.iter().enumerate() {
            remaining.extend((0..item.ends.len()).map(|document| (n, document)));
        }
        let mut batch = Batch {
            answers: items.iter().map(|item| (item.ends.len(), Acknowledgement::default())).collect(),
            items: items.into_iter().map(Some).collect(),
        };
        if self.send_part(&mut batch, remaining) {
            for (item, (open, answer)) in batch.items.into_iter().zip(batch.answers) {
                match item {
                    // A mail without documents.
                    Some(item) if open == 0 => item.pending.acknowledge(answer),
                    _ => {}
                }
            }
        }
    }

    /// False if work is to end before every document could be judged. Documents that the store does not take while it
    /// takes others are given up, which leaves their mails where they are.
    fn send_part(&self, batch: &mut Batch, mut remaining: Remaining) -> bool {
        let judged_before = self.judged.load(Ordering::Relaxed);
        let mut futile = 0;
        while !remaining.is_empty() {
            let trouble = match self.attempt(batch, &remaining) {
                Attempt::Judged(verdicts) => batch.take_in(&mut remaining, verdicts),
                Attempt::InHalves(pause) => {
                    let reason = pause.as_deref().unwrap_or("too large for the node");
                    debug!(documents = remaining.len(), "to be sent again, in halves: {reason}");
                    if pause.is_some_and(|reason| self.outage.pause(&reason)) {
                        return false;
                    }
                    let half = remaining.split_off(remaining.len() / 2);
                    return self.send_part(batch, remaining) && self.send_part(batch, half);
                }
                Attempt::Failed(reason) => Some(Trouble::Store(reason)),
            };
            let Some(trouble) = trouble else { return true };
            debug!(documents = remaining.len(), "to be sent again: {trouble}");
            if let Trouble::Documents(reason) = &trouble {
                futile += 1;
                if futile >= FUTILE_ATTEMPTS && self.judged.load(Ordering::Relaxed) > judged_before {
                    // The store takes others: these must not hold up what comes after them.
                    warn!(documents = remaining.len(), "not taken by the store, mails stay where they are: {reason}");
                    return true;
                }
            }
            if self.outage.pause(&trouble) {
                return false;
            }
        }
        true
    }

    /// Sends one request.
    fn attempt(&self, batch: &Batch, documents: &Remaining) -> Attempt {
        let body = batch.body(documents);
        let started = Instant::now();
        let answer = self.client.request(&Method::POST, BULK_PATH, "application/x-ndjson", &body);
        drop(body);
        let lasted = started.elapsed();
        let outcome = match &answer {
            Ok(answer) => answer::judge(answer, documents.len()),
            Err(error) => Outcome::TryAgain(error.to_string()),
        };
        let is_final = |verdict: &Verdict| !matches!(verdict, Verdict::TryAgain(_) | Verdict::Busy(_));
        let (result, attempt) = match outcome {
            Outcome::Judged(verdicts) => {
                let judged = verdicts.iter().filter(|verdict| is_final(verdict)).count();
                if judged > 0 {
                    self.judged.fetch_add(judged as u64, Ordering::Relaxed);
                    self.outage.over();
                }
                let all = judged == documents.len();
                (if all { RequestResult::ok } else { RequestResult::partial }, Attempt::Judged(verdicts))
            }
            Outcome::TooLarge if documents.len() > 1 => (RequestResult::failed, Attempt::InHalves(None)),
            Outcome::TooLarge => {
                let verdict = Verdict::Refused("larger than the node takes (http.max_content_length)".into());
                (RequestResult::failed, Attempt::Judged(vec![verdict]))
            }
            // A body that alone is more than the node's indexing pressure allows would be refused for ever.
            Outcome::Busy(reason) if documents.len() > 1 => (RequestResult::failed, Attempt::InHalves(Some(reason))),
            Outcome::Busy(reason) | Outcome::TryAgain(reason) => (RequestResult::failed, Attempt::Failed(reason)),
        };
        self.outage.metrics().request(result, lasted);
        attempt
    }

    /// Looks at templates and pipelines before the first batch; false if work is to end before that was possible.
    fn prepare(&self) -> bool {
        let _one_at_a_time = self.preparing.lock().unwrap_or_else(PoisonError::into_inner);
        while !self.prepared.load(Ordering::Acquire) {
            let all = [Kind::Dmarc, Kind::Tls, Kind::Failure].into_iter().try_for_each(|kind| self.prepare_kind(kind));
            match all {
                Ok(()) => self.prepared.store(true, Ordering::Release),
                Err(reason) if self.outage.pause(&reason) => return false,
                Err(_) => {}
            }
        }
        true
    }

    /// Installs the template of a kind where it is due, and sees that its pipeline exists: with a pipeline missing, each
    /// document would be refused with a status that speaks of the document.
    fn prepare_kind(&self, kind: Kind) -> Result<(), String> {
        let Target { index, pipeline } = self.config.target(kind);
        if let Some(pipeline) = pipeline {
            let answer = self.client.get(&format!("/_ingest/pipeline/{pipeline}"))?;
            if answer.status == 404 {
                return Err(format!("there is no ingest pipeline {pipeline}"));
            }
        }
        let path = format!("/_index_template/{}", template::name(index));
        let answer = self.client.get(&path)?;
        let present = match answer.status {
            404 => None,
            200 => {
                let body: Value = serde_json::from_slice(&answer.body)
                    .map_err(|error| format!("not an index template ({error}): {}", answer.summary()))?;
                body["index_templates"].get(0).map(|found| found["index_template"].clone())
            }
            // Not allowed to see it: the administrator has it in hand.
            _ => {
                warn!(%index, "can't look at the index template: {}", answer.summary());
                return Ok(());
            }
        };
        match template::decide(present.as_ref()) {
            template::Decision::Keep => {}
            template::Decision::KeepChanged => info!(%index, "index template was changed by hand, left as it is"),
            template::Decision::Install => {
                let answer = self.client.put(&path, &template::template(kind, index))?;
                match answer.status {
                    200 => info!(%index, "index template installed"),
                    // A proxy; OpenSearch never says so.
                    404 => return Err(answer.summary()),
                    _ => warn!(%index, "index template not installed: {}", answer.summary()),
                }
            }
        }
        match self.config.import {
            Some(Import { tune }) => {
                tuning::create(&self.client, index)?;
                if tune { tuning::relax(&self.client, index) } else { tuning::restore(&self.client, index) }
            }
            None => tuning::restore(&self.client, index),
        }
    }

    /// At the end of an import. Where that fails, the next run does it.
    fn restore_refresh(&self) {
        for kind in [Kind::Dmarc, Kind::Tls, Kind::Failure] {
            let index = &self.config.target(kind).index;
            if let Err(error) = tuning::restore(&self.client, index) {
                warn!(%index, "the index's refresh stays relaxed until the next run: {error}");
            }
        }
    }
}

/// A batch under way. Items leave it as soon as their last document is judged.
struct Batch {
    items: Vec<Option<Item>>,
    /// For each item: documents not judged yet, and what was said of the others.
    answers: Vec<(usize, Acknowledgement)>,
}

impl Batch {
    /// The body of a request for these documents.
    fn body(&self, documents: &Remaining) -> Vec<u8> {
        let lines = || {
            documents.iter().filter_map(|(item, document)| {
                self.items[*item].as_ref().map(|item| &item.bytes[item.document(*document)])
            })
        };
        let mut body = Vec::with_capacity(lines().map(<[u8]>::len).sum());
        lines().for_each(|line| body.extend_from_slice(line));
        body
    }

    /// Takes in one verdict a document; leaves in `remaining` those that are to be sent again, and says why.
    fn take_in(&mut self, remaining: &mut Remaining, verdicts: Vec<Verdict>) -> Option<Trouble> {
        let mut trouble = None;
        for ((item, document), verdict) in mem::take(remaining).into_iter().zip(verdicts) {
            let (open, answer) = &mut self.answers[item];
            match verdict {
                Verdict::Created => answer.created += 1,
                Verdict::Duplicate => answer.duplicates += 1,
                Verdict::Refused(reason) => {
                    answer.refused += 1;
                    answer.reason.get_or_insert(reason);
                }
                Verdict::TryAgain(reason) => {
                    trouble.get_or_insert(Trouble::Documents(reason));
                    remaining.push((item, document));
                    continue;
                }
                Verdict::Busy(reason) => {
                    trouble.get_or_insert(Trouble::Store(reason));
                    remaining.push((item, document));
                    continue;
                }
            }
            *open -= 1;
            if *open == 0
                && let Some(item) = self.items[item].take()
            {
                item.pending.acknowledge(mem::take(answer));
            }
        }
        trouble
    }
}
