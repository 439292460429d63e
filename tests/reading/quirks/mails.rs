//! Mails and archives around reports.

use std::io::Write;

use flate2::{Compression, write::ZlibEncoder};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use super::{Quirk, built, plain, quirk, xml::ORG};
use crate::support::mail::{base64, gzip, zip};

pub fn quirks() -> Vec<Quirk> {
    [mails(), gzips(), zips(), broken_archives()].into_iter().flatten().collect()
}

fn mails() -> Vec<Quirk> {
    vec![
        quirk("mail-report-is-the-body.eml").has("/received/from", "dmarc@reporter.example"),
        quirk("mail-report-in-body-text.eml").repairs(&["text-before-xml"]),
        quirk("mail-quoted-printable.eml").has(ORG, "Grüße =3D"),
        quirk("mail-base64-junk.eml").repairs(&["base64-junk"]),
        quirk("mail-base64-unpadded.eml").repairs(&["base64-unpadded"]),
        quirk("mail-base64-twice.eml").repairs(&["undeclared-base64"]),
        quirk("mail-base64-called-7bit.eml").repairs(&["undeclared-base64"]),
        quirk("mail-contenttype-header.eml"),
        quirk("mail-type-application-octet-stream.eml"),
        quirk("mail-type-application-x-zip-compressed.eml"),
        quirk("mail-type-text-plain.eml"),
        quirk("mail-type-image-png.eml"),
        quirk("mail-name-rfc-2231.eml"),
        quirk("mail-uuencoded.eml"),
        quirk("mail-x-uuencode.eml"),
        quirk("mail-forwarded.eml").has("/received/message_id", "mail-forwarded@reporter.example"),
        quirk("mail-forwarded-base64.eml"),
        quirk("mail-digest.eml").documents(2),
        quirk("mail-several-reports.eml").documents(2).nth_has(
            1,
            "/report-id",
            "quirk-mail-several-reports-2",
        ),
        quirk("mail-html-beside.eml"),
        quirk("mail-declared-html.eml"),
        quirk("mail-html-escaped.eml").repairs(&["report-in-html", "text-before-xml"]),
        quirk("mail-no-closing-boundary.eml"),
        quirk("mail-smime-opaque.eml"),
        quirk("mail-smime-opaque-stream.eml"),
        quirk("mail-smime-detached.eml"),
    ]
}

/// Written to something that can't go back, so that sizes and checksums follow the data.
fn zip_with_data_descriptor(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut zip = ZipWriter::new_stream(Vec::new());
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    zip.start_file(name, options).expect("memory takes it");
    zip.write_all(bytes).expect("memory takes it");
    zip.finish().expect("memory takes it").into_inner()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
    zlib.write_all(bytes).and_then(|()| zlib.finish()).expect("memory takes it")
}

/// A mail with an attachment of this name, its lines ending in CRLF, its base64 all in one line.
fn mail(file_name: &str, attachment: &[u8]) -> Vec<u8> {
    let encoded = base64(attachment).replace('\n', "");
    format!(
        "From: dmarc@reporter.example\r\nTo: reports@example.org\r\nMIME-Version: 1.0\r\n\
         Content-Type: application/octet-stream; name=\"{file_name}\"\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{encoded}\r\n"
    )
    .into_bytes()
}

fn gzips() -> Vec<Quirk> {
    let halves = |name: &str| {
        let text = plain(name);
        let (first, second) = text.split_at(text.len() / 2);
        [gzip(first), gzip(second)].concat()
    };
    vec![
        built("gzip", gzip(&plain("gzip"))),
        built("gzip-twice", gzip(&gzip(&plain("gzip-twice")))),
        built("gzip-named-zip", mail("report.xml.zip", &gzip(&plain("gzip-named-zip")))),
        built("gzip-of-several-members", halves("gzip-of-several-members")),
        built("gzip-with-padding", [gzip(&plain("gzip-with-padding")), vec![0; 100]].concat()),
        built(
            "gzip-after-an-empty-line",
            mail("r.gz", &[b"\r\n".to_vec(), gzip(&plain("gzip-after-an-empty-line"))].concat()),
        ),
        built("zlib-for-gzip", zlib(&plain("zlib-for-gzip"))).repairs(&["zlib-for-gzip"]),
        built("several-reports-in-a-gzip", {
            gzip(
                &[plain("several-reports-in-a-gzip"), plain("several-reports-in-a-gzip-2")]
                    .concat(),
            )
        })
        .documents(2),
        built("gzip-of-unused", gzip(b"unused")).refused("holds no report"),
    ]
}

fn zips() -> Vec<Quirk> {
    vec![
        built(
            "zip-named-gzip",
            mail("report.xml.gz", &zip(&[("r.xml", &plain("zip-named-gzip"))])),
        ),
        built(
            "zip-with-folders",
            zip(&[("a/", b""), ("a/b/", b""), ("a/b/r.xml", &plain("zip-with-folders"))]),
        ),
        built(
            "zip-with-data-descriptor",
            zip_with_data_descriptor("r.xml", &plain("zip-with-data-descriptor")),
        ),
        built("zip-of-gzip", zip(&[("r.xml.gz", &gzip(&plain("zip-of-gzip")))])),
        built(
            "zip-with-junk",
            zip(&[
                ("__MACOSX/._r.xml", b"\0\x05\x16\x07\0\x02\0\0Mac OS X        "),
                ("r.xml", &plain("zip-with-junk")),
                ("readme.txt", b"read me"),
            ]),
        ),
        built("zip-behind-a-header", [b"MZ stub ".to_vec(), zip(&[("r.xml", b"")])].concat())
            .refused("holds no report"),
        built(
            "several-reports-in-an-archive",
            zip(&[
                ("1.xml", &plain("several-reports-in-an-archive")),
                ("2.xml", &plain("several-reports-in-an-archive-2")),
            ]),
        )
        .documents(2)
        .nth_has(
            1,
            "/feedback/report_metadata/report_id",
            "quirk-several-reports-in-an-archive-2",
        ),
        built(
            "mail-in-an-archive",
            zip(&[("report.eml", &mail("r.gz", &gzip(&plain("mail-in-an-archive"))))]),
        ),
    ]
}

/// What is lost is unknown.
fn broken_archives() -> Vec<Quirk> {
    let cut = |mut bytes: Vec<u8>, from_the_end: usize| {
        bytes.truncate(bytes.len() - from_the_end);
        bytes
    };
    let flipped = |mut bytes: Vec<u8>, at: usize| {
        bytes[at] ^= 1;
        bytes
    };
    let gzip_of = |name: &str| gzip(&plain(name));
    let zip_of = |name: &str| zip(&[("r.xml", &plain(name))]);
    let checksum = gzip_of("gzip-wrong-checksum").len() - 8;
    vec![
        built("gzip-cut-off", cut(gzip_of("gzip-cut-off"), 40))
            .refused("gzip archive is broken: it is cut off"),
        built("gzip-without-checksum", cut(gzip_of("gzip-without-checksum"), 8))
            .refused("gzip archive is broken: it is cut off"),
        built("gzip-wrong-checksum", flipped(gzip_of("gzip-wrong-checksum"), checksum))
            .refused("gzip archive is broken"),
        built("zip-cut-off", cut(zip_of("zip-cut-off"), 60)).refused("zip archive is broken"),
        built("zip-wrong-checksum", flipped(zip_of("zip-wrong-checksum"), 60))
            .refused("zip archive is broken"),
    ]
}
