//! `export`: the records, policies and failures of an SQLite store as JSON lines, those that
//! `--ndjson` writes, or as a table.

mod output;
mod table;

use std::{
    fmt,
    io::{self, BufWriter, IsTerminal, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};
use jiff::Timestamp;
use tracing::info;

use self::{output::Output, table::Table};
use crate::{
    cli::{self, ExportFormat, ExportKind},
    document::Portion,
    exit::{Exit, Failure},
    file::identity::device_and_inode,
    logging, lookup,
    report::{Kind, Report},
    sanitize,
    senders::Operators,
    sqlite::{
        OpenError,
        query::{Reader, Selection},
        read::Reports,
    },
    stop::Stop,
};

const BUFFER: usize = 64 * 1024;

/// Why an export could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The store can't be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store can't be read.
    #[error("can't read the store {}: {error}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        error: rusqlite::Error,
    },
    /// The export can't be written.
    #[error("can't write {}: {error}", .path.display())]
    Write {
        /// What was to be written.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

impl From<ExportError> for Failure {
    fn from(error: ExportError) -> Failure {
        match error {
            ExportError::Open(error) => error.into(),
            error => Failure::new(Exit::TryAgain, error),
        }
    }
}

/// Why the walk through the reports ended early.
enum Break {
    Read(rusqlite::Error),
    Write(io::Error),
    Asked,
}

impl From<rusqlite::Error> for Break {
    fn from(error: rusqlite::Error) -> Break {
        Break::Read(error)
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
}

impl Written {
    fn add(&mut self, portion: &Portion) {
        let (report, documents) = (u64::from(portion.is_first), portion.report.len() as u64);
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

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Written { dmarc_reports, tls_reports, failure_reports, records, policies } = self;
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

/// `names` is a list of names of senders, for a table.
pub(super) fn run(
    flags: &cli::ExportFlags,
    store: &Path,
    names: Option<&Path>,
    quiet: bool,
) -> Result<Exit, Failure> {
    let started = Instant::now();
    let operators = match flags.format {
        ExportFormat::Csv => Some(lookup::names(names)?),
        ExportFormat::Ndjson => None,
    };
    let kinds = kinds(flags);
    let now = Timestamp::now();
    let selection = Selection {
        since: flags.period.since.map(|since| since.begin(now)),
        until: flags.period.until.map(|until| until.end(now)),
        domain: flags.domain.clone(),
    };
    let read = |error| ExportError::Read { path: store.to_owned(), error };
    let mut reader = Reader::open(store).map_err(ExportError::Open)?;
    let reports = reader.reports(&selection).map_err(read)?;

    let file = flags.output.as_deref().filter(|path| *path != Path::new("-"));
    let stop = Arc::new(Stop::default());
    let output = match file {
        Some(path) => named(path, store, &stop)?,
        None => Output::standard(),
    };
    // Lines and a bar on one terminal would be a mess.
    let bar = if quiet || file.is_none() && io::stdout().is_terminal() {
        ProgressBar::hidden()
    } else {
        bar()
    };
    if !bar.is_hidden() {
        let lengths =
            kinds.iter().map(|kind| reports.count(*kind)).collect::<rusqlite::Result<Vec<u64>>>();
        bar.set_length(lengths.map_err(read)?.iter().sum());
    }
    let written = write(&reports, kinds, operators.as_ref(), output, |documents| {
        bar.inc(documents);
        if stop.is_asked() { Err(Break::Asked) } else { Ok(()) }
    });
    bar.finish_and_clear();
    match written {
        Ok(written) => {
            info!("exported {written}, {:.1} s", started.elapsed().as_secs_f64());
            Ok(Exit::Ok)
        }
        Err(Break::Read(error)) => Err(read(error).into()),
        Err(Break::Write(error)) => ended(file, error),
        Err(Break::Asked) => {
            info!("stopped, as asked; nothing was exported");
            Ok(Exit::TryAgain)
        }
    }
}

/// The output file. Signals are handled, so that what was begun is put away; without a file there
/// is nothing to put away, and the signal may kill.
fn named(path: &Path, store: &Path, stop: &Arc<Stop>) -> Result<Output, Failure> {
    if is_part_of(store, path) {
        let what = format!("{} is the store, it is not overwritten", path.display());
        return Err(Failure::usage(what));
    }
    stop.on_signals(false)?;
    Output::named(path).map_err(|error| Failure::path(path, &error))
}

/// The output can't be written to any more. Who read it from a pipe has seen enough.
fn ended(file: Option<&Path>, error: io::Error) -> Result<Exit, Failure> {
    match file {
        None if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Ok),
        _ => {
            let path = file.unwrap_or(Path::new("standard output")).to_owned();
            Err(ExportError::Write { path, error }.into())
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

/// Writes everything and makes it last, where operators are given as a table; tells after each step
/// how many documents it brought.
fn write(
    reports: &Reports,
    kinds: &[Kind],
    operators: Option<&Operators>,
    output: Output,
    mut step: impl FnMut(u64) -> Result<(), Break>,
) -> Result<Written, Break> {
    let mut written = Written::default();
    let mut out = BufWriter::with_capacity(BUFFER, output);
    for kind in kinds {
        let mut count = |portion: &Portion| {
            written.add(portion);
            step(portion.report.len() as u64)
        };
        if let Some(operators) = operators {
            let mut table = Table::new(*kind, operators, &mut out)?;
            reports.each(*kind, |portion| {
                table.write(&portion)?;
                count(&portion)
            })?;
            table.flush()?;
        } else {
            let mut line = Vec::new();
            reports.each(*kind, |portion| {
                write_lines(&portion, &mut line, &mut out)?;
                count(&portion)
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
