//! mbox files (mboxo and mboxrd, RFC 4155), streamed: one mail in memory at a time.

use std::io::{self, BufRead};

use crate::file::Bytes;

/// A line is looked at no further than this for being a separator.
const SEPARATOR_BYTES: usize = 1024;

const MONTHS: [&[u8]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];
const WEEKDAYS: [&[u8]; 7] = [b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun"];

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
        let mut after_separator = self.separator.is_some();
        let mut after_blank = !after_separator;
        // Blank lines at the very beginning belong to the first separator.
        let mut only_blank = !after_separator;
        loop {
            line.clear();
            let start = self.position;
            let complete = self.read_line(&mut line)?;
            if line.is_empty() {
                self.ended = true;
                let begin = self.separator.take();
                return Ok(begin.map(|offset| finish(offset, start, mail, too_large)));
            }
            let text = if start == 0 { without_mark(&line) } else { &line };
            let ends_mail = !after_separator && is_dated_separator(text);
            if ends_mail || (after_blank && is_separator(text)) {
                if !complete {
                    self.skip_line()?;
                }
                (after_blank, after_separator) = (false, true);
                if only_blank {
                    self.separator.get_or_insert(start);
                    (mail, too_large, only_blank) = (Vec::new(), false, false);
                } else if let Some(offset) = self.separator.replace(start) {
                    return Ok(Some(finish(offset, start, mail, too_large)));
                }
                continue;
            }
            if self.separator.is_none() {
                // What stands before the first separator is no mail, unless the file has none at
                // all.
                self.separator = Some(start);
            }
            after_separator = false;
            after_blank = matches!(line.as_slice(), b"\n" | b"\r\n");
            only_blank &= after_blank;
            self.take_line(&line, complete, &mut mail, &mut too_large)?;
        }
    }

    /// Adds a line, of which the first part may be read, to the mail, as far as the limit allows.
    fn take_line(
        &mut self,
        line: &[u8],
        is_complete: bool,
        mail: &mut Vec<u8>,
        too_large: &mut bool,
    ) -> io::Result<()> {
        if !*too_large {
            mail.extend_from_slice(unquote(line));
        }
        if !is_complete {
            self.read_rest(mail, too_large)?;
        }
        if mail.len() as u64 > self.limit {
            *too_large = true;
            *mail = Vec::new();
        }
        Ok(())
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

/// True if a file of mails begins like this, with blank lines or a byte order mark in front or
/// without.
pub fn is_beginning(start: &[u8]) -> bool {
    let mut rest = without_mark(start);
    while let Some(behind) = rest.strip_prefix(b"\r\n").or_else(|| rest.strip_prefix(b"\n")) {
        rest = behind;
    }
    is_separator(rest)
}

/// Without a byte order mark in front of it.
fn without_mark(start: &[u8]) -> &[u8] {
    start.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(start)
}

/// A separator that has the whole date of asctime(3) at its end, perhaps with a time zone: it needs
/// no blank line in front, as with other readers of mail.
pub fn is_dated_separator(line: &[u8]) -> bool {
    let Some(rest) = line.strip_prefix(b"From ").filter(|rest| rest.ends_with(b"\n")) else {
        return false;
    };
    let mut words = rest.split(u8::is_ascii_whitespace).rev().filter(|word| !word.is_empty());
    let is_number = |word: &[u8], digits: &[usize]| {
        digits.contains(&word.len()) && word.iter().all(u8::is_ascii_digit)
    };
    let is_zone = |word: &[u8]| {
        word.strip_prefix(b"+").or(word.strip_prefix(b"-")).map_or_else(
            || matches!(word.len(), 3..=5) && word.iter().all(u8::is_ascii_uppercase),
            |offset| is_number(offset, &[4]),
        )
    };
    let mut next = || words.next().unwrap_or_default();
    let mut year = next();
    if is_zone(year) {
        year = next();
    }
    let mut time = next();
    if is_zone(time) {
        time = next();
    }
    let (day, month, weekday) = (next(), next(), next());
    let is_time = matches!(time.len(), 5 | 8)
        && time.split(|byte| *byte == b':').all(|part| is_number(part, &[2]));
    is_number(year, &[4])
        && is_time
        && is_number(day, &[1, 2])
        && MONTHS.contains(&month)
        && WEEKDAYS.contains(&weekday)
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
                    From a@b Mon Jan  1 00:00:00 2024\nB: 2\nFrom 9:30 on it is text.\n";
        let second = text.find("From a@b Mon Jan  1 00:00:00 2024\nB").expect("there") as u64;
        let all = text.len() as u64;
        let first = "A: 1\n\nFrom here on it is text.\nFrom x\n>From y\n";
        let last = "B: 2\nFrom 9:30 on it is text.\n";
        assert_eq!(
            read(text, 1000),
            [(0, second, Some(first.into())), (second, all, Some(last.into()))]
        );
        assert_eq!(read(text, 40), [(0, second, None), (second, all, Some(last.into()))]);
    }

    #[test]
    fn a_separator_with_a_whole_date_needs_no_blank_line() {
        for dated in [
            "From a@b Mon Jan  1 00:00:00 2024\n",
            "From MAILER-DAEMON  Tue Nov 14 22:13 2023\r\n",
            "From \"a b\"@c Wed Feb 29 22:13:20 UTC 2024\n",
            "From a@b Wed Feb 29 22:13:20 2024 +0100\n",
        ] {
            let text = format!("{dated}A: 1\n\na\n{dated}{dated}B: 2\n");
            let (one, two) = (dated.len() + 8, dated.len() * 3 + 13);
            let mails = read(&text, 1000);
            assert_eq!(mails.len(), 2, "{text}");
            assert_eq!((mails[0].1, mails[1].1), (one as u64, two as u64), "{text}");
            // What stands directly behind a separator is the mail, whatever it is.
            assert_eq!(mails[1].2, Some(format!("{dated}B: 2\n")));
        }
        for text in [
            "From Mon Jan 1 on it was 2024\n",
            "From a@b Mon Jan  1 00:00:00 2024",
            "From us at 10:30 in May 2024\n",
            ">From a@b Mon Jan  1 00:00:00 2024\n",
        ] {
            assert!(!is_dated_separator(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn what_stands_in_front_of_the_first_separator() {
        let separator = "From a@b Mon Jan  1 00:00:00 2024\n";
        for lead in ["\n", "\r\n\n\n", "\u{feff}"] {
            let text = format!("{lead}{separator}A: 1\n");
            assert!(is_beginning(text.as_bytes()), "{lead:?}");
            assert_eq!(read(&text, 20), [(0, text.len() as u64, Some("A: 1\n".into()))]);
        }
        assert_eq!(read("\n\nA: 1\n", 20), [(0, 7, Some("\n\nA: 1\n".into()))]);
        assert_eq!(read("\n", 20), [(0, 1, Some("\n".into()))]);
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
