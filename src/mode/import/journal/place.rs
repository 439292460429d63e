//! Places in files: where something begins, and which parts are settled.

use std::{collections::BTreeMap, fmt, str::FromStr};

use sha2::{Digest, Sha256};

/// What identifies a file: path, size and time of change. 128 bits of a hash: two files never share
/// one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::mode::import) struct FileKey(pub(super) u128);

impl FileKey {
    pub(in crate::mode::import) fn new(path: &[u8], size: u64, modified: (i64, i64)) -> FileKey {
        let mut hash = Sha256::new();
        hash.update(path);
        hash.update([0]);
        hash.update(size.to_le_bytes());
        hash.update(modified.0.to_le_bytes());
        hash.update(modified.1.to_le_bytes());
        let digest = hash.finalize();
        FileKey(digest[..16].iter().fold(0, |key, byte| key << 8 | u128::from(*byte)))
    }
}

/// Where something begins in a file with many mails: for each archive around it the byte at which
/// the member's header begins (unpacked), then, in an mbox, the byte of the mail. What lies behind
/// compares as greater.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::mode::import) struct Place(Vec<u64>);

impl Place {
    /// The place `number` within the one here.
    pub(in crate::mode::import) fn within(&self, number: u64) -> Place {
        Place(self.0.iter().copied().chain([number]).collect())
    }

    /// The numbers from the outermost to the innermost.
    pub(in crate::mode::import) fn numbers(&self) -> &[u64] {
        &self.0
    }
}

impl FromStr for Place {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Place, Self::Err> {
        text.split('.').map(str::parse).collect::<Result<_, _>>().map(Place)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        for (n, number) in self.0.iter().enumerate() {
            write!(f, "{}{number}", if n > 0 { "." } else { "" })?;
        }
        Ok(())
    }
}

/// Parts of a file, each by its beginning and what comes behind it; between them is always
/// something.
#[derive(Clone, Debug, Default)]
pub(super) struct Ranges(BTreeMap<Place, Place>);

impl Ranges {
    pub(super) fn add(&mut self, mut begin: Place, mut end: Place) {
        while let Some((first, last)) =
            self.0.range(..=&end).next_back().map(|(first, last)| (first.clone(), last.clone()))
            && last >= begin
        {
            self.0.remove(&first);
            begin = begin.min(first);
            end = end.max(last);
        }
        self.0.insert(begin, end);
    }

    /// The first place from `place` on that is in none of them.
    pub(super) fn behind(&self, place: &Place) -> Place {
        let before = self.0.range(..=place).next_back();
        before.map_or(place, |(_, end)| end.max(place)).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_touch_are_one() {
        let place = |byte| Place::default().within(byte);
        let mut ranges = Ranges::default();
        for (begin, end) in [(10, 20), (40, 50), (30, 40), (60, 70), (0, 5), (20, 25), (45, 48)] {
            ranges.add(place(begin), place(end));
        }
        let all: Vec<_> = ranges.0.iter().map(|(begin, end)| format!("{begin}-{end}")).collect();
        assert_eq!(all, ["0-5", "10-25", "30-50", "60-70"]);
        ranges.add(place(4), place(65));
        assert_eq!(ranges.0.len(), 1);
        assert_eq!((ranges.behind(&place(3)), ranges.behind(&place(71))), (place(70), place(71)));
    }
}
