//! Mail: a report on its way, with the header that a mail server leaves on it.

use std::io::{self, Cursor, Write};

use base64::{Engine, prelude::BASE64_STANDARD};
use flate2::{Compression, GzBuilder};
use jiff::{Timestamp, fmt::rfc2822::DateTimePrinter};
use zip::{ZipWriter, write::SimpleFileOptions};

use super::{DemoMail, receivers::Form};

/// Bytes of base64 on a line (RFC 2045 section 6.8).
const LINE: usize = 76;

/// What is to be in a mail.
pub(super) struct ReportLetter<'l> {
    pub(super) from: String,
    /// The domain of the server that sends it.
    pub(super) host: &'l str,
    pub(super) to: &'l str,
    pub(super) subject: String,
    /// In seconds since 1970.
    pub(super) received: i64,
    /// What makes the Message-ID its own.
    pub(super) id: u64,
    /// The body, with header fields of its own.
    pub(super) body: String,
}

impl ReportLetter<'_> {
    pub(super) fn mail(self) -> DemoMail {
        let ReportLetter { from, host, to, subject, received, id, body } = self;
        let date = date(received);
        let text = format!(
            "Return-Path: <{from}>\n\
             Delivered-To: {to}\n\
             Received: from out.{host} (out.{host} [198.18.255.25])\n\
             \tby mx1.example.com (Postfix) with ESMTPS id {id:016X}\n\
             \tfor <{to}>; {date}\n\
             Date: {date}\n\
             From: <{from}>\n\
             To: <{to}>\n\
             Subject: {subject}\n\
             Message-ID: <{id:016x}@{host}>\n\
             MIME-Version: 1.0\n\
             {body}"
        );
        DemoMail { received, bytes: text.into_bytes() }
    }
}

/// A date of RFC 5322.
pub(super) fn date(second: i64) -> String {
    let moment = Timestamp::from_second(second).unwrap_or(Timestamp::UNIX_EPOCH);
    DateTimePrinter::new().timestamp_to_string(&moment).unwrap_or_default()
}

/// A part that is text.
pub(super) fn text(content_type: &str, body: &str) -> String {
    format!("Content-Type: {content_type}\n\n{body}\n")
}

/// A part that is a file.
pub(super) fn file(content_type: &str, name: &str, bytes: &[u8]) -> String {
    let encoded = BASE64_STANDARD.encode(bytes);
    let mut body = String::with_capacity(encoded.len() + encoded.len() / LINE + 1);
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(LINE));
        body.push_str(line);
        body.push('\n');
        rest = more;
    }
    format!(
        "Content-Type: {content_type};\n\tname=\"{name}\"\n\
         Content-Disposition: attachment;\n\tfilename=\"{name}\"\n\
         Content-Transfer-Encoding: base64\n\n{body}"
    )
}

/// A part of parts.
pub(super) fn several(content_type: &str, boundary: &str, parts: &[String]) -> String {
    let begin = format!("--{boundary}\n");
    let parts = parts.join(&format!("\n{begin}"));
    format!(
        "Content-Type: {content_type};\n\tboundary=\"{boundary}\"\n\n{begin}{parts}\n--{boundary}--\n"
    )
}

/// The file of a report as it comes, with the name that it has there and its type.
pub(super) fn packed(
    form: Form,
    name: &str,
    bytes: &[u8],
) -> io::Result<(String, &'static str, Vec<u8>)> {
    Ok(match form {
        Form::Zip => {
            let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
            archive.start_file(name, SimpleFileOptions::default())?;
            archive.write_all(bytes)?;
            let base = name.rsplit_once('.').map_or(name, |(base, _)| base);
            (format!("{base}.zip"), "application/zip", archive.finish()?.into_inner())
        }
        Form::Gzip => (format!("{name}.gz"), "application/gzip", gzip(name, bytes)?),
        Form::Bare => (name.to_owned(), "text/xml", bytes.to_vec()),
    })
}

/// The bytes as a gzip file that remembers the name of what it holds.
pub(super) fn gzip(name: &str, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut file = GzBuilder::new().filename(name).write(Vec::new(), Compression::default());
    file.write_all(bytes)?;
    file.finish()
}
