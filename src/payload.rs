//! Payload: what some bytes are, by the bytes.

use memchr::memmem;

/// What some bytes are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Payload {
    Gzip,
    Zlib,
    Zstd,
    Zip,
    Tar,
    /// Packed in a format, of this name, that is not unpacked here.
    Closed(&'static str),
    /// XML or JSON in any encoding.
    Text,
    Other,
}

impl Payload {
    pub(crate) fn of(bytes: &[u8]) -> Payload {
        match bytes {
            [0x1F, 0x8B, ..] => Payload::Gzip,
            [b'P', b'K', 3 | 5, 4 | 6, ..] => Payload::Zip,
            // Deflate with a window of 32 KiB and no dictionary (RFC 1950 section 2.2): `x` and no
            // letter.
            [0x78, 0x01 | 0x5E | 0x9C | 0xDA, ..] => Payload::Zlib,
            [0x28, 0xB5, 0x2F, 0xFD, ..] => Payload::Zstd,
            [0xFD, b'7', b'z', b'X', b'Z', 0, ..] => Payload::Closed("xz"),
            [b'B', b'Z', b'h', b'1'..=b'9', b'1', b'A', b'Y', b'&', b'S', b'Y', ..] => {
                Payload::Closed("bzip2")
            }
            [b'7', b'z', 0xBC, 0xAF, 0x27, 0x1C, ..] => Payload::Closed("7z"),
            [b'R', b'a', b'r', b'!', 0x1A, 0x07, ..] => Payload::Closed("rar"),
            [0x04, 0x22, 0x4D, 0x18, ..] => Payload::Closed("lz4"),
            // Outlook's winmail.dat.
            [0x78, 0x9F, 0x3E, 0x22, ..] => Payload::Closed("TNEF"),
            [0xFF, 0xFE, b'<' | b'{', ..]
            | [0xFE, 0xFF, 0, b'<' | b'{', ..]
            | [0, b'<' | b'{', ..] => Payload::Text,
            _ if is_tar(bytes) => Payload::Tar,
            _ => {
                let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
                match bytes.trim_ascii_start().first() {
                    Some(b'<' | b'{') => Payload::Text,
                    _ => Payload::Other,
                }
            }
        }
    }

    /// True if an archive seems to begin somewhere in the bytes.
    pub(crate) fn is_archive_within(bytes: &[u8]) -> bool {
        const MARKS: [&[u8]; 7] = [
            &[0x1F, 0x8B, 8],
            b"PK\x03\x04",
            &[0x28, 0xB5, 0x2F, 0xFD],
            &[0xFD, b'7', b'z', b'X', b'Z', 0],
            &[b'7', b'z', 0xBC, 0xAF, 0x27, 0x1C],
            b"Rar!\x1A\x07",
            &[0x04, 0x22, 0x4D, 0x18],
        ];
        // Text has none of these bytes, of which each mark has one; that of bzip2 is text.
        let is_text = memchr::memchr3(0x1F, 0x03, 0xFD, bytes).is_none()
            && memchr::memchr3(0x1C, 0x1A, 0x18, bytes).is_none();
        let has = |mark: &&[u8]| memmem::find(bytes, mark).is_some();
        (!is_text && MARKS.iter().any(has)) || has(&&b"1AY&SY"[..])
    }
}

/// Bytes of a block of a tar archive, and so of a header.
pub(crate) const TAR_BLOCK: usize = 512;

/// POSIX and GNU archives both have this in their first header; older ones have just a check sum.
pub(crate) fn is_tar(start: &[u8]) -> bool {
    start.get(257..262) == Some(b"ustar") || start.get(..TAR_BLOCK).is_some_and(is_tar_header)
}

/// A header with a name and the right check sum.
pub(crate) fn is_tar_header(block: &[u8]) -> bool {
    block.len() == TAR_BLOCK && block[0] != 0 && is_sum_right(block)
}

/// The sum of a header's bytes, its own field taken for blanks.
fn is_sum_right(block: &[u8]) -> bool {
    let Ok(stated) = tar::Header::from_byte_slice(block).cksum() else { return false };
    let sum = block
        .iter()
        .enumerate()
        .map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u32::from(*byte) });
    stated == sum.sum::<u32>()
}
