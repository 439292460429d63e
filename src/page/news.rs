//! News: what changed in the last days, whatever time a page shows. It is asked of a month of each
//! domain, so what was found is kept for a while.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use crate::{
    answers::Answers,
    changes::{self, Change, DAY, Look},
    verdict::Mine,
};

/// Days that are looked at. They end with yesterday's first second: its own reports are on their
/// way.
pub(super) const DAYS: i64 = 7;

/// Fewer messages of a sender are no news.
const VOLUME: u64 = 10;

/// News are asked for again after so many times the time that it took.
const TIMES: u32 = 100;

/// What changed, as it was last asked for.
#[derive(Debug, Default)]
pub(super) struct KeptNews(Mutex<Option<Kept>>);

#[derive(Debug)]
struct Kept {
    asked: Instant,
    took: Duration,
    mine: Mine,
    end: i64,
    changes: Arc<Vec<Change>>,
}

impl KeptNews {
    /// What changed, seen from a second since 1970: what needs attention first.
    ///
    /// # Errors
    /// The store can't be read.
    pub(super) fn get<A: Answers>(
        &self,
        answers: &A,
        now: i64,
        mine: &Mine,
    ) -> Result<Arc<Vec<Change>>, A::Error> {
        let end = (now.div_euclid(DAY) - 1) * DAY;
        // Others wait, rather than ask the same.
        let mut kept = self.0.lock();
        if let Some(kept) = kept.as_ref()
            && kept.asked.elapsed() < kept.took.saturating_mul(TIMES)
            && kept.end == end
            && kept.mine == *mine
        {
            return Ok(Arc::clone(&kept.changes));
        }
        let asked = Instant::now();
        let look = Look { period: end - DAYS * DAY..end, mine, domain: None, volume: VOLUME };
        let changes = Arc::new(changes::news(answers, &look, &[])?.changes);
        let (took, mine) = (asked.elapsed(), mine.clone());
        *kept = Some(Kept { asked, took, mine, end, changes: Arc::clone(&changes) });
        Ok(changes)
    }
}
