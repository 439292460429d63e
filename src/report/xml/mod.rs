//! A pull reader for XML that strangers wrote: elements nest properly in what it returns, whatever
//! the text does.
//!
//! [`tokens`] finds the markup, with quick-xml; this layer mends what is not well-formed: end tags
//! that are missing or do not match, `&` and `<` that were not escaped. Entities other than the five
//! of XML and character references are never resolved.

mod element;
mod nesting;
mod pieces;
mod tokens;
mod value;

use std::borrow::Cow;

use quick_xml::{
    Error,
    errors::SyntaxError,
    events::{BytesStart, Event},
};

use self::tokens::{Token, Tokens};
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
    tokens: Tokens<'x>,
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
        Walker {
            tokens: Tokens::new(text),
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
        self.tokens.offset()
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
            match self.token()? {
                Token::Start(name) => {
                    let tag = self.tag(name);
                    if let Some(step) = self.begin(tag)? {
                        return Ok(step);
                    }
                }
                Token::End(name) => {
                    let tag = self.tag(name);
                    self.leave(tag);
                }
                Token::Text(text) => return Ok(XmlStep::Text(Cow::Borrowed(text))),
                Token::Other(event) => {
                    if let Some(step) = self.other(event)? {
                        return Ok(step);
                    }
                }
            }
        }
    }

    /// What a token means that is not as plain as most.
    fn other(&mut self, event: Event<'x>) -> Result<Option<XmlStep<'x>>, Unreadable> {
        Ok(Some(match event {
            Event::Start(start) => return self.start_tag(&start),
            Event::End(end) => {
                let tag = self.tag(end.name().as_ref());
                self.leave(tag);
                return Ok(None);
            }
            Event::Text(text) => {
                let text = text.into_inner();
                if text.contains('&') {
                    self.repairs.note("unescaped-amp");
                }
                XmlStep::Text(text)
            }
            Event::CData(data) => XmlStep::Text(data.into_inner()),
            Event::GeneralRef(reference) => XmlStep::Text(self.resolve(&reference)),
            Event::Eof => XmlStep::End,
            Event::Empty(_)
            | Event::Comment(_)
            | Event::Decl(_)
            | Event::PI(_)
            | Event::DocType(_) => return Ok(None),
        }))
    }

    /// The next piece of markup or text.
    fn token(&mut self) -> Result<Token<'x>, Unreadable> {
        let Some(left) = self.pieces.left.checked_sub(1) else {
            let error = self.limits.too_many_records();
            let (what, value) = ("pieces of XML in the reports of a mail", self.pieces.all as u64);
            return Err(LimitExceeded { what, value, ..error }.into());
        };
        self.pieces.left = left;
        self.last = self.offset();
        match self.tokens.next() {
            Ok(token) => {
                if let Token::Other(_) = token {
                    self.pieces.left = left.saturating_sub(1);
                }
                Ok(token)
            }
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

fn broken(error: &quick_xml::Error) -> Unreadable {
    Unreadable::Broken { format: FORMAT, reason: error.to_string() }
}
