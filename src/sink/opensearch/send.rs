//! Sending: batches on their way to the cluster, until each document is judged or put aside.

use std::{
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

use tracing::debug;
use ureq::http::Method;

use super::{
    BulkPart, Shared,
    answer::{self, Fate, Judgement},
    index::NotReady,
    lane::Lane,
};
use crate::{metrics::RequestResult, settle::Acknowledgement, stop::Stopped};

/// The parts of the answer that are looked at; the others would be many times as long.
const BULK_PATH: &str = "/_bulk?filter_path=items.create.status,items.create.error";

/// A store that answered so recently is there: no need to ask for the sake of mails without
/// documents.
const FRESH: Duration = Duration::from_secs(1);

/// What came of one request.
enum Attempt {
    /// One fate a document.
    Judged(Vec<Fate>),
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
    /// Why the index does not take one of those that are open.
    refused_by: Option<String>,
    /// How often they were sent and not taken although their index took others.
    pub(super) odd: u32,
    /// How many documents the index had judged when these were sent, or put aside.
    pub(super) judged: u64,
}

impl Waiting {
    /// None of it was sent yet.
    pub(super) fn new(item: BulkPart, judged: u64) -> Waiting {
        let open = (0..item.ends.len()).collect();
        let answer = Acknowledgement::default();
        Waiting { item, open, answer, refused_by: None, odd: 0, judged }
    }
}

impl Shared {
    /// What each sender thread does.
    pub(super) fn send_batches(&self) {
        while let Some(items) = self.queue.take() {
            if self.backoff.stop().check().and_then(|()| self.prepare()).is_err() {
                return;
            }
            let mut batch = Vec::with_capacity(items.len());
            for item in items {
                let lane = item.lane.clone();
                let judged = lane.as_ref().map_or(0, |lane| lane.aside.judged());
                let waiting = Waiting::new(item, judged);
                match lane {
                    Some(lane) if lane.aside.is_in_trouble() => {
                        self.put_aside(&lane, waiting, None);
                    }
                    _ => batch.push(waiting),
                }
            }
            self.send(batch);
        }
    }

    /// Puts aside what has no index that could take it.
    fn with_index(&self, batch: Vec<Waiting>) -> Result<Vec<Waiting>, Stopped> {
        let mut missing: Vec<(Arc<Lane>, Option<String>)> = Vec::new();
        for lane in batch.iter().filter_map(|waiting| waiting.item.lane.as_ref()) {
            if !missing.iter().any(|(known, _)| Arc::ptr_eq(known, lane)) {
                missing.push((Arc::clone(lane), self.look_for(lane)?));
            }
        }
        let mut ready = Vec::with_capacity(batch.len());
        for waiting in batch {
            let lane = waiting.item.lane.as_ref();
            let known =
                missing.iter().find(|(known, _)| lane.is_some_and(|lane| Arc::ptr_eq(known, lane)));
            match known {
                Some((lane, Some(reason))) => self.put_aside(lane, waiting, Some(reason)),
                _ => ready.push(waiting),
            }
        }
        Ok(ready)
    }

    /// Why an index can't take documents, if it can't.
    fn look_for(&self, lane: &Lane) -> Result<Option<String>, Stopped> {
        loop {
            match self.make_ready(lane) {
                Ok(()) => return Ok(None),
                Err(NotReady::Index(reason)) => return Ok(Some(reason)),
                Err(NotReady::Away(reason)) => self.backoff.pause(&reason)?,
            }
        }
    }

    /// Sends one batch until every document is judged or put aside, or work is to end.
    pub(super) fn send(&self, batch: Vec<Waiting>) {
        let Ok(mut batch) = self.with_index(batch) else { return };
        let mut documents: Places = Vec::new();
        for (n, waiting) in batch.iter().enumerate() {
            documents.extend(waiting.open.iter().map(|document| (n, *document)));
        }
        let mut batch = InFlight {
            undecided: batch.iter_mut().map(|waiting| mem::take(&mut waiting.open).len()).collect(),
            items: batch.into_iter().map(Some).collect(),
        };
        if self.send_documents(&mut batch, documents).is_err() {
            return;
        }
        for mut waiting in batch.items.into_iter().flatten() {
            match waiting.item.lane.clone() {
                Some(lane) => {
                    let reason = waiting.refused_by.take();
                    self.put_aside(&lane, waiting, reason.as_deref());
                }
                None if self.wait_until_there().is_ok() => {
                    waiting.item.pending.acknowledge(waiting.answer);
                }
                None => {}
            }
        }
    }

    /// Sends documents until the store has said something of every one.
    fn send_documents(&self, batch: &mut InFlight, mut documents: Places) -> Result<(), Stopped> {
        while !documents.is_empty() {
            let rest = documents.split_off(batch.fitting(&documents, self.pace.bytes()));
            let part = mem::replace(&mut documents, rest);
            let body = batch.body(&part);
            let (bytes, sent) = (body.len(), part.len());
            let trouble = match self.attempt(&body, sent) {
                Attempt::Judged(fates) => {
                    let before = documents.len();
                    let trouble = Self::take_in(batch, part, fates, &mut documents);
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
            Judgement::Judged(fates) => {
                let all = fates.iter().all(Fate::is_final);
                // Whatever is said of single documents, the store is there; unless it has too much
                // to do.
                if fates.iter().any(|fate| !matches!(fate, Fate::Busy(_))) {
                    self.answered();
                }
                (
                    if all { RequestResult::ok } else { RequestResult::partial },
                    Attempt::Judged(fates),
                )
            }
            Judgement::TooLarge if documents > 1 => {
                self.pace.too_large(body.len());
                debug!(documents, "too large for the node, to be sent in parts");
                (RequestResult::failed, Attempt::Smaller(None))
            }
            Judgement::TooLarge => {
                let fate =
                    Fate::Refused("larger than the node takes (http.max_content_length)".into());
                (RequestResult::failed, Attempt::Judged(vec![fate]))
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

    /// Takes in one fate a document; adds to `again` those that a busy node is to be sent again,
    /// and says why.
    fn take_in(
        batch: &mut InFlight,
        part: Places,
        fates: Vec<Fate>,
        again: &mut Places,
    ) -> Option<String> {
        let mut busy = None;
        let mut judged: Vec<(Arc<Lane>, u64)> = Vec::new();
        for ((n, document), fate) in part.into_iter().zip(fates) {
            let Some(waiting) = &mut batch.items[n] else { continue };
            let Some(lane) = &waiting.item.lane else { continue };
            if fate.is_final() {
                match judged.iter_mut().find(|(known, _)| Arc::ptr_eq(known, lane)) {
                    Some((_, judged)) => *judged += 1,
                    None => judged.push((Arc::clone(lane), 1)),
                }
            }
            let answer = &mut waiting.answer;
            match fate {
                Fate::Created => answer.created += 1,
                Fate::Duplicate => answer.duplicates += 1,
                Fate::Refused(reason) => {
                    answer.refused += 1;
                    answer.reason.get_or_insert(reason);
                }
                Fate::TryAgain(reason) => {
                    waiting.open.push(document);
                    waiting.refused_by.get_or_insert(reason);
                }
                Fate::Busy(reason) => {
                    again.push((n, document));
                    busy.get_or_insert(reason);
                    continue;
                }
            }
            batch.decided(n);
        }
        for (lane, judged) in judged {
            lane.aside.count_judged(judged);
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
struct InFlight {
    /// The documents open in them are those that their index does not take.
    items: Vec<Option<Waiting>>,
    /// For each: documents of which the store has said nothing.
    undecided: Vec<usize>,
}

impl InFlight {
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
