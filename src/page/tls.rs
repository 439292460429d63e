//! TLS: whether other servers could reach this domain's mail servers over TLS, and why not.

use askama::Template;
use serde::Serialize;

use super::{
    asked::{Asked, Period},
    chart::{self, Chart, Lane},
    content::{Content, Table},
    domain::TlsSum,
    frame::{Frame, Place},
    groups::{ROWS, more},
    trouble::Trouble,
    view::View,
    words::{self, Said, Then},
};
use crate::{
    answers::{Answers, Filter, overview::Tls},
    report::Kind,
};

/// What TLS reports say.
#[derive(Debug, Template, Serialize)]
#[template(path = "page/tls.html")]
pub(super) struct TlsPage {
    #[serde(skip)]
    frame: Frame,
    #[serde(flatten)]
    sums: Tls,
    /// Of the time before.
    before: Option<TlsSum>,
    #[serde(skip)]
    chart: Option<Chart>,
    #[serde(skip)]
    policies: Vec<PolicyRow>,
    /// Where more policies are shown.
    #[serde(skip)]
    more: String,
    #[serde(skip)]
    reports_href: String,
    /// When the newest TLS report begins, if none is of this time.
    #[serde(skip)]
    newest: Option<Then>,
    #[serde(skip)]
    all_href: String,
}

/// Sessions under one kind of policy of one domain.
#[derive(Debug)]
struct PolicyRow {
    domain: Said,
    /// This page about the domain only.
    href: String,
    kind: Said,
    successful: u64,
    all: u64,
    failures: Vec<Failure>,
}

/// A way to fail.
#[derive(Debug)]
struct Failure {
    name: Said,
    sessions: u64,
    meaning: &'static str,
    remedy: &'static str,
}

impl TlsPage {
    /// Asks for the numbers.
    ///
    /// # Errors
    /// The store can't be read.
    pub(super) fn ask<A: Answers>(
        answers: &A,
        place: Place,
        asked: &Asked,
    ) -> Result<TlsPage, Trouble>
    where
        Trouble: From<A::Error>,
    {
        let (filter, rows) = (asked.filter(place.now), asked.rows.unwrap_or(ROWS));
        let sums = answers.tls(&filter, rows)?;
        let days = answers.tls_days(&filter)?;
        let before = asked.filter_before(place.now);
        let before = before.map(|filter| answers.tls_days(&filter)).transpose()?;
        let newest = match sums.reports {
            0 => {
                let of_all = Filter { since: None, until: None, ..filter.clone() };
                answers.tls_days(&of_all)?.last().map(|day| Then::new(day.begin, place.now))
            }
            _ => None,
        };
        let policies = sums.policies.iter().map(|policy| {
            let of_domain = asked.with(|asked| {
                asked.filter.domains.only = vec![policy.policy_domain.clone()];
            });
            PolicyRow {
                domain: policy.policy_domain.as_str().into(),
                href: place.link(View::Tls, &of_domain),
                kind: kind(policy.policy_type.as_deref()),
                successful: policy.successful_sessions,
                all: policy.successful_sessions.saturating_add(policy.failed_sessions),
                failures: policy.failures.iter().map(failure).collect(),
            }
        });
        let policies = policies.collect();
        let mut reports = asked.clone();
        (reports.rows, reports.report.kind) = (None, Some(Kind::Tls));
        let of_all = asked.with(|asked| asked.period = Period::preset("all"));
        Ok(TlsPage {
            frame: Frame::new(place, View::Tls, asked, "TLS"),
            chart: Chart::new(chart::Shown {
                id: "days",
                range: chart::range(&filter, place.now),
                lanes: vec![
                    Lane::of_sessions("Sessions", &days),
                    Lane::of_tls("Those that failed", &days),
                ],
                policies: &[],
            }),
            policies,
            sums,
            before: before.map(|days| TlsSum::of(&days)),
            more: more(place, View::Tls, asked, rows).unwrap_or_default(),
            reports_href: place.link(View::Reports, &reports),
            newest,
            all_href: place.link(View::Tls, &of_all),
        })
    }

    fn sessions(&self) -> u64 {
        self.sums.successful_sessions.saturating_add(self.sums.failed_sessions)
    }
}

/// A policy's type (RFC 8460 section 4.4) as people call it.
fn kind(policy_type: Option<&str>) -> Said {
    match policy_type {
        Some("sts") => "MTA-STS".into(),
        Some("tlsa") => "DANE".into(),
        Some("no-policy-found") => "none found".into(),
        other => other.unwrap_or("–").into(),
    }
}

fn failure(failure: &crate::answers::overview::TlsFailure) -> Failure {
    let (meaning, remedy) = explained(failure.result_type.as_deref().unwrap_or_default());
    Failure { name: words::said(&failure.result_type), sessions: failure.sessions, meaning, remedy }
}

/// What a result of RFC 8460 section 4.3 means, and what to do.
fn explained(result: &str) -> (&'static str, &'static str) {
    match result {
        "starttls-not-supported" => (
            "Your server did not offer STARTTLS.",
            "Switch it on for every server of the MX records; look for a firewall that removes it.",
        ),
        "certificate-host-mismatch" => (
            "The certificate has another name than the server in the MX record.",
            "Get a certificate with the name of the MX record, or mend the record.",
        ),
        "certificate-expired" => {
            ("The certificate was out of date.", "Renew it, and have it renewed by itself.")
        }
        "certificate-not-trusted" => (
            "The certificate comes from nobody the sender trusts.",
            "Install one of a public authority with all certificates between.",
        ),
        "validation-failure" => (
            "TLS failed for another reason.",
            "The additional information of the reports says more.",
        ),
        "tlsa-invalid" => (
            "The TLSA record does not fit the certificate.",
            "Publish the new record before the certificate changes.",
        ),
        "dnssec-invalid" => {
            ("DNSSEC of the domain could not be checked.", "Look at the signatures of the zone.")
        }
        "dane-required" => (
            "The sender asks for DANE, and there is no usable TLSA record.",
            "Publish TLSA records in a signed zone.",
        ),
        "sts-policy-fetch-error" => (
            "The policy of MTA-STS could not be fetched.",
            "See that https://mta-sts.<domain>/.well-known/mta-sts.txt answers.",
        ),
        "sts-policy-invalid" => {
            ("The policy of MTA-STS is not valid.", "Mend the file; its version is STSv1.")
        }
        "sts-webpki-invalid" => (
            "The web server of MTA-STS has no valid certificate.",
            "Renew the certificate of mta-sts.<domain>.",
        ),
        _ => ("", ""),
    }
}

impl Content for TlsPage {
    fn table(&self) -> Table {
        let row = |policy: &PolicyRow| {
            let failures: Vec<String> = policy
                .failures
                .iter()
                .map(|failure| format!("{} {}", failure.name.whole(), failure.sessions))
                .collect();
            vec![
                policy.domain.whole().to_owned(),
                policy.kind.whole().to_owned(),
                policy.successful.to_string(),
                policy.all.saturating_sub(policy.successful).to_string(),
                failures.join("; "),
            ]
        };
        Table {
            columns: vec![
                "policy_domain",
                "policy_type",
                "successful_sessions",
                "failed_sessions",
                "failures",
            ],
            rows: self.policies.iter().map(row).collect(),
        }
    }
}
