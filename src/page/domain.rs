//! Domain: how the mail in one domain's name fared over time, who sent it, and what is thought of
//! each sender.

use askama::Template;
use serde::Serialize;

use super::{
    asked::Asked,
    chart::{self, Chart},
    content::{Content, Table},
    frame::{Frame, Place},
    groups::{self, GroupTable, Named, ROWS},
    mine::{Claims, SaidOwn},
    standing::{BucketTable, JUDGED, Own, buckets, policy_word},
    trouble::Trouble,
    view::View,
    words::{self, Said},
};
use crate::{
    answers::{Answers, By, Filter, Key, Messages, overview::Tls},
    report::aggregate::PolicyPublished,
    verdict::standing,
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
    tls: Tls,
    /// TLS of this domain.
    #[serde(skip)]
    tls_href: String,
    #[serde(skip)]
    reports_href: String,
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
        let filter = asked.filter(place.now);
        let rows = asked.rows.unwrap_or(ROWS);
        let (ends, judged) = (filter.whole_end(place.now), rows.max(JUDGED));
        let one = match asked.filter.domains.only.as_slice() {
            [domain] => Some(domain),
            _ => None,
        };
        let domain = one.map_or_else(
            || "All domains".into(),
            |domain| groups::name(&Key::Domain(domain.clone())),
        );
        let found = one
            .map(|domain| standing(answers, &filter, domain, claims.mine, ends, judged))
            .transpose()?;
        let days = answers.groups(&filter, By::Day, 0)?;
        let before = asked.filter_before(place.now);
        let before = before.map(|filter| answers.totals(&filter)).transpose()?;
        let table = |groups, named| GroupTable::new(place, View::Domain, asked, named, groups);
        let senders = match found {
            None => Some(table(answers.groups(&filter, By::Sender, rows)?, SENDERS)),
            Some(_) => None,
        };
        let addresses = table(answers.groups(&filter, By::Address, rows)?, ADDRESSES);
        let policy = found.as_ref().and_then(|found| found.policy.as_ref());
        let mut reports = asked.clone();
        reports.rows = None;
        Ok(DomainPage {
            frame: Frame::new(place, View::Domain, asked, domain.to_string()),
            domain,
            reports: days.total.reports,
            messages: days.total.messages,
            before: before.map(|tally| tally.messages),
            own: found.as_ref().map(Own::of),
            own_before: found.as_ref().filter(|_| asked.compares).and_then(Own::before),
            policy: policy.and_then(|policy| policy_word(policy.p.as_deref())),
            tags: policy.map(tags).unwrap_or_default(),
            chart: Chart::new(&chart::Shown {
                id: "days",
                noun: "messages",
                range: (filter.since.unwrap_or(i64::MIN), filter.until.unwrap_or(place.now)),
                days: &chart::days(&days),
                policies: &policies(one.is_some(), answers, &filter)?,
            }),
            buckets: found
                .as_ref()
                .map_or_else(Vec::new, |found| buckets(place, asked, claims, found)),
            omitted: found.as_ref().map_or(0, |found| found.omitted),
            said: one.map_or_else(Vec::new, |domain| claims.of(domain)),
            senders,
            addresses: addresses.claimed(|key| claims.of_address(one?, key)),
            tls: answers.tls(&filter, 5)?,
            tls_href: place.link(View::Tls, &asked.domain_only()),
            reports_href: place.link(View::Reports, &reports),
        })
    }

    /// Sessions of its TLS reports.
    fn sessions(&self) -> u64 {
        self.tls.successful_sessions.saturating_add(self.tls.failed_sessions)
    }
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
                    table.bucket.to_owned(),
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
