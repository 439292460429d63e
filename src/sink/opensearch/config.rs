//! What the OpenSearch sink needs to know.

use std::{path::PathBuf, time::Duration};

use serde_json::{Map, Value, json};

pub use super::index_name::IndexName;
pub(crate) use super::index_name::rolls_over;
use crate::report::Kind;

/// Settings of the sink.
#[derive(Clone, Debug)]
pub struct OpenSearchConfig {
    /// Base URLs of the nodes, without a slash at the end; at least one.
    pub nodes: Vec<String>,
    /// How to say who we are.
    pub auth: Option<Auth>,
    /// PEM file of the authorities to trust in place of the system's.
    pub ca_file: Option<PathBuf>,
    /// PEM files of the certificate to show, and of its private key.
    pub client: Option<(PathBuf, PathBuf)>,
    /// Do not check certificates.
    pub insecure: bool,
    /// Index and pipeline of DMARC records.
    pub dmarc: Target,
    /// Index and pipeline of TLS policies.
    pub tlsrpt: Target,
    /// Index and pipeline of failure reports.
    pub failures: Target,
    /// Bytes of a `_bulk` body, about.
    pub bulk_bytes: usize,
    /// `_bulk` requests under way at once.
    pub in_flight: usize,
    /// Compress request bodies.
    pub gzip: bool,
    /// Primary shards of an index that is made.
    pub shards: Option<u16>,
    /// Replicas of each shard of an index that is made.
    pub replicas: Option<u16>,
    /// An import is to come: the indices are made beforehand.
    pub import: Option<ImportTuning>,
    /// How long an outage may last before work is stopped; nothing waits for ever.
    pub patience: Option<Duration>,
    /// What becomes of mails for an index in trouble.
    pub on_trouble: OnTrouble,
}

impl OpenSearchConfig {
    /// Where documents of a kind go.
    pub fn target(&self, kind: Kind) -> &Target {
        match kind {
            Kind::Dmarc => &self.dmarc,
            Kind::Tls => &self.tlsrpt,
            Kind::Failure => &self.failures,
        }
    }

    /// The settings of an index that were asked for, as a cluster gives them back; an empty object
    /// where none were.
    pub fn asked_settings(&self) -> Value {
        let asked = [("number_of_shards", self.shards), ("number_of_replicas", self.replicas)];
        let asked = asked.into_iter().filter_map(|(name, number)| {
            number.map(|number| (name.to_owned(), number.to_string().into()))
        });
        let asked: Map<String, Value> = asked.collect();
        if asked.is_empty() { json!({}) } else { json!({ "index": asked }) }
    }
}

/// What becomes of mails for an index in trouble once the place aside is full, and when it was
/// waited for long enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnTrouble {
    /// They are waited for, since they can't be given again; in the end work is stopped.
    #[default]
    Wait,
    /// They are left, and given again once the index is back; in the end it is given up and the
    /// others go on.
    LeaveOrGiveUp,
    /// They are left, and given again once the index is back; in the end work is stopped.
    Leave,
}

/// How indices are treated during an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImportTuning {
    /// Relax their refresh while it lasts.
    pub tune: bool,
}

/// Where documents of one kind go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Name of the index, or of one for each year or month.
    pub index: IndexName,
    /// Name of the ingest pipeline that they pass through.
    pub pipeline: Option<String>,
}

/// Credentials.
#[derive(Clone, PartialEq, Eq)]
pub enum Auth {
    /// User and password (RFC 7617).
    Basic(String, String),
    /// An API key, as OpenSearch issues them: already encoded.
    ApiKey(String),
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        // Secrets stay out of logs.
        formatter.write_str(match self {
            Auth::Basic(..) => "Basic(…)",
            Auth::ApiKey(_) => "ApiKey(…)",
        })
    }
}
