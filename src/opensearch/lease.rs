//! Lease: one process at a time tells what is new in a cluster, on whatever machine. It ends by
//! itself, since a process may be killed that has it; until then others wait.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};
use ureq::http::Method;

use super::{AskError, ClusterAnswers, situations::INDEX, useful};
use crate::stop::Stop;

/// The document that says who has it.
const ID: &str = "lease";

/// Seconds that it holds. Nobody tells for so long: each way has a minute or two.
const HOLDS: i64 = 15 * 60;

/// How often it is asked for.
const INTERVAL: Duration = Duration::from_secs(1);

/// No other process tells until this is dropped.
pub(crate) struct Lease<'c> {
    cluster: &'c ClusterAnswers,
    /// Of the document as this process wrote it.
    version: String,
}

impl ClusterAnswers {
    /// Takes the lease; nothing if another process had it for so long, or work is to end.
    ///
    /// # Errors
    /// The cluster gives no answer.
    pub(crate) fn alone(
        &self,
        patience: Duration,
        stop: &Stop,
    ) -> Result<Option<Lease<'_>>, AskError> {
        let since = Instant::now();
        loop {
            if let Some(lease) = self.take_lease()? {
                return Ok(Some(lease));
            }
            if since.elapsed() >= patience || stop.sleep(INTERVAL).is_err() {
                return Ok(None);
            }
        }
    }

    fn take_lease(&self) -> Result<Option<Lease<'_>>, AskError> {
        let found = self.client.get(&format!("/{INDEX}/_doc/{ID}"))?;
        let now = Timestamp::now().as_second();
        let condition = if found.status == 404 {
            self.make_index()?;
            "op_type=create".to_owned()
        } else {
            let found = useful(&found)?;
            let until = found["_source"]["until"].as_i64().unwrap_or(0);
            // By the clocks of two machines; one that is wrong by years holds nobody up for long.
            if (now..=now + HOLDS).contains(&until) {
                return Ok(None);
            }
            version(&found)
        };
        let path = format!("/{INDEX}/_doc/{ID}?{condition}");
        let answer = self.client.put(&path, &json!({ "until": now + HOLDS }))?;
        if answer.status == 409 {
            return Ok(None);
        }
        Ok(Some(Lease { cluster: self, version: version(&useful(&answer)?) }))
    }
}

/// What a request says that is about this version of a document and no other.
fn version(document: &Value) -> String {
    let number = |name: &str| document[name].as_u64().unwrap_or(0);
    format!("if_seq_no={}&if_primary_term={}", number("_seq_no"), number("_primary_term"))
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let path = format!("/{INDEX}/_doc/{ID}?{}", self.version);
        // It ends by itself, too.
        let _ = self.cluster.client.request(&Method::DELETE, &path, "", b"");
    }
}
