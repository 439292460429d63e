//! Reports: the newest reports of a filter, each with a link to what is in it.

use askama::Template;
use serde::Serialize;

use super::{
    asked::{Asked, NamedReport},
    content::{Content, Table},
    frame::{Frame, Link, Place},
    groups::more,
    trouble::Trouble,
    view::View,
    words::{self, Said, Then},
};
use crate::{
    answers::{Answers, ListedReport, ReportName},
    report::Kind,
};

/// Reports that are listed, where nothing is said.
const ROWS: usize = 100;

/// The newest reports.
#[derive(Debug, Template, Serialize)]
#[template(path = "page/reports.html")]
pub(super) struct ReportList {
    #[serde(skip)]
    frame: Frame,
    #[serde(skip)]
    kind: Kind,
    /// The kinds that can be listed.
    #[serde(skip)]
    kinds: [Link; 2],
    reports: Vec<Row>,
    #[serde(skip)]
    more: String,
}

/// A report.
#[derive(Debug, Serialize)]
struct Row {
    reporter: Said,
    report_id: Said,
    domain: Said,
    begin: i64,
    #[serde(skip)]
    then: Then,
    /// Messages or sessions.
    all: u64,
    good: u64,
    #[serde(skip)]
    href: String,
}

impl ReportList {
    /// Asks for the list.
    ///
    /// # Errors
    /// The store can't be read.
    pub(super) fn ask<A: Answers>(
        answers: &A,
        place: Place,
        asked: &Asked,
    ) -> Result<ReportList, Trouble>
    where
        Trouble: From<A::Error>,
    {
        let kind = asked.report.kind.unwrap_or(Kind::Dmarc);
        let rows = asked.rows.unwrap_or(ROWS);
        let found = answers.reports(kind, &asked.filter(place.now), rows)?;
        let more = if found.len() == rows { more(place, View::Reports, asked, rows) } else { None };
        let of_kind = |(other, words)| Link {
            words,
            href: place.link(View::Reports, &asked.with(|asked| asked.report.kind = Some(other))),
            is_current: other == kind,
        };
        Ok(ReportList {
            frame: Frame::new(place, View::Reports, asked, "Reports"),
            kind,
            kinds: [(Kind::Dmarc, "DMARC"), (Kind::Tls, "SMTP TLS")].map(of_kind),
            reports: found.into_iter().map(|report| row(place, asked, report)).collect(),
            more: more.unwrap_or_default(),
        })
    }

    fn is_tls(&self) -> bool {
        self.kind == Kind::Tls
    }
}

fn row(place: Place, asked: &Asked, report: ListedReport) -> Row {
    let ReportName { kind, organization, report_id, begin } = report.name;
    // The time goes along: what a report leads to is of the same one.
    let asked = Asked {
        report: NamedReport {
            kind: Some(kind),
            organization: organization.clone(),
            id: Some(report_id.clone()),
            begin: Some(begin),
        },
        ..asked.period_only()
    };
    Row {
        reporter: organization.unwrap_or_else(|| "nobody named".into()).into(),
        report_id: report_id.into(),
        domain: report.domain.into(),
        begin,
        then: Then::new(begin, place.now),
        all: report.all,
        good: report.good,
        href: place.link(View::Report, &asked),
    }
}

impl Content for ReportList {
    fn table(&self) -> Table {
        let row = |row: &Row| {
            vec![
                row.then.exactly(),
                row.reporter.whole().to_owned(),
                row.report_id.whole().to_owned(),
                row.domain.whole().to_owned(),
                row.all.to_string(),
                row.good.to_string(),
            ]
        };
        Table {
            columns: if self.is_tls() {
                vec!["begin", "reporter", "report_id", "domain", "sessions", "successful"]
            } else {
                vec!["begin", "reporter", "report_id", "domain", "messages", "pass"]
            },
            rows: self.reports.iter().map(row).collect(),
        }
    }
}
