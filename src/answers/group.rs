//! Group: records with the same value of a property, counted.

use std::{cmp::Reverse, net::IpAddr};

use serde::Serialize;

use super::{Outcome, Sender, Tally};

/// What records are grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum By {
    /// The day (UTC) on which the report's period begins.
    Day,
    /// The policy's domain.
    Domain,
    /// Who reports.
    Organization,
    /// Who sent the mails.
    Sender,
    /// The address that they came from.
    Address,
    /// What became of them.
    Outcome,
}

impl By {
    /// All of them.
    pub const ALL: [By; 6] =
        [By::Day, By::Domain, By::Organization, By::Sender, By::Address, By::Outcome];
}

/// The value that a group's records have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// The first second of the day, since 1970.
    Day(i64),
    /// In small letters; empty if reports do not say it.
    Domain(String),
    /// If reports say it.
    Organization(Option<String>),
    /// Named by the best evidence.
    Sender(Sender),
    /// If reports say it.
    Address(Option<IpAddr>),
    /// Disposition, SPF and DKIM.
    Outcome(Outcome),
}

/// Records with the same value of a property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The value.
    pub key: Key,
    /// The records, counted.
    pub tally: Tally,
    /// Raw results of SPF, most frequent first; of groups by sender and by address only.
    pub spf: Vec<RawResult>,
    /// Raw results of DKIM.
    pub dkim: Vec<RawResult>,
}

/// A result before alignment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RawResult {
    /// The domain that SPF or DKIM spoke of.
    pub domain: Option<String>,
    /// `pass`, `fail`, `softfail`, ….
    pub result: Option<String>,
    /// Messages with it. A record may have the same result twice; its messages count once.
    pub messages: u64,
}

/// Groups of records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Groups {
    /// All records, those of groups that are left out, too.
    pub total: Tally,
    /// The groups with most messages; days in their order.
    pub groups: Vec<Group>,
    /// How many groups are left out.
    pub omitted: u64,
}

impl Groups {
    /// The domains of groups by domain.
    pub fn domains(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().filter_map(|group| match &group.key {
            Key::Domain(domain) => Some(domain.as_str()),
            _ => None,
        })
    }

    /// Puts the groups into their order and keeps the first ones.
    pub(crate) fn new(total: Tally, by: By, mut groups: Vec<Group>, top: usize) -> Groups {
        if by == By::Day {
            groups.sort_unstable_by(|one, other| one.key.cmp(&other.key));
            return Groups { total, groups, omitted: 0 };
        }
        groups.sort_unstable_by(|one, other| {
            let messages = |group: &Group| Reverse(group.tally.messages.messages);
            messages(one).cmp(&messages(other)).then_with(|| one.key.cmp(&other.key))
        });
        let omitted = groups.len().saturating_sub(top) as u64;
        groups.truncate(top);
        Groups { total, groups, omitted }
    }
}

impl RawResult {
    /// The most frequent ones.
    pub(crate) fn most_frequent(mut results: Vec<RawResult>) -> Vec<RawResult> {
        results.sort_unstable_by(|one, other| {
            Reverse(one.messages)
                .cmp(&Reverse(other.messages))
                .then_with(|| (&one.domain, &one.result).cmp(&(&other.domain, &other.result)))
        });
        results.truncate(super::DETAILS);
        results
    }
}
