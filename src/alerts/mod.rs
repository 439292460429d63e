//! Alerts: what `alert` and `watch` share. It is looked what is so, compared with what was told,
//! and what is new is told; only once it was taken, it is noted as told.
//!
//! So what can't be handed over is tried again the next time, and a crash between handing over and
//! noting tells twice, never not at all. One process at a time does it, as far as they have the
//! same state folder.

mod message;

use std::{
    fs::{self, File, TryLockError},
    time::Duration,
};

pub(crate) use self::message::line;
use crate::{
    answers::Answers,
    changes::{
        self, DAY, Look, News, day_begin,
        situations::{Situation, SituationKey, SituationStep, Telling, step},
    },
    config::{self, Config},
    exit::{Exit, Failure},
    file::lock::lock_within,
    opensearch::ClusterAnswers,
    post,
    sink::Destination,
    sqlite::{Store, query::Reader},
    stop::Stop,
    verdict::Mine,
};

/// The days of reports that are looked at: today's have not come yet.
const DAYS: i64 = 3;

/// Fewer messages of a sender in these days are no news.
const VOLUME: u64 = 20;

/// How long another process is waited for.
const PATIENCE: Duration = Duration::from_secs(90);

/// What was found and told.
pub(crate) struct Looked {
    /// How all stands.
    pub(crate) news: News,
    /// What was told, or would have been.
    pub(crate) tellings: Vec<Telling>,
}

/// Notes in the store what was told.
type Keep<'k> = dyn FnMut(&SituationStep) -> Result<(), Failure> + 'k;

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
            found(&answers, &mine, now, &[]).map_err(|error| failed(config, &error))
        }
        Destination::OpenSearch(cluster) => {
            let cluster = ClusterAnswers::new(cluster.clone())?.with_names(names);
            Ok(found(&cluster, &mine, now, &[])?)
        }
        Destination::NdJson(_) | Destination::Nothing => Err(no_store()),
    }
}

/// Looks at the store as at a moment, in seconds since 1970, and tells what is new; with `dry_run`
/// it is only said here.
///
/// # Errors
/// The store can't be read or written, or what is to be told was not taken.
pub(crate) fn tell(
    config: &Config,
    now: i64,
    dry_run: bool,
    stop: &Stop,
) -> Result<Looked, Failure> {
    let _one_at_a_time = if dry_run { None } else { lock()? };
    let (mine, names) = (config.mine()?, config.operators()?);
    let finish = |told: Vec<Situation>, news: News, keep: &mut Keep| {
        let todo = step(&told, &news.changes, now);
        if !dry_run {
            hand_over(config, &todo, stop)?;
            keep(&todo)?;
        }
        Ok(Looked { news, tellings: todo.tellings })
    };
    match &config.store {
        Destination::Sqlite(path) => {
            let error = |error| failed(config, &error);
            // One that is not there is not made: it would be silent for ever.
            let mut reader = Reader::open(path)?;
            let told = reader.situations().map_err(error)?;
            let news = {
                let answers = reader.answers_by(&names).map_err(error)?;
                found(&answers, &mine, now, &told).map_err(error)?
            };
            drop(reader);
            // Before anything is told: what can't be noted would be told time and again.
            let mut store = if dry_run { None } else { Some(Store::open(path)?) };
            finish(told, news, &mut |todo| {
                store.as_mut().map_or(Ok(()), |store| store.keep_told(todo)).map_err(error)
            })
        }
        Destination::OpenSearch(cluster) => {
            let cluster = ClusterAnswers::new(cluster.clone())?.with_names(names);
            let told = cluster.situations()?;
            let news = found(&cluster, &mine, now, &told)?;
            finish(told, news, &mut |todo| Ok(cluster.keep_told(todo)?))
        }
        Destination::NdJson(_) | Destination::Nothing => Err(no_store()),
    }
}

fn found<A: Answers>(
    answers: &A,
    mine: &Mine,
    now: i64,
    told: &[Situation],
) -> Result<News, A::Error> {
    let end = day_begin(now);
    let look = Look { period: end - DAYS * DAY..end, mine, domain: None, volume: VOLUME };
    let open: Vec<SituationKey> = told.iter().map(|situation| situation.key.clone()).collect();
    changes::news(answers, &look, &open)
}

/// To the command and by mail; what one of them did not take is told again to both.
fn hand_over(config: &Config, todo: &SituationStep, stop: &Stop) -> Result<(), Failure> {
    if todo.tellings.is_empty() {
        return Ok(());
    }
    let store = config.store.to_string();
    let not_told =
        |error| Failure::new(Exit::TryAgain, format_args!("alerts were not told: {error}"));
    if let Some(command) = &config.alert_command {
        let message = message::json(&todo.tellings, &store);
        post::hand_to(command, &[], message.as_bytes(), stop).map_err(not_told)?;
    }
    if let Some(mail) = &config.mail {
        mail.send(&message::letter(&todo.tellings, &store), stop).map_err(not_told)?;
    }
    Ok(())
}

fn lock() -> Result<Option<File>, Failure> {
    let Some(folder) = config::state_folder() else { return Ok(None) };
    fs::create_dir_all(&folder)?;
    let path = folder.join("alerts.lock");
    let file = File::options().create(true).append(true).open(&path)?;
    match lock_within(&file, PATIENCE) {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => {
            Err(Failure::new(Exit::TryAgain, "another process is telling alerts"))
        }
        // A file system without locks.
        Err(TryLockError::Error(_)) => Ok(None),
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
