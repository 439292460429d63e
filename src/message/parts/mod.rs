//! Parts: takes a mail apart into its MIME parts (RFC 2045, RFC 2046). mail-parser reads the header
//! fields.
//!
//! Where parts begin and end is found here and not by mail-parser, which has no limits: it goes
//! into mails within mails as deep as they are (and overflows the stack when it gives them back),
//! looks for each boundary to the end of the mail, and keeps 200 bytes in memory for a header field
//! of four.

mod fields;
mod part;
mod sections;

use std::{convert::Infallible, sync::LazyLock};

use mail_parser::{HeaderName, Message, MessageParser, MessagePart, MimeHeaders};

pub(super) use self::{
    fields::{MAIL_HEAD, looks_like_mail},
    part::{Named, Part},
};
use self::{
    fields::{is_content_field, starts_with_field, without_from_line},
    part::Encoding,
    sections::Sections,
};
use crate::{
    limits::{LimitExceeded, Limits},
    message::encoded::{has_file_in_words, is_file_within, next_line},
    payload::Payload,
    report,
};

/// Only the fields that something is done with.
static PARSER: LazyLock<MessageParser> = LazyLock::new(|| {
    MessageParser::new()
        .header_content_type(HeaderName::ContentType)
        .header_content_type(HeaderName::ContentDisposition)
        .header_text(HeaderName::ContentTransferEncoding)
        .header_address(HeaderName::From)
        .header_date(HeaderName::Date)
        .header_id(HeaderName::MessageId)
        .header_received(HeaderName::Received)
        .default_header_ignore()
});

/// A mail taken apart.
pub(super) struct MimeMail<'x> {
    /// Its header, and nothing else.
    pub(super) header: Message<'x>,
    /// The parts that are not made of parts, in order.
    pub(super) parts: Vec<Part<'x>>,
}

/// What was seen of a mail, mails within it included.
#[derive(Default)]
pub(super) struct Seen {
    parts: usize,
    header_bytes: u64,
    fields: usize,
    /// A multipart has no end.
    is_open: bool,
    /// Bytes that were searched for boundaries, and how many may be.
    searched: usize,
    searchable: usize,
}

impl Seen {
    /// Of a mail of so many bytes.
    pub(super) fn of(mail_bytes: usize) -> Seen {
        Seen { searchable: SEARCHED_TIMES * mail_bytes.max(SEARCHED_BYTES), ..Seen::default() }
    }

    /// True if a multipart has no end: it may break off, or its author forgot it.
    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Lines of headers.
    pub(super) fn fields(&self) -> usize {
        self.fields
    }
}

/// Lines in the headers of a mail; mail-parser keeps 200 bytes in memory for each field.
const FIELDS: usize = 20_000;

/// How often the bytes of a mail, or these, are searched for boundaries: once for each multipart
/// that they are in.
const SEARCHED_TIMES: usize = 8;
const SEARCHED_BYTES: usize = 8 << 20;

/// Bytes of a boundary; RFC 2046 section 5.1.1 allows 70.
const BOUNDARY_BYTES: usize = 998;

/// Multiparts in multiparts. Mailing lists, signatures and virus scanners put one around the other;
/// ten have been seen.
const MULTIPARTS: usize = 32;

/// Bytes of a field with parameters. mail-parser takes time with the square of their number.
const CONTENT_TYPE_BYTES: usize = 4096;

/// Takes a mail apart; nothing if it has neither a header field nor an empty line.
pub(super) fn split<'x>(
    bytes: &'x [u8],
    limits: &Limits,
    seen: &mut Seen,
) -> Result<Option<MimeMail<'x>>, LimitExceeded> {
    let mut splitter = Splitter { limits, seen, parts: Vec::new() };
    let Some((header, body)) = splitter.header(without_from_line(bytes))? else { return Ok(None) };
    splitter.entity(&header, body, false, MULTIPARTS)?;
    let parts = splitter.parts;
    Ok(Some(MimeMail { header, parts }))
}

struct Splitter<'x, 'l> {
    limits: &'l Limits,
    seen: &'l mut Seen,
    parts: Vec<Part<'x>>,
}

impl<'x> Splitter<'x, '_> {
    /// The header at the beginning, and what follows it; nothing if there is no header.
    fn header(
        &mut self,
        bytes: &'x [u8],
    ) -> Result<Option<(Message<'x>, &'x [u8])>, LimitExceeded> {
        let room = self.limits.header_bytes.saturating_sub(self.seen.header_bytes);
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        let (mut end, mut field_start, mut lines) = (0, 0, 0);
        let mut ends = false;
        while !ends && end < bytes.len() {
            // No line is looked at beyond what is left of the limit.
            let look_at =
                &bytes[end..bytes.len().min(end.saturating_add(room - end).saturating_add(1))];
            let length = memchr::memchr(b'\n', look_at).map_or(look_at.len(), |at| at + 1);
            if !matches!(look_at.first(), Some(b' ' | b'\t')) {
                self.check_field(&bytes[field_start..end])?;
                field_start = end;
            }
            end += length;
            lines += 1;
            let error = if self.seen.fields + lines > FIELDS {
                let (what, value) = ("lines in the header of a mail", FIELDS as u64);
                Some(LimitExceeded { what, value, ..self.limits.too_long_header() })
            } else {
                (end > room).then(|| self.limits.too_long_header())
            };
            if let Some(error) = error {
                // A file without lines is no mail with a long header.
                return if starts_with_field(bytes) { Err(error) } else { Ok(None) };
            }
            ends = look_at[..length].iter().all(|byte| matches!(byte, b'\r' | b'\n'));
        }
        self.check_field(&bytes[field_start..end])?;
        self.seen.header_bytes += end as u64;
        self.seen.fields += lines;
        if let Some(early) = early_body(bytes, end) {
            (end, ends) = (early, early > 0);
        }
        let (header, body) = bytes.split_at(end);
        let parsed = PARSER.parse_headers(header);
        Ok(if ends || parsed.is_some() {
            Some((parsed.unwrap_or_else(empty_header), body))
        } else {
            None
        })
    }

    /// Refuses what mail-parser would take too long for.
    fn check_field(&self, field: &[u8]) -> Result<(), LimitExceeded> {
        if field.len() <= CONTENT_TYPE_BYTES || !is_content_field(field) {
            return Ok(());
        }
        let error = self.limits.too_long_header();
        Err(LimitExceeded {
            what: "bytes in a field Content-Type or Content-Disposition",
            value: CONTENT_TYPE_BYTES as u64,
            ..error
        })
    }

    /// Counts bytes that are searched for a boundary.
    fn search(&mut self, body: &[u8], boundary: &str) -> Result<(), LimitExceeded> {
        if boundary.len() > BOUNDARY_BYTES {
            let error = self.limits.too_long_header();
            return Err(LimitExceeded {
                what: "bytes in a boundary",
                value: BOUNDARY_BYTES as u64,
                ..error
            });
        }
        self.seen.searched += body.len();
        if self.seen.searched > self.seen.searchable {
            let value = self.seen.searchable as u64;
            let error = self.limits.nested_too_deep();
            return Err(LimitExceeded {
                what: "bytes searched for boundaries, once a multipart",
                value,
                ..error
            });
        }
        Ok(())
    }

    /// Takes in what has this header: a part, or parts within it. What says nothing of its type is
    /// a mail in a digest (RFC 2046 section 5.1.5).
    fn entity(
        &mut self,
        header: &Message,
        body: &'x [u8],
        in_digest: bool,
        multiparts: usize,
    ) -> Result<(), LimitExceeded> {
        self.seen.parts += 1;
        if self.seen.parts > self.limits.parts {
            return Err(self.limits.too_many_parts());
        }
        let content_type = header.content_type();
        let (kind, subtype) = match content_type {
            Some(content_type) => {
                (content_type.ctype(), content_type.subtype().unwrap_or_default())
            }
            None if in_digest => ("message", "rfc822"),
            None => ("text", "plain"),
        };
        if kind == "multipart"
            && let Some(boundary) =
                content_type.and_then(|content_type| content_type.attribute("boundary"))
            && !boundary.is_empty()
            && self.sections(body, boundary, subtype == "digest", multiparts)?
        {
            return Ok(());
        }
        let encoding = header.content_transfer_encoding().unwrap_or_default();
        let encoding = match encoding.split([' ', '\t', ';', '(']).next().unwrap_or_default() {
            name if name.eq_ignore_ascii_case("base64") => Encoding::Base64,
            name if name.eq_ignore_ascii_case("quoted-printable") => Encoding::QuotedPrintable,
            _ => Encoding::None,
        };
        self.parts.push(Part {
            kind: kind.into(),
            subtype: subtype.into(),
            encoding,
            named: named(header),
            raw: body,
        });
        Ok(())
    }

    /// Takes in what stands between boundaries; false if there is none.
    fn sections(
        &mut self,
        body: &'x [u8],
        boundary: &str,
        in_digest: bool,
        multiparts: usize,
    ) -> Result<bool, LimitExceeded> {
        self.search(body, boundary)?;
        let delimiter = format!("--{boundary}");
        let mut sections = Sections::new(body, &delimiter);
        let Some(multiparts) = multiparts.checked_sub(1) else {
            let (what, value) = ("levels of multiparts in each other", MULTIPARTS as u64);
            let error = LimitExceeded { what, value, ..self.limits.nested_too_deep() };
            return if sections.next().is_some() { Err(error) } else { Ok(false) };
        };
        let mut any = false;
        while let Some(section) = sections.next() {
            any = true;
            if let Some((header, body)) = self.header(section)? {
                self.entity(&header, body, in_digest, multiparts)?;
            } else if !section.trim_ascii().is_empty() {
                // There is none.
                self.entity(&empty_header(), section, in_digest, multiparts)?;
            }
        }
        // With no section at all it may just have begun.
        self.seen.is_open |= !sections.is_closed;
        // Gateways put texts there.
        for text in sections.outside().into_iter().filter(|text| any && is_more_than_words(text)) {
            self.entity(&empty_header(), text, in_digest, multiparts)?;
        }
        Ok(any)
    }
}

/// True if there is, or may be, a report in a text.
fn is_more_than_words(text: &[u8]) -> bool {
    !text.trim_ascii().is_empty()
        && (report::is_in(text)
            || is_file_within(text, |_| Ok::<_, Infallible>(())) == Ok(true)
            || has_file_in_words(text)
            || Payload::is_archive_within(text))
}

/// Methods of a message without a part would panic.
fn empty_header<'x>() -> Message<'x> {
    Message { parts: vec![MessagePart::default()], ..Message::default() }
}

/// Where the body begins in what was taken for a header, up to `end`: some forget the empty line,
/// or the header as well, and the next empty line may be anywhere or nowhere. Nothing if the header
/// is one.
fn early_body(bytes: &[u8], end: usize) -> Option<usize> {
    let mut fields_end = 0;
    while let Some((line, _)) = next_line(&bytes[fields_end..end]) {
        let is_folded = fields_end > 0 && matches!(line.first(), Some(b' ' | b'\t'));
        if !is_folded && (!starts_with_field(line) || matches!(line[0], b'<' | b'{' | b'"')) {
            break;
        }
        fields_end += line.len();
    }
    let doubtful = &bytes[fields_end..end];
    let is_body = !doubtful.trim_ascii().is_empty()
        && (bytes[end..].trim_ascii().is_empty()
            || doubtful.starts_with(b"--")
            || report::is_in(doubtful));
    is_body.then_some(fields_end)
}

/// What the names of a file say, of which it may have two.
fn named(header: &Message) -> Named {
    let in_disposition = header.content_disposition().and_then(|field| field.attribute("filename"));
    let in_type = header.content_type().and_then(|field| field.attribute("name"));
    in_disposition.into_iter().chain(in_type).map(Named::of).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Repairs;

    fn parts(mail: &str) -> Vec<String> {
        let mail = split(mail.as_bytes(), &Limits::default(), &mut Seen::of(mail.len()))
            .expect("within the limits");
        let text = |part: &Part| {
            let bytes = part.bytes(&mut Repairs::default());
            format!("{}/{} {:?}", part.kind, part.subtype, String::from_utf8_lossy(&bytes))
        };
        mail.expect("a mail").parts.iter().map(text).collect()
    }

    #[test]
    fn parts_end_where_a_delimiter_begins() {
        let mail = "Content-Type: Multipart/Mixed;\r\n\tboundary=\"b\"\r\n\r\npreamble\r\n--b\r\n\r\none\r\n--b2\r\n\
                    --b  \r\nContent-Type: text/x; y=\"--b\"\n\ntwo--b\n\n\n--b--\nepilogue\n--b\n\nthree";
        assert_eq!(
            parts(mail),
            [r#"text/plain "one\r\n--b2""#, r#"text/x "two""#, r#"text/plain """#]
        );
        // The last delimiter may be missing.
        assert_eq!(
            parts("Content-Type: multipart/x; boundary=b\n\n--b\n\none\n"),
            [r#"text/plain "one\n""#]
        );
        assert_eq!(
            parts("Content-Type: multipart/x; boundary=b\n\nnone"),
            [r#"multipart/x "none""#]
        );
    }

    #[test]
    fn boundaries_may_be_the_beginning_of_each_other() {
        let mail = "Content-Type: multipart/x; boundary=b\n\n--b\nContent-Type: multipart/y; boundary=b-1\n\n\
                    --b-1\n\none\n--b-1--\n--b\n\ntwo\n--b--\n";
        assert_eq!(parts(mail), [r#"text/plain "one""#, r#"text/plain "two""#]);
    }

    #[test]
    fn in_a_digest_a_part_is_a_mail() {
        let mail = "Content-Type: multipart/digest; boundary=b\n\n--b\n\nFrom: a\n\nx\n--b--";
        assert_eq!(parts(mail), [r#"message/rfc822 "From: a\n\nx""#]);
    }
}
