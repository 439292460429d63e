//! Sink: where the documents go. One a run.
//!
//! A sink takes the contents of a mail together with its [`Delivery`], and answers every share of it once the store
//! has judged the documents: durably stored, already there, or refused for good. What it can't deliver it drops
//! unanswered, and the mail stays where it was.

pub mod opensearch;
pub mod outage;
pub mod queue;
pub mod sqlite;

use crate::{message::Contents, settle::Delivery};

/// What the pipeline needs of a store.
pub trait Sink: Send + Sync {
    /// Takes over the documents of one mail; waits while the queue is full. Called from many threads.
    fn accept(&self, contents: Contents, delivery: &Delivery);

    /// Nothing more is to come for now: do not wait for company.
    fn hurry(&self);

    /// Stores what is queued and ends; after [`crate::stop::Stop`] was asked, drops it and ends.
    fn finish(&self);
}
