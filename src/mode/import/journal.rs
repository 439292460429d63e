//! The journal of an import: what is finished, so that the next run need not read it again.
//!
//! It only saves time: without it, or with an old one, the store recognises everything as a duplicate. It belongs to one
//! store in one state of being; when that was made anew, or an earlier copy of it put back, the journal is void. Lines are appended and written out
//! every second without waiting for the disk.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, BufWriter, Write},
    path::Path,
    sync::Arc,
};

use sha2::{Digest, Sha256};
use tracing::warn;

use crate::{settle::Mark, sink::Sink};

/// What identifies a file: path, size and time of change. 128 bits of a hash: two files never share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key(u128);

impl Key {
    pub(super) fn new(path: &[u8], size: u64, modified: (i64, i64)) -> Key {
        let mut hash = Sha256::new();
        hash.update(path);
        hash.update([0]);
        hash.update(size.to_le_bytes());
        hash.update(modified.0.to_le_bytes());
        hash.update(modified.1.to_le_bytes());
        let digest = hash.finalize();
        Key(digest[..16].iter().fold(0, |key, byte| key << 8 | u128::from(*byte)))
    }
}

/// What is finished, and what is under way.
#[derive(Default)]
pub(super) struct Journal {
    finished: HashSet<Key>,
    positions: HashMap<Key, u64>,
    out: Option<BufWriter<File>>,
    sink: Option<Arc<dyn Sink>>,
    /// How far the store had come at the last line.
    progress: Option<String>,
    next_mark: Mark,
    owners: HashMap<Mark, Owner>,
    streams: HashMap<Mark, Stream>,
}

#[derive(Clone, Copy, Debug)]
enum Owner {
    File(Key),
    /// By the stream's own mark.
    Stream(Mark),
}

/// A file with many mails in it.
#[derive(Debug)]
struct Stream {
    key: Option<Key>,
    /// Mails under way and where each begins; positions grow with the marks.
    under_way: BTreeMap<Mark, u64>,
    /// Everything in front of here was taken up.
    reached: u64,
    ended: bool,
    written: u64,
}

impl Stream {
    /// Everything in front of here is settled.
    fn settled(&self) -> u64 {
        self.under_way.first_key_value().map_or(self.reached, |(_, position)| *position)
    }
}

impl Journal {
    /// Reads the journal in `file` and goes on writing it. It is begun anew if it belongs to another store than `store`,
    /// or if that is wished (`fresh`). What goes wrong here costs time only, so it is logged.
    pub(super) fn open(file: &Path, store: &str, fresh: bool, sink: Arc<dyn Sink>) -> Journal {
        Journal::try_open(file, store, fresh, sink).unwrap_or_else(|error| {
            warn!(file = %file.display(), "no journal, a next import begins at the start again: {error}");
            Journal::default()
        })
    }

    fn try_open(file: &Path, store: &str, fresh: bool, sink: Arc<dyn Sink>) -> io::Result<Journal> {
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut journal = Journal::default();
        let out = OpenOptions::new().create(true).append(true).open(file)?;
        if out.try_lock().is_err() {
            return Err(io::Error::other("another import into the same store is under way"));
        }
        let goes_on = !fresh && journal.read(file, store)? && sink.has_come_to(journal.progress.as_deref());
        if !goes_on {
            journal = Journal::default();
            out.set_len(0)?;
        }
        let mut out = BufWriter::new(out);
        // A line that a crash cut off is ended.
        if goes_on { writeln!(out) } else { writeln!(out, "store {store}") }?;
        journal.out = Some(out);
        journal.sink = Some(sink);
        Ok(journal)
    }

    /// False if there is nothing to go on with.
    fn read(&mut self, file: &Path, store: &str) -> io::Result<bool> {
        let mut lines = BufReader::new(File::open(file)?).lines();
        match lines.next().transpose()? {
            Some(line) if line.strip_prefix("store ") == Some(store) => {}
            _ => return Ok(false),
        }
        for line in lines {
            let line = line?;
            if let Some(progress) = line.strip_prefix("progress ") {
                self.progress = Some(progress.to_owned());
                continue;
            }
            let mut words = line.split(' ');
            let (word, key, position) = (words.next(), words.next(), words.next());
            let Some(key) = key.filter(|key| key.len() == 32).and_then(|key| u128::from_str_radix(key, 16).ok()) else {
                continue;
            };
            match (word, position.map(str::parse)) {
                (Some("finished"), None) => {
                    self.finished.insert(Key(key));
                }
                (Some("until"), Some(Ok(position))) => {
                    self.positions.insert(Key(key), position);
                }
                _ => {}
            }
        }
        Ok(true)
    }

    /// True if all of the file is in the store.
    pub(super) fn is_finished(&self, key: Key) -> bool {
        self.finished.contains(&key)
    }

    /// Everything in front of this position of the file is settled.
    pub(super) fn position(&self, key: Key) -> u64 {
        self.positions.get(&key).copied().unwrap_or(0)
    }

    /// The mark for a file that is one mail or report.
    pub(super) fn file(&mut self, key: Key) -> Mark {
        let mark = self.mark();
        self.owners.insert(mark, Owner::File(key));
        mark
    }

    /// The mark of a file with many mails, which is read from `position`. Without a key it is not remembered.
    pub(super) fn stream(&mut self, key: Option<Key>, position: u64) -> Mark {
        let mark = self.mark();
        let stream = Stream { key, under_way: BTreeMap::new(), reached: position, ended: false, written: position };
        self.streams.insert(mark, stream);
        mark
    }

    /// The mark for a mail in a stream that begins at `position`; `end` is where the next one begins.
    pub(super) fn mail(&mut self, stream: Mark, position: u64, end: u64) -> Mark {
        let mark = self.mark();
        if let Some(open) = self.streams.get_mut(&stream) {
            open.under_way.insert(mark, position);
            open.reached = end;
            self.owners.insert(mark, Owner::Stream(stream));
        }
        mark
    }

    /// Nothing more comes from a stream.
    pub(super) fn end_stream(&mut self, stream: Mark) {
        if let Some(open) = self.streams.get_mut(&stream) {
            open.ended = true;
        }
        self.close_if_finished(stream);
    }

    /// A mail was settled. Only files of which everything was stored count as finished: others are worth another look by a later
    /// version. In a stream, it is enough that the mail was not left.
    pub(super) fn settled(&mut self, mark: Mark, stored: bool, left: bool) {
        match self.owners.remove(&mark) {
            Some(Owner::File(key)) if stored => self.write(format_args!("finished {:032x}", key.0)),
            Some(Owner::Stream(stream)) if !left => {
                if let Some(open) = self.streams.get_mut(&stream) {
                    open.under_way.remove(&mark);
                }
                self.close_if_finished(stream);
            }
            _ => {}
        }
    }

    /// Writes out how far each stream has come.
    pub(super) fn flush(&mut self) {
        let positions: Vec<_> = self
            .streams
            .values_mut()
            .filter(|stream| stream.settled() > stream.written)
            .filter_map(|stream| {
                stream.written = stream.settled();
                Some((stream.key?, stream.written))
            })
            .collect();
        for (key, position) in positions {
            self.write(format_args!("until {:032x} {position}", key.0));
        }
        if let Some(out) = &mut self.out
            && let Err(error) = out.flush()
        {
            warn!("the journal can't be written any more: {error}");
            self.out = None;
        }
    }

    fn close_if_finished(&mut self, mark: Mark) {
        let is_finished = |stream: &Stream| stream.ended && stream.under_way.is_empty();
        if self.streams.get(&mark).is_some_and(is_finished)
            && let Some(Stream { key: Some(key), .. }) = self.streams.remove(&mark)
        {
            self.write(format_args!("finished {:032x}", key.0));
        }
    }

    fn mark(&mut self) -> Mark {
        self.next_mark += 1;
        self.next_mark
    }

    fn write(&mut self, line: std::fmt::Arguments) {
        let progress = self.sink.as_ref().and_then(|sink| sink.progress());
        if let Some(out) = &mut self.out {
            // In front of what was stored by then: a store that lacks it voids all.
            if let Some(progress) = progress.filter(|progress| self.progress.as_ref() != Some(progress)) {
                let _ = writeln!(out, "progress {progress}");
                self.progress = Some(progress);
            }
            // An error shows again at the next flush.
            let _ = writeln!(out, "{line}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::discard::Discard;

    fn key(path: &str) -> Key {
        Key::new(path.as_bytes(), 1, (2, 3))
    }

    #[test]
    fn a_stream_is_known_as_far_as_everything_is_settled() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("journal");
        let open = |store| Journal::open(&file, store, false, Arc::new(Discard));
        let mut journal = open("a");
        let stream = journal.stream(Some(key("mbox")), 0);
        let marks: Vec<_> = (0..3).map(|n| journal.mail(stream, n * 10, n * 10 + 10)).collect();
        journal.settled(marks[0], true, false);
        journal.settled(marks[2], true, false);
        journal.flush();
        drop(journal);

        let mut journal = open("a");
        assert_eq!((journal.position(key("mbox")), journal.is_finished(key("mbox"))), (10, false));
        let stream = journal.stream(Some(key("mbox")), 10);
        let marks: Vec<_> = (1..3).map(|n| journal.mail(stream, n * 10, n * 10 + 10)).collect();
        journal.end_stream(stream);
        journal.settled(marks[1], true, false);
        journal.settled(marks[0], false, true);
        journal.flush();
        assert_eq!(open_copy(&file, "a").position(key("mbox")), 10, "a mail that was left holds the journal back");
        drop(journal);

        let mut journal = open("a");
        let stream = journal.stream(Some(key("mbox")), 10);
        let mark = journal.mail(stream, 10, 30);
        journal.end_stream(stream);
        journal.settled(mark, false, false);
        let one = journal.file(key("one"));
        let other = journal.file(key("other"));
        journal.settled(one, true, false);
        journal.settled(other, false, false);
        journal.flush();
        drop(journal);
        let journal = open("a");
        let finished = ["mbox", "one", "other"].map(|name| journal.is_finished(key(name)));
        assert_eq!(finished, [true, true, false]);
        drop(journal);
        assert!(!open("b").is_finished(key("one")), "another store");
    }

    /// Reads a journal that is still being written.
    fn open_copy(file: &Path, store: &str) -> Journal {
        let copy = file.with_extension("copy");
        fs::copy(file, &copy).expect("copied");
        Journal::open(&copy, store, false, Arc::new(Discard))
    }

    #[test]
    fn a_torn_line_is_passed_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("journal");
        let whole = format!("finished {:032x}", key("a").0);
        fs::write(&file, format!("store a\n{whole}\n{}", &whole[..20])).expect("written");
        assert!(Journal::open(&file, "a", false, Arc::new(Discard)).is_finished(key("a")));
        let mut journal = Journal::open(&file, "a", false, Arc::new(Discard));
        let mark = journal.file(key("b"));
        journal.settled(mark, true, false);
        journal.flush();
        drop(journal);
        assert!(
            Journal::open(&file, "a", false, Arc::new(Discard)).is_finished(key("b")),
            "written behind the torn line"
        );
    }
}
