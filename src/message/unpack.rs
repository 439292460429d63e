//! Unpack: gzip, zlib, zstd, zip and tar, within the limits. An archive is taken whole or not at
//! all: where its stream breaks off or a checksum is wrong, what is missing is unknown.

use std::{
    io::{self, Cursor, Read},
    iter,
    ops::Range,
};

use flate2::{
    Crc,
    bufread::{DeflateDecoder, GzDecoder, ZlibDecoder},
};
use memchr::memmem;
use zip::{ZipArchive, result::ZipError};

use super::{Unusable, spent::Spent};
use crate::{
    limits::{LimitExceeded, Limits},
    payload::{Payload, TAR_BLOCK},
};

/// The ratio of sizes says nothing about small files.
const RATIO_FROM: u64 = 1 << 20;

/// Why an archive can't be unpacked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{format} archive is broken: {reason}")]
pub struct ArchiveError {
    format: &'static str,
    reason: String,
}

impl ArchiveError {
    fn new(format: &'static str, reason: &impl ToString) -> Self {
        ArchiveError { format, reason: reason.to_string() }
    }
}

/// What one archive may still unpack to.
struct Allowance<'l, 't> {
    limits: &'l Limits,
    packed: u64,
    unpacked: u64,
    spent: &'l mut Spent<'t>,
}

/// Memory is asked for in pieces of at least so many bytes.
const STEP: u64 = 64 << 10;

enum StreamError {
    Io(io::Error),
    Limit(LimitExceeded),
}

impl Allowance<'_, '_> {
    /// Reads to the end, or to a limit.
    fn read(&mut self, mut from: impl Read, expected: u64) -> Result<Vec<u8>, StreamError> {
        let by_ratio =
            self.packed.saturating_mul(self.limits.ratio).max(RATIO_FROM) - self.unpacked;
        let by_size = self.spent.room(self.limits).map_err(StreamError::Limit)?;
        let room = by_size.min(by_ratio);
        // The size that an archive claims is a hint, believed as far as a bit more than usual
        // compression goes.
        let hint = expected.min(room).min(self.packed.saturating_mul(32));
        let mut out = Vec::with_capacity(usize::try_from(hint).unwrap_or(0) + 1);
        loop {
            let read = out.len() as u64;
            let step = read.max(STEP).min(room + 1 - read);
            if step == 0 || !self.spent.ask(usize::try_from(step).unwrap_or(usize::MAX)) {
                break;
            }
            let found = from.by_ref().take(step).read_to_end(&mut out).map_err(StreamError::Io)?;
            if (found as u64) < step {
                break;
            }
        }
        let size = out.len() as u64;
        if size > room && by_ratio < by_size {
            return Err(StreamError::Limit(self.limits.ratio_too_high()));
        }
        self.unpacked += size;
        self.spent.count(size);
        if size > room {
            // More than there was room for has been spent, so there is a limit that was exceeded.
            self.spent.room(self.limits).map_err(StreamError::Limit)?;
        }
        Ok(out)
    }
}

/// What came out of an archive.
pub(super) struct Unpacked<'x> {
    pub(super) files: Vec<Vec<u8>>,
    /// What stands before or behind the archive: padding, or something that nobody may pass over.
    pub(super) beside: Vec<&'x [u8]>,
}

/// One function for each format.
pub(super) type Unpack =
    for<'x> fn(&'x [u8], &Limits, &mut Spent<'_>) -> Result<Unpacked<'x>, Unusable>;

/// Unpacks a gzip stream (RFC 1952). Further members that follow are of the same file.
pub(super) fn gzip<'x>(
    bytes: &'x [u8],
    limits: &Limits,
    spent: &mut Spent<'_>,
) -> Result<Unpacked<'x>, Unusable> {
    let begins = |bytes: &[u8]| bytes.starts_with(&[0x1F, 0x8B]);
    streams("gzip", bytes, begins, limits, spent, |rest, allowance| {
        let expected = rest.last_chunk().map_or(0, |size| u64::from(u32::from_le_bytes(*size)));
        allowance.read(GzDecoder::new(rest), expected)
    })
}

/// Unpacks a zlib stream (RFC 1950), which some take for gzip.
pub(super) fn zlib<'x>(
    bytes: &'x [u8],
    limits: &Limits,
    spent: &mut Spent<'_>,
) -> Result<Unpacked<'x>, Unusable> {
    let begins = |bytes: &[u8]| Payload::of(bytes) == Payload::Zlib;
    streams("zlib", bytes, begins, limits, spent, |rest, allowance| {
        allowance.read(ZlibDecoder::new(rest), 0)
    })
}

/// How far back zstd may refer, as a power of two: what every decoder should be able to (RFC 8878
/// section 3.1.1.1.2), and what it takes in memory.
const ZSTD_WINDOW: u32 = 23;

/// Unpacks zstd frames (RFC 8878).
pub(super) fn zstd<'x>(
    bytes: &'x [u8],
    limits: &Limits,
    spent: &mut Spent<'_>,
) -> Result<Unpacked<'x>, Unusable> {
    let begins = |bytes: &[u8]| Payload::of(bytes) == Payload::Zstd;
    if !spent.ask(1 << ZSTD_WINDOW) {
        return Ok(Unpacked { files: Vec::new(), beside: Vec::new() });
    }
    streams("zstd", bytes, begins, limits, spent, |rest, allowance| {
        let mut decoder = zstd::Decoder::with_buffer(rest).map_err(StreamError::Io)?.single_frame();
        decoder.window_log_max(ZSTD_WINDOW).map_err(StreamError::Io)?;
        allowance.read(decoder, 0)
    })
}

/// Unpacks streams that follow each other, each by `unpack`, into one file.
fn streams<'x>(
    format: &'static str,
    bytes: &'x [u8],
    begins: impl Fn(&[u8]) -> bool,
    limits: &Limits,
    spent: &mut Spent<'_>,
    unpack: impl Fn(&mut &'x [u8], &mut Allowance<'_, '_>) -> Result<Vec<u8>, StreamError>,
) -> Result<Unpacked<'x>, Unusable> {
    let mut allowance = Allowance { limits, packed: bytes.len() as u64, unpacked: 0, spent };
    let mut rest = bytes;
    let mut file = Vec::new();
    let mut members = 0;
    while begins(rest) {
        members += 1;
        if members > limits.members {
            return Err(limits.too_many_members().into());
        }
        let part = unpack(&mut rest, &mut allowance).map_err(|error| error.name(format))?;
        if file.is_empty() {
            file = part;
        } else {
            file.extend_from_slice(&part);
        }
    }
    Ok(Unpacked { files: vec![file], beside: vec![rest] })
}

/// Unpacks all files of a tar archive.
pub(super) fn tar<'x>(
    bytes: &'x [u8],
    limits: &Limits,
    spent: &mut Spent<'_>,
) -> Result<Unpacked<'x>, Unusable> {
    let broken = |error: io::Error| ArchiveError::new("tar", &error);
    let mut allowance = Allowance { limits, packed: bytes.len() as u64, unpacked: 0, spent };
    let mut archive = tar::Archive::new(bytes);
    let (mut files, mut members, mut end) = (Vec::new(), 0, 0);
    for entry in archive.entries().map_err(broken)? {
        let entry = entry.map_err(broken)?;
        members += 1;
        if members > limits.members {
            return Err(limits.too_many_members().into());
        }
        let size = entry.size();
        let packed = entry.header().entry_size().unwrap_or(size);
        end = entry.raw_file_position() + packed.next_multiple_of(TAR_BLOCK as u64);
        // Folders and links have none.
        if size == 0 {
            continue;
        }
        let file = allowance.read(entry, size).map_err(|error| error.name("tar"))?;
        if (file.len() as u64) < size {
            return Err(ArchiveError::new("tar", &"it is cut off").into());
        }
        files.push(file);
    }
    let behind = usize::try_from(end).ok().and_then(|end| bytes.get(end..));
    Ok(Unpacked { files, beside: behind.into_iter().collect() })
}

/// Unpacks all files of a zip archive.
pub(super) fn zip<'x>(
    bytes: &'x [u8],
    limits: &Limits,
    spent: &mut Spent<'_>,
) -> Result<Unpacked<'x>, Unusable> {
    let broken = |error: ZipError| ArchiveError::new("zip", &error);
    if claims_too_many(bytes, limits.members) {
        return Err(limits.too_many_members().into());
    }
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(broken)?;
    if archive.len() > limits.members {
        return Err(limits.too_many_members().into());
    }
    let mut allowance = Allowance { limits, packed: bytes.len() as u64, unpacked: 0, spent };
    let (start, offset) = (archive.central_directory_start(), archive.offset());
    let beside = beside_zip(bytes, offset);
    if archive.has_duplicate_names() {
        // The crate's list of members is by name, and has the last one only.
        let files = same_names(bytes, start, offset, &mut allowance)?;
        return Ok(Unpacked { files, beside });
    }
    let mut files = Vec::new();
    let mut places = Vec::new();
    for index in 0..archive.len() {
        let member = archive.by_index(index).map_err(broken)?;
        let data = member.data_start().unwrap_or(member.header_start());
        places.push(member.header_start()..data.saturating_add(member.compressed_size()));
        // What is named like a folder may be a file.
        if member.is_dir() && member.size() == 0 && member.compressed_size() == 0 {
            continue;
        }
        let expected = member.size();
        files.push(allowance.read(member, expected).map_err(|error| error.name("zip"))?);
    }
    if has_unlisted(bytes, offset, places, start) {
        return Err(ArchiveError::new("zip", &"it has files that its directory lacks").into());
    }
    Ok(Unpacked { files, beside })
}

/// True if another file begins outside of those that the directory has at these places; the archive
/// begins at `begin` and its directory at `directory`.
fn has_unlisted(bytes: &[u8], begin: u64, mut places: Vec<Range<u64>>, directory: u64) -> bool {
    places.sort_unstable_by_key(|place| place.start);
    let behind = iter::once(begin).chain(places.iter().map(|place| place.end));
    let next = places.iter().map(|place| place.start).chain([directory]);
    behind.zip(next).any(|(from, to)| {
        let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
        let gap = bytes.get(place(from)..place(to)).unwrap_or_default();
        memmem::find(gap, b"PK\x03\x04").is_some()
    })
}

/// What stands before an archive that begins at `offset`, another one for example, and behind the
/// end of its directory (APPNOTE section 4.3.16).
fn beside_zip(bytes: &[u8], offset: u64) -> Vec<&[u8]> {
    const END: usize = 22;
    let front = usize::try_from(offset).ok().and_then(|offset| bytes.get(..offset));
    let behind = memmem::rfind(bytes, b"PK\x05\x06").and_then(|at| {
        let comment = bytes.get(at + END - 2..at + END)?;
        bytes.get(at + END + usize::from(comment[0]) + (usize::from(comment[1]) << 8)..)
    });
    front.into_iter().chain(behind).collect()
}

/// Unpacks all files of an archive that has some of equal name, by its directory, which begins at
/// `start`; places in it count from `offset` (APPNOTE sections 4.3.7 and 4.3.12).
fn same_names(
    bytes: &[u8],
    start: u64,
    offset: u64,
    allowance: &mut Allowance<'_, '_>,
) -> Result<Vec<Vec<u8>>, Unusable> {
    let broken = |reason: &str| ArchiveError::new("zip", &reason);
    let place =
        |at: u64| usize::try_from(at).ok().and_then(|at| bytes.get(at..)).unwrap_or_default();
    let mut directory = place(start);
    let mut members = Vec::new();
    let mut entries = 0;
    while let Some((head, rest)) =
        directory.split_at_checked(46).filter(|(head, _)| head.starts_with(b"PK\x01\x02"))
    {
        entries += 1;
        if entries > allowance.limits.members {
            return Err(allowance.limits.too_many_members().into());
        }
        let small = |at: usize| usize::from(head[at]) | usize::from(head[at + 1]) << 8;
        let large = |at: usize| small(at) | small(at + 2) << 16;
        let name = rest.get(..small(28)).ok_or_else(|| broken("it is cut off"))?;
        directory = rest.get(small(28) + small(30) + small(32)..).unwrap_or_default();
        if name.ends_with(b"/") && large(20) == 0 && large(24) == 0 {
            continue;
        }
        let local = local_data(place(offset + large(42) as u64));
        let data = local.ok_or_else(|| broken("a file is not where it should be"))?;
        let data = data.get(..large(20)).ok_or_else(|| broken("it is cut off"))?;
        let expected = large(24) as u64;
        let file = match (small(8) & 1, small(10)) {
            (0, 0) => allowance.read(data, expected),
            (0, 8) => allowance.read(DeflateDecoder::new(data), expected),
            _ => return Err(broken("a file is encrypted, or packed in an unknown way").into()),
        };
        let file = file.map_err(|error| error.name("zip"))?;
        let mut crc = Crc::new();
        crc.update(&file);
        if crc.sum() as usize != large(16) {
            return Err(broken("Invalid checksum").into());
        }
        members.push(file);
    }
    Ok(members)
}

/// What follows the header of a file in an archive (APPNOTE section 4.3.7); nothing if there is
/// none.
fn local_data(local: &[u8]) -> Option<&[u8]> {
    let (head, data) =
        local.split_at_checked(30).filter(|(head, _)| head.starts_with(b"PK\x03\x04"))?;
    let [name, extra] = [26, 28].map(|at| usize::from(head[at]) | usize::from(head[at + 1]) << 8);
    Some(data.get(name + extra..).unwrap_or_default())
}

/// True if the archive has, or says it has, more members than allowed. The zip crate makes room for
/// as many as the end of the directory claims, and reads the whole directory before it says how
/// many there are.
fn claims_too_many(bytes: &[u8], members: usize) -> bool {
    // An archive within this one that is not compressed has a directory of its own.
    const WITHIN: usize = 4;
    let most = members.saturating_mul(WITHIN);
    if memmem::find_iter(bytes, b"PK\x01\x02").take(most.saturating_add(1)).count() > most {
        return true;
    }
    let mut large_ends = memmem::find_iter(bytes, b"PK\x06\x06").peekable();
    // "Ask the other record" (APPNOTE section 4.4.1.4), of which there may be one that is in front.
    let is_large = large_ends.peek().is_some();
    let claims_many = |at: usize, number: &[u8]| {
        let claimed =
            number.iter().rev().fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
        at < bytes.len()
            && claimed > members as u64
            && !(is_large && claimed == u64::from(u16::MAX))
    };
    let number = |at: usize, length: usize| bytes.get(at..at + length).unwrap_or_default();
    large_ends.any(|at| claims_many(at, number(at + 32, 8)) || claims_many(at, number(at + 24, 8)))
        || memmem::find_iter(bytes, b"PK\x05\x06").any(|at| claims_many(at, number(at + 10, 2)))
}

impl StreamError {
    fn name(self, format: &'static str) -> Unusable {
        match self {
            StreamError::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                ArchiveError::new(format, &"it is cut off").into()
            }
            StreamError::Io(error) => ArchiveError::new(format, &error).into(),
            StreamError::Limit(limit) => limit.into(),
        }
    }
}
