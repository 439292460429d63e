//! Store: which store is asked, and for how long at most.

use std::{path::PathBuf, sync::Arc, time::Instant};

use super::trouble::Trouble;
use crate::{
    answers::Answers, opensearch::ClusterAnswers, senders::Operators, sqlite::query::Reader,
};

/// A store that can be asked again and again.
#[derive(Debug)]
pub enum PageStore {
    /// An SQLite file. It is opened for each page, to be read only: so it may be moved, replaced
    /// and made anew at any time.
    File {
        /// Where it is.
        path: PathBuf,
        /// What senders are called.
        names: Arc<Operators>,
    },
    /// An OpenSearch cluster.
    Cluster(Box<ClusterAnswers>),
}

/// Something to be asked of either store.
pub(super) trait Question {
    /// What is made of the answers.
    type Made;

    /// Asks.
    fn ask<A: Answers>(&self, answers: &A) -> Result<Self::Made, Trouble>
    where
        Trouble: From<A::Error>;
}

impl PageStore {
    /// Asks the store, which sees one moment of it.
    ///
    /// # Errors
    /// The store can't be read, or not until then.
    pub(super) fn ask<Q: Question>(
        &self,
        question: &Q,
        until: Instant,
    ) -> Result<Q::Made, Trouble> {
        match self {
            PageStore::File { path, names } => {
                let mut reader = Reader::open_as_it_is(path)?;
                reader.give_up_at(until)?;
                question.ask(&reader.answers_by(names)?)
            }
            PageStore::Cluster(cluster) => {
                let made = question.ask(&ClusterAnswers::clone(cluster).until(until));
                // What the cluster's client says of its own time limit is no fault of the cluster.
                if made.is_err() && Instant::now() >= until {
                    return Err(Trouble::TooLate);
                }
                made
            }
        }
    }
}
