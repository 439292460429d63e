//! Policies: what reporters found in the DNS, then and now.
//!
//! One report may say anything: a stranger's, or one of a receiver that saw an old record. So it is
//! asked what the largest reporters found, each for itself, and two of them must have found another
//! policy than they did before; one, if no more report.

use super::{Change, ChangeKind, Look};
use crate::{
    answers::{Answers, By, Choice, Filter, Group, Key},
    report::{Text, aggregate::PolicyPublished},
};

/// Reporters that are asked.
const REPORTERS: usize = 5;

/// What a reporter found in a domain's name, now and before.
type Found = (Option<PolicyPublished>, Option<PolicyPublished>);

pub(super) fn of_domains<A: Answers>(
    answers: &A,
    look: &Look,
    domains: &[&str],
) -> Result<Vec<Option<Change>>, A::Error> {
    let of = |domain: &str, filter: Filter| Filter {
        domains: Choice::of(domain.to_owned()),
        exactly: true,
        ..filter
    };
    let now: Vec<Filter> =
        domains.iter().map(|domain| of(domain, look.between(look.period.clone()))).collect();
    let groups = answers.groups_each(&now, By::Organization, REPORTERS)?;
    let mut asked = Vec::new();
    let mut reporters = Vec::new();
    for ((domain, now), groups) in domains.iter().zip(now).zip(groups) {
        let before = of(domain, look.between(look.before()));
        let names: Vec<String> = groups.groups.into_iter().filter_map(name).collect();
        for name in &names {
            for filter in [&now, &before] {
                let organizations = Choice::of(name.clone());
                asked.push(Filter { organizations, ..filter.clone() });
            }
        }
        reporters.push(names.len());
    }
    let mut policies = answers.policy_each(&asked)?.into_iter();
    let of_domain = |(domain, reporters): (&&str, usize)| {
        let found: Vec<Found> = (0..reporters)
            .map(|_| (policies.next().flatten(), policies.next().flatten()))
            .collect();
        change(domain, found)
    };
    Ok(domains.iter().zip(reporters).map(of_domain).collect())
}

fn name(group: Group) -> Option<String> {
    match group.key {
        Key::Organization(name) => name,
        _ => None,
    }
}

fn change(domain: &str, found: Vec<Found>) -> Option<Change> {
    let (mut asked, mut told) = (0, Vec::new());
    for (now, before) in found {
        let (Some(now), Some(before)) = (now, before) else { continue };
        asked += 1;
        if now != before {
            told.push((before, now));
        }
    }
    let found = told.iter().find(|(_, now)| {
        let agree = told.iter().filter(|(_, other)| differs(now, other).is_empty()).count();
        agree >= asked.min(2)
    });
    found.and_then(|(before, now)| {
        let (old, new): (Vec<_>, Vec<_>) = differs(before, now).into_iter().unzip();
        let (old, new) = (old.join(" "), new.join(" "));
        let by = format!("{} of {asked} reporters", told.len());
        (!new.is_empty()).then(|| {
            let text = format!("The policy is {new}, and was {old}, as {by} found it.");
            Change::new(ChangeKind::PolicyChanged, domain, &new, text)
        })
    })
}

/// The tags that both name with different values, in the old and the new form. A reporter that
/// leaves a tag out says nothing of it.
fn differs(one: &PolicyPublished, other: &PolicyPublished) -> Vec<(String, String)> {
    let pct = |policy: &PolicyPublished| policy.pct.map(|pct| Text::from(pct.to_string()));
    let tags = [
        ("p", one.p.clone(), other.p.clone()),
        ("sp", one.sp.clone(), other.sp.clone()),
        ("np", one.np.clone(), other.np.clone()),
        ("pct", pct(one), pct(other)),
        ("adkim", one.adkim.clone(), other.adkim.clone()),
        ("aspf", one.aspf.clone(), other.aspf.clone()),
        ("t", one.testing.clone(), other.testing.clone()),
    ];
    tags.into_iter()
        .filter_map(|(tag, one, other)| {
            let (one, other) = (one?, other?);
            (one != other).then(|| (format!("{tag}={one}"), format!("{tag}={other}")))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_reporter_leaves_out_is_no_difference() {
        let policy = |p: &str, sp: Option<&str>| PolicyPublished {
            p: Some(p.into()),
            sp: sp.map(Text::from),
            ..PolicyPublished::default()
        };
        let one = policy("none", Some("none"));
        assert_eq!(differs(&one, &policy("none", None)), []);
        let differs = differs(&one, &policy("reject", Some("none")));
        assert_eq!(differs, [("p=none".into(), "p=reject".into())]);
    }
}
