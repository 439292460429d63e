//! Groups: a table of records that have a value in common, each with links to keep or to leave out.

use std::net::IpAddr;

use serde::Serialize;

use super::{asked::Asked, frame::Place, host, mine::Claim, view::View, words::Said};
use crate::answers::{Answers, Groups, Key, Messages, Network};

/// Rows of a table, where nothing is said.
pub(super) const ROWS: usize = 25;

/// Rows that a page leads to at most.
const MOST: usize = 1000;

/// A table of groups.
#[derive(Debug, Serialize)]
pub(super) struct GroupTable {
    #[serde(skip)]
    pub(super) id: &'static str,
    #[serde(skip)]
    pub(super) title: &'static str,
    /// What the first column holds.
    #[serde(skip)]
    pub(super) column: &'static str,
    /// Said where there are none.
    #[serde(skip)]
    pub(super) empty: &'static str,
    pub(super) rows: Vec<GroupRow>,
    /// Groups that are left out.
    pub(super) omitted: u64,
    /// Where more are shown, if that is possible.
    #[serde(skip)]
    pub(super) more: String,
}

/// A group.
#[derive(Debug, Serialize)]
pub(super) struct GroupRow {
    #[serde(skip)]
    key: Key,
    /// The button by which it is said to be the user's own.
    #[serde(skip)]
    pub(super) claim: Option<Claim>,
    pub(super) name: Said,
    /// What else is known of it.
    #[serde(skip_serializing_if = "Said::is_empty")]
    pub(super) about: Said,
    pub(super) reports: u64,
    #[serde(flatten)]
    pub(super) messages: Messages,
    /// Its own page.
    #[serde(skip)]
    pub(super) href: String,
    /// The same page, with this group only.
    #[serde(skip)]
    pub(super) only: String,
    /// The same page without it.
    #[serde(skip)]
    pub(super) not: String,
}

impl GroupRow {
    fn address(&self) -> Option<IpAddr> {
        match self.key {
            Key::Address(address) => address,
            _ => None,
        }
    }
}

/// What a table is called.
#[derive(Clone, Copy, Debug)]
pub(super) struct Named {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) column: &'static str,
    pub(super) empty: &'static str,
}

impl GroupTable {
    /// The groups, for a page.
    pub(super) fn new(
        place: Place,
        view: View,
        asked: &Asked,
        named: Named,
        groups: Groups,
    ) -> GroupTable {
        let Named { id, title, column, empty } = named;
        let row = |group: crate::answers::Group| {
            let link =
                |is_not| choose(asked, &group.key, is_not).map(|asked| place.link(view, &asked));
            GroupRow {
                claim: None,
                name: name(&group.key),
                about: Said::default(),
                reports: group.tally.reports,
                messages: group.tally.messages,
                href: own_page(place, asked, &group.key).unwrap_or_default(),
                only: link(false).unwrap_or_default(),
                not: link(true).unwrap_or_default(),
                key: group.key,
            }
        };
        GroupTable {
            id,
            title,
            column,
            empty,
            rows: groups.groups.into_iter().map(row).collect(),
            omitted: groups.omitted,
            more: more(place, view, asked, asked.rows.unwrap_or(ROWS)).unwrap_or_default(),
        }
    }
}

impl GroupTable {
    /// The same with what is known of its addresses.
    ///
    /// # Errors
    /// The store can't be read.
    pub(super) fn with_hosts<A: Answers>(mut self, answers: &A) -> Result<GroupTable, A::Error> {
        let addresses: Vec<IpAddr> = self.rows.iter().filter_map(GroupRow::address).collect();
        let hosts = answers.hosts(&addresses)?;
        for row in &mut self.rows {
            let host = row.address().and_then(|address| hosts.get(&address));
            row.about = host.map(host::line).unwrap_or_default();
        }
        Ok(self)
    }

    /// The same for a page whose rows can't be chosen on it.
    #[must_use]
    pub(super) fn without_choice(mut self) -> GroupTable {
        self.more.clear();
        for row in &mut self.rows {
            row.only.clear();
            row.not.clear();
        }
        self
    }
}

/// The same page with more rows than are shown, if that is possible.
pub(super) fn more(place: Place, view: View, asked: &Asked, shown: usize) -> Option<String> {
    (shown < MOST)
        .then(|| place.link(view, &asked.with(|asked| asked.rows = Some((shown * 4).min(MOST)))))
}

/// What a value is called.
pub(super) fn name(key: &Key) -> Said {
    match key {
        Key::Day(second) => super::words::day(*second).into(),
        Key::Domain(domain) if domain.is_empty() => "no domain".into(),
        Key::Domain(domain) => domain.as_str().into(),
        Key::Organization(name) => name.as_deref().unwrap_or("nobody named").into(),
        Key::Sender(sender) => sender.to_string().into(),
        Key::Address(address) => {
            address.map_or_else(|| "no address".into(), |address| address.to_string().into())
        }
        Key::Outcome(outcome) => format!("{outcome:?}").into(),
    }
}

/// The same question about records with this value only, or without them; nothing where a value
/// can't be chosen.
pub(super) fn choose(asked: &Asked, key: &Key, is_not: bool) -> Option<Asked> {
    fn put<T: PartialEq>(choice: &mut crate::answers::Choice<T>, is_not: bool, value: T) {
        if is_not {
            choice.only.retain(|one| *one != value);
            choice.not.push(value);
        } else {
            choice.only = vec![value];
        }
    }
    let mut chosen = asked.clone();
    let filter = &mut chosen.filter;
    match key {
        Key::Domain(domain) => put(&mut filter.domains, is_not, domain.clone()),
        Key::Organization(Some(name)) => put(&mut filter.organizations, is_not, name.clone()),
        Key::Sender(sender) => put(&mut filter.senders, is_not, sender.name.clone()),
        Key::Address(Some(address)) => put(&mut filter.networks, is_not, Network::one(*address)),
        Key::Day(_) | Key::Outcome(_) | Key::Organization(None) | Key::Address(None) => {
            return None;
        }
    }
    Some(chosen)
}

/// The page that is about this value.
fn own_page(place: Place, asked: &Asked, key: &Key) -> Option<String> {
    let view = match key {
        Key::Domain(_) => View::Domain,
        Key::Organization(_) => View::Reports,
        Key::Sender(_) => View::Sender,
        Key::Address(_) => View::Address,
        Key::Day(_) | Key::Outcome(_) => return None,
    };
    let mut asked = choose(asked, key, false)?;
    asked.rows = None;
    Some(place.link(view, &asked))
}

impl GroupTable {
    /// The same with buttons, where there is one for a value.
    #[must_use]
    pub(super) fn claimed(mut self, claim: impl Fn(&Key) -> Option<Claim>) -> GroupTable {
        for row in &mut self.rows {
            row.claim = claim(&row.key);
        }
        self
    }

    /// For a spreadsheet; the first column has this name.
    pub(super) fn csv(&self, first: &'static str) -> super::content::Table {
        let row = |row: &GroupRow| {
            let Messages { messages, pass, spf_aligned, dkim_aligned, .. } = row.messages;
            let numbers =
                [messages, pass, spf_aligned, dkim_aligned, row.messages.refused(), row.reports];
            std::iter::once(row.name.whole().to_owned())
                .chain(numbers.map(|number| number.to_string()))
                .collect()
        };
        super::content::Table {
            columns: vec![
                first,
                "messages",
                "pass",
                "spf_aligned",
                "dkim_aligned",
                "refused",
                "reports",
            ],
            rows: self.rows.iter().map(row).collect(),
        }
    }
}
