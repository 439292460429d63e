//! Domain: how the mail in one domain's name fared over time, who sent it, and what is thought of
//! each sender.

use askama::Template;
use serde::Serialize;

use super::{
    asked::{Asked, Period},
    chart::{self, Chart, Lane},
    content::{Content, Table},
    frame::{Frame, Place},
    groups::{self, GroupTable, Named, ROWS},
    mine::{Claims, SaidOwn},
    policy::NextStep,
    standing::{BucketTable, JUDGED, Own, buckets, policy_word},
    trouble::Trouble,
    view::View,
    words::{self, Said, Then},
};
use crate::{
    answers::{Answers, By, Filter, Groups, Key, Messages, TlsDay},
    report::aggregate::PolicyPublished,
    verdict::{Standing, standing},
};

/// One domain, or all that a filter leaves.
#[derive(Debug, Template, Serialize)]
#[template(path = "page/domain.html")]
pub(super) struct DomainPage {
    #[serde(skip)]
    frame: Frame,
    domain: Said,
    reports: u64,
    #[serde(flatten)]
    messages: Messages,
    before: Option<Messages>,
    /// Of one domain.
    own: Option<Own>,
    #[serde(skip)]
    own_before: Option<Own>,
    #[serde(skip)]
    policy: Option<&'static str>,
    /// Tags of the policy that the newest report found.
    #[serde(skip)]
    tags: Said,
    /// What another policy would have hit.
    next: Option<NextStep>,
    #[serde(skip)]
    chart: Option<Chart>,
    /// Of one domain: its senders by what is thought of them.
    buckets: Vec<BucketTable>,
    /// Senders that are not judged, with fewer messages.
    omitted: u64,
    /// Of one domain: what the user said is its own.
    said: Vec<SaidOwn>,
    /// Of several domains: their senders.
    senders: Option<GroupTable>,
    addresses: GroupTable,
    tls: TlsSum,
    /// TLS of this domain.
    #[serde(skip)]
    tls_href: String,
    #[serde(skip)]
    reports_href: String,
    /// The same of all time.
    #[serde(skip)]
    all_href: String,
    /// When the newest report on it begins.
    #[serde(skip)]
    newest: Option<Then>,
}

const EMPTY: &str = "No mail in its name, in the reports of this time.";

const SENDERS: Named = Named { id: "senders", title: "Senders", column: "Sender", empty: EMPTY };

const ADDRESSES: Named =
    Named { id: "addresses", title: "Addresses", column: "Address", empty: EMPTY };

impl DomainPage {
    /// Asks for the numbers.
    ///
    /// # Errors
    /// The store can't be read.
    pub(super) fn ask<A: Answers>(
        answers: &A,
        place: Place,
        asked: &Asked,
        claims: Claims,
    ) -> Result<DomainPage, Trouble>
    where
        Trouble: From<A::Error>,
    {
        let one = match asked.filter.domains.only.as_slice() {
            [domain] => Some(domain),
            _ => None,
        };
        // One domain is told of by itself: those below it that have policies have their own pages.
        let of_domain = |filter| Filter { exactly: one.is_some(), ..filter };
        let filter = of_domain(asked.filter(place.now));
        let (rows, ends) = (asked.rows.unwrap_or(ROWS), filter.whole_end(place.now));
        let found = one
            .map(|domain| standing(answers, &filter, domain, claims.mine, ends, rows.max(JUDGED)))
            .transpose()?;
        let found = found.as_ref();
        let days = answers.groups(&filter, By::Day, 0)?;
        let before = asked.filter_before(place.now).map(of_domain);
        let before = before.map(|filter| answers.totals(&filter)).transpose()?;
        let tls = answers.tls_days(&asked.filter(place.now))?;
        let table = |groups, named| GroupTable::new(place, View::Domain, asked, named, groups);
        let senders = match found {
            None => Some(table(answers.groups(&filter, By::Sender, rows)?, SENDERS)),
            Some(_) => None,
        };
        let newest = newest_elsewhere(answers, &filter, &days)?;
        let domain = title(&asked.filter.domains.only);
        let published = policies(one.is_some(), answers, &filter)?;
        let policy = found.and_then(|found| found.policy.as_ref());
        let of_all = asked.with(|asked| asked.period = Period::preset("all"));
        Ok(DomainPage {
            frame: Frame::new(place, View::Domain, asked, domain.to_string()),
            domain,
            reports: days.total.reports,
            messages: days.total.messages,
            before: before.map(|tally| tally.messages),
            own: found.map(Own::of),
            own_before: found.filter(|_| asked.compares).and_then(Own::before),
            policy: policy.and_then(|policy| policy_word(policy.p.as_deref())),
            tags: policy.map(tags).unwrap_or_default(),
            next: found.and_then(|found| NextStep::of(found, &filter, place.now)),
            chart: chart(place, &filter, lanes(found, &days, &tls), &published),
            buckets: found.map_or_else(Vec::new, |found| buckets(place, asked, claims, found)),
            omitted: found.map_or(0, |found| found.omitted),
            said: one.map_or_else(Vec::new, |domain| claims.of(domain)),
            senders,
            addresses: table(answers.groups(&filter, By::Address, rows)?, ADDRESSES)
                .with_hosts(answers)?
                .claimed(|key| claims.of_address(one?, key)),
            tls: TlsSum::of(&tls),
            tls_href: place.link(View::Tls, &asked.domain_only()),
            reports_href: place.link(View::Reports, &asked.with(|asked| asked.rows = None)),
            all_href: place.link(View::Domain, &of_all),
            newest: newest.map(|second| Then::new(second, place.now)),
        })
    }
}

/// Sessions of a time.
#[derive(Debug, Default, Serialize)]
pub(super) struct TlsSum {
    pub(super) successful_sessions: u64,
    failed_sessions: u64,
}

impl TlsSum {
    pub(super) fn of(days: &[TlsDay]) -> TlsSum {
        days.iter().fold(TlsSum::default(), |sum, day| TlsSum {
            successful_sessions: sum.successful_sessions.saturating_add(day.successful),
            failed_sessions: sum.failed_sessions.saturating_add(day.failed),
        })
    }

    pub(super) fn all(&self) -> u64 {
        self.successful_sessions.saturating_add(self.failed_sessions)
    }
}

fn title(domains: &[String]) -> Said {
    match domains {
        [] => "All domains".into(),
        [domain] => groups::name(&Key::Domain(domain.clone())),
        several => words::counted(several.len() as u64, "domain").into(),
    }
}

/// When the newest report begins, of whatever time, where this one has no mail.
fn newest_elsewhere<A: Answers>(
    answers: &A,
    filter: &Filter,
    days: &Groups,
) -> Result<Option<i64>, A::Error> {
    match days.total.messages.messages {
        0 => answers.newest(&Filter { since: None, until: None, ..filter.clone() }),
        _ => Ok(None),
    }
}

fn chart(
    place: Place,
    filter: &Filter,
    lanes: Vec<Lane>,
    policies: &[(i64, &'static str)],
) -> Option<Chart> {
    let range = chart::range(filter, place.now);
    Chart::new(chart::Shown { id: "days", range, lanes, policies })
}

/// The domain's own mail, that of others, and TLS; of several domains all mail.
fn lanes(found: Option<&Standing>, days: &Groups, tls: &[TlsDay]) -> Vec<Lane> {
    let all = chart::days(days);
    let mut lanes = match found {
        None => vec![Lane::of_messages("Messages", all)],
        Some(found) => {
            let own = super::standing::days(found.own());
            let others = all.into_iter().map(|(day, count)| {
                (day, count.without(own.get(&day).copied().unwrap_or_default()))
            });
            let others = others.filter(|(_, count)| count.all() > 0).collect();
            vec![
                Lane::of_messages("Your mail", own),
                Lane::of_others("Mail of others in your name", others),
            ]
        }
    };
    lanes.push(Lane::of_tls("TLS sessions that failed", tls));
    lanes
}

/// The policies of one domain, each from a day on.
fn policies<A: Answers>(
    is_one: bool,
    answers: &A,
    filter: &Filter,
) -> Result<Vec<(i64, &'static str)>, A::Error> {
    if !is_one {
        return Ok(Vec::new());
    }
    let published = answers.published(&Filter { exactly: true, ..filter.clone() })?;
    let word = |p: Option<&str>| policy_word(p).unwrap_or("other");
    Ok(published.iter().map(|one| (one.from, word(one.p.as_deref()))).collect())
}

/// `p=reject; sp=none`.
fn tags(policy: &PolicyPublished) -> Said {
    let PolicyPublished { adkim, aspf, p, sp, np, pct, .. } = policy;
    let tags = [
        ("p", p.as_deref()),
        ("sp", sp.as_deref()),
        ("np", np.as_deref()),
        ("adkim", adkim.as_deref()),
        ("aspf", aspf.as_deref()),
    ];
    let said = tags.into_iter().filter_map(|(tag, value)| Some(format!("{tag}={}", value?)));
    let pct = pct.filter(|pct| *pct != 100).map(|pct| format!("pct={pct}"));
    said.chain(pct).collect::<Vec<_>>().join("; ").into()
}

impl Content for DomainPage {
    fn table(&self) -> Table {
        if let Some(senders) = &self.senders {
            return senders.csv("sender");
        }
        let rows = self.buckets.iter().flat_map(|table| {
            table.senders.iter().map(|row| {
                let Messages { messages, pass, spf_aligned, dkim_aligned, .. } = row.messages;
                vec![
                    row.sender.whole().to_owned(),
                    table.bucket.word().to_owned(),
                    messages.to_string(),
                    pass.to_string(),
                    spf_aligned.to_string(),
                    dkim_aligned.to_string(),
                    row.why.whole().to_owned(),
                    row.todo.whole().to_owned(),
                ]
            })
        });
        Table {
            columns: vec![
                "sender",
                "bucket",
                "messages",
                "pass",
                "spf_aligned",
                "dkim_aligned",
                "why",
                "todo",
            ],
            rows: rows.collect(),
        }
    }
}
