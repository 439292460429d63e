//! From bytes to text: the encodings that XML and JSON reports come in, declared or not.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use memchr::memmem;

use super::Repairs;

/// Decodes a payload. Valid UTF-8 is taken as it is, whatever an XML declaration says; other bytes
/// by their byte order mark, the declared encoding, or as Windows-1252, the superset of Latin-1.
pub(super) fn decode<'x>(bytes: &'x [u8], repairs: &mut Repairs) -> Cow<'x, str> {
    if let Some(rest) = bytes.strip_prefix(b"\xEF\xBB\xBF") {
        return decode(rest, repairs);
    }
    if let Some(text) = decode_utf16(bytes) {
        repairs.note("utf-16");
        return text;
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => match declared(bytes) {
            Some(encoding) if encoding != UTF_8 => {
                repairs.note("not-utf-8");
                encoding.decode_without_bom_handling(bytes).0
            }
            _ => {
                repairs.note("invalid-utf-8");
                lossy(bytes)
            }
        },
    }
}

/// True for UTF-16.
pub(super) fn is_utf16(bytes: &[u8]) -> bool {
    utf16(bytes).is_some()
}

/// [`decode`] for UTF-16.
pub(super) fn decode_utf16(bytes: &[u8]) -> Option<Cow<'_, str>> {
    utf16(bytes).map(|encoding| encoding.decode(bytes).0)
}

/// Single bad bytes in UTF-8 become U+FFFD; a text with no valid multi-byte sequence at all is
/// taken for Windows-1252.
fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    let has_sequences = bytes.utf8_chunks().any(|chunk| !chunk.valid().is_ascii());
    if has_sequences {
        String::from_utf8_lossy(bytes)
    } else {
        WINDOWS_1252.decode_without_bom_handling(bytes).0
    }
}

/// UTF-16 with a byte order mark, or told by the zero bytes around the first `<` or `{`.
fn utf16(bytes: &[u8]) -> Option<&'static Encoding> {
    match bytes {
        [0xFF, 0xFE, ..] | [b'<' | b'{', 0, _, 0, ..] => Some(UTF_16LE),
        [0xFE, 0xFF, ..] | [0, b'<' | b'{', 0, _, ..] => Some(UTF_16BE),
        _ => None,
    }
}

/// The encoding that `<?xml … encoding="…"?>` names, if it is known.
fn declared(bytes: &[u8]) -> Option<&'static Encoding> {
    let head = &bytes[..bytes.len().min(256)];
    let declaration = &head[..memchr::memchr(b'>', head)?];
    let at = memmem::find(declaration, b"encoding")?;
    let mut quoted = declaration[at..].splitn(3, |byte| matches!(byte, b'"' | b'\''));
    Encoding::for_label(quoted.nth(1)?)
}
