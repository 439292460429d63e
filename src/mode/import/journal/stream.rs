//! Files with many mails in them: what was taken up of each, and how far everything is settled.

use std::collections::BTreeMap;

use super::place::{FileKey, Place, Ranges};
use crate::settle::Tag;

/// A file with many mails in it.
#[derive(Debug, Default)]
pub(super) struct Stream {
    pub(super) key: Option<FileKey>,
    /// What an earlier import has settled.
    pub(super) earlier: Ranges,
    /// What was taken up. Between two sections something can't be read.
    pub(super) sections: Vec<Section>,
    /// A mail failed: the next import reads it again.
    pub(super) has_failed: bool,
    pub(super) ended: bool,
}

/// A part of a stream that was gone through without a gap.
#[derive(Debug, Default)]
pub(super) struct Section {
    /// Nothing was taken up yet without it.
    pub(super) begin: Option<Place>,
    /// Mails under way and where each begins and ends; positions grow with the tags.
    pub(super) under_way: BTreeMap<Tag, (Place, Place)>,
    /// Mails that failed and are not left out of what was written yet, by where they begin.
    failed: BTreeMap<Place, Place>,
    /// Everything in front of here was taken up.
    pub(super) reached: Place,
    written: Place,
}

impl Section {
    pub(super) fn take_up(&mut self, begin: Place, end: Place) {
        self.begin.get_or_insert(begin);
        self.reached = end.max(std::mem::take(&mut self.reached));
    }

    /// Everything in front of here is settled.
    pub(super) fn settled(&self) -> &Place {
        self.under_way.first_key_value().map_or(&self.reached, |(_, (begin, _))| begin)
    }

    /// A mail is settled; if it failed, its place is left out.
    pub(super) fn end(&mut self, tag: Tag, failed: bool) {
        if let Some((begin, end)) = self.under_way.remove(&tag)
            && failed
        {
            self.failed.insert(begin, end);
        }
    }

    /// Hands over each part that is settled and was not before. Those in front of a mail that
    /// failed are done with, so that no part is looked at twice.
    pub(super) fn settled_parts(&mut self, mut write: impl FnMut(&Place, &Place)) {
        let settled = self.settled().clone();
        if settled <= self.written {
            return;
        }
        self.written = settled.clone();
        while let Some(failed) = self.failed.first_entry().filter(|failed| *failed.key() < settled)
        {
            let (end, behind) = failed.remove_entry();
            if let Some(begin) = self.begin.replace(behind).filter(|begin| *begin < end) {
                write(&begin, &end);
            }
        }
        if let Some(begin) = self.begin.as_ref().filter(|begin| **begin < settled) {
            write(begin, &settled);
        }
    }
}
