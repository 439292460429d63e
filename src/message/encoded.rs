//! Encoded: what mail clients and gateways wrapped around a report and did not declare as MIME knows it: base64 with stray
//! characters or twice, uuencoded text, an S/MIME signature with the mail inside.

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

/// Padding may be missing, and the bits behind the last byte may be anything.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Decodes base64 and passes over all other characters (RFC 2045 section 6.8). After padding a new text begins.
pub(super) fn base64(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(bytes.len() / 4 * 3);
    for piece in bytes.split(|byte| *byte == b'=') {
        let mut letters: Vec<u8> = piece.iter().copied().filter(|byte| is_base64_letter(*byte)).collect();
        // One letter holds six bits, no byte: it was one too many.
        if letters.len() % 4 == 1 {
            letters.pop();
        }
        LENIENT.decode_vec(letters, &mut out).ok()?;
    }
    Some(out)
}

fn is_base64_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/')
}

/// True if there is anything but base64 in it.
pub(super) fn is_base64_with_junk(bytes: &[u8]) -> bool {
    !bytes.iter().all(|byte| is_base64_letter(*byte) || *byte == b'=' || byte.is_ascii_whitespace())
}

/// True if padding is missing at the end, with which a decoder may drop the last bytes.
pub(super) fn is_unpadded_base64(bytes: &[u8]) -> bool {
    !bytes.contains(&b'=') && bytes.iter().filter(|byte| is_base64_letter(**byte)).count() % 4 > 1
}

/// Decodes what is base64 and nothing else, but does not say so.
pub(super) fn undeclared_base64(bytes: &[u8]) -> Option<Vec<u8>> {
    let text = bytes.trim_ascii();
    let is_base64 = |byte: &u8| is_base64_letter(*byte) || matches!(byte, b'=' | b'\r' | b'\n');
    if text.len() < 32 || !text.iter().all(is_base64) { None } else { base64(text) }
}

/// The files in a uuencoded text (POSIX `uuencode`), up to so many: `begin 644 name`, lines of up to 45 bytes, `end`. One that
/// breaks off is none.
pub(super) fn uuencoded(bytes: &[u8], at_most: usize) -> Vec<Vec<u8>> {
    let mut files = Vec::new();
    let mut lines = bytes.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    while files.len() < at_most
        && let Some(line) = lines.next()
    {
        if !is_begin(line) {
            continue;
        }
        let mut file = Vec::new();
        for line in lines.by_ref() {
            if line == b"end" {
                files.push(file);
                break;
            }
            if uu_line(line, &mut file).is_none() {
                break;
            }
        }
    }
    files
}

fn is_begin(line: &[u8]) -> bool {
    let Some(rest) = line.strip_prefix(b"begin ") else { return false };
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
        let word = group.rev().zip([0, 6, 12, 18]).try_fold(0, |word, (six, shift)| Some(word | (six? << shift)))?;
        out.extend_from_slice(&word.to_be_bytes()[1..]);
    }
    if out.len() < end {
        return None;
    }
    out.truncate(end);
    Some(())
}

/// The content that an S/MIME signature holds (RFC 8551 section 3.5.2, `SignedData` of RFC 5652): a MIME entity.
/// The signature is not checked, as none is checked anywhere here.
pub(super) fn signed_content(bytes: &[u8]) -> Option<Vec<u8>> {
    const SIGNED_DATA: &[u8] = b"\x2A\x86\x48\x86\xF7\x0D\x01\x07\x02";
    let mut info = Ber(bytes).enter(0x30)?;
    if info.next()? != (0x06, SIGNED_DATA) {
        return None;
    }
    let mut signed = info.enter(0xA0)?.enter(0x30)?;
    signed.next().filter(|(tag, _)| *tag == 0x02)?;
    signed.next().filter(|(tag, _)| *tag == 0x31)?;
    let mut encapsulated = signed.enter(0x30)?;
    encapsulated.next().filter(|(tag, _)| *tag == 0x06)?;
    let (tag, content) = encapsulated.enter(0xA0)?.next()?;
    match tag {
        0x04 => Some(content.to_vec()),
        // In pieces.
        0x24 => {
            let mut pieces = Ber(content);
            let mut whole = Vec::new();
            while let Some((0x04, piece)) = pieces.next() {
                whole.extend_from_slice(piece);
            }
            Some(whole)
        }
        _ => None,
    }
}

/// Reads elements of BER (X.690), as far as CMS uses them: tags of one byte, definite and indefinite lengths.
struct Ber<'x>(&'x [u8]);

/// Elements within elements of indefinite length; real signatures have about ten.
const BER_DEPTH: usize = 32;

impl<'x> Ber<'x> {
    /// The next element: its tag and content.
    fn next(&mut self) -> Option<(u8, &'x [u8])> {
        let (tag, content, length) = element(self.0, BER_DEPTH)?;
        self.0 = &self.0[length..];
        Some((tag, content))
    }

    /// The content of the next element, which must have this tag.
    fn enter(&mut self, tag: u8) -> Option<Ber<'x>> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, content)| Ber(content))
    }
}

/// Tag, content and whole length of the first element.
fn element(bytes: &[u8], depth: usize) -> Option<(u8, &[u8], usize)> {
    let (&tag, &first) = (bytes.first()?, bytes.get(1)?);
    if first == 0x80 {
        let depth = depth.checked_sub(1)?;
        let mut end = 2;
        while bytes.get(end..end + 2)? != [0, 0] {
            end += element(&bytes[end..], depth)?.2;
        }
        return Some((tag, &bytes[2..end], end + 2));
    }
    let (length, start) = match usize::from(first) {
        short @ 0..=0x7F => (short, 2),
        long @ 0x81..=0x84 => {
            let digits = bytes.get(2..2 + (long & 0x7F))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), 2 + digits.len())
        }
        _ => return None,
    };
    Some((tag, bytes.get(start..start.checked_add(length)?)?, start + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuencode_is_decoded_and_half_a_file_is_none() {
        let text = b"Dear all,\r\nbegin 644 cat.txt\r\n#0V%T\r\n`\r\nend\r\nbegin 644 half\n#0V%T\n";
        assert_eq!(uuencoded(text, 9), [b"Cat"]);
        assert!(uuencoded(b"begin 644 x\n#0V\x7FT\n`\nend\n", 9).is_empty());
        assert!(uuencoded(b"begin with this\nend\n", 9).is_empty());
    }

    #[test]
    fn ber_of_any_shape_ends() {
        assert_eq!(signed_content(&[0x30, 0x84, 0xFF, 0xFF, 0xFF, 0xFF]), None);
        assert_eq!(signed_content(&[0x30, 0x80].repeat(100_000)), None);
    }
}
