//! Feed: goes through the sources and hands the pipeline one mail after the other.

use std::{
    fs::{self, File},
    io::{self, BufRead, Read, Seek},
    ops::ControlFlow,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, absolute},
    sync::{Mutex, atomic::Ordering::Relaxed},
};

use tracing::error;

use super::{is_stdin, journal::Key, lock, progress::Counters, state::State};
use crate::{
    cli,
    mode::Run,
    pipeline::Mail,
    settle::{
        Mark, Origin,
        maildir::{Entry, Folder},
    },
    source::{
        self, Bytes,
        archive::{self, Shape},
        mbox::Mbox,
        walk::{Found, is_bookkeeping, walk},
    },
};

/// Archives in archives are opened so many levels deep.
const NESTING: usize = 3;

/// Goes through the sources and hands the pipeline one mail after the other.
pub(super) struct Feeder<'f> {
    pub(super) import: &'f cli::Import,
    pub(super) run: &'f Run,
    pub(super) state: &'f Mutex<State>,
    pub(super) counters: &'f Counters,
    /// Bytes of a mail.
    pub(super) limit: u64,
    /// Files that an earlier run has finished.
    pub(super) finished: u64,
    pub(super) all_read: bool,
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
    pub(super) fn feed(&mut self) {
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
        name.extend_from_slice(&entry.unique_name());
        let key = Key::new(&name, metadata.len(), (metadata.mtime(), metadata.mtime_nsec()));
        if let Some(mark) = self.take_up_file(key, metadata.len()) {
            // What lies in cur/ is in a reader's hands: it is read and never moved.
            let is_new = entry.folder() == Folder::New;
            let origin = if self.import.settle && is_new { Origin::Maildir(entry) } else { Origin::File(path) };
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
