//! Filter: which records are meant.

use std::net::IpAddr;

use super::{Disposition, Evaluated, Network, folded, is_at_or_below};
use crate::moment::DAY;

/// Which records are meant: those that every property lets through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The report's period begins at or after this second since 1970.
    pub since: Option<i64>,
    /// It begins before this second.
    pub until: Option<i64>,
    /// The domain of the policy is one of these or below one.
    pub domains: Choice<String>,
    /// Those below them are not meant.
    pub exactly: bool,
    /// Who reports, spelled exactly so.
    pub organizations: Choice<String>,
    /// The source's address is in one of these. Of a record without address nothing is known.
    pub networks: Choice<Network>,
    /// What those are called that sent the mails ([`crate::senders::sender()`]), in any case.
    pub senders: Choice<String>,
    /// What was done with them.
    pub dispositions: Choice<Disposition>,
    /// Whether they passed DMARC.
    pub dmarc: Choice<Evaluated>,
    /// Whether SPF passed and was aligned.
    pub spf: Choice<Evaluated>,
    /// Whether DKIM passed and was aligned.
    pub dkim: Choice<Evaluated>,
}

/// The values of a property that are wanted, all if none is named; and those that are not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice<T> {
    /// One of these.
    pub only: Vec<T>,
    /// None of these.
    pub not: Vec<T>,
}

impl<T> Default for Choice<T> {
    fn default() -> Self {
        Choice { only: Vec::new(), not: Vec::new() }
    }
}

impl<T> Choice<T> {
    /// This value only.
    pub fn of(value: T) -> Choice<T> {
        Choice { only: vec![value], not: Vec::new() }
    }

    /// True if every value is meant.
    pub fn is_any(&self) -> bool {
        self.only.is_empty() && self.not.is_empty()
    }

    /// True if what `is` says of the named values lets the value through.
    pub fn lets(&self, is: impl Fn(&T) -> bool) -> bool {
        (self.only.is_empty() || self.only.iter().any(&is)) && !self.not.iter().any(is)
    }
}

impl Filter {
    /// Whether a report may be meant, by when its period begins.
    pub fn lets_begin(&self, begin: i64) -> bool {
        self.since.is_none_or(|since| since <= begin) && self.until.is_none_or(|end| begin < end)
    }

    /// The same of the period before, which is as long. A period that lasts ends now, in seconds
    /// since 1970; before one without a beginning there is nothing.
    pub fn before(&self, now: i64) -> Option<Filter> {
        let since = self.since?;
        let length = self.until.unwrap_or(now).saturating_sub(since).max(0);
        let (since, until) = (Some(since.saturating_sub(length)), Some(since));
        Some(Filter { since, until, ..self.clone() })
    }

    /// The first second after the period, but a whole number of days after its beginning if it
    /// lasts that long: so the period before a running one is of whole days, too. A period that
    /// lasts ends now, in seconds since 1970.
    pub fn whole_end(&self, now: i64) -> i64 {
        let end = self.until.unwrap_or(now);
        let length = self.since.and_then(|since| Some((since, end.checked_sub(since)?)));
        match length {
            Some((since, length)) if length >= DAY => since + length / DAY * DAY,
            _ => end,
        }
    }

    /// Whether a policy's domain is meant, given as [`folded`] gives it.
    pub fn lets_domain(&self, domain: &str) -> bool {
        self.domains.lets(|wanted| {
            let wanted = folded(wanted);
            if self.exactly { domain == wanted } else { is_at_or_below(domain, &wanted) }
        })
    }

    /// Whether a reporter is meant.
    pub fn lets_organization(&self, organization: Option<&str>) -> bool {
        self.organizations.lets(|wanted| organization == Some(wanted))
    }

    /// Whether mails from an address are meant.
    pub fn lets_address(&self, address: Option<IpAddr>) -> bool {
        self.networks.lets(|network| address.is_some_and(|address| network.contains(address)))
    }

    /// Whether mails with these results are meant.
    pub fn lets_outcome(&self, outcome: super::Outcome) -> bool {
        self.dispositions.lets(|wanted| *wanted == outcome.disposition)
            && self.dmarc.lets(|wanted| *wanted == outcome.dmarc())
            && self.spf.lets(|wanted| *wanted == outcome.spf)
            && self.dkim.lets(|wanted| *wanted == outcome.dkim)
    }

    /// True if some of a report's records may be meant and others not.
    pub fn is_about_records(&self) -> bool {
        let Filter { since: _, until: _, domains: _, organizations: _, .. } = self;
        !(self.networks.is_any()
            && self.senders.is_any()
            && self.dispositions.is_any()
            && self.dmarc.is_any()
            && self.spf.is_any()
            && self.dkim.is_any())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_takes_all_but_the_excluded_where_none_is_wanted() {
        let choice = |only: &[u8], not: &[u8]| Choice { only: only.into(), not: not.into() };
        let let_through = |choice: Choice<u8>| -> Vec<u8> {
            (0..4).filter(|value| choice.lets(|named| named == value)).collect()
        };
        assert_eq!(let_through(choice(&[], &[])), [0, 1, 2, 3]);
        assert_eq!(let_through(choice(&[1, 2], &[])), [1, 2]);
        assert_eq!(let_through(choice(&[], &[1, 2])), [0, 3]);
        assert_eq!(let_through(choice(&[1, 2], &[2])), [1]);
    }
}
