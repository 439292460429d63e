//! Home: the domains, worst first: is my own mail safe, what is to be mended, who else sends?

use std::{cmp::Reverse, collections::BTreeMap};

use askama::Template;
use serde::Serialize;

use super::{
    asked::Asked,
    chart::{Count, Spark},
    content::{Content, Table},
    frame::{Frame, Place},
    groups::{GroupTable, Named},
    standing::{Own, policy_word},
    trouble::Trouble,
    view::View,
    words::{self, Said, Then},
};
use crate::{
    answers::{Answers, By, Filter, Groups, Key, Messages, overview::Tls},
    verdict::{Bucket, Mine, Standing, standings},
};

/// Domains whose senders are judged; of the others there are numbers only.
const JUDGED: usize = 12;

/// Senders that are judged of each.
const SENDERS: usize = 50;

/// Senders to be mended that a card names.
const NAMED: usize = 3;

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
    domains: Vec<Card>,
    others: GroupTable,
    tls: Tls,
}

/// How a domain stands.
#[derive(Debug, Serialize)]
struct Card {
    domain: Said,
    #[serde(skip)]
    href: String,
    /// `p` of the newest report, if it is one that is known.
    policy: Option<&'static str>,
    #[serde(flatten)]
    messages: Messages,
    /// The domain's own mail.
    own: Own,
    /// The same of the time before, of the same senders.
    #[serde(skip_serializing_if = "Option::is_none")]
    own_before: Option<Own>,
    strangers: u64,
    strangers_refused: u64,
    forwarded: u64,
    unknown: u64,
    to_repair: Vec<Repair>,
    #[serde(skip)]
    spark: Option<Spark>,
}

/// A sender of the domain that fails.
#[derive(Debug, Serialize)]
struct Repair {
    sender: Said,
    failed: u64,
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
    ) -> Result<Home, Trouble>
    where
        Trouble: From<A::Error>,
    {
        let filter = asked.filter(place.now);
        let newest = answers.newest(&Filter::default())?;
        let Groups { total, mut groups, omitted } =
            answers.groups(&filter, By::Domain, asked.rows.unwrap_or(200))?;
        let others = groups.split_off(groups.len().min(JUDGED));
        let judged = groups.iter().filter_map(|group| match &group.key {
            Key::Domain(domain) => Some(&**domain),
            _ => None,
        });
        let judged: Vec<&str> = judged.collect();
        let found = standings(answers, &filter, &judged, mine, place.now, SENDERS)?;
        let mut domains: Vec<Card> =
            found.iter().map(|found| Card::new(place, asked, &filter, found)).collect();
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
        let others = Groups { total, groups: others, omitted };
        Ok(Home {
            frame: Frame::new(place, View::Home, asked, "Domains"),
            newest: newest.map(|second| Then::new(second, place.now)),
            reports: total.reports,
            messages: total.messages,
            domains,
            others: GroupTable::new(place, View::Home, asked, named, others),
            tls: answers.tls(&filter, 5)?,
        })
    }
}

impl Card {
    fn new(place: Place, asked: &Asked, filter: &Filter, found: &Standing) -> Card {
        let of_domain = asked.with(|asked| asked.filter.domains.only = vec![found.domain.clone()]);
        let of = |bucket: Bucket| {
            let all = found.senders.iter().filter(move |one| one.verdict.bucket == bucket);
            all.map(|one| one.history.tally.messages)
        };
        let sum = |bucket| of(bucket).fold(0_u64, |sum, one| sum.saturating_add(one.messages));
        let refused = of(Bucket::Stranger).fold(0_u64, |sum, one| {
            sum.saturating_add(one.disposition.quarantine).saturating_add(one.disposition.reject)
        });
        let repairs = found.senders.iter().filter(|one| one.verdict.bucket == Bucket::NeedsRepair);
        let range = (filter.since.unwrap_or(i64::MIN), filter.until.unwrap_or(place.now));
        Card {
            domain: groups_name(&found.domain),
            href: place.link(View::Domain, &of_domain),
            policy: found.policy.as_ref().and_then(|policy| policy_word(policy.p.as_deref())),
            messages: found.tally.messages,
            own: Own::of(found),
            own_before: Own::before(found),
            strangers: sum(Bucket::Stranger),
            strangers_refused: refused.min(sum(Bucket::Stranger)),
            forwarded: sum(Bucket::Forwarder),
            unknown: sum(Bucket::Unknown).saturating_add(found.rest.messages),
            to_repair: repairs
                .map(|one| {
                    let messages = &one.history.tally.messages;
                    Repair {
                        sender: one.history.sender.name.as_str().into(),
                        failed: messages.messages.saturating_sub(messages.pass),
                        todo: one.verdict.todo.as_str().into(),
                    }
                })
                .collect(),
            spark: Spark::new(range, &days(found)),
        }
    }

    fn named(&self) -> &[Repair] {
        &self.to_repair[..self.to_repair.len().min(NAMED)]
    }

    fn unnamed(&self) -> u64 {
        self.to_repair.len().saturating_sub(NAMED) as u64
    }
}

fn groups_name(domain: &str) -> Said {
    super::groups::name(&Key::Domain(domain.to_owned()))
}

/// What passed and failed day by day, of the senders that were judged.
fn days(found: &Standing) -> BTreeMap<i64, Count> {
    let mut days: BTreeMap<i64, Count> = BTreeMap::new();
    for day in found.senders.iter().flat_map(|one| &one.history.days) {
        days.entry(day.begin).or_default().add(day);
    }
    days
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
