//! The NDJSON sink: the documents as lines, appended to a file or written to standard output.
//!
//! A mail counts as stored once its lines are on disk, or handed to whoever reads a pipe. Lines written before
//! are not looked at, so duplicates are not recognised.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
    time::Instant,
};

use super::{
    Identity, Sink, file_identity,
    lines::{self, Chunk},
    outage::Outage,
    queue::Queue,
    worker,
};
use crate::{
    document::Documents,
    message::Contents,
    metrics::RequestResult,
    settle::{Acknowledgement, Delivery, Pending},
    stop::Reason,
};

/// Lines of one mail travel together up to this many bytes.
const ITEM_BYTES: usize = 1 << 20;
/// Lines are synchronised to the disk in batches of about this many bytes.
const BATCH_BYTES: usize = 4 << 20;

/// The sink; see the module.
pub struct NdJsonSink {
    file: Option<PathBuf>,
    queue: Arc<Queue<Item>>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

struct Item {
    lines: Vec<u8>,
    documents: u64,
    pending: Pending,
}

impl NdJsonSink {
    /// Appends to `file`, or writes to standard output.
    ///
    /// # Errors
    /// The file can't be opened, or there is no room for a thread.
    pub fn open(file: Option<&Path>, outage: Outage) -> io::Result<NdJsonSink> {
        let queue = Arc::new(Queue::new(BATCH_BYTES, 2 * BATCH_BYTES));
        let mut output = match file {
            Some(path) => {
                Output::File { file: OpenOptions::new().create(true).append(true).open(path)?, path: path.to_owned() }
            }
            None => Output::Pipe,
        };
        let stop = Arc::clone(outage.stop());
        let (from, closed) = (Arc::clone(&queue), Arc::clone(&queue));
        let write = move || {
            while let Some(batch) = from.take() {
                if !write_batch(&mut output, batch, &outage) {
                    return;
                }
            }
        };
        let writer = worker::start("ndjson", stop, write, move || closed.abandon())?;
        Ok(NdJsonSink { file: file.map(Path::to_owned), queue, writer: Mutex::new(Some(writer)) })
    }
}

impl Sink for NdJsonSink {
    fn accept(&self, contents: Contents, delivery: &Delivery) {
        // Holds the mail while the queue is waited for, so that it can't count as complete between two pushes.
        let whole = delivery.pending();
        let write = |documents: &Documents, n, lines: &mut Vec<u8>| {
            documents.write_source(n, lines);
            lines.push(b'\n');
        };
        let push = |Chunk { bytes: lines, ends, .. }: Chunk| {
            let item = Item { documents: ends.len() as u64, pending: delivery.pending(), lines };
            self.queue.push(item.lines.len(), item)
        };
        if lines::chunks(&contents, ITEM_BYTES, write, push) {
            whole.acknowledge(Acknowledgement::default());
        }
    }

    fn hurry(&self) {
        self.queue.hurry();
    }

    fn identity(&self) -> Option<Identity> {
        file_identity(self.file.as_deref()?)
    }

    fn queued_bytes(&self) -> usize {
        self.queue.weight()
    }

    fn finish(&self) {
        self.queue.close();
        if let Some(writer) = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // A writer that panicked has dropped its mails unanswered: they stay where they are.
            let _ = writer.join();
        }
    }
}

enum Output {
    File { file: File, path: PathBuf },
    Pipe,
}

impl Output {
    /// Writes all lines or, in a regular file, none.
    fn write(&mut self, batch: &[Item]) -> io::Result<()> {
        match self {
            Output::File { file, path } => {
                let is_regular = file.metadata()?.is_file();
                if !is_regular {
                    return batch.iter().try_for_each(|item| file.write_all(&item.lines));
                }
                // Another process may append to the same file; between its batches and ours, never within.
                file.lock()?;
                let before = file.metadata()?.len();
                // A line that a crash left half: what comes behind it would be lost with it.
                let start = if ends_in_a_line(path, before) { &b"\n"[..] } else { b"" };
                let written = file.write_all(start);
                let written = written.and_then(|()| batch.iter().try_for_each(|item| file.write_all(&item.lines)));
                let written = written.and_then(|()| file.sync_data());
                if written.is_err() {
                    file.set_len(before)?;
                }
                file.unlock()?;
                written
            }
            Output::Pipe => {
                let mut out = io::stdout().lock();
                batch.iter().try_for_each(|item| out.write_all(&item.lines))?;
                out.flush()
            }
        }
    }
}

/// True if the last line of a file of `length` bytes has no end. Of one that may not be read nobody knows. It is opened
/// apart: a pipe that is opened for reading as well would swallow all lines when nobody reads it.
fn ends_in_a_line(path: &Path, length: u64) -> bool {
    let mut last = *b"\n";
    if let (Some(at), Ok(file)) = (length.checked_sub(1), File::open(path)) {
        // Cut by another process meanwhile, it ends elsewhere.
        let _ = file.read_exact_at(&mut last, at);
    }
    last != *b"\n"
}

/// False if work is to end before the lines could be written.
fn write_batch(output: &mut Output, batch: Vec<Item>, outage: &Outage) -> bool {
    if outage.stop().is_asked() {
        return false;
    }
    loop {
        let started = Instant::now();
        let written = output.write(&batch);
        let result = if written.is_ok() { RequestResult::ok } else { RequestResult::failed };
        outage.metrics().request(result, started.elapsed());
        let Err(error) = written else { break };
        if matches!(output, Output::Pipe) {
            // Nobody knows how much of it was read.
            outage.stop().ask(Reason::StoreUnreachable(format!("standard output: {error}")));
            return false;
        }
        if outage.pause(&error) {
            return false;
        }
    }
    outage.over();
    for item in batch {
        item.pending.acknowledge(Acknowledgement { created: item.documents, ..Acknowledgement::default() });
    }
    true
}
