//! Search: where reports begin in a text that holds other things, or several of them.

use memchr::memmem;

use super::xml::Element;

/// Where something is that is looked for from one place after the other.
#[derive(Default)]
struct Cursor {
    /// The first behind the last place asked for.
    found: Option<usize>,
    /// All in front of this was searched.
    searched: usize,
}

impl Cursor {
    /// The first at `from` or behind it, and in front of `to`. `find` looks for one between two
    /// places.
    fn next(
        &mut self,
        from: usize,
        to: usize,
        find: impl FnOnce(usize, usize) -> Option<usize>,
    ) -> Option<usize> {
        if self.found.is_none_or(|found| found < from) {
            let start = self.searched.max(from);
            self.found = if start < to { find(start, to) } else { None };
            self.searched = self.found.unwrap_or(to).max(start);
        }
        self.found.filter(|found| *found < to)
    }
}

/// Searches a text forwards. Nothing in it is looked at twice for the same thing, however many
/// reports it holds.
pub(super) struct Search<'t> {
    text: &'t [u8],
    root: Cursor,
    brace: Cursor,
    name: Cursor,
}

impl<'t> Search<'t> {
    pub(super) fn new(text: &'t [u8]) -> Search<'t> {
        Search { text, root: Cursor::default(), brace: Cursor::default(), name: Cursor::default() }
    }

    /// Where the next report begins, and whether it is XML.
    pub(super) fn next(&mut self, from: usize) -> Option<(bool, usize)> {
        let root = self.root(from);
        let json = self.json(from, root.unwrap_or(self.text.len()));
        json.map(|at| (false, at)).or(root.map(|at| (true, at)))
    }

    /// [`Search::next`] for the first one: a declaration in front of its root belongs to it.
    pub(super) fn first(&mut self, from: usize) -> Option<(bool, usize)> {
        let (is_xml, at) = self.next(from)?;
        let declaration = memmem::find(&self.text[from..at], b"<?xml").filter(|_| is_xml);
        Some((is_xml, declaration.map_or(at, |declaration| from + declaration)))
    }

    /// [`Search::next`] behind a report in JSON: in a list, right behind it, or behind other text.
    pub(super) fn behind_json(&mut self, from: usize) -> Option<(bool, usize)> {
        let between = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b',' | b'[' | b']');
        let next = from + self.text[from..].iter().take_while(|byte| between(byte)).count();
        match self.text.get(next) {
            Some(b'{') => Some((false, next)),
            _ => self.next(from),
        }
    }

    /// Where the next root of an XML report is.
    pub(super) fn root(&mut self, from: usize) -> Option<usize> {
        let text = self.text;
        let find = |start: usize, _| find_root(&text[start..]).map(|at| start + at);
        self.root.next(from, text.len(), find)
    }

    /// Where the next object is that has the name of a report's member behind it, both in front of
    /// `to`. No letter to a person has such a name in quotation marks.
    pub(super) fn json(&mut self, from: usize, to: usize) -> Option<usize> {
        let text = self.text;
        let object =
            |start: usize, to: usize| memchr::memchr(b'{', &text[start..to]).map(|at| start + at);
        let at = self.brace.next(from, to, object)?;
        let name = |start: usize, to: usize| find_name(text, start, to, &NAMES);
        self.name.next(at, to, name).map(|_| at)
    }
}

/// Members by which a report in JSON is known, in small letters without `-` and `_`.
const NAMES: [&str; 3] = ["reportid", "organizationname", "organisationname"];

/// True if a text has the name of a member without which JSON is no report.
pub(super) fn has_member_of_all(text: &[u8]) -> bool {
    find_name(text, 0, text.len(), &["reportid", "policies"]).is_some()
}

/// True if a text in which no report begins has parts of one all the same.
pub(super) fn has_parts(text: &[u8]) -> bool {
    // In another encoding, too.
    let is_utf16 = || [&b"<\0"[..], b"{\0"].iter().any(|mark| memmem::find(text, mark).is_some());
    let is_here = |names| find_name(text, 0, text.len(), names).is_some();
    is_here(&NAMES)
        || is_here(&["policies"])
        || is_utf16()
        || memchr::memchr_iter(b'<', text).any(|at| is_part(&text[at + 1..]))
}

/// True for more control characters than stray into a text; those that end files are none.
pub(super) fn is_binary(text: &[u8]) -> bool {
    const STRAYED: usize = 3;
    let is_control = |byte: &&u8| matches!(byte, 0x01..=0x08 | 0x0E..=0x19 | 0x1B..=0x1F);
    text.iter().filter(is_control).nth(STRAYED).is_some()
}

/// True behind the `<` of an element that every report in XML has.
fn is_part(behind: &[u8]) -> bool {
    const LONGEST: usize = 80;
    if !behind.first().is_some_and(u8::is_ascii_alphabetic) {
        return false;
    }
    // No byte is looked at for two names.
    let ends = |byte: &u8| matches!(byte, b'<' | b'>' | b'/' | b' ' | b'\t' | b'\r' | b'\n');
    let name = &behind[..behind.len().min(LONGEST)];
    let name = &name[..name.iter().position(ends).unwrap_or(0)];
    let local = name.rsplit(|byte| *byte == b':').next().unwrap_or_default();
    matches!(
        str::from_utf8(local).ok().and_then(Element::named),
        Some(Element::ReportMetadata | Element::PolicyPublished)
    )
}

/// Where the first quotation mark between two places is behind which one of these names stands, in
/// any spelling that is read.
fn find_name(text: &[u8], start: usize, to: usize, names: &[&str]) -> Option<usize> {
    /// Letters of the shortest name.
    const SHORTEST: usize = 8;
    let mut from = start;
    loop {
        let at = from + memchr::memchr(b'"', text.get(from..to)?)?;
        let quoted = &text[at + 1..];
        let letters = quoted.get(..SHORTEST)?;
        from = match letters.iter().rposition(|byte| *byte == b'"') {
            Some(end) => at + 1 + end,
            // Most begin with another letter.
            None if matches!(letters[0].to_ascii_lowercase(), b'r' | b'o' | b'p')
                && names.iter().any(|name| is_name(quoted, name.as_bytes())) =>
            {
                return Some(at);
            }
            None => at + 1 + SHORTEST,
        };
    }
}

/// True if a text in quotation marks is a member's name, but for case, `_` and `-`. JSON may stand
/// within a text of JSON.
fn is_name(quoted: &[u8], name: &[u8]) -> bool {
    let mut letters = quoted.iter().filter(|byte| !matches!(byte, b'-' | b'_'));
    name.iter()
        .all(|letter| letters.next().is_some_and(|byte| byte.to_ascii_lowercase() == *letter))
        && matches!((letters.next(), letters.next()), (Some(b'"'), _) | (Some(b'\\'), Some(b'"')))
}

/// True for blanks between tags, and for the bytes of one that is not to be broken (U+00A0), which
/// web pages and mail programs put in the place of several.
fn is_blank(byte: u8) -> bool {
    byte.is_ascii_whitespace() || matches!(byte, 0xC2 | 0xA0)
}

/// Where the first start tag `feedback` is, with or without a prefix, that another tag follows:
/// letters speak of "the `<feedback>` element".
fn find_root(bytes: &[u8]) -> Option<usize> {
    const NAME: usize = b"feedback".len();
    const PREFIX: usize = 56;
    // Where the next `>` is and whether a tag follows it: many names may stand before one `>`, and
    // much that is blank behind.
    let mut next_end = None;
    let ends = |byte: &u8| matches!(byte, b'>' | b'/' | b' ' | b'\t' | b'\r' | b'\n');
    let mut root_at = |last: usize| {
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
                let found = (at, behind.iter().find(|byte| !is_blank(**byte)) == Some(&b'<'));
                next_end = Some(found);
                found
            }
        };
        (is_followed && tag_end < end + 1024).then_some(start)
    };
    // The name is looked for by its rarest letter: there may be a `<` at every second byte. It has
    // one, at its end.
    let mut from = 0;
    loop {
        let last = from + memchr::memchr2(b'k', b'K', bytes.get(from..)?)?;
        if let Some(start) = root_at(last) {
            return Some(start);
        }
        from = last + NAME;
    }
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
            ("<feedback>\u{a0} \u{a0}<a>", Some(0)),
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
