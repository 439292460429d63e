//! Style: the one style sheet. Its address changes with it, so that it may be kept for ever.

use std::sync::LazyLock;

use sha2::{Digest, Sha256};

/// The style sheet.
pub(super) const SHEET: &str = include_str!("style.css");

/// The last part of its path.
pub(super) static NAME: LazyLock<String> = LazyLock::new(|| {
    let hash = Sha256::digest(SHEET);
    format!("style-{:02x}{:02x}{:02x}{:02x}.css", hash[0], hash[1], hash[2], hash[3])
});

/// Its path below a base.
pub(super) fn path(base: &str) -> String {
    format!("{base}/{}", *NAME)
}
