//! Which store is copied, and what it holds at one moment.

use std::{
    fs::File,
    io::Read,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    cli,
    config::{Purpose, Typed},
    exit::Failure,
    file::identity::device_and_inode,
    limits::Limits,
    report::Kind,
    sink::{Destination, file_identity},
    sqlite::{
        query::{Reader, Selection},
        read::Reports,
    },
    stop::Stop,
    stored::{Found, Index, ReadError},
};

/// How an SQLite file begins (<https://www.sqlite.org/fileformat.html>, section 1.3).
const SQLITE: &[u8; 16] = b"SQLite format 3\0";

/// A store that is to be copied.
pub(in crate::mode::import) enum CopySource {
    Sqlite { path: PathBuf, reader: Reader },
    Index(Box<Index>),
}

/// The same, as it is at one moment.
pub(super) enum SourceView<'s> {
    Sqlite(Reports<'s>),
    Index(&'s Index),
}

/// Why a copy ended early.
#[derive(Debug, thiserror::Error)]
pub(super) enum CopyError {
    #[error("can't be read: {0}")]
    Sqlite(#[from] rusqlite::Error),
    #[error(transparent)]
    Index(#[from] ReadError),
    #[error("stopped")]
    Stopped,
}

impl CopySource {
    /// The store that was named; nothing if mails were.
    pub(in crate::mode::import) fn open(
        import: &cli::ImportFlags,
        typed: &Typed,
        purpose: &Purpose,
        limits: &Limits,
        stop: &Arc<Stop>,
    ) -> Result<Option<CopySource>, Failure> {
        let source = if import.from.from_opensearch.is_empty() {
            let Some(path) = import.paths.iter().find(|path| is_sqlite(path)) else {
                return Ok(None);
            };
            if import.paths.len() > 1 {
                let what = format!("{} is a store, it is copied by itself", path.display());
                return Err(Failure::usage(what));
            }
            CopySource::Sqlite { path: path.clone(), reader: Reader::open(path)? }
        } else {
            let from = typed.from(&import.from, purpose)?;
            let index = Index::open(
                from.config,
                &from.names,
                from.is_named,
                limits.clone(),
                Arc::clone(stop),
            )?;
            CopySource::Index(Box::new(index))
        };
        if import.settle || import.recursive {
            let flag = if import.settle { "settle" } else { "recursive" };
            return Err(Failure::usage(format_args!("--{flag} is for mails, and this is a store")));
        }
        Ok(Some(source))
    }

    /// A store is not copied into itself.
    pub(in crate::mode::import) fn refuse_same(&self, target: &Destination) -> Result<(), Failure> {
        let is_same = match (self, target) {
            (
                CopySource::Sqlite { path, .. },
                Destination::Sqlite(target) | Destination::NdJson(Some(target)),
            ) => {
                let file = device_and_inode(path).map_err(|error| Failure::path(path, &error))?;
                device_and_inode(target).is_ok_and(|target| target == file)
            }
            (CopySource::Index(index), Destination::OpenSearch(target)) => {
                index.is_written_to(target)?
            }
            _ => false,
        };
        if is_same {
            let what = format!("{} can't be copied into itself", self.name());
            return Err(Failure::usage(what));
        }
        Ok(())
    }

    /// For a person.
    pub(in crate::mode::import) fn name(&self) -> String {
        match self {
            CopySource::Sqlite { path, .. } => path.display().to_string(),
            CopySource::Index(index) => index.name(),
        }
    }

    /// Which store it is. Recreated, it is another.
    pub(super) fn identity(&self) -> String {
        match self {
            CopySource::Sqlite { path, .. } => file_identity(path)
                .map(|identity| format!("{} {}", identity.name, identity.incarnation))
                .unwrap_or_default(),
            CopySource::Index(index) => index.name(),
        }
    }

    /// What it holds now, of this period.
    pub(super) fn at_this_moment(
        &mut self,
        period: &Range<i64>,
    ) -> Result<SourceView<'_>, CopyError> {
        let selection = Selection {
            since: Some(period.start),
            until: Some(period.end),
            ..Selection::default()
        };
        Ok(match self {
            CopySource::Sqlite { reader, .. } => SourceView::Sqlite(reader.reports(&selection)?),
            CopySource::Index(index) => SourceView::Index(index),
        })
    }
}

/// True if the file is an SQLite database, of whatever program.
pub(in crate::mode::import) fn is_sqlite(path: &Path) -> bool {
    let mut start = [0; SQLITE.len()];
    // A pipe is not opened: what is read of it would be missing.
    path.is_file()
        && File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok()
        && start == *SQLITE
}

impl SourceView<'_> {
    /// Something that is another after each change.
    pub(super) fn mark(&self) -> Result<String, CopyError> {
        Ok(match self {
            SourceView::Sqlite(reports) => reports.mark()?,
            SourceView::Index(index) => index.mark()?,
        })
    }

    /// How many documents begin then.
    pub(super) fn count(&mut self, kind: Kind, period: &Range<i64>) -> Result<u64, CopyError> {
        Ok(match self {
            SourceView::Sqlite(reports) => {
                reports.set_since(period.start);
                reports.count(kind)?
            }
            SourceView::Index(index) => index.count(kind, period)?,
        })
    }

    pub(super) fn each(
        &mut self,
        kind: Kind,
        period: &Range<i64>,
        mut take: impl FnMut(Found) -> Result<(), CopyError>,
    ) -> Result<(), CopyError> {
        match self {
            SourceView::Sqlite(reports) => {
                reports.set_since(period.start);
                reports.each(kind, |portion| {
                    take(Found::Portion { begin: portion.report.period().begin, portion })
                })
            }
            SourceView::Index(index) => index.each(kind, period, take),
        }
    }
}
