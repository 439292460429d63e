//! `watch`: day and night beside the mail server. Each report is stored as it is delivered.
//!
//! One thread reads `new/` whenever something may be there: at the start, after an event, after the kernel lost events, when
//! the folder was replaced, and every few minutes in any case. What is under way is remembered by name, so that reading the
//! folder again costs nothing; memory is bounded by what the pipeline takes up, not by what lies in the folder.

use std::{
    collections::HashSet,
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use clap::ArgMatches;
use tracing::{Level, error, info, warn};

use super::{
    ModeError, Run,
    service::{self, Watchdog},
};
use crate::{
    cli::{self, Shared},
    config::Config,
    exit::Exit,
    metrics::{
        Metrics,
        server::{Exposed, Server},
    },
    pipeline::{Fate, Mail},
    settle::{
        Maildir, Origin, Outcome, Settlement,
        maildir::{Entry, Folder},
    },
    sink::{Sink, opensearch::config::OnTrouble},
    source::folder_watch::FolderWatch,
    stop::{Reason, Stop},
};

/// How often the thread looks around when nothing happens.
const TICK: Duration = Duration::from_secs(1);
/// How often it sees whether the folders are still the ones it watches.
const IDENTITY_INTERVAL: Duration = Duration::from_secs(5);
/// How often it reads the folders although no event came.
const FULL_READ_INTERVAL: Duration = Duration::from_mins(3);
/// How often it reads folders that can't be watched.
const POLL_INTERVAL: Duration = Duration::from_secs(5);
/// The age of the oldest mail is not looked for more often than this.
const OLDEST_INTERVAL: Duration = Duration::from_secs(5);

pub(super) fn run(watch: &cli::Watch, shared: &Shared, matches: &ArgMatches) -> Result<Exit, ModeError> {
    let stop = Arc::new(Stop::default());
    stop.on_signals(true)?;
    let metrics = Metrics::default();
    let mut config = Config::load(shared.clone(), matches)?;
    let mut watchdog = Watchdog::from_environment();
    loop {
        let finished = session(watch, config.clone(), &stop, &metrics, &mut watchdog)?;
        if !stop.rearm() {
            // Mails that are left are no failure of a service that was asked to end.
            return Ok(if finished { Exit::Ok } else { Exit::TryAgain });
        }
        match Config::load(shared.clone(), matches) {
            Ok(new) => {
                info!("settings read again");
                config = new;
            }
            Err(error) => error!("settings stay as they were: {error}"),
        }
    }
}

/// Watches until asked to end; true if that was the reason.
fn session(
    watch: &cli::Watch,
    config: Config,
    stop: &Arc<Stop>,
    metrics: &Metrics,
    watchdog: &mut Watchdog,
) -> Result<bool, ModeError> {
    let known = Arc::new(Known::default());
    let observe = {
        let (known, metrics) = (Arc::clone(&known), metrics.clone());
        move |settlement: &Settlement, fate| {
            super::log(settlement);
            metrics.settled(settlement, fate);
            known.settled(settlement, fate);
        }
    };
    let mut config = config;
    config.on_index_trouble(OnTrouble::Leave);
    let run = Run::start(config, None, Arc::clone(stop), metrics, observe)?;
    let exposed = Arc::new(Shown {
        metrics: metrics.clone(),
        sink: Arc::clone(&run.sink),
        maildirs: watch.maildirs.clone(),
        oldest: Mutex::default(),
    });
    let server = match watch.metrics {
        Some(address) => {
            let server = Server::start(address, exposed);
            Some(server.map_err(|error| ModeError::Address { address, error })?)
        }
        None => None,
    };
    if let Some(server) = &server {
        info!("metrics at http://{}/metrics", server.address());
    }
    let mut watcher = Watcher::new(watch, run, known, watchdog);
    watcher.watch_until_asked();
    if stop.reason() == Some(Reason::Reload) {
        service::reloading();
    } else {
        service::stopping();
    }
    watcher.run.finish(Level::INFO);
    Ok(matches!(stop.reason(), Some(Reason::Asked)))
}

/// A Maildir under watch.
struct Watched {
    path: PathBuf,
    /// Its folder `new`.
    new: PathBuf,
    /// Device and inode of `new`; nothing while it is not there.
    identity: Option<(u64, u64)>,
    maildir: Option<Arc<Maildir>>,
    /// Events come for it.
    has_events: bool,
    last_read: Option<Instant>,
}

struct Watcher<'w> {
    folders: Vec<Watched>,
    events: Option<FolderWatch>,
    /// How often folders without events are read.
    poll: Duration,
    run: Run,
    known: Arc<Known>,
    watchdog: &'w mut Watchdog,
    last_identity: Option<Instant>,
}

impl<'w> Watcher<'w> {
    fn new(watch: &cli::Watch, run: Run, known: Arc<Known>, watchdog: &'w mut Watchdog) -> Self {
        let events = if watch.poll.is_some() {
            None
        } else {
            FolderWatch::new().inspect_err(|error| warn!("no events, folders are read every few seconds: {error}")).ok()
        };
        let folders = watch.maildirs.iter().map(|path| Watched {
            path: path.clone(),
            new: path.join("new"),
            identity: None,
            maildir: None,
            has_events: false,
            last_read: None,
        });
        Watcher {
            folders: folders.collect(),
            events,
            poll: watch.poll.map_or(POLL_INTERVAL, |seconds| Duration::from_secs(seconds.max(1))),
            run,
            known,
            watchdog,
            last_identity: None,
        }
    }

    fn watch_until_asked(&mut self) {
        self.look_for_folders();
        service::ready("watching");
        while !self.run.stop.is_asked() {
            self.beat();
            if self.last_identity.is_none_or(|last| last.elapsed() >= IDENTITY_INTERVAL) {
                self.look_for_folders();
            }
            if self.run.sink.has_room_again() {
                self.known.try_stuck_again();
                self.folders.iter_mut().for_each(|folder| folder.last_read = None);
            }
            for n in 0..self.folders.len() {
                if self.is_due(n)
                    && let Err(error) = self.read(n)
                {
                    warn!(maildir = %self.folders[n].path.display(), "can't be read now: {error}");
                }
            }
            match &self.events {
                // Returns at once if something came while the folders were read.
                Some(events) => events.wait(TICK),
                None => {
                    self.run.stop.sleep(TICK);
                }
            }
        }
    }

    /// Finds folders that appeared, vanished or were replaced.
    fn look_for_folders(&mut self) {
        let first = self.last_identity.is_none();
        self.last_identity = Some(Instant::now());
        for folder in &mut self.folders {
            let identity = fs::metadata(&folder.new).ok().map(|new| (new.dev(), new.ino()));
            if identity == folder.identity && !first {
                continue;
            }
            let maildir = Maildir::open(&folder.path);
            match (&maildir, folder.identity) {
                (Ok(_), _) => info!(maildir = %folder.path.display(), "watching"),
                (Err(error), Some(_)) => warn!(maildir = %folder.path.display(), "gone: {error}"),
                (Err(error), None) if first => {
                    warn!(maildir = %folder.path.display(), "not there yet, waiting for it: {error}");
                }
                (Err(_), None) => {}
            }
            folder.identity = identity.filter(|_| maildir.is_ok());
            folder.maildir = maildir.ok();
            folder.last_read = None;
            folder.has_events = false;
            if let (Some(_), Some(events)) = (&folder.maildir, &mut self.events) {
                match events.watch(&folder.new) {
                    Ok(()) => folder.has_events = true,
                    Err(error) => {
                        warn!(maildir = %folder.path.display(), "no events, read every few seconds: {error}");
                    }
                }
            }
        }
    }

    fn is_due(&self, n: usize) -> bool {
        let folder = &self.folders[n];
        // Asked first, since asking takes the answer away.
        let delivered = self.events.as_ref().is_some_and(|events| events.take_delivered(&folder.new));
        let interval = if folder.has_events { FULL_READ_INTERVAL } else { self.poll };
        folder.maildir.is_some() && (delivered || folder.last_read.is_none_or(|last| last.elapsed() >= interval))
    }

    /// Takes up what is in `new/` and not yet under way.
    fn read(&mut self, n: usize) -> io::Result<()> {
        let Some(maildir) = self.folders[n].maildir.clone() else { return Ok(()) };
        let folder = &mut self.folders[n];
        let is_full = folder.last_read.is_none_or(|last| last.elapsed() >= FULL_READ_INTERVAL);
        if is_full {
            // Only then: what can't be moved now can't be moved a second later.
            self.known.try_stuck_again();
        }
        if is_full || !folder.has_events {
            folder.last_read = Some(Instant::now());
        }
        for entry in maildir.entries(Folder::New)? {
            let entry = entry?;
            if !self.known.take_up(&entry) {
                continue;
            }
            while !self.run.pipeline.wait_for_room(TICK) {
                self.beat();
                if self.run.stop.is_asked() {
                    return Ok(());
                }
            }
            self.run.pipeline.submit(Mail { origin: Origin::Maildir(entry), mark: 0, bytes: None });
            self.beat();
            if self.run.stop.is_asked() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn beat(&mut self) {
        self.watchdog.beat();
    }
}

/// What is known of mails in `new/`.
#[derive(Default)]
struct Known(Mutex<Mails>);

#[derive(Default)]
struct Mails {
    under_way: HashSet<Entry>,
    /// Mail of other kinds that is to stay.
    kept: HashSet<Entry>,
    /// Mails that could not be read or moved.
    stuck: HashSet<Entry>,
}

impl Known {
    fn mails(&self) -> MutexGuard<'_, Mails> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True if the mail is to be taken up now; it counts as under way from here on.
    fn take_up(&self, entry: &Entry) -> bool {
        let mut mails = self.mails();
        !mails.kept.contains(entry) && !mails.stuck.contains(entry) && mails.under_way.insert(entry.clone())
    }

    fn settled(&self, settlement: &Settlement, fate: Fate) {
        let Origin::Maildir(entry) = &settlement.origin else { return };
        let mut mails = self.mails();
        mails.under_way.remove(entry);
        match (&settlement.outcome, fate) {
            (_, Fate::Moved) => {}
            (Outcome::Unrecognized(_) | Outcome::NotAFile, Fate::Stays) => {
                mails.kept.insert(entry.clone());
            }
            _ => {
                mails.stuck.insert(entry.clone());
            }
        }
    }

    fn try_stuck_again(&self) {
        let mut mails = self.mails();
        mails.stuck.clear();
        // Forgets what a person has taken away meanwhile.
        mails.kept.retain(|entry| entry.path().exists());
    }
}

/// What `/metrics` and `/healthz` show.
struct Shown {
    metrics: Metrics,
    sink: Arc<dyn Sink>,
    maildirs: Vec<PathBuf>,
    oldest: Mutex<Option<(Instant, Option<Duration>)>>,
}

impl Exposed for Shown {
    fn metrics(&self) -> String {
        self.metrics.render(self.sink.queued_bytes(), self.oldest_mail())
    }

    fn trouble(&self) -> Option<String> {
        self.metrics.store().is_away().then(|| "the store is away".into())
    }
}

impl Shown {
    fn oldest_mail(&self) -> Option<Duration> {
        let mut oldest = self.oldest.lock().unwrap_or_else(PoisonError::into_inner);
        match *oldest {
            Some((looked, age)) if looked.elapsed() < OLDEST_INTERVAL => age,
            _ => {
                let age = self.maildirs.iter().filter_map(|maildir| oldest_in(maildir)).max();
                *oldest = Some((Instant::now(), age));
                age
            }
        }
    }
}

/// Age of the oldest mail in `new/`, by the time of delivery that stands at the beginning of its name, or else by the file's.
fn oldest_in(maildir: &Path) -> Option<Duration> {
    let delivered = |file: fs::DirEntry| {
        let name = file.file_name();
        let seconds = name.to_str().and_then(|name| name.split('.').next()).and_then(|seconds| seconds.parse().ok());
        match seconds {
            Some(seconds) => Some(SystemTime::UNIX_EPOCH + Duration::from_secs(u32::into(seconds))),
            None => file.metadata().ok()?.modified().ok(),
        }
    };
    let oldest = fs::read_dir(maildir.join("new")).ok()?.filter_map(|file| delivered(file.ok()?)).min()?;
    SystemTime::now().duration_since(oldest).ok()
}
