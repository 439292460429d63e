//! Pages: the documents of an index in order, some hundred at a time, by a point in time and
//! `search_after`.
//!
//! They are ordered by their period, the report's id and `_seq_no`, which is the same in a later
//! point in time: one that the cluster has forgotten (a restart, a long pause) is opened anew. Not
//! by `_shard_doc` or `_id`: older versions lack the first, and the second takes memory of the node
//! for each document. Two shards may have the same number for documents of one report, so the last
//! documents of a page that are alike are read again with the next one.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use ureq::http::Method;

use super::{
    ReadError,
    index::{Index, TimeField},
};
use crate::sink::opensearch::client::Unavailable;

/// Documents in a page. Fewer where they are large.
const PAGE: usize = 1000;

/// How long the cluster keeps a point in time that is not asked for: as long as another store is
/// waited for by default, and longer.
const KEEP_ALIVE: &str = "15m";

/// A document.
#[derive(Debug, Deserialize)]
pub(super) struct SearchHit {
    #[serde(rename = "_index")]
    pub(super) index: String,
    #[serde(rename = "_id")]
    pub(super) id: String,
    #[serde(rename = "_source", default)]
    pub(super) source: Value,
    /// Its period's begin, its report's id, its number.
    pub(super) sort: [Value; 3],
}

#[derive(Deserialize)]
struct HitPage {
    pit_id: Option<String>,
    timed_out: bool,
    #[serde(rename = "_shards")]
    shards: Shards,
    hits: Hits,
}

#[derive(Deserialize)]
struct Shards {
    failed: u64,
}

#[derive(Deserialize)]
struct Total {
    value: u64,
}

#[derive(Deserialize)]
struct Hits {
    total: Option<Total>,
    hits: Vec<SearchHit>,
}

/// The walk; see the module.
pub(super) struct Pages<'i> {
    index: &'i Index,
    query: Value,
    sort: Value,
    /// The point in time.
    moment: Option<String>,
    behind: Option<[Value; 3]>,
    size: usize,
    is_over: bool,
    /// How many there were at the beginning, and how many were handed out.
    all: Option<u64>,
    handed_out: u64,
}

impl<'i> Pages<'i> {
    /// All documents that match, by this field.
    pub(super) fn new(index: &'i Index, field: &TimeField, query: Value) -> Pages<'i> {
        let by = |name: &str, kind: &str| json!({ name: { "order": "asc", "missing": "_last", "unmapped_type": kind } });
        let sort = json!([by(field.name, field.kind), by(&field.report_id, "keyword"), "_seq_no"]);
        Pages {
            index,
            query,
            sort,
            moment: None,
            behind: None,
            size: PAGE,
            is_over: false,
            all: None,
            handed_out: 0,
        }
    }

    /// The next page; nothing at the end, once as many were handed out as there were.
    pub(super) fn next(&mut self) -> Result<Option<Vec<SearchHit>>, ReadError> {
        while !self.is_over {
            let Some(page) = self.ask()? else { continue };
            self.moment = page.pit_id.or(self.moment.take());
            self.all = self.all.or(page.hits.total.map(|total| total.value));
            let hits = self.cut(page.hits.hits);
            self.handed_out += hits.len() as u64;
            return Ok(Some(hits));
        }
        match self.all {
            Some(all) if self.handed_out < all => Err(ReadError::Away(format!(
                "all of {}: {} of {all} documents were found; try again",
                self.index.name(),
                self.handed_out
            ))),
            _ => Ok(None),
        }
    }

    /// Asks for a page once; nothing if it is to be asked for again: a smaller one, in another
    /// point in time, or a second later.
    fn ask(&mut self) -> Result<Option<HitPage>, ReadError> {
        let moment = match self.moment.take() {
            Some(moment) => moment,
            None => self.index.open_moment(KEEP_ALIVE)?,
        };
        let mut body = json!({
            "size": self.size, "query": self.query, "sort": self.sort,
            "track_total_hits": self.all.is_none(),
            "pit": { "id": moment, "keep_alive": KEEP_ALIVE },
        });
        if let Some(behind) = &self.behind {
            body["search_after"] = json!(behind);
        }
        self.moment = Some(moment);
        // What only some shards found would be taken for all there is.
        let path = "/_search?allow_partial_search_results=false";
        let is_long = |answer: &Result<_, Unavailable>| {
            matches!(answer, Err(Unavailable::TooLong(_))) && self.size > 1
        };
        let client = &self.index.client;
        let answer = self.index.ask(|| {
            let answer = client.post(path, &body);
            if is_long(&answer) { Ok(None) } else { answer.map(Some) }
        })?;
        let Some(answer) = answer else {
            self.size = self.size.div_ceil(4);
            return Ok(None);
        };
        match answer.status {
            200 => {}
            // The point in time is not known any more.
            404 => {
                self.moment = None;
                return Ok(None);
            }
            _ => return Err(self.index.refused(&answer)),
        }
        let page: HitPage = self.index.parsed(&answer)?;
        if page.timed_out || page.shards.failed > 0 {
            self.index.stop.sleep(Duration::from_secs(1))?;
            return Ok(None);
        }
        Ok(Some(page))
    }

    /// Takes off those at the end of which there may be more on the next page.
    fn cut(&mut self, mut hits: Vec<SearchHit>) -> Vec<SearchHit> {
        self.is_over = hits.len() < self.size;
        if !self.is_over
            && let Some(last) = hits.last().map(|hit| hit.sort.clone())
        {
            let alike = hits.iter().rev().take_while(|hit| hit.sort == last).count();
            // More of them than shards there can't be.
            if alike < hits.len() {
                hits.truncate(hits.len() - alike);
            }
        }
        self.behind = hits.last().map(|hit| hit.sort.clone()).or(self.behind.take());
        hits
    }
}

impl Drop for Pages<'_> {
    fn drop(&mut self) {
        // The cluster forgets it by itself, only later.
        if let Some(moment) = self.moment.take() {
            let body = json!({ "pit_id": [moment] }).to_string();
            let path = "/_search/point_in_time";
            let json = "application/json";
            let _ = self.index.client.request(&Method::DELETE, path, json, body.as_bytes());
        }
    }
}
