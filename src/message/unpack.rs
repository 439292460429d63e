//! Unpack: gzip and zip, within the limits. An archive is taken whole or not at all: where its stream
//! breaks off or a checksum is wrong, nobody knows what is missing.

use std::io::{self, Cursor, Read};

use flate2::bufread::{GzDecoder, ZlibDecoder};
use zip::{ZipArchive, result::ZipError};

use super::Unusable;
use crate::limits::{LimitExceeded, Limits};

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

/// What one member of an archive counts at least: taking it out costs time even where it is empty.
const MEMBER: u64 = 4 << 10;

/// How many attachments' worth of unpacked bytes one mail may have: what was read of them stays in memory until the store has
/// the mail's documents.
const ATTACHMENTS: u64 = 2;

/// What has been unpacked so far, archives within archives included.
#[derive(Default)]
pub(super) struct Spent {
    /// From the attachment that is being unpacked.
    attachment: u64,
    /// From all attachments of the mail.
    mail: u64,
}

impl Spent {
    /// The attachment is done.
    pub(super) fn next_attachment(&mut self) {
        self.attachment = 0;
    }

    /// How much more may be unpacked, or which limit was exceeded.
    fn room(&self, limits: &Limits) -> Result<u64, LimitExceeded> {
        let for_all = limits.unpacked_bytes.saturating_mul(ATTACHMENTS);
        let room = for_all.saturating_sub(self.mail);
        if room == 0 {
            let error = limits.too_much_unpacked();
            return Err(LimitExceeded {
                what: "bytes unpacked from all attachments of a mail",
                value: for_all,
                ..error
            });
        }
        match limits.unpacked_bytes.saturating_sub(self.attachment) {
            0 => Err(limits.too_much_unpacked()),
            of_this => Ok(room.min(of_this)),
        }
    }
}

/// What one archive may still unpack to.
struct Allowance<'l> {
    limits: &'l Limits,
    packed: u64,
    unpacked: u64,
    spent: &'l mut Spent,
}

enum ReadError {
    Io(io::Error),
    Limit(LimitExceeded),
}

impl Allowance<'_> {
    /// Reads to the end, or to a limit.
    fn read(&mut self, mut from: impl Read, expected: u64) -> Result<Vec<u8>, ReadError> {
        let by_ratio = self.packed.saturating_mul(self.limits.ratio).max(RATIO_FROM) - self.unpacked;
        let by_size = self.spent.room(self.limits).map_err(ReadError::Limit)?;
        let room = by_size.min(by_ratio);
        // The size that an archive claims is a hint, believed as far as a bit more than usual compression goes.
        let hint = expected.min(room).min(self.packed.saturating_mul(32));
        let mut out = Vec::with_capacity(usize::try_from(hint).unwrap_or(0) + 1);
        from.by_ref().take(room + 1).read_to_end(&mut out).map_err(ReadError::Io)?;
        let size = out.len() as u64;
        if size > room && by_ratio < by_size {
            return Err(ReadError::Limit(self.limits.ratio_too_high()));
        }
        self.unpacked += size;
        self.spent.attachment += size.max(MEMBER);
        self.spent.mail += size.max(MEMBER);
        if size > room {
            // More than there was room for has been spent, so there is a limit that was exceeded.
            self.spent.room(self.limits).map_err(ReadError::Limit)?;
        }
        Ok(out)
    }
}

/// Unpacks a gzip stream (RFC 1952). What follows the first member is further members of the same file, or,
/// where it does not begin like one, padding.
pub(super) fn gzip(bytes: &[u8], limits: &Limits, spent: &mut Spent) -> Result<Vec<Vec<u8>>, Unusable> {
    let mut allowance = Allowance { limits, packed: bytes.len() as u64, unpacked: 0, spent };
    let mut rest = bytes;
    let mut file = Vec::new();
    let mut members = 0;
    while rest.starts_with(&[0x1F, 0x8B]) {
        members += 1;
        if members > limits.members {
            return Err(limits.too_many_members().into());
        }
        let expected = rest.last_chunk().map_or(0, |size| u64::from(u32::from_le_bytes(*size)));
        let part = allowance.read(GzDecoder::new(&mut rest), expected).map_err(|error| error.name("gzip"))?;
        if file.is_empty() {
            file = part;
        } else {
            file.extend_from_slice(&part);
        }
    }
    Ok(vec![file])
}

/// Unpacks a zlib stream (RFC 1950), which some take for gzip.
pub(super) fn zlib(bytes: &[u8], limits: &Limits, spent: &mut Spent) -> Result<Vec<Vec<u8>>, Unusable> {
    let mut allowance = Allowance { limits, packed: bytes.len() as u64, unpacked: 0, spent };
    let file = allowance.read(ZlibDecoder::new(bytes), 0).map_err(|error| error.name("zlib"))?;
    Ok(vec![file])
}

/// Unpacks all files of a zip archive.
pub(super) fn zip(bytes: &[u8], limits: &Limits, spent: &mut Spent) -> Result<Vec<Vec<u8>>, Unusable> {
    let broken = |error: ZipError| ArchiveError::new("zip", &error);
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(broken)?;
    if archive.len() > limits.members {
        return Err(limits.too_many_members().into());
    }
    let mut allowance = Allowance { limits, packed: bytes.len() as u64, unpacked: 0, spent };
    let mut members = Vec::new();
    for index in 0..archive.len() {
        let member = archive.by_index(index).map_err(broken)?;
        if !member.is_file() {
            continue;
        }
        let expected = member.size();
        members.push(allowance.read(member, expected).map_err(|error| error.name("zip"))?);
    }
    Ok(members)
}

impl ReadError {
    fn name(self, format: &'static str) -> Unusable {
        match self {
            ReadError::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                ArchiveError::new(format, &"it is cut off").into()
            }
            ReadError::Io(error) => ArchiveError::new(format, &error).into(),
            ReadError::Limit(limit) => limit.into(),
        }
    }
}
