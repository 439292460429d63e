//! The floor: the least that must be done to read reports, and nothing else. How: `inflate` reads
//! each file, decodes its first base64 part and unpacks it; `xml` also finds the tokens of the XML
//! and counts `<record>`. Nothing is checked and nothing is kept, and reports that are packed in
//! another way are passed over: a few in a hundred of the corpus.

use std::{fs::File, io::Read, path::Path};

use flate2::{Decompress, FlushDecompress, Status};
use memchr::{memchr, memmem};
use peers::{Found, run};
use quick_xml::{Reader, events::Event};

/// What a thread keeps from mail to mail.
struct Buffers {
    mail: Vec<u8>,
    packed: Vec<u8>,
    text: Vec<u8>,
    inflate: Decompress,
}

fn main() {
    let buffers = || Buffers {
        mail: Vec::new(),
        packed: Vec::new(),
        text: Vec::new(),
        inflate: Decompress::new(false),
    };
    run(buffers, |buffers, how, path| read(buffers, how == "xml", path).unwrap_or_default());
}

/// Nothing for a mail that is no report.
fn read(buffers: &mut Buffers, walks: bool, path: &Path) -> Option<Found> {
    buffers.mail.clear();
    File::open(path).and_then(|mut file| file.read_to_end(&mut buffers.mail)).expect("a mail");
    decode(&buffers.mail, &mut buffers.packed)?;
    let stream = deflated(&buffers.packed)?;
    inflate(&mut buffers.inflate, stream, &mut buffers.text)?;
    let records = if walks && buffers.text.starts_with(b"<") { count(&buffers.text)? } else { 0 };
    Some(Found { reports: 1, records })
}

/// The first part in base64.
fn decode(mail: &[u8], packed: &mut Vec<u8>) -> Option<()> {
    let field = memmem::find(mail, b"Content-Transfer-Encoding: base64")?;
    let begin = field + memmem::find(&mail[field..], b"\n\n")? + 2;
    let end = memmem::find(&mail[begin..], b"\n--").map_or(mail.len(), |length| begin + length);
    packed.clear();
    for line in mail[begin..end].split(|byte| *byte == b'\n') {
        packed.extend_from_slice(line);
    }
    let length = base64_simd::STANDARD.decode_inplace(packed).ok()?.len();
    packed.truncate(length);
    Some(())
}

/// Where the deflate stream of a gzip file or of the first member of a zip begins.
fn deflated(packed: &[u8]) -> Option<&[u8]> {
    let short =
        |at: usize| Some(usize::from(u16::from_le_bytes([*packed.get(at)?, *packed.get(at + 1)?])));
    if packed.starts_with(b"PK\x03\x04") {
        return packed.get(30 + short(26)? + short(28)?..);
    }
    let flags = *packed.get(3)?;
    let mut at = 10;
    if flags & 4 != 0 {
        at += 2 + short(at)?;
    }
    for text in [8, 16] {
        if flags & text != 0 {
            at += memchr(0, packed.get(at..)?)? + 1;
        }
    }
    packed.get(at + if flags & 2 == 0 { 0 } else { 2 }..)
}

fn inflate(stream: &mut Decompress, bytes: &[u8], text: &mut Vec<u8>) -> Option<()> {
    text.clear();
    text.reserve((bytes.len() * 4).max(8192));
    stream.reset(false);
    loop {
        let at = usize::try_from(stream.total_in()).ok()?;
        match stream.decompress_vec(&bytes[at..], text, FlushDecompress::None).ok()? {
            Status::StreamEnd => return Some(()),
            _ if text.len() == text.capacity() => text.reserve(text.len()),
            _ => return None,
        }
    }
}

fn count(text: &[u8]) -> Option<u64> {
    let mut reader = Reader::from_reader(text);
    let mut records = 0;
    loop {
        match reader.read_event().ok()? {
            Event::Eof => return Some(records),
            Event::Start(tag) if tag.name().as_ref() == b"record" => records += 1,
            _ => {}
        }
    }
}
