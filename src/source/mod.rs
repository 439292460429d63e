//! Source: where mails come from, one at a time, never more in memory than the limits allow.

pub mod archive;
pub mod folder_watch;
pub mod mbox;
pub mod stdin;
pub mod walk;
