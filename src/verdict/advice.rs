//! Advice: what another policy would have hit in a period, and which step is the next sensible one.

use serde::Serialize;

use super::{
    Bucket, Judged, SenderSums, Standing,
    words::{counted, list, number},
};
use crate::{
    answers::{NameBelow, Signs},
    moment::DAY,
    report::aggregate::PolicyPublished,
};

/// Reports of fewer days than this say too little for a stricter policy: some senders work once a
/// month, and RFC 9989 asks for a month of watching.
const DAYS: u64 = 28;
/// Fewer messages than this of one's own say too little, too.
const MESSAGES: u64 = 30;
/// Senders that are named.
const NAMED: usize = 5;

/// What reports say of another policy for a domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// The domain.
    pub domain: String,
    /// The policy that the newest report has, as tags; nothing if no report says it.
    pub policy: Option<String>,
    /// All messages of the period.
    pub messages: u64,
    /// Those that fail, of senders with so few messages that they were not judged one by one.
    pub rest: u64,
    /// What other tags would have hit.
    pub hits: Vec<Hit>,
    /// In the name of which subdomains mail fails, most of it first: what `sp` hits, and `np` as
    /// far as these do not exist, which reports do not say. Empty unless it was asked for.
    pub names: Vec<HitName>,
    /// The next step.
    pub next: Step,
}

/// Messages that a policy would have hit: refused, or put into quarantine. Forwarded mail that
/// fails is among them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hit {
    /// The tag, such as `adkim=s`.
    pub tag: &'static str,
    /// What that means.
    pub meaning: &'static str,
    /// All messages that it hits.
    pub messages: u64,
    /// Those of one's own senders, in order or not.
    pub yours: u64,
    /// Those that were passed on.
    pub forwarded: u64,
    /// Those of senders of whom too little is known.
    pub unknown: u64,
    /// Those of strangers.
    pub strangers: u64,
    /// One's own senders that it hits, with most messages first.
    pub senders: Vec<HitSender>,
}

/// A sender, and how many of its messages are hit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HitSender {
    /// What it is called.
    pub name: String,
    /// Messages.
    pub messages: u64,
}

/// A subdomain, and how mail in its name fares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HitName {
    /// As it stands in From.
    pub name: String,
    /// Messages that fail.
    pub messages: u64,
    /// Messages that pass.
    pub pass: u64,
}

impl Advice {
    /// True if mail in the name of subdomains fails.
    pub fn hits_below(&self) -> bool {
        self.hits.iter().any(|hit| hit.tag == BELOW && hit.messages > 0)
    }

    /// Takes the names below the domain, as a store has them.
    pub fn set_names(&mut self, names: Vec<NameBelow>) {
        let hit = |NameBelow { name, messages, pass }: NameBelow| HitName {
            name,
            messages: messages.saturating_sub(pass),
            pass,
        };
        self.names = names.into_iter().map(hit).filter(|name| name.messages > 0).collect();
    }
}

/// A step on the way to `p=reject`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The tags to publish; nothing if all is done, or nothing should be changed yet.
    pub publish: Option<&'static str>,
    /// Why this, or why nothing yet.
    pub why: String,
    /// `p=reject` is in force for all mail: no policy is stricter.
    #[serde(skip)]
    pub is_strictest: bool,
}

/// The tag for subdomains.
const BELOW: &str = "sp";

/// A tag, what it means, and which of a sender's messages it hits.
type PolicyTag = (&'static str, &'static str, fn(&Judged) -> u64);

/// The tags that are looked at, and which of a sender's messages each hits.
const TAGS: [PolicyTag; 6] = [
    ("p", "mail that fails, in the domain's own name", |one| {
        fail(one).saturating_sub(signs(one).below_fail)
    }),
    (BELOW, "mail that fails, in the name of subdomains", |one| signs(one).below_fail),
    (
        "np",
        "the same, as far as these do not exist, which reports do not say; no more than this",
        |one| signs(one).below_fail,
    ),
    ("adkim=s", "mail that passes now, by a signature of another domain of yours", |one| {
        signs(one).lost_by_adkim
    }),
    ("aspf=s", "mail that passes now, with another domain of yours in the envelope", |one| {
        signs(one).lost_by_aspf
    }),
    ("adkim=s; aspf=s", "mail that passes now, and with neither as strict", |one| {
        signs(one).lost_by_both
    }),
];

fn signs(one: &Judged) -> &Signs {
    &one.history.signs
}

fn fail(one: &Judged) -> u64 {
    let messages = &one.history.tally.messages;
    messages.messages.saturating_sub(messages.pass)
}

/// What reports say of another policy for a domain that stands so.
pub fn advice(standing: &Standing) -> Advice {
    let hits: Vec<Hit> =
        TAGS.into_iter().map(|(tag, meaning, of)| hit(standing, tag, meaning, of)).collect();
    Advice {
        domain: standing.domain.clone(),
        policy: standing.policy.as_ref().map(tags),
        messages: standing.tally.messages.messages,
        rest: rest(standing),
        next: next(standing, &hits[0], &hits[1]),
        hits,
        names: Vec::new(),
    }
}

fn hit(
    standing: &Standing,
    tag: &'static str,
    meaning: &'static str,
    of: fn(&Judged) -> u64,
) -> Hit {
    let sum = |bucket: Bucket| standing.of(bucket).map(of).fold(0, u64::saturating_add);
    let sums = Bucket::ALL.map(|bucket| (bucket, sum(bucket)));
    let all = |is_meant: fn(Bucket) -> bool| {
        let meant = sums.into_iter().filter(|(bucket, _)| is_meant(*bucket));
        meant.map(|(_, sum)| sum).fold(0, u64::saturating_add)
    };
    let mut senders: Vec<HitSender> = standing
        .senders
        .iter()
        .filter(|one| one.verdict.bucket.is_own() && of(one) > 0)
        .map(|one| HitSender { name: one.history.sender.name.clone(), messages: of(one) })
        .collect();
    senders.sort_by_key(|sender| std::cmp::Reverse(sender.messages));
    senders.truncate(NAMED);
    Hit {
        tag,
        meaning,
        messages: all(|_| true),
        yours: all(Bucket::is_own),
        forwarded: sum(Bucket::Forwarder),
        unknown: sum(Bucket::Unknown),
        strangers: sum(Bucket::Stranger),
        senders,
    }
}

/// The tags of a policy, as a record has them.
fn tags(policy: &PolicyPublished) -> String {
    let PolicyPublished { p, sp, np, adkim, aspf, testing, pct, .. } = policy;
    let texts =
        [("p", p), ("sp", sp), ("np", np), ("t", testing), ("adkim", adkim), ("aspf", aspf)];
    let texts = texts.into_iter().filter_map(|(tag, value)| Some((tag, value.as_deref()?)));
    let mut tags: Vec<String> = texts.map(|(tag, value)| format!("{tag}={value}")).collect();
    tags.extend(pct.filter(|pct| *pct != 100).map(|pct| format!("pct={pct}")));
    tags.join("; ")
}

fn step(publish: Option<&'static str>, why: String) -> Step {
    Step { publish, why, is_strictest: false }
}

/// What comes after a policy.
enum Next {
    /// These tags, and what they do.
    Stricter(&'static str, &'static str),
    /// It is as strict as can be.
    Nothing,
    /// It is none.
    Unknown,
}

fn stricter(policy: &PolicyPublished) -> Next {
    let is_testing = policy.testing.as_deref() == Some("y");
    let is_part = policy.pct.is_some_and(|pct| pct < 100);
    match (policy.p.as_deref(), is_testing) {
        (Some("none") | None, _) => Next::Stricter(
            "p=quarantine; t=y",
            "receivers act as with p=none, while lists and forwarders begin to put their own \
             address into From; those that do not know t (RFC 9989) put failing mail into \
             quarantine",
        ),
        (Some("quarantine"), false) if is_part => Next::Stricter(
            "p=quarantine",
            "pct is for a part of it, and newer receivers (RFC 9989) know it no more; without it \
             all failing mail goes to the spam folder",
        ),
        (Some("quarantine"), true) => Next::Stricter(
            "p=quarantine",
            "failing mail goes to the spam folder, where it can be found",
        ),
        (Some("quarantine"), false) => Next::Stricter(
            "p=reject; t=y",
            "receivers act as with p=quarantine; those that do not know t (RFC 9989) reject at \
             once",
        ),
        (Some("reject"), false) if is_part => Next::Stricter(
            "p=reject",
            "pct is for a part of it, and newer receivers (RFC 9989) know it no more; without it \
             no failing mail is taken",
        ),
        (Some("reject"), true) => Next::Stricter("p=reject", "failing mail is not taken"),
        (Some("reject"), false) => Next::Nothing,
        (Some(_), _) => Next::Unknown,
    }
}

fn next(standing: &Standing, p: &Hit, sp: &Hit) -> Step {
    let Some(policy) = &standing.policy else {
        return step(None, "No report tells a policy of this domain.".into());
    };
    let (publish, meaning) = match stricter(policy) {
        Next::Stricter(publish, meaning) => (publish, meaning),
        Next::Nothing => return at_the_end(standing, policy, p, sp),
        Next::Unknown => {
            let why = "The policy published has a p that is none of none, quarantine and reject: \
                receivers take it for none. Mend it first.";
            return step(None, why.into());
        }
    };
    if let Some(obstacle) = obstacle(standing, p, sp) {
        return step(None, format!("Not yet: {obstacle}"));
    }
    let strangers = p.strangers.saturating_add(sp.strangers);
    let why = format!(
        "It would hit {} of strangers, {} passed on, and {} of yours{}; {meaning}.",
        counted(strangers, "message"),
        number(p.forwarded.saturating_add(sp.forwarded)),
        number(p.yours.saturating_add(sp.yours)),
        not_judged(standing, ", and "),
    );
    step(Some(publish), why)
}

/// Messages that fail, of senders with so few that they were not judged one by one.
fn rest(standing: &Standing) -> u64 {
    standing.rest.messages.saturating_sub(standing.rest.pass)
}

/// What can't be told of them, for a sentence; nothing if there are none.
fn not_judged(standing: &Standing, front: &str) -> String {
    match rest(standing) {
        0 => String::new(),
        some => format!("{front}{} of senders too small to be judged", number(some)),
    }
}

/// Why a stricter policy would do harm, or might.
fn obstacle(standing: &Standing, p: &Hit, sp: &Hit) -> Option<String> {
    let own = SenderSums::own(standing).now.messages;
    let days = match (standing.tally.first, standing.tally.last) {
        (Some(first), Some(last)) => last.saturating_sub(first).div_euclid(DAY).unsigned_abs() + 1,
        _ => 0,
    };
    if days < DAYS {
        return Some(format!(
            "reports of {} only; watch a month, since some senders work once a month.",
            counted(days, "day")
        ));
    }
    if own < MESSAGES {
        return Some(format!(
            "only {} of yours in the period, which is too little to tell.",
            counted(own, "message")
        ));
    }
    let failing = |bucket: Bucket| {
        let all = standing.of(bucket).map(|one| (&*one.history.sender.name, fail(one)));
        named(all.filter(|(_, messages)| *messages > 0))
    };
    let repair = failing(Bucket::NeedsRepair);
    if !repair.is_empty() {
        return Some(format!(
            "{} of yours would be hit. Repair {} first.",
            counted(p.yours.saturating_add(sp.yours), "message"),
            repair
        ));
    }
    let unknown = p.unknown.saturating_add(sp.unknown);
    // A hundredth of what is one's own.
    if u128::from(unknown) * 100 > u128::from(own) {
        return Some(format!(
            "{} of senders that may be yours would be hit. Find out whose {} are.",
            counted(unknown, "message"),
            failing(Bucket::Unknown)
        ));
    }
    None
}

/// `Amazon SES (12) and 192.0.2.0/24 (3)`: the first of these senders, with their messages.
fn named<'s>(senders: impl Iterator<Item = (&'s str, u64)>) -> String {
    let named =
        senders.take(NAMED).map(|(name, messages)| format!("{name} ({})", number(messages)));
    list(&named.collect::<Vec<_>>())
}

fn at_the_end(standing: &Standing, policy: &PolicyPublished, p: &Hit, sp: &Hit) -> Step {
    let yours = p.yours.saturating_add(sp.yours);
    if yours > 0 {
        let all = p.senders.iter().chain(&sp.senders);
        let why = format!(
            "p=reject is in force, and {} of yours failed: {}.",
            counted(yours, "message"),
            named(all.map(|one| (&*one.name, one.messages)))
        );
        return Step { publish: None, why, is_strictest: true };
    }
    let milder =
        |tag: &Option<crate::report::Text>| tag.as_deref().is_some_and(|value| value != "reject");
    if milder(&policy.sp) {
        let why = format!(
            "p=reject is in force, but not for subdomains; there it would hit {} of strangers and \
             none of yours.",
            counted(sp.strangers, "message")
        );
        return step(Some("sp=reject"), why);
    }
    let rest = not_judged(standing, "; it hits ");
    let why = format!("All is done: p=reject is in force, and hits none of your mail{rest}.");
    Step { publish: None, why, is_strictest: true }
}

#[cfg(test)]
mod tests;
