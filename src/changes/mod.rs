//! Changes: what is different in a period from what was usual before it, and what of that needs a
//! person. Rules over what [`crate::answers`] tells and [`crate::verdict`] thinks of it, without
//! any I/O: `digest` shows them, `alert` keeps count of them ([`situations`]).
//!
//! Numbers decide, and they stand below with their reasons. All are sums over days of reports
//! (UTC): the period is the last days, "before" is what lies between it and the [`MONTH`] before
//! its end; of senders the month before that counts, too.
//!
//! Texts in here name senders, domains and reporters as strangers' reports have them: who shows
//! them makes them harmless.

mod forged;
mod open;
mod policies;
mod rate;
mod reporters;
mod senders;
pub mod situations;
mod tls;

use std::{collections::BTreeSet, fmt, ops::Range};

use serde::{Deserialize, Serialize};

use self::situations::SituationKey;
pub(crate) use crate::moment::DAY;
use crate::{
    answers::{Answers, By, Filter, Key, folded, is_at_or_below},
    figures::is_share,
    verdict::{Mine, Standing},
};

/// Days of reports that are looked at, the period's among them.
const MONTH: i64 = 30 * DAY;

/// Domains that are looked at: those with most messages.
const DOMAINS: usize = 100;

/// What is looked at.
#[derive(Clone, Debug)]
pub struct Look<'l> {
    /// The period, in seconds since 1970: from the first second of a day to that of another.
    pub period: Range<i64>,
    /// What the user said is the domains' own.
    pub mine: &'l Mine,
    /// Only this domain and those below it.
    pub domain: Option<&'l str>,
    /// Fewer messages of a sender in the period are no news.
    pub volume: u64,
}

/// What a change is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// The domain's own mail fails, or that of a sender whose mail passed before.
    SenderFails,
    /// Less of the domain's own mail passes than before.
    PassRate,
    /// Mail of strangers in the domain's name was delivered, far more than usual.
    ForgedMail,
    /// TLS sessions fail.
    TlsFailures,
    /// A reporter that sent DMARC reports week by week sends none any more; or none comes at all.
    ReporterSilent,
    /// The same of TLS reports.
    TlsReporterSilent,
    /// Somebody sends in the domain's name who did not before.
    NewSender,
    /// The policy is another one.
    PolicyChanged,
    /// Mail of a sender that failed before passes.
    SenderRepaired,
    /// Somebody who sent week by week sends no more.
    SenderGone,
}

/// Something that is different.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What it is about.
    pub kind: ChangeKind,
    /// The domain; empty if it is about a reporter.
    pub domain: String,
    /// The sender or reporter, or the new policy; empty if it is about the domain as a whole.
    pub who: String,
    /// Somebody should look at it.
    pub needs_attention: bool,
    /// It is mail of strangers, and all of it was refused or put into quarantine.
    pub is_refused: bool,
    /// The sender is known by another name by now: of this one there is nothing more to be said.
    #[serde(skip)]
    pub is_renamed: bool,
    /// How bad it is: of two, the larger number is worse.
    pub grade: u32,
    /// What is so, in a sentence with numbers.
    pub text: String,
    /// What to do, in a sentence; empty where there is nothing.
    pub todo: String,
}

/// What there is to say of a period.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// What has changed: what needs attention first.
    pub changes: Vec<Change>,
    /// How each domain stands, over [`MONTH`]; those with most messages first.
    pub standings: Vec<Standing>,
    /// How many more domains there are, which are not looked at.
    pub omitted: u64,
}

impl ChangeKind {
    /// All of them, in their order.
    pub const ALL: [ChangeKind; 10] = [
        ChangeKind::SenderFails,
        ChangeKind::PassRate,
        ChangeKind::ForgedMail,
        ChangeKind::TlsFailures,
        ChangeKind::ReporterSilent,
        ChangeKind::TlsReporterSilent,
        ChangeKind::NewSender,
        ChangeKind::PolicyChanged,
        ChangeKind::SenderRepaired,
        ChangeKind::SenderGone,
    ];

    /// One word, as in JSON, labels and the store.
    pub fn word(self) -> &'static str {
        match self {
            ChangeKind::SenderFails => "sender_fails",
            ChangeKind::PassRate => "pass_rate",
            ChangeKind::ForgedMail => "forged_mail",
            ChangeKind::TlsFailures => "tls_failures",
            ChangeKind::ReporterSilent => "reporter_silent",
            ChangeKind::TlsReporterSilent => "tls_reporter_silent",
            ChangeKind::NewSender => "new_sender",
            ChangeKind::PolicyChanged => "policy_changed",
            ChangeKind::SenderRepaired => "sender_repaired",
            ChangeKind::SenderGone => "sender_gone",
        }
    }

    /// The kind of a word.
    pub fn from_word(word: &str) -> Option<ChangeKind> {
        ChangeKind::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// What a person calls it.
impl fmt::Display for ChangeKind {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            ChangeKind::SenderFails => "a sender fails",
            ChangeKind::PassRate => "less mail passes",
            ChangeKind::ForgedMail => "forged mail",
            ChangeKind::TlsFailures => "TLS fails",
            ChangeKind::ReporterSilent => "no reports",
            ChangeKind::TlsReporterSilent => "no TLS reports",
            ChangeKind::NewSender => "a new sender",
            ChangeKind::PolicyChanged => "another policy",
            ChangeKind::SenderRepaired => "a sender passes again",
            ChangeKind::SenderGone => "a sender is gone",
        })
    }
}

impl Change {
    fn new(kind: ChangeKind, domain: &str, who: &str, text: String) -> Change {
        Change {
            kind,
            domain: domain.to_owned(),
            who: who.to_owned(),
            needs_attention: kind < ChangeKind::NewSender,
            is_refused: false,
            is_renamed: false,
            grade: 1,
            text,
            todo: String::new(),
        }
    }
}

/// What has changed in a period, and how the domains stand. `open` are the situations that were
/// found before: a reporter that is known to be silent is looked for, however long ago it ended.
///
/// # Errors
/// The store can't be read.
pub fn news<A: Answers>(answers: &A, look: &Look, open: &[SituationKey]) -> Result<News, A::Error> {
    let mut news = News::default();
    let groups = answers.groups(&look.filter(MONTH), By::Domain, DOMAINS)?;
    news.omitted = groups.omitted;
    let largest = groups.groups.into_iter().filter_map(|group| match group.key {
        Key::Domain(domain) => Some(domain),
        _ => None,
    });
    let mut domains: Vec<String> = largest.collect();
    let largest = domains.len();
    let mut more = look.cared_for(open);
    more.retain(|domain| !domains.contains(domain));
    domains.extend(more);
    let domains: Vec<&str> = domains.iter().map(String::as_str).collect();
    let mut shown = Vec::new();
    for (n, (standing, changes)) in
        senders::of_domains(answers, look, &domains, open)?.into_iter().enumerate()
    {
        news.changes.extend(changes);
        if n >= largest && standing.tally.reports == 0 {
            continue;
        }
        if n >= largest {
            news.omitted = news.omitted.saturating_sub(1);
        }
        shown.push(domains[n]);
        news.standings.push(standing);
    }
    news.changes.extend(policies::of_domains(answers, look, &shown)?.into_iter().flatten());
    news.changes.extend(tls::changes(answers, look, open)?);
    if look.domain.is_none() {
        news.changes.extend(reporters::changes(answers, look, open)?);
    }
    news.changes.sort_by(|one, other| {
        let order = |change: &Change| (!change.needs_attention, change.kind);
        let names = |change: &Change| (change.domain.clone(), change.who.clone());
        order(one).cmp(&order(other)).then_with(|| names(one).cmp(&names(other)))
    });
    Ok(news)
}

impl Look<'_> {
    /// The reports of so many seconds before the period's end.
    fn filter(&self, seconds: i64) -> Filter {
        let until = self.period.end;
        self.between(until.saturating_sub(seconds)..until)
    }

    /// The reports of this time.
    fn between(&self, period: Range<i64>) -> Filter {
        Filter {
            since: Some(period.start),
            until: Some(period.end),
            domains: self
                .domain
                .map(|domain| crate::answers::Choice::of(domain.to_owned()))
                .unwrap_or_default(),
            ..Filter::default()
        }
    }

    /// The domains of which the user said something is theirs, and those of which something was told:
    /// these are looked at however much mail strangers report of other ones.
    fn cared_for(&self, open: &[SituationKey]) -> BTreeSet<String> {
        let named = self.mine.iter().map(|(domain, _)| domain);
        let open = open.iter().filter(|key| key.kind != ChangeKind::TlsFailures);
        let open = open.map(|key| &*key.domain).filter(|domain| !domain.is_empty());
        let is_meant =
            |domain: &&str| self.domain.is_none_or(|top| is_at_or_below(domain, &folded(top)));
        named.chain(open).filter(is_meant).map(str::to_owned).collect()
    }

    /// What the month has before the period.
    fn before(&self) -> Range<i64> {
        self.period.end.saturating_sub(MONTH)..self.period.start
    }

    /// Days of the period.
    fn days(&self) -> u64 {
        u64::try_from((self.period.end - self.period.start) / DAY).unwrap_or(0).max(1)
    }
}

/// The first second of the day of a moment, in seconds since 1970. There are no reports of years
/// before that, nor of those that have five digits.
pub(crate) fn day_begin(moment: i64) -> i64 {
    const LAST: i64 = 253_402_300_799;
    moment.clamp(0, LAST) / DAY * DAY
}

/// Hundredths, for a sentence.
pub(crate) fn percent(some: u64, all: u64) -> String {
    let tenths = (u128::from(some) * 1000).checked_div(u128::from(all)).unwrap_or(0);
    match (tenths % 10, some == all) {
        (0, _) | (_, true) => format!("{} %", tenths / 10),
        (tenth, false) => format!("{}.{tenth} %", tenths / 10),
    }
}
