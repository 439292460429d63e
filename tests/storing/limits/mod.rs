//! Bombs: mails made to take a reader's time, memory or stack. Each ends in `.failed` with the name
//! of a limit, or is read within the same memory. The time is printed (`--nocapture`), and means
//! something with `--release`.

mod archives;
mod mime;
mod texts;

use std::{
    fmt::Write as _,
    fs::{self, File},
    io::{self, BufRead, BufReader, BufWriter, Write},
    path::Path,
    time::Instant,
};

use crate::support::{
    mail::{attachment, gzip, mail, part},
    program::{Running, TestMaildir},
    rng::Rng,
};

const MEMORY_KIB: u64 = 256 << 10;

/// What became of a mail.
struct Fate {
    /// The reason in the mail's new header, or nothing if it was stored.
    refused: Option<String>,
    /// The documents.
    documents: String,
}

/// Delivers a mail and has it read, by the program itself.
fn read(name: &str, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Fate {
    read_within(name, &[], write)
}

/// [`read`] with other limits.
fn read_within(
    name: &str,
    limits: &[&str],
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Fate {
    let maildir = TestMaildir::new();
    let file = File::create(maildir.path().join("new/1.bomb")).expect("a file");
    let mut file = BufWriter::new(file);
    write(&mut file).and_then(|()| file.flush()).expect("written");
    drop(file);
    let documents = maildir.path().join("documents");
    let paths = [documents.to_str().expect("UTF-8"), maildir.path().to_str().expect("UTF-8")];
    let arguments = [&["once", "--ndjson", paths[0], paths[1]], limits].concat();
    let started = Instant::now();
    let mut running = Running::start(arguments);
    let highest = running.peak_memory();
    println!("{name}: {:.2} s, {} MiB", started.elapsed().as_secs_f64(), highest >> 10);
    assert_eq!(running.wait(), Some(0), "{name}: {}", running.log());
    assert!(highest < MEMORY_KIB, "{name}: {} MiB", highest >> 10);
    assert_eq!(maildir.count("new"), 0, "{name}: {}", running.log());
    let refused =
        fs::read_dir(maildir.path().join(".failed/new")).ok().and_then(|mut folder| folder.next());
    let refused = refused.map(|file| first_line(&file.expect("a file").path()));
    if let Some(line) = &refused {
        println!("    {line}");
    }
    Fate { refused, documents: fs::read_to_string(documents).unwrap_or_default() }
}

fn first_line(path: &Path) -> String {
    let mut line = String::new();
    BufReader::new(File::open(path).expect("a mail")).read_line(&mut line).expect("text");
    line.strip_prefix("X-Email-Report-Processor-Error: ").expect("the reason").trim_end().to_owned()
}

/// Reads a mail that must be refused for this limit.
fn refused(name: &str, limit: &str, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) {
    check_refused(name, limit, read(name, write));
}

fn refused_within(name: &str, limit: &str, limits: &[&str], bytes: &[u8]) {
    check_refused(name, limit, read_within(name, limits, |file| file.write_all(bytes)));
}

fn check_refused(name: &str, limit: &str, fate: Fate) {
    let reason = fate.refused.unwrap_or_else(|| panic!("{name} was stored"));
    assert!(reason.contains(&format!("(--limit-{limit})")), "{name}: {reason}");
    assert_eq!(fate.documents, "", "{name}");
}

fn refused_bytes(name: &str, limit: &str, bytes: &[u8]) {
    refused(name, limit, |file| file.write_all(bytes));
}

/// Writes a piece so often that it makes this many bytes.
fn repeat(file: &mut dyn Write, piece: &[u8], bytes: usize) -> io::Result<()> {
    let many = piece.repeat(1 + (64 << 10) / piece.len());
    let mut left = bytes;
    while left > 0 {
        let length = left.min(many.len());
        file.write_all(&many[..length])?;
        left -= length;
    }
    Ok(())
}

/// A mail with a file of this content, not packed.
fn mail_of(content_type: &str, front: &str, piece: &str, back: &str, bytes: usize) -> Vec<u8> {
    let mut out = mail(&part(content_type, front));
    out.pop();
    repeat(&mut out, piece.as_bytes(), bytes - bytes % piece.len()).expect("memory");
    out.extend_from_slice(back.as_bytes());
    out
}

/// What is not about a limit is smaller where nothing is optimised.
const BIG: usize = if cfg!(debug_assertions) { 16 << 20 } else { 60 << 20 };

const METADATA: &str = "<feedback><report_metadata><org_name>Bomber</org_name>\
                        <report_id>bomb</report_id><date_range><begin>1696204800</begin>\
                        <end>1696291199</end></date_range></report_metadata>";

const RECORD: &str = "<record><row><count>1</count></row></record>";

/// Bytes of which each packed one gives about a hundred.
fn compressible(bytes: usize) -> Vec<u8> {
    let mut rng = Rng::new(1, 0);
    let mut out = Vec::with_capacity(bytes);
    while out.len() < bytes {
        out.extend((0..64).flat_map(|_| rng.next().to_le_bytes()));
        out.resize(out.len() + (64 << 10), b' ');
    }
    out.truncate(bytes);
    out
}

/// What a report says of itself stands in each of its documents.
#[test]
fn little_mails_that_make_gigabytes_of_documents() {
    let records = RECORD.repeat(2_500);
    let errors = format!("<error>{}</error>", "x".repeat(4096)).repeat(200);
    let report = METADATA.replace("<date_range>", &format!("{errors}<date_range>"))
        + &records
        + "</feedback>";
    let bomb = mail(&attachment("application/gzip", "a.gz", &gzip(report.as_bytes())));
    // Twenty are kept, 200 MB in all.
    refused_within("200 errors", "document-bytes", &["--limit-document-bytes", "100MB"], &bomb);
    let errors = format!("<error>{}</error>", "&quot;".repeat(4096)).repeat(20);
    let records = RECORD.repeat(10_000);
    let report = METADATA.replace("<date_range>", &format!("{errors}<date_range>"))
        + &records
        + "</feedback>";
    refused_bytes(
        "20 errors",
        "document-bytes",
        &mail(&attachment("application/gzip", "a.gz", &gzip(report.as_bytes()))),
    );
    let metadata = METADATA.replace("Bomber", &"x".repeat(4096));
    let report = metadata + &RECORD.repeat(200_000) + "</feedback>";
    refused_bytes(
        "a long name",
        "document-bytes",
        &mail(&attachment("application/gzip", "a.gz", &gzip(report.as_bytes()))),
    );
}

/// Each alone is within the memory.
#[test]
fn many_large_mails_at_once() {
    let mut rng = Rng::new(4, 0);
    let mut report = METADATA.to_owned();
    while report.len() < 50 << 20 {
        let value = format!("{:x}", rng.next()).repeat(250);
        let _ = write!(
            report,
            "<record><row><count>1</count></row><identifiers><header_from>{value}</header_from>"
        );
        report += "</identifiers></record>";
        report += &RECORD.repeat(60);
    }
    report += "</feedback>";
    let mail = mail(&attachment("application/gzip", "a.gz", &gzip(report.as_bytes())));
    assert!(mail.len() < 1 << 20, "{}", mail.len());
    for threads in ["4", "64"] {
        let maildir = TestMaildir::new();
        (0..8).for_each(|n| maildir.deliver(&n.to_string(), &mail));
        let path = maildir.path().to_str().expect("UTF-8");
        let documents = maildir.path().join("documents");
        let documents = documents.to_str().expect("UTF-8");
        let mut running =
            Running::start(["once", "--ndjson", documents, "--threads", threads, path]);
        let highest = running.peak_memory();
        println!("8 mails of {} KiB, {threads} threads: {} MiB", mail.len() >> 10, highest >> 10);
        assert_eq!(running.wait(), Some(0), "{}", running.log());
        assert_eq!(
            (maildir.count("new"), maildir.count("cur") + maildir.count(".failed/new")),
            (0, 8)
        );
        assert!(highest < MEMORY_KIB, "{} MiB", highest >> 10);
    }
}
