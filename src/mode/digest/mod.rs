//! `digest`: a mail that says what changed in a week or a day, and how all stands. It is sent when
//! all is quiet, too: one that does not come says that something is wrong with the sending.

mod page;
mod text;

use std::{ops::Range, path::Path, sync::Arc};

use jiff::Timestamp;

use super::print;
use crate::{
    answers::{Answers, Choice, Filter, overview::Overview},
    changes::{self, Change, DAY, Look, News, day_begin},
    cli::{DigestFlags, Every},
    config::{Config, Purpose, Typed},
    exit::{Exit, Failure},
    moment::day,
    opensearch::ClusterAnswers,
    post::{Letter, MailConfig, TOLD_AT_MOST},
    sanitize,
    sink::Destination,
    sqlite::query::Reader,
    stop::Stop,
    verdict::{Bucket, Mine, SenderSums, Standing, counted, number},
};

/// Domains, and TLS policies, of which totals are told.
const TOP: usize = 20;

/// Fewer messages of a sender are no news.
const VOLUME: u64 = 10;

/// All that a digest tells.
struct Digest {
    period: Range<i64>,
    news: News,
    totals: Overview,
    /// The store's name.
    store: String,
}

pub(super) fn run(flags: &DigestFlags, typed: &Typed) -> Result<Exit, Failure> {
    let config = typed.config(&Purpose::default())?;
    if config.mail.is_none() && !flags.print {
        let what = "nobody is to have it; say --mail-to ADDRESS, or --print to see it here";
        return Err(Failure::usage(what));
    }
    let stop = Arc::new(Stop::default());
    stop.on_signals(false)?;
    let now = Timestamp::now();
    // Reports come a day late: those of yesterday are on their way.
    let end = match flags.until {
        // Whole days, of which reports are counted.
        Some(until) => day_begin(until.end(now)),
        None => day_begin(now.as_second() - DAY),
    };
    let length = match flags.every {
        Every::Week => 7 * DAY,
        Every::Day => DAY,
    };
    let mine = config.mine()?;
    let period = end - length..end;
    let digest = Digest::gather(&config, flags.domain.as_deref(), period, &mine)?;
    let letter = digest.letter();
    if flags.print {
        print(format!("Subject: {}\n\n{}", letter.subject, letter.text).as_bytes())?;
    } else if let Some(mail) = &config.mail {
        send(mail, &letter, &stop)?;
    }
    Ok(if digest.attention() == 0 { Exit::Ok } else { Exit::Wrong })
}

/// To each of those who are to have it, whoever else is refused.
fn send(mail: &MailConfig, letter: &Letter, stop: &Stop) -> Result<(), Failure> {
    let mut untold = Vec::new();
    for (n, to) in mail.to.iter().enumerate() {
        let Err(error) = mail.send(to, letter, stop) else { continue };
        untold.push(format!("to {}: {error}", to.email));
        if error.is_of_all() {
            untold.extend(mail.to[n + 1..].iter().map(|to| format!("to {}: the same", to.email)));
            break;
        }
    }
    if untold.is_empty() {
        return Ok(());
    }
    let untold = untold.join("; ");
    Err(Failure::new(Exit::TryAgain, format_args!("the digest was not sent {untold}")))
}

impl Digest {
    fn gather(
        config: &Config,
        domain: Option<&str>,
        period: Range<i64>,
        mine: &Mine,
    ) -> Result<Digest, Failure> {
        let names = config.operators()?;
        let look = Look { period: period.clone(), mine, domain, volume: VOLUME };
        let (news, totals) = match &config.store {
            Destination::Sqlite(path) => {
                let failed = |error| unreadable(path, &error);
                let mut reader = Reader::open(path)?;
                ask(&reader.answers_by(&names).map_err(failed)?, &look).map_err(failed)?
            }
            Destination::OpenSearch(cluster) => {
                ask(&ClusterAnswers::new(cluster.clone())?.with_names(names), &look)?
            }
            Destination::NdJson(_) | Destination::Nothing => {
                return Err(Destination::unreadable("digest"));
            }
        };
        let store = sanitize::line(&config.store.to_string()).into_owned();
        Ok(Digest { period, news, totals, store })
    }

    fn letter(&self) -> Letter {
        let subject = format!(
            "DMARC and TLS reports, {}: {}",
            self.days(),
            self.first_line().trim_end_matches('.').to_lowercase()
        );
        Letter { subject, text: self.text(), html: self.page() }
    }

    /// The first of them.
    fn shown_changes(&self) -> impl Iterator<Item = &Change> {
        self.news.changes.iter().take(TOLD_AT_MOST)
    }

    fn more_changes(&self) -> u64 {
        self.news.changes.len().saturating_sub(TOLD_AT_MOST) as u64
    }

    /// How many things somebody should look at.
    fn attention(&self) -> u64 {
        let changes = self.news.changes.iter().filter(|change| change.needs_attention).count();
        (changes as u64).max(u64::from(self.totals.is_empty()))
    }

    fn first_line(&self) -> String {
        match self.attention() {
            0 => "Nothing needs attention.".into(),
            _ if self.totals.is_empty() => "No report of this time is in the store.".into(),
            1 => "1 thing needs attention.".into(),
            many => format!("{} need attention.", counted(many, "thing")),
        }
    }

    /// `24 Sep 2026 to 30 Sep 2026`.
    fn days(&self) -> String {
        let (first, last) = (day(self.period.start), day(self.period.end - DAY));
        if first == last { first } else { format!("{first} to {last}") }
    }
}

fn unreadable(path: &Path, error: &rusqlite::Error) -> Failure {
    Failure::new(Exit::TryAgain, format_args!("can't read the store {}: {error}", path.display()))
}

fn ask<A: Answers>(answers: &A, look: &Look) -> Result<(News, Overview), A::Error> {
    let news = changes::news(answers, look, &[])?;
    let filter = Filter {
        since: Some(look.period.start),
        until: Some(look.period.end),
        domains: look.domain.map(|domain| Choice::of(domain.to_owned())).unwrap_or_default(),
        ..Filter::default()
    };
    Ok((news, answers.overview(&filter, TOP)?))
}

/// The senders of a domain by bucket, largest bucket first: `yours: 4 senders, 2,104 messages`.
fn buckets(standing: &Standing) -> Vec<String> {
    let mut lines = Vec::new();
    for bucket in Bucket::ALL {
        let sums = SenderSums::of(standing.of(bucket));
        if sums.senders > 0 {
            let senders = counted(sums.senders, "sender");
            let messages = counted(sums.now.messages, "message");
            lines.push(format!("{}: {senders}, {messages}", bucket.title()));
        }
    }
    if standing.omitted > 0 {
        lines.push(format!("{} smaller ones are not looked at", number(standing.omitted)));
    }
    lines
}
