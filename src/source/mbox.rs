//! mbox files (mboxo and mboxrd, RFC 4155), streamed: one mail in memory at a time.

use std::io::{self, BufRead};

use super::Bytes;

/// A line is looked at no further than this for being a separator.
const SEPARATOR_BYTES: usize = 1024;

/// One mail in an mbox.
#[derive(Debug, PartialEq, Eq)]
pub struct MboxMail {
    /// Where its separator line begins, in bytes from the start of the file.
    pub offset: u64,
    /// Where the next one's separator begins.
    pub end: u64,
    /// The mail, without separator, `>From ` unquoted.
    pub bytes: Bytes,
}

/// Reads mails from an mbox.
#[derive(Debug)]
pub struct Mbox<R> {
    input: R,
    limit: u64,
    position: u64,
    /// Where the separator line just read began; nothing before the first one.
    separator: Option<u64>,
    ended: bool,
}

impl<R: BufRead> Mbox<R> {
    /// Reads from `input`, which stands at byte `position` of the file; mails above `limit` bytes
    /// are passed over.
    pub fn new(input: R, position: u64, limit: u64) -> Self {
        Mbox { input, limit, position, separator: None, ended: false }
    }

    /// The byte of the file that is read next.
    pub fn position(&self) -> u64 {
        self.position
    }

    fn next_mail(&mut self) -> io::Result<Option<MboxMail>> {
        if self.ended {
            return Ok(None);
        }
        let mut mail = Vec::new();
        let mut too_large = false;
        let mut line = Vec::new();
        // Behind a separator the mail begins, whatever its first line is: the same whether the mail
        // before was read or not.
        let mut after_blank = self.separator.is_none();
        loop {
            line.clear();
            let start = self.position;
            let complete = self.read_line(&mut line)?;
            if line.is_empty() {
                self.ended = true;
                return Ok(self
                    .separator
                    .take()
                    .map(|offset| finish(offset, start, mail, too_large)));
            }
            if after_blank && is_separator(&line) {
                if !complete {
                    self.skip_line()?;
                }
                if let Some(offset) = self.separator.replace(start) {
                    return Ok(Some(finish(offset, start, mail, too_large)));
                }
                after_blank = false;
                continue;
            }
            if self.separator.is_none() {
                // What stands before the first separator is no mail, unless the file has none at
                // all.
                self.separator = Some(start);
            }
            after_blank = matches!(line.as_slice(), b"\n" | b"\r\n");
            let unquoted = unquote(&line);
            if !too_large {
                mail.extend_from_slice(unquoted);
            }
            if !complete {
                self.read_rest(&mut mail, &mut too_large)?;
            }
            if mail.len() as u64 > self.limit {
                too_large = true;
                mail = Vec::new();
            }
        }
    }

    /// Reads a line, or the first part of a long one; true if it is complete.
    fn read_line(&mut self, line: &mut Vec<u8>) -> io::Result<bool> {
        let read =
            io::Read::take(&mut self.input, SEPARATOR_BYTES as u64).read_until(b'\n', line)?;
        self.position += read as u64;
        Ok(read < SEPARATOR_BYTES || line.ends_with(b"\n"))
    }

    /// Reads the rest of a long line into the mail, as far as the limit allows.
    fn read_rest(&mut self, mail: &mut Vec<u8>, too_large: &mut bool) -> io::Result<()> {
        loop {
            let available = self.input.fill_buf()?;
            let (used, ended) = match memchr::memchr(b'\n', available) {
                Some(at) => (at + 1, true),
                None => (available.len(), available.is_empty()),
            };
            if !*too_large {
                mail.extend_from_slice(&available[..used]);
            }
            self.input.consume(used);
            self.position += used as u64;
            if mail.len() as u64 > self.limit {
                *too_large = true;
                *mail = Vec::new();
            }
            if ended {
                return Ok(());
            }
        }
    }

    fn skip_line(&mut self) -> io::Result<()> {
        self.read_rest(&mut Vec::new(), &mut true)
    }
}

impl<R: BufRead> Iterator for Mbox<R> {
    type Item = io::Result<MboxMail>;

    fn next(&mut self) -> Option<io::Result<MboxMail>> {
        let next = self.next_mail().transpose();
        if matches!(next, Some(Err(_))) {
            self.ended = true;
        }
        next
    }
}

fn finish(offset: u64, end: u64, mut mail: Vec<u8>, too_large: bool) -> MboxMail {
    if too_large {
        return MboxMail { offset, end, bytes: Bytes::TooLarge };
    }
    // The blank line before the next separator belongs to the mbox, not to the mail.
    if mail.ends_with(b"\n\n") {
        mail.pop();
    } else if mail.ends_with(b"\r\n\r\n") {
        mail.truncate(mail.len() - 2);
    }
    MboxMail { offset, end, bytes: Bytes::Whole(mail) }
}

/// `From `, somebody, and a time: a sentence in a letter that begins with "From " has none.
pub fn is_separator(line: &[u8]) -> bool {
    line.strip_prefix(b"From ").is_some_and(|rest| {
        rest.windows(3).any(|w| w[0].is_ascii_digit() && w[1] == b':' && w[2].is_ascii_digit())
    })
}

/// Takes one `>` off a quoted `From ` (mboxrd; for mboxo the same, since it never quotes more than
/// once).
fn unquote(line: &[u8]) -> &[u8] {
    let quotes = line.iter().take_while(|byte| **byte == b'>').count();
    if quotes > 0 && line[quotes..].starts_with(b"From ") { &line[1..] } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, limit: u64) -> Vec<(u64, u64, Option<String>)> {
        // A tiny buffer, so that lines come in pieces.
        let input = io::BufReader::with_capacity(7, text.as_bytes());
        let mails = Mbox::new(input, 0, limit).map(|mail| mail.expect("memory can be read"));
        mails
            .map(|mail| match mail.bytes {
                Bytes::Whole(bytes) => {
                    (mail.offset, mail.end, Some(String::from_utf8(bytes).expect("UTF-8")))
                }
                _ => (mail.offset, mail.end, None),
            })
            .collect()
    }

    #[test]
    fn mails_are_split_at_separators_only() {
        let text = "From a@b Mon Jan  1 00:00:00 2024\nA: 1\n\nFrom here on it is text.\n>From x\n>>From y\n\n\
                    From a@b Mon Jan  1 00:00:00 2024\nB: 2\nFrom a@b Mon Jan  1 00:00:00 2024\n";
        let second = text.find("From a@b Mon Jan  1 00:00:00 2024\nB").expect("there") as u64;
        let all = text.len() as u64;
        let first = "A: 1\n\nFrom here on it is text.\nFrom x\n>From y\n";
        let last = "B: 2\nFrom a@b Mon Jan  1 00:00:00 2024\n";
        assert_eq!(
            read(text, 1000),
            [(0, second, Some(first.into())), (second, all, Some(last.into()))]
        );
        assert_eq!(read(text, 40), [(0, second, None), (second, all, Some(last.into()))]);
    }

    #[test]
    fn nothing_gives_nothing_and_one_mail_without_separator_is_one_mail() {
        assert_eq!(read("", 10), []);
        assert_eq!(read("A: 1\n\nb", 100), [(0, 7, Some("A: 1\n\nb".into()))]);
    }

    #[test]
    fn a_long_line_is_kept_whole() {
        let line = "x".repeat(5000);
        let text = format!("From a 0:0\n\n{line}\n\nFrom {line} 1:1\n\ny\n");
        let mails = read(&text, 20_000);
        assert_eq!(mails[0].2, Some(format!("\n{line}\n\nFrom {line} 1:1\n\ny\n")));
        assert_eq!(read(&text, 4000)[0].2, None);
    }
}
