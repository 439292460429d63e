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

use super::{
    is_stdin,
    journal::{Key, Place},
    lock,
    progress::Counters,
    state::State,
};
use crate::{
    cli,
    mode::Run,
    pipeline::Mail,
    sanitize,
    settle::{Mark, Origin, maildir::Entry},
    source::{
        self, Bytes,
        archive::{self, Blocks, Member, Shape},
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
    /// Mails and files that were found.
    pub(super) found: u64,
    /// Files and parts of files whose content is broken.
    pub(super) damaged: u64,
    /// Nothing failed that may go well another time.
    pub(super) all_read: bool,
}

/// A file with many mails, or a member of an archive.
struct Spot {
    name: String,
    /// The mark of the file.
    stream: Mark,
    /// Where in the file it is.
    place: Place,
    /// Archives around it.
    depth: usize,
}

/// Counts what is read.
struct Counting<'c, R> {
    from: R,
    counters: &'c Counters,
}

impl<R: Read> Read for Counting<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer).inspect_err(|error| {
            if error.kind() != io::ErrorKind::Interrupted {
                self.counters.reading_failed.store(true, Relaxed);
            }
        })?;
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
                    self.found += 1;
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
        let what = sanitize::line(what);
        error!("{what}: can't be read to its end: {error}");
        lock(self.state).unread(&what, error);
        // Archives wrap the system's errors, so the file was asked, too.
        if self.counters.reading_failed.swap(false, Relaxed) || error.raw_os_error().is_some() {
            self.all_read = false;
        } else {
            self.damaged += 1;
        }
    }

    /// A part of a stream can't be read: it is told of, and read again by the next import.
    fn broken(&mut self, at: &Spot, what: &str, error: &io::Error) {
        lock(self.state).journal.hold(at.stream);
        self.trouble(what, error);
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
            let byte = position.numbers().first().copied().unwrap_or(0);
            self.opened(archive::open(counting, byte)?, path, key, position)?;
        }
        self.counters.bytes.store(before + size, Relaxed);
        Ok(())
    }

    fn opened(&mut self, shape: Shape, path: &Path, key: Key, position: Place) -> io::Result<()> {
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
                let resume = position.numbers().first().copied().unwrap_or(0);
                let at = self.begin(name, Some(key), position);
                let ended = self.mbox(from, &at, resume);
                self.end(&at, ended);
            }
            Shape::Tar(from) => {
                let at = self.begin(name, Some(key), position.clone());
                let ended = self.tar(from, &at, position.numbers());
                self.end(&at, ended);
            }
        }
        Ok(())
    }

    fn stdin(&mut self) {
        self.found += 1;
        let from = Counting { from: io::stdin().lock(), counters: self.counters };
        let at = self.begin("standard input".into(), None, Place::default());
        let read = archive::look(from).and_then(|shape| match shape {
            Shape::Single(from) | Shape::Unpacked(from) => self.single(from, &at, 0),
            Shape::Mbox(from) => Ok(self.mbox(from, &at, 0)),
            Shape::Tar(from) => Ok(self.tar(from, &at, &[])),
        });
        if let Err(error) = read {
            self.broken(&at, &at.name, &error);
        }
    }

    fn single(&mut self, from: impl Read, at: &Spot, number: u64) -> io::Result<bool> {
        let bytes = source::read(from, self.limit, 0)?;
        let (begin, end) = (at.place.within(number), at.place.within(number + 1));
        let mark = lock(self.state).journal.mail(at.stream, begin, end);
        self.submit(at.name.clone(), mark, bytes);
        Ok(true)
    }

    /// All mails of an mbox that stands at byte `position`. False if it was not gone through to its end.
    fn mbox(&mut self, from: Box<dyn BufRead + '_>, at: &Spot, position: u64) -> bool {
        let mut mbox = Mbox::new(from, position, self.limit);
        while let Some(mail) = mbox.next() {
            if self.run.stop.is_asked() {
                return false;
            }
            match mail {
                Ok(mail) => {
                    let (begin, end) = (at.place.within(mail.offset), at.place.within(mail.end));
                    let mark = lock(self.state).journal.mail(at.stream, begin, end);
                    self.submit(format!("{}, mail at byte {}", at.name, mail.offset), mark, mail.bytes);
                }
                Err(error) => {
                    self.broken(at, &format!("{}, byte {}", at.name, mbox.position()), &error);
                    return true;
                }
            }
        }
        true
    }

    /// All files of a tar archive from the place `resume` on. What is broken is passed over. False if it was not gone
    /// through to its end.
    fn tar(&mut self, from: Box<dyn Read + '_>, at: &Spot, resume: &[u64]) -> bool {
        let mut blocks = Blocks::new(from);
        let mut number = 0;
        loop {
            let read = self.members(&mut blocks, at, resume, &mut number);
            let Err(error) = read else { return read.unwrap_or(true) };
            self.broken(at, &format!("{}, byte {}", at.name, blocks.position()), &error);
            // Behind a broken header there may be whole ones. Where reading itself fails, that was just told.
            if !blocks.find_header().unwrap_or(false) {
                return true;
            }
        }
    }

    /// The members of a tar archive up to its end or a broken header; the first of them has this `number`.
    fn members(&mut self, from: impl Read, at: &Spot, resume: &[u64], number: &mut u64) -> io::Result<bool> {
        let (first, within) = resume.split_first().map_or((0, resume), |(first, within)| (*first, within));
        for member in tar::Archive::new(from).entries()? {
            if self.run.stop.is_asked() {
                return Ok(false);
            }
            let member = member?;
            let this = *number;
            *number += 1;
            if this < first || !member.header().entry_type().is_file() || is_bookkeeping(&member.path_bytes()) {
                continue;
            }
            let name = format!("{}, {}", at.name, String::from_utf8_lossy(&member.path_bytes()));
            let spot = Spot { name, stream: at.stream, place: at.place.within(this), depth: at.depth + 1 };
            let resume = if this == first { within } else { &[] };
            let size = member.size();
            match self.member(Member::new(member, size), &spot, resume) {
                Ok(true) => {}
                Ok(false) => return Ok(false),
                Err(error) => self.broken(&spot, &spot.name, &error),
            }
            lock(self.state).journal.reach(at.stream, at.place.within(this + 1));
        }
        Ok(true)
    }

    /// One member of an archive, from the place `resume` in it on. False if it was not gone through to its end.
    fn member(&mut self, member: impl Read, at: &Spot, resume: &[u64]) -> io::Result<bool> {
        match archive::look(member)? {
            Shape::Single(from) | Shape::Unpacked(from) => self.single(from, at, 0),
            Shape::Mbox(mut from) => {
                let position = resume.first().copied().unwrap_or(0);
                io::copy(&mut from.by_ref().take(position), &mut io::sink())?;
                Ok(self.mbox(from, at, position))
            }
            Shape::Tar(_) if at.depth >= NESTING => Err(io::Error::other("too many archives in each other")),
            Shape::Tar(from) => Ok(self.tar(from, at, resume)),
        }
    }

    fn begin(&mut self, name: String, key: Option<Key>, position: Place) -> Spot {
        let stream = lock(self.state).journal.stream(key, position);
        Spot { name, stream, place: Place::default(), depth: 0 }
    }

    /// After a stop there is more to come.
    fn end(&mut self, at: &Spot, ended: bool) {
        if ended {
            lock(self.state).journal.end_stream(at.stream);
        }
    }

    fn submit(&self, name: String, mark: Mark, bytes: Bytes) {
        self.run.pipeline.submit(Mail { origin: Origin::Input(name), mark, bytes: Some(bytes) });
    }
}
