//! Tokens: tags, and the texts between them, one behind the other.
//!
//! Tags without attributes and texts without `&` are found here, which is nearly all there is;
//! quick-xml finds the rest. It would find these, too, but checks the encoding of each token.

use quick_xml::{
    Error, Reader,
    events::{BytesEnd, Event},
};

/// A piece of a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Token<'x> {
    /// `<name>`
    Start(&'x str),
    /// `</name>`
    End(&'x str),
    /// Not empty, and without `<` and `&`.
    Text(&'x str),
    /// Anything else, and the end.
    Other(Event<'x>),
}

/// A text, and how far it was read.
pub(super) struct Tokens<'x> {
    text: &'x str,
    at: usize,
    /// The end of an element that was `<name/>`.
    end: Option<BytesEnd<'static>>,
}

impl<'x> Tokens<'x> {
    pub(super) fn new(text: &'x str) -> Self {
        Tokens { text, at: 0, end: None }
    }

    /// Where the next token begins: bytes from the beginning of the text.
    pub(super) fn offset(&self) -> usize {
        self.at
    }

    /// The next token.
    pub(super) fn next(&mut self) -> Result<Token<'x>, Error> {
        if let Some(end) = self.end.take() {
            return Ok(Token::Other(Event::End(end)));
        }
        let rest = &self.text[self.at..];
        match rest.as_bytes().first() {
            None => Ok(Token::Other(Event::Eof)),
            Some(b'<') => match plain_tag(rest) {
                Some((token, length)) => {
                    self.at += length;
                    Ok(token)
                }
                None => self.other(rest),
            },
            Some(b'&') => self.other(rest),
            Some(_) => {
                let text = &rest[..text_length(rest)];
                self.at += text.len();
                Ok(Token::Text(text))
            }
        }
    }

    /// The text in front of the end tag of this name, of at most so many bytes, if nothing else
    /// comes before it; the next token is the one behind the tag.
    pub(super) fn text_to_end(&mut self, name: &str, longest: usize) -> Option<&'x str> {
        let rest = &self.text[self.at..];
        let (text, tag) = rest.split_at(text_length(rest));
        let behind = tag.strip_prefix("</")?.strip_prefix(name)?.strip_prefix('>')?;
        if text.len() > longest || self.end.is_some() {
            return None;
        }
        self.at = self.text.len() - behind.len();
        Some(text)
    }

    fn other(&mut self, rest: &'x str) -> Result<Token<'x>, Error> {
        let mut reader = Reader::from_str(rest);
        let config = reader.config_mut();
        config.allow_dangling_amp = true;
        config.allow_unmatched_ends = true;
        config.check_end_names = false;
        let event = reader.read_event();
        self.at += usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
        Ok(Token::Other(match event? {
            Event::Empty(start) => {
                self.end = Some(BytesEnd::new(start.name().as_ref().to_owned()));
                Event::Start(start)
            }
            event => event,
        }))
    }
}

fn text_length(rest: &str) -> usize {
    memchr::memchr2(b'<', b'&', rest.as_bytes()).unwrap_or(rest.len())
}

/// A tag that is nothing but a name, and its length.
fn plain_tag(rest: &str) -> Option<(Token<'_>, usize)> {
    let bytes = rest.as_bytes();
    let is_end = bytes.get(1) == Some(&b'/');
    let begin = if is_end { 2 } else { 1 };
    let is_of_name =
        |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':');
    let end = begin + bytes[begin..].iter().take_while(is_of_name).count();
    if end == begin || bytes.get(end) != Some(&b'>') {
        return None;
    }
    let name = &rest[begin..end];
    Some((if is_end { Token::End(name) } else { Token::Start(name) }, end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What all of them are, as text, with the place behind each.
    fn ours(text: &str) -> Vec<String> {
        let mut tokens = Tokens::new(text);
        let mut all = Vec::new();
        loop {
            let next = tokens.next();
            let event = match next {
                Ok(Token::Other(Event::Eof)) => return all,
                Ok(Token::Start(name)) => format!("start {name}"),
                Ok(Token::End(name)) => format!("end {name}"),
                Ok(Token::Text(text)) => format!("text {text}"),
                Ok(Token::Other(event)) => told(&event),
                Err(error) => {
                    all.push(error.to_string());
                    return all;
                }
            };
            all.push(format!("{event} {}", tokens.offset()));
        }
    }

    fn told(event: &Event) -> String {
        match event {
            Event::Start(start) => format!("start {}", &**start),
            Event::End(end) => format!("end {}", &**end),
            Event::Text(text) => format!("text {}", &**text),
            other => format!("{other:?}"),
        }
    }

    /// The same by quick-xml alone.
    fn theirs(text: &str) -> Vec<String> {
        let mut reader = Reader::from_str(text);
        let config = reader.config_mut();
        config.allow_dangling_amp = true;
        config.allow_unmatched_ends = true;
        config.check_end_names = false;
        config.expand_empty_elements = true;
        let mut all = Vec::new();
        loop {
            match reader.read_event() {
                Ok(Event::Eof) => return all,
                Ok(event) => all.push(format!("{} {}", told(&event), reader.buffer_position())),
                Err(error) => {
                    all.push(error.to_string());
                    return all;
                }
            }
        }
    }

    #[test]
    fn they_are_those_that_quick_xml_finds() {
        const PIECES: [&str; 26] = [
            "<a>",
            "</a>",
            "<a",
            ">",
            "</",
            "<",
            "/>",
            "&amp;",
            "&",
            ";",
            " ",
            "x",
            "ü",
            "a:b",
            "=",
            "'",
            "\"",
            "<!--",
            "-->",
            "<![CDATA[",
            "]]>",
            "<?xml",
            "?>",
            "<!DOCTYPE a",
            "\u{FEFF}",
            "<a.b-c:d_1>",
        ];
        let mut random = 1_u64;
        let mut next = || {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            usize::try_from(random >> 40).expect("24 bits")
        };
        for _ in 0..20_000 {
            // In front of all else quick-xml takes a byte order mark away.
            let text: String =
                (0..next() % 12).fold("x".to_owned(), |text, _| text + PIECES[next() % 26]);
            assert_eq!(ours(&text), theirs(&text), "{text}");
        }
    }
}
