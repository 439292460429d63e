//! Senders: what can be known of who sent a mail, and what to call it.
//!
//! Nothing here does any I/O; [`crate::lookup`] reads the files.

pub mod domain;
mod host;
mod naming;
mod network;
mod networks;
mod operators;

pub(crate) use self::naming::{is_related, of_host};
pub use self::{
    host::{Host, Hosts, ReverseName},
    naming::{Basis, Evidence, Sender, evidence, of_record, sender},
    network::{Network, ParseNetworkError},
    networks::{Database, Networks},
    operators::{ListError, Operator, Operators},
};
