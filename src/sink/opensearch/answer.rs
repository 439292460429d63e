//! The answer to a `_bulk` request, judged item by item.

use serde::Deserialize;

use super::client::Answer;

/// What became of one document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Stored now.
    Created,
    /// Stored before (409 on `create`).
    Duplicate,
    /// Refused because of what is in it; another try would end the same.
    Refused(String),
    /// Not stored for a reason that passes, or that an administrator must remove.
    TryAgain(String),
    /// Not stored, since the node has too much to do.
    Busy(String),
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// One verdict a document, in order.
    Judged(Vec<Verdict>),
    /// The body is larger than the node ever takes.
    TooLarge,
    /// The node has too much to do, or would have with a body of this size. Nothing was stored.
    Busy(String),
    /// Nothing was stored, or nobody knows.
    TryAgain(String),
}

#[derive(Deserialize)]
struct Bulk {
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    create: Create,
}

#[derive(Deserialize)]
struct Create {
    status: u16,
    error: Option<ItemError>,
}

#[derive(Deserialize)]
struct ItemError {
    #[serde(rename = "type", default)]
    kind: String,
    reason: Option<String>,
    caused_by: Option<Cause>,
}

#[derive(Deserialize)]
struct Cause {
    reason: Option<String>,
}

impl ItemError {
    fn text(&self) -> String {
        let reason = self.reason.as_deref().unwrap_or_default();
        let cause = self.caused_by.as_ref().and_then(|cause| cause.reason.as_deref());
        let text = match cause {
            Some(cause) => format!("{}: {reason}: {cause}", self.kind),
            None => format!("{}: {reason}", self.kind),
        };
        text.chars().take(500).collect()
    }
}

/// Judges the answer to a request of `documents` documents.
pub fn judge(answer: &Answer, documents: usize) -> Outcome {
    match answer.status {
        200 => {}
        413 => return Outcome::TooLarge,
        429 => return Outcome::Busy(answer.summary()),
        _ => return Outcome::TryAgain(answer.summary()),
    }
    match serde_json::from_slice::<Bulk>(&answer.body) {
        Ok(bulk) if bulk.items.len() == documents => Outcome::Judged(bulk.items.into_iter().map(verdict).collect()),
        Ok(bulk) => Outcome::TryAgain(format!("{} items in the answer for {documents} documents", bulk.items.len())),
        Err(error) => Outcome::TryAgain(format!("not the answer to a bulk request ({error}): {}", answer.summary())),
    }
}

fn verdict(item: Item) -> Verdict {
    let Create { status, error } = item.create;
    let text = || error.as_ref().map_or_else(|| format!("status {status}"), ItemError::text);
    match status {
        200..=299 => Verdict::Created,
        409 => Verdict::Duplicate,
        400 if !error.as_ref().is_some_and(is_about_the_index) => Verdict::Refused(text()),
        // A processor of the ingest pipeline rejects this document; it comes with status 500.
        500 if error.as_ref().is_some_and(|error| error.kind.ends_with("processor_exception")) => {
            Verdict::Refused(text())
        }
        // Not so with `cluster_block_exception`, by which a node with a full disk says 429.
        429 if error.as_ref().is_some_and(|error| error.kind == "rejected_execution_exception") => {
            Verdict::Busy(text())
        }
        // 401, 403, 404, 5xx: the index is missing, blocked or full. The mail is not to blame.
        _ => Verdict::TryAgain(text()),
    }
}

/// Errors that come with status 400 although the document is not at fault.
fn is_about_the_index(error: &ItemError) -> bool {
    let missing_pipeline = || error.reason.as_deref().is_some_and(|reason| reason.starts_with("pipeline with id ["));
    match error.kind.as_str() {
        "index_closed_exception" | "invalid_index_name_exception" | "cluster_block_exception" => true,
        "illegal_argument_exception" => missing_pipeline(),
        _ => false,
    }
}
