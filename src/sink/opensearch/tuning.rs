//! Tuning: an index's refresh is relaxed while an import lasts. What it was before stands in the
//! index itself, in `_meta` of its mapping, so that after a crash the next run of any mode can
//! restore it.

use serde_json::{Value, json};
use tracing::{debug, info};

use super::client::{Client, Unavailable};

/// Seldom enough to cost nothing, often enough to show that something happens.
const RELAXED: &str = "60s";

/// The member of `_meta` with what was before.
const NOTE: &str = "email-report-processor-refresh-interval-before";

/// Relaxes the refresh of the index. What it was before, if that could be done.
///
/// # Errors
/// The store can't be reached.
pub(super) fn relax(client: &Client, index: &str) -> Result<Option<Value>, Unavailable> {
    let shown = "*.settings.index.uuid,*.settings.index.refresh_interval";
    let answer = client.get(&format!("/{index}/_settings?filter_path={shown}"))?;
    let settings: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    if settings.get(index).is_none() {
        // Missing, or an alias or data stream: which of the indices behind it are written to is not
        // ours to guess.
        return Ok(None);
    }
    let found = meta(client, index)?;
    let before = match found.get(NOTE) {
        Some(before) => before.clone(),
        // It is somebody's own choice, or that of an import which has ended since the settings were
        // read.
        None if settings[index]["settings"]["index"]["refresh_interval"] == RELAXED => {
            return Ok(None);
        }
        None => settings[index]["settings"]["index"]["refresh_interval"].clone(),
    };
    if found.get(NOTE).is_none() && !write_note(client, index, found, Some(&before))? {
        return Ok(None);
    }
    if !set(client, index, &json!(RELAXED))? {
        return Ok(None);
    }
    keep_note(client, index, &before)?;
    info!(%index, "refresh relaxed to {RELAXED} for the import");
    Ok(Some(before))
}

/// Notes again what was before, if another run took the note away between it and the relaxing.
fn keep_note(client: &Client, index: &str, before: &Value) -> Result<(), Unavailable> {
    let meta = meta(client, index)?;
    if meta.get(NOTE).is_none() {
        write_note(client, index, meta, Some(before))?;
    }
    Ok(())
}

/// Restores the refresh, if it was left relaxed: if there is a note, or if this run relaxed it and
/// knows what was `before`.
///
/// # Errors
/// The store can't be reached.
pub(super) fn restore(
    client: &Client,
    index: &str,
    before: Option<&Value>,
) -> Result<(), Unavailable> {
    let found = meta(client, index)?;
    let Some(before) = before.or(found.get(NOTE)).cloned() else { return Ok(()) };
    if set(client, index, &before)? && write_note(client, index, found, None)? {
        // An import that has just begun relaxes after its note, and then looks whether the note is
        // still there. If it did so before the note went, this sees it.
        if refresh_interval(client, index)? == RELAXED && before != RELAXED {
            return keep_note(client, index, &before);
        }
        info!(%index, "refresh restored");
        client.get(&format!("/{index}/_refresh"))?;
    }
    Ok(())
}

/// The setting now; null if there is none.
fn refresh_interval(client: &Client, index: &str) -> Result<Value, Unavailable> {
    let answer =
        client.get(&format!("/{index}/_settings?filter_path=*.settings.index.refresh_interval"))?;
    let settings: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    Ok(settings[index]["settings"]["index"]["refresh_interval"].clone())
}

/// `_meta` of the mapping of an index of exactly this name; empty if there is none.
fn meta(client: &Client, index: &str) -> Result<Value, Unavailable> {
    let answer = client.get(&format!("/{index}/_mapping?filter_path=*.mappings._meta"))?;
    let mappings: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let meta = &mappings[index]["mappings"]["_meta"];
    Ok(if meta.is_object() { meta.clone() } else { json!({}) })
}

/// Notes what was before, or takes the note away. True if that was allowed.
fn write_note(
    client: &Client,
    index: &str,
    mut meta: Value,
    before: Option<&Value>,
) -> Result<bool, Unavailable> {
    match before {
        Some(before) => meta[NOTE] = before.clone(),
        None => {
            meta.as_object_mut().map(|meta| meta.remove(NOTE));
        }
    }
    put(client, index, "_mapping", &json!({ "_meta": meta }))
}

fn set(client: &Client, index: &str, interval: &Value) -> Result<bool, Unavailable> {
    put(client, index, "_settings", &json!({ "index": { "refresh_interval": interval } }))
}

/// True if that was allowed.
fn put(client: &Client, index: &str, what: &str, body: &Value) -> Result<bool, Unavailable> {
    let answer = client.put(&format!("/{index}/{what}"), body)?;
    if answer.status != 200 {
        debug!(%index, "not tuned: {}", answer.summary());
    }
    Ok(answer.status == 200)
}

#[cfg(test)]
mod tests;
