//! Home: the domains, worst first.

use askama::Template;
use serde::Serialize;

use super::{
    asked::Asked,
    content::{Content, Table},
    frame::{Frame, Place},
    groups::{GroupTable, Named},
    trouble::Trouble,
    view::View,
    words::{self, Then},
};
use crate::answers::{Answers, By, Filter, Messages, overview::Tls};

/// All domains.
#[derive(Debug, Template, Serialize)]
#[template(path = "page/home.html")]
pub(super) struct Home {
    #[serde(skip)]
    frame: Frame,
    #[serde(skip)]
    newest: Option<Then>,
    reports: u64,
    #[serde(flatten)]
    messages: Messages,
    domains: GroupTable,
    tls: Tls,
}

impl Home {
    /// Asks for the numbers.
    ///
    /// # Errors
    /// The store can't be read.
    pub(super) fn ask<A: Answers>(answers: &A, place: Place, asked: &Asked) -> Result<Home, Trouble>
    where
        Trouble: From<A::Error>,
    {
        let filter = asked.filter(place.now);
        let newest = answers.newest(&Filter::default())?;
        let domains = answers.groups(&filter, By::Domain, asked.rows.unwrap_or(200))?;
        let total = domains.total;
        let named = Named {
            id: "domains",
            title: "Domains",
            column: "Domain",
            empty: "No DMARC report of this time. Choose a longer one above.",
        };
        let mut domains = GroupTable::new(place, View::Home, asked, named, domains);
        domains.rows.sort_by_key(|row| {
            std::cmp::Reverse(row.messages.messages.saturating_sub(row.messages.pass))
        });
        Ok(Home {
            frame: Frame::new(place, View::Home, asked, "Domains"),
            newest: newest.map(|second| Then::new(second, place.now)),
            reports: total.reports,
            messages: total.messages,
            domains,
            tls: answers.tls(&filter, 5)?,
        })
    }
}

impl Content for Home {
    fn table(&self) -> Table {
        self.domains.csv("domain")
    }
}
