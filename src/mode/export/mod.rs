//! `export`: the records, policies and failures of a store as JSON lines, those that `--ndjson`
//! writes, or as a table.

mod output;
mod selected;
mod table;

use std::{
    fmt,
    io::{self, BufWriter, IsTerminal, Write},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};
use jiff::Timestamp;
use tracing::{error, info, warn};

use self::{output::Output, selected::Selected, table::Table};
use crate::{
    answers::Filter,
    cli::{self, ExportFormat, ExportKind},
    config::{Config, Purpose, Typed},
    document::Portion,
    exit::{Exit, Failure},
    file::identity::device_and_inode,
    ingest::counted,
    limits::Limits,
    logging,
    report::{Kind, Report},
    sanitize,
    sink::Destination,
    sqlite::query::Selection,
    stop::Stop,
    stored::{Found, Index, ReadError, ReadableStore, StoreView},
};

/// A person watches it and may start a node again meanwhile.
const PATIENCE: Duration = Duration::from_mins(10);

const BUFFER: usize = 64 * 1024;

/// Why the walk through the reports ended early.
enum Break {
    Read(ReadError),
    Write(io::Error),
    Asked,
}

impl From<ReadError> for Break {
    fn from(error: ReadError) -> Break {
        match error {
            ReadError::Stopped => Break::Asked,
            error => Break::Read(error),
        }
    }
}

impl From<io::Error> for Break {
    fn from(error: io::Error) -> Break {
        Break::Write(error)
    }
}

/// What was written.
#[derive(Default)]
struct Written {
    dmarc_reports: u64,
    tls_reports: u64,
    failure_reports: u64,
    records: u64,
    policies: u64,
    /// Documents of which no report can be made.
    unusable: u64,
    /// Documents that were left out, since their report was read twice.
    repeated: u64,
    /// The report at hand is counted.
    is_counted: bool,
}

impl Written {
    fn add(&mut self, portion: &Portion) {
        let report = u64::from(!std::mem::replace(&mut self.is_counted, true));
        let documents = portion.report.len() as u64;
        match portion.report {
            Report::Aggregate(_) => {
                self.dmarc_reports += report;
                self.records += documents;
            }
            Report::Tls(_) => {
                self.tls_reports += report;
                self.policies += documents;
            }
            Report::Failure(_) => self.failure_reports += report,
        }
    }
}

impl Written {
    /// Says what was left out.
    fn tell(&self) -> Exit {
        if self.repeated > 0 {
            info!(
                "{} left out: their reports were read more than once, and stand there again",
                counted(self.repeated, "document")
            );
        }
        if self.unusable > 0 {
            warn!("{} can't be read as a report", counted(self.unusable, "document"));
            return Exit::Unreadable;
        }
        Exit::Ok
    }
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Written { dmarc_reports, tls_reports, failure_reports, records, policies, .. } = self;
        let reports = dmarc_reports + tls_reports + failure_reports;
        write!(
            f,
            "{reports} reports ({dmarc_reports} DMARC, {tls_reports} TLS, {failure_reports} failure), "
        )?;
        write!(f, "{records} records, {policies} policies")
    }
}

fn kinds(flags: &cli::ExportFlags) -> &'static [Kind] {
    match (flags.kind, flags.format) {
        (Some(ExportKind::Dmarc), _) | (None, ExportFormat::Csv) => &[Kind::Dmarc],
        (Some(ExportKind::Tls), _) => &[Kind::Tls],
        (Some(ExportKind::Failure), _) => &[Kind::Failure],
        (None, ExportFormat::Ndjson) => &[Kind::Dmarc, Kind::Tls, Kind::Failure],
    }
}

pub(super) fn run(flags: &cli::ExportFlags, typed: &Typed, quiet: bool) -> Result<Exit, Failure> {
    let started = Instant::now();
    let purpose = Purpose { patience: Some(PATIENCE), ..Purpose::default() };
    let config = typed.config(&purpose)?;
    let operators = config.operators()?;
    let Config { store, pipeline, .. } = config;
    let filter = flags.filter.filter();
    let kinds = kinds(flags);
    let stop = Arc::new(Stop::default());
    let mut source = source(store, kinds, &pipeline.reading.limits, &stop)?;
    let file = flags.output.as_deref().filter(|path| *path != Path::new("-"));
    let output = match file {
        Some(path) => named(path, &source, &stop)?,
        None => Output::standard(),
    };
    let store = source.at_this_moment(selection(&flags.period, &filter))?;
    let counts = kinds.iter().map(|kind| store.count(*kind));
    // Lines and a bar on one terminal would be a mess.
    let bar = if quiet || file.is_none() && io::stdout().is_terminal() {
        ProgressBar::hidden()
    } else {
        bar()
    };
    if !bar.is_hidden() {
        bar.set_length(counts.sum::<Result<u64, ReadError>>()?);
    }
    let selected = Selected { filter, operators: &operators };
    let written = write(&store, kinds, flags.format, &selected, output, |documents| {
        bar.inc(documents);
        if stop.is_asked() { Err(Break::Asked) } else { Ok(()) }
    });
    bar.finish_and_clear();
    match written {
        Ok(written) => {
            info!("exported {written}, {:.1} s", started.elapsed().as_secs_f64());
            Ok(written.tell())
        }
        Err(Break::Read(error)) => Err(error.into()),
        Err(Break::Write(error)) => ended(file, &error),
        Err(Break::Asked) => {
            info!("stopped, as asked; nothing was exported");
            Ok(Exit::TryAgain)
        }
    }
}

/// What is asked of the store; the rest of the filter is seen to here.
fn selection(period: &cli::PeriodFlags, filter: &Filter) -> Selection {
    let now = Timestamp::now();
    Selection {
        since: period.since.map(|since| since.begin(now)),
        until: period.until.map(|until| until.end(now)),
        domain: match &*filter.domains.only {
            [one] => Some(one.clone()),
            _ => None,
        },
    }
}

/// The store that is read.
fn source(
    store: Destination,
    kinds: &[Kind],
    limits: &Limits,
    stop: &Arc<Stop>,
) -> Result<ReadableStore, Failure> {
    match store {
        Destination::Sqlite(path) => Ok(ReadableStore::sqlite(&path)?),
        Destination::OpenSearch(config) => {
            let name = |kind: &Kind| config.target(*kind).index.wildcard();
            let names: Vec<String> = kinds.iter().map(name).collect();
            let index = Index::open(config, &names, false, limits.clone(), Arc::clone(stop))?;
            Ok(ReadableStore::Index(Box::new(index)))
        }
        Destination::NdJson(_) | Destination::Nothing => Err(Destination::unreadable("export")),
    }
}

/// The output file. Signals are handled, so that what was begun is put away; without a file there
/// is nothing to put away, and the signal may kill.
fn named(path: &Path, source: &ReadableStore, stop: &Arc<Stop>) -> Result<Output, Failure> {
    if let ReadableStore::Sqlite { path: store, .. } = source
        && is_part_of(store, path)
    {
        let what = format!("{} is the store, it is not overwritten", path.display());
        return Err(Failure::usage(what));
    }
    stop.on_signals(false)?;
    Output::named(path).map_err(|error| Failure::path(path, &error))
}

/// The output can't be written to any more. Who read it from a pipe has seen enough.
fn ended(file: Option<&Path>, error: &io::Error) -> Result<Exit, Failure> {
    match file {
        None if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Ok),
        _ => {
            let path = file.unwrap_or(Path::new("standard output")).display();
            Err(Failure::new(Exit::TryAgain, format_args!("can't write {path}: {error}")))
        }
    }
}

/// On the terminal, if standard error is one; otherwise it stays hidden.
fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} documents, {eta} left");
    let bar = ProgressBar::new(0)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        .with_finish(ProgressFinish::AndClear);
    logging::bars().add(bar)
}

/// Writes all that is selected and makes it last; tells after each step how many documents were
/// looked at.
fn write(
    store: &StoreView,
    kinds: &[Kind],
    format: ExportFormat,
    selected: &Selected,
    output: Output,
    mut step: impl FnMut(u64) -> Result<(), Break>,
) -> Result<Written, Break> {
    let mut written = Written::default();
    let mut out = BufWriter::with_capacity(BUFFER, output);
    for kind in kinds {
        let mut take = |found: Found, write: &mut dyn FnMut(&Portion) -> io::Result<()>| match found
        {
            Found::Portion { mut portion, .. } => {
                let documents = portion.report.len() as u64;
                written.is_counted &= !portion.is_first;
                if selected.keep(&mut portion) {
                    write(&portion)?;
                    written.add(&portion);
                }
                step(documents)
            }
            Found::Unusable { name, reason, .. } => {
                error!("{}", sanitize::line(&format!("{name}: {reason}")));
                written.unusable += 1;
                step(1)
            }
            Found::Repeated(documents) => {
                written.repeated += documents;
                step(documents)
            }
        };
        if format == ExportFormat::Csv {
            let mut table = Table::new(*kind, selected.operators, &mut out)?;
            store.each(*kind, |found| take(found, &mut |portion| table.write(portion)))?;
            table.flush()?;
        } else {
            let mut line = Vec::new();
            store.each(*kind, |found| {
                take(found, &mut |portion| write_lines(portion, &mut line, &mut out))
            })?;
        }
    }
    out.into_inner().map_err(io::IntoInnerError::into_error)?.finish()?;
    Ok(written)
}

/// The same values that the NDJSON sink writes; they may come to a terminal.
fn write_lines(portion: &Portion, line: &mut Vec<u8>, out: &mut impl Write) -> io::Result<()> {
    let documents = portion.documents();
    for n in 0..documents.len() {
        line.clear();
        documents.write_source(n, line);
        line.push(b'\n');
        let text = str::from_utf8(line).map_err(io::Error::other)?;
        out.write_all(sanitize::json(text).as_bytes())?;
    }
    Ok(())
}

/// True if this names the store's file or one that SQLite keeps beside it, under whatever name.
fn is_part_of(store: &Path, path: &Path) -> bool {
    let Ok(named) = device_and_inode(path) else { return false };
    ["", "-wal", "-shm"].iter().any(|ending| {
        let mut part = store.as_os_str().to_owned();
        part.push(ending);
        device_and_inode(Path::new(&part)).is_ok_and(|part| part == named)
    })
}
