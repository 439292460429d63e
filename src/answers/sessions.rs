//! Sessions: how those over TLS fared, day by day.

use std::collections::BTreeMap;

use super::{Filter, folded, tally::capped_sum};
use crate::moment::DAY;

/// TLS sessions of a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TlsDay {
    /// The first second of the day (UTC), since 1970.
    pub begin: i64,
    /// Sessions that reached TLS, in reports whose period begins on it.
    pub successful: u64,
    /// Sessions that did not.
    pub failed: u64,
}

/// Sessions of days, counted.
pub(crate) struct TlsDays<'f> {
    filter: &'f Filter,
    days: BTreeMap<i64, TlsDay>,
}

impl<'f> TlsDays<'f> {
    pub(crate) fn new(filter: &'f Filter) -> TlsDays<'f> {
        TlsDays { filter, days: BTreeMap::new() }
    }

    /// Counts the sessions of a policy, in a report of the period that begins at this second, if
    /// its domain and reporter are meant.
    pub(crate) fn add(
        &mut self,
        begin: i64,
        organization: Option<&str>,
        domain: Option<&str>,
        [successful, failed]: [u64; 2],
    ) {
        let domain = folded(domain.unwrap_or_default());
        if !self.filter.lets_domain(&domain) || !self.filter.lets_organization(organization) {
            return;
        }
        let begin = begin.div_euclid(DAY).saturating_mul(DAY);
        let day = self.days.entry(begin).or_insert(TlsDay { begin, ..TlsDay::default() });
        day.successful = capped_sum(day.successful, successful);
        day.failed = capped_sum(day.failed, failed);
    }

    /// The days in their order; those without a report are left out.
    pub(crate) fn finish(self) -> Vec<TlsDay> {
        self.days.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answers::Choice;

    #[test]
    fn sessions_of_a_day_are_those_of_its_domain_and_reporters() {
        let filter = Filter { domains: Choice::of("example.org".into()), ..Filter::default() };
        let mut days = TlsDays::new(&filter);
        for (begin, domain, sessions) in [
            (DAY + 5, "mail.Example.org.", [3, 1]),
            (DAY, "example.org", [1, u64::MAX]),
            (-1, "example.org", [2, 0]),
            (DAY, "example.net", [9, 9]),
        ] {
            days.add(begin, None, Some(domain), sessions);
        }
        let day = |begin, successful, failed| TlsDay { begin, successful, failed };
        let most = i64::MAX.cast_unsigned();
        assert_eq!(days.finish(), [day(-DAY, 2, 0), day(DAY, 4, most)]);
    }
}
