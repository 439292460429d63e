//! Lookup: what [`crate::senders`] needs to know, got from files and the DNS.

mod databases;
mod mine;
mod names;
mod naming;
mod resolver;
mod reverse;

pub use self::{
    databases::{DatabaseError, Databases},
    mine::{change as change_mine, mine},
    names::names,
};
pub(crate) use self::{naming::Naming, resolver::resolver};
