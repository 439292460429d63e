//! Value: the text of an element.

use super::{Element, Walker, XmlStep};
use crate::report::{Text, Unreadable};

impl<'x> Walker<'x> {
    /// The text of the element just opened, up to its end, trimmed and cut at the limit. Markup
    /// within is dropped, and its text kept; an element of a report begins where the end tag was
    /// forgotten.
    pub(in crate::report) fn value(&mut self) -> Result<Text, Unreadable> {
        if let Some(text) = self.plain_value() {
            return Ok(with_line_feeds(text.trim().into()));
        }
        let depth = self.open.len();
        let mut value = Text::default();
        let mut cut = false;
        loop {
            match self.step()? {
                XmlStep::Text(text)
                    if self.open[depth..].iter().all(|open| *open == Element::Other) =>
                {
                    if self.open.len() > depth && !text.trim_ascii().is_empty() {
                        self.repairs.note("markup-in-value");
                    }
                    let room = self.limits.value_bytes.saturating_sub(value.len());
                    let end = text.floor_char_boundary(room);
                    cut |= end < text.len() && !text[end..].trim().is_empty();
                    // Most values come in one piece.
                    let piece =
                        if value.is_empty() { text[..end].trim_start() } else { &text[..end] };
                    value.push_str(piece);
                }
                XmlStep::Close if self.open.len() < depth => break,
                XmlStep::Open(tag) if tag != Element::Other && self.open.len() == depth + 1 => {
                    self.repairs.note("missing-end-tag");
                    self.open.truncate(depth - 1);
                    self.reopen = Some(tag);
                    break;
                }
                XmlStep::Text(_) | XmlStep::Open(_) | XmlStep::Close => {}
                XmlStep::End => return Err(self.cut_off()),
            }
        }
        if cut {
            self.repairs.note("value-cut");
        }
        let trimmed = value.trim_end().len();
        value.truncate(trimmed);
        Ok(with_line_feeds(value))
    }

    /// The text of the element just opened, if its end tag follows and there is nothing to mend or
    /// to cut, as nearly always.
    fn plain_value(&mut self) -> Option<&'x str> {
        let open = *self.open.last()?;
        let is_behind_tag = self.pending.is_none() && self.closing == 0 && self.reopen.is_none();
        if !is_behind_tag || open == Element::Other {
            return None;
        }
        // The text and the tag.
        let left = self.pieces.left.checked_sub(2)?;
        let text = self.tokens.text_to_end(open.name(), self.limits.value_bytes)?;
        self.pieces.left = left + usize::from(text.is_empty());
        self.open.pop();
        Some(text)
    }

    /// [`Walker::value`], with nothing for an empty element.
    pub(in crate::report) fn optional(&mut self) -> Result<Option<Text>, Unreadable> {
        self.value().map(|value| Some(value).filter(|value| !value.is_empty()))
    }

    /// [`Walker::children`], and the text around them, cut at the limit.
    pub(in crate::report) fn mixed(
        &mut self,
        mut child: impl FnMut(&mut Self, Element) -> Result<(), Unreadable>,
    ) -> Result<Text, Unreadable> {
        let depth = self.open.len();
        let mut all = Text::default();
        let (mut is_behind_child, mut cut) = (false, false);
        loop {
            match self.step()? {
                XmlStep::Open(tag) => {
                    child(self, tag)?;
                    is_behind_child = true;
                }
                XmlStep::Close if self.open.len() < depth => break,
                XmlStep::Text(text) if is_behind_child && text.trim_ascii().is_empty() => {}
                XmlStep::Text(text) => {
                    if is_behind_child && !all.is_empty() {
                        all.truncate(all.trim_end().len());
                        all.push(' ');
                    }
                    let begins = is_behind_child || all.is_empty();
                    let piece = if begins { text.trim_start() } else { &text[..] };
                    is_behind_child = false;
                    let end = piece
                        .floor_char_boundary(self.limits.value_bytes.saturating_sub(all.len()));
                    cut |= !piece[end..].trim().is_empty();
                    all.push_str(&piece[..end]);
                }
                XmlStep::Close => {}
                XmlStep::End => return Err(self.cut_off()),
            }
        }
        if cut {
            self.repairs.note("value-cut");
        }
        all.truncate(all.trim_end().len());
        Ok(with_line_feeds(all))
    }
}

/// Lines end as XML has them (XML 1.0 section 2.11), however the mail came: a value is the same on
/// each way.
fn with_line_feeds(value: Text) -> Text {
    if memchr::memchr(b'\r', value.as_bytes()).is_some() {
        value.replace("\r\n", "\n").replace('\r', "\n").into()
    } else {
        value
    }
}
