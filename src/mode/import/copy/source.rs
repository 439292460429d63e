//! Which store is copied.

use std::sync::Arc;

use tracing::info;

use crate::{
    cli,
    config::{Purpose, Typed},
    exit::Failure,
    file::identity::device_and_inode,
    limits::Limits,
    sink::{Destination, file_identity},
    sqlite::is_sqlite,
    stop::Stop,
    stored::{Index, ReadableStore},
};

/// The store that was named; nothing if mails were.
pub(in crate::mode::import) fn source(
    import: &cli::ImportFlags,
    typed: &Typed,
    purpose: &Purpose,
    limits: &Limits,
    stop: &Arc<Stop>,
) -> Result<Option<ReadableStore>, Failure> {
    let source = if import.from.from_opensearch.is_empty() {
        let Some(path) = import.paths.iter().find(|path| is_sqlite(path)) else {
            return Ok(None);
        };
        if import.paths.len() > 1 {
            let what = format!("{} is a store, it is copied by itself", path.display());
            return Err(Failure::usage(what));
        }
        ReadableStore::sqlite(path)?
    } else {
        let from = typed.from(&import.from, purpose)?;
        let index =
            Index::open(from.config, &from.names, from.is_named, limits.clone(), Arc::clone(stop))?;
        if !from.is_named {
            for name in index.without_index(&from.names)? {
                info!(
                    "there is no index {name} to be copied; if it has another name there, say so \
                     with --from-index"
                );
            }
        }
        ReadableStore::Index(Box::new(index))
    };
    if import.settle || import.recursive {
        let flag = if import.settle { "settle" } else { "recursive" };
        return Err(Failure::usage(format_args!("--{flag} is for mails, and this is a store")));
    }
    Ok(Some(source))
}

/// A store is not copied into itself.
pub(in crate::mode::import) fn refuse_same(
    source: &ReadableStore,
    target: &Destination,
) -> Result<(), Failure> {
    let is_same = match (source, target) {
        (
            ReadableStore::Sqlite { path, .. },
            Destination::Sqlite(target) | Destination::NdJson(Some(target)),
        ) => {
            let file = device_and_inode(path).map_err(|error| Failure::path(path, &error))?;
            device_and_inode(target).is_ok_and(|target| target == file)
        }
        (ReadableStore::Index(index), Destination::OpenSearch(target)) => {
            index.is_written_to(target)?
        }
        _ => false,
    };
    if is_same {
        let what = format!("{} can't be copied into itself", source.name());
        return Err(Failure::usage(what));
    }
    Ok(())
}

/// Which store it is. Recreated, it is another.
pub(super) fn identity(source: &ReadableStore) -> String {
    match source {
        ReadableStore::Sqlite { path, .. } => file_identity(path)
            .map(|identity| format!("{} {}", identity.name, identity.incarnation))
            .unwrap_or_default(),
        ReadableStore::Index(index) => index.name(),
    }
}
