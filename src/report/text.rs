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
    if let Some(encoding) = utf16(bytes) {
        repairs.note("utf-16");
        return encoding.decode(bytes).0;
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

/// Where a report begins in a text that begins with something else, and whether it is XML.
pub(super) fn find_report(text: &[u8]) -> Option<(bool, usize)> {
    let xml = memmem::find(text, b"<?xml").filter(|at| find_root(&text[*at..]).is_some());
    if let Some(at) = xml.or_else(|| find_root(text)) {
        return Some((true, at));
    }
    find_json(text).map(|at| (false, at))
}

/// [`find_report`], where JSON may stand in front of XML.
pub(super) fn find_first(text: &[u8]) -> Option<(bool, usize)> {
    let (is_xml, at) = find_report(text)?;
    let in_front = find_json(&text[..at]).filter(|_| is_xml);
    Some(in_front.map_or((is_xml, at), |at| (false, at)))
}

/// Where the first object is in a text with the name of a report's member. No letter to a person
/// has one in quotation marks.
pub(super) fn find_json(text: &[u8]) -> Option<usize> {
    let at = memchr::memchr(b'{', text)?;
    ["\"report-id\"", "\"report_id\"", "\"organization-name\""]
        .iter()
        .any(|name| memmem::find(&text[at..], name.as_bytes()).is_some())
        .then_some(at)
}

/// True if there is JSON in front of the root of an XML report.
pub(super) fn is_json_before_root(text: &[u8]) -> bool {
    find_root(text).is_some_and(|root| find_json(&text[..root]).is_some())
}

/// Where the next JSON report begins in the text behind one: in a list, one after another, or
/// behind other text, of which not much is searched: there may be many reports.
pub(super) fn next_json(rest: &str) -> Option<usize> {
    let next = rest.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, ',' | '[' | ']'));
    if next.starts_with('{') {
        return Some(rest.len() - next.len());
    }
    find_json(&rest.as_bytes()[..rest.len().min(64 << 10)])
}

/// Where the first start tag `feedback` is, with or without a prefix, that another tag follows:
/// letters speak of "the `<feedback>` element".
pub(super) fn find_root(bytes: &[u8]) -> Option<usize> {
    const NAME: usize = b"feedback".len();
    const PREFIX: usize = 56;
    // Where the next `>` is and whether a tag follows it: many names may stand before one `>`, and
    // much that is blank behind.
    let mut next_end = None;
    let ends = |byte: &u8| matches!(byte, b'>' | b'/' | b' ' | b'\t' | b'\r' | b'\n');
    // The name is looked for by its rarest letter: there may be a `<` at every second byte.
    memchr::memchr2_iter(b'k', b'K', bytes).find_map(|last| {
        if !matches!(bytes[last.checked_sub(1)?], b'c' | b'C') {
            return None;
        }
        let end = last + 1;
        let before = &bytes[..end.checked_sub(NAME)?];
        if !bytes[before.len()..end].eq_ignore_ascii_case(b"feedback")
            || !bytes.get(end).is_some_and(ends)
        {
            return None;
        }
        let start = match before.last()? {
            b'<' => before.len() - 1,
            b':' => {
                let prefix = &before[before.len().saturating_sub(PREFIX)..];
                let prefix = &prefix[prefix.iter().rposition(ends).map_or(0, |at| at + 1)..];
                before.len() - prefix.len() + memchr::memchr(b'<', prefix)?
            }
            _ => return None,
        };
        let (tag_end, is_followed) = match next_end {
            Some((at, is_followed)) if at >= end => (at, is_followed),
            _ => {
                let at = memchr::memchr(b'>', &bytes[end..]).map_or(bytes.len(), |at| end + at);
                let behind = bytes.get(at + 1..).unwrap_or_default();
                let found = (at, behind.trim_ascii_start().starts_with(b"<"));
                next_end = Some(found);
                found
            }
        };
        (is_followed && tag_end < end + 1024).then_some(start)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_has_a_tag_behind_it() {
        for (text, at) in [
            ("<feedback><a>", Some(0)),
            ("x <p:Feedback a='b'>\n<a>", Some(2)),
            ("the <feedback> element <ns0:feedback\n>\n\n<a>", Some(23)),
            ("<a:b<c:feedback><a>", Some(0)),
            ("<a <c:feedback><a>", Some(3)),
            ("feedback><a>", None),
            ("<feedbacks><a>", None),
            ("<myfeedback><a>", None),
            ("<feedback", None),
            ("kK", None),
        ] {
            assert_eq!(find_root(text.as_bytes()), at, "{text}");
        }
    }
}
