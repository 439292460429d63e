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
//! LEB128, or of one width. Once a hundred thousand records have come they are sorted by domain and
//! day, into segments that have sums by domain, day and reporter of their own.

mod batch;
mod below;
mod blobs;
mod combination;
mod dense;
mod fill;
mod forget;
mod gather;
mod groups;
mod histories;
mod learned;
mod names;
mod newest;
mod noted;
mod numbers;
mod outcomes;
mod policies;
mod ranges;
mod run_sums;
mod scan;
mod scratch;
mod segment;
mod segments;
mod senders;
mod sort;
mod threads;
mod used;
mod view;
mod weights;

pub(crate) use self::names::Names;
pub(super) use self::{
    batch::{Batch, ReportHead},
    fill::fill,
    forget::forget,
    newest::Summed,
    scan::{NewestReports, Scan},
    senders::Naming,
    used::Unused,
};
