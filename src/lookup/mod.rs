//! Lookup: what [`crate::senders`] needs to know, got from files and the DNS.

mod databases;
mod names;
mod naming;
mod reverse;

pub(crate) use self::naming::Naming;
pub use self::{
    databases::{DatabaseError, Databases},
    names::names,
};
