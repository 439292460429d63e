//! Alerts: what `alert` and `watch` share. It is looked what is so, compared with what was told,
//! and what is new is told, by each way for itself; once it was taken there, it is noted.
//!
//! So what can't be handed over is tried again the next time, and a crash between handing over and
//! noting tells that way twice, never not at all: at least once. One process at a time does it.

mod lock;
mod message;
mod ways;

use std::collections::{BTreeMap, BTreeSet};

pub(crate) use self::message::line;
use self::ways::Way;
use crate::{
    answers::Answers,
    changes::{
        self, DAY, Look, News, day_begin,
        situations::{Situation, SituationKey, SituationStep, Telling, Told, step},
    },
    config::Config,
    exit::{Exit, Failure},
    opensearch::ClusterAnswers,
    sink::Destination,
    sqlite::{Store, query::Reader},
    stop::Stop,
    verdict::Mine,
};

/// The days of reports that are looked at: today's have not come yet.
const DAYS: i64 = 3;

/// Fewer messages of a sender in these days are no news.
const VOLUME: u64 = 20;

/// What was found and told.
pub(crate) struct Looked {
    /// How all stands.
    pub(crate) news: News,
    /// What was told by one way at least, or would have been.
    pub(crate) tellings: Vec<Telling>,
    /// By which ways it could not be told, and why.
    pub(crate) untold: Vec<String>,
}

impl Looked {
    /// Each once, by however many ways.
    fn add(&mut self, tellings: Vec<Telling>) {
        for telling in tellings {
            let is_same = |one: &Telling| {
                (one.turn, one.change.key()) == (telling.turn, telling.change.key())
            };
            if !self.tellings.iter().any(is_same) {
                self.tellings.push(telling);
            }
        }
    }

    /// That something was not told; it is tried again the next time.
    pub(crate) fn trouble(&self) -> Option<Failure> {
        let untold = self.untold.join("; ");
        let failure = || Failure::new(Exit::TryAgain, format!("alerts were not told: {untold}"));
        (!self.untold.is_empty()).then(failure)
    }
}

/// Notes in the store what was told by a way.
type Keep<'k> = dyn FnMut(&str, &SituationStep) -> Result<(), Failure> + 'k;

/// True if somebody is to be told.
pub(crate) fn is_wanted(config: &Config) -> bool {
    config.mail.is_some() || config.alert_command.is_some()
}

/// Looks at the store as at a moment, in seconds since 1970, and says what is so; nothing is told.
///
/// # Errors
/// The store can't be read.
pub(crate) fn look(config: &Config, now: i64) -> Result<News, Failure> {
    let (mine, names) = (config.mine()?, config.operators()?);
    match &config.store {
        Destination::Sqlite(path) => {
            let mut reader = Reader::open(path)?;
            let answers = reader.answers_by(&names).map_err(|error| failed(config, &error))?;
            found(&answers, &mine, now, &Told::new()).map_err(|error| failed(config, &error))
        }
        Destination::OpenSearch(cluster) => {
            let cluster = ClusterAnswers::new(cluster.clone())?.with_names(names);
            Ok(found(&cluster, &mine, now, &Told::new())?)
        }
        Destination::NdJson(_) | Destination::Nothing => Err(no_store()),
    }
}

/// Looks at the store as at a moment, in seconds since 1970, and tells what is new; with `dry_run`
/// it is only said here. What one way does not take is told by the others all the same.
///
/// # Errors
/// The store can't be read or written.
pub(crate) fn tell(
    config: &Config,
    now: i64,
    dry_run: bool,
    stop: &Stop,
) -> Result<Looked, Failure> {
    let (mine, names) = (config.mine()?, config.operators()?);
    let round = Round { config, now, dry_run, stop };
    match &config.store {
        Destination::Sqlite(path) => {
            let error = |error| failed(config, &error);
            // One that is not there is not made: it would be silent for ever.
            let mut reader = Reader::open(path)?;
            let _alone = if dry_run { None } else { Some(lock::beside(path)?) };
            let told = reader.situations().map_err(error)?;
            let news = {
                let answers = reader.answers_by(&names).map_err(error)?;
                found(&answers, &mine, now, &told).map_err(error)?
            };
            drop(reader);
            // Before anything is told: what can't be noted would be told time and again.
            let mut store = if dry_run { None } else { Some(Store::open(path)?) };
            round.finish(told, news, &mut |way, todo| {
                store.as_mut().map_or(Ok(()), |store| store.keep_told(way, todo)).map_err(error)
            })
        }
        Destination::OpenSearch(cluster) => {
            let cluster = ClusterAnswers::new(cluster.clone())?.with_names(names);
            let alone = if dry_run { None } else { Some(cluster.alone(lock::PATIENCE, stop)?) };
            if alone.as_ref().is_some_and(Option::is_none) {
                return Err(lock::taken());
            }
            let told = cluster.situations()?;
            let news = found(&cluster, &mine, now, &told)?;
            round.finish(told, news, &mut |way, todo| Ok(cluster.keep_told(way, todo)?))
        }
        Destination::NdJson(_) | Destination::Nothing => Err(no_store()),
    }
}

fn found<A: Answers>(answers: &A, mine: &Mine, now: i64, told: &Told) -> Result<News, A::Error> {
    let end = day_begin(now);
    let look = Look { period: end - DAYS * DAY..end, mine, domain: None, volume: VOLUME };
    let open: BTreeSet<&SituationKey> = told.values().flatten().map(|one| &one.key).collect();
    let open: Vec<SituationKey> = open.into_iter().cloned().collect();
    changes::news(answers, &look, &open)
}

/// One look at a store.
struct Round<'r> {
    config: &'r Config,
    now: i64,
    dry_run: bool,
    stop: &'r Stop,
}

impl Round<'_> {
    fn finish(&self, mut told: Told, news: News, keep: &mut Keep) -> Result<Looked, Failure> {
        let ways = ways::all(self.config);
        let mut looked = Looked { news, tellings: Vec::new(), untold: Vec::new() };
        if ways.is_empty() {
            let any: Vec<Situation> = told.into_values().flatten().collect();
            looked.add(step(&any, &looked.news.changes, self.now).tellings);
            return Ok(looked);
        }
        self.give_to_ways(&ways, &mut told, keep)?;
        let mut no_mail = false;
        for (name, way) in &ways {
            let told = told.get(name).map(Vec::as_slice).unwrap_or_default();
            let todo = step(told, &looked.news.changes, self.now);
            if !self.dry_run {
                if let Err(reason) = self.hand_over(*way, &todo, &mut no_mail) {
                    looked.untold.push(format!("{name}: {reason}"));
                    continue;
                }
                keep(name, &todo)?;
            }
            looked.add(todo.tellings);
        }
        Ok(looked)
    }

    /// Under no way are situations that an earlier version told by all that there were.
    fn give_to_ways(
        &self,
        ways: &BTreeMap<String, Way>,
        told: &mut Told,
        keep: &mut Keep,
    ) -> Result<(), Failure> {
        let Some(of_all) = told.remove("") else { return Ok(()) };
        for way in ways.keys() {
            told.entry(way.clone()).or_default().extend(of_all.iter().cloned());
            if !self.dry_run {
                keep(way, &SituationStep { kept: of_all.clone(), ..SituationStep::default() })?;
            }
        }
        if self.dry_run {
            return Ok(());
        }
        let dropped = of_all.into_iter().map(|one| one.key).collect();
        keep("", &SituationStep { dropped, ..SituationStep::default() })
    }

    /// `no_mail` is true once it is known that nobody takes mail now.
    fn hand_over(&self, way: Way, todo: &SituationStep, no_mail: &mut bool) -> Result<(), String> {
        let is_mail = matches!(way, Way::Mail(..));
        if todo.tellings.is_empty() {
            return Ok(());
        }
        if is_mail && *no_mail {
            return Err("the same".into());
        }
        let told = way.tell(&todo.tellings, &self.config.store.to_string(), self.stop);
        told.map_err(|error| {
            *no_mail |= is_mail && error.is_of_all();
            error.to_string()
        })
    }
}

fn failed(config: &Config, error: &rusqlite::Error) -> Failure {
    Failure::new(Exit::TryAgain, format_args!("the store {}: {error}", config.store))
}

fn no_store() -> Failure {
    Failure::usage(
        "alerts are of an SQLite store or OpenSearch; name it with --store FILE or --opensearch URL",
    )
}
