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

/// What became of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// All of it is in the store.
    Whole,
    /// It is no report, or a part of it was lost: reading it again gives the same.
    Partly,
    /// It can't be read, or the store refused it: another time it may be stored.
    Failed,
    /// It was not settled.
    Left,
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
        let stream =
            Stream { key, earlier, sections: vec![Section::default()], ..Stream::default() };
        self.streams.insert(tag, stream);
        tag
    }

    /// The tag for a mail in a stream that begins at `begin`; `end` is where the next one begins.
    pub(super) fn mail(&mut self, stream: Tag, begin: Place, end: Place) -> Tag {
        let tag = self.tag();
        if let Some(open) = self.streams.get_mut(&stream) {
            let number = open.sections.len() - 1;
            if let Some(section) = open.sections.last_mut() {
                section.under_way.insert(tag, (begin.clone(), end.clone()));
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
    /// worth another look by a later version, or with other limits. In a stream those are the mails
    /// that failed.
    pub(super) fn settled(&mut self, tag: Tag, end: End) {
        match self.owners.remove(&tag) {
            Some(Owner::File(key)) if end == End::Whole && !self.is_finished(key) => {
                self.write(format_args!("finished {:032x}", key.0));
            }
            Some(Owner::Stream(stream, number)) if end != End::Left => {
                let failed = end == End::Failed;
                if let Some(open) = self.streams.get_mut(&stream) {
                    open.has_failed |= failed;
                    if let Some(section) = open.sections.get_mut(number) {
                        section.end(tag, failed);
                    }
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
            for section in &mut stream.sections {
                section.settled_parts(|begin, end| {
                    // Nothing that stands there already.
                    if stream.earlier.behind(begin) < *end {
                        lines.push(format!("settled {:032x} {begin} {end};", key.0));
                    }
                });
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
            stream.ended
                && !stream.has_failed
                && matches!(&stream.sections[..], [only] if only.under_way.is_empty())
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
mod tests;
