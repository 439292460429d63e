//! The client: requests to one of several nodes, the next one when a node does not answer.

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use flate2::{Compression, write::GzEncoder};
use serde_json::Value;
use ureq::{
    Agent,
    http::{Method, Request},
};

use super::{
    certificates::{CertificateError, tls},
    config::{Auth, OpenSearchConfig},
};

/// Long enough for a bulk request on a node that is busy merging; a node that hangs longer counts
/// as away.
const REQUEST_TIMEOUT: Duration = Duration::from_mins(1);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// An answer to a bulk request has about 50 bytes a document; no sane one is larger than this.
const ANSWER_BYTES: u64 = 64 << 20;

/// Why the cluster can't be asked now. All of it may go away by waiting.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Unavailable {
    /// No node gave an answer.
    #[error("{0}")]
    NoAnswer(String),
    /// A node, or a proxy before it, can't answer now.
    #[error("{0}")]
    NotNow(String),
    /// The cluster has too much to do, or too little memory, at this moment.
    #[error("{0}")]
    Busy(String),
    /// The answer is longer than is taken.
    #[error("{0}")]
    TooLong(String),
    /// What was answered is not what was asked for.
    #[error("not an index template ({error}): {answer}")]
    NotATemplate {
        /// What the JSON parser said.
        error: String,
        /// The beginning of the answer.
        answer: String,
    },
    /// A pipeline that is configured does not exist.
    #[error("there is no ingest pipeline {0}")]
    NoPipeline(String),
}

/// What a node answered.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// What a shard that failed says, which the reason of the whole leaves out.
fn of_shard(error: &Value) -> Option<String> {
    let reason = &error["failed_shards"][0]["reason"];
    let causes = [&reason["reason"], &reason["caused_by"]["reason"]];
    let causes: Vec<&str> = causes.into_iter().filter_map(Value::as_str).collect();
    (!causes.is_empty()).then(|| causes.join(": "))
}

/// Bytes of an answer that are looked at to sum it up.
const SUMMED_UP: usize = 64 << 10;

impl Answer {
    /// What a shard that failed says, if the whole failed by it.
    pub(crate) fn of_shard(&self) -> Option<String> {
        let body: Value = serde_json::from_slice(&self.body).ok()?;
        of_shard(&body["error"])
    }

    /// Status and the beginning of the body, for a log.
    pub fn summary(&self) -> String {
        // Of OpenSearch, and of OpenSearch Dashboards.
        #[derive(serde::Deserialize)]
        struct Body {
            error: Value,
            message: Option<String>,
        }
        if self.body.trim_ascii_start().starts_with(b"<") {
            return format!("answers, but is not OpenSearch (a web page, status {})", self.status);
        }
        let start = &self.body[..self.body.len().min(SUMMED_UP)];
        let reason = match serde_json::from_slice::<Body>(start) {
            Ok(Body { message: Some(message), .. }) => message,
            Ok(Body { error, .. }) => {
                let reason = match error.get("reason").unwrap_or(&error) {
                    Value::String(reason) => reason.clone(),
                    other => other.to_string(),
                };
                [Some(reason), of_shard(&error)]
                    .into_iter()
                    .flatten()
                    .collect::<Vec<_>>()
                    .join(": ")
            }
            Err(_) => String::from_utf8_lossy(start).into_owned(),
        };
        let reason: String = reason.chars().take(300).collect();
        // Proxies answer with pages of several lines.
        let words: Vec<_> = reason.split_whitespace().collect();
        format!("HTTP status {}: {}", self.status, words.join(" "))
    }
}

/// The client; see the module. Its clones share connections and what is known of nodes.
#[derive(Clone, Debug)]
pub struct Client {
    agent: Agent,
    nodes: Vec<String>,
    authorization: Option<String>,
    /// Headers that each request has, apart from those.
    more: Vec<(&'static str, String)>,
    gzip: bool,
    next: Arc<AtomicUsize>,
    /// When all requests are given up.
    until: Option<Instant>,
}

impl Client {
    /// A client for the nodes in `config`; nothing is sent yet.
    ///
    /// # Errors
    /// A certificate or key can't be used.
    pub fn new(config: &OpenSearchConfig) -> Result<Client, CertificateError> {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .tls_config(tls(config)?)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_global(Some(REQUEST_TIMEOUT))
            .max_idle_connections_per_host(config.in_flight + 1)
            .user_agent(concat!("email-report-processor/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent();
        let authorization = config.auth.as_ref().map(|auth| match auth {
            Auth::Basic(user, password) => {
                format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
            }
            Auth::ApiKey(key) => format!("ApiKey {key}"),
        });
        let nodes = config.nodes.clone();
        let (more, next) = (Vec::new(), Arc::default());
        let gzip = config.gzip;
        Ok(Client { agent, nodes, authorization, more, gzip, next, until: None })
    }

    /// The same, with a header that each request is to have.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: String) -> Client {
        self.more.push((name, value));
        self
    }

    /// The same, which gives up at this moment.
    #[must_use]
    pub fn until(self, end: Instant) -> Client {
        Client { until: Some(end), ..self }
    }

    /// True if there is so much time left.
    pub(crate) fn has_time_for(&self, pause: Duration) -> bool {
        self.until.is_none_or(|end| end.saturating_duration_since(Instant::now()) > pause)
    }

    /// Sends a request to one node, or, where it can't be reached, to the others in turn.
    ///
    /// # Errors
    /// No node answered. The request may have been carried out all the same.
    pub fn request(
        &self,
        method: &Method,
        path: &str,
        content_type: &str,
        body: &[u8],
    ) -> Result<Answer, Unavailable> {
        let packed = (self.gzip && !body.is_empty()).then(|| gzip(body));
        let first = self.next.load(Ordering::Relaxed);
        let mut last_error = Unavailable::NoAnswer("no node configured".into());
        for turn in 0..self.nodes.len() {
            let node = &self.nodes[(first + turn) % self.nodes.len()];
            match self.request_to(
                node,
                method,
                path,
                content_type,
                packed.as_deref().unwrap_or(body),
            ) {
                // A node that is up and can't do it: another may.
                Ok(answer) if matches!(answer.status, 502..=504) && turn + 1 < self.nodes.len() => {
                    last_error = Unavailable::NotNow(format!("{node}: {}", answer.summary()));
                }
                Ok(answer) => return Ok(answer),
                Err(ureq::Error::BodyExceedsLimit(bytes)) => {
                    let reason = format!("{node}: an answer of more than {bytes} bytes");
                    return Err(Unavailable::TooLong(reason));
                }
                Err(error) => last_error = Unavailable::NoAnswer(no_answer(node, &error)),
            }
            // All threads go on with the next node.
            let _ = self.next.compare_exchange(
                first + turn,
                first + turn + 1,
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
        }
        Err(last_error)
    }

    /// Asks for something. A status that says that the node can't answer now counts as none.
    ///
    /// # Errors
    /// No node answered, or none in a useful way.
    pub fn get(&self, path: &str) -> Result<Answer, Unavailable> {
        useful(self.request(&Method::GET, path, "", b""))
    }

    /// Sends JSON.
    ///
    /// # Errors
    /// No node answered, or none in a useful way.
    pub fn put(&self, path: &str, body: &Value) -> Result<Answer, Unavailable> {
        let body = body.to_string();
        useful(self.request(&Method::PUT, path, "application/json", body.as_bytes()))
    }

    /// Asks for something by sending JSON, or nothing where that is null.
    ///
    /// # Errors
    /// No node answered, or none in a useful way.
    pub fn post(&self, path: &str, body: &Value) -> Result<Answer, Unavailable> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        useful(self.request(&Method::POST, path, "application/json", body.as_bytes()))
    }

    fn request_to(
        &self,
        node: &str,
        method: &Method,
        path: &str,
        content_type: &str,
        body: &[u8],
    ) -> Result<Answer, ureq::Error> {
        let mut request = Request::builder().method(method).uri(format!("{node}{path}"));
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        for (name, value) in &self.more {
            request = request.header(*name, value);
        }
        let timeout = self.until.map_or(REQUEST_TIMEOUT, |end| {
            // A limit of nothing would be none.
            let left = end.saturating_duration_since(Instant::now());
            left.clamp(Duration::from_millis(1), REQUEST_TIMEOUT)
        });
        let response = if body.is_empty() {
            let request = self.agent.configure_request(request.body(())?);
            self.agent.run(request.timeout_global(Some(timeout)).build())
        } else {
            request = request.header("content-type", content_type);
            if self.gzip {
                request = request.header("content-encoding", "gzip");
            }
            let request = self.agent.configure_request(request.body(body)?);
            self.agent.run(request.timeout_global(Some(timeout)).build())
        };
        let mut response = response?;
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(ANSWER_BYTES).read_to_vec()?;
        Ok(Answer { status, body })
    }
}

/// Why a node gave no answer, for a person.
fn no_answer(node: &str, error: &ureq::Error) -> String {
    let reason = match error {
        ureq::Error::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            "connection refused".into()
        }
        ureq::Error::HostNotFound => "no host of this name".into(),
        ureq::Error::Timeout(_) => format!("it took too long: {error}"),
        // What an HTTP server says to a client that begins with TLS.
        _ if error.to_string().contains("InvalidContentType") => {
            let plain = node.replacen("https://", "http://", 1);
            return format!("{node} does not speak TLS; try {plain}");
        }
        _ => error.to_string(),
    };
    format!("no answer from {node} ({reason})")
}

/// An answer that says something about the cluster, and not only that it can't be asked now.
fn useful(answer: Result<Answer, Unavailable>) -> Result<Answer, Unavailable> {
    let answer = answer?;
    match answer.status {
        // Redirects come from proxies, for a while.
        300..=399 | 401 | 407 | 500.. => Err(Unavailable::NotNow(answer.summary())),
        429 => Err(Unavailable::Busy(answer.summary())),
        _ => Ok(answer),
    }
}

fn gzip(body: &[u8]) -> Vec<u8> {
    // Documents repeat themselves: the fastest level already saves nine tenths.
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 8), Compression::fast());
    encoder.write_all(body).and_then(|()| encoder.finish()).expect("writing to memory cannot fail")
}
