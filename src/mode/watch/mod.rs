//! `watch`: day and night beside the mail server. Each report is stored as it is delivered.
//!
//! One thread reads `new/` whenever something may be there: at the start, after an event, after the
//! kernel lost events, when the folder was replaced, and every few minutes in any case. What is
//! under way is remembered by name, so that reading the folder again costs nothing; memory is
//! bounded by what the pipeline takes up, not by what lies in the folder.

mod fresh;
mod known;
mod news;
mod shown;
mod systemd;

use std::{
    io, mem,
    net::SocketAddr,
    path::{self, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use tracing::{Level, error, info, warn};

use self::systemd::Watchdog;
use self::{fresh::Fresh, known::Known, shown::Shown};
use super::maildirs;
use crate::{
    cli,
    config::{Config, Purpose, Typed},
    exit::{Exit, Failure},
    file::identity::device_and_inode,
    http::Server,
    ingest::{self, Ingest},
    maildir::{Entry, Folder, Maildir},
    metrics::{Metrics, server},
    pipeline::Mail,
    settle::{MailOutcome, Origin, Settlement, apply::Moved},
    sink::{self, opensearch::config::OnTrouble},
    source::folder_watch::{FolderNews, FolderWatch},
    stop::{Reason, Stop},
};

/// How often the thread looks around when nothing happens.
const TICK: Duration = Duration::from_secs(1);
/// How often it sees whether the folders are still the ones it watches.
const IDENTITY_INTERVAL: Duration = Duration::from_secs(1);
/// How often it reads the folders although no event came.
const FULL_READ_INTERVAL: Duration = Duration::from_mins(3);
/// How often it reads folders that can't be watched.
const POLL_INTERVAL: Duration = Duration::from_secs(5);

pub(super) fn run(watch: &cli::WatchFlags, typed: &Typed) -> Result<Exit, Failure> {
    let stop = Arc::new(Stop::default());
    stop.on_signals(true)?;
    let paths = absolute(&watch.maildirs)?;
    let purpose = Purpose { on_trouble: OnTrouble::Leave, ..Purpose::default() };
    let config = effective(watch, typed.config(&purpose)?);
    if let Some(mistake) = watch.maildirs.iter().find_map(|path| maildirs::mistake_if_there(path)) {
        return Err(mistake);
    }
    let there: Vec<_> = watch.maildirs.iter().filter_map(|path| Maildir::open(path).ok()).collect();
    maildirs::refuse_inboxes(&there, &config)?;
    let address = config.metrics;
    let metrics = Metrics::default();
    let (run, known) = start(config, &stop, &metrics)?;
    let shown = Arc::new(Shown::new(metrics.clone(), Arc::clone(&run.sink), paths.clone()));
    let mut server = serve(address, &shown)?;
    let mut watcher = Watcher::new(&paths, watch.poll, run, known);
    watcher.look_for_folders();
    systemd::ready("watching");
    loop {
        watcher.watch_until_asked();
        if stop.is_asked() || !stop.take_reload() {
            break;
        }
        systemd::reloading();
        let renewed = typed.config(&purpose).map_err(Failure::from).and_then(|config| {
            let config = effective(watch, config);
            sink::try_out(&config.store)?;
            let wanted = config.metrics;
            // The port may be ours already.
            let moved = if wanted == server.asked { None } else { Some(serve(wanted, &shown)?) };
            let (run, known) = start(config, &stop, &metrics)?;
            server = moved.unwrap_or_else(|| mem::take(&mut server));
            shown.set_sink(Arc::clone(&run.sink));
            watcher.hand_over(run, known, &metrics);
            Ok(())
        });
        match renewed {
            Ok(()) => info!("settings read again"),
            Err(error) => {
                error!("settings stay as they were: {error}");
                watcher.read_again();
            }
        }
        systemd::ready("watching");
    }
    systemd::stopping();
    watcher.run.finish(Level::INFO);
    // Mails that are left are no failure of a service that was asked to end.
    Ok(if stop.reason() == Some(Reason::Asked) { Exit::Ok } else { Exit::TryAgain })
}

/// The flag beats the settings file.
fn effective(watch: &cli::WatchFlags, config: Config) -> Config {
    Config { metrics: watch.metrics.or(config.metrics), ..config }
}

/// Events come with absolute paths.
fn absolute(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let absolute =
        |path: &PathBuf| path::absolute(path).map_err(|error| Failure::path(path, &error));
    paths.iter().map(absolute).collect()
}

/// Opens the store and starts the pipeline.
fn start(
    config: Config,
    stop: &Arc<Stop>,
    metrics: &Metrics,
) -> Result<(Ingest, Arc<Known>), Failure> {
    let known = Arc::new(Known::default());
    let poke = news::start(&config, stop, metrics).map_err(|error| Failure::thread(&error))?;
    let observe = {
        let (known, metrics) = (Arc::clone(&known), metrics.clone());
        move |settled: &[(Settlement, Moved)]| {
            ingest::log(settled);
            ingest::tell_stored(settled);
            for (settlement, moved) in settled {
                metrics.settled(settlement, *moved);
                known.settled(settlement, *moved);
            }
            if settled.iter().any(|(settlement, _)| settlement.outcome == MailOutcome::Stored) {
                poke.stored();
            }
        }
    };
    Ok((Ingest::start(config, Arc::clone(stop), metrics, observe)?, known))
}

/// The metrics where they were asked for.
#[derive(Default)]
struct Served {
    asked: Option<SocketAddr>,
    _server: Option<Server>,
}

fn serve(asked: Option<SocketAddr>, shown: &Arc<Shown>) -> Result<Served, Failure> {
    let Some(address) = asked else { return Ok(Served::default()) };
    let shown = Arc::clone(shown);
    let server = server::start(address, shown).map_err(|error| {
        Failure::new(Exit::Configuration, format_args!("metrics at {address}: {error}"))
    })?;
    info!("metrics at http://{}/metrics", server.address());
    Ok(Served { asked, _server: Some(server) })
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
    /// It was looked for before.
    seen: bool,
    last_read: Option<Instant>,
    /// When mails that could not be moved were last tried again.
    last_full: Option<Instant>,
}

struct Watcher {
    folders: Vec<Watched>,
    events: Option<FolderWatch>,
    /// How often folders without events are read.
    poll: Duration,
    run: Ingest,
    known: Arc<Known>,
    fresh: Fresh,
    watchdog: Watchdog,
    last_identity: Option<Instant>,
}

impl Watcher {
    fn new(maildirs: &[PathBuf], poll: Option<u64>, run: Ingest, known: Arc<Known>) -> Watcher {
        let events = if poll.is_some() {
            None
        } else {
            FolderWatch::new()
                .inspect_err(|error| {
                    warn!("no events, folders are read every few seconds: {error}");
                })
                .ok()
        };
        let folders = maildirs.iter().map(|path| Watched {
            path: path.clone(),
            new: path.join("new"),
            identity: None,
            maildir: None,
            has_events: false,
            seen: false,
            last_read: None,
            last_full: None,
        });
        Watcher {
            folders: folders.collect(),
            events,
            poll: poll.map_or(POLL_INTERVAL, |seconds| Duration::from_secs(seconds.max(1))),
            run,
            known,
            fresh: Fresh::default(),
            watchdog: Watchdog::from_environment(),
            last_identity: None,
        }
    }

    /// Watches until work is to end or the settings are to be read again.
    fn watch_until_asked(&mut self) {
        while !self.is_over() {
            self.beat();
            if self.last_identity.is_none_or(|last| last.elapsed() >= IDENTITY_INTERVAL) {
                self.look_for_folders();
            }
            if self.run.sink.has_room_again() {
                self.known.try_stuck_again();
                self.read_again();
            }
            let waited = [self.known.take_late(), self.fresh.take_whole()].concat();
            // Entries alone are no cause of an error.
            let _ = self.take_up_all(waited.into_iter().map(Ok));
            for n in 0..self.folders.len() {
                if let Err(error) = self.heed(n) {
                    warn!(maildir = %self.folders[n].path.display(), "can't be read now: {error}");
                }
            }
            match &self.events {
                // Returns at once if something came while the folders were read.
                Some(events) => events.wait(TICK),
                None => {
                    // The loop looks by itself whether it is to end.
                    let _ = self.run.stop.sleep(TICK);
                }
            }
        }
    }

    fn is_over(&self) -> bool {
        self.run.stop.is_asked() || self.run.stop.is_reload_wanted()
    }

    /// Ends the old run, and goes on with this one.
    fn hand_over(&mut self, run: Ingest, known: Arc<Known>, metrics: &Metrics) {
        // What the old run has not stored stays where it is, for the new one.
        self.run.stop.ask(Reason::Reload);
        mem::replace(&mut self.run, run).finish(Level::INFO);
        self.run.stop.rearm();
        self.known = known;
        // What the old run saw of its store says nothing of the new one.
        metrics.store().forget_outages();
        self.read_again();
    }

    /// Has all folders read: what was listed may not have been taken up.
    fn read_again(&mut self) {
        self.folders.iter_mut().for_each(|folder| folder.last_read = None);
    }

    /// Finds folders that appeared, vanished or were replaced.
    fn look_for_folders(&mut self) {
        self.last_identity = Some(Instant::now());
        for n in 0..self.folders.len() {
            self.look_for_folder(n, false);
        }
    }

    /// Finds out whether a folder appeared, vanished or was replaced, if that is not known already.
    fn look_for_folder(&mut self, n: usize, replaced: bool) {
        let identity = device_and_inode(&self.folders[n].new).ok();
        let (before, rest) = self.folders.split_at_mut(n);
        let folder = &mut rest[0];
        if identity.is_some() && before.iter().any(|other| other.identity == identity) {
            // The same Maildir by another name: it has one watch, and each mail is read once.
            (folder.identity, folder.maildir, folder.has_events, folder.seen) =
                (None, None, false, true);
            return;
        }
        if folder.seen && !replaced && identity == folder.identity {
            // It may have been away for the moment in which it was to be watched, or there was no
            // watch left.
            if let (Some(_), false, Some(events)) =
                (&folder.maildir, folder.has_events, &mut self.events)
            {
                folder.has_events = events.watch(&folder.new).is_ok();
                folder.last_read = folder.last_read.filter(|_| !folder.has_events);
            }
            return;
        }
        let maildir = Maildir::open_to_read_again(&folder.path);
        match (&maildir, folder.identity) {
            (Ok(_), _) => info!(maildir = %folder.path.display(), "watching"),
            (Err(error), Some(_)) => warn!(maildir = %folder.path.display(), "gone: {error}"),
            (Err(error), None) if !folder.seen => {
                warn!(maildir = %folder.path.display(), "not there yet, waiting for it: {error}");
            }
            (Err(_), None) => {}
        }
        folder.seen = true;
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

    /// Does what the news of a folder and the time ask for.
    fn heed(&mut self, n: usize) -> io::Result<()> {
        // Asked first, since asking takes the answer away.
        let news = self
            .events
            .as_ref()
            .map(|events| events.take(&self.folders[n].new))
            .unwrap_or_default();
        let FolderNews { names, made, more, replaced } = news;
        if replaced {
            self.look_for_folder(n, true);
        }
        let folder = &self.folders[n];
        let interval = if folder.has_events { FULL_READ_INTERVAL } else { self.poll };
        let is_due = more || folder.last_read.is_none_or(|last| last.elapsed() >= interval);
        match folder.maildir.clone() {
            Some(maildir) if is_due => self.read(n, &maildir),
            Some(maildir) => {
                let entry = |name| maildir.entry(Folder::New, name);
                let too_many: Vec<_> = made
                    .into_iter()
                    .filter_map(entry)
                    .filter_map(|entry| self.fresh.add(entry))
                    .collect();
                let delivered = names.into_iter().filter_map(entry);
                self.take_up_all(too_many.into_iter().chain(delivered).map(Ok))
            }
            None => Ok(()),
        }
    }

    /// Takes up what is in `new/` and not yet under way.
    fn read(&mut self, n: usize, maildir: &Arc<Maildir>) -> io::Result<()> {
        let folder = &mut self.folders[n];
        let is_full = folder.last_read.is_none()
            || folder.last_full.is_none_or(|last| last.elapsed() >= FULL_READ_INTERVAL);
        if is_full {
            folder.last_full = Some(Instant::now());
            // Only then: what can't be moved now can't be moved a second later.
            self.known.try_stuck_again();
        }
        if is_full || !folder.has_events {
            folder.last_read = Some(Instant::now());
        }
        self.take_up_all(maildir.entries(Folder::New)?)
    }

    /// Takes up those that are not yet under way, until they all are or something else is to be
    /// done.
    fn take_up_all(&mut self, entries: impl Iterator<Item = io::Result<Entry>>) -> io::Result<()> {
        for entry in entries {
            let entry = entry?;
            if !self.known.take_up(&entry) {
                continue;
            }
            while !self.run.pipeline.wait_for_room(TICK) {
                self.beat();
                if self.is_over() {
                    self.known.let_go(&entry);
                    return Ok(());
                }
            }
            self.run.pipeline.submit(Mail { origin: Origin::Maildir(entry), tag: 0, bytes: None });
            self.beat();
            if self.is_over() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn beat(&mut self) {
        self.watchdog.beat();
    }
}
