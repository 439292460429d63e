//! Headers, parts and encodings of a mail.

use super::{BIG, mail_of, read, refused, refused_bytes, repeat};
use crate::support::mail::{attachment, base64, mail, part};

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
    let nested =
        (0..100_000).map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n"));
    refused_bytes(
        "100,000 multiparts in each other",
        "nesting",
        nested.collect::<String>().as_bytes(),
    );
    let boundaries =
        (0..100_000).map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\n\n"));
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
        file.write_all(&mail(&format!(
            "Content-Type: multipart/mixed; boundary=\"{boundary}x\"\n\n"
        )))?;
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
