//! Header fields as bytes: where mail-parser is not asked, or must not be.

/// True if the bytes begin with a header field, as in `Received: from …`.
pub(in crate::message) fn starts_with_field(bytes: &[u8]) -> bool {
    let name = bytes.iter().position(|byte| !matches!(byte, b'!'..=b'9' | b';'..=b'~'));
    name.is_some_and(|end| end > 0 && bytes[end] == b':')
}

/// The mail without the `From …` line of an mbox on top, which Postfix puts in front of what it
/// pipes: no field has a name like that, and mail-parser gives up at it. A mail that was in
/// `.failed` has the reason above it.
pub(in crate::message) fn without_from_line(bytes: &[u8]) -> &[u8] {
    let (mut rest, mut mail) = (bytes, bytes);
    while let Some((line, below)) = memchr::memchr(b'\n', rest).map(|end| rest.split_at(end + 1)) {
        let from = line.strip_prefix(b">").unwrap_or(line).strip_prefix(b"From ");
        // `From : a@example.org` is a field, if an old one.
        let is_from = from.is_some_and(|from| !from.trim_ascii_start().starts_with(b":"));
        if is_from && starts_with_field(below) {
            mail = below;
        } else if !is_from && !line.starts_with(REASON_FIELD) {
            break;
        }
        rest = below;
    }
    mail
}

/// In front of a mail in `.failed`.
const REASON_FIELD: &[u8] = b"X-Email-Report-Processor-Error:";

/// True for Content-Type and Content-Disposition, as mail-parser reads names: blanks in them and
/// colons in front do not count.
pub(super) fn is_content_field(field: &[u8]) -> bool {
    let name =
        field.iter().filter(|byte| !byte.is_ascii_whitespace()).skip_while(|byte| **byte == b':');
    [&b"content-type"[..], b"content-disposition"].iter().any(|content| {
        let mut name = name.clone();
        content
            .iter()
            .all(|letter| name.next().is_some_and(|byte| byte.to_ascii_lowercase() == *letter))
    })
}

/// Where a mail's usual fields are looked for.
pub(in crate::message) const MAIL_HEAD: usize = 16 << 10;

/// Gateways may have put so many bytes of header on top of them.
const LONG_HEAD: usize = 256 << 10;

/// True if the bytes begin with a header field, and one that mails have is among the first, or in
/// front of the first empty line.
pub(in crate::message) fn looks_like_mail(bytes: &[u8]) -> bool {
    let bytes = without_from_line(bytes);
    let long = &bytes[..bytes.len().min(LONG_HEAD)];
    let ends = |at: &usize| matches!(&long[at + 1..], [b'\n', ..] | [b'\r', b'\n', ..]);
    let header = memchr::memchr_iter(b'\n', long).find(ends).unwrap_or(long.len());
    let head = &long[..header.max(MAIL_HEAD).min(long.len())];
    starts_with_field(bytes)
        && [&b"from:"[..], b"subject:", b"mime-version:", b"content-type:"].iter().any(|header| {
            let is_here = |at: usize| {
                head[at..].get(..header.len()).is_some_and(|name| name.eq_ignore_ascii_case(header))
            };
            is_here(0) || memchr::memchr_iter(b'\n', head).any(|line_end| is_here(line_end + 1))
        })
}
