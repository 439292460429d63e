//! Senders: what can be known of who sent a mail, and what to call it.
//!
//! Nothing here does any I/O; [`crate::lookup`] reads the files.

pub mod domain;
mod host;
mod naming;
mod networks;
mod operators;

pub use self::{
    host::{Host, Hosts, ReverseName},
    naming::{Basis, Evidence, SenderName, of_record, sender},
    networks::{Database, Networks},
    operators::{ListError, Operator, Operators},
};
