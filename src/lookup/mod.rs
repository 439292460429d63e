//! Lookup: what [`crate::senders`] needs to know, got from files and the DNS.

mod databases;
mod names;
mod naming;
mod resolver;
mod reverse;

pub use self::{
    databases::{DatabaseError, Databases},
    names::names,
};
pub(crate) use self::{naming::Naming, resolver::resolver};
