//! `import`: what people have kept over the years, at full speed. By default the source is only read.

mod journal;
mod progress;

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, BufRead, BufWriter, IsTerminal, Read, Seek, Write},
    ops::{ControlFlow, Range},
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf, absolute},
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde_json::json;
use sha2::{Digest, Sha256};
use tracing::{Level, error, info};

use self::{
    journal::{Journal, Key},
    progress::{Counters, Progress, Show},
};
use super::{ModeError, Run, report::moment::Moment};
use crate::{
    cli,
    config::{Config, Store, state_folder},
    exit::Exit,
    metrics::Metrics,
    pipeline::Mail,
    settle::{Mark, Origin, Outcome, Settlement, maildir::Entry},
    sink::{Identity, opensearch::config},
    source::{
        self, Bytes,
        archive::{self, Shape},
        mbox::Mbox,
        walk::{Found, is_bookkeeping, walk},
    },
    stop::Stop,
};

/// Somebody sits in front of it: a node may be started again meanwhile.
const PATIENCE: Duration = Duration::from_mins(10);
/// How often the journal is written out.
const JOURNAL_INTERVAL: Duration = Duration::from_secs(1);
/// Archives in archives are opened so many levels deep.
const NESTING: usize = 3;

pub(super) fn run(import: &cli::Import, mut config: Config, quiet: bool) -> Result<Exit, ModeError> {
    let metadata = |path: &PathBuf| match fs::metadata(path) {
        Err(error) if !is_stdin(path) => Err(ModeError::Path { path: path.clone(), error }),
        _ => Ok(()),
    };
    import.paths.iter().try_for_each(metadata)?;
    let now = Timestamp::now();
    if import.since.is_some() || import.until.is_some() {
        let begin = import.since.map_or(i64::MIN, |since| since.begin(now));
        config.pipeline.period = Some(begin..import.until.map_or(i64::MAX, |until| until.end(now)));
    }
    let period = config.pipeline.period.clone();
    if import.dry_run {
        config.store = Store::Nothing;
    }
    if let Store::OpenSearch(store) = &mut config.store {
        store.import = Some(config::Import { tune: !import.no_tune });
    }
    let limit = config.pipeline.reading.limits.mail_bytes;
    let state = Arc::new(Mutex::new(State::new(import)?));
    let counters = Arc::new(Counters::default());
    let observe = {
        let (state, counters) = (Arc::clone(&state), Arc::clone(&counters));
        move |settlement: &Settlement, _| {
            counters.settled(&settlement.tally, matches!(settlement.outcome, Outcome::Failed(_)));
            lock(&state).settled(settlement);
        }
    };
    let stop = Arc::new(Stop::default());
    stop.on_signals(false)?;
    let run = Run::start(config, Some(PATIENCE), stop, &Metrics::default(), observe)?;
    // What "30 days ago" left out is not what it leaves out tomorrow.
    let is_fixed = ![import.since, import.until].into_iter().flatten().any(|moment| matches!(moment, Moment::Ago(_)));
    let identity = if is_fixed { run.sink.identity() } else { None };
    if let (Some(identity), Some(folder)) = (identity, state_folder()) {
        let file = folder.join(journal_name(&identity, period.as_ref()));
        lock(&state).journal = Journal::open(&file, &identity.incarnation, import.fresh);
    }
    let show = match (quiet, io::stderr().is_terminal()) {
        (true, _) => Show::Nothing,
        (false, true) => Show::Bar,
        (false, false) => Show::Lines,
    };
    count_in_background(import, &counters, &run.stop);
    let progress = Progress::start(Arc::clone(&counters), show)?;
    let mut feeder =
        Feeder { import, run: &run, state: &state, counters: &counters, limit, finished: 0, all_read: true };
    feeder.feed();
    let Feeder { finished: finished_earlier, all_read, .. } = feeder;
    let finished = run.finish_quietly();
    drop(progress);
    let mut state = lock(&state);
    state.journal.flush();
    state.flush_errors()?;
    finished.log(Level::INFO);
    if finished_earlier > 0 {
        info!("{finished_earlier} files were finished by an earlier import and not read again (--fresh reads them)");
    }
    state.log_reasons();
    if import.dry_run {
        info!("dry run: nothing was stored");
    }
    Ok(match finished.totals {
        _ if !finished.complete || !all_read => Exit::TryAgain,
        totals if totals.failed > 0 => Exit::Unreadable,
        _ => Exit::Ok,
    })
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One journal a store and period: what was passed over because of its period is finished for that period only.
fn journal_name(identity: &Identity, period: Option<&Range<i64>>) -> String {
    let hash = Sha256::digest(format!("{} {period:?}", identity.name));
    let name = hash[..8].iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    format!("import-{name}.journal")
}

/// Finds out how much there is while work is already under way.
fn count_in_background(import: &cli::Import, counters: &Arc<Counters>, stop: &Arc<Stop>) {
    let (paths, recursive) = (import.paths.clone(), import.recursive);
    let (counters, stop) = (Arc::clone(counters), Arc::clone(stop));
    // Without it there is no time left to be shown, and nothing else is lost.
    let _ = thread::Builder::new().name("count".into()).spawn(move || {
        for path in paths.iter().filter(|path| !is_stdin(path)) {
            let counted = walk(path, recursive, &mut |found| {
                let path = match found {
                    Ok(Found::Mail(entry)) => entry.path(),
                    Ok(Found::File(path)) => path,
                    Err(_) => return ControlFlow::Continue(()),
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

/// What is remembered of settled mails.
struct State {
    journal: Journal,
    journal_flushed: Instant,
    errors: Option<(PathBuf, BufWriter<File>)>,
    errors_failed: Option<io::Error>,
    /// How many mails could not be used for each reason.
    reasons: BTreeMap<String, u64>,
}

impl State {
    fn new(import: &cli::Import) -> Result<State, ModeError> {
        let errors = import.errors.clone().map(|path| match File::create(&path) {
            Ok(file) => Ok((path, BufWriter::new(file))),
            Err(error) => Err(ModeError::Path { path, error }),
        });
        Ok(State {
            journal: Journal::default(),
            journal_flushed: Instant::now(),
            errors: errors.transpose()?,
            errors_failed: None,
            reasons: BTreeMap::new(),
        })
    }

    fn settled(&mut self, settlement: &Settlement) {
        let Settlement { origin, mark, outcome, tally } = settlement;
        let is_whole = *outcome == Outcome::Stored && tally.lost == 0;
        self.journal.settled(*mark, is_whole, *outcome == Outcome::Left);
        match outcome {
            Outcome::Failed(reason) => self.unusable(origin, "failed", reason),
            Outcome::Unrecognized(reason) => self.unusable(origin, "unrecognized", reason),
            Outcome::Stored if tally.lost > 0 => {
                self.unusable(origin, "incomplete", &format!("{} records can't be read", tally.lost));
            }
            Outcome::Stored | Outcome::Left | Outcome::Gone => {}
        }
        if self.journal_flushed.elapsed() >= JOURNAL_INTERVAL {
            self.journal.flush();
            self.journal_flushed = Instant::now();
        }
    }

    fn unusable(&mut self, origin: &Origin, outcome: &str, reason: &str) {
        *self.reasons.entry(without_numbers(reason)).or_default() += 1;
        if let Some((_, file)) = &mut self.errors {
            let line = json!({ "mail": origin.name(), "outcome": outcome, "reason": reason });
            if let Err(error) = writeln!(file, "{line}") {
                self.errors_failed.get_or_insert(error);
            }
        }
    }

    fn flush_errors(&mut self) -> Result<(), ModeError> {
        let Some((path, mut file)) = self.errors.take() else { return Ok(()) };
        let flushed = file.flush();
        match self.errors_failed.take().map_or(flushed, Err) {
            Ok(()) => Ok(()),
            Err(error) => Err(ModeError::Path { path, error }),
        }
    }

    fn log_reasons(&self) {
        let mut reasons: Vec<_> = self.reasons.iter().collect();
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        for (reason, count) in reasons.iter().take(20) {
            info!("{count} × {reason}");
        }
        if reasons.len() > 20 {
            info!("and {} more reasons (--errors FILE has them all)", reasons.len() - 20);
        }
    }
}

/// Reasons that differ in numbers only count as one.
fn without_numbers(reason: &str) -> String {
    let mut out = String::new();
    for c in reason.chars().take(200) {
        match c {
            '0'..='9' if out.ends_with('#') => {}
            '0'..='9' => out.push('#'),
            c => out.push(c),
        }
    }
    out
}

/// Goes through the sources and hands the pipeline one mail after the other.
struct Feeder<'f> {
    import: &'f cli::Import,
    run: &'f Run,
    state: &'f Mutex<State>,
    counters: &'f Counters,
    /// Bytes of a mail.
    limit: u64,
    /// Files that an earlier run has finished.
    finished: u64,
    all_read: bool,
}

/// Counts what is read.
struct Counting<'c, R> {
    from: R,
    counters: &'c Counters,
}

impl<R: Read> Read for Counting<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        self.counters.bytes.fetch_add(read as u64, Relaxed);
        Ok(read)
    }
}

impl<R: Seek> Seek for Counting<'_, R> {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        self.from.seek(to)
    }
}

impl Feeder<'_> {
    fn feed(&mut self) {
        for path in &self.import.paths {
            if is_stdin(path) {
                self.stdin();
            } else {
                let _ = walk(path, self.import.recursive, &mut |found| {
                    let name = |path: &Path| path.display().to_string();
                    let (what, fed) = match found {
                        Ok(Found::Mail(entry)) => (name(&entry.path()), self.mail(entry)),
                        Ok(Found::File(path)) => (name(&path), self.file(&path)),
                        Err(error) => (name(path), Err(error)),
                    };
                    if let Err(error) = fed {
                        self.trouble(&what, &error);
                    }
                    if self.run.stop.is_asked() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                });
            }
        }
    }

    fn trouble(&mut self, what: &str, error: &io::Error) {
        error!("{what}: can't be read to its end: {error}");
        self.all_read = false;
    }

    /// A mail in a Maildir.
    fn mail(&mut self, entry: Entry) -> io::Result<()> {
        let path = entry.path();
        let metadata = match fs::metadata(&path) {
            // Another process has taken it away.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            metadata => metadata?,
        };
        // Flags, and with them the file's name, change whenever the mail is looked at.
        let mut name = absolute(entry.maildir().path())?.as_os_str().as_bytes().to_vec();
        name.push(0);
        name.extend_from_slice(entry.unique_name());
        let key = Key::new(&name, metadata.len(), (metadata.mtime(), metadata.mtime_nsec()));
        if let Some(mark) = self.take_up_file(key, metadata.len()) {
            let origin = if self.import.settle { Origin::Maildir(entry) } else { Origin::File(path) };
            self.run.pipeline.submit(Mail { origin, mark, bytes: None });
        }
        Ok(())
    }

    /// The mark for a file that is one mail, unless it is finished.
    fn take_up_file(&mut self, key: Key, size: u64) -> Option<Mark> {
        self.counters.bytes.fetch_add(size, Relaxed);
        let mut state = lock(self.state);
        if state.journal.is_finished(key) {
            self.finished += 1;
            return None;
        }
        Some(state.journal.file(key))
    }

    /// A file that may be anything.
    fn file(&mut self, path: &Path) -> io::Result<()> {
        let metadata = fs::metadata(path)?;
        let size = metadata.len();
        let name = absolute(path)?;
        let key = Key::new(name.as_os_str().as_bytes(), size, (metadata.mtime(), metadata.mtime_nsec()));
        let before = self.counters.bytes.load(Relaxed);
        let (is_finished, position) = {
            let state = lock(self.state);
            (state.journal.is_finished(key), state.journal.position(key))
        };
        if is_finished {
            self.finished += 1;
        } else {
            let counting = Counting { from: File::open(path)?, counters: self.counters };
            self.opened(archive::open(counting, position)?, path, key, position)?;
        }
        self.counters.bytes.store(before + size, Relaxed);
        Ok(())
    }

    fn opened(&mut self, shape: Shape, path: &Path, key: Key, position: u64) -> io::Result<()> {
        let name = path.display().to_string();
        match shape {
            Shape::Single(_) => {
                let mark = lock(self.state).journal.file(key);
                self.run.pipeline.submit(Mail { origin: Origin::File(path.to_owned()), mark, bytes: None });
            }
            Shape::Unpacked(from) => {
                let mark = lock(self.state).journal.file(key);
                self.submit(name, mark, source::read(from, self.limit, 0)?);
            }
            Shape::Mbox(from) => {
                let stream = lock(self.state).journal.stream(Some(key), position);
                self.mbox(from, &name, position, stream, None)?;
                self.end(stream);
            }
            Shape::Tar(from) => {
                let stream = lock(self.state).journal.stream(Some(key), position);
                self.tar(from, &name, position, stream, None, 1)?;
                self.end(stream);
            }
        }
        Ok(())
    }

    fn stdin(&mut self) {
        let from = Counting { from: io::stdin().lock(), counters: self.counters };
        let stream = lock(self.state).journal.stream(None, 0);
        let read = archive::look(from).and_then(|shape| self.stream(shape, "standard input", stream, 0, 0));
        if let Err(error) = read {
            self.trouble("standard input", &error);
        }
    }

    /// A member of an archive, or standard input: all its mails count as being at one place of the stream.
    fn stream(&mut self, shape: Shape, name: &str, stream: Mark, place: u64, depth: usize) -> io::Result<()> {
        match shape {
            Shape::Single(from) | Shape::Unpacked(from) => {
                let bytes = source::read(from, self.limit, 0)?;
                let mark = lock(self.state).journal.mail(stream, place, place + 1);
                self.submit(name.to_owned(), mark, bytes);
                Ok(())
            }
            Shape::Mbox(from) => self.mbox(from, name, 0, stream, Some(place)),
            Shape::Tar(_) if depth >= NESTING => Err(io::Error::other("too many archives in each other")),
            Shape::Tar(from) => self.tar(from, name, 0, stream, Some(place), depth + 1),
        }
    }

    /// All mails of an mbox that begins at byte `position`. In an archive, they are at one `place` of it.
    fn mbox(
        &mut self,
        from: Box<dyn BufRead + '_>,
        name: &str,
        position: u64,
        stream: Mark,
        place: Option<u64>,
    ) -> io::Result<()> {
        for mail in Mbox::new(from, position, self.limit) {
            if self.run.stop.is_asked() {
                break;
            }
            let mail = mail?;
            let (begin, end) = place.map_or((mail.offset, mail.end), |place| (place, place + 1));
            let mark = lock(self.state).journal.mail(stream, begin, end);
            self.submit(format!("{name}, mail at byte {}", mail.offset), mark, mail.bytes);
        }
        Ok(())
    }

    /// All files of a tar archive from number `first` on. In another archive, they are at one `place` of it.
    fn tar(
        &mut self,
        from: Box<dyn Read + '_>,
        name: &str,
        first: u64,
        stream: Mark,
        place: Option<u64>,
        depth: usize,
    ) -> io::Result<()> {
        for (number, member) in (0..).zip(tar::Archive::new(from).entries()?) {
            if self.run.stop.is_asked() {
                break;
            }
            let member = member?;
            if number < first || !member.header().entry_type().is_file() || is_bookkeeping(&member.path_bytes()) {
                continue;
            }
            let name = format!("{name}, {}", String::from_utf8_lossy(&member.path_bytes()));
            let shape = archive::look(member)?;
            self.stream(shape, &name, stream, place.unwrap_or(number), depth)?;
        }
        Ok(())
    }

    fn end(&mut self, stream: Mark) {
        // Not after a stop: there is more to come.
        if !self.run.stop.is_asked() {
            lock(self.state).journal.end_stream(stream);
        }
    }

    fn submit(&self, name: String, mark: Mark, bytes: Bytes) {
        self.run.pipeline.submit(Mail { origin: Origin::Input(name), mark, bytes: Some(bytes) });
    }
}
