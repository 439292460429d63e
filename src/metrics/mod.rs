//! Metrics: what a run counts, for Prometheus and for the line at the end.

pub mod server;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize},
    },
    time::Duration,
};

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

use crate::{
    sanitize,
    settle::{MailOutcome, Settlement, apply::Moved},
};

/// All metrics; clones share the numbers.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    mails: Family<MailLabels, Counter>,
    reports: Family<KindLabels, Counter>,
    records: Counter,
    policies: Counter,
    created: Counter,
    duplicates: Counter,
    refused: Counter,
    queue_bytes: Gauge,
    oldest_mail: Gauge<f64, AtomicU64>,
    available: Gauge,
    messages: Family<MessageLabels, Gauge>,
    store: StoreMetrics,
}

/// Messages of a domain's senders in one bucket, over the last 30 days of reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketMessages {
    /// The domain, as reports have it.
    pub domain: String,
    /// One word.
    pub bucket: &'static str,
    /// Messages that passed DMARC.
    pub pass: u64,
    /// Those that did not.
    pub fail: u64,
}

/// What sinks count.
#[derive(Clone)]
pub struct StoreMetrics {
    requests: Family<ResultLabels, Counter>,
    retries: Counter,
    latency: Histogram,
    /// How many stores, or parts of one, are away.
    away: Arc<AtomicUsize>,
}

/// How a request to the store (a `_bulk` request, a transaction) ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum RequestResult {
    /// Every document was judged finally.
    #[expect(non_camel_case_types, reason = "label values are in lower case")]
    ok,
    /// Some documents have to be sent again.
    #[expect(non_camel_case_types, reason = "label values are in lower case")]
    partial,
    /// None was stored, or it is unknown.
    #[expect(non_camel_case_types, reason = "label values are in lower case")]
    failed,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MailLabels {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MessageLabels {
    domain: String,
    bucket: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    result: RequestResult,
}

impl Default for StoreMetrics {
    fn default() -> Self {
        // From a lone document on an idle node to a request that was given up (60 s).
        let buckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
        StoreMetrics {
            requests: Family::default(),
            retries: Counter::default(),
            latency: Histogram::new(buckets),
            away: Arc::default(),
        }
    }
}

impl StoreMetrics {
    /// A request came to an end after `lasted`.
    pub fn request(&self, result: RequestResult, lasted: Duration) {
        self.requests.get_or_create(&ResultLabels { result }).inc();
        self.latency.observe(lasted.as_secs_f64());
    }

    /// A request is about to be sent again.
    pub fn retry(&self) {
        self.retries.inc();
    }

    /// The store or a part of it went away, or came back from there.
    pub fn set_away(&self, away: bool) {
        let change = if away { AtomicUsize::fetch_add } else { AtomicUsize::fetch_sub };
        change(&self.away, 1, std::sync::atomic::Ordering::Relaxed);
    }

    /// Another store took over, and none is known to be away.
    pub fn forget_outages(&self) {
        self.away.store(0, std::sync::atomic::Ordering::Relaxed);
    }

    /// True while the store, or a part of it, is away.
    pub fn is_away(&self) -> bool {
        self.away.load(std::sync::atomic::Ordering::Relaxed) > 0
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("erp");
        macro_rules! register {
            ($name:literal, $help:literal) => {{
                let metric = Default::default();
                registry.register($name, $help, Clone::clone(&metric));
                metric
            }};
        }
        let store = StoreMetrics::default();
        let mut metrics = Metrics {
            mails: register!("mails", "Mails by outcome"),
            reports: register!("reports", "Reports by kind"),
            records: register!("records", "DMARC records"),
            policies: register!("policies", "SMTP TLS policies"),
            created: register!("documents_created", "Documents that were new to the store"),
            duplicates: register!("duplicates", "Documents that the store had already"),
            refused: register!("documents_refused", "Documents that the store refused for good"),
            queue_bytes: register!("queue_bytes", "Bytes that wait for the store"),
            oldest_mail: Gauge::default(),
            available: register!("store_available", "1 unless the store is away"),
            messages: register!("messages", "Messages in the last 30 days of DMARC reports"),
            registry: Arc::default(),
            store: store.clone(),
        };
        let age = "Age of the oldest mail in new/, 0 if there is none";
        registry.register_with_unit(
            "oldest_mail_age",
            age,
            Unit::Seconds,
            metrics.oldest_mail.clone(),
        );
        registry.register("bulk_requests", "Requests to the store by result", store.requests);
        registry.register("retries", "Requests to the store that were repeated", store.retries);
        registry.register_with_unit(
            "store_latency",
            "Time the store took to answer",
            Unit::Seconds,
            store.latency,
        );
        metrics.registry = Arc::new(registry);
        metrics
    }
}

impl Metrics {
    /// What sinks count.
    pub fn store(&self) -> &StoreMetrics {
        &self.store
    }

    /// A mail was settled.
    pub fn settled(&self, settlement: &Settlement, moved: Moved) {
        let outcome = match (&settlement.outcome, moved) {
            (MailOutcome::Gone | MailOutcome::NotAFile, _) => return,
            (MailOutcome::Left, _) | (_, Moved::Failed) => "left",
            (MailOutcome::Stored, _) => "stored",
            (MailOutcome::Failed(_), _) => "failed",
            (MailOutcome::Unrecognized(_), _) => "unrecognized",
        };
        self.mails.get_or_create(&MailLabels { outcome }).inc();
        if outcome == "left" {
            return;
        }
        let tally = &settlement.tally;
        self.reports.get_or_create(&KindLabels { kind: "dmarc" }).inc_by(tally.dmarc_reports);
        self.reports.get_or_create(&KindLabels { kind: "tls" }).inc_by(tally.tls_reports);
        self.reports.get_or_create(&KindLabels { kind: "failure" }).inc_by(tally.failure_reports);
        self.records.inc_by(tally.records);
        self.policies.inc_by(tally.policies);
        self.created.inc_by(tally.created);
        self.duplicates.inc_by(tally.duplicates);
        self.refused.inc_by(tally.refused);
    }

    /// What reports say of domains, in place of what they said before.
    pub fn set_standings(&self, standings: &[BucketMessages]) {
        self.messages.clear();
        for BucketMessages { domain, bucket, pass, fail } in standings {
            for (result, messages) in [("pass", *pass), ("fail", *fail)] {
                let domain = sanitize::line(domain).into_owned();
                let labels = MessageLabels { domain, bucket, result };
                let gauge = self.messages.get_or_create(&labels);
                gauge.set(messages.try_into().unwrap_or(i64::MAX));
            }
        }
    }

    /// The metrics in the OpenMetrics text format, with what is measured only now.
    pub fn render(&self, queue_bytes: usize, oldest_mail: Option<Duration>) -> String {
        self.queue_bytes.set(queue_bytes.try_into().unwrap_or(i64::MAX));
        self.oldest_mail.set(oldest_mail.map_or(0.0, |age| age.as_secs_f64()));
        self.available.set((!self.store.is_away()).into());
        let mut text = String::new();
        // Writing to a String can't fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

impl fmt::Debug for StoreMetrics {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("StoreMetrics").field("away", &self.is_away()).finish_non_exhaustive()
    }
}
