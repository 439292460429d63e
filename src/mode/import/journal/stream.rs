//! Files with many mails in them: what was taken up of each, and how far everything is settled.

use std::collections::BTreeMap;

use super::place::{FileKey, Place, Ranges};
use crate::settle::Tag;

/// A file with many mails in it.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) key: Option<FileKey>,
    /// What an earlier import has settled.
    pub(super) earlier: Ranges,
    /// What was taken up. Between two sections something can't be read.
    pub(super) sections: Vec<Section>,
    pub(super) ended: bool,
}

/// A part of a stream that was gone through without a gap.
#[derive(Debug, Default)]
pub(super) struct Section {
    /// Nothing was taken up yet without it.
    pub(super) begin: Option<Place>,
    /// Mails under way and where each begins; positions grow with the tags.
    pub(super) under_way: BTreeMap<Tag, Place>,
    /// Everything in front of here was taken up.
    pub(super) reached: Place,
    pub(super) written: Place,
}

impl Section {
    pub(super) fn take_up(&mut self, begin: Place, end: Place) {
        self.begin.get_or_insert(begin);
        self.reached = end.max(std::mem::take(&mut self.reached));
    }

    /// Everything in front of here is settled.
    pub(super) fn settled(&self) -> &Place {
        self.under_way.first_key_value().map_or(&self.reached, |(_, place)| place)
    }
}
