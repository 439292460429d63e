//! The answer to a `_bulk` request, judged item by item.

use serde::Deserialize;

use super::client::Answer;

/// What became of one document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
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

impl Fate {
    /// The document need not be sent again.
    pub fn is_final(&self) -> bool {
        matches!(self, Fate::Created | Fate::Duplicate | Fate::Refused(_))
    }
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// One fate a document, in order.
    Judged(Vec<Fate>),
    /// The body is larger than the node ever takes.
    TooLarge,
    /// The node has too much to do, or would have with a body of this size. Nothing was stored.
    Busy(String),
    /// Nothing was stored, or it is unknown.
    TryAgain(String),
}

#[derive(Deserialize)]
struct Bulk {
    items: Vec<BulkItem>,
}

#[derive(Deserialize)]
struct BulkItem {
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
pub fn judge(answer: &Answer, documents: usize) -> Judgement {
    match answer.status {
        200 => {}
        413 => return Judgement::TooLarge,
        429 => return Judgement::Busy(answer.summary()),
        _ => return Judgement::TryAgain(answer.summary()),
    }
    match serde_json::from_slice::<Bulk>(&answer.body) {
        Ok(bulk) if bulk.items.len() == documents => {
            Judgement::Judged(bulk.items.into_iter().map(fate).collect())
        }
        Ok(bulk) => Judgement::TryAgain(format!(
            "{} items in the answer for {documents} documents",
            bulk.items.len()
        )),
        Err(error) => Judgement::TryAgain(format!(
            "not the answer to a bulk request ({error}): {}",
            answer.summary()
        )),
    }
}

fn fate(item: BulkItem) -> Fate {
    let Create { status, error } = item.create;
    let text = || error.as_ref().map_or_else(|| format!("status {status}"), ItemError::text);
    match status {
        200..=299 => Fate::Created,
        409 => Fate::Duplicate,
        // A processor of an ingest pipeline that rejects a document comes with 500.
        400 | 500 if error.as_ref().is_some_and(is_about_the_document) => Fate::Refused(text()),
        // Not so with `cluster_block_exception`, by which a node with a full disk says 429.
        429 if error.as_ref().is_some_and(|error| error.kind == "rejected_execution_exception") => {
            Fate::Busy(text())
        }
        // All else waits, since a mail that waits is not lost.
        _ => Fate::TryAgain(text()),
    }
}

/// Errors by which the document itself is at fault. Status 400 alone says nothing: it also comes
/// when the index is closed (`index_closed_exception`), an alias has no write index
/// (`illegal_argument_exception`), the cluster has no room for another shard
/// (`validation_exception`), a pipeline is missing (`illegal_argument_exception`) or a limit of the
/// index is reached, which an administrator may raise. tests/storing/trouble.rs asks the real
/// server for each.
fn is_about_the_document(error: &ItemError) -> bool {
    let reason = error.reason.as_deref().unwrap_or_default();
    let cause =
        error.caused_by.as_ref().and_then(|cause| cause.reason.as_deref()).unwrap_or_default();
    // `index.mapping.depth.limit` and others come as a mapper's exception, and name the setting.
    if [reason, cause].iter().any(|text| text.contains("index level setting")) {
        return false;
    }
    match error.kind.as_str() {
        // A value that does not fit the field's type; a field that a strict mapping does not know;
        // a script of the pipeline that fails on this document.
        "mapper_parsing_exception"
        | "document_parsing_exception"
        | "strict_dynamic_mapping_exception"
        | "script_exception" => true,
        "illegal_argument_exception" => {
            DOCUMENT_REASONS.iter().any(|start| reason.starts_with(start))
        }
        // `fail_processor_exception` and the like. A pipeline that names another one that is
        // missing is not among them.
        kind => kind.ends_with("processor_exception"),
    }
}

/// How the reason begins where an `illegal_argument_exception` is about the document.
const DOCUMENT_REASONS: [&str; 8] = [
    // A keyword longer than Lucene takes.
    "Document contains at least one immense term",
    // An object where the mapping has a value, or another type than the one before.
    "can't merge a non object mapping",
    "mapper [",
    "object mapping [",
    // Processors of an ingest pipeline: convert, date, and those that want a field that is missing.
    "field [",
    "unable to convert [",
    "unable to parse date [",
    "Provided Grok expressions do not match",
];
