//! Senders: what can be known of who sent a mail, and what to call it.
//!
//! Nothing here does any I/O.

pub mod domain;
mod naming;

pub use naming::{Basis, Evidence, Sender, sender};
