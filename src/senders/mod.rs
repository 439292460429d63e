//! Senders: what can be known of who sent a mail, and what to call it.
//!
//! Nothing here does any I/O; [`crate::lookup`] reads the files.

pub mod domain;
mod host;
mod naming;
mod networks;

pub use self::{
    host::{Host, Hosts},
    naming::{Basis, Evidence, Sender, sender},
    networks::{Database, Networks},
};
