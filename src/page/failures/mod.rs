//! Failures: what failure reports say, summed up, and the newest of them one by one. What they know
//! of persons is not shown unless that was configured.

mod mails;

use askama::Template;
use serde::Serialize;

use self::mails::FailedMail;
use super::{
    asked::Asked,
    content::{Content, Table},
    frame::{Frame, Place},
    groups::{ROWS, more},
    trouble::Trouble,
    view::View,
    words::{self, Said},
};
use crate::answers::{
    Answers,
    overview::{Counted, Failures},
};

/// What failure reports say.
#[derive(Debug, Template, Serialize)]
#[template(path = "page/failures/failures.html")]
pub(super) struct FailuresPage {
    #[serde(skip)]
    frame: Frame,
    #[serde(flatten)]
    sums: Failures,
    #[serde(skip)]
    domains: Vec<Domain>,
    /// The newest reports.
    newest: Vec<FailedMail>,
    #[serde(skip)]
    shows_persons: bool,
    /// How many more there are, and where they are shown.
    #[serde(skip)]
    omitted: u64,
    #[serde(skip)]
    more: String,
}

/// Failures in the name of a domain.
#[derive(Debug)]
struct Domain {
    name: Said,
    href: String,
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

impl Domain {
    /// Those from which most came.
    fn first_sources(&self) -> &[Item] {
        &self.sources[..self.sources.len().min(3)]
    }
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
        shows_persons: bool,
    ) -> Result<FailuresPage, Trouble>
    where
        Trouble: From<A::Error>,
    {
        let (filter, rows) = (asked.filter(place.now), asked.rows.unwrap_or(ROWS));
        let sums = answers.failures(&filter, rows)?;
        let newest = answers.failure_reports(&filter, rows)?;
        let newest: Vec<_> = newest
            .iter()
            .map(|document| FailedMail::of(place, asked, document, shows_persons))
            .collect();
        let omitted = sums.reports.saturating_sub(newest.len() as u64);
        let plain = |counted: &Counted| Item {
            words: words::said(&counted.value),
            href: String::new(),
            messages: counted.messages,
        };
        let source = |counted: &Counted| {
            let href = mails::source_page(place, asked, counted.value.as_deref());
            Item { href: href.unwrap_or_default(), ..plain(counted) }
        };
        let domains = sums.domains.iter().map(|domain| {
            let of_domain =
                asked.with(|asked| asked.filter.domains.only = vec![domain.domain.clone()]);
            Domain {
                name: domain.domain.as_str().into(),
                href: place.link(View::Failures, &of_domain),
                messages: domain.messages,
                sources: domain.sources.iter().map(source).collect(),
                failures: domain.auth_failures.iter().map(plain).collect(),
                results: domain.delivery_results.iter().map(plain).collect(),
            }
        });
        let domains = domains.collect();
        let frame = Frame::new(place, View::Failures, asked, "Failures");
        let more = if omitted > 0 { more(place, View::Failures, asked, rows) } else { None };
        let more = more.unwrap_or_default();
        Ok(FailuresPage { frame, sums, domains, newest, shows_persons, omitted, more })
    }
}

impl Content for FailuresPage {
    fn table(&self) -> Table {
        let list = |values: &[Said]| values.iter().map(Said::whole).collect::<Vec<_>>().join("; ");
        let one = |value: &Option<Said>| {
            value.as_ref().map(|value| value.whole().to_owned()).unwrap_or_default()
        };
        let row = |mail: &FailedMail| {
            let mut row = vec![
                mail.then.map(words::Then::exactly).unwrap_or_default(),
                list(&mail.domains),
                one(&mail.source),
                list(&mail.failed),
                one(&mail.result),
                one(&mail.signature),
                one(&mail.reporter),
                mail.mails.to_string(),
            ];
            if let Some(persons) = &mail.persons {
                row.extend([one(&persons.from), list(&persons.to), one(&persons.subject)]);
            }
            row
        };
        let mut columns = vec![
            "arrived",
            "domains",
            "source",
            "failed",
            "result",
            "signature",
            "reporter",
            "messages",
        ];
        if self.shows_persons {
            columns.extend(["from", "to", "subject"]);
        }
        Table { columns, rows: self.newest.iter().map(row).collect() }
    }
}
