//! Domain: how the mail in one domain's name fared, over time and by who sent it.

use askama::Template;
use serde::Serialize;

use super::{
    asked::Asked,
    chart::{self, Chart},
    content::{Content, Table},
    frame::{Frame, Place},
    groups::{GroupTable, Named, ROWS},
    trouble::Trouble,
    view::View,
    words::{self, Said},
};
use crate::answers::{Answers, By, Messages};

/// One domain.
#[derive(Debug, Template, Serialize)]
#[template(path = "page/domain.html")]
pub(super) struct DomainPage {
    #[serde(skip)]
    frame: Frame,
    domain: Said,
    reports: u64,
    #[serde(flatten)]
    messages: Messages,
    #[serde(skip)]
    chart: Option<Chart>,
    senders: GroupTable,
    addresses: GroupTable,
}

impl DomainPage {
    /// Asks for the numbers.
    ///
    /// # Errors
    /// The store can't be read.
    pub(super) fn ask<A: Answers>(
        answers: &A,
        place: Place,
        asked: &Asked,
    ) -> Result<DomainPage, Trouble>
    where
        Trouble: From<A::Error>,
    {
        let filter = asked.filter(place.now);
        let rows = asked.rows.unwrap_or(ROWS);
        let domain: Said = match asked.filter.domains.only.as_slice() {
            [domain] => domain.as_str().into(),
            _ => "All domains".into(),
        };
        let days = answers.groups(&filter, By::Day, 0)?;
        let table = |groups, named| GroupTable::new(place, View::Domain, asked, named, groups);
        let senders = Named {
            id: "senders",
            title: "Senders",
            column: "Sender",
            empty: "No mail in its name, in the reports of this time.",
        };
        let addresses = Named { id: "addresses", title: "Addresses", column: "Address", ..senders };
        let range = (filter.since.unwrap_or(i64::MIN), filter.until.unwrap_or(place.now));
        Ok(DomainPage {
            frame: Frame::new(place, View::Domain, asked, domain.to_string()),
            domain,
            reports: days.total.reports,
            messages: days.total.messages,
            chart: Chart::new(&chart::Shown {
                id: "days",
                noun: "messages",
                range,
                days: &chart::days(&days),
                policies: &[],
            }),
            senders: table(answers.groups(&filter, By::Sender, rows)?, senders),
            addresses: table(answers.groups(&filter, By::Address, rows)?, addresses),
        })
    }
}

impl Content for DomainPage {
    fn table(&self) -> Table {
        self.senders.csv("sender")
    }
}
