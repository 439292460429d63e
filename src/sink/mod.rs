//! Sink: where the documents go. One a run.
//!
//! A sink takes the contents of a mail together with its [`Ticket`], and answers every share of it
//! once the store has judged the documents: durably stored, already there, or refused for good.
//! What it can't deliver it drops unanswered, and the mail stays where it was.

pub mod backoff;
pub mod discard;
mod lines;
mod memory_size;
pub mod ndjson;
mod open;
pub mod opensearch;
pub mod queue;
pub mod sqlite;
pub mod worker;

use std::{fs, os::unix::fs::MetadataExt, path::Path, time::SystemTime};

use crate::{message::Contents, settle::Ticket};

pub use self::open::Destination;
pub(crate) use self::open::{open, try_out};

/// A store as an import remembers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Where the store is.
    pub name: String,
    /// Valid for one store; recreating the store changes it.
    pub incarnation: String,
}

/// What the pipeline needs of a store.
pub trait Sink: Send + Sync {
    /// Takes over the documents of one mail; waits while the queue is full. Called from many
    /// threads. Once work is to end the mail is left, at once.
    fn accept(&self, contents: Contents, ticket: &Ticket);

    /// Hands on a partial batch now.
    fn flush(&self);

    /// Which store it is, if it can be told. May wait for the store.
    fn identity(&self) -> Option<Identity>;

    /// How far the store has come, to be noted in a journal; nothing if the store keeps no trace of
    /// it. Asked for from [`Sink::identity`] on.
    fn progress(&self) -> Option<String> {
        None
    }

    /// False if the store lacks what it had when [`Sink::progress`] said this, or `None`.
    fn has_come_to(&self, _progress: Option<&str>) -> bool {
        true
    }

    /// Bytes that wait for the store.
    fn queued_bytes(&self) -> usize;

    /// True once after mails were left for want of room behind a part of the store that was away
    /// and is there again: they can be given again.
    fn has_room_again(&self) -> bool {
        false
    }

    /// Stores what is queued and ends; after [`crate::stop::Stop`] was asked, drops it and ends.
    fn finish(&self);
}

/// The identity of a store that is a file: recreated, it has another inode or another time of
/// birth.
pub(crate) fn file_identity(path: &Path) -> Option<Identity> {
    let path = path.canonicalize().ok()?;
    let metadata = fs::metadata(&path).ok().filter(fs::Metadata::is_file)?;
    let born = metadata.created().ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    let incarnation = format!("{} {} {}", metadata.dev(), metadata.ino(), born.as_nanos());
    Some(Identity { name: path.display().to_string(), incarnation })
}
