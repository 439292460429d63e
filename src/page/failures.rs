//! Failures: what failure reports say, summed up. What they know of persons is not shown.

use askama::Template;
use serde::Serialize;

use super::{
    asked::Asked,
    content::{Content, Table},
    frame::{Frame, Place},
    groups::ROWS,
    trouble::Trouble,
    view::View,
    words::{self, Said},
};
use crate::answers::{
    Answers, Network,
    overview::{Counted, Failures},
};

/// What failure reports say.
#[derive(Debug, Template, Serialize)]
#[template(path = "page/failures.html")]
pub(super) struct FailuresPage {
    #[serde(skip)]
    frame: Frame,
    #[serde(flatten)]
    sums: Failures,
    #[serde(skip)]
    domains: Vec<Domain>,
}

/// Failures in the name of a domain.
#[derive(Debug)]
struct Domain {
    name: Said,
    href: String,
    reports: u64,
    messages: u64,
    sources: Vec<Item>,
    failures: Vec<Item>,
    results: Vec<Item>,
}

/// What some messages have in common.
#[derive(Debug)]
struct Item {
    words: Said,
    /// What it leads to.
    href: String,
    messages: u64,
}

impl FailuresPage {
    /// Asks for the numbers.
    ///
    /// # Errors
    /// The store can't be read.
    pub(super) fn ask<A: Answers>(
        answers: &A,
        place: Place,
        asked: &Asked,
    ) -> Result<FailuresPage, Trouble>
    where
        Trouble: From<A::Error>,
    {
        let sums = answers.failures(&asked.filter(place.now), asked.rows.unwrap_or(ROWS))?;
        let plain = |counted: &Counted| Item {
            words: words::said(&counted.value),
            href: String::new(),
            messages: counted.messages,
        };
        let source = |counted: &Counted| {
            let network = counted.value.as_deref().and_then(|text| text.parse::<Network>().ok());
            let of_source = |network| {
                let asked =
                    asked.period_only().with(|asked| asked.filter.networks.only = vec![network]);
                place.link(View::Address, &asked)
            };
            Item { href: network.map(of_source).unwrap_or_default(), ..plain(counted) }
        };
        let domains = sums.domains.iter().map(|domain| {
            let of_domain =
                asked.with(|asked| asked.filter.domains.only = vec![domain.domain.clone()]);
            Domain {
                name: domain.domain.as_str().into(),
                href: place.link(View::Failures, &of_domain),
                reports: domain.reports,
                messages: domain.messages,
                sources: domain.sources.iter().map(source).collect(),
                failures: domain.auth_failures.iter().map(plain).collect(),
                results: domain.delivery_results.iter().map(plain).collect(),
            }
        });
        let domains = domains.collect();
        let frame = Frame::new(place, View::Failures, asked, "Failures");
        Ok(FailuresPage { frame, sums, domains })
    }
}

impl Content for FailuresPage {
    fn table(&self) -> Table {
        let list = |values: &[Item]| {
            let all: Vec<String> = values
                .iter()
                .map(|one| format!("{} {}", one.words.whole(), one.messages))
                .collect();
            all.join("; ")
        };
        let row = |domain: &Domain| {
            vec![
                domain.name.whole().to_owned(),
                domain.reports.to_string(),
                domain.messages.to_string(),
                list(&domain.sources),
                list(&domain.failures),
                list(&domain.results),
            ]
        };
        Table {
            columns: vec![
                "domain",
                "reports",
                "messages",
                "sources",
                "auth_failures",
                "delivery_results",
            ],
            rows: self.domains.iter().map(row).collect(),
        }
    }
}
