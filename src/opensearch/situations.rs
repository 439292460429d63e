//! Situations: those that were told, in an index of their own.

use std::fmt::Write as _;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use ureq::http::Method;

use super::{AskError, ClusterAnswers, WHOLE, tally, useful};
use crate::{
    changes::{
        ChangeKind,
        situations::{Situation, SituationKey, SituationStep, Told},
    },
    report::hex,
};

/// The index.
pub(super) const INDEX: &str = "email-report-processor-situations";

/// Situations that are read; there are never so many.
const MOST: usize = 10_000;

/// Bytes of an id: enough that no two situations have the same.
const ID: usize = 16;

impl ClusterAnswers {
    /// The situations that were told. Those of a kind that only a later version knows are not seen.
    ///
    /// # Errors
    /// The cluster gives no answer.
    pub(crate) fn situations(&self) -> Result<Told, AskError> {
        let path = format!("/{INDEX}/_search?{WHOLE}");
        let body = json!({ "size": MOST, "sort": ["_doc"] });
        let found = self.post(&path, &body)?;
        let hits = found["hits"]["hits"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut told = Told::new();
        for (way, situation) in hits.iter().filter_map(|hit| situation(&hit["_source"])) {
            told.entry(way).or_default().push(situation);
        }
        Ok(told)
    }

    /// Keeps what was told by a way, on the disks of the cluster when this returns.
    ///
    /// # Errors
    /// The cluster does not take it, or not all of it.
    pub(crate) fn keep_told(&self, way: &str, step: &SituationStep) -> Result<(), AskError> {
        let mut lines = String::new();
        // Writing to a String can't fail.
        for key in &step.dropped {
            let _ = writeln!(
                lines,
                "{}",
                json!({ "delete": { "_index": INDEX, "_id": id(way, key) } })
            );
        }
        for situation in &step.kept {
            let action = json!({ "index": { "_index": INDEX, "_id": id(way, &situation.key) } });
            let _ = write!(lines, "{action}\n{}\n", document(way, situation));
        }
        if lines.is_empty() {
            return Ok(());
        }
        self.make_index()?;
        let path = "/_bulk?refresh=true";
        let json = "application/x-ndjson";
        let answer = self.client.request(&Method::POST, path, json, lines.as_bytes())?;
        let answer = useful(&answer)?;
        let items = answer["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        let statuses = items.iter().map(|item| {
            item["index"]["status"].as_u64().or_else(|| item["delete"]["status"].as_u64())
        });
        // What is to be deleted may be gone.
        let is_done = |status: Option<u64>| matches!(status, Some(200..=299 | 404));
        if items.len() == step.dropped.len() + step.kept.len() && statuses.into_iter().all(is_done)
        {
            return Ok(());
        }
        let reason = items.iter().find_map(|item| item["index"]["error"]["reason"].as_str());
        Err(AskError::Refused(reason.unwrap_or("not all of it was taken").to_owned()))
    }

    /// Makes the index if it is missing: what is in it is only read as a whole.
    pub(super) fn make_index(&self) -> Result<(), AskError> {
        let body = json!({
            "settings": { "index": { "number_of_shards": 1 } },
            "mappings": { "dynamic": false },
        });
        let answer = self.client.put(&format!("/{INDEX}"), &body)?;
        if answer.status == 400 && answer.summary().contains("already exists") {
            return Ok(());
        }
        useful(&answer).map(drop)
    }
}

/// By what identifies it; strangers' names are of any length.
fn id(way: &str, key: &SituationKey) -> String {
    let mut all = vec![json!(key.kind), json!(key.domain), json!(key.who)];
    // Those of an earlier version have none.
    all.extend((!way.is_empty()).then(|| json!(way)));
    let all = Value::from(all).to_string();
    hex(&Sha256::digest(all)[..ID])
}

fn document(way: &str, situation: &Situation) -> Value {
    let Situation { key: SituationKey { kind, domain, who }, opened, found, grade, text } =
        situation;
    json!({
        "way": way, "kind": kind, "domain": domain, "who": who,
        "opened": opened, "found": found, "grade": grade, "text": text,
    })
}

fn situation(source: &Value) -> Option<(String, Situation)> {
    let text = |name: &str| source[name].as_str().unwrap_or_default().to_owned();
    let situation = Situation {
        key: SituationKey {
            kind: ChangeKind::from_word(source["kind"].as_str()?)?,
            domain: text("domain"),
            who: text("who"),
        },
        opened: source["opened"].as_i64()?,
        found: source["found"].as_i64()?,
        grade: u32::try_from(tally::whole(&source["grade"])).unwrap_or(u32::MAX),
        text: text("text"),
    };
    Some((text("way"), situation))
}
