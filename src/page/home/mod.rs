//! Home: the domains, worst first: is my own mail safe, what changed, may I tighten the policy, can
//! mail reach me over TLS?

mod card;
mod tiles;

use std::cmp::Reverse;

use askama::Template;
use serde::Serialize;

use self::{card::Card, tiles::Tile};
use super::{
    asked::{Asked, Chosen},
    content::{Content, Table},
    frame::{Frame, Place},
    groups::{GroupTable, Named, more},
    news::{DAYS, KeptNews},
    standing::JUDGED,
    trouble::Trouble,
    view::View,
    words::{self, Said, Then},
};
use crate::{
    answers::{Answers, By, Choice, Filter, Groups, Messages, overview::Tls},
    changes::{Change, ChangeKind},
    moment::DAY,
    verdict::{Mine, standings},
};

/// Domains whose senders are judged; of the others there are numbers only.
const CARDS: usize = 12;

/// Domains that are named, where nothing is said.
const ROWS: usize = 200;

/// Changes that are shown.
const CHANGES: usize = 8;

/// With more reports than this, looking for changes would take longer than anybody waits for a page;
/// `digest` tells them.
const MANY: u64 = 100_000;

/// Most reporters send daily, of the day before: a newest report that begins earlier, in seconds,
/// says that none come.
const SILENCE: i64 = 4 * DAY;

/// TLS policies that are looked at.
const POLICIES: usize = 1000;

/// All domains.
#[derive(Debug, Template, Serialize)]
#[template(path = "page/home/home.html")]
pub(super) struct Home {
    #[serde(skip)]
    frame: Frame,
    #[serde(skip)]
    newest: Option<Then>,
    /// What to look at where it is so old that none seem to come any more.
    #[serde(skip)]
    stuck_href: String,
    /// Where all reports are shown.
    #[serde(skip)]
    all: String,
    #[serde(skip)]
    tiles: Vec<Tile>,
    changes: Vec<ShownChange>,
    reports: u64,
    #[serde(flatten)]
    messages: Messages,
    domains: Vec<Card>,
    others: GroupTable,
    /// The time that a domain that is asked for by its name is shown in.
    #[serde(skip)]
    time: Vec<Chosen>,
    tls: Tls,
}

/// What is different in the last days, whatever time is shown.
#[derive(Debug, Serialize)]
struct ShownChange {
    kind: ChangeKind,
    domain: Said,
    #[serde(skip)]
    href: String,
    needs_attention: bool,
    text: Said,
    todo: Said,
}

impl Home {
    /// Asks for the numbers.
    ///
    /// # Errors
    /// The store can't be read.
    pub(super) fn ask<A: Answers>(
        answers: &A,
        place: Place,
        asked: &Asked,
        mine: &Mine,
        news: &KeptNews,
    ) -> Result<Home, Trouble>
    where
        Trouble: From<A::Error>,
    {
        let (filter, rows) = (asked.filter(place.now), asked.rows.unwrap_or(ROWS));
        let ends = filter.whole_end(place.now);
        let newest = answers.newest(&Filter::default())?;
        let found = answers.groups(&filter, By::Domain, rows)?;
        let tls = answers.tls(&filter, POLICIES)?;
        let judged: Vec<&str> = found.domains().take(CARDS).collect();
        let standings = standings(answers, &filter, &judged, mine, ends, JUDGED)?;
        let Groups { total, mut groups, omitted } = found;
        let others = groups.split_off(groups.len().min(CARDS));
        let card = |found| Card::new(place, asked, &filter, found, &tls);
        let mut domains: Vec<Card> = standings.iter().map(card).collect();
        domains.sort_by_key(|card| {
            let failed = card.own.messages.saturating_sub(card.own.pass);
            (Reverse(failed), Reverse(card.strangers - card.strangers_refused))
        });
        let named = Named {
            id: "others",
            title: "More domains",
            column: "Domain",
            empty: "There is no other domain.",
        };
        let news = match total.reports {
            0..=MANY => Some(news.get(answers, place.now, mine)?),
            _ => None,
        };
        let news = news.as_ref().map(|news| news.as_slice());
        let changes = news.unwrap_or_default().iter();
        let changes = changes.map(|one| changed(place, asked, one)).collect();
        let others = Groups { total, groups: others, omitted };
        let all = Asked::read("since=all").unwrap_or_default();
        Ok(Home {
            frame: Frame::new(place, View::Home, asked, "Domains"),
            newest: newest.map(|second| Then::new(second, place.now)),
            stuck_href: stuck(place, newest),
            all: place.link(View::Home, &all),
            tiles: tiles::tiles(place, asked, &domains, news, &tls),
            changes,
            reports: total.reports,
            messages: total.messages,
            domains,
            others: GroupTable {
                more: more(place, View::Home, asked, rows).unwrap_or_default(),
                ..GroupTable::new(place, View::Home, asked, named, others)
            },
            time: asked.period_only().pairs(),
            tls,
        })
    }

    /// The changes that are shown.
    fn first_changes(&self) -> &[ShownChange] {
        &self.changes[..self.changes.len().min(CHANGES)]
    }

    fn more_changes(&self) -> u64 {
        self.changes.len().saturating_sub(CHANGES) as u64
    }
}

/// Where it is seen whether reports come, if they don't seem to.
fn stuck(place: Place, newest: Option<i64>) -> String {
    let is_old = newest.is_some_and(|begin| place.now.saturating_sub(begin) > SILENCE);
    if is_old { place.link(View::Incoming, &Asked::default()) } else { String::new() }
}

/// A change, and the page that has more of it.
fn changed(place: Place, asked: &Asked, change: &Change) -> ShownChange {
    let Change { kind, domain, who, .. } = change;
    let mut about = asked.period_only();
    if !domain.is_empty() {
        about.filter.domains = Choice::of(domain.clone());
    }
    let view = match kind {
        ChangeKind::SenderFails
        | ChangeKind::NewSender
        | ChangeKind::SenderRepaired
        | ChangeKind::SenderGone
            if !who.is_empty() =>
        {
            about.filter.senders = Choice::of(who.clone());
            View::Sender
        }
        ChangeKind::TlsFailures => View::Tls,
        ChangeKind::ReporterSilent | ChangeKind::TlsReporterSilent => {
            if !who.is_empty() {
                about.filter.organizations = Choice::of(who.clone());
            }
            if *kind == ChangeKind::ReporterSilent { View::Reports } else { View::Tls }
        }
        _ => View::Domain,
    };
    ShownChange {
        kind: *kind,
        domain: if domain.is_empty() { who.as_str() } else { domain.as_str() }.into(),
        href: place.link(view, &about),
        needs_attention: change.needs_attention,
        text: change.text.as_str().into(),
        todo: change.todo.as_str().into(),
    }
}

impl Content for Home {
    fn table(&self) -> Table {
        let row = |card: &Card| {
            let numbers = [
                card.messages.messages,
                card.messages.pass,
                card.own.messages,
                card.own.pass,
                card.strangers,
                card.strangers_refused,
                card.forwarded,
                card.unknown,
            ];
            std::iter::once(card.domain.whole().to_owned())
                .chain(numbers.map(|number| number.to_string()))
                .collect()
        };
        let other = |row: &super::groups::GroupRow| {
            let numbers = [row.messages.messages, row.messages.pass].map(|n| n.to_string());
            let none = std::iter::repeat_n(String::new(), 6);
            std::iter::once(row.name.whole().to_owned()).chain(numbers).chain(none).collect()
        };
        Table {
            columns: vec![
                "domain",
                "messages",
                "pass",
                "own_messages",
                "own_pass",
                "strangers",
                "strangers_refused",
                "forwarded",
                "unknown",
            ],
            rows: self.domains.iter().map(row).chain(self.others.rows.iter().map(other)).collect(),
        }
    }
}
