//! The sink of a dry run: takes everything and stores nothing.

use super::{Identity, Sink};
use crate::{
    message::Contents,
    settle::{Acknowledgement, Ticket},
};

/// The sink; see the module.
#[derive(Debug)]
pub struct Discard;

impl Sink for Discard {
    fn accept(&self, contents: Contents, ticket: &Ticket) {
        let created = contents.reports.iter().map(|report| report.len() as u64).sum();
        ticket.pending().acknowledge(Acknowledgement { created, ..Acknowledgement::default() });
    }

    fn flush(&self) {}

    fn identity(&self) -> Option<Identity> {
        None
    }

    fn queued_bytes(&self) -> usize {
        0
    }

    fn finish(&self) {}
}
