//! Index: indices of an OpenSearch cluster that are read.

use std::{cell::Cell, collections::BTreeMap, sync::Arc, time::Instant};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tracing::{info, warn};

use super::{Found, ReadError, group::Backlog, pages::Pages, query::query};
use crate::{
    exit::{Exit, Failure},
    limits::Limits,
    report::Kind,
    sink::{
        backoff::{HICCUP, pause_after},
        opensearch::{
            client::{Answer, Client, Unavailable},
            config::{IndexName, OpenSearchConfig},
        },
    },
    sqlite::query::Selection,
    stop::{Reason, Stop},
};

/// By which fields documents of a kind are ordered.
pub(super) struct TimeField {
    /// The begin of the period.
    pub(super) name: &'static str,
    /// Its type: `date`, or `long` for seconds since 1970.
    pub(super) kind: &'static str,
    /// The report's id.
    pub(super) report_id: String,
}

/// For each kind: the object that all its documents have, when its period begins, its report's id.
pub(super) const FIELDS: [(Kind, &str, &str, &str); 3] = [
    (
        Kind::Dmarc,
        "feedback",
        "feedback.report_metadata.date_range.begin",
        "feedback.report_metadata.report_id",
    ),
    (Kind::Tls, "policies", "date-range.start-datetime", "report-id"),
    (Kind::Failure, "failure", "failure.arrival_date", "received.message_id"),
];

/// The indices; see the module.
pub(crate) struct Index {
    pub(super) client: Client,
    config: OpenSearchConfig,
    /// As they were asked for, with commas between.
    names: String,
    /// All that these names mean.
    indices: Vec<String>,
    fields: BTreeMap<&'static str, TimeField>,
    limits: Limits,
    pub(super) stop: Arc<Stop>,
    /// It has answered: an outage from now on is waited for.
    has_answered: Cell<bool>,
}

/// Answer to `_field_caps`.
#[derive(Deserialize)]
struct FieldCaps {
    indices: Vec<String>,
    fields: BTreeMap<String, BTreeMap<String, Value>>,
}

impl Index {
    /// Finds out what there is under these names. Where the cluster is away later, that is waited
    /// for as long as the settings say.
    ///
    /// # Errors
    /// The cluster can't be asked, or an index can't be read in order.
    pub(crate) fn open(
        config: OpenSearchConfig,
        names: &[String],
        all_must_be_there: bool,
        limits: Limits,
        stop: Arc<Stop>,
    ) -> Result<Index, Failure> {
        let index = Index::look(config, names, all_must_be_there, limits, stop)?;
        if index.indices.is_empty() {
            let what = format!("there is no index {}", index.name());
            return Err(Failure::new(Exit::Configuration, what));
        }
        Ok(index)
    }

    fn look(
        config: OpenSearchConfig,
        names: &[String],
        all_must_be_there: bool,
        limits: Limits,
        stop: Arc<Stop>,
    ) -> Result<Index, Failure> {
        let mut index = Index::unseen(config, names, limits, stop)?;
        let FieldCaps { indices, fields } = index.field_types(&index.names, all_must_be_there)?;
        index.indices = indices;
        for (_, object, begin, report_id) in FIELDS {
            let within = format!("{object}.");
            if fields.keys().any(|field| field.starts_with(&within)) {
                let kind = index.time_type(begin, fields.get(begin))?;
                let keyword = format!("{report_id}.keyword");
                let has_keyword = fields.contains_key(&keyword);
                let report_id = if has_keyword { keyword } else { report_id.to_owned() };
                index.fields.insert(object, TimeField { name: begin, kind, report_id });
            }
        }
        Ok(index)
    }

    /// Nothing is asked yet.
    fn unseen(
        config: OpenSearchConfig,
        names: &[String],
        limits: Limits,
        stop: Arc<Stop>,
    ) -> Result<Index, Failure> {
        let client =
            Client::new(&config).map_err(|error| Failure::new(Exit::Configuration, error))?;
        Ok(Index {
            client,
            config,
            names: names.join(","),
            indices: Vec::new(),
            fields: BTreeMap::new(),
            limits,
            stop,
            has_answered: Cell::new(false),
        })
    }

    /// [`Index::open`] of one name; nothing where there is no such index.
    ///
    /// # Errors
    /// The cluster can't be asked, or the index can't be read in order.
    pub(crate) fn find(
        config: OpenSearchConfig,
        name: &str,
        limits: Limits,
        stop: Arc<Stop>,
    ) -> Result<Option<Index>, Failure> {
        let index = Index::look(config, &[name.to_owned()], false, limits, stop)?;
        Ok(Some(index).filter(|index| !index.indices.is_empty()))
    }

    /// Those of some names under which there is nothing.
    ///
    /// # Errors
    /// The cluster can't be asked.
    pub(crate) fn without_index<'n>(&self, names: &'n [String]) -> Result<Vec<&'n str>, ReadError> {
        let mut missing = Vec::new();
        for name in names {
            if self.field_types(name, false)?.indices.is_empty() {
                missing.push(name.as_str());
            }
        }
        Ok(missing)
    }

    /// All indices that a name with `*` means, whatever is in them.
    ///
    /// # Errors
    /// The cluster can't be asked.
    pub(crate) fn list(
        config: OpenSearchConfig,
        name: &str,
        stop: Arc<Stop>,
    ) -> Result<Vec<String>, Failure> {
        let index = Index::unseen(config, &[name.to_owned()], Limits::default(), stop)?;
        Ok(index.field_types(&index.names, false)?.indices)
    }

    /// A query for what of a kind begins before this second; nothing where there is none of it. A
    /// failure report without a date is as old as the mail that brought it.
    pub(crate) fn old(&self, kind: Kind, before: i64) -> Option<Value> {
        let (_, object, begin, _) = FIELDS[kind as usize];
        let field = self.fields.get(object)?;
        if kind != Kind::Failure {
            let until = Some(before);
            let selection = Selection { until, ..Selection::default() };
            return Some(query(kind, field, &selection, i64::MIN));
        }
        let old = |field: &str| {
            let range = json!({ "lt": before, "format": "epoch_second" });
            json!({ "range": { field: range } })
        };
        let dateless = json!({ "bool": {
            "must_not": { "exists": { "field": begin } }, "filter": old("received.at"),
        } });
        let either = json!({ "bool": { "should": [old(begin), dateless] } });
        Some(json!({ "bool": { "filter": [{ "exists": { "field": object } }, either] } }))
    }

    /// How many documents match.
    pub(crate) fn count_of(&self, query: &Value) -> Result<u64, ReadError> {
        let answer = self.search(query, &json!({}))?;
        Ok(answer["hits"]["total"]["value"].as_u64().unwrap_or(0))
    }

    /// The cluster and the names, for a person.
    pub(crate) fn name(&self) -> String {
        format!("{} of {}", self.names, self.config.nodes.join(", "))
    }

    /// Something that is another after each change of the indices.
    pub(crate) fn mark(&self) -> Result<String, ReadError> {
        let sum = json!({ "sum": { "sum": { "field": "_seq_no" } } });
        let by_index = json!({ "terms": { "field": "_index", "size": 10_000 }, "aggs": sum });
        let answer = self.search(&json!({ "match_all": {} }), &json!({ "index": by_index }))?;
        Ok(answer["aggregations"]["index"]["buckets"].to_string())
    }

    /// How many documents of a kind are selected and begin at or after a second.
    pub(crate) fn count(
        &self,
        kind: Kind,
        selection: &Selection,
        from: i64,
    ) -> Result<u64, ReadError> {
        let (_, object, ..) = FIELDS[kind as usize];
        let Some(field) = self.fields.get(object) else { return Ok(0) };
        self.count_of(&query(kind, field, selection, from))
    }

    /// How many documents there are of whatever kind, or none.
    pub(crate) fn count_all(&self) -> Result<u64, ReadError> {
        self.count_of(&json!({ "match_all": {} }))
    }

    /// Hands out the same, in the order of the periods' begins.
    ///
    /// # Errors
    /// It can't be read, or something was refused.
    pub(crate) fn each<E: From<ReadError>>(
        &self,
        kind: Kind,
        selection: &Selection,
        from: i64,
        mut take: impl FnMut(Found) -> Result<(), E>,
    ) -> Result<(), E> {
        let (_, object, ..) = FIELDS[kind as usize];
        let Some(field) = self.fields.get(object) else { return Ok(()) };
        let mut pages = Pages::new(self, field, query(kind, field, selection, from));
        let mut group = Backlog::new(&self.limits);
        while let Some(hits) = pages.next()? {
            for hit in hits {
                group.add(field.second(&hit.sort[0]), hit, &mut take)?;
            }
        }
        group.end(&mut take)
    }

    /// True if this is where a run would write to, or will be once its indices are there.
    pub(crate) fn is_written_to(&self, target: &OpenSearchConfig) -> Result<bool, Failure> {
        let client =
            Client::new(target).map_err(|error| Failure::new(Exit::Configuration, error))?;
        let away = |error: Unavailable| Failure::new(Exit::TryAgain, error);
        let uuid = |answer: Answer| {
            let answer: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            answer["cluster_uuid"].as_str().map(str::to_owned)
        };
        let theirs = uuid(client.get("/").map_err(away)?);
        let ours = uuid(self.ask(|| self.client.get("/"))?);
        let same_node = || self.config.nodes.iter().any(|node| target.nodes.contains(node));
        let is_same = ours.zip(theirs).map_or_else(same_node, |(ours, theirs)| ours == theirs);
        if !is_same {
            return Ok(false);
        }
        let targets = [&target.dmarc, &target.tlsrpt, &target.failures].map(|to| &to.index);
        if self.names.split(',').any(|name| targets.iter().any(|to| to.is_meant_by(name))) {
            return Ok(true);
        }
        let names = targets.map(IndexName::wildcard).join(",");
        let there = self.field_types(&names, false)?.indices;
        Ok(there.iter().any(|index| self.indices.contains(index)))
    }

    /// Which types the fields have in indices, and all indices.
    fn field_types(&self, names: &str, all_must_be_there: bool) -> Result<FieldCaps, ReadError> {
        let fields =
            FIELDS.map(|(_, object, begin, id)| format!("{object}.*,{begin},{id},{id}.keyword"));
        let path = format!(
            "/{names}/_field_caps?fields={}&ignore_unavailable={}",
            fields.join(","),
            !all_must_be_there
        );
        let answer = self.ask(|| self.client.get(&path))?;
        match answer.status {
            200 => self.parsed(&answer),
            _ => Err(self.refused(&answer)),
        }
    }

    /// The type of a time field. It must be the same in all indices.
    fn time_type(
        &self,
        field: &str,
        types: Option<&BTreeMap<String, Value>>,
    ) -> Result<&'static str, ReadError> {
        let names: Vec<&str> = types.into_iter().flat_map(BTreeMap::keys).map(|s| &**s).collect();
        match names.as_slice() {
            // Documents without it can be read, too.
            [] | ["date"] => Ok("date"),
            ["long"] => Ok("long"),
            all => Err(ReadError::Shape(format!(
                "can't read {} in order: its field {field} is of type {}, and not a date in all \
                 indices; copy the documents with _reindex into an index where it is one",
                self.name(),
                all.join(" and ")
            ))),
        }
    }

    /// Opens a point in time.
    pub(super) fn open_moment(&self, keep_alive: &str) -> Result<String, ReadError> {
        let path = format!(
            "/{}/_search/point_in_time?keep_alive={keep_alive}&allow_partial_pit_creation=false",
            self.indices.join(",")
        );
        let answer = self.ask(|| self.client.post(&path, &Value::Null))?;
        if answer.status != 200 {
            return Err(self.refused(&answer));
        }
        let answer: Value = self.parsed(&answer)?;
        let id = answer["pit_id"].as_str().map(str::to_owned);
        id.ok_or_else(|| ReadError::Refused(format!("{}: no point in time", self.name())))
    }

    fn search(&self, query: &Value, aggregations: &Value) -> Result<Value, ReadError> {
        let path =
            format!("/{}/_search?allow_partial_search_results=false", self.indices.join(","));
        let body =
            json!({ "size": 0, "track_total_hits": true, "query": query, "aggs": aggregations });
        let answer = self.ask(|| self.client.post(&path, &body))?;
        if answer.status == 200 { self.parsed(&answer) } else { Err(self.refused(&answer)) }
    }

    /// Asks until there is an answer. The first one is not waited for.
    pub(super) fn ask<T>(
        &self,
        mut request: impl FnMut() -> Result<T, Unavailable>,
    ) -> Result<T, ReadError> {
        let mut outage: Option<(Instant, bool)> = None;
        loop {
            self.stop.check()?;
            let reason = match request() {
                Ok(answer) => {
                    self.has_answered.set(true);
                    if let Some((since, true)) = outage {
                        let seconds = since.elapsed().as_secs();
                        info!(seconds, "{} can be read again", self.name());
                    }
                    return Ok(answer);
                }
                Err(reason) if !self.has_answered.get() => {
                    return Err(ReadError::Away(format!("{}: {reason}", self.name())));
                }
                Err(reason) => reason,
            };
            let (since, is_told) = outage.get_or_insert((Instant::now(), false));
            let lasted = since.elapsed();
            if self.config.patience.is_some_and(|patience| lasted >= patience) {
                let why = format!("{}: {reason}", self.name());
                self.stop.ask(Reason::StoreUnreachable(why));
            } else if lasted >= HICCUP && !*is_told {
                *is_told = true;
                warn!(%reason, "{} can't be read for now, it is waited for", self.name());
            }
            self.stop.sleep(pause_after(lasted))?;
        }
    }

    pub(super) fn parsed<T: DeserializeOwned>(&self, answer: &Answer) -> Result<T, ReadError> {
        serde_json::from_slice(&answer.body).map_err(|error| {
            let what = format!("{}: {error}: {}", self.name(), answer.summary());
            ReadError::Refused(what)
        })
    }

    pub(super) fn refused(&self, answer: &Answer) -> ReadError {
        ReadError::Refused(format!("{}: {}", self.name(), answer.summary()))
    }
}

impl TimeField {
    /// The second since 1970 of a value to sort by; the last one where there is none.
    fn second(&self, sort: &Value) -> i64 {
        match sort.as_i64() {
            None | Some(i64::MAX) => i64::MAX,
            Some(milliseconds) if self.kind == "date" => milliseconds.div_euclid(1000),
            Some(second) => second,
        }
    }
}
