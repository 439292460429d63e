//! A pull reader for XML that strangers wrote: elements nest properly in what it returns, whatever
//! the text does.
//!
//! quick-xml finds the markup; this layer mends what is not well-formed: end tags that are missing
//! or do not match, `&` and `<` that were not escaped. Entities other than the five of XML and
//! character references are never resolved.

mod element;
mod nesting;
mod pieces;

use std::borrow::Cow;

use quick_xml::{
    Error, Reader,
    errors::SyntaxError,
    events::{BytesStart, Event},
};

pub(super) use self::{element::Element, pieces::Pieces};
use super::{Repairs, Text, Unreadable};
use crate::limits::{LimitExceeded, Limits};

const FORMAT: &str = "DMARC report";

/// What comes next in the text.
pub(super) enum XmlStep<'x> {
    /// An element begins.
    Open(Element),
    /// Character data, entities resolved.
    Text(Cow<'x, str>),
    /// The innermost open element ends.
    Close,
    /// The text is over; elements may still be open.
    End,
}

/// The reader; see the module.
pub(super) struct Walker<'x> {
    reader: Reader<&'x [u8]>,
    limits: Limits,
    open: Vec<Element>,
    /// Where the last piece of markup or text begins.
    last: usize,
    /// Elements still to be closed before the reader goes on: an end tag that matched further out.
    closing: usize,
    /// An element that was met where only text belongs, still to be reported.
    reopen: Option<Element>,
    /// The prefix of the report's first element, once it was met.
    prefix: Option<Text>,
    /// How many more pieces of markup and text may follow.
    pub(super) pieces: Pieces,
    /// Character data found while a tag was taken apart.
    pending: Option<Text>,
    /// What was mended.
    pub(super) repairs: Repairs,
}

impl<'x> Walker<'x> {
    pub(super) fn new(text: &'x str, limits: &Limits, pieces: Pieces, repairs: Repairs) -> Self {
        let mut reader = Reader::from_str(text);
        let config = reader.config_mut();
        config.allow_dangling_amp = true;
        config.allow_unmatched_ends = true;
        config.check_end_names = false;
        config.expand_empty_elements = true;
        Walker {
            reader,
            limits: limits.clone(),
            open: Vec::with_capacity(8),
            last: 0,
            closing: 0,
            reopen: None,
            prefix: None,
            pieces,
            pending: None,
            repairs,
        }
    }

    /// The tag of a qualified name. An element with another prefix than the report's is somebody's
    /// extension, whatever its local name (RFC 9990 section 4), but for a schema around the report.
    /// What has no prefix belongs to the report: some write it at the root only.
    fn tag(&mut self, name: &str) -> Element {
        // Most have no prefix.
        if let Some(tag) = Element::exact(name) {
            self.note_prefix(tag, "");
            return tag;
        }
        let (prefix, local) = name.rsplit_once(':').unwrap_or(("", name));
        let of_another = |own: &Text| !prefix.is_empty() && prefix != own.as_str();
        if self.prefix.as_ref().is_some_and(of_another) {
            return if local == "schema" { Element::Schema } else { Element::Other };
        }
        let tag = Element::of(local, &mut self.repairs);
        self.note_prefix(tag, prefix);
        tag
    }

    /// The first element of a report has the report's prefix.
    fn note_prefix(&mut self, tag: Element, prefix: &str) {
        if self.prefix.is_none()
            && matches!(tag, Element::Feedback | Element::ReportMetadata | Element::PolicyPublished)
        {
            self.prefix = Some(prefix.into());
        }
    }

    /// Where the reader stands: bytes from the beginning of the text.
    pub(super) fn offset(&self) -> usize {
        usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX)
    }

    /// Where the markup or text that was read last begins.
    pub(super) fn last_offset(&self) -> usize {
        self.last
    }

    /// Elements open at this point, outermost first.
    pub(super) fn open(&self) -> &[Element] {
        &self.open
    }

    /// The next step.
    ///
    /// # Errors
    /// The text is broken beyond repair, or nests deeper than allowed.
    pub(super) fn step(&mut self) -> Result<XmlStep<'x>, Unreadable> {
        loop {
            if let Some(text) = self.pending.take() {
                return Ok(XmlStep::Text(Cow::Owned(text.into())));
            }
            if self.closing > 0 {
                self.closing -= 1;
                self.open.pop();
                return Ok(XmlStep::Close);
            }
            if let Some(tag) = self.reopen.take() {
                return self.enter(tag);
            }
            let event = self.event()?;
            match event {
                Event::Start(start) => {
                    if let Some(step) = self.start_tag(&start)? {
                        return Ok(step);
                    }
                }
                Event::End(end) => {
                    let tag = self.tag(end.name().as_ref());
                    self.leave(tag);
                }
                Event::Text(text) => {
                    let text = text.into_inner();
                    if text.contains('&') {
                        self.repairs.note("unescaped-amp");
                    }
                    return Ok(XmlStep::Text(text));
                }
                Event::CData(data) => return Ok(XmlStep::Text(data.into_inner())),
                Event::GeneralRef(reference) => return Ok(XmlStep::Text(self.resolve(&reference))),
                Event::Eof => return Ok(XmlStep::End),
                Event::Empty(_)
                | Event::Comment(_)
                | Event::Decl(_)
                | Event::PI(_)
                | Event::DocType(_) => {}
            }
        }
    }

    /// The next piece of markup or text.
    fn event(&mut self) -> Result<Event<'x>, Unreadable> {
        let Some(left) = self.pieces.left.checked_sub(1) else {
            let error = self.limits.too_many_records();
            let (what, value) = ("pieces of XML in the reports of a mail", self.pieces.all as u64);
            return Err(LimitExceeded { what, value, ..error }.into());
        };
        self.pieces.left = left;
        self.last = self.offset();
        match self.reader.read_event() {
            Ok(event) => Ok(event),
            // `<!` of no known kind; all other errors of syntax are something that the end of the
            // text left open.
            Err(error @ Error::Syntax(SyntaxError::InvalidBangMarkup)) => Err(broken(&error)),
            Err(Error::Syntax(_)) => Err(self.cut_off()),
            Err(error) => Err(broken(&error)),
        }
    }

    /// What a start tag means; nothing if a `<` that was not escaped swallowed an end tag.
    fn start_tag(&mut self, start: &BytesStart) -> Result<Option<XmlStep<'x>>, Unreadable> {
        // Nothing to mend, and no attribute.
        if let Some(tag) = Element::exact(start) {
            self.note_prefix(tag, "");
            return self.begin(tag);
        }
        match start.rfind('<') {
            // `<email><reports@example.org></email>`
            None if start.contains('@') && start.name().as_ref().contains('@') => {
                self.repairs.note("unescaped-lt");
                self.pieces.keep();
                Ok(Some(XmlStep::Text(Cow::Owned(format!("<{}>", &**start)))))
            }
            None => {
                let tag = self.tag(start.name().as_ref());
                self.begin(tag)
            }
            // `bad<example.org</header_from>`
            Some(at) => {
                self.repairs.note("unescaped-lt");
                let inner = start[at + 1..].trim_end();
                self.pending = Some(Text::from(format!("<{}", &start[..at])));
                let (name, ends) =
                    inner.strip_prefix('/').map_or((inner, false), |name| (name, true));
                let tag = self.tag(name);
                if !ends {
                    // The text before it is dropped.
                    self.pending = None;
                    return self.begin(tag);
                }
                self.leave(tag);
                Ok(None)
            }
        }
    }

    /// The text of the element just opened, up to its end, trimmed and cut at the limit. Markup
    /// within is dropped, and its text kept; an element of a report begins where the end tag was
    /// forgotten.
    pub(super) fn value(&mut self) -> Result<Text, Unreadable> {
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

    /// [`Walker::value`], with nothing for an empty element.
    pub(super) fn optional(&mut self) -> Result<Option<Text>, Unreadable> {
        self.value().map(|value| Some(value).filter(|value| !value.is_empty()))
    }

    /// Passes over the rest of the element just opened, or up to an element of a kind in it, which
    /// is then open: true.
    pub(super) fn skip_to(&mut self, wanted: Option<Element>) -> Result<bool, Unreadable> {
        let depth = self.open.len();
        loop {
            match self.step()? {
                XmlStep::Close if self.open.len() < depth => return Ok(false),
                XmlStep::Open(tag) if Some(tag) == wanted => return Ok(true),
                XmlStep::End => return Err(self.cut_off()),
                _ => {}
            }
        }
    }

    /// Passes over the rest of the element just opened.
    pub(super) fn skip(&mut self) -> Result<(), Unreadable> {
        self.skip_to(None).map(|_| ())
    }

    /// Calls `child` for each child of the element just opened, up to its end; `child` consumes the
    /// element.
    pub(super) fn children(
        &mut self,
        mut child: impl FnMut(&mut Self, Element) -> Result<(), Unreadable>,
    ) -> Result<(), Unreadable> {
        let depth = self.open.len();
        loop {
            match self.step()? {
                XmlStep::Open(tag) => child(self, tag)?,
                XmlStep::Close if self.open.len() < depth => return Ok(()),
                XmlStep::Close | XmlStep::Text(_) => {}
                XmlStep::End => return Err(self.cut_off()),
            }
        }
    }

    /// [`Walker::children`], and the text around them, cut at the limit.
    pub(super) fn mixed(
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

    /// The error for a text that ends where it must not.
    pub(super) fn cut_off(&self) -> Unreadable {
        let known: Vec<&str> =
            self.open.iter().filter(|tag| **tag != Element::Other).map(|tag| tag.name()).collect();
        let reason = format!("it is cut off inside {}", known.join("/"));
        Unreadable::Broken { format: FORMAT, reason }
    }

    /// The text of `&name;`: the five of XML and character references; any other stands for itself.
    fn resolve(&mut self, reference: &str) -> Cow<'x, str> {
        if let Some(text) = quick_xml::escape::resolve_xml_entity(reference) {
            return Cow::Borrowed(text);
        }
        let number = reference.strip_prefix('#').and_then(|digits| {
            let code = match digits.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => digits.parse().ok()?,
            };
            char::from_u32(code).filter(|character| *character != '\0')
        });
        if let Some(character) = number {
            return Cow::Owned(character.to_string());
        }
        self.repairs.note("unknown-entity");
        Cow::Owned(format!("&{reference};"))
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

fn broken(error: &quick_xml::Error) -> Unreadable {
    Unreadable::Broken { format: FORMAT, reason: error.to_string() }
}
