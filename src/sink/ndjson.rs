//! The NDJSON sink: the documents as lines, appended to a file or written to standard output.
//!
//! A mail counts as stored once its lines are on disk in the file that has the name then, whatever
//! was renamed, deleted or emptied meanwhile, or handed to whoever reads a pipe. Lines written
//! before are not looked at, so duplicates are not recognised. Characters that could do harm on a
//! terminal are escaped.

use std::{
    borrow::Cow,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::{
        fd::AsFd,
        unix::fs::{FileExt, FileTypeExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread::JoinHandle,
    time::Instant,
};

use parking_lot::Mutex;
use rustix::fs::{FileType, OFlags, fcntl_getfl, fstat, major, minor};

use super::{
    Identity, Sink,
    backoff::Backoff,
    file_identity,
    lines::{self, Chunk},
    queue::Queue,
    worker,
};
use crate::{
    document::Documents,
    file::identity::{FileIdentity, device_and_inode},
    lookup::Databases,
    message::Contents,
    metrics::RequestResult,
    report::{Kind, Report},
    sanitize,
    settle::{Acknowledgement, Pending, Ticket},
    stop::{Reason, Stopped},
};

/// Lines of one mail travel together up to this many bytes.
const ITEM_BYTES: usize = 1 << 20;
/// Lines are synchronised to the disk in batches of about this many bytes.
const BATCH_BYTES: usize = 4 << 20;

/// The sink; see the module.
pub struct NdJsonSink {
    file: Option<PathBuf>,
    /// The most bytes that the file has had.
    length: Arc<AtomicU64>,
    databases: Option<Arc<Databases>>,
    queue: Arc<Queue<LineBatch>>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

struct LineBatch {
    lines: Vec<u8>,
    documents: u64,
    pending: Pending,
}

impl NdJsonSink {
    /// Appends to `file`, or writes to standard output.
    ///
    /// # Errors
    /// The file can't be opened, or there is no room for a thread.
    pub fn open(
        file: Option<&Path>,
        databases: Option<Arc<Databases>>,
        backoff: Backoff,
    ) -> io::Result<NdJsonSink> {
        let queue = Arc::new(Queue::new(BATCH_BYTES, 2 * BATCH_BYTES));
        let length = Arc::new(AtomicU64::new(0));
        let mut output = match file {
            Some(path) => {
                let file = open_file(path)?;
                length.store(file.metadata()?.len(), Relaxed);
                NdJsonOutput::File { file, path: path.to_owned(), length: Arc::clone(&length) }
            }
            None if is_closed(io::stdout()) => {
                return Err(io::Error::other("standard output is closed"));
            }
            None => NdJsonOutput::Pipe,
        };
        let stop = Arc::clone(backoff.stop());
        let (from, closed) = (Arc::clone(&queue), Arc::clone(&queue));
        let write = move || {
            while let Some(batch) = from.take() {
                if write_batch(&mut output, batch, &backoff) == Err(Stopped) {
                    return;
                }
            }
        };
        let writer = worker::start("ndjson", stop, write, move || closed.abandon())?;
        let (file, writer) = (file.map(Path::to_owned), Mutex::new(Some(writer)));
        Ok(NdJsonSink { file, length, databases, queue, writer })
    }
}

impl Sink for NdJsonSink {
    fn accept(&self, contents: Contents, ticket: &Ticket) {
        // Holds the mail while the queue is waited for, so that it can't count as complete between
        // two pushes.
        let whole = ticket.pending();
        let write = |_: &Kind, documents: &Documents, n, lines: &mut Vec<u8>| {
            let begin = lines.len();
            documents.write_source(n, lines);
            make_safe(lines, begin);
            lines.push(b'\n');
        };
        let push = |Chunk { bytes: lines, ends, .. }: Chunk<Kind>| {
            let item = LineBatch { documents: ends.len() as u64, pending: ticket.pending(), lines };
            self.queue.push(item.lines.len(), item)
        };
        let databases = self.databases.as_deref();
        if lines::chunks(&contents, databases, ITEM_BYTES, Report::kind, write, push).is_ok() {
            whole.acknowledge(Acknowledgement::default());
        }
    }

    fn flush(&self) {
        self.queue.flush();
    }

    fn identity(&self) -> Option<Identity> {
        file_identity(self.file.as_deref()?)
    }

    fn progress(&self) -> Option<String> {
        Some(self.length.load(Relaxed).to_string())
    }

    /// A file that was emptied or cut off, or an earlier copy of it, is shorter.
    fn has_come_to(&self, progress: Option<&str>) -> bool {
        let then = progress.and_then(|progress| progress.parse().ok());
        then.is_some_and(|then: u64| self.length.load(Relaxed) >= then)
    }

    fn queued_bytes(&self) -> usize {
        self.queue.weight()
    }

    fn finish(&self) {
        self.queue.close();
        if let Some(writer) = self.writer.lock().take() {
            // A writer that panicked has dropped its mails unanswered: they stay where they are.
            let _ = writer.join();
        }
    }
}

/// Escapes what could do harm on a terminal in the JSON from byte `begin` on.
fn make_safe(lines: &mut Vec<u8>, begin: usize) {
    if let Ok(text) = str::from_utf8(&lines[begin..])
        && let Cow::Owned(safe) = sanitize::json(text)
    {
        lines.truncate(begin);
        lines.extend_from_slice(safe.as_bytes());
    }
}

/// Opens the file for appending, and has its name last when it is new. A named pipe needs a reader.
fn open_file(path: &Path) -> io::Result<File> {
    if fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_fifo()) {
        // Without a reader this fails at once, where opening it to wait would wait for ever.
        let flags = i32::try_from(OFlags::NONBLOCK.bits()).map_err(io::Error::other)?;
        OpenOptions::new().write(true).custom_flags(flags).open(path).map_err(|error| {
            let why = format!("a named pipe without a reader ({error})");
            if error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error()) {
                io::Error::other(why)
            } else {
                error
            }
        })?;
    }
    let file = OpenOptions::new().create(true).append(true).open(path)?;
    if file.metadata()?.is_file() {
        let folder =
            path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()?;
    }
    Ok(file)
}

enum NdJsonOutput {
    /// With the name that it must still have when its lines count as stored.
    File {
        file: File,
        path: PathBuf,
        length: Arc<AtomicU64>,
    },
    Pipe,
}

impl NdJsonOutput {
    /// Writes all lines or, in a regular file, none.
    fn write(&mut self, batch: &[LineBatch]) -> io::Result<()> {
        match self {
            NdJsonOutput::File { file, path, length } => loop {
                if !file.metadata()?.is_file() {
                    return batch.iter().try_for_each(|item| file.write_all(&item.lines));
                }
                // Rotated away before, or while it was written to: its lines go to the file that
                // has the name now.
                if has_name(file, path)? && append(file, path, batch)? {
                    length.fetch_max(file.metadata()?.len(), Relaxed);
                    return Ok(());
                }
                *file = open_file(path)?;
            },
            NdJsonOutput::Pipe => {
                let mut out = io::stdout().lock();
                batch.iter().try_for_each(|item| out.write_all(&item.lines))?;
                out.flush()
            }
        }
    }
}

/// True if standard output was closed at the start: Rust's runtime then opens /dev/null in
/// its place, for reading as well, which `>/dev/null` is not.
fn is_closed(stdout: impl AsFd) -> bool {
    let is_null = fstat(&stdout).is_ok_and(|stat| {
        FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice
            && (major(stat.st_rdev), minor(stat.st_rdev)) == (1, 3)
    });
    is_null && fcntl_getfl(stdout).is_ok_and(|flags| flags.contains(OFlags::RDWR))
}

/// True if the file is still the one of this name.
fn has_name(file: &File, path: &Path) -> io::Result<bool> {
    let ours = FileIdentity::from(&file.metadata()?).file();
    match device_and_inode(path) {
        Ok(named) => Ok(named == ours),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Appends all lines and has them on disk, or none. False if the file was rotated or emptied
/// meanwhile.
fn append(file: &mut File, path: &Path, batch: &[LineBatch]) -> io::Result<bool> {
    // Another process may append to the same file; between its batches and ours, never within.
    file.lock()?;
    let appended = append_locked(file, path, batch);
    file.unlock()?;
    appended
}

fn append_locked(file: &mut File, path: &Path, batch: &[LineBatch]) -> io::Result<bool> {
    let before = file.metadata()?.len();
    // A line that a crash left half: what comes behind it would be lost with it.
    let start = if ends_in_a_line(path, before) { &b"\n"[..] } else { b"" };
    let bytes = start.len() as u64 + batch.iter().map(|item| item.lines.len() as u64).sum::<u64>();
    let written = file.write_all(start);
    let written =
        written.and_then(|()| batch.iter().try_for_each(|item| file.write_all(&item.lines)));
    let written = written.and_then(|()| file.sync_data());
    let stays = written
        .and_then(|()| Ok(has_name(file, path)? && file.metadata()?.len() >= before + bytes));
    // If another process emptied it, it must not grow.
    if !matches!(stays, Ok(true)) && file.metadata()?.len() > before {
        file.set_len(before)?;
    }
    stays
}

/// True if the last line of a file of `length` bytes has no end. False for one that may not be
/// read. It is opened apart: a pipe opened for reading as well would swallow all lines when it has
/// no reader.
fn ends_in_a_line(path: &Path, length: u64) -> bool {
    let mut last = *b"\n";
    if let (Some(at), Ok(file)) = (length.checked_sub(1), File::open(path)) {
        // Cut by another process meanwhile, it ends elsewhere.
        let _ = file.read_exact_at(&mut last, at);
    }
    last != *b"\n"
}

/// Tries until the lines are written.
fn write_batch(
    output: &mut NdJsonOutput,
    batch: Vec<LineBatch>,
    backoff: &Backoff,
) -> Result<(), Stopped> {
    backoff.stop().check()?;
    loop {
        let started = Instant::now();
        let written = output.write(&batch);
        let result = if written.is_ok() { RequestResult::ok } else { RequestResult::failed };
        backoff.metrics().request(result, started.elapsed());
        let Err(error) = written else { break };
        if matches!(output, NdJsonOutput::Pipe) {
            // How much of it was read is unknown.
            backoff.stop().ask(match error.kind() {
                io::ErrorKind::BrokenPipe => Reason::ReaderGone,
                _ => Reason::StoreUnreachable(format!("standard output: {error}")),
            });
            return Err(Stopped);
        }
        backoff.pause(&error)?;
    }
    backoff.over();
    for item in batch {
        item.pending
            .acknowledge(Acknowledgement { created: item.documents, ..Acknowledgement::default() });
    }
    Ok(())
}
