//! Advise: the mode that tells what another policy would have hit, and the next step to take.

use std::io::Write as _;

use jiff::Timestamp;

use crate::{
    answers::{Answers, By, Choice, Filter, Key},
    cli::{AdviseFlags, PeriodFlags},
    config::{Purpose, Typed},
    exit::{Exit, Failure},
    moment::{DAY, day},
    opensearch::ClusterAnswers,
    sanitize,
    sink::Destination,
    sqlite::query::Reader,
    verdict::{self, Advice, Hit, HitName, Mine, advice},
};

/// Days that are looked at if nothing is said: a month before each step, and the one after it.
const DAYS: i64 = 60;
/// Domains that are told of, those with most messages.
const DOMAINS: usize = 100;
/// Senders that are judged one by one.
const SENDERS: usize = 500;
/// Subdomains that are named.
const NAMES: usize = 10;

pub(super) fn run(flags: &AdviseFlags, typed: &Typed) -> Result<Exit, Failure> {
    let config = typed.config(&Purpose::default())?;
    let (operators, mine) = (config.operators()?, config.mine()?);
    let now = Timestamp::now();
    let AdviseFlags { period: PeriodFlags { since, until }, domain, json } = flags;
    let since = since.map(|since| since.begin(now));
    let until = until.map(|until| until.end(now));
    let first = until.unwrap_or(now.as_second()).saturating_sub(DAYS * DAY);
    let filter = Filter { since: since.or(Some(first)), until, ..Filter::default() };
    let asked = Asked { filter, domain: domain.as_deref(), mine: &mine, now: now.as_second() };
    let advices = match config.store {
        Destination::OpenSearch(config) => {
            asked.of(&ClusterAnswers::new(config)?.with_names(operators))?
        }
        Destination::Sqlite(path) => {
            let fault = |error: rusqlite::Error| {
                let what = format_args!("can't read the store {}: {error}", path.display());
                Failure::new(Exit::TryAgain, what)
            };
            let mut reader = Reader::open(&path)?;
            let answers = reader.answers_by(&operators).map_err(fault)?;
            asked.of(&answers).map_err(fault)?
        }
        Destination::NdJson(_) | Destination::Nothing => {
            return Err(Destination::unreadable("advise"));
        }
    };
    let text = if *json { as_json(&advices)? } else { as_text(&advices, &asked.filter) };
    super::print(text.as_bytes())
}

/// What is asked of a store.
struct Asked<'a> {
    filter: Filter,
    domain: Option<&'a str>,
    mine: &'a Mine,
    now: i64,
}

impl Asked<'_> {
    fn of<A: Answers>(&self, answers: &A) -> Result<Vec<Advice>, A::Error> {
        let filter = Filter {
            domains: self.domain.map(|domain| Choice::of(domain.to_owned())).unwrap_or_default(),
            exactly: true,
            ..self.filter.clone()
        };
        let groups = answers.groups(&filter, By::Domain, DOMAINS)?.groups;
        let domains = groups.into_iter().filter_map(|group| match group.key {
            Key::Domain(domain) if !domain.is_empty() => Some(domain),
            _ => None,
        });
        let domains: Vec<String> = domains.collect();
        let domains: Vec<&str> = domains.iter().map(String::as_str).collect();
        let (filter, mine) = (&self.filter, self.mine);
        let standings = verdict::standings(answers, filter, &domains, mine, self.now, SENDERS)?;
        let with_names = |standing| -> Result<Advice, A::Error> {
            let mut advice = advice(standing);
            if advice.hits_below() {
                advice.set_names(answers.names_below(filter, &advice.domain, NAMES)?);
            }
            Ok(advice)
        };
        standings.iter().map(with_names).collect()
    }
}

fn as_json(advices: &[Advice]) -> Result<String, Failure> {
    let json = serde_json::to_string_pretty(&serde_json::json!({ "domains": advices }));
    let json = json.map_err(|error| Failure::new(Exit::TryAgain, error))?;
    Ok(format!("{}\n", sanitize::json(&json)))
}

fn as_text(advices: &[Advice], filter: &Filter) -> String {
    let since = filter.since.map(day).unwrap_or_default();
    let mut out = Vec::new();
    for advice in advices {
        // A vector takes all.
        let _ = write(&mut out, advice, &since);
    }
    if out.is_empty() {
        return format!("No DMARC reports since {since}. Others: --since\n");
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn write(out: &mut Vec<u8>, advice: &Advice, since: &str) -> std::io::Result<()> {
    if !out.is_empty() {
        writeln!(out)?;
    }
    let policy = advice.policy.as_deref().unwrap_or("not told");
    let head = format!(
        "{} · since {since} · {} messages · policy {policy}",
        advice.domain, advice.messages
    );
    writeln!(out, "{}\n", sanitize::line(&head))?;
    let columns =
        ["Yours", "Passed on", "Unknown", "Strangers"].map(|title| format!("{title:>11}"));
    writeln!(out, "{:16}{}", "Would have hit", columns.concat())?;
    for Hit { tag, yours, forwarded, unknown, strangers, .. } in &advice.hits {
        let numbers = [yours, forwarded, unknown, strangers].map(|number| format!("{number:>11}"));
        writeln!(out, "{tag:16}{}", numbers.concat())?;
    }
    for Hit { tag, meaning, senders, .. } in &advice.hits {
        if senders.is_empty() {
            continue;
        }
        writeln!(out, "\n{tag}: {meaning}; of yours:")?;
        for sender in senders {
            writeln!(out, "  {} {}", sender.messages, sanitize::line(&sender.name))?;
        }
    }
    if !advice.names.is_empty() {
        writeln!(
            out,
            "\nsp and np: in these names mail fails. np is for those of them that do not exist, \
             which reports do not say: look them up in the DNS."
        )?;
        for HitName { name, messages, pass } in &advice.names {
            let pass = if *pass > 0 { format!(" ({pass} pass)") } else { String::new() };
            writeln!(out, "  {messages} {}{pass}", sanitize::line(name))?;
        }
    }
    if advice.rest > 0 {
        writeln!(out, "\n{} more fail, of senders with few messages each", advice.rest)?;
    }
    let publish = advice.next.publish.map(|tags| format!("publish {tags}. ")).unwrap_or_default();
    let next = format!("Next: {publish}{}", advice.next.why);
    writeln!(out, "\n{}", sanitize::line(&next))
}
