//! Sending: batches on their way to the cluster, until each document is judged.

use std::{fmt, mem, sync::atomic::Ordering, time::Instant};

use tracing::{debug, warn};
use ureq::http::Method;

use super::{
    Item, Shared,
    answer::{self, Outcome, Verdict},
};
use crate::{metrics::RequestResult, settle::Acknowledgement};

/// So many times documents are sent that the store does not take although it takes others.
const FUTILE_ATTEMPTS: u32 = 8;

/// The parts of the answer that are looked at; the others would be many times as long.
const BULK_PATH: &str = "/_bulk?filter_path=items.create.status,items.create.error";

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
    /// What each sender thread does.
    pub(super) fn send_batches(&self) {
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
