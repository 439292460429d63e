//! Preparing: what is looked at, once, before the first documents are sent: pipelines, templates,
//! and whether an import left an index relaxed.

use std::{mem, sync::atomic::Ordering};

use serde_json::Value;
use tracing::{debug, info, warn};

use super::{
    Shared,
    client::{Answer, Unavailable},
    config::{ImportTuning, IndexName, Target},
    index::NotReady,
    mapping, template, tuning,
};
use crate::{report::Kind, stop::Stopped};

impl Shared {
    /// Looks at templates and pipelines, once, before the first batch.
    pub(super) fn prepare(&self) -> Result<(), Stopped> {
        if self.prepared.load(Ordering::Acquire) {
            return Ok(());
        }
        let _one_at_a_time = self.preparing.lock();
        while !self.prepared.load(Ordering::Acquire) {
            let all = Kind::ALL.into_iter().try_for_each(|kind| self.prepare_kind(kind));
            match all {
                Ok(()) => {
                    self.answered();
                    self.prepared.store(true, Ordering::Release);
                }
                Err(reason) => self.backoff.pause(&reason)?,
            }
        }
        Ok(())
    }

    fn prepare_kind(&self, kind: Kind) -> Result<(), Unavailable> {
        let Target { index, pipeline } = self.config.target(kind);
        if let Some(pipeline) = pipeline {
            self.require_pipeline(pipeline)?;
        }
        self.templates_there.lock()[kind as usize] = self.install_template(kind, index)?;
        if index.is_dated() {
            // Each is tuned when the first document comes for it; but what an import that was cut
            // off left relaxed may get no more documents.
            return tuning::restore_all(&self.client, &index.wildcard());
        }
        let index = index.to_string();
        if self.config.import.is_some() {
            // So that there is something to be tuned. Whether it can be made is seen again when
            // documents come for it.
            let lane = self.lane(kind, index.clone());
            if let Err(NotReady::Away(reason)) = self.make_ready(&lane) {
                return Err(reason);
            }
        }
        self.tune(&index)
    }

    /// With its pipeline missing, each document would be refused with a status that speaks of the
    /// document.
    fn require_pipeline(&self, pipeline: &str) -> Result<(), Unavailable> {
        let answer = self.client.get(&format!("/_ingest/pipeline/{pipeline}"))?;
        if answer.status == 404 { Err(Unavailable::NoPipeline(pipeline.into())) } else { Ok(()) }
    }

    /// Installs the template of a kind where it is due. False if neither it nor another with our
    /// types is there in the end, or we may not look.
    fn install_template(&self, kind: Kind, index: &IndexName) -> Result<bool, Unavailable> {
        let path = format!("/_index_template/{}", template::name(&index.base()));
        let present = match self.look(&path, "index_template")? {
            Ok(present) => present,
            // Not allowed to see it: the administrator has it in hand.
            Err(answer) => {
                warn!(%index, "can't look at the index template: {}", answer.summary());
                return Ok(false);
            }
        };
        let asked = self.config.asked_settings();
        match template::decide(present.as_ref(), &asked) {
            template::Decision::Keep => return Ok(true),
            template::Decision::KeepChanged => {
                info!(%index, "index template was changed by hand, left as it is");
                self.install_component(kind)?;
                return Ok(true);
            }
            template::Decision::Install => self.install_component(kind)?,
        }
        let mut ours = template::template(kind, &index.patterns());
        if let Some(present) = &present {
            template::take_settings(&mut ours, &present["template"]["settings"]);
        } else if self.respect_others(kind, index, &mut ours)? {
            return Ok(true);
        }
        template::take_settings(&mut ours, &asked);
        let answer = self.client.put(&path, &ours)?;
        match answer.status {
            200 => info!(%index, "index template installed"),
            // A proxy; OpenSearch never says so.
            404 => return Err(Unavailable::NotNow(answer.summary())),
            _ => {
                warn!(%index, "index template not installed: {}", answer.summary());
                return Ok(present.is_some());
            }
        }
        Ok(true)
    }

    /// Installs the component template of a kind where it is due, which is no more than an offer to
    /// administrators: their own template can be composed of it.
    fn install_component(&self, kind: Kind) -> Result<(), Unavailable> {
        let name = template::component_name(kind);
        let path = format!("/_component_template/{name}");
        let Ok(present) = self.look(&path, "component_template")? else { return Ok(()) };
        if template::decide(present.as_ref(), &Value::Null) == template::Decision::Install {
            let answer = self.client.put(&path, &template::component(kind))?;
            if answer.status != 200 {
                debug!(%name, "component template not installed: {}", answer.summary());
            }
        }
        Ok(())
    }

    /// A template of either sort as it is now, nothing if there is none, or what was answered in
    /// place of it.
    fn look(&self, path: &str, sort: &str) -> Result<Result<Option<Value>, Answer>, Unavailable> {
        let answer = self.client.get(path)?;
        match answer.status {
            404 => Ok(Ok(None)),
            200 => {
                let body: Value = serde_json::from_slice(&answer.body).map_err(|error| {
                    Unavailable::NotATemplate { error: error.to_string(), answer: answer.summary() }
                })?;
                Ok(Ok(body[format!("{sort}s")].get(0).map(|found| found[sort].clone())))
            }
            _ => Ok(Err(answer)),
        }
    }

    /// Relaxes the refresh of an index for an import, or restores it where an import left it
    /// relaxed.
    pub(super) fn tune(&self, index: &str) -> Result<(), Unavailable> {
        match self.config.import {
            Some(ImportTuning { tune }) => {
                if !tune {
                    return tuning::restore(&self.client, index, None);
                }
                if let Some(before) = tuning::relax(&self.client, index)? {
                    let mut relaxed = self.relaxed.lock();
                    relaxed.push((index.to_owned(), before));
                }
                Ok(())
            }
            None => tuning::restore(&self.client, index, None),
        }
    }

    /// Of the templates that match, the cluster follows the one of the highest priority alone.
    /// True if that is another's with our types: ours is not needed. Where it is another's without
    /// them, its settings (shards, replicas) go into ours, and a line says so.
    fn respect_others(
        &self,
        kind: Kind,
        index: &IndexName,
        ours: &mut Value,
    ) -> Result<bool, Unavailable> {
        let theirs = self.simulated(&index.at(0))?.unwrap_or_default();
        if !theirs["template"].is_object() {
            return Ok(false);
        }
        if mapping::wrong_types(kind, &theirs["template"]["mappings"]).is_empty() {
            debug!(%index, "another index template has our types");
            return Ok(true);
        }
        let answer = self.client.post("/_index_template/_simulate", ours)?;
        let simulated: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let names = simulated["overlapping"].as_array().into_iter().flatten();
        let names: Vec<_> = names.filter_map(|template| template["name"].as_str()).collect();
        if names.is_empty() {
            return Ok(false);
        }
        let overridden = template::take_settings(ours, &theirs["template"]["settings"]);
        warn!(
            %index,
            "our index template comes before {}; taken over from there: {overridden}, nothing \
             else. To have yours in force, let it be composed of {}, and delete ours",
            names.join(", "),
            template::component_name(kind)
        );
        Ok(false)
    }

    /// At the end of an import. Where that fails, the next run does it: a node that is away would
    /// be waited for once an index.
    pub(super) fn restore_refresh(&self) {
        let mut relaxed = mem::take(&mut *self.relaxed.lock()).into_iter();
        while let Some((index, before)) = relaxed.next() {
            if let Err(error) = tuning::restore(&self.client, &index, Some(&before)) {
                let others = match relaxed.len() {
                    0 => String::new(),
                    more => format!(" (and that of {more} more)"),
                };
                warn!(%index, "the index's refresh stays relaxed until the next run{others}: {error}");
                return;
            }
        }
    }
}
