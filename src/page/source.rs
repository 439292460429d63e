//! Source: a sender, or an address: what became of its mail, in whose name it sent, who told of it.

use askama::Template;
use serde::Serialize;

use super::{
    asked::{Asked, Mistake},
    chart::{self, Chart},
    content::{Content, Table},
    frame::{Frame, Place},
    groups::{GroupTable, Named, ROWS},
    mine::Claims,
    trouble::Trouble,
    view::View,
    words::{self, Said, Then},
};
use crate::{
    answers::{Answers, By, Groups, Key, Messages, RawResult},
    verdict::Whose,
};

/// A sender or an address.
#[derive(Debug, Template, Serialize)]
#[template(path = "page/source.html")]
pub(super) struct SourcePage {
    #[serde(skip)]
    frame: Frame,
    name: Said,
    /// What it is.
    #[serde(skip)]
    kind: &'static str,
    #[serde(skip)]
    first: Option<Then>,
    #[serde(skip)]
    last: Option<Then>,
    reports: u64,
    #[serde(flatten)]
    messages: Messages,
    #[serde(skip)]
    chart: Option<Chart>,
    spf: Vec<RawResult>,
    dkim: Vec<RawResult>,
    /// By domain, by address or sender, by reporter.
    tables: Vec<GroupTable>,
}

const EMPTY: &str = "No mail of this time.";

const DOMAINS: Named =
    Named { id: "domains", title: "In the name of", column: "Domain", empty: EMPTY };
const ADDRESSES: Named =
    Named { id: "addresses", title: "Its addresses", column: "Address", empty: EMPTY };
const SENDERS: Named =
    Named { id: "senders", title: "Senders behind it", column: "Sender", empty: EMPTY };
const REPORTERS: Named =
    Named { id: "reporters", title: "Who told of it", column: "Reporter", empty: EMPTY };

impl SourcePage {
    /// Asks for the numbers.
    ///
    /// # Errors
    /// The store can't be read, or the address names no source.
    pub(super) fn ask<A: Answers>(
        answers: &A,
        place: Place,
        view: View,
        asked: &Asked,
        claims: Claims,
    ) -> Result<SourcePage, Trouble>
    where
        Trouble: From<A::Error>,
    {
        let (name, kind) = named(view, asked)?;
        let whose = whose(view, asked);
        let filter = asked.filter(place.now);
        let rows = asked.rows.unwrap_or(ROWS);
        let (by, parts, of_parts) = match view {
            View::Sender => (By::Sender, By::Address, ADDRESSES),
            _ => (By::Address, By::Sender, SENDERS),
        };
        let itself = answers.groups(&filter, by, 1)?;
        let days = answers.groups(&filter, By::Day, 0)?;
        let table = |by, named| -> Result<GroupTable, Trouble> {
            let groups: Groups = answers.groups(&filter, by, rows)?;
            Ok(GroupTable::new(place, view, asked, named, groups))
        };
        let range = (filter.since.unwrap_or(i64::MIN), filter.until.unwrap_or(place.now));
        let then = |second: Option<i64>| second.map(|second| Then::new(second, place.now));
        let total = days.total;
        let raw = itself.groups.into_iter().next();
        let (spf, dkim) = raw.map(|group| (group.spf, group.dkim)).unwrap_or_default();
        Ok(SourcePage {
            frame: Frame::new(place, view, asked, name.to_string()),
            name,
            kind,
            first: then(total.first),
            last: then(total.last),
            reports: total.reports,
            messages: total.messages,
            chart: Chart::new(&chart::Shown {
                id: "days",
                noun: "messages",
                range,
                days: &chart::days(&days),
                policies: &[],
            }),
            spf,
            dkim,
            tables: vec![
                table(By::Domain, DOMAINS)?.claimed(|key| match (key, &whose) {
                    (Key::Domain(domain), Some(whose)) => claims.button(domain, whose),
                    _ => None,
                }),
                table(parts, of_parts)?,
                table(By::Organization, REPORTERS)?,
            ],
        })
    }
}

/// The same, as something that may be a domain's own.
fn whose(view: View, asked: &Asked) -> Option<Whose> {
    match view {
        View::Sender => asked.filter.senders.only.first().cloned().map(Whose::Sender),
        _ => asked.filter.networks.only.first().copied().map(Whose::Network),
    }
}

/// What is asked about, and what it is.
fn named(view: View, asked: &Asked) -> Result<(Said, &'static str), Mistake> {
    let missing = |key: &str, reason: &str| Mistake { key: key.into(), reason: reason.into() };
    match view {
        View::Sender => match asked.filter.senders.only.as_slice() {
            [sender] => Ok((sender.as_str().into(), "Sender")),
            _ => Err(missing("sender", "this page is about one sender")),
        },
        _ => match asked.filter.networks.only.as_slice() {
            [network] if asked.address().is_none() => Ok((network.to_string().into(), "Network")),
            [network] => Ok((network.first().to_string().into(), "Address")),
            _ => Err(missing("source", "this page is about one address or network")),
        },
    }
}

impl Content for SourcePage {
    fn table(&self) -> Table {
        self.tables[1].csv(if self.kind == "Sender" { "address" } else { "sender" })
    }
}
