//! Feed: goes through the sources and hands the pipeline one mail after the other.

use std::{
    fs::{self, File},
    io::{self, BufRead, Read},
    ops::ControlFlow,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf, absolute},
    sync::atomic::Ordering::Relaxed,
};

use parking_lot::Mutex;
use tracing::error;

use super::{
    journal::{FileKey, Place},
    progress::{Counters, Counting},
    state::Remembered,
};
use crate::{
    cli,
    file::{self, Bytes},
    ingest::Ingest,
    maildir::{Entry, Folder},
    pipeline::Mail,
    sanitize,
    settle::{Origin, Tag},
    source::{
        archive::{self, Blocks, Member, Shape},
        mbox::Mbox,
        stdin::{Stdin, is_stdin},
        walk::{WalkEntry, is_bookkeeping, walk},
    },
};

/// Archives in archives are opened so many levels deep.
const NESTING: usize = 3;

/// Goes through the sources and hands the pipeline one mail after the other.
pub(super) struct Feeder<'f> {
    pub(super) import: &'f cli::ImportFlags,
    pub(super) run: &'f Ingest,
    pub(super) state: &'f Mutex<Remembered>,
    pub(super) counters: &'f Counters,
    /// Bytes of a mail.
    pub(super) limit: u64,
    pub(super) fed: Fed,
}

/// What was found in the sources.
#[derive(Debug, Default)]
pub(super) struct Fed {
    /// Files that an earlier run has finished.
    pub(super) finished: u64,
    /// Mails and files that were found.
    pub(super) found: u64,
    /// How many links were not followed, and the first of them.
    pub(super) links: Option<(u64, PathBuf)>,
    /// Files and parts of files whose content is broken.
    pub(super) damaged: u64,
    /// Nothing failed that may go well another time.
    pub(super) all_read: bool,
}

/// A file with many mails, or a member of an archive.
struct Spot {
    name: String,
    /// The tag of the file.
    stream: Tag,
    /// Where in the file it is.
    place: Place,
    /// Archives around it.
    depth: usize,
}

impl Feeder<'_> {
    pub(super) fn feed(&mut self) {
        for path in &self.import.paths {
            if is_stdin(path) {
                self.stdin();
            } else {
                let _ = walk(path, self.import.recursive, &mut |found| {
                    let name = |path: &Path| path.display().to_string();
                    if let Ok(WalkEntry::Link(path)) = found {
                        self.fed.links.get_or_insert((0, path)).0 += 1;
                        return ControlFlow::Continue(());
                    }
                    self.fed.found += 1;
                    let (what, fed) = match found {
                        Ok(WalkEntry::Mail(entry)) => (name(&entry.path()), self.mail(entry)),
                        Ok(WalkEntry::File(path)) => (name(&path), self.file(&path)),
                        Ok(WalkEntry::Link(path)) => (name(&path), Ok(())),
                        Err(error) => (name(path), Err(error)),
                    };
                    if let Err(error) = fed {
                        self.trouble(&what, &error);
                    }
                    if self.run.stop.is_asked() {
                        ControlFlow::Break(())
                    } else {
                        ControlFlow::Continue(())
                    }
                });
            }
        }
    }

    fn trouble(&mut self, what: &str, error: &io::Error) {
        if self.run.stop.is_asked() {
            // Cut short by the stop, perhaps; the next import tries it again in any case.
            return;
        }
        let what = sanitize::line(what);
        error!("{what}: can't be read to its end: {error}");
        self.state.lock().unread(&what, error);
        // Archives wrap the system's errors, so the file was asked, too.
        if self.counters.reading_failed.swap(false, Relaxed) || error.raw_os_error().is_some() {
            self.fed.all_read = false;
        } else {
            self.fed.damaged += 1;
        }
    }

    /// A part of a stream can't be read: it is told of, and read again by the next import.
    fn broken(&mut self, at: &Spot, what: &str, error: &io::Error) {
        self.state.lock().journal.hold(at.stream);
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
        name.extend_from_slice(&entry.unique_name());
        let key = FileKey::new(&name, metadata.len(), (metadata.mtime(), metadata.mtime_nsec()));
        self.counters.bytes.fetch_add(metadata.len(), Relaxed);
        // What lies in cur/ is in a reader's hands: it is read and never moved.
        let moves = self.import.settle && entry.folder() == Folder::New;
        let mut state = self.state.lock();
        // One that is to be moved needs the store's word, however often it was read.
        if !moves && state.journal.is_finished(key) {
            self.fed.finished += 1;
            return Ok(());
        }
        let tag = state.journal.file(key);
        drop(state);
        let origin = if moves { Origin::Maildir(entry) } else { Origin::File(path) };
        self.run.pipeline.submit(Mail { origin, tag, bytes: None });
        Ok(())
    }

    /// A file that may be anything.
    fn file(&mut self, path: &Path) -> io::Result<()> {
        let metadata = fs::metadata(path)?;
        let size = metadata.len();
        let name = absolute(path)?;
        let key = FileKey::new(
            name.as_os_str().as_bytes(),
            size,
            (metadata.mtime(), metadata.mtime_nsec()),
        );
        let before = self.counters.bytes.load(Relaxed);
        let (is_finished, byte) = {
            let state = self.state.lock();
            (state.journal.is_finished(key), state.journal.byte(key))
        };
        if is_finished {
            self.fed.finished += 1;
        } else {
            let counting = Counting { from: File::open(path)?, counters: self.counters };
            self.opened(archive::open(counting, byte)?, path, key, byte)?;
        }
        // Stopped, it stands where it is.
        if !self.run.stop.is_asked() {
            self.counters.bytes.store(before + size, Relaxed);
        }
        Ok(())
    }

    fn opened(&mut self, shape: Shape, path: &Path, key: FileKey, byte: u64) -> io::Result<()> {
        let name = path.display().to_string();
        match shape {
            Shape::Single(_) => {
                let tag = self.state.lock().journal.file(key);
                self.run.pipeline.submit(Mail {
                    origin: Origin::File(path.to_owned()),
                    tag,
                    bytes: None,
                });
            }
            Shape::Unpacked(from) => {
                let tag = self.state.lock().journal.file(key);
                self.submit(name, tag, file::read(from, self.limit, 0)?);
            }
            Shape::Mbox(from) => {
                let at = self.begin(name, Some(key));
                let ended = self.mbox(from, &at, byte);
                self.end(&at, ended);
            }
            Shape::Tar(from) => {
                let at = self.begin(name, Some(key));
                let ended = self.tar(from, &at);
                self.end(&at, ended);
            }
        }
        Ok(())
    }

    fn stdin(&mut self) {
        self.fed.found += 1;
        let at = self.begin("standard input".into(), None);
        let counters = self.counters;
        let read =
            Stdin::open(&self.run.stop).and_then(|from| archive::look(Counting { from, counters }));
        let read = read.and_then(|shape| match shape {
            Shape::Single(from) | Shape::Unpacked(from) => self.single(from, &at),
            Shape::Mbox(from) => Ok(self.mbox(from, &at, 0)),
            Shape::Tar(from) => Ok(self.tar(from, &at)),
        });
        if let Err(error) = read {
            self.broken(&at, &at.name, &error);
        }
    }

    fn single(&mut self, from: impl Read, at: &Spot) -> io::Result<bool> {
        let bytes = file::read(from, self.limit, 0)?;
        if self.run.stop.is_asked() {
            // Standard input may have been cut short.
            return Ok(false);
        }
        let (begin, end) = (at.place.within(0), at.place.within(1));
        let tag = self.state.lock().journal.mail(at.stream, begin, end);
        self.submit(at.name.clone(), tag, bytes);
        Ok(true)
    }

    /// All mails of an mbox that stands at byte `position`. False if it was not gone through to its
    /// end.
    fn mbox(&mut self, from: Box<dyn BufRead + '_>, at: &Spot, position: u64) -> bool {
        let mut mbox = Mbox::new(from, position, self.limit);
        while let Some(mail) = mbox.next() {
            if self.run.stop.is_asked() {
                return false;
            }
            match mail {
                Ok(mail) => {
                    let (begin, end) = (at.place.within(mail.offset), at.place.within(mail.end));
                    let mut state = self.state.lock();
                    if state.journal.resume(at.stream, &begin) >= end {
                        state.journal.reach(at.stream, begin, end);
                        continue;
                    }
                    let tag = state.journal.mail(at.stream, begin, end);
                    drop(state);
                    let name = format!("{}, mail at byte {}", at.name, mail.offset);
                    self.submit(name, tag, mail.bytes);
                }
                Err(error) => {
                    self.broken(at, &format!("{}, byte {}", at.name, mbox.position()), &error);
                    return true;
                }
            }
        }
        true
    }

    /// All files of a tar archive that were not finished before. What is broken is passed over.
    /// False if it was not gone through to its end.
    fn tar(&mut self, from: Box<dyn Read + '_>, at: &Spot) -> bool {
        let mut blocks = Blocks::new(from);
        loop {
            let read = self.members(&mut blocks, at);
            let Err(error) = read else { return read.unwrap_or(true) };
            self.broken(at, &format!("{}, byte {}", at.name, blocks.position()), &error);
            // Behind a broken header there may be whole ones. Where reading itself fails, that was
            // just told.
            if !blocks.find_header().unwrap_or(false) {
                return true;
            }
        }
    }

    /// The members of a tar archive up to its end or a broken header.
    fn members<R: Read>(&mut self, from: &mut Blocks<R>, at: &Spot) -> io::Result<bool> {
        let begin = from.next_header();
        for member in tar::Archive::new(from).entries()? {
            if self.run.stop.is_asked() {
                return Ok(false);
            }
            let mut member = member?;
            // Not counted, but by its byte: the same whatever could not be read in front of it.
            let byte = begin + member.raw_header_position();
            let (place, behind) = (at.place.within(byte), at.place.within(byte + 1));
            let resume = self.state.lock().journal.resume(at.stream, &place);
            let kind = member.header().entry_type();
            let is_mail = (kind.is_file() || kind.is_contiguous() || kind.is_gnu_sparse())
                && !is_bookkeeping(&member.path_bytes());
            if resume >= behind || !is_mail {
                self.state.lock().journal.reach(at.stream, place, behind);
                continue;
            }
            self.state.lock().journal.reach(at.stream, place.clone(), place.clone());
            let name = format!("{}, {}", at.name, String::from_utf8_lossy(&member.path_bytes()));
            let byte = resume.numbers().get(place.numbers().len()).copied().unwrap_or(0);
            let spot = Spot { name, stream: at.stream, place, depth: at.depth + 1 };
            let size = member.size();
            let read = if is_sparse(&mut member) {
                Err(io::Error::other("a sparse file is not read"))
            } else {
                self.member(Member::new(member, size), &spot, byte)
            };
            match read {
                Ok(true) => {}
                Ok(false) => return Ok(false),
                Err(error) => self.broken(&spot, &spot.name, &error),
            }
            self.state.lock().journal.reach(at.stream, behind.clone(), behind);
        }
        Ok(true)
    }

    /// One member of an archive; an mbox from this `byte` on. False if it was not gone through to
    /// its end.
    fn member(&mut self, member: impl Read, at: &Spot, byte: u64) -> io::Result<bool> {
        match archive::look(member)? {
            Shape::Single(from) | Shape::Unpacked(from) => self.single(from, at),
            Shape::Mbox(mut from) => {
                io::copy(&mut from.by_ref().take(byte), &mut io::sink())?;
                Ok(self.mbox(from, at, byte))
            }
            Shape::Tar(_) if at.depth >= NESTING => {
                Err(io::Error::other("too many archives in each other"))
            }
            Shape::Tar(from) => Ok(self.tar(from, at)),
        }
    }

    fn begin(&mut self, name: String, key: Option<FileKey>) -> Spot {
        let stream = self.state.lock().journal.stream(key);
        Spot { name, stream, place: Place::default(), depth: 0 }
    }

    /// After a stop there is more to come.
    fn end(&mut self, at: &Spot, ended: bool) {
        if ended {
            self.state.lock().journal.end_stream(at.stream);
        }
    }

    fn submit(&self, name: String, tag: Tag, bytes: Bytes) {
        self.run.pipeline.submit(Mail { origin: Origin::Input(name), tag, bytes: Some(bytes) });
    }
}

/// A member without its holes, of whatever length: in GNU's own format, or in PAX's.
fn is_sparse(member: &mut tar::Entry<impl Read>) -> bool {
    member.header().entry_type().is_gnu_sparse()
        || member.pax_extensions().is_ok_and(|extensions| {
            extensions
                .into_iter()
                .flatten()
                .flatten()
                .any(|extension| extension.key_bytes().starts_with(b"GNU.sparse."))
        })
}
