//! The journal of an import: what is finished, so that the next run need not read it again.
//!
//! It only saves time: without it, or with an old one, the store recognises everything as a duplicate. It belongs to one
//! store in one state of being; when that was made anew, the journal is void. Lines are appended and written out
//! every second without waiting for the disk.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, BufWriter, Write},
    path::Path,
    str::FromStr,
};

use sha2::{Digest, Sha256};
use tracing::warn;

use crate::settle::Mark;

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

/// Where something begins in a file with many mails: for each archive around it the number of the member, then, in an
/// mbox, the byte. What lies behind compares as greater.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(Vec<u64>);

impl Place {
    /// The place `number` within the one here.
    pub(super) fn within(&self, number: u64) -> Place {
        Place(self.0.iter().copied().chain([number]).collect())
    }

    /// The numbers from the outermost to the innermost.
    pub(super) fn numbers(&self) -> &[u64] {
        &self.0
    }
}

impl FromStr for Place {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Place, Self::Err> {
        text.split('.').map(str::parse).collect::<Result<_, _>>().map(Place)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        for (n, number) in self.0.iter().enumerate() {
            write!(f, "{}{number}", if n > 0 { "." } else { "" })?;
        }
        Ok(())
    }
}

/// What is finished, and what is under way.
#[derive(Debug, Default)]
pub(super) struct Journal {
    finished: HashSet<Key>,
    positions: HashMap<Key, Place>,
    out: Option<BufWriter<File>>,
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
    under_way: BTreeMap<Mark, Place>,
    /// Everything in front of here was taken up.
    reached: Place,
    ended: bool,
    written: Place,
}

impl Stream {
    /// Everything in front of here is settled.
    fn settled(&self) -> &Place {
        self.under_way.first_key_value().map_or(&self.reached, |(_, place)| place)
    }
}

impl Journal {
    /// Reads the journal in `file` and goes on writing it. It is begun anew if it belongs to another store than `store`,
    /// or if that is wished (`fresh`). What goes wrong here costs time only, so it is logged.
    pub(super) fn open(file: &Path, store: &str, fresh: bool) -> Journal {
        Journal::try_open(file, store, fresh).unwrap_or_else(|error| {
            warn!(file = %file.display(), "no journal, a next import begins at the start again: {error}");
            Journal::default()
        })
    }

    fn try_open(file: &Path, store: &str, fresh: bool) -> io::Result<Journal> {
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut journal = Journal::default();
        let out = OpenOptions::new().create(true).append(true).open(file)?;
        if out.try_lock().is_err() {
            return Err(io::Error::other("another import into the same store is under way"));
        }
        let goes_on = !fresh && journal.read(file, store)?;
        if !goes_on {
            out.set_len(0)?;
        }
        let mut out = BufWriter::new(out);
        // A line that a crash cut off is ended.
        if goes_on { writeln!(out) } else { writeln!(out, "store {store}") }?;
        journal.out = Some(out);
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

    /// True if the next import will know what this one has done.
    pub(super) fn is_kept(&self) -> bool {
        self.out.is_some()
    }

    /// True if all of the file is in the store.
    pub(super) fn is_finished(&self, key: Key) -> bool {
        self.finished.contains(&key)
    }

    /// Everything in front of this position of the file is settled.
    pub(super) fn position(&self, key: Key) -> Place {
        self.positions.get(&key).cloned().unwrap_or_default()
    }

    /// The mark for a file that is one mail or report.
    pub(super) fn file(&mut self, key: Key) -> Mark {
        let mark = self.mark();
        self.owners.insert(mark, Owner::File(key));
        mark
    }

    /// The mark of a file with many mails, which is read from `position`. Without a key it is not remembered.
    pub(super) fn stream(&mut self, key: Option<Key>, position: Place) -> Mark {
        let mark = self.mark();
        let written = position.clone();
        let stream = Stream { key, under_way: BTreeMap::new(), reached: position, ended: false, written };
        self.streams.insert(mark, stream);
        mark
    }

    /// The mark for a mail in a stream that begins at `position`; `end` is where the next one begins.
    pub(super) fn mail(&mut self, stream: Mark, position: Place, end: Place) -> Mark {
        let mark = self.mark();
        if let Some(open) = self.streams.get_mut(&stream) {
            open.under_way.insert(mark, position);
            open.reached = end;
            self.owners.insert(mark, Owner::Stream(stream));
        }
        mark
    }

    /// All in front of `place` was taken up.
    pub(super) fn reach(&mut self, stream: Mark, place: Place) {
        if let Some(open) = self.streams.get_mut(&stream) {
            open.reached = place;
        }
    }

    /// What comes next in a stream can't be read: a later import tries it again from here, whatever comes behind.
    pub(super) fn hold(&mut self, stream: Mark) {
        // A mail that is never settled.
        let mark = self.mark();
        if let Some(open) = self.streams.get_mut(&stream) {
            open.under_way.insert(mark, open.reached.clone());
        }
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
            .filter(|stream| *stream.settled() > stream.written)
            .filter_map(|stream| {
                stream.written = stream.settled().clone();
                Some((stream.key?, stream.written.clone()))
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
        if let Some(out) = &mut self.out {
            // An error shows again at the next flush.
            let _ = writeln!(out, "{line}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(path: &str) -> Key {
        Key::new(path.as_bytes(), 1, (2, 3))
    }

    fn at(byte: u64) -> Place {
        Place::default().within(byte)
    }

    #[test]
    fn a_stream_is_known_as_far_as_everything_is_settled() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("journal");
        let open = |store| Journal::open(&file, store, false);
        let mut journal = open("a");
        let stream = journal.stream(Some(key("mbox")), Place::default());
        let marks: Vec<_> = (0..3).map(|n| journal.mail(stream, at(n * 10), at(n * 10 + 10))).collect();
        journal.settled(marks[0], true, false);
        journal.settled(marks[2], true, false);
        journal.flush();
        drop(journal);

        let mut journal = open("a");
        assert_eq!((journal.position(key("mbox")), journal.is_finished(key("mbox"))), (at(10), false));
        let stream = journal.stream(Some(key("mbox")), at(10));
        let marks: Vec<_> = (1..3).map(|n| journal.mail(stream, at(n * 10), at(n * 10 + 10))).collect();
        journal.end_stream(stream);
        journal.settled(marks[1], true, false);
        journal.settled(marks[0], false, true);
        journal.flush();
        assert_eq!(open_copy(&file, "a").position(key("mbox")), at(10), "a mail that was left holds the journal back");
        drop(journal);

        let mut journal = open("a");
        let stream = journal.stream(Some(key("mbox")), at(10));
        let mark = journal.mail(stream, at(10), at(30));
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
        Journal::open(&copy, store, false)
    }

    #[test]
    fn what_lies_behind_is_greater_and_a_hold_stays() {
        let place = |text: &str| text.parse::<Place>().expect("numbers");
        assert!(place("3") < place("3.0") && place("3.70") < place("3.400") && place("3.400.7") < place("4"));
        assert_eq!(place("3.400.7").to_string(), "3.400.7");

        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("journal");
        let mut journal = Journal::open(&file, "a", false);
        let stream = journal.stream(Some(key("tar")), Place::default());
        let first = journal.mail(stream, place("3.0"), place("3.400"));
        journal.hold(stream);
        let second = journal.mail(stream, place("4"), place("5"));
        journal.end_stream(stream);
        journal.settled(first, true, false);
        journal.settled(second, true, false);
        journal.flush();
        drop(journal);
        let journal = Journal::open(&file, "a", false);
        assert_eq!((journal.position(key("tar")), journal.is_finished(key("tar"))), (place("3.400"), false));
    }

    #[test]
    fn a_torn_line_is_passed_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("journal");
        let whole = format!("finished {:032x}", key("a").0);
        fs::write(&file, format!("store a\n{whole}\n{}", &whole[..20])).expect("written");
        assert!(Journal::open(&file, "a", false).is_finished(key("a")));
        let mut journal = Journal::open(&file, "a", false);
        let mark = journal.file(key("b"));
        journal.settled(mark, true, false);
        journal.flush();
        drop(journal);
        assert!(Journal::open(&file, "a", false).is_finished(key("b")), "written behind the torn line");
    }
}
