//! Source: a sender, or an address: what its results mean and what to do, in whose name it sent,
//! who told of it, and who else sends from there.

mod judged;
mod pattern;

use std::net::IpAddr;

use askama::Template;
use serde::Serialize;

use self::judged::Judgement;
use super::{
    asked::{Asked, Mistake},
    chart::{self, Chart, Lane},
    content::{Content, Table},
    frame::{Frame, Place},
    groups::{GroupTable, Named, ROWS},
    host,
    mine::Claims,
    trouble::Trouble,
    view::View,
    words::{self, Said, Then},
};
use crate::{
    answers::{Answers, By, Choice, Filter, Groups, Key, Messages, Network, RawResult},
    verdict::Whose,
};

/// Networks in which others are looked for.
const NETWORKS: usize = 20;

/// A sender or an address.
#[derive(Debug, Template, Serialize)]
#[template(path = "page/source/source.html")]
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
    /// Of an address: what is known of it.
    #[serde(skip)]
    facts: Vec<(&'static str, Said)>,
    /// Of an address: who is thought to send from there.
    sender: Option<Said>,
    #[serde(skip)]
    sender_href: String,
    reports: u64,
    #[serde(flatten)]
    messages: Messages,
    /// Of the time before.
    before: Option<Messages>,
    /// What that SPF and DKIM pass so often means.
    meaning: Option<&'static str>,
    judgements: Vec<Judgement>,
    #[serde(skip)]
    chart: Option<Chart>,
    spf: Vec<RawResult>,
    dkim: Vec<RawResult>,
    /// By address or sender, by domain, by reporter; others from the same networks.
    tables: Vec<GroupTable>,
}

const EMPTY: &str = "No mail of this time. Choose a longer one above.";

const DOMAINS: Named =
    Named { id: "domains", title: "In the name of", column: "Domain", empty: EMPTY };
const ADDRESSES: Named =
    Named { id: "addresses", title: "Its addresses", column: "Address", empty: EMPTY };
const SENDERS: Named =
    Named { id: "senders", title: "Senders behind it", column: "Sender", empty: EMPTY };
const REPORTERS: Named =
    Named { id: "reporters", title: "Who told of it", column: "Reporter", empty: EMPTY };
const RELATED: Named = Named {
    id: "related",
    title: "Others from the same networks",
    column: "Sender",
    empty: "Nobody else sent from there.",
};
const NEIGHBOURS: Named = Named {
    id: "related",
    title: "Other addresses of its network",
    column: "Address",
    empty: "No other one sent.",
};

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
        let filter = asked.filter(place.now);
        let rows = asked.rows.unwrap_or(ROWS);
        let days = answers.groups(&filter, By::Day, 0)?;
        let before = asked.filter_before(place.now);
        let before = before.map(|filter| answers.totals(&filter)).transpose()?;
        let groups = SourceGroups::ask(answers, &filter, view, rows)?;
        let (spf, dkim) = groups.results(view);
        let sender = sender(&groups.senders);
        let judgements = match &sender {
            Some(sender) => {
                judged::judgements(answers, place, asked, claims.mine, sender, &groups.domains)?
            }
            None => Vec::new(),
        };
        let hosts = asked.address().map(|address| answers.hosts(&[address])).transpose()?;
        let hosts = hosts.iter().flat_map(std::collections::HashMap::values);
        let tables = groups.tables(answers, place, view, asked, claims)?;
        let then = |second: Option<i64>| second.map(|second| Then::new(second, place.now));
        let total = &days.total;
        Ok(SourcePage {
            frame: Frame::new(place, view, asked, name.to_string()),
            name,
            kind,
            first: then(total.first),
            last: then(total.last),
            facts: hosts.flat_map(host::facts).collect(),
            sender_href: sender
                .as_ref()
                .map(|name| sender_page(place, asked, name))
                .unwrap_or_default(),
            sender: sender.filter(|_| view != View::Sender).map(Said::from),
            reports: total.reports,
            messages: total.messages,
            before: before.map(|tally| tally.messages),
            meaning: pattern::meaning(&total.messages, &spf, &dkim),
            judgements,
            chart: Chart::new(chart::Shown {
                id: "days",
                range: chart::range(&filter, place.now),
                lanes: vec![Lane::of_messages("Messages", chart::days(&days))],
                policies: &[],
            }),
            spf,
            dkim,
            tables,
        })
    }
}

/// What is asked about, as something that may be a domain's own.
fn whose(view: View, asked: &Asked) -> Option<Whose> {
    match view {
        View::Sender => asked.filter.senders.only.first().cloned().map(Whose::Sender),
        _ => asked.filter.networks.only.first().copied().map(Whose::Network),
    }
}

/// The mail of a source, summed up.
struct SourceGroups {
    senders: Groups,
    addresses: Groups,
    domains: Groups,
    reporters: Groups,
    /// Others from the same networks.
    related: Option<Groups>,
}

impl SourceGroups {
    fn ask<A: Answers>(
        answers: &A,
        filter: &Filter,
        view: View,
        rows: usize,
    ) -> Result<SourceGroups, A::Error> {
        let addresses = answers.groups(filter, By::Address, rows)?;
        Ok(SourceGroups {
            senders: answers.groups(filter, By::Sender, rows)?,
            domains: answers.groups(filter, By::Domain, rows)?,
            reporters: answers.groups(filter, By::Organization, rows)?,
            related: related(answers, filter, view, &addresses, rows)?,
            addresses,
        })
    }

    /// The raw results of SPF and DKIM.
    fn results(&self, view: View) -> (Vec<RawResult>, Vec<RawResult>) {
        let of = if view == View::Sender { &self.senders } else { &self.addresses };
        let itself = of.groups.first();
        itself.map(|group| (group.spf.clone(), group.dkim.clone())).unwrap_or_default()
    }

    /// A table of each, in the order in which they are shown.
    fn tables<A: Answers>(
        self,
        answers: &A,
        place: Place,
        view: View,
        asked: &Asked,
        claims: Claims,
    ) -> Result<Vec<GroupTable>, A::Error> {
        let table = |named, groups| GroupTable::new(place, view, asked, named, groups);
        let parts = match view {
            View::Sender => table(ADDRESSES, self.addresses).with_hosts(answers)?,
            _ => table(SENDERS, self.senders),
        };
        let whose = whose(view, asked);
        let domains = table(DOMAINS, self.domains).claimed(|key| match (key, &whose) {
            (Key::Domain(domain), Some(whose)) => claims.button(domain, whose),
            _ => None,
        });
        let mut tables = vec![parts, domains, table(REPORTERS, self.reporters)];
        if let Some(groups) = self.related {
            let asked = asked.period_only();
            let named = if view == View::Sender { RELATED } else { NEIGHBOURS };
            let table = GroupTable::new(place, view, &asked, named, groups);
            tables.push(table.with_hosts(answers)?.without_choice());
        }
        Ok(tables)
    }
}

/// The one with most messages.
fn sender(senders: &Groups) -> Option<String> {
    match &senders.groups.first()?.key {
        Key::Sender(sender) => Some(sender.name.clone()),
        _ => None,
    }
}

fn sender_page(place: Place, asked: &Asked, name: &str) -> String {
    let asked =
        asked.domain_only().with(|asked| asked.filter.senders = Choice::of(name.to_owned()));
    place.link(View::Sender, &asked)
}

/// Others from the networks of some addresses: senders beside a sender, addresses beside one.
fn related<A: Answers>(
    answers: &A,
    filter: &Filter,
    view: View,
    addresses: &Groups,
    rows: usize,
) -> Result<Option<Groups>, A::Error> {
    let all = addresses.groups.iter().filter_map(|group| match group.key {
        Key::Address(address) => address,
        _ => None,
    });
    let all: Vec<IpAddr> = all.take(NETWORKS).collect();
    let mut only: Vec<Network> = all.iter().copied().map(Network::usual).collect();
    only.dedup();
    if only.is_empty() {
        return Ok(None);
    }
    let Filter { since, until, senders, networks, .. } = filter.clone();
    let mut wanted =
        Filter { since, until, networks: Choice { only, not: Vec::new() }, ..Filter::default() };
    let by = if view == View::Sender {
        wanted.senders.not = senders.only;
        By::Sender
    } else {
        wanted.networks.not = networks.only;
        By::Address
    };
    let found = answers.groups(&wanted, by, rows)?;
    Ok((!found.groups.is_empty()).then_some(found))
}

/// What is asked about, and what it is.
fn named(view: View, asked: &Asked) -> Result<(Said, &'static str), Mistake> {
    let missing = |key: &str, reason: &str| Mistake { key: key.into(), reason: reason.into() };
    match view {
        View::Sender => match asked.filter.senders.only.as_slice() {
            [sender] if !sender.trim().is_empty() => Ok((sender.as_str().into(), "Sender")),
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
        self.tables[0].csv(if self.kind == "Sender" { "address" } else { "sender" })
    }
}
