//! The journal of an import: what is finished, so that the next run need not read it again.
//!
//! It only saves time: without it, or with an old one, the store recognises everything as a
//! duplicate. It is valid for one store; recreating the store, or putting back an earlier copy of
//! it, invalidates the journal. Lines are appended and written out every second without waiting for
//! the disk.

mod place;
mod stream;

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, BufWriter, Write},
    path::Path,
    sync::Arc,
};

use tracing::warn;

use place::Ranges;
pub(super) use place::{FileKey, Place};
use stream::{Section, Stream};

use crate::{settle::Tag, sink::Sink};

/// How a journal begins; the store follows. The number is that of the format: a journal of another
/// one is not read.
const FIRST_LINE: &str = "journal 2 of store ";

/// What is finished, and what is under way.
#[derive(Default)]
pub(super) struct Journal {
    finished: HashSet<FileKey>,
    settled: HashMap<FileKey, Ranges>,
    out: Option<BufWriter<File>>,
    sink: Option<Arc<dyn Sink>>,
    /// How far the store had come at the last line.
    progress: Option<String>,
    next_tag: Tag,
    owners: HashMap<Tag, Owner>,
    streams: HashMap<Tag, Stream>,
}

#[derive(Clone, Copy, Debug)]
enum Owner {
    File(FileKey),
    /// By the stream's own tag and the number of the section.
    Stream(Tag, usize),
}

impl Journal {
    /// Reads the journal in `file` and goes on writing it. It starts empty if it belongs to another
    /// store than `store`, or if `fresh`. What goes wrong here costs time only, so it is logged.
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
        let goes_on =
            !fresh && journal.read(file, store)? && sink.has_come_to(journal.progress.as_deref());
        if !goes_on {
            journal = Journal::default();
            out.set_len(0)?;
        }
        let mut out = BufWriter::new(out);
        // A line that a crash cut off is ended.
        if goes_on { writeln!(out) } else { writeln!(out, "{FIRST_LINE}{store}") }?;
        journal.out = Some(out);
        journal.sink = Some(sink);
        Ok(journal)
    }

    /// False if there is nothing to go on with.
    fn read(&mut self, file: &Path, store: &str) -> io::Result<bool> {
        let mut lines = BufReader::new(File::open(file)?).lines();
        match lines.next().transpose()? {
            Some(line) if line.strip_prefix(FIRST_LINE) == Some(store) => {}
            _ => return Ok(false),
        }
        for line in lines {
            let line = line?;
            if let Some(progress) = line.strip_prefix("progress ") {
                self.progress = Some(progress.to_owned());
                continue;
            }
            let mut words = line.split(' ');
            let (word, key, places) = (words.next(), words.next(), (words.next(), words.next()));
            let Some(key) = key
                .filter(|key| key.len() == 32)
                .and_then(|key| u128::from_str_radix(key, 16).ok())
            else {
                continue;
            };
            match (word, places) {
                (Some("finished"), (None, None)) => {
                    self.finished.insert(FileKey(key));
                }
                // The end of the line tells that it is whole.
                (Some("settled"), (Some(begin), Some(end))) => {
                    let end = end.strip_suffix(';').map(str::parse);
                    if let (Ok(begin), Some(Ok(end))) = (begin.parse(), end) {
                        self.settled.entry(FileKey(key)).or_default().add(begin, end);
                    }
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
    pub(super) fn is_finished(&self, key: FileKey) -> bool {
        self.finished.contains(&key)
    }

    /// Everything in front of this byte of an mbox is settled.
    pub(super) fn byte(&self, key: FileKey) -> u64 {
        let start = Place::default().within(0);
        self.settled
            .get(&key)
            .and_then(|settled| settled.behind(&start).numbers().first().copied())
            .unwrap_or(0)
    }

    /// The first place of a stream from `place` on that no earlier import has settled.
    pub(super) fn resume(&self, stream: Tag, place: &Place) -> Place {
        self.streams.get(&stream).map_or_else(|| place.clone(), |open| open.earlier.behind(place))
    }

    /// The tag for a file that is one mail or report.
    pub(super) fn file(&mut self, key: FileKey) -> Tag {
        let tag = self.tag();
        self.owners.insert(tag, Owner::File(key));
        tag
    }

    /// The tag of a file with many mails. Without a key it is not remembered.
    pub(super) fn stream(&mut self, key: Option<FileKey>) -> Tag {
        let tag = self.tag();
        let earlier = key.and_then(|key| self.settled.get(&key)).cloned().unwrap_or_default();
        let stream = Stream { key, earlier, sections: vec![Section::default()], ended: false };
        self.streams.insert(tag, stream);
        tag
    }

    /// The tag for a mail in a stream that begins at `begin`; `end` is where the next one begins.
    pub(super) fn mail(&mut self, stream: Tag, begin: Place, end: Place) -> Tag {
        let tag = self.tag();
        if let Some(open) = self.streams.get_mut(&stream) {
            let number = open.sections.len() - 1;
            if let Some(section) = open.sections.last_mut() {
                section.under_way.insert(tag, begin.clone());
                section.take_up(begin, end);
            }
            self.owners.insert(tag, Owner::Stream(stream, number));
        }
        tag
    }

    /// All from `begin` to `end` was taken up, or holds no mail.
    pub(super) fn reach(&mut self, stream: Tag, begin: Place, end: Place) {
        if let Some(section) =
            self.streams.get_mut(&stream).and_then(|open| open.sections.last_mut())
        {
            section.take_up(begin, end);
        }
    }

    /// What comes next in a stream can't be read: a later import tries that again, and not what
    /// comes behind.
    pub(super) fn hold(&mut self, stream: Tag) {
        if let Some(open) = self.streams.get_mut(&stream) {
            open.sections.push(Section::default());
        }
    }

    /// Nothing more comes from a stream.
    pub(super) fn end_stream(&mut self, stream: Tag) {
        if let Some(open) = self.streams.get_mut(&stream) {
            open.ended = true;
        }
        self.close_if_finished(stream);
    }

    /// A mail was settled. Only files of which everything was stored count as finished: others are
    /// worth another look by a later version. In a stream, it is enough that the mail was not left.
    pub(super) fn settled(&mut self, tag: Tag, stored: bool, left: bool) {
        match self.owners.remove(&tag) {
            Some(Owner::File(key)) if stored => self.write(format_args!("finished {:032x}", key.0)),
            Some(Owner::Stream(stream, number)) if !left => {
                let open = self.streams.get_mut(&stream);
                if let Some(section) = open.and_then(|open| open.sections.get_mut(number)) {
                    section.under_way.remove(&tag);
                }
                self.close_if_finished(stream);
            }
            _ => {}
        }
    }

    /// Writes out how far each stream has come.
    pub(super) fn flush(&mut self) {
        let mut lines = Vec::new();
        for stream in self.streams.values_mut() {
            let Some(key) = stream.key else { continue };
            for section in
                stream.sections.iter_mut().filter(|section| *section.settled() > section.written)
            {
                section.written = section.settled().clone();
                if let Some(begin) =
                    section.begin.as_ref().filter(|begin| **begin < section.written)
                {
                    lines.push(format!("settled {:032x} {begin} {};", key.0, section.written));
                }
            }
        }
        lines.iter().for_each(|line| self.write(format_args!("{line}")));
        if let Some(out) = &mut self.out
            && let Err(error) = out.flush()
        {
            warn!("the journal can't be written any more: {error}");
            self.out = None;
        }
    }

    fn close_if_finished(&mut self, tag: Tag) {
        let is_finished = |stream: &Stream| {
            stream.ended && matches!(&stream.sections[..], [only] if only.under_way.is_empty())
        };
        if self.streams.get(&tag).is_some_and(is_finished)
            && let Some(Stream { key: Some(key), .. }) = self.streams.remove(&tag)
        {
            self.write(format_args!("finished {:032x}", key.0));
        }
    }

    fn tag(&mut self) -> Tag {
        self.next_tag += 1;
        self.next_tag
    }

    fn write(&mut self, line: std::fmt::Arguments) {
        let progress = self.sink.as_ref().and_then(|sink| sink.progress());
        if let Some(out) = &mut self.out {
            // In front of what was stored by then: a store that lacks it voids all.
            if let Some(progress) =
                progress.filter(|progress| self.progress.as_ref() != Some(progress))
            {
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

    fn key(path: &str) -> FileKey {
        FileKey::new(path.as_bytes(), 1, (2, 3))
    }

    fn at(byte: u64) -> Place {
        Place::default().within(byte)
    }

    #[test]
    fn a_stream_is_known_as_far_as_everything_is_settled() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("journal");
        let open = |store| Journal::open(&file, store, false, Arc::new(Discard));
        let mut journal = open("a");
        let stream = journal.stream(Some(key("mbox")));
        let tags: Vec<_> =
            (0..3).map(|n| journal.mail(stream, at(n * 10), at(n * 10 + 10))).collect();
        journal.settled(tags[0], true, false);
        journal.settled(tags[2], true, false);
        journal.flush();
        drop(journal);

        let mut journal = open("a");
        assert_eq!((journal.byte(key("mbox")), journal.is_finished(key("mbox"))), (10, false));
        let stream = journal.stream(Some(key("mbox")));
        let tags: Vec<_> =
            (1..3).map(|n| journal.mail(stream, at(n * 10), at(n * 10 + 10))).collect();
        journal.end_stream(stream);
        journal.settled(tags[1], true, false);
        journal.settled(tags[0], false, true);
        journal.flush();
        assert_eq!(
            open_copy(&file, "a").byte(key("mbox")),
            10,
            "a mail that was left holds the journal back"
        );
        drop(journal);

        let mut journal = open("a");
        let stream = journal.stream(Some(key("mbox")));
        let tag = journal.mail(stream, at(10), at(30));
        journal.end_stream(stream);
        journal.settled(tag, false, false);
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
    fn what_lies_behind_is_greater_and_a_hold_stays() {
        let place = |text: &str| text.parse::<Place>().expect("numbers");
        assert!(
            place("3") < place("3.0")
                && place("3.70") < place("3.400")
                && place("3.400.7") < place("4")
        );
        assert_eq!(place("3.400.7").to_string(), "3.400.7");

        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("journal");
        let mut journal = Journal::open(&file, "a", false, Arc::new(Discard));
        let stream = journal.stream(Some(key("tar")));
        let first = journal.mail(stream, place("3.0"), place("3.400"));
        journal.hold(stream);
        journal.reach(stream, place("4"), place("4"));
        let second = journal.mail(stream, place("5.0"), place("5.1"));
        journal.reach(stream, place("6"), place("6"));
        let third = journal.mail(stream, place("7.0"), place("7.90"));
        journal.hold(stream);
        journal.end_stream(stream);
        for tag in [first, second, third] {
            journal.settled(tag, true, false);
        }
        journal.flush();
        drop(journal);
        let mut journal = Journal::open(&file, "a", false, Arc::new(Discard));
        assert!(!journal.is_finished(key("tar")));
        let stream = journal.stream(Some(key("tar")));
        let resume = |at: &str| journal.resume(stream, &place(at)).to_string();
        assert_eq!(resume("3.0"), "3.400", "a mail that is done");
        assert_eq!(resume("3.400"), "3.400", "a part that could not be read");
        assert_eq!(
            (resume("5"), resume("7")),
            ("7.90".into(), "7.90".into()),
            "what lies behind it"
        );
        assert_eq!(resume("8"), "8");
    }

    #[test]
    fn a_torn_line_is_passed_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("journal");
        let whole = format!("finished {:032x}", key("a").0);
        fs::write(&file, format!("{FIRST_LINE}a\n{whole}\n{}", &whole[..20])).expect("written");
        assert!(Journal::open(&file, "a", false, Arc::new(Discard)).is_finished(key("a")));
        let mut journal = Journal::open(&file, "a", false, Arc::new(Discard));
        let tag = journal.file(key("b"));
        journal.settled(tag, true, false);
        journal.flush();
        drop(journal);
        assert!(
            Journal::open(&file, "a", false, Arc::new(Discard)).is_finished(key("b")),
            "written behind the torn line"
        );
    }
}
