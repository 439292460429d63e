//! A corpus of realistic report mails with exact expectations; the same on every machine, of any
//! size.
//!
//! About 85 % DMARC aggregate reports, 13 % SMTP TLS reports, 2 % mail that is no report or a
//! broken one. Reporters differ in archive, MIME structure and XML as the large ones do in the
//! wild. Numbers of records are heavy-tailed: half the reports have one, one in a hundred some
//! hundred. Mail `n` follows from the seed and `n` alone, so that a corpus need not be kept in
//! memory to be gone through twice.

mod disk;
mod dmarc;
mod expected;
mod manifest;
mod other;
mod record;
mod reporters;
mod tls;
mod xml;

use std::net::{Ipv4Addr, Ipv6Addr};

use email_report_processor::report::rfc3339;
use jiff::{Timestamp, fmt::rfc2822};
use serde_json::{Value, json};

use self::{
    dmarc::dmarc_mail,
    other::{broken_mail, junk_mail},
    record::records,
    tls::tls_mail,
};
use super::rng::Rng;

pub use self::{
    disk::Format,
    expected::{Content, Mail},
    manifest::Manifest,
};

const DAY: i64 = 86_400;

/// 2026-09-01, the first day reported on.
const START: i64 = 1_788_220_800;
const DAYS: u64 = 60;

/// What the corpus is made from.
#[derive(Clone, Debug)]
pub struct Corpus {
    /// Another seed, another corpus.
    pub seed: u64,
    /// Ordinary mails, duplicates included.
    pub mails: usize,
    /// How many of a hundred mails repeat an earlier report.
    pub duplicates: u64,
    /// Mails with a huge report, on top.
    pub huge: usize,
    /// Records of a huge report.
    pub huge_records: u64,
}

impl Corpus {
    /// A corpus of `mails` mails without duplicates or huge reports.
    pub fn new(mails: usize) -> Corpus {
        Corpus { seed: 1, mails, duplicates: 0, huge: 0, huge_records: 100_000 }
    }

    /// All its mails.
    pub fn len(&self) -> usize {
        self.mails + self.huge
    }

    /// True if there is no mail in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Mail `n`, from 0.
    pub fn mail(&self, n: usize) -> Mail {
        let mut rng = Rng::new(self.seed, n as u64);
        let kind = if n < self.mails { rng.below(1000) } else { 0 };
        let original = (n < self.mails && rng.chance(self.duplicates))
            .then(|| self.original_before(n, &mut rng));
        let mut mail = match (original.flatten(), kind) {
            (Some(original), _) => redelivered(self.mail(original), original, &mut rng),
            (None, 0..850) => {
                let records = if n < self.mails { records(&mut rng) } else { self.huge_records };
                dmarc_mail(&mut rng, n, records)
            }
            (None, 850..980) => tls_mail(&mut rng, n),
            (None, 980..997) => junk_mail(&mut rng, n),
            _ => broken_mail(&mut rng, n),
        };
        // As Dovecot names them; the seed keeps apart what several runs deliver to one Maildir.
        mail.name = format!(
            "{}.M{:06}P{}Q{n}.mx.example.org,S={}",
            mail.time,
            rng.below(1_000_000),
            self.seed,
            mail.bytes.len()
        );
        mail
    }

    /// An earlier mail that brings a report for the first time.
    fn original_before(&self, n: usize, rng: &mut Rng) -> Option<usize> {
        (0..100).filter(|_| n > 0).map(|_| rng.index(n.max(1))).find(|candidate| {
            let mut rng = Rng::new(self.seed, *candidate as u64);
            rng.below(1000) < 980 && !rng.chance(self.duplicates)
        })
    }

    /// All mails in order.
    pub fn iter(&self) -> impl Iterator<Item = Mail> {
        (0..self.len()).map(|n| self.mail(n))
    }

    /// The sums, without writing anything.
    pub fn manifest(&self) -> Manifest {
        let mut manifest = Manifest::default();
        self.iter().for_each(|mail| manifest.add(&mail));
        manifest
    }
}

/// The object without members that are null, empty text or an empty list.
fn given(mut object: Value) -> Value {
    if let Value::Object(members) = &mut object {
        members.retain(|_, value| !(value.is_null() || *value == json!("") || *value == json!([])));
    }
    object
}

/// An address from the blocks for documentation and benchmarks (RFC 5737, 2544, 3849).
fn address(rng: &mut Rng) -> String {
    let low = u16::try_from(rng.below(1 << 16)).expect("16 bits");
    match rng.below(100) {
        0..25 => Ipv6Addr::new(0x2001, 0xDB8, low & 0xFF, 0, 0, 0, 0, low).to_string(),
        25..35 => Ipv4Addr::new(192, 0, 2, low.to_le_bytes()[0]).to_string(),
        _ => Ipv4Addr::new(
            198,
            18 + (low.to_le_bytes()[0] & 1),
            low.to_le_bytes()[1],
            low.to_le_bytes()[0],
        )
        .to_string(),
    }
}

/// `body` begins with its own header fields.
fn mail(
    n: usize,
    from: &str,
    host: &str,
    subject: &str,
    time: i64,
    body: &str,
    content: Content,
) -> Mail {
    let date = date(time);
    let message_id = format!("{time}.{n}@{host}");
    let bytes = format!(
        "Return-Path: <{from}>\n\
         Delivered-To: dmarc@example.org\n\
         Received: from mail-{}.{host} (mail-{}.{host} [192.0.2.25])\n\
         \tby mx.example.org (Postfix) with ESMTPS id {n:010X}\n\
         \tfor <dmarc@example.org>; {date}\n\
         Date: {date}\n\
         From: {from}\n\
         To: dmarc@example.org\n\
         Subject: {subject}\n\
         Message-ID: <{message_id}>\n\
         MIME-Version: 1.0\n\
         {body}",
        n % 97,
        n % 97,
    )
    .into_bytes();
    let received = json!({"message_id": message_id, "at": rfc3339(time), "from": from});
    Mail { name: String::new(), bytes, time, duplicate_of: None, received, content }
}

/// The same report once more: byte for byte, or through another server and later.
fn redelivered(mut mail: Mail, original: usize, rng: &mut Rng) -> Mail {
    mail.duplicate_of = Some(original);
    if rng.chance(50) {
        mail.time += 60 + i64::try_from(rng.below(DAY.unsigned_abs())).expect("within a day");
        let hop =
            format!("Received: from mx2.example.org by mx.example.org; {}\n", date(mail.time));
        mail.bytes.splice(0..0, hop.into_bytes());
        mail.received["at"] = json!(rfc3339(mail.time));
    }
    mail
}

fn date(time: i64) -> String {
    let timestamp = Timestamp::from_second(time).expect("within the corpus' days");
    rfc2822::DateTimePrinter::new().timestamp_to_string(&timestamp).expect("years of four digits")
}
