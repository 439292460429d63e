//! Signed: the content of an S/MIME signature, with the mail inside.

/// An S/MIME signature breaks off, or is not as it should be, before the end of its content.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct IsCut;

/// The content that an S/MIME signature holds (RFC 8551 section 3.5.2, `SignedData` of RFC 5652): a
/// MIME entity. Nothing for other bytes, and where the content stands elsewhere. The signature is
/// not checked, as none is checked anywhere here.
pub(super) fn signed_content(bytes: &[u8]) -> Result<Option<Vec<u8>>, IsCut> {
    const SIGNED_DATA: &[u8] = b"\x2A\x86\x48\x86\xF7\x0D\x01\x07\x02";
    let mut outermost = Ber { rest: bytes, is_cut: false };
    let Some(mut info) = outermost.enter(0x30) else { return Ok(None) };
    if !info.next().is_some_and(|oid| oid.tag == 0x06 && oid.content == SIGNED_DATA) {
        return Ok(None);
    }
    let mut encapsulated = encapsulated(&mut info).ok_or(IsCut)?;
    let Some(mut explicit) = encapsulated.enter(0xA0) else {
        // It is detached.
        return if encapsulated.rest.is_empty() && !encapsulated.is_cut {
            Ok(None)
        } else {
            Err(IsCut)
        };
    };
    let content = explicit.next().filter(|content| !content.is_cut).ok_or(IsCut)?;
    match content.tag {
        0x04 => Ok(Some(content.content.to_vec())),
        // In pieces.
        0x24 => {
            let mut pieces = Ber { rest: content.content, is_cut: false };
            let mut whole = Vec::new();
            while !pieces.rest.is_empty() {
                let piece = pieces
                    .next()
                    .filter(|piece| piece.tag == 0x04 && !piece.is_cut)
                    .ok_or(IsCut)?;
                whole.extend_from_slice(piece.content);
            }
            Ok(Some(whole))
        }
        _ => Err(IsCut),
    }
}

/// `encapContentInfo` behind the type of its content.
fn encapsulated<'x>(info: &mut Ber<'x>) -> Option<Ber<'x>> {
    let mut signed = info.enter(0xA0)?.enter(0x30)?;
    signed.next().filter(|version| version.tag == 0x02)?;
    signed.next().filter(|algorithms| algorithms.tag == 0x31)?;
    let mut encapsulated = signed.enter(0x30)?;
    encapsulated.next().filter(|kind| kind.tag == 0x06 && !kind.is_cut)?;
    Some(encapsulated)
}

/// Reads elements of BER (X.690), as far as CMS uses them: tags of one byte, definite and
/// indefinite lengths.
struct Ber<'x> {
    rest: &'x [u8],
    /// There should be more than there is.
    is_cut: bool,
}

struct Element<'x> {
    tag: u8,
    /// As far as it is there.
    content: &'x [u8],
    /// With its tag and length.
    length: usize,
    is_cut: bool,
}

/// Elements within elements of indefinite length; real signatures have about ten.
const BER_DEPTH: usize = 32;

impl<'x> Ber<'x> {
    /// The next element.
    fn next(&mut self) -> Option<Element<'x>> {
        let element = element(self.rest, BER_DEPTH)?;
        self.rest = &self.rest[element.length..];
        Some(element)
    }

    /// The content of the next element, which must have this tag.
    fn enter(&mut self, tag: u8) -> Option<Ber<'x>> {
        let element = self.next().filter(|found| found.tag == tag)?;
        Some(Ber { rest: element.content, is_cut: element.is_cut })
    }
}

/// The first element.
fn element(bytes: &[u8], depth: usize) -> Option<Element<'_>> {
    let (&tag, &first) = (bytes.first()?, bytes.get(1)?);
    if first == 0x80 {
        let depth = depth.checked_sub(1)?;
        let mut end = 2;
        while end < bytes.len() {
            if bytes[end..].starts_with(&[0, 0]) {
                return Some(Element {
                    tag,
                    content: &bytes[2..end],
                    length: end + 2,
                    is_cut: false,
                });
            }
            match element(&bytes[end..], depth) {
                Some(inner) => end += inner.length,
                None => break,
            }
        }
        // What can't be read is kept, so that whoever asks for it finds that out.
        return Some(Element { tag, content: &bytes[2..], length: bytes.len(), is_cut: true });
    }
    let (length, start) = match usize::from(first) {
        short @ 0..=0x7F => (short, 2),
        long @ 0x81..=0x84 => {
            let digits = bytes.get(2..2 + (long & 0x7F))?;
            (
                digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)),
                2 + digits.len(),
            )
        }
        _ => return None,
    };
    let end = start.checked_add(length)?;
    let content = bytes.get(start..end.min(bytes.len()))?;
    Some(Element { tag, content, length: start + content.len(), is_cut: end > bytes.len() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ber_of_any_shape_ends() {
        assert_eq!(signed_content(&[0x30, 0x84, 0xFF, 0xFF, 0xFF, 0xFF]), Ok(None));
        assert_eq!(signed_content(&[0x30, 0x80].repeat(100_000)), Ok(None));
    }
}
