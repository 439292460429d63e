//! Ahead: files that were changed later than now, by the clock: it was put back, or another
//! machine's that writes here is ahead. How long such a file is as it is, is known since it was
//! first met.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use super::QUIET;
use crate::file::identity::FileIdentity;

/// More are not remembered, and are taken for whole.
const MOST: usize = 1024;

/// So long a file is remembered that is not asked about again.
const FORGOTTEN: Duration = Duration::from_mins(1);

/// The files, and since when each is known as it is.
#[derive(Debug, Default)]
pub(super) struct Ahead(Mutex<HashMap<FileIdentity, Instant>>);

impl Ahead {
    /// True if it may have been changed a moment ago.
    pub(super) fn may_be_fresh(&self, file: FileIdentity) -> bool {
        let mut files = self.0.lock();
        if files.len() >= MOST {
            files.retain(|_, since| since.elapsed() < FORGOTTEN);
        }
        if files.len() >= MOST && !files.contains_key(&file) {
            return false;
        }
        let is_fresh = files.entry(file).or_insert_with(Instant::now).elapsed() < QUIET;
        if !is_fresh {
            files.remove(&file);
        }
        is_fresh
    }
}
