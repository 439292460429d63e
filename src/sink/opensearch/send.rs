//! Sending: batches on their way to the cluster, until each document is judged or put aside.

use std::{
    mem,
    time::{Duration, Instant},
};

use tracing::debug;
use ureq::http::Method;

use super::{
    BulkPart, KINDS, Shared,
    answer::{self, Judgement, Verdict},
    index::NotReady,
};
use crate::{metrics::RequestResult, settle::Acknowledgement, stop::Stopped};

/// The parts of the answer that are looked at; the others would be many times as long.
const BULK_PATH: &str = "/_bulk?filter_path=items.create.status,items.create.error";

/// A store that answered so recently is there: no need to ask for the sake of mails without
/// documents.
const FRESH: Duration = Duration::from_secs(1);

/// What came of one request.
enum Attempt {
    /// One verdict a document.
    Judged(Vec<Verdict>),
    /// To be sent in smaller parts, after a pause if there is a reason for one.
    Smaller(Option<String>),
    /// Nothing is known to be stored.
    Failed(String),
}

/// Places of a batch: the item and the document's number in it.
type Places = Vec<(usize, usize)>;

/// Places of one mail that the store has not judged finally.
pub(super) struct Waiting {
    pub(super) item: BulkPart,
    /// Their numbers in the item.
    open: Vec<usize>,
    /// What was said of the others.
    answer: Acknowledgement,
    /// How often they were sent and not taken although their index took others.
    pub(super) odd: u32,
    /// How many documents the index had judged when these were sent, or put aside.
    pub(super) judged: u64,
}

impl Waiting {
    /// None of it was sent yet.
    pub(super) fn new(item: BulkPart, judged: u64) -> Waiting {
        let open = (0..item.ends.len()).collect();
        Waiting { item, open, answer: Acknowledgement::default(), odd: 0, judged }
    }
}

impl Shared {
    /// What each sender thread does.
    pub(super) fn send_batches(&self) {
        while let Some(items) = self.queue.take() {
            if self.backoff.stop().check().and_then(|()| self.prepare()).is_err() {
                return;
            }
            let judged = KINDS.map(|kind| self.aside(kind).judged());
            let mut batch = Vec::with_capacity(items.len());
            for item in items {
                let judged = item.kind.map_or(0, |kind| judged[kind as usize]);
                let waiting = Waiting::new(item, judged);
                match waiting.item.kind {
                    Some(kind) if self.aside(kind).is_in_trouble() => {
                        self.aside(kind).put(waiting, None);
                    }
                    _ => batch.push(waiting),
                }
            }
            self.send(batch);
        }
    }

    /// Puts aside what has no index that could take it.
    fn with_index(&self, batch: Vec<Waiting>) -> Result<Vec<Waiting>, Stopped> {
        let mut missing = [const { None }; 3];
        for kind in KINDS {
            let has_some = batch.iter().any(|waiting| waiting.item.kind == Some(kind));
            while has_some && missing[kind as usize].is_none() {
                match self.make_ready(kind) {
                    Ok(()) => break,
                    Err(NotReady::Away(reason)) => self.backoff.pause(&reason)?,
                    Err(NotReady::Index(reason)) => missing[kind as usize] = Some(reason),
                }
            }
        }
        let mut ready = Vec::with_capacity(batch.len());
        for waiting in batch {
            let missing = waiting.item.kind.map(|kind| (kind, missing[kind as usize].as_deref()));
            match missing {
                Some((kind, reason @ Some(_))) => self.aside(kind).put(waiting, reason),
                _ => ready.push(waiting),
            }
        }
        Ok(ready)
    }

    /// Sends one batch until every document is judged or put aside, or work is to end.
    pub(super) fn send(&self, batch: Vec<Waiting>) {
        let Ok(mut batch) = self.with_index(batch) else { return };
        let mut documents: Places = Vec::new();
        for (n, waiting) in batch.iter().enumerate() {
            documents.extend(waiting.open.iter().map(|document| (n, *document)));
        }
        let mut batch = Batch {
            undecided: batch.iter_mut().map(|waiting| mem::take(&mut waiting.open).len()).collect(),
            items: batch.into_iter().map(Some).collect(),
            refused_by: [const { None }; 3],
        };
        if self.send_documents(&mut batch, documents).is_err() {
            return;
        }
        for waiting in batch.items.into_iter().flatten() {
            match waiting.item.kind {
                Some(kind) => {
                    self.aside(kind).put(waiting, batch.refused_by[kind as usize].as_deref());
                }
                None if self.wait_until_there().is_ok() => {
                    waiting.item.pending.acknowledge(waiting.answer);
                }
                None => {}
            }
        }
    }

    /// Sends documents until the store has said something of every one.
    fn send_documents(&self, batch: &mut Batch, mut documents: Places) -> Result<(), Stopped> {
        while !documents.is_empty() {
            let rest = documents.split_off(batch.fitting(&documents, self.pace.bytes()));
            let part = mem::replace(&mut documents, rest);
            let body = batch.body(&part);
            let (bytes, sent) = (body.len(), part.len());
            let trouble = match self.attempt(&body, sent) {
                Attempt::Judged(verdicts) => {
                    let before = documents.len();
                    let trouble = self.take_in(batch, part, verdicts, &mut documents);
                    if documents.len() == before {
                        self.pace.taken(bytes);
                    }
                    trouble
                }
                Attempt::Smaller(trouble) => {
                    documents.extend(part);
                    trouble
                }
                Attempt::Failed(trouble) => {
                    documents.extend(part);
                    Some(trouble)
                }
            };
            if let Some(reason) = trouble {
                debug!(documents = documents.len(), "to be sent again: {reason}");
                self.backoff.pause(&reason)?;
            }
        }
        Ok(())
    }

    /// Sends one request with so many documents.
    fn attempt(&self, body: &[u8], documents: usize) -> Attempt {
        let started = Instant::now();
        let answer = self.client.request(&Method::POST, BULK_PATH, "application/x-ndjson", body);
        let lasted = started.elapsed();
        let outcome = match &answer {
            Ok(answer) => answer::judge(answer, documents),
            Err(error) => Judgement::TryAgain(error.to_string()),
        };
        let (result, attempt) = match outcome {
            Judgement::Judged(verdicts) => {
                let all = verdicts.iter().all(Verdict::is_final);
                // Whatever is said of single documents, the store is there; unless it has too much
                // to do.
                if verdicts.iter().any(|verdict| !matches!(verdict, Verdict::Busy(_))) {
                    self.answered();
                }
                (
                    if all { RequestResult::ok } else { RequestResult::partial },
                    Attempt::Judged(verdicts),
                )
            }
            Judgement::TooLarge if documents > 1 => {
                self.pace.too_large(body.len());
                debug!(documents, "too large for the node, to be sent in parts");
                (RequestResult::failed, Attempt::Smaller(None))
            }
            Judgement::TooLarge => {
                let verdict =
                    Verdict::Refused("larger than the node takes (http.max_content_length)".into());
                (RequestResult::failed, Attempt::Judged(vec![verdict]))
            }
            // A body that alone is more than the node's indexing pressure allows would be refused
            // for ever.
            Judgement::Busy(reason) if documents > 1 => {
                self.pace.too_much(body.len());
                (RequestResult::failed, Attempt::Smaller(Some(reason)))
            }
            Judgement::Busy(reason) | Judgement::TryAgain(reason) => {
                (RequestResult::failed, Attempt::Failed(reason))
            }
        };
        self.backoff.metrics().request(result, lasted);
        attempt
    }

    /// Takes in one verdict a document; adds to `again` those that a busy node is to be sent again,
    /// and says why.
    fn take_in(
        &self,
        batch: &mut Batch,
        part: Places,
        verdicts: Vec<Verdict>,
        again: &mut Places,
    ) -> Option<String> {
        let mut busy = None;
        let mut judged = [0; 3];
        for ((n, document), verdict) in part.into_iter().zip(verdicts) {
            let Some(waiting) = &mut batch.items[n] else { continue };
            let Some(kind) = waiting.item.kind else { continue };
            judged[kind as usize] += u64::from(verdict.is_final());
            let answer = &mut waiting.answer;
            match verdict {
                Verdict::Created => answer.created += 1,
                Verdict::Duplicate => answer.duplicates += 1,
                Verdict::Refused(reason) => {
                    answer.refused += 1;
                    answer.reason.get_or_insert(reason);
                }
                Verdict::TryAgain(reason) => {
                    waiting.open.push(document);
                    batch.refused_by[kind as usize].get_or_insert(reason);
                }
                Verdict::Busy(reason) => {
                    again.push((n, document));
                    busy.get_or_insert(reason);
                    continue;
                }
            }
            batch.decided(n);
        }
        for kind in KINDS {
            if judged[kind as usize] > 0 {
                self.aside(kind).count_judged(judged[kind as usize]);
            }
        }
        busy
    }

    /// Waits until the store answers, so that a mail without documents does not move while it is
    /// away.
    fn wait_until_there(&self) -> Result<(), Stopped> {
        loop {
            let answered = *self.answered.lock();
            if answered.is_some_and(|answered| answered.elapsed() < FRESH) {
                return Ok(());
            }
            match self.client.get("/") {
                Ok(_) => self.answered(),
                Err(reason) => self.backoff.pause(&reason)?,
            }
        }
    }

    /// The store has answered just now.
    pub(super) fn answered(&self) {
        *self.answered.lock() = Some(Instant::now());
        self.backoff.over();
    }
}

/// A batch under way. Items leave it as soon as their last document is judged.
struct Batch {
    /// The documents open in them are those that their index does not take.
    items: Vec<Option<Waiting>>,
    /// For each: documents of which the store has said nothing.
    undecided: Vec<usize>,
    /// Why not, for each kind.
    refused_by: [Option<String>; 3],
}

impl Batch {
    /// The store has said something of a document of this item.
    fn decided(&mut self, item: usize) {
        self.undecided[item] -= 1;
        if self.undecided[item] == 0
            && let Some(waiting) = self.items[item].take_if(|waiting| waiting.open.is_empty())
        {
            waiting.item.pending.acknowledge(waiting.answer);
        }
    }

    fn document(&self, (item, document): (usize, usize)) -> &[u8] {
        self.items[item]
            .as_ref()
            .map_or(&[][..], |waiting| &waiting.item.bytes[waiting.item.document(document)])
    }

    /// How many of these documents fit into a request of so many bytes: one at least.
    fn fitting(&self, documents: &Places, bytes: usize) -> usize {
        if bytes == usize::MAX {
            return documents.len();
        }
        let mut total = 0;
        let fit = documents.iter().take_while(|place| {
            total += self.document(**place).len();
            total <= bytes
        });
        fit.count().max(1)
    }

    /// The body of a request for these documents.
    fn body(&self, documents: &Places) -> Vec<u8> {
        let lines = || documents.iter().map(|place| self.document(*place));
        let mut body = Vec::with_capacity(lines().map(<[u8]>::len).sum());
        lines().for_each(|line| body.extend_from_slice(line));
        body
    }
}
