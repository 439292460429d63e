//! Preparing: what is looked at, once, before the first documents are sent: pipelines, templates, and whether an import left an
//! index relaxed.

use std::sync::{PoisonError, atomic::Ordering};

use serde_json::Value;
use tracing::{info, warn};

use super::{
    Shared,
    config::{Import, Target},
    template, tuning,
};
use crate::report::Kind;

impl Shared {
    /// Looks at templates and pipelines before the first batch; false if work is to end before that was possible.
    pub(super) fn prepare(&self) -> bool {
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
    pub(super) fn restore_refresh(&self) {
        for kind in [Kind::Dmarc, Kind::Tls, Kind::Failure] {
            let index = &self.config.target(kind).index;
            if let Err(error) = tuning::restore(&self.client, index) {
                warn!(%index, "the index's refresh stays relaxed until the next run: {error}");
            }
        }
    }
}
