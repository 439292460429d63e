//! Archive: what a file is by its first bytes (an mbox, a tar archive, one mail or report), and the
//! reader for it. Packed ones (gzip, zstd) are unpacked as they are read.

use std::io::{self, BufRead, BufReader, Cursor, Read, Seek, SeekFrom};

use flate2::read::MultiGzDecoder;

use super::mbox::is_beginning;
use crate::payload::{Payload, TAR_BLOCK, is_tar, is_tar_header};

/// As much as is looked at.
const HEAD_BYTES: usize = TAR_BLOCK;
/// Large enough that reading is not a matter of system calls.
const BUFFER_BYTES: usize = 256 << 10;

/// A file or a member of an archive, by its content.
pub enum Shape<'r> {
    /// One mail or report, with its bytes as they are.
    Single(Box<dyn Read + 'r>),
    /// One mail or report that was packed in a way that only archives are.
    Unpacked(Box<dyn Read + 'r>),
    /// Many mails.
    Mbox(Box<dyn BufRead + 'r>),
    /// Many files.
    Tar(Box<dyn Read + 'r>),
}

/// Looks at a file on disk. An mbox begins at byte `position` of it, counted unpacked.
///
/// # Errors
/// It can't be read.
pub fn open<'r>(mut file: impl Read + Seek + 'r, position: u64) -> io::Result<Shape<'r>> {
    let start = head(&mut file)?;
    file.seek(SeekFrom::Start(0))?;
    if is_beginning(&start) {
        file.seek(SeekFrom::Start(position))?;
        return Ok(Shape::Mbox(Box::new(buffered(file))));
    }
    let mut shape = look(buffered(file))?;
    if let Shape::Mbox(mbox) = &mut shape {
        io::copy(&mut mbox.take(position), &mut io::sink())?;
    }
    Ok(shape)
}

/// Looks at a stream.
///
/// # Errors
/// It can't be read, or is packed in a format that is not unpacked.
pub fn look<'r>(mut from: impl Read + 'r) -> io::Result<Shape<'r>> {
    let start = head(&mut from)?;
    let payload = Payload::of(&start);
    let whole = Cursor::new(start.clone()).chain(from);
    Ok(match payload {
        Payload::Closed(format) if format != "TNEF" => {
            let what = format!("{format} is not unpacked; unpack it first");
            return Err(io::Error::new(io::ErrorKind::Unsupported, what));
        }
        Payload::Zstd => {
            let mut unpacked = zstd::Decoder::new(whole)?;
            let start = head(&mut unpacked)?;
            match shape(&start, Cursor::new(start.clone()).chain(unpacked)) {
                Shape::Single(unpacked) => Shape::Unpacked(unpacked),
                other => other,
            }
        }
        Payload::Gzip => {
            // A gzip archive that is neither mbox nor tar goes on as it is: its limits are seen to
            // later.
            let mut tee = Tee { from: whole, seen: Vec::new() };
            let inside = head(&mut MultiGzDecoder::new(&mut tee)).unwrap_or_default();
            let Tee { from, seen } = tee;
            let whole = Cursor::new(seen).chain(from);
            if is_beginning(&inside) || is_tar(&inside) {
                shape(&inside, MultiGzDecoder::new(buffered(whole)))
            } else {
                Shape::Single(Box::new(whole))
            }
        }
        _ => shape(&start, whole),
    })
}

fn shape<'r>(start: &[u8], whole: impl Read + 'r) -> Shape<'r> {
    if is_beginning(start) {
        Shape::Mbox(Box::new(buffered(whole)))
    } else if is_tar(start) {
        Shape::Tar(Box::new(buffered(whole)))
    } else {
        Shape::Single(Box::new(whole))
    }
}

fn buffered<R: Read>(from: R) -> BufReader<R> {
    BufReader::with_capacity(BUFFER_BYTES, from)
}

fn head(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(HEAD_BYTES);
    from.take(HEAD_BYTES as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// The blocks of a tar archive, read so that a broken header can be passed over.
pub struct Blocks<R> {
    from: R,
    /// Bytes taken from `from`.
    position: u64,
    /// A header that was found, and is to be read again.
    found: Cursor<Vec<u8>>,
}

impl<R: Read> Blocks<R> {
    /// `from` stands at the start of the archive.
    pub fn new(from: R) -> Blocks<R> {
        Blocks { from, position: 0, found: Cursor::default() }
    }

    /// The byte of the archive that is read next.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The byte of the archive at which the next header begins; it was found or nothing was read
    /// yet.
    pub fn next_header(&self) -> u64 {
        self.position - self.found.get_ref().len() as u64
    }

    /// Goes to the next header whose check sum is right; false if there is none.
    ///
    /// # Errors
    /// Reading failed.
    pub fn find_header(&mut self) -> io::Result<bool> {
        self.found = Cursor::default();
        let torn = self.position % HEAD_BYTES as u64;
        if torn > 0 {
            io::copy(&mut self.by_ref().take(HEAD_BYTES as u64 - torn), &mut io::sink())?;
        }
        loop {
            let block = head(self)?;
            if block.len() < HEAD_BYTES {
                return Ok(false);
            }
            if is_tar_header(&block) {
                self.found = Cursor::new(block);
                return Ok(true);
            }
        }
    }
}

impl<R: Read> Read for Blocks<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.found.read(buffer)?;
        if read > 0 || buffer.is_empty() {
            return Ok(read);
        }
        let read = self.from.read(buffer)?;
        self.position += read as u64;
        Ok(read)
    }
}

/// A member of a tar archive, which says so when the archive ends within it.
pub struct Member<R> {
    from: R,
    left: u64,
}

impl<R: Read> Member<R> {
    /// A member of `size` bytes.
    pub fn new(from: R, size: u64) -> Member<R> {
        Member { from, left: size }
    }
}

impl<R: Read> Read for Member<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        if read == 0 && self.left > 0 && !buffer.is_empty() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the archive ends within it"));
        }
        self.left = self.left.saturating_sub(read as u64);
        Ok(read)
    }
}

/// Remembers what was read through it.
struct Tee<R> {
    from: R,
    seen: Vec<u8>,
}

impl<R: Read> Read for Tee<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        self.seen.extend_from_slice(&buffer[..read]);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory")
    }

    fn tar(name: &str, content: &[u8]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, content).expect("memory");
        builder.into_inner().expect("memory")
    }

    /// What it is, and all its bytes.
    fn seen(bytes: &[u8]) -> (&'static str, Vec<u8>) {
        let mut all = Vec::new();
        let kind = match look(bytes).expect("memory") {
            Shape::Single(mut from) => from.read_to_end(&mut all).map(|_| "single"),
            Shape::Unpacked(mut from) => from.read_to_end(&mut all).map(|_| "unpacked"),
            Shape::Mbox(mut from) => from.read_to_end(&mut all).map(|_| "mbox"),
            Shape::Tar(mut from) => from.read_to_end(&mut all).map(|_| "tar"),
        };
        (kind.expect("memory"), all)
    }

    #[test]
    fn files_are_told_by_their_first_bytes() {
        let mbox =
            [&b"From a@b Mon Jan  1 00:00:00 2024\nA: 1\n\n"[..], &b"x".repeat(5000)].concat();
        let archive = tar("a.eml", b"A: 1\n\nbody");
        let report = gzip(b"<feedback/>");
        let zstd = |bytes: &[u8]| zstd::encode_all(bytes, 1).expect("memory");
        for (bytes, expected) in [
            (mbox.clone(), ("mbox", mbox.clone())),
            (gzip(&mbox), ("mbox", mbox.clone())),
            (zstd(&mbox), ("mbox", mbox.clone())),
            (archive.clone(), ("tar", archive.clone())),
            (gzip(&archive), ("tar", archive.clone())),
            (zstd(&archive), ("tar", archive.clone())),
            (report.clone(), ("single", report.clone())),
            (zstd(b"<feedback/>"), ("unpacked", b"<feedback/>".to_vec())),
            (b"From: a\n\nFrom b".to_vec(), ("single", b"From: a\n\nFrom b".to_vec())),
            (vec![0x1F, 0x8B, 9], ("single", vec![0x1F, 0x8B, 9])),
            (Vec::new(), ("single", Vec::new())),
        ] {
            assert!(seen(&bytes) == expected, "{} {:?}", expected.0, &bytes[..bytes.len().min(20)]);
        }
    }
}
