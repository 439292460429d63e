//! The sink of a dry run: takes everything and stores nothing.

use super::{Identity, Sink};
use crate::{
    message::Contents,
    settle::{Acknowledgement, Delivery},
};

/// The sink; see the module.
#[derive(Debug)]
pub struct Discard;

impl Sink for Discard {
    fn accept(&self, contents: Contents, delivery: &Delivery) {
        let created = contents.reports.iter().map(|report| report.len() as u64).sum();
        delivery.pending().acknowledge(Acknowledgement { created, ..Acknowledgement::default() });
    }

    fn hurry(&self) {}

    fn identity(&self) -> Option<Identity> {
        None
    }

    fn queued_bytes(&self) -> usize {
        0
    }

    fn finish(&self) {}
}
