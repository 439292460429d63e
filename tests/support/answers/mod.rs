//! The answers that a store is to give, made by the simplest sums over the reports themselves, and
//! random reports and filters to ask about.

mod history;
mod naive;
mod random;

use email_report_processor::{
    answers::{Answers, By, Filter, ReportName},
    report::{Kind, aggregate::AggregateReport},
};

pub use self::{
    naive::Naive,
    random::{filter, reports},
};
use super::rng::Rng;

/// The name of a DMARC report.
pub fn name_of(report: &AggregateReport) -> ReportName {
    ReportName {
        kind: Kind::Dmarc,
        organization: report.metadata.org_name.as_deref().map(str::to_owned),
        report_id: report.metadata.report_id.as_str().to_owned(),
        begin: report.metadata.date_range.begin,
    }
}

/// Asks many things of a store; panics where it says something else than the simple sums.
pub fn compare<A: Answers>(naive: &Naive, answers: &A, filters: usize, seed: u64)
where
    A::Error: std::fmt::Debug,
{
    for n in 0..filters {
        let mut rng = Rng::new(seed, n as u64);
        let filter = if n == 0 { Filter::default() } else { filter(&mut rng) };
        let totals = answers.totals(&filter).expect("totals");
        assert_eq!(totals, naive.totals(&filter), "seed {seed}, {n}: {filter:?}");
        for by in By::ALL {
            let top = *rng.of(&[0, 1, 3, 1000]);
            let groups = answers.groups(&filter, by, top).expect("groups");
            let expected = naive.groups(&filter, by, top);
            assert_eq!(groups, expected, "seed {seed}, {n}: {by:?}, {top} of {filter:?}");
        }
        let top = *rng.of(&[0, 1, 3, 1000]);
        let histories = answers.histories(&filter, top).expect("histories");
        let expected = naive.histories(&filter, top);
        assert_eq!(histories, expected, "seed {seed}, {n}: histories, {top} of {filter:?}");
        let domains = Filter {
            domains: filter.domains.clone(),
            exactly: filter.exactly,
            ..Filter::default()
        };
        let period = Filter { since: filter.since, until: filter.until, ..Filter::default() };
        for domain in naive.domains().into_iter().filter(|domain| !domain.is_empty()) {
            let found = answers.names_below(&period, domain, top).expect("names");
            let expected = naive.names_below(&period, domain, top);
            assert_eq!(found, expected, "seed {seed}, {n}: {top} below {domain}");
        }
        let newest = answers.newest(&domains).expect("the newest");
        assert_eq!(newest, naive.newest(&domains), "seed {seed}, {n}: {domains:?}");
    }
}

/// Asks the same of so many filters at once, of a store that has its own way to answer them.
pub fn compare_each<A: Answers>(naive: &Naive, answers: &A, filters: usize, seed: u64)
where
    A::Error: std::fmt::Debug,
{
    let mut rng = Rng::new(seed, u64::MAX);
    let filters: Vec<Filter> = (0..filters).map(|_| filter(&mut rng)).collect();
    let top = *rng.of(&[0, 1, 3, 1000]);
    let expected: Vec<_> = filters.iter().map(|filter| naive.totals(filter)).collect();
    assert_eq!(answers.totals_each(&filters).expect("totals"), expected, "{seed}: {filters:?}");
    for by in By::ALL {
        let groups = answers.groups_each(&filters, by, top).expect("groups");
        let expected: Vec<_> = filters.iter().map(|filter| naive.groups(filter, by, top)).collect();
        assert_eq!(groups, expected, "{seed}: {by:?}, {top} of {filters:?}");
    }
    let histories = answers.histories_each(&filters, top).expect("histories");
    let expected: Vec<_> = filters.iter().map(|filter| naive.histories(filter, top)).collect();
    assert_eq!(histories, expected, "{seed}: histories, {top} of {filters:?}");
    let policies = answers.policy_each(&filters).expect("policies");
    let expected: Result<Vec<_>, _> = filters.iter().map(|filter| answers.policy(filter)).collect();
    assert_eq!(policies, expected.expect("policies"), "{seed}: policies of {filters:?}");
}
