//! Index: looked at before documents go to it, made with our mapping where it is missing, and
//! completed where fields of ours have no type there. Nothing is left to the types that a node
//! guesses from the first document.

use serde_json::{Map, Value, json};
use tracing::{debug, info, warn};
use ureq::http::Method;

use super::{
    Shared,
    client::{Answer, Unavailable},
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
    /// node guesses.
    There,
    /// It was there, and a template with our types stands by to make it again.
    Guarded,
}

impl Shared {
    /// Sees to it that documents of this kind can go to their index.
    pub(super) fn make_ready(&self, kind: Kind) -> Result<(), NotReady> {
        let mut readiness = self.readiness[kind as usize].lock();
        if *readiness == Readiness::Guarded {
            return Ok(());
        }
        let index = self.config.target(kind).index.as_str();
        if *readiness == Readiness::There {
            let path = format!("/{index}/_settings?filter_path=*.settings.index.uuid");
            if self.client.get(&path)?.status != 404 {
                return Ok(());
            }
        }
        let answer = self.client.get(&format!("/{index}/_mapping"))?;
        let template = self.in_force(kind, index)?;
        match answer.status {
            200 => self.look_at(kind, index, &answer)?,
            404 => self.create(kind, index, &template)?,
            // Not allowed to look: whether it is there is told by the attempt to make it.
            _ => match self.create(kind, index, &template) {
                Err(NotReady::Index(_)) => {
                    debug!(%index, "can't look at the index: {}", answer.summary());
                }
                ended => ended?,
            },
        }
        self.answered();
        *readiness = if template == Template::Ours { Readiness::Guarded } else { Readiness::There };
        Ok(())
    }

    /// What a new index of this name would be made with.
    fn in_force(&self, kind: Kind, index: &str) -> Result<Template, Unavailable> {
        let path = format!("/_index_template/_simulate_index/{index}");
        let answer = self.client.post(&path, &Value::Null)?;
        if answer.status != 200 {
            let ours = self.templates_there.lock()[kind as usize];
            return Ok(if ours { Template::Ours } else { Template::Unknown });
        }
        let simulated: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let wrong = mapping::wrong_types(kind, &simulated["template"]["mappings"]);
        let limit = &simulated["template"]["settings"]["index"]["mapping"]["total_fields"]["limit"];
        Ok(match (wrong.is_empty(), limit.is_null()) {
            (true, _) => Template::Ours,
            (false, true) => Template::Unknown,
            (false, false) => Template::WithLimit,
        })
    }

    /// Makes the index. What no template says is said by us.
    fn create(&self, kind: Kind, index: &str, template: &Template) -> Result<(), NotReady> {
        let mut body = json!({ "settings": {}, "mappings": mapping::mappings(kind) });
        match template {
            Template::Ours => body = json!({ "settings": {} }),
            Template::WithLimit => {}
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
    /// what they are, and tells of types by which dashboards do not work.
    fn look_at(&self, kind: Kind, index: &str, answer: &Answer) -> Result<(), NotReady> {
        let found: Map<String, Value> = serde_json::from_slice(&answer.body)
            .map_err(|_| Unavailable::NotNow(answer.summary()))?;
        // Behind an alias, which of several indices is written to is not ours to guess.
        if let Some(theirs) = found.get(index).map(|found| &found["mappings"])
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
        Ok(())
    }
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
