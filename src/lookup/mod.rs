//! Lookup: what [`crate::senders`] needs to know, got from files.

mod databases;

pub use databases::{DatabaseError, Databases};
