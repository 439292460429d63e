//! `import`: what people have kept over the years, at full speed. By default the source is only
//! read.

mod copy;
mod echo;
mod feed;
mod journal;
mod progress;
mod state;

use std::{
    fs, io,
    io::IsTerminal,
    ops::{ControlFlow, Range},
    path::PathBuf,
    sync::{Arc, atomic::Ordering::Relaxed},
    thread,
    time::Duration,
};

use jiff::Timestamp;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tracing::{Level, enabled, info, warn};

use self::{
    copy::{Copier, CopySource, is_sqlite},
    feed::{Fed, Feeder},
    journal::Journal,
    progress::{Counters, Progress, Show},
    state::Remembered,
};
use crate::{
    cli,
    config::{Purpose, Typed, state_folder},
    exit::{Exit, Failure},
    file::identity::device_and_inode,
    ingest::{self, Finished, Ingest},
    metrics::Metrics,
    moment::Moment,
    report::hex,
    sanitize,
    settle::{MailOutcome, Settlement, apply::Moved},
    sink::{Destination, Identity, Sink, opensearch::config::ImportTuning},
    source::{
        stdin::is_stdin,
        walk::{WalkEntry, walk},
    },
    stop::Stop,
};

/// A person watches it and may start a node again meanwhile.
const PATIENCE: Duration = Duration::from_mins(10);

pub(super) fn run(import: &cli::ImportFlags, typed: &Typed, quiet: bool) -> Result<Exit, Failure> {
    refuse_wrong_paths(import)?;
    let period = import.period.range(Timestamp::now());
    let purpose = Purpose {
        patience: Some(PATIENCE),
        period: period.clone(),
        import: Some(ImportTuning { tune: !import.no_tune }),
        dry_run: import.dry_run,
        ..Purpose::default()
    };
    let config = typed.config(&purpose)?;
    let limits = config.pipeline.reading.limits.clone();
    let stop = Arc::new(Stop::default());
    stop.on_signals(false)?;
    let mut source = CopySource::open(import, typed, &purpose, &limits, &stop)?;
    if let Some(source) = &source {
        source.refuse_same(&config.store)?;
    }
    refuse_other_files(import, &config.store)?;
    let state = Arc::new(Mutex::new(Remembered::new(import)?));
    let counters = Arc::new(Counters::new(source.is_some()));
    let observe = observer(Arc::clone(&state), Arc::clone(&counters));
    if import.paths.iter().any(|path| is_stdin(path)) && io::stdin().is_terminal() {
        info!("reading from standard input; Ctrl-D ends it");
    }
    let run = Ingest::start(config, stop, &Metrics::default(), observe)?;
    if let Some(journal) = journal(import, period.as_ref(), &run.sink) {
        state.lock().journal = journal;
    }
    let show = match (quiet, io::stderr().is_terminal()) {
        (true, _) => Show::Nothing,
        (false, true) => Show::Bar,
        (false, false) => Show::Lines,
    };
    let progress = Progress::start(Arc::clone(&counters), show)?;
    let shared = ImportContext { import, state: &state, counters: &counters, quiet };
    match &mut source {
        Some(source) => shared.copy(source, run, period, progress),
        None => shared.read_mails(run, limits.mail_bytes, progress),
    }
}

/// The list of errors is written anew: it must be neither what is read nor a store.
fn refuse_other_files(import: &cli::ImportFlags, store: &Destination) -> Result<(), Failure> {
    let Some(errors) = &import.errors else { return Ok(()) };
    let Ok(list) = device_and_inode(errors) else { return Ok(()) };
    let store = match store {
        Destination::Sqlite(file) | Destination::NdJson(Some(file)) => Some(file),
        _ => None,
    };
    let mut others = import.paths.iter().chain(store);
    if others.any(|other| device_and_inode(other).is_ok_and(|other| other == list))
        || is_sqlite(errors)
    {
        let name = errors.display();
        return Err(Failure::usage(format_args!(
            "--errors {name}: this file is read, or is a store"
        )));
    }
    Ok(())
}

/// What both kinds of sources need.
struct ImportContext<'s> {
    import: &'s cli::ImportFlags,
    state: &'s Mutex<Remembered>,
    counters: &'s Arc<Counters>,
    quiet: bool,
}

impl ImportContext<'_> {
    /// Another store is the source.
    fn copy(
        &self,
        source: &mut CopySource,
        run: Ingest,
        period: Option<Range<i64>>,
        progress: Progress,
    ) -> Result<Exit, Failure> {
        let mut copier = Copier::new(&run, self.state, self.counters, period);
        copier.copy(source);
        let told = copier.done();
        let mut finished = run.finish_quietly();
        finished.source = Some(source.name());
        self.end(&finished, &told.fed, progress, || told.tell(self.import, &finished))
    }

    fn read_mails(&self, run: Ingest, limit: u64, progress: Progress) -> Result<Exit, Failure> {
        let ImportContext { import, state, counters, quiet } = *self;
        count_in_background(import, counters, &run.stop);
        let fed = Fed { all_read: true, ..Fed::default() };
        let mut feeder = Feeder { import, run: &run, state, counters, limit, fed };
        feeder.feed();
        let fed = feeder.fed;
        let finished = run.finish_quietly();
        self.end(&finished, &fed, progress, || tell(import, &fed, &finished, quiet))
    }

    /// Says how it went.
    fn end(
        &self,
        finished: &Finished,
        fed: &Fed,
        progress: Progress,
        tell: impl FnOnce(),
    ) -> Result<Exit, Failure> {
        drop(progress);
        let ImportContext { import, counters, .. } = *self;
        let mut state = self.state.lock();
        state.journal.flush();
        let is_remembered =
            state.journal.is_kept() && !import.paths.iter().any(|path| is_stdin(path));
        finished.log(Level::INFO, &stopped_at(counters, is_remembered));
        tell();
        state.log_reasons();
        state.flush_errors()?;
        Ok(if !finished.complete || !fed.all_read {
            Exit::TryAgain
        } else if finished.totals.failed + fed.damaged > 0 || fed.found == 0 {
            Exit::Unreadable
        } else {
            Exit::Ok
        })
    }
}

/// Counts and remembers what was settled; tells of single mails with `--verbose` only.
fn observer(
    state: Arc<Mutex<Remembered>>,
    counters: Arc<Counters>,
) -> impl FnMut(&[(Settlement, Moved)]) {
    move |settled| {
        if enabled!(Level::DEBUG) {
            ingest::log(settled);
        }
        for (settlement, moved) in settled {
            counters
                .settled(&settlement.tally, matches!(settlement.outcome, MailOutcome::Failed(_)));
            state.lock().settled(settlement, *moved);
        }
    }
}

fn refuse_wrong_paths(import: &cli::ImportFlags) -> Result<(), Failure> {
    let metadata = |path: &PathBuf| match fs::metadata(path) {
        Err(error) if !is_stdin(path) => Err(Failure::path(path, &error)),
        _ => Ok(()),
    };
    import.paths.iter().try_for_each(metadata)?;
    match import.paths.iter().find(|path| import.settle && !path.is_dir()) {
        Some(path) => {
            let what = "--settle moves the mails of Maildirs, and this is none";
            Err(Failure::usage(format_args!("{}: {what}", path.display())))
        }
        None => Ok(()),
    }
}

/// What earlier imports into the same store have finished; nothing if that is no help.
fn journal(
    import: &cli::ImportFlags,
    period: Option<&Range<i64>>,
    sink: &Arc<dyn Sink>,
) -> Option<Journal> {
    // What "30 days ago" left out is not what it leaves out tomorrow.
    if [import.period.since, import.period.until].into_iter().flatten().any(Moment::is_relative) {
        return None;
    }
    let identity = sink.identity()?;
    let file = state_folder()?.join(journal_name(&identity, period));
    Some(Journal::open(&file, &identity.incarnation, import.fresh, Arc::clone(sink)))
}

/// Says what the summary line does not.
fn tell(import: &cli::ImportFlags, fed: &Fed, finished: &Finished, quiet: bool) {
    if fed.finished > 0 {
        info!(
            "{} files were finished by an earlier import and not read again (--fresh reads them)",
            fed.finished
        );
    }
    if let Some((links, first)) = &fed.links {
        warn!(
            "{links} links to folders or to nothing were not followed, first {}",
            sanitize::line(&first.display().to_string())
        );
    }
    if import.dry_run {
        info!("dry run: nothing was stored");
    }
    if finished.reason.is_none() && fed.found == 0 {
        let hint =
            if import.recursive { "" } else { "; --recursive reads the folders in a Maildir, too" };
        warn!("nothing was found to import{hint}");
    }
    let failed = finished.totals.failed;
    if quiet && failed > 0 {
        warn!(
            "{failed} of {} mails can't be read; --errors FILE lists them",
            finished.totals.mails()
        );
    }
}

/// How far an import came, and whether the next one begins there.
fn stopped_at(counters: &Counters, is_remembered: bool) -> String {
    let share = counters
        .percent()
        .map_or_else(|| " before the end, as asked".into(), |percent| format!(" at {percent} %"));
    format!(
        "stopped{share}{}",
        if is_remembered { "; the same command goes on from there" } else { "" }
    )
}

/// One journal a store and period: what was passed over because of its period is finished for that
/// period only.
fn journal_name(identity: &Identity, period: Option<&Range<i64>>) -> String {
    let hash = Sha256::digest(format!("{} {period:?}", identity.name));
    format!("import-{}.journal", hex(&hash[..8]))
}

/// Finds out how much there is while work is already under way.
fn count_in_background(import: &cli::ImportFlags, counters: &Arc<Counters>, stop: &Arc<Stop>) {
    let (paths, recursive) = (import.paths.clone(), import.recursive);
    let (counters, stop) = (Arc::clone(counters), Arc::clone(stop));
    // Without it there is no time left to be shown, and nothing else is lost.
    let _ = thread::Builder::new().name("count".into()).spawn(move || {
        if paths.iter().any(|path| is_stdin(path)) {
            // Its length is unknown.
            return;
        }
        for path in &paths {
            let counted = walk(path, recursive, &mut |found| {
                let path = match found {
                    Ok(WalkEntry::Mail(entry)) => entry.path(),
                    Ok(WalkEntry::File(path)) => path,
                    Ok(WalkEntry::Link(_)) | Err(_) => return ControlFlow::Continue(()),
                };
                let size = fs::metadata(path).map_or(0, |metadata| metadata.len());
                counters.total.fetch_add(size, Relaxed);
                if stop.is_asked() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            if counted.is_break() {
                return;
            }
        }
        counters.total_known.store(true, Relaxed);
    });
}
