//! [`ReadableStore`]: a store that is read, be it an SQLite file or indices, and what it holds at
//! one moment.

use std::path::{Path, PathBuf};

use super::{Found, Index, ReadError};
use crate::{
    report::Kind,
    sqlite::{
        OpenError,
        query::{Reader, Selection},
        read::Reports,
    },
};

/// A store that is read.
pub(crate) enum ReadableStore {
    Sqlite { path: PathBuf, reader: Reader },
    Index(Box<Index>),
}

/// The same, as it is at one moment, seen through a selection. Indices are asked at each call; one
/// walk through them is of one moment.
pub(crate) enum StoreView<'s> {
    Sqlite { path: &'s Path, reports: Reports<'s> },
    Index { index: &'s Index, selection: Selection, from: i64 },
}

impl ReadableStore {
    /// The SQLite file of this name, which exists.
    ///
    /// # Errors
    /// It can't be opened.
    pub(crate) fn sqlite(path: &Path) -> Result<ReadableStore, OpenError> {
        Ok(ReadableStore::Sqlite { path: path.to_owned(), reader: Reader::open(path)? })
    }

    /// For a person.
    pub(crate) fn name(&self) -> String {
        match self {
            ReadableStore::Sqlite { path, .. } => path.display().to_string(),
            ReadableStore::Index(index) => index.name(),
        }
    }

    /// What it holds now, of this selection.
    ///
    /// # Errors
    /// SQLite can't read the file.
    pub(crate) fn at_this_moment(
        &mut self,
        selection: Selection,
    ) -> Result<StoreView<'_>, ReadError> {
        match self {
            ReadableStore::Sqlite { path, reader } => match reader.reports(&selection) {
                Ok(reports) => Ok(StoreView::Sqlite { path, reports }),
                Err(error) => Err(ReadError::Sqlite { path: path.clone(), error }),
            },
            ReadableStore::Index(index) => {
                Ok(StoreView::Index { index, selection, from: i64::MIN })
            }
        }
    }
}

impl StoreView<'_> {
    /// Something that is another after each change.
    ///
    /// # Errors
    /// The store can't be read.
    pub(crate) fn mark(&self) -> Result<String, ReadError> {
        match self {
            StoreView::Sqlite { path, reports } => reports.mark().map_err(of_file(path)),
            StoreView::Index { index, .. } => index.mark(),
        }
    }

    /// From now on only what begins at or after this second is counted and handed out: an earlier
    /// walk ended there.
    pub(crate) fn go_on_from(&mut self, second: i64) {
        match self {
            StoreView::Sqlite { reports, .. } => reports.set_since(second),
            StoreView::Index { from, .. } => *from = second,
        }
    }

    /// How many documents of a kind are selected.
    ///
    /// # Errors
    /// The store can't be read.
    pub(crate) fn count(&self, kind: Kind) -> Result<u64, ReadError> {
        match self {
            StoreView::Sqlite { path, reports } => reports.count(kind).map_err(of_file(path)),
            StoreView::Index { index, selection, from } => index.count(kind, selection, *from),
        }
    }

    /// How many documents there are beside `all` that are of a report; 0 where that can't be told,
    /// since not everything is selected.
    ///
    /// # Errors
    /// The store can't be read.
    pub(crate) fn others(&self, all: u64) -> Result<u64, ReadError> {
        match self {
            StoreView::Index { index, selection, .. } if selection.is_all() => {
                Ok(index.count_all()?.saturating_sub(all))
            }
            _ => Ok(0),
        }
    }

    /// Hands out what is selected of a kind, in the order of the periods' begins; of one begin in
    /// an SQLite file as it was stored, in indices by the report's id and then as it was stored.
    ///
    /// # Errors
    /// The store can't be read, or something was refused.
    pub(crate) fn each<E: From<ReadError>>(
        &self,
        kind: Kind,
        mut take: impl FnMut(Found) -> Result<(), E>,
    ) -> Result<(), E> {
        match self {
            StoreView::Sqlite { path, reports } => reports
                .each(kind, |portion| {
                    let begin = portion.report.period().begin;
                    take(Found::Portion { begin, portion }).map_err(Ended::Refused)
                })
                .map_err(|ended| match ended {
                    Ended::Unreadable(error) => of_file(path)(error).into(),
                    Ended::Refused(error) => error,
                }),
            StoreView::Index { index, selection, from } => index.each(kind, selection, *from, take),
        }
    }
}

/// Why a walk through an SQLite file ended early.
enum Ended<E> {
    Unreadable(rusqlite::Error),
    Refused(E),
}

impl<E> From<rusqlite::Error> for Ended<E> {
    fn from(error: rusqlite::Error) -> Ended<E> {
        Ended::Unreadable(error)
    }
}

fn of_file(path: &Path) -> impl Fn(rusqlite::Error) -> ReadError + '_ {
    |error| ReadError::Sqlite { path: path.to_owned(), error }
}
