//! Columns: what sums over DMARC records are made of, packed so that millions of records are summed
//! up in a moment.
//!
//! Tables of sums would not do: reports hardly repeat themselves. Of 130,478 records of the
//! generator's corpus 130,347 differ in day, domain, address and results, and 128,633 still in
//! month, domain and address. So each record has its values in columns, some 16 bytes, and a
//! question reads those it asks about, with whatever filter. The writer appends a segment with each
//! transaction, and small ones are merged as they come; no index is kept.
//!
//! A segment is a row of `dmarc_columns`. Its runs are reports with how many of its records follow
//! each other; a report whose records came with several transactions has several runs. Numbers are
//! LEB128, or of one width.

mod batch;
mod combination;
mod fill;
mod forget;
mod gather;
mod groups;
mod histories;
mod names;
mod newest;
mod noted;
mod numbers;
mod outcomes;
mod scan;
mod segment;
mod senders;
mod used;
mod view;
mod weights;

pub(crate) use self::names::Names;
pub(super) use self::{
    batch::{Batch, ReportHead},
    fill::fill,
    forget::forget,
    newest::Summed,
    scan::Scan,
    senders::Naming,
    used::Unused,
};
