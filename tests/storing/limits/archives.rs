//! Archives that unpack to more than anybody wants, or say so.

use std::fmt::Write as _;

use flate2::{Compress, Compression, FlushCompress, Status};

use super::{METADATA, RECORD, compressible, read, refused_bytes};
use crate::support::{
    mail::{attachment, gzip, mail, multipart, zip},
    rng::Rng,
};

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
    refused_bytes(
        "10 GB in gzip",
        "unpacked-bytes",
        &mail(&attachment("application/gzip", "bomb.gz", &bomb)),
    );
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
    assert!(
        reason.contains("(--limit-") || reason.starts_with("zip archive is broken"),
        "{reason}"
    );
}

#[test]
fn zips_in_zips() {
    let deep = (0..1000).fold(METADATA.as_bytes().to_vec(), |inner, _| zip(&[("a.zip", &inner)]));
    refused_bytes(
        "1,000 zips in each other",
        "nesting",
        &mail(&attachment("application/zip", "bomb.zip", &deep)),
    );
    // Sixteen in each of sixteen in each of ….
    let wide = (0..5).fold(compressible(1 << 20), |inner, _| {
        let names: Vec<String> = (0..16).map(|n| format!("{n}.zip")).collect();
        let files: Vec<(&str, &[u8])> =
            names.iter().map(|name| (name.as_str(), inner.as_slice())).collect();
        if inner.len() > 1 << 20 { inner } else { zip(&files) }
    });
    refused_bytes(
        "a tree of zips",
        "unpacked-bytes",
        &mail(&attachment("application/zip", "bomb.zip", &wide)),
    );
}

#[test]
fn many_attachments_just_below_the_limit() {
    let attached = attachment("application/gzip", "a.gz", &gzip(&compressible(60 << 20)));
    let bomb = mail(&multipart("multipart/mixed", "=_b", &vec![attached; 20]));
    let fate = read("20 attachments of 60 MiB", |file| file.write_all(&bomb));
    let reason = fate.refused.expect("refused");
    assert!(reason.contains("(--limit-unpacked-bytes)"), "{reason}");
}

/// What was read of one attachment stays in memory while the next one is.
#[test]
fn many_attachments_full_of_values() {
    let mut rng = Rng::new(3, 0);
    let mut report = METADATA.to_owned();
    while report.len() < 60 << 20 {
        let value =
            format!("{:x}{:x}{:x}{:x}", rng.next(), rng.next(), rng.next(), rng.next()).repeat(60);
        let results = format!("<dkim><selector>{value}</selector></dkim>");
        let _ = write!(
            report,
            "<record><row><count>1</count></row><auth_results>{results}</auth_results></record>"
        );
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
    refused_bytes(
        "500,000 gzip members",
        "members",
        &mail(&attachment("application/gzip", "a.gz", &many)),
    );
    let names: Vec<String> = (0..50_000).map(|n| n.to_string()).collect();
    let files: Vec<(&str, &[u8])> =
        names.iter().map(|name| (name.as_str(), b"".as_slice())).collect();
    refused_bytes(
        "50,000 files in a zip",
        "members",
        &mail(&attachment("application/zip", "a.zip", &zip(&files))),
    );
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

/// The record of its end that a zip64 archive has, and the one that says where that is. The
/// directory has this number of entries and this size, and starts there.
fn add_end_of_zip64(archive: &mut Vec<u8>, entries: u64, size: u64, start: u64) {
    let end = archive.len() as u64;
    archive.extend(b"PK\x06\x06");
    archive.extend(44_u64.to_le_bytes());
    archive.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for field in [entries, entries, size, start] {
        archive.extend(field.to_le_bytes());
    }
    archive.extend(b"PK\x06\x07\0\0\0\0");
    archive.extend(end.to_le_bytes());
    archive.extend(1_u32.to_le_bytes());
}

/// An archive of so many members that says it has other numbers: in the old record of its end, and
/// in the one of zip64.
fn zip_that_claims(entries: usize, claimed: u16, claimed64: Option<u64>) -> Vec<u8> {
    let mut archive = b"PK\x03\x04".to_vec();
    archive.resize(30, 0);
    let start = archive.len() as u64;
    archive.extend(directory(entries));
    let size = archive.len() as u64 - start;
    if let Some(number) = claimed64 {
        add_end_of_zip64(&mut archive, number, u64::MAX / 4, start);
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
        refused_bytes(
            name,
            "members",
            &mail(&attachment("application/gzip", "a.zip.gz", &gzip(&archive))),
        );
    }
}

/// A zip64 archive within the limits is read.
#[test]
fn zip64() {
    let report = format!("{METADATA}{RECORD}</feedback>");
    let plain = zip(&[("a.xml", report.as_bytes())]);
    let end = memchr::memmem::rfind(&plain, b"PK\x05\x06").expect("an end");
    let directory =
        u64::from(u32::from_le_bytes(plain[end + 16..end + 20].try_into().expect("four")));
    let mut archive = plain[..end].to_vec();
    add_end_of_zip64(&mut archive, 1, end as u64 - directory, directory);
    let mut tail = plain[end..].to_vec();
    tail[8..20].fill(0xFF);
    archive.extend(tail);
    let fate = read("zip64", |file| {
        file.write_all(&mail(&attachment("application/zip", "a.zip", &archive)))
    });
    assert_eq!((fate.refused, fate.documents.lines().count()), (None, 1));
}
