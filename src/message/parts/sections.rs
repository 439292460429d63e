//! Sections: where the parts of a multipart body begin and end (RFC 2046 section 5.1.1).

use memchr::memmem::Finder;

/// The sections of a multipart body, between lines of two hyphens and the boundary.
pub(super) struct Sections<'x, 'd> {
    body: &'x [u8],
    delimiter: &'d str,
    finder: Finder<'d>,
    /// Where the section begins that comes next; nothing after the last one.
    next: Option<usize>,
    /// The last delimiter was met.
    pub(super) is_closed: bool,
    /// What stands in front of the first delimiter, and behind the last.
    outside: [&'x [u8]; 2],
}

/// A delimiter in a body.
struct Delimiter {
    /// Where it begins, the line's end before it included.
    start: usize,
    /// Where its own line's end is over.
    end: usize,
    is_last: bool,
}

impl<'x, 'd> Sections<'x, 'd> {
    pub(super) fn new(body: &'x [u8], delimiter: &'d str) -> Self {
        let finder = Finder::new(delimiter);
        let (next, is_closed) = (None, false);
        let mut sections = Sections { body, delimiter, finder, next, is_closed, outside: [b""; 2] };
        if let Some(first) = sections.delimiter(0).filter(|first| !first.is_last) {
            sections.outside[0] = &body[..first.start];
            sections.next = Some(first.end);
        }
        sections
    }

    /// What stands in front of the first delimiter, for programs that know nothing of MIME, and
    /// behind the last, once all sections were taken.
    pub(super) fn outside(&self) -> [&'x [u8]; 2] {
        self.outside
    }

    pub(super) fn next(&mut self) -> Option<&'x [u8]> {
        let start = self.next.take()?;
        let delimiter = self.delimiter(start);
        if let Some(last) = delimiter.as_ref().filter(|delimiter| delimiter.is_last) {
            self.outside[1] = &self.body[last.end..];
            self.is_closed = true;
        }
        self.next = delimiter
            .as_ref()
            .filter(|delimiter| !delimiter.is_last)
            .map(|delimiter| delimiter.end);
        // A mail that was cut off, or whose author forgot the last delimiter, has one more section.
        let end = delimiter.map_or(self.body.len(), |delimiter| delimiter.start.max(start));
        Some(&self.body[start..end])
    }

    /// The first delimiter from here on. It should stand at the beginning of a line, but not all
    /// mailers see to that.
    fn delimiter(&self, mut from: usize) -> Option<Delimiter> {
        loop {
            let at = from + self.finder.find(&self.body[from..])?;
            let rest = &self.body[at + self.delimiter.len()..];
            let (rest, is_last) =
                rest.strip_prefix(b"--").map_or((rest, false), |rest| (rest, true));
            // Not the beginning of a longer boundary.
            if rest.first().is_none_or(u8::is_ascii_whitespace) {
                let blanks =
                    rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r')).count();
                let line_end = usize::from(rest.get(blanks) == Some(&b'\n'));
                let before = &self.body[..at];
                let before = before
                    .strip_suffix(b"\n")
                    .map_or(before, |line| line.strip_suffix(b"\r").unwrap_or(line));
                return Some(Delimiter {
                    start: before.len(),
                    end: self.body.len() - rest.len() + blanks + line_end,
                    is_last,
                });
            }
            // A delimiter that overlaps this one is the end of a longer word, too.
            from = at + self.delimiter.len();
        }
    }
}
