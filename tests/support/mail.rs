//! Mails and archives built from text.

use std::{
    fmt::Write as _,
    io::{Cursor, Write as _},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use flate2::{Compression, GzBuilder};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

/// `bytes` as a gzip file.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    gzip_named("", bytes)
}

/// `bytes` as a gzip file that remembers the name of what it holds.
pub fn gzip_named(name: &str, bytes: &[u8]) -> Vec<u8> {
    let builder = if name.is_empty() { GzBuilder::new() } else { GzBuilder::new().filename(name) };
    let mut encoder = builder.write(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

/// A zip archive of the files given by name and content; a name with `/` at its end is a folder's.
pub fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    zip_as(CompressionMethod::Deflated, files)
}

/// A zip archive whose files are stored as they are.
pub fn zip_stored(files: &[(&str, &[u8])]) -> Vec<u8> {
    zip_as(CompressionMethod::Stored, files)
}

fn zip_as(method: CompressionMethod, files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        let options = SimpleFileOptions::default().compression_method(method);
        if name.ends_with('/') {
            archive.add_directory(*name, options).expect("the name fits");
            continue;
        }
        archive.start_file(*name, options).expect("the name fits");
        archive.write_all(bytes).expect("memory takes it");
    }
    archive.finish().expect("memory takes it").into_inner()
}

/// `bytes` in base64 lines of 76 characters.
pub fn base64(bytes: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(bytes);
    let mut out = String::with_capacity(text.len() + text.len() / 76 + 1);
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(76));
        out.push_str(line);
        out.push('\n');
        rest = more;
    }
    out
}

/// A MIME part: header and body.
pub fn part(content_type: &str, body: &str) -> String {
    format!("Content-Type: {content_type}\n\n{body}\n")
}

/// A MIME part with a file in base64.
pub fn attachment(content_type: &str, name: &str, bytes: &[u8]) -> String {
    format!(
        "Content-Type: {content_type};\n\tname=\"{name}\"\n\
         Content-Disposition: attachment;\n\tfilename=\"{name}\"\n\
         Content-Transfer-Encoding: base64\n\n{}",
        base64(bytes)
    )
}

/// A part that holds parts.
pub fn multipart(content_type: &str, boundary: &str, parts: &[String]) -> String {
    let mut out = format!("Content-Type: {content_type};\n\tboundary=\"{boundary}\"\n\n");
    for part in parts {
        let _ = write!(out, "--{boundary}\n{part}\n");
    }
    let _ = writeln!(out, "--{boundary}--");
    out
}

/// A mail with a fixed header around a part as the functions above make it.
pub fn mail(part: &str) -> Vec<u8> {
    format!(
        "Received: from mx.reporter.example by mx.example.org; Wed, 02 Sep 2026 04:10:00 +0000\n\
         From: Reports <noreply@reporter.example>\n\
         To: dmarc@example.org\n\
         Subject: Report domain: example.org Submitter: reporter.example\n\
         Message-ID: <test.1@reporter.example>\n\
         Date: Wed, 02 Sep 2026 04:09:58 +0000\n\
         MIME-Version: 1.0\n\
         {part}"
    )
    .into_bytes()
}

/// A file of `tests/fixtures`.
pub fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}
