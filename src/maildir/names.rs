//! Names of files in a Maildir: a part that tells mails apart, sizes, flags.

use std::{
    ffi::{OsStr, OsString},
    iter,
    os::unix::ffi::{OsStrExt, OsStringExt},
};

/// Longest name of a file.
const NAME_BYTES: usize = 255;

/// The name up to the flags, and the flags: what follows the last `:2,`. Other colons belong to the
/// name: people save mails under names with times and subjects in them.
pub(super) fn split_flags(name: &OsStr) -> (&[u8], &[u8]) {
    let bytes = name.as_bytes();
    match memchr::memmem::rfind(bytes, b":2,") {
        Some(at) => (&bytes[..at], &bytes[at + 3..]),
        None => (bytes, b""),
    }
}

/// The name without flags and without the sizes `,S=…` and `,W=…`.
pub(super) fn unique_part(name: &OsStr) -> Vec<u8> {
    let (base, _) = split_flags(name);
    let is_size = |piece: &&[u8]| {
        let digits =
            piece.strip_prefix(b"S=").or_else(|| piece.strip_prefix(b"W=")).unwrap_or_default();
        !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
    };
    let mut pieces = base.split(|byte| *byte == b',');
    let first = pieces.next().unwrap_or_default();
    let others = pieces.filter(|piece| !is_size(piece));
    iter::once(first).chain(others).collect::<Vec<_>>().join(&b',')
}

/// The time with which a name begins, as the Maildir format has it: seconds since 1970, between
/// 2001 and 2286.
pub(super) fn delivered(name: &OsStr) -> Option<i64> {
    let (digits, _) = name.to_str()?.split_once('.')?;
    let is_time = digits.len() == 10 && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| is_time)
}

/// Colons become `_`: readers of a Maildir take what follows the first one for flags.
pub(super) fn without_colons(base: &[u8]) -> Vec<u8> {
    base.iter().map(|byte| if *byte == b':' { b'_' } else { *byte }).collect()
}

/// `base` and `end`, with a number between from the second name on. File systems take 255 bytes, so
/// `base` may be cut.
pub(super) fn numbered(base: &[u8], number: u64, end: &[u8]) -> OsString {
    let middle = if number == 0 { String::new() } else { format!("_{number}") };
    let room = NAME_BYTES.saturating_sub(middle.len() + end.len());
    OsString::from_vec([&base[..base.len().min(room)], middle.as_bytes(), end].concat())
}

/// `:2,` and the flags with S among them, in the order of their letters as the Maildir format
/// demands.
pub(super) fn with_flag_s(flags: &[u8]) -> Vec<u8> {
    let mut flags = flags.to_vec();
    if !flags.contains(&b'S') {
        flags.push(b'S');
        flags.sort_unstable();
    }
    [b":2,", flags.as_slice()].concat()
}

/// The name with the flag S added.
pub(super) fn with_seen(name: &OsStr) -> OsString {
    let (base, flags) = split_flags(name);
    numbered(base, 0, &with_flag_s(flags))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_kept_and_sorted() {
        assert_eq!(with_seen(OsStr::new("1.mx:2,FT")), "1.mx:2,FST");
        assert_eq!(with_seen(OsStr::new("1.mx:2,S")), "1.mx:2,S");
        assert_eq!(with_seen(OsStr::new("1.mx")), "1.mx:2,S");
        assert_eq!(unique_part(OsStr::new("1.mx,S=5,W=6:2,FS")), b"1.mx");
        assert_eq!(unique_part(OsStr::new("10:00:01,a,S=b,W=:2,")), b"10:00:01,a,S=b,W=");
    }
}
