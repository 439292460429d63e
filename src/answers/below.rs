//! Below: the names in From that are below a policy's domain, each with its messages.

use std::{
    cmp::Reverse,
    collections::{HashMap, hash_map::Entry},
};

use super::{folded, is_at_or_below, tally::capped_sum};

/// A domain in From that is below the policy's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameBelow {
    /// In small letters, without a dot at its end.
    pub name: String,
    /// Messages in its name.
    pub messages: u64,
    /// Those that passed DMARC.
    pub pass: u64,
}

/// Names that are below a domain, summed up.
pub(crate) struct NamesBelow<'d> {
    domain: &'d str,
    names: HashMap<String, (u64, u64)>,
}

impl<'d> NamesBelow<'d> {
    /// Of a domain as [`folded`] gives it.
    pub(crate) fn new(domain: &'d str) -> NamesBelow<'d> {
        NamesBelow { domain, names: HashMap::new() }
    }

    /// Counts messages of a domain in From, if it is below.
    pub(crate) fn add(&mut self, from: &str, messages: u64, pass: u64) {
        let from = folded(from);
        if from == self.domain || !is_at_or_below(&from, self.domain) {
            return;
        }
        match self.names.entry(from.into_owned()) {
            Entry::Vacant(entry) => {
                entry.insert((messages, pass));
            }
            Entry::Occupied(mut entry) => {
                let (all, good) = entry.get_mut();
                (*all, *good) = (capped_sum(*all, messages), capped_sum(*good, pass));
            }
        }
    }

    /// Those with most messages that fail, then by name.
    pub(crate) fn finish(self, top: usize) -> Vec<NameBelow> {
        let name = |(name, (messages, pass))| NameBelow { name, messages, pass };
        let mut names: Vec<NameBelow> = self.names.into_iter().map(name).collect();
        names.sort_unstable_by(|one, other| {
            let fail = |name: &NameBelow| Reverse(name.messages.saturating_sub(name.pass));
            fail(one).cmp(&fail(other)).then_with(|| one.name.cmp(&other.name))
        });
        names.truncate(top);
        names
    }
}
