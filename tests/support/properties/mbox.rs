//! What holds for any file of mails.

use std::io::BufReader;

use email_report_processor::{
    file::Bytes,
    source::mbox::{Mbox, is_dated_separator, is_separator},
};

use super::limits_for;

/// A file of mails.
pub fn mbox(bytes: &[u8]) {
    let limit = limits_for(bytes).mail_bytes;
    // A tiny buffer, so that lines come in pieces.
    let capacity = 1 + bytes.first().map_or(0, |byte| usize::from(*byte));
    let read = |position: u64| -> Vec<_> {
        let rest = &bytes[usize::try_from(position).expect("it fits")..];
        let mails = Mbox::new(BufReader::with_capacity(capacity, rest), position, limit);
        mails.map(|mail| mail.expect("memory can be read")).collect()
    };
    let mails = read(0);
    assert_eq!(mails.is_empty(), bytes.is_empty());
    let mut position = 0;
    for (n, mail) in mails.iter().enumerate() {
        assert_eq!(mail.offset, position, "they follow one another");
        assert!(mail.end > mail.offset);
        position = mail.end;
        let range = usize::try_from(mail.offset).expect("it fits")
            ..usize::try_from(mail.end).expect("it fits");
        let piece = &bytes[range];
        let expected = unquoted(if n == 0 { without_lead(piece) } else { piece });
        // The blank line at the end counts for the limit, since it may be the last thing that is
        // read.
        match &mail.bytes {
            Bytes::Whole(content) => {
                assert!(content.len() as u64 <= limit);
                assert!(content == &expected, "what is between the separators is in the mail");
            }
            Bytes::TooLarge => assert!(expected.len() as u64 + 2 > limit),
            Bytes::Gone | Bytes::NotAFile => panic!("nobody took it"),
        }
        if n < 4 || n + 2 > mails.len() {
            assert!(read(mail.offset) == mails[n..], "reading goes on anywhere");
        }
    }
    assert_eq!(position, bytes.len() as u64, "to the end");
}

/// Without blank lines and a byte order mark in front of the first separator.
fn without_lead(piece: &[u8]) -> &[u8] {
    let mut rest = piece.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(piece);
    if is_separator(&rest[..line_length(rest)]) {
        return rest;
    }
    rest = piece;
    while let Some(behind) = rest.strip_prefix(b"\r\n").or_else(|| rest.strip_prefix(b"\n")) {
        rest = behind;
    }
    if is_separator(&rest[..line_length(rest)]) { rest } else { piece }
}

/// Of the first line as far as it is looked at.
fn line_length(text: &[u8]) -> usize {
    text.iter().take(1024).position(|byte| *byte == b'\n').map_or(text.len().min(1024), |at| at + 1)
}

/// The mail in a piece of an mbox: without separator, `>` and the last blank line.
fn unquoted(piece: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut begins = false;
    for (n, line) in piece.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let start = &line[..line.len().min(1024)];
        if n == 0 && is_separator(start) {
            begins = true;
            continue;
        }
        let is_first = n == usize::from(begins) && begins;
        assert!(is_first || !is_dated_separator(start), "no mail ends without being told");
        let quotes = start.iter().take_while(|byte| **byte == b'>').count();
        let is_quoted = quotes > 0 && start[quotes..].starts_with(b"From ");
        out.extend_from_slice(&line[usize::from(is_quoted)..]);
    }
    for blank in [&b"\r\n\r\n"[..], b"\n\n"] {
        if out.ends_with(blank) {
            out.truncate(out.len() - blank.len() / 2);
            break;
        }
    }
    out
}
