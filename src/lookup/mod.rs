//! Lookup: what [`crate::senders`] needs to know, got from files.

mod databases;
mod names;

pub use self::{
    databases::{DatabaseError, Databases},
    names::names,
};
