//! Judged: what is thought of a sender in each of the domains that it sends for.

use serde::Serialize;

use crate::{
    answers::{Answers, Choice, Filter, Groups},
    page::{asked::Asked, frame::Place, view::View, words::Said},
    verdict::{Judged, Mechanism, Mine, Standing, standings},
};

/// Domains that are asked about, and senders that are judged of each.
const DOMAINS: usize = 3;
const SENDERS: usize = 200;

/// What is thought of a sender in the name of a domain.
#[derive(Debug, Serialize)]
pub(super) struct Judgement {
    pub(super) domain: Said,
    #[serde(skip)]
    pub(super) href: String,
    pub(super) bucket: &'static str,
    #[serde(skip)]
    pub(super) title: &'static str,
    /// The mechanisms to be mended.
    pub(super) repair: Vec<&'static str>,
    pub(super) why: Said,
    pub(super) todo: Said,
}

/// The same as on the pages of the domains, whose all senders tell of each: so they are asked
/// about, whichever is shown.
pub(super) fn judgements<A: Answers>(
    answers: &A,
    place: Place,
    asked: &Asked,
    mine: &Mine,
    sender: &str,
    domains: &Groups,
) -> Result<Vec<Judgement>, A::Error> {
    let period = asked.filter(place.now);
    let filter = Filter { since: period.since, until: period.until, ..Filter::default() };
    let ends = filter.whole_end(place.now);
    let domains: Vec<&str> = domains.domains().take(DOMAINS).collect();
    let found = standings(answers, &filter, &domains, mine, ends, SENDERS)?;
    let of_domain = |found: &Standing| {
        let itself = found.senders.iter().find(|one| one.history.sender.name == sender)?;
        let about = asked
            .period_only()
            .with(|asked| asked.filter.domains = Choice::of(found.domain.clone()));
        Some(judgement(&found.domain, place.link(View::Domain, &about), itself))
    };
    Ok(found.iter().filter_map(of_domain).collect())
}

fn judgement(domain: &str, href: String, one: &Judged) -> Judgement {
    let verdict = &one.verdict;
    Judgement {
        domain: domain.into(),
        href,
        bucket: verdict.bucket.word(),
        title: verdict.bucket.title(),
        repair: verdict.repair.iter().copied().map(Mechanism::name).collect(),
        why: verdict.why.as_str().into(),
        todo: verdict.todo.as_str().into(),
    }
}
