//! Stored: what a store holds, handed out as reports again, for another store or a file. A store is
//! only read.
//!
//! [`ReadableStore`] is any such store. The tables of an SQLite file are read by
//! [`crate::sqlite::read`], the indices of OpenSearch, those of the Ruby tool included, here.

mod error;
mod group;
mod index;
mod pages;
mod query;
mod source;

pub(crate) use self::{
    error::ReadError,
    index::Index,
    source::{ReadableStore, StoreView},
};

use crate::document::Portion;

/// What is found in a store.
#[expect(clippy::large_enum_variant, reason = "nearly all are of the large variant")]
pub(crate) enum Found {
    /// A report, or a part of one.
    Portion {
        /// By this second the walk is in order.
        begin: i64,
        portion: Portion,
    },
    /// A document, or several, of which no report can be made.
    Unusable { begin: i64, name: String, reason: String },
    /// So many documents say what others say, since their report was read again.
    Repeated(u64),
}
