//! Index: looked at before documents go to it, made with our mapping where it is missing, and
//! completed where fields of ours have no type there. Nothing is left to the types that a node
//! guesses from the first document.

use serde_json::{Map, Value, json};
use tracing::{debug, info, warn};
use ureq::http::Method;

use super::{
    Shared,
    client::{Answer, Unavailable},
    config::rolls_over,
    lane::Lane,
    mapping, template,
};
use crate::report::Kind;

/// Why documents can't go to an index.
pub(super) enum NotReady {
    /// The store can't be asked now.
    Away(Unavailable),
    /// It can't be made, or takes nothing; for a person.
    Index(String),
}

impl From<Unavailable> for NotReady {
    fn from(reason: Unavailable) -> NotReady {
        NotReady::Away(reason)
    }
}

/// What is known of an index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Readiness {
    /// It was not looked at.
    #[default]
    Unknown,
    /// It was there. If it is deleted, a request with documents would make it with types that the
    /// node guesses; or this is an alias, which may go on to another index.
    There,
    /// It was there, and a template with our types stands by to make it again.
    Guarded,
}

impl Shared {
    /// Sees to it that documents can go to this index.
    pub(super) fn make_ready(&self, lane: &Lane) -> Result<(), NotReady> {
        let mut readiness = lane.readiness.lock();
        if *readiness == Readiness::Guarded {
            return Ok(());
        }
        let (kind, index) = (lane.kind, lane.index.as_str());
        if *readiness == Readiness::There && self.is_there_alone(index)? {
            return Ok(());
        }
        let answer = self.client.get(&format!("/{index}/_mapping"))?;
        let template = self.in_force(kind, index)?;
        let mut is_alias = false;
        match answer.status {
            200 => is_alias = self.look_at(kind, index, &answer)?,
            404 => self.create(kind, index, &template)?,
            // Not allowed to look: whether it is there is told by the attempt to make it.
            _ => match self.create(kind, index, &template) {
                Err(NotReady::Index(_)) => {
                    debug!(%index, "can't look at the index: {}", answer.summary());
                }
                ended => ended?,
            },
        }
        // One of a fixed name was tuned when all was prepared.
        if self.config.target(kind).index.is_dated() {
            self.tune(index)?;
        }
        self.note(index)?;
        self.answered();
        let is_guarded = template == Template::Ours && !is_alias;
        *readiness = if is_guarded { Readiness::Guarded } else { Readiness::There };
        Ok(())
    }

    /// False if the index is gone, or its name has come to stand for several.
    fn is_there_alone(&self, index: &str) -> Result<bool, Unavailable> {
        let path = format!("/{index}/_settings?filter_path=*.settings.index.uuid");
        let answer = self.client.get(&path)?;
        let found: Map<String, Value> = serde_json::from_slice(&answer.body).unwrap_or_default();
        Ok(answer.status != 404 && (answer.status != 200 || found.len() == 1))
    }

    /// What a new index of this name would be made with.
    fn in_force(&self, kind: Kind, index: &str) -> Result<Template, Unavailable> {
        let Some(simulated) = self.simulated(index)? else {
            let ours = self.templates_there.lock()[kind as usize];
            return Ok(if ours { Template::Ours } else { Template::Unknown });
        };
        let wrong = mapping::wrong_types(kind, &simulated["template"]["mappings"]);
        let limit = &simulated["template"]["settings"]["index"]["mapping"]["total_fields"]["limit"];
        Ok(match (wrong.is_empty(), limit.is_null()) {
            (true, _) => Template::Ours,
            (false, true) => Template::Unknown,
            (false, false) => Template::WithLimit,
        })
    }

    /// What the templates make of a new index of this name; nothing where that can't be known.
    pub(super) fn simulated(&self, index: &str) -> Result<Option<Value>, Unavailable> {
        let path = format!("/_index_template/_simulate_index/{index}");
        let answer = self.client.request(&Method::POST, &path, "", b"")?;
        match answer.status {
            200 => Ok(serde_json::from_slice(&answer.body).ok()),
            401 | 429 | 502..=504 => Err(Unavailable::NotNow(answer.summary())),
            // 500 where the name is that of a data stream.
            _ => Ok(None),
        }
    }

    /// Makes the index. What no template says is said by us.
    fn create(&self, kind: Kind, index: &str, template: &Template) -> Result<(), NotReady> {
        let mut body = json!({ "settings": {}, "mappings": mapping::mappings(kind) });
        match template {
            Template::Ours => body = json!({ "settings": {} }),
            Template::WithLimit => body["settings"] = mapping::analysis(),
            Template::Unknown => body["settings"] = mapping::settings(),
        }
        template::merge(&mut body["settings"], &self.config.asked_settings());
        let answer = self.client.put(&format!("/{index}"), &body)?;
        match answer.status {
            200 if *template == Template::Ours => debug!(%index, "index made by the template"),
            200 => info!(%index, "index made with our mapping"),
            400 if answer.summary().contains("already exists") => {}
            // A proxy; OpenSearch never says so.
            404 => return Err(Unavailable::NotNow(answer.summary()).into()),
            403 => {
                return Err(NotReady::Index(format!(
                    "there is no index {index}, and this account may not make it; make it, or \
                     give the account the right indices:admin/create ({})",
                    answer.summary()
                )));
            }
            _ => {
                let reason = answer.summary();
                return Err(NotReady::Index(format!("index {index} can't be made: {reason}")));
            }
        }
        Ok(())
    }

    /// Gives types to fields of ours that have none yet, so that not the first document decides
    /// what they are, and tells of types by which dashboards do not work. True if this is the name
    /// of another index, which may come to stand for others.
    fn look_at(&self, kind: Kind, index: &str, answer: &Answer) -> Result<bool, NotReady> {
        let found: Map<String, Value> = serde_json::from_slice(&answer.body)
            .map_err(|_| Unavailable::NotNow(answer.summary()))?;
        refuse_what_rolls_over(index, &found)?;
        if let Some(theirs) = found.values().next().map(|found| &found["mappings"])
            && let Some(missing) = mapping::missing(kind, theirs)
        {
            let (path, body) = (format!("/{index}/_mapping"), missing.to_string());
            let answer =
                self.client.request(&Method::PUT, &path, "application/json", body.as_bytes())?;
            let summary = answer.summary();
            match answer.status {
                200 => {}
                // It takes no documents either, whatever its status: that of a full disk is 429.
                _ if summary.contains("blocked by") => return Err(NotReady::Index(summary)),
                429 | 500.. => return Err(Unavailable::NotNow(summary).into()),
                _ => debug!(%index, "mapping not completed: {summary}"),
            }
        }
        for (name, found) in &found {
            let wrong = mapping::wrong_types(kind, &found["mappings"]).into_iter();
            let wrong: Vec<String> = wrong.filter_map(mapping::WrongType::told).collect();
            if !wrong.is_empty() {
                warn!(
                    index = %name,
                    "{}: dashboards can't choose by it. It was made without our mapping; to mend \
                     it, name another index in the settings and copy the old one there with \
                     _reindex",
                    wrong.join(", ")
                );
            }
        }
        Ok(!found.is_empty() && !found.contains_key(index))
    }
}

/// Refuses what a report that comes again would be stored into again.
fn refuse_what_rolls_over(name: &str, found: &Map<String, Value>) -> Result<(), NotReady> {
    let Some(what) = rolls_over(name, found.keys()) else { return Ok(()) };
    Err(NotReady::Index(format!(
        "{name} is {what}: a report that comes again after a rollover would be stored twice. Name \
         an index in the settings, or one for each month, such as dmarc-reports-{{yyyy}}-{{MM}}"
    )))
}

/// What makes a new index.
#[derive(Debug, PartialEq, Eq)]
enum Template {
    /// One with our types, whoever has installed it.
    Ours,
    /// One without, which says how many fields there may be.
    WithLimit,
    /// None, or we can't know.
    Unknown,
}
