//! Bombs: mails made to take a reader's time, memory or stack. Each ends in `.failed` with the name of a limit, or is read
//! within the same memory. The time is printed (`--nocapture`), and means something with `--release`.

use std::{
    fmt::Write as _,
    fs::{self, File},
    io::{self, BufRead, BufReader, BufWriter, Write},
    net::TcpListener,
    path::Path,
    time::{Duration, Instant},
};

use crate::support::{
    mail::{attachment, base64, gzip, mail, multipart, part, zip},
    program::{Running, TestMaildir},
    rng::Rng,
};
use flate2::{Compress, Compression, FlushCompress, Status};

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
fn read_within(name: &str, limits: &[&str], write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Fate {
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
    let mut highest = 0;
    while running.is_running() {
        highest = running.memory().map_or(highest, |(_, high)| high.max(highest));
        assert!(started.elapsed() < Duration::from_mins(3), "{name} takes for ever");
        std::thread::sleep(Duration::from_millis(1));
    }
    println!("{name}: {:.2} s, {} MiB", started.elapsed().as_secs_f64(), highest >> 10);
    assert_eq!(running.wait(), Some(0), "{name}: {}", running.log());
    assert!(highest < MEMORY_KIB, "{name}: {} MiB", highest >> 10);
    assert_eq!(maildir.count("new"), 0, "{name}: {}", running.log());
    let refused = fs::read_dir(maildir.path().join(".failed/new")).ok().and_then(|mut folder| folder.next());
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

const METADATA: &str = "<feedback><report_metadata><org_name>Bomber</org_name><report_id>bomb</report_id><date_range><begin>\
                        1696204800</begin><end>1696291199</end></date_range></report_metadata>";

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

// ---- documents

/// What a report says of itself stands in each of its documents.
#[test]
fn little_mails_that_make_gigabytes_of_documents() {
    let records = RECORD.repeat(2_500);
    let errors = format!("<error>{}</error>", "x".repeat(4096)).repeat(200);
    let report = METADATA.replace("<date_range>", &format!("{errors}<date_range>")) + &records + "</feedback>";
    let bomb = mail(&attachment("application/gzip", "a.gz", &gzip(report.as_bytes())));
    // Twenty are kept, 200 MB in all.
    refused_within("200 errors", "document-bytes", &["--limit-document-bytes", "100MB"], &bomb);
    let errors = format!("<error>{}</error>", "&quot;".repeat(4096)).repeat(20);
    let records = RECORD.repeat(10_000);
    let report = METADATA.replace("<date_range>", &format!("{errors}<date_range>")) + &records + "</feedback>";
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

// ---- archives

#[test]
fn gzip_that_unpacks_to_10_gb() {
    // Blocks that end at a byte can stand one after another.
    let zeros = vec![0; 10_000_000];
    let mut block = Vec::with_capacity(100_000);
    let mut compress = Compress::new(Compression::best(), false);
    let status = compress.compress_vec(&zeros, &mut block, FlushCompress::Full).expect("memory");
    assert!(status == Status::Ok && compress.total_in() == zeros.len() as u64);
    let mut bomb = b"\x1F\x8B\x08\0\0\0\0\0\0\x03".to_vec();
    bomb.extend(block.repeat(1000));
    bomb.extend(b"\x03\0\0\0\0\0\0\0\0\0");
    refused_bytes("10 GB in gzip", "unpacked-bytes", &mail(&attachment("application/gzip", "bomb.gz", &bomb)));
}

/// Many entries of the directory that name the same file.
#[test]
fn zip_with_entries_that_overlap() {
    let mut rng = Rng::new(2, 0);
    let noise: Vec<u8> = (0..1 << 17).flat_map(|_| rng.next().to_le_bytes()).collect();
    let archive = zip(&[("a.xml", &noise)]);
    let directory = memchr::memmem::rfind(&archive, b"PK\x01\x02").expect("a directory");
    let end = memchr::memmem::rfind(&archive, b"PK\x05\x06").expect("an end");
    let entry = &archive[directory..end];
    let mut bomb = archive[..directory].to_vec();
    let entries = 900_u16;
    for n in 0..entries {
        let mut entry = entry.to_vec();
        // Names of the same length, each another.
        entry[46..49].copy_from_slice(format!("{n:03}").as_bytes());
        bomb.extend(entry);
    }
    let mut tail = archive[end..].to_vec();
    tail[8..10].copy_from_slice(&entries.to_le_bytes());
    tail[10..12].copy_from_slice(&entries.to_le_bytes());
    let size = u32::try_from(entry.len()).expect("small") * u32::from(entries);
    tail[12..16].copy_from_slice(&size.to_le_bytes());
    bomb.extend(tail);
    let fate = read("zip with overlapping entries", |file| {
        file.write_all(&mail(&attachment("application/zip", "bomb.zip", &bomb)))
    });
    let reason = fate.refused.expect("refused");
    assert!(reason.contains("(--limit-") || reason.starts_with("zip archive is broken"), "{reason}");
}

#[test]
fn zips_in_zips() {
    let deep = (0..1000).fold(METADATA.as_bytes().to_vec(), |inner, _| zip(&[("a.zip", &inner)]));
    refused_bytes("1,000 zips in each other", "nesting", &mail(&attachment("application/zip", "bomb.zip", &deep)));
    // Sixteen in each of sixteen in each of ….
    let wide = (0..5).fold(compressible(1 << 20), |inner, _| {
        let names: Vec<String> = (0..16).map(|n| format!("{n}.zip")).collect();
        let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), inner.as_slice())).collect();
        if inner.len() > 1 << 20 { inner } else { zip(&files) }
    });
    refused_bytes("a tree of zips", "unpacked-bytes", &mail(&attachment("application/zip", "bomb.zip", &wide)));
}

#[test]
fn many_attachments_just_below_the_limit() {
    let attached = attachment("application/gzip", "a.gz", &gzip(&compressible(60 << 20)));
    let bomb = mail(&multipart("multipart/mixed", "=_b", &vec![attached; 20]));
    let fate = read("20 attachments of 60 MiB", |file| file.write_all(&bomb));
    let reason = fate.refused.expect("refused");
    assert!(reason.contains("all attachments of a mail (--limit-unpacked-bytes)"), "{reason}");
}

/// What was read of one attachment stays in memory while the next one is.
#[test]
fn many_attachments_full_of_values() {
    let mut rng = Rng::new(3, 0);
    let mut report = METADATA.to_owned();
    while report.len() < 60 << 20 {
        let value = format!("{:x}{:x}{:x}{:x}", rng.next(), rng.next(), rng.next(), rng.next()).repeat(60);
        let results = format!("<dkim><selector>{value}</selector></dkim>");
        let _ = write!(report, "<record><row><count>1</count></row><auth_results>{results}</auth_results></record>");
    }
    report += "</feedback>";
    let attached = attachment("application/gzip", "a.gz", &gzip(report.as_bytes()));
    let bomb = mail(&multipart("multipart/mixed", "=_b", &vec![attached; 20]));
    drop(report);
    let fate = read("20 reports of 60 MiB", |file| file.write_all(&bomb));
    let reason = fate.refused.expect("refused");
    assert!(reason.contains("(--limit-unpacked-bytes)"), "{reason}");
    // Two were read before it was too much.
    assert!(fate.documents.len() > 100 << 20, "{} bytes", fate.documents.len());
}

#[test]
fn many_members_of_gzip_and_zip() {
    let many = gzip(b"").repeat(500_000);
    refused_bytes("500,000 gzip members", "members", &mail(&attachment("application/gzip", "a.gz", &many)));
    let names: Vec<String> = (0..50_000).map(|n| n.to_string()).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), b"".as_slice())).collect();
    refused_bytes("50,000 files in a zip", "members", &mail(&attachment("application/zip", "a.zip", &zip(&files))));
}

/// The directory of a zip archive: its entries, nothing behind them.
fn directory(entries: usize) -> Vec<u8> {
    let mut entry = b"PK\x01\x02".to_vec();
    entry.resize(46, 0);
    // The name's length.
    entry[28] = 1;
    entry.push(b'a');
    entry.repeat(entries)
}

/// An archive of so many members that says it has other numbers: in the old record of its end, and in the one of zip64.
fn zip_that_claims(entries: usize, claimed: u16, claimed64: Option<u64>) -> Vec<u8> {
    let mut archive = b"PK\x03\x04".to_vec();
    archive.resize(30, 0);
    let start = archive.len() as u64;
    archive.extend(directory(entries));
    let size = archive.len() as u64 - start;
    if let Some(number) = claimed64 {
        let end = archive.len() as u64;
        archive.extend(b"PK\x06\x06");
        archive.extend(44_u64.to_le_bytes());
        archive.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        for field in [number, number, u64::MAX / 4, start] {
            archive.extend(field.to_le_bytes());
        }
        archive.extend(b"PK\x06\x07\0\0\0\0");
        archive.extend(end.to_le_bytes());
        archive.extend(1_u32.to_le_bytes());
    }
    archive.extend(b"PK\x05\x06\0\0\0\0");
    archive.extend(claimed.to_le_bytes());
    archive.extend(claimed.to_le_bytes());
    archive.extend(u32::try_from(size).expect("small").to_le_bytes());
    archive.extend(u32::try_from(start).expect("small").to_le_bytes());
    archive.extend([0, 0]);
    archive
}

#[test]
fn zip_with_a_long_directory() {
    for (name, archive) in [
        ("1.25 million members", zip_that_claims(1_250_000, u16::MAX, Some(1_250_000))),
        ("1.25 million members, 65,535 claimed", zip_that_claims(1_250_000, u16::MAX, None)),
        ("1.25 million members, 3 claimed", zip_that_claims(1_250_000, 3, None)),
        ("a million claimed", zip_that_claims(3, u16::MAX, Some(1_000_000))),
        ("65,535 claimed", zip_that_claims(3, u16::MAX, None)),
    ] {
        refused_bytes(name, "members", &mail(&attachment("application/gzip", "a.zip.gz", &gzip(&archive))));
    }
}

/// A zip64 archive within the limits is read.
#[test]
fn zip64() {
    let report = format!("{METADATA}{RECORD}</feedback>");
    let plain = zip(&[("a.xml", report.as_bytes())]);
    let end = memchr::memmem::rfind(&plain, b"PK\x05\x06").expect("an end");
    let (directory, tail) =
        (u64::from(u32::from_le_bytes(plain[end + 16..end + 20].try_into().expect("four"))), &plain[end..]);
    let mut archive = plain[..end].to_vec();
    archive.extend(b"PK\x06\x06");
    archive.extend(44_u64.to_le_bytes());
    archive.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for field in [1, 1, end as u64 - directory, directory] {
        archive.extend(field.to_le_bytes());
    }
    archive.extend(b"PK\x06\x07\0\0\0\0");
    archive.extend((end as u64).to_le_bytes());
    archive.extend(1_u32.to_le_bytes());
    let mut tail = tail.to_vec();
    tail[8..20].fill(0xFF);
    archive.extend(tail);
    let fate = read("zip64", |file| file.write_all(&mail(&attachment("application/zip", "a.zip", &archive))));
    assert_eq!((fate.refused, fate.documents.lines().count()), (None, 1));
}

// ---- many at once

/// Each alone is within the memory.
#[test]
fn many_large_mails_at_once() {
    let mut rng = Rng::new(4, 0);
    let mut report = METADATA.to_owned();
    while report.len() < 50 << 20 {
        let value = format!("{:x}", rng.next()).repeat(250);
        let _ = write!(report, "<record><row><count>1</count></row><identifiers><header_from>{value}</header_from>");
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
        let mut running = Running::start(["once", "--ndjson", documents, "--threads", threads, path]);
        let mut highest = 0;
        while running.is_running() {
            highest = running.memory().map_or(highest, |(_, high)| high.max(highest));
            std::thread::sleep(Duration::from_millis(1));
        }
        println!("8 mails of {} KiB, {threads} threads: {} MiB", mail.len() >> 10, highest >> 10);
        assert_eq!(running.wait(), Some(0), "{}", running.log());
        assert_eq!((maildir.count("new"), maildir.count("cur") + maildir.count(".failed/new")), (0, 8));
        assert!(highest < MEMORY_KIB, "{} MiB", highest >> 10);
    }
}

// ---- MIME

#[test]
fn mails_in_mails() {
    refused_bytes(
        "100,000 mails in each other",
        "nesting",
        "Content-Type: message/rfc822\n\n".repeat(100_000).as_bytes(),
    );
    let nested = "Content-Type: message/rfc822\n\n".repeat(100_000);
    let hidden = mail(&attachment("message/rfc822", "a.eml", nested.as_bytes()));
    refused_bytes("100,000 mails in each other, in base64", "nesting", &hidden);
}

#[test]
fn multiparts_in_multiparts() {
    let nested = (0..100_000).map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n"));
    refused_bytes("100,000 multiparts in each other", "nesting", nested.collect::<String>().as_bytes());
    let boundaries = (0..100_000).map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\n\n"));
    let delimited = format!("--b\n{}", boundaries.collect::<Vec<_>>().join("\n--b\n"));
    let bomb = mail(&part("multipart/mixed; boundary=b", &delimited));
    refused_bytes("100,000 multiparts without a part", "parts", &bomb);
}

#[test]
fn many_parts() {
    let parts = mail_of("multipart/mixed; boundary=b", "", "--b\n\n\n", "", BIG);
    refused_bytes("parts of nothing", "parts", &parts);
    refused("almost boundaries", "header-bytes", |file| {
        let boundary = "-".repeat(4000);
        file.write_all(&mail(&format!("Content-Type: multipart/mixed; boundary=\"{boundary}x\"\n\n")))?;
        repeat(file, b"-", 30 << 20)?;
        // A boundary that is short enough is no better.
        file.write_all(format!("\n--{boundary}x\nA: {}", "a".repeat(2 << 20)).as_bytes())
    });
}

#[test]
fn headers() {
    refused("a header line of 100 MB", "mail-bytes", |file| {
        file.write_all(b"Subject: ")?;
        repeat(file, b"a", 100_000_000)
    });
    for (name, start, piece) in [
        ("a header line", "Subject: ", "a"),
        ("tiny header fields", "Subject: a\n", "a:\n"),
        ("a folded field", "Subject: a", "\n "),
        ("an address field", "From: ", "<(\"a,"),
        ("encoded words", "Subject: ", "=?utf-8?q?"),
        ("a Received field", "Received: ", "from [("),
        ("parameters", "Content-Type: a/b", ";a*1=x"),
        ("a Content-Type in disguise", "Subject: a\n:C o n t e n t-Type: a/b", ";a*1=x"),
        ("a Date field", "Date: ", "1:"),
        ("a Message-ID", "Message-ID: ", "<a"),
        ("references", "References: ", "<a> "),
    ] {
        refused(name, "header-bytes", |file| {
            file.write_all(start.as_bytes())?;
            repeat(file, piece.as_bytes(), BIG)
        });
        // As much as is looked at.
        let fate = read(&format!("{name}, 1 MiB"), |file| {
            file.write_all(start.as_bytes())?;
            repeat(file, piece.as_bytes(), (1 << 20) - start.len() - 2)?;
            file.write_all(b"\n\nno report")
        });
        assert!(fate.refused.is_some());
    }
}

#[test]
fn a_mail_of_500_mb_is_not_read() {
    // Without blocks on disk: a file of zeros.
    refused("500 MB", "mail-bytes", |file| {
        file.write_all(b"From: a@example.org\n\n")?;
        repeat(file, b"a", 500_000_000)
    });
}

// ---- XML

#[test]
fn entities_are_never_resolved() {
    let folder = tempfile::tempdir().expect("a folder");
    let secret = folder.path().join("secret");
    fs::write(&secret, "the-secret").expect("written");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("a socket");
    let port = listener.local_addr().expect("an address").port();
    // Whoever opens this one waits for ever.
    let pipe = folder.path().join("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RWXU).expect("a pipe");
    let mut entities = String::from("<!ENTITY lol0 \"lol\">");
    for n in 1..40 {
        let _ = write!(entities, "<!ENTITY lol{n} \"{}\">", format!("&lol{};", n - 1).repeat(10));
    }
    let doctype = format!(
        "<!DOCTYPE feedback SYSTEM \"http://127.0.0.1:{port}/a.dtd\" [{entities}\n\
         <!ENTITY file SYSTEM \"file://{}\"><!ENTITY pipe SYSTEM \"{}\"><!ENTITY net SYSTEM \"http://127.0.0.1:{port}/\">\n\
         <!ENTITY % remote SYSTEM \"http://127.0.0.1:{port}/remote.dtd\"> %remote;]>",
        secret.display(),
        pipe.display()
    );
    let xml = format!("<?xml version=\"1.0\"?>{doctype}{METADATA}{RECORD}</feedback>")
        .replace("Bomber", "&lol39;&file;&pipe;&net;");
    let fate = read("entities", |file| file.write_all(&mail(&part("text/xml", &xml))));
    assert_eq!(fate.refused, None);
    assert!(fate.documents.contains("\"org_name\":\"&lol39;&file;&pipe;&net;\""), "{}", fate.documents);
    assert!(fate.documents.contains("unknown-entity"));
    assert_eq!(listener.accept().expect_err("nobody calls").kind(), io::ErrorKind::WouldBlock);
}

#[test]
fn a_million_levels_of_xml() {
    let deep = mail_of("text/xml", METADATA, "<a>", "", 3_000_000);
    refused_bytes("1,000,000 levels of XML", "xml-depth", &deep);
}

#[test]
fn xml_of_tiny_records() {
    let records = mail_of("text/xml", METADATA, RECORD, "</feedback>", BIG);
    refused_bytes("tiny records", "records", &records);
    let several = format!("{METADATA}{}</feedback>", RECORD.repeat(60_000));
    let parts = vec![part("text/xml", &several); 20];
    let fate = read("20 reports of 60,000 records", |file| {
        file.write_all(&mail(&multipart("multipart/mixed", "=_b", &parts)))
    });
    assert!(fate.refused.expect("refused").contains("(--limit-records)"));
    // The rest of the mail is well.
    assert_eq!(fate.documents.lines().count(), 240_000);
}

fn records_full_of_results() -> String {
    let results = "<dkim><domain>a</domain></dkim>".repeat(100);
    format!("<record><row><count>1</count></row><auth_results>{results}</auth_results></record>")
}

#[test]
fn xml_with_one_huge_thing() {
    for (name, front, piece, back) in [
        ("a value", "<version>", "v", "</version>"),
        ("a value in pieces", "<version>", "v&amp;", "</version>"),
        ("an entity's name", "<version>&", "v", ";</version>"),
        ("attributes", "<version ", "a='b' ", ">1.0</version>"),
        ("an attribute", "<version a='", "b", "'>1.0</version>"),
        ("a name", "<", "b", "/>"),
        ("a comment", "<!--", "-b", "-->"),
        ("CDATA", "<![CDATA[", "b]]", "]]>"),
        ("unknown elements", "", "<a/>", ""),
        ("rows", "<record>", "<row/>", "</record>"),
        ("results", "<record><auth_results>", "<dkim/>", "</auth_results></record>"),
        (
            "full results",
            "<record><row><count>1</count></row>",
            "<auth_results><dkim><domain>a</domain></dkim></auth_results>",
            "</record>",
        ),
        ("records full of results", "", &records_full_of_results(), ""),
        ("errors", "<report_metadata>", "<error>e</error>", "</report_metadata>"),
        ("policies", "", "<policy_published><p>none</p></policy_published>", ""),
        ("ends", "", "</a>", ""),
        ("less-than signs", "<version>", "<", "</version>"),
        ("ampersands", "<version>", "&", "</version>"),
        ("roots", "</feedback>", "<feedback>", "<a>"),
        ("small reports", "</feedback>", "<feedback><a></feedback>", ""),
    ] {
        let bomb =
            mail_of("text/xml", &format!("{METADATA}{front}"), piece, &format!("{back}{RECORD}</feedback>"), BIG);
        // Whether it is read or refused, within the memory.
        read(&format!("{} MiB of {name}", BIG >> 20), |file| file.write_all(&bomb));
    }
}

// ---- JSON

const TLS: &str = "{\"organization-name\":\"Bomber\",\"report-id\":\"bomb\",\"date-range\":{\"start-datetime\":\
                   \"2023-10-02T00:00:00Z\",\"end-datetime\":\"2023-10-02T23:59:59Z\"},";

#[test]
fn json() {
    let front = format!("{TLS}\"policies\":");
    refused_bytes("deep JSON", "xml-depth", &mail_of("application/json", &front, "[", "", 10 << 20));
    let policies = mail_of("application/json", &format!("{front}[{{}}"), ",{}", "]}", 3_000_000);
    refused_bytes("1,000,000 policies", "records", &policies);
    let big = mail_of("application/json", &format!("{TLS}\"a\":\""), "a", "\",\"policies\":[]}", 17 << 20);
    refused_bytes("a large JSON value", "unpacked-bytes", &big);
    for (name, front, piece, back) in [
        ("a value", "\"contact-info\":\"", "a", "\","),
        ("an escaped value", "\"contact-info\":\"", "\\u00e4", "\","),
        ("names", "", "\"a\":1,", ""),
        ("a name", "\"", "a-", "\":1,"),
        ("a number", "\"contact-info\":", "1", ","),
        ("unknown lists", "\"a\":[1", ",[]", "],"),
        ("texts in a list", "\"policies\":[{\"policy\":{\"policy-string\":[\"\"", ",\"\"", "]}}],\"b\":1,"),
        ("nulls in a list", "\"policies\":[null", ",null", "],\"b\":1,"),
        ("numbers in a list", "\"policies\":[1", ",1", "],\"b\":1,"),
        ("line breaks in a text", "\"contact-info\":\"", "a\n", "\","),
    ] {
        let back = format!("{back}\"policies\":[{{\"policy\":{{\"policy-type\":\"sts\"}}}}]}}");
        let bomb = mail_of("application/json", &format!("{TLS}{front}"), piece, &back, 15 << 20);
        read(&format!("15 MiB of {name}"), |file| file.write_all(&bomb));
    }
}

// ---- other

#[test]
fn other_encodings() {
    refused("base64 of junk", "mail-bytes", |file| {
        file.write_all(&mail(&part("application/gzip\nContent-Transfer-Encoding: base64", "")))?;
        repeat(file, b"=?*", 64 << 20)
    });
    for (name, front, piece) in [
        ("base64 of padding", "application/gzip\nContent-Transfer-Encoding: base64", "a==="),
        ("quoted-printable", "text/plain\nContent-Transfer-Encoding: quoted-printable", "=3C"),
        ("uuencoded beginnings", "text/plain", "begin 644 a\n`\nend\n"),
        ("text", "text/plain", "feedback "),
        ("almost XML", "text/plain", "x <feedback "),
        ("header names", "text/plain", "from:\n"),
        ("zeros", "application/octet-stream", "\0"),
        ("zip ends", "application/zip", "PK\x05\x06"),
    ] {
        let bomb = mail_of(front, "", piece, "", BIG);
        read(&format!("{} MiB of {name}", BIG >> 20), |file| file.write_all(&bomb));
    }
    let undeclared = mail(&part("text/plain", &base64(&vec![0; 40 << 20])));
    read("40 MiB in base64 that is not declared", |file| file.write_all(&undeclared));
}
