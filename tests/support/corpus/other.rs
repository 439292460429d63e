//! Mails without a report, or with a broken one.

use std::fmt::Write as _;

use super::{
    super::{
        mail::{attachment, gzip_named, multipart, part, zip},
        rng::Rng,
    },
    Content, DAY, DAYS, Mail, START,
    dmarc::dmarc,
    mail,
    reporters::PLAIN,
};

const WORDS: &[&str] = &[
    "quarterly",
    "meeting",
    "notes",
    "invoice",
    "please",
    "find",
    "attached",
    "budget",
    "update",
    "the",
    "schedule",
    "for",
    "next",
    "week",
    "thanks",
    "best",
    "regards",
    "From",
    "delivery",
    "status",
    "open",
    "question",
    "<rack>",
];

fn prose(rng: &mut Rng) -> String {
    let mut text = String::new();
    for line in 0..3 + rng.below(20) {
        for word in 0..4 + rng.below(8) {
            let _ = write!(text, "{}{}", if word == 0 { "" } else { " " }, rng.of(WORDS));
        }
        text.push_str(if line % 4 == 3 { ".\n\n" } else { "\n" });
    }
    text
}

fn noise(rng: &mut Rng, bytes: usize) -> Vec<u8> {
    (0..bytes).map(|_| rng.next().to_le_bytes()[0]).collect()
}

fn newsletter(text: String, boundary: &str) -> String {
    let html = "<!DOCTYPE html>\n<html><head><meta charset=utf-8>\
                <title>News & more</title></head>\n\
                <body><p>Prices <b>5 < 6<br>unsubscribe</body></html>\n";
    let html = part("text/html; charset=utf-8", html);
    multipart("multipart/alternative", boundary, &[text, html])
}

fn bounce(rng: &mut Rng, n: usize, text: String, boundary: &str) -> String {
    let status = "Reporting-MTA: dns; mx.example.net\n\n\
                  Final-Recipient: rfc822; user@example.net\n\
                  Action: failed\nStatus: 5.1.1\n";
    let returned = format!(
        "From: someone@example.org\nSubject: hello\n\
         Message-ID: <{n}.returned@example.org>\n\n"
    );
    let status = part("message/delivery-status", status);
    let returned = part("message/rfc822", &(returned + &prose(rng)));
    multipart("multipart/report; report-type=delivery-status", boundary, &[text, status, returned])
}

fn zip_of_an_invoice(rng: &mut Rng) -> String {
    let spreadsheet = noise(rng, 2000);
    let readme = prose(rng);
    let files = [("readme.txt", readme.as_bytes()), ("invoice.xls", spreadsheet.as_slice())];
    attachment("application/zip", "invoice.zip", &zip(&files))
}

fn picture(rng: &mut Rng) -> String {
    let picture = [b"\x89PNG\r\n\x1A\n".as_slice(), &noise(rng, 3000)].concat();
    attachment("image/png", "logo.png", &picture)
}

pub(super) fn junk_mail(rng: &mut Rng, n: usize) -> Mail {
    let boundary = format!("=_{:016x}", rng.next());
    let text = part("text/plain; charset=utf-8", &prose(rng));
    let what = *rng.of(&["letter", "newsletter", "bounce", "zip", "picture"]);
    let body = match what {
        "letter" => text,
        "newsletter" => newsletter(text, &boundary),
        "bounce" => bounce(rng, n, text, &boundary),
        "zip" => multipart("multipart/mixed", &boundary, &[text, zip_of_an_invoice(rng)]),
        _ => multipart("multipart/mixed", &boundary, &[text, picture(rng)]),
    };
    let time =
        START + DAY + i64::try_from(rng.below(DAYS * 86_400)).expect("within the corpus' days");
    let sender = format!("user{}@partner.example", rng.below(1000));
    mail(
        n,
        &sender,
        "partner.example",
        "Re: schedule for next week",
        time,
        &body,
        Content::Junk(what),
    )
}

/// A report whose archive lost its second half or a bit on its way.
pub(super) fn broken_mail(rng: &mut Rng, n: usize) -> Mail {
    let whole = dmarc(rng, &PLAIN, "example.org", format!("broken-{n}"), 20).0;
    let mut packed = gzip_named("report.xml", whole.as_bytes());
    let half = packed.len() / 2;
    let what = *rng.of(&["cut off", "bit flipped"]);
    match what {
        "cut off" => packed.truncate(half),
        _ => packed[half] ^= 0x10,
    }
    let body = attachment("application/gzip", "mail.ru!example.org!1!2.xml.gz", &packed);
    let time =
        START + DAY + i64::try_from(rng.below(DAYS * 86_400)).expect("within the corpus' days");
    mail(
        n,
        PLAIN.email,
        PLAIN.domain,
        "Report domain: example.org",
        time,
        &body,
        Content::Broken(what),
    )
}
