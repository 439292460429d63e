//! How much XML is read of a mail.

use crate::limits::Limits;

/// Tags, and texts between them, of all reports in a mail, 10 million by default. A real report of
/// 64 MiB has about 8 million; text that is nothing but tags has 30 million, and takes two seconds.
/// What is not as plain as most (`<a/>`, `&amp;`) takes twice the time, and counts twice.
#[derive(Clone, Copy, Debug)]
pub(in crate::report) struct Pieces {
    pub(super) all: usize,
    pub(super) left: usize,
}

impl Pieces {
    pub(in crate::report) fn new(limits: &Limits) -> Pieces {
        let all = limits.records.max(1000).saturating_mul(40);
        Pieces { all, left: all }
    }

    /// Counts a result or reason that is kept: 100 bytes in memory, which can be written in 30.
    pub(in crate::report) fn keep(&mut self) {
        self.left = self.left.saturating_sub(5);
    }
}
