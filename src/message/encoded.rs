//! Encoded: what mail clients and gateways wrapped around a report and did not declare as MIME
//! knows it: base64 with stray characters, twice or within a letter, uuencoded text.

use std::iter;

use mail_parser::decoders::html::html_to_text;
use memchr::memmem;

use crate::{payload::Payload, report};

/// Decodes base64 and passes over all other characters (RFC 2045 section 6.8). After padding, which
/// may be missing, a new text begins. A library would be called for each text, and a hostile one is
/// nothing but padding.
pub(super) fn base64(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() / 4 * 3 + 3);
    base64_to(bytes, &mut out);
    out
}

/// The same, appended.
fn base64_to(bytes: &[u8], out: &mut Vec<u8>) {
    let six_bits = |byte: u8| u32::from(SIX_BITS[usize::from(byte)]);
    let (mut word, mut letters) = (0_u32, 0);
    let mut rest = bytes;
    loop {
        // Nearly all of it is groups of four letters.
        while letters == 0
            && let Some(([a, b, c, d], behind)) = rest.split_first_chunk::<4>()
            && let [a, b, c, d] = [six_bits(*a), six_bits(*b), six_bits(*c), six_bits(*d)]
            && (a | b | c | d) < u32::from(NO_LETTER)
        {
            out.extend_from_slice(&(a << 18 | b << 12 | c << 6 | d).to_be_bytes()[1..]);
            rest = behind;
        }
        let Some((byte, behind)) = rest.split_first() else { break };
        rest = behind;
        match SIX_BITS[usize::from(*byte)] {
            NO_LETTER if *byte == b'=' => {
                out.extend_from_slice(last_bytes(word, letters, &mut [0; 4]));
                (word, letters) = (0, 0);
            }
            NO_LETTER => {}
            bits => {
                word = word << 6 | u32::from(bits);
                letters += 1;
                if letters == 4 {
                    out.extend_from_slice(&word.to_be_bytes()[1..]);
                    (word, letters) = (0, 0);
                }
            }
        }
    }
    out.extend_from_slice(last_bytes(word, letters, &mut [0; 4]));
}

/// Two letters hold one byte, three hold two. One letter holds none: it was one too many.
fn last_bytes(word: u32, letters: usize, room: &mut [u8; 4]) -> &[u8] {
    *room = (word << (6 * (4 - letters))).to_be_bytes();
    &room[1..=letters.saturating_sub(1)]
}

/// What stands in the table for a byte that is none of the 64 letters.
const NO_LETTER: u8 = 64;

/// The value of each letter (RFC 4648 section 4).
static SIX_BITS: [u8; 256] = {
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut table = [NO_LETTER; 256];
    let mut value = 0;
    while value < NO_LETTER {
        table[letters[value as usize] as usize] = value;
        value += 1;
    }
    table
};

fn is_base64_letter(byte: u8) -> bool {
    SIX_BITS[usize::from(byte)] != NO_LETTER
}

/// A letter, or padding.
fn is_of_base64(byte: u8) -> bool {
    is_base64_letter(byte) || byte == b'='
}

/// True if there is anything but base64 in it.
pub(super) fn is_base64_with_junk(bytes: &[u8]) -> bool {
    !bytes.iter().all(|byte| is_of_base64(*byte) || byte.is_ascii_whitespace())
}

/// True if padding is missing at the end, with which a decoder may drop the last bytes.
pub(super) fn is_unpadded_base64(bytes: &[u8]) -> bool {
    !bytes.contains(&b'=') && bytes.iter().filter(|byte| is_base64_letter(**byte)).count() % 4 > 1
}

/// A text that is base64 and nothing else, but does not say so.
pub(super) fn undeclared_base64(bytes: &[u8]) -> Option<&[u8]> {
    let text = bytes.trim_ascii();
    let is_base64 = |byte: &u8| is_of_base64(*byte) || matches!(byte, b'\r' | b'\n');
    (text.len() >= 32 && text.iter().all(is_base64)).then_some(text)
}

/// True if something known begins within the first bytes of what base64 holds.
pub(super) fn is_base64_of_known(text: &[u8]) -> bool {
    const START: usize = 4 << 10;
    let start = base64(&text[..text.len().min(START)]);
    Payload::of(start.trim_ascii_start()) != Payload::Other
}

/// The first line of a piece of base64 is as long as this.
const FIRST_LINE: usize = 16;

/// What looking into lines of base64 counts at least, however few they are.
const LOOK: usize = 256;

/// Decodes the pieces of base64 in a text, up to so many. `count` hears of how many bytes are
/// looked into, before they are.
pub(super) fn base64_within<E>(
    bytes: &[u8],
    at_most: usize,
    mut count: impl FnMut(usize) -> Result<(), E>,
) -> Result<Vec<Vec<u8>>, E> {
    let mut files = Vec::new();
    for lines in base64_lines(bytes) {
        if files.len() >= at_most {
            break;
        }
        count(lines.len().max(LOOK))?;
        files.extend(file_in(lines).map(base64));
    }
    Ok(files)
}

/// True if a text that is read as it stands has an encoded file in it as well. `count` as for
/// [`base64_within`].
pub(super) fn is_file_within<E>(
    bytes: &[u8],
    mut count: impl FnMut(usize) -> Result<(), E>,
) -> Result<bool, E> {
    for lines in base64_lines(bytes) {
        count(lines.len().max(LOOK))?;
        if file_in(lines).is_some() {
            return Ok(true);
        }
    }
    Ok(!uuencoded(bytes, 1).files.is_empty())
}

/// Where the first so many characters of base64 in a row stand. In other text each so many-th byte
/// is looked at, and those in front of it.
fn run_of_base64(bytes: &[u8], length: usize) -> Option<usize> {
    let mut from = 0;
    loop {
        let window = bytes.get(from..from + length)?;
        match window.iter().rposition(|byte| !is_of_base64(*byte)) {
            Some(other) => from += other + 1,
            None => return Some(from),
        }
    }
}

/// Lines of base64 in a text, and nothing else in them, as many as follow each other.
fn base64_lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    iter::from_fn(move || {
        loop {
            let run = run_of_base64(rest, FIRST_LINE)?;
            let start = memchr::memrchr(b'\n', &rest[..run]).map_or(0, |end| end + 1);
            let (line, below) = next_line(&rest[start..])?;
            if unquoted(line).len() < FIRST_LINE || !is_base64_line(line) {
                rest = below;
                continue;
            }
            let lines = &rest[start..];
            rest = lines;
            while let Some((line, below)) = next_line(rest)
                && is_base64_line(line)
            {
                rest = below;
            }
            return Some(&lines[..lines.len() - rest.len()]);
        }
    })
}

/// Lines of base64, from the first on if that begins a file or a report is in them; else from one
/// that begins a file, since a word that stands above may pass for base64.
fn file_in(lines: &[u8]) -> Option<&[u8]> {
    let mut start = Vec::new();
    if begins_file(lines, true, &mut start) || report::is_in(&base64(lines)) {
        return Some(lines);
    }
    let mut rest = lines;
    while let Some((_, below)) = next_line(rest) {
        if begins_file(below, false, &mut start) {
            return Some(below);
        }
        rest = below;
    }
    None
}

/// True for base64 of an archive, or of XML or JSON in any encoding, by its first line. `is_all`:
/// nothing stands above. `start`: room that is asked for once, for lines without number.
fn begins_file(lines: &[u8], is_all: bool, start: &mut Vec<u8>) -> bool {
    let Some((line, _)) = next_line(lines) else { return false };
    let Some(line) = unquoted(line).get(..FIRST_LINE) else { return false };
    start.clear();
    base64_to(line, start);
    let text = start.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(start).trim_ascii_start();
    match Payload::of(start) {
        Payload::Other => {
            text.strip_prefix(b"[").is_some_and(|list| list.trim_ascii_start().starts_with(b"{"))
        }
        // One byte says little: one line of base64 in a hundred begins like this.
        Payload::Text => {
            is_utf16(start)
                || text.iter().all(|byte| matches!(byte, b'\t' | b'\r' | b'\n' | b' '..=b'~'))
        }
        Payload::Gzip => start[2] == 8,
        // Two bytes say little where there are many lines.
        Payload::Zlib => is_all,
        _ => true,
    }
}

/// True for letters of UTF-16, of which every other byte is zero.
fn is_utf16(bytes: &[u8]) -> bool {
    [2, 3].iter().any(|first| bytes[*first..].iter().step_by(2).all(|byte| *byte == 0))
}

/// The first line with its end, and what is below it.
pub(super) fn next_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
    (end > 0).then(|| bytes.split_at(end))
}

/// A line without the marks of an answer to a mail, `> `.
fn unquoted(line: &[u8]) -> &[u8] {
    let text = line.trim_ascii();
    let marks = text.iter().take_while(|byte| matches!(byte, b'>' | b' ')).count();
    &text[marks..]
}

/// True for a line of base64, which is not blank.
fn is_base64_line(line: &[u8]) -> bool {
    let text = unquoted(line);
    !text.is_empty() && text.iter().all(|byte| is_of_base64(*byte))
}

/// The text of HTML in which a report stands as a person sees it: `&lt;feedback&gt;`.
pub(super) fn report_in_html(html: &[u8]) -> Option<String> {
    // Words that no markup of HTML has; few letters have them.
    const WORDS: [&[u8]; 2] = [b"report_metadata", b"organization-name"];
    if !WORDS.iter().any(|word| memmem::find(html, word).is_some()) {
        return None;
    }
    let text = html_to_text(&String::from_utf8_lossy(html));
    report::is_in(text.as_bytes()).then_some(text)
}

/// How archives, XML and reports begin in base64.
const FILES: [&[u8]; 5] = [b"H4sI", b"UEsDB", b"KLUv/", b"PD94bW", b"PGZlZWRiYWNr"];

/// True if a file in base64 begins at any word, as behind `Report: ` or in a `data:` address, which
/// is not decoded: its lines may be of any shape.
pub(super) fn has_file_in_words(text: &[u8]) -> bool {
    FILES.iter().any(|mark| {
        let mut rest = text;
        while let Some(at) = memmem::find(rest, mark) {
            let file = &rest[at..];
            let begins = at.checked_sub(1).is_none_or(|before| !is_of_base64(rest[before]));
            let shape = &file[..file.len().min(FILE_SHAPE)];
            let shape = &shape
                [..shape.iter().position(|byte| !may_be_within(*byte)).unwrap_or(shape.len())];
            if begins
                && shape.iter().filter(|byte| is_base64_letter(**byte)).count() >= FILE_LETTERS
            {
                return true;
            }
            // No byte is looked at twice.
            rest = &file[shape.len()..];
        }
        false
    })
}

/// So many letters of base64 make a file of a word, among so many bytes.
const FILE_LETTERS: usize = 48;
const FILE_SHAPE: usize = 128;

/// True for what may stand within base64: its letters in any alphabet, blanks, and marks of lines.
fn may_be_within(byte: u8) -> bool {
    is_of_base64(byte)
        || byte.is_ascii_whitespace()
        || matches!(byte, b'-' | b'_' | b'|' | b'>' | b':' | b'!' | b'\\' | 0xC2 | 0xA0)
}

/// What is in a uuencoded text.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Uuencoded {
    pub(super) files: Vec<Vec<u8>>,
    /// There is one that breaks off.
    pub(super) is_cut: bool,
}

/// How the line in front of a uuencoded file begins.
const BEGIN: &[u8] = b"begin ";

/// The files in a uuencoded text (POSIX `uuencode`), up to so many: `begin 644 name`, lines of up
/// to 45 bytes, `end`.
pub(super) fn uuencoded(bytes: &[u8], at_most: usize) -> Uuencoded {
    let mut found = Uuencoded::default();
    // Most texts have none.
    if memmem::find(bytes, BEGIN).is_none() {
        return found;
    }
    let mut open: Option<Vec<u8>> = None;
    for line in
        bytes.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
    {
        if is_begin(line) {
            found.is_cut |= open.replace(Vec::new()).is_some();
        } else if line == b"end" {
            found.files.extend(open.take());
        } else if let Some(file) = &mut open
            && uu_line(line, file).is_none()
        {
            found.is_cut = true;
            open = None;
        }
        if found.files.len() >= at_most {
            return found;
        }
    }
    found.is_cut |= open.is_some();
    found
}

fn is_begin(line: &[u8]) -> bool {
    let Some(rest) = line.strip_prefix(BEGIN) else { return false };
    let mode = rest.iter().take_while(|byte| matches!(byte, b'0'..=b'7')).count();
    matches!(mode, 3 | 4) && rest.get(mode) == Some(&b' ')
}

fn uu_line(line: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let value = |byte: u8| matches!(byte, 0x20..=0x60).then(|| u32::from(byte - 0x20) & 0x3F);
    let Some((length, groups)) = line.split_first() else { return Some(()) };
    let length = value(*length)? as usize;
    let end = out.len() + length;
    for group in groups.chunks(4) {
        // Blanks at the end of a line, which mean zero, may have been cut off.
        let group = (0..4).map(|n| value(group.get(n).copied().unwrap_or(b' ')));
        let word = group
            .rev()
            .zip([0, 6, 12, 18])
            .try_fold(0, |word, (six, shift)| Some(word | (six? << shift)))?;
        out.extend_from_slice(&word.to_be_bytes()[1..]);
    }
    if out.len() < end {
        return None;
    }
    out.truncate(end);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuencode_is_decoded_and_half_a_file_is_none() {
        let text =
            b"Dear all,\r\nbegin 644 cat.txt\r\n#0V%T\r\n`\r\nend\r\nbegin 644 half\n#0V%T\n";
        assert_eq!(uuencoded(text, 9), Uuencoded { files: vec![b"Cat".to_vec()], is_cut: true });
        let cut = Uuencoded { files: Vec::new(), is_cut: true };
        assert_eq!(uuencoded(b"begin 644 x\n#0V\x7FT\n`\nend\n", 9), cut);
        assert_eq!(uuencoded(b"begin with this\nend\n", 9), Uuencoded::default());
    }

    #[test]
    fn base64_of_any_length_is_decoded() {
        for (text, bytes) in [
            ("", &b""[..]),
            ("Q", b""),
            ("Q2", b"C"),
            ("Q2F", b"Ca"),
            ("Q2F0", b"Cat"),
            ("Q2F0Q", b"Cat"),
            ("Q2==Q2F0Q2F=!Q2-F0", b"CCatCaCat"),
            ("====", b""),
        ] {
            assert_eq!(base64(text.as_bytes()), bytes, "{text}");
        }
    }
}
