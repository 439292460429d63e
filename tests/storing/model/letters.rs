//! The letters of a story as mails, and what is to come of them.

use std::{collections::HashSet, sync::LazyLock};

use email_report_processor::{limits::Limits, message};
use serde_json::Value;

use super::story::{Kind, Letter, Name, Sink, Story};
use crate::support::{
    corpus::{Content, Corpus},
    mail, read,
};

/// A letter as a mail.
pub struct Mail {
    pub name: String,
    pub bytes: Vec<u8>,
    /// Id and source of each document.
    pub documents: Vec<(String, String)>,
    /// It ends in `.failed`, the store permitting.
    pub fails: bool,
}

/// The same few mails of each kind for all stories.
struct Stock {
    dmarc: Vec<Vec<u8>>,
    large: Vec<Vec<u8>>,
    tls: Vec<Vec<u8>>,
    junk: Vec<Vec<u8>>,
}

static STOCK: LazyLock<Stock> = LazyLock::new(|| {
    let mut stock =
        Stock { dmarc: Vec::new(), large: Vec::new(), tls: Vec::new(), junk: Vec::new() };
    for mail in Corpus::new(1000).iter() {
        let shelf = match (&mail.content, mail.content.len()) {
            (Content::Dmarc(_), 1..=6) => &mut stock.dmarc,
            (Content::Dmarc(_), 60..=400) => &mut stock.large,
            (Content::Tls(_), _) => &mut stock.tls,
            (Content::Junk(_), _) => &mut stock.junk,
            _ => continue,
        };
        shelf.push(mail.bytes);
    }
    stock
});

impl Story {
    /// Its letters as mails, in order.
    pub fn mails(&self) -> Vec<Mail> {
        let mut mails: Vec<Mail> = Vec::new();
        for (n, letter) in self.letters.iter().enumerate() {
            let earlier = mails.get(n / 2).map(|mail| mail.bytes.clone());
            let bytes = match (letter.kind, earlier) {
                (Kind::Again, Some(bytes)) => bytes,
                (kind, _) => bytes(kind, n),
            };
            let contents = message::read(&bytes, &Limits::default());
            mails.push(Mail {
                name: letter.file_name(n),
                documents: read::documents(&contents),
                fails: contents.complaint().is_some(),
                bytes,
            });
        }
        mails
    }

    /// The ids that the store refuses.
    pub fn refused(&self, mails: &[Mail]) -> HashSet<String> {
        if self.sink != Sink::OpenSearch {
            return HashSet::new();
        }
        let refused = self.letters.iter().zip(mails).filter(|(letter, _)| letter.refused);
        refused.filter_map(|(_, mail)| mail.documents.last()).map(|(id, _)| id.clone()).collect()
    }
}

impl Letter {
    fn file_name(&self, n: usize) -> String {
        match self.name {
            Name::Dovecot => format!("1788220800.M{n:06}P1.mx.example.org,S=1000"),
            Name::Prose => format!("Report domain: example.org Submitter: a Report-ID: {n}.eml"),
            Name::Clock => format!("10:{n:02}:01.eml"),
            Name::Comma => format!("reports, number {n}.eml"),
        }
    }
}

fn bytes(kind: Kind, n: usize) -> Vec<u8> {
    let of = |shelf: &[Vec<u8>]| shelf[n % shelf.len()].clone();
    match kind {
        Kind::Dmarc | Kind::Again => of(&STOCK.dmarc),
        Kind::Large => of(&STOCK.large),
        Kind::Tls => of(&STOCK.tls),
        Kind::Junk => of(&STOCK.junk),
        Kind::Failure => {
            let text = String::from_utf8(mail::fixture("failure/complete.eml")).expect("UTF-8");
            // Another source and another moment: another report.
            text.replace("198.51.100.7", &format!("198.51.100.{n}"))
                .replace("10:00:00", &format!("10:00:{n:02}"))
                .into()
        }
        Kind::SameId => {
            let report =
                String::from_utf8(mail::fixture("dmarc/several-results.xml")).expect("UTF-8");
            let (before, rest) = report.split_once("<count>").expect("a count");
            let report = format!("{before}<count>{}{rest}", n + 1);
            mail::mail(&mail::attachment(
                "application/gzip",
                "same.xml.gz",
                &mail::gzip(report.as_bytes()),
            ))
        }
        Kind::Broken => mail::mail(&cut_off(n)),
        Kind::Mixed => {
            let report = String::from_utf8(mail::fixture("dmarc/rfc7489.xml")).expect("UTF-8");
            let (before, rest) = report.split_once("<report_id>").expect("an id");
            let report = format!("{before}<report_id>mixed-{n}-{rest}");
            let good =
                mail::attachment("application/gzip", "good.xml.gz", &mail::gzip(report.as_bytes()));
            mail::mail(&mail::multipart("multipart/mixed", "b", &[good, cut_off(n)]))
        }
    }
}

fn cut_off(n: usize) -> String {
    let packed = mail::gzip(&mail::fixture("dmarc/rfc7489.xml"));
    // All of one length, as such mails may be.
    mail::attachment("application/gzip", &format!("a!b!{n:03}.xml.gz"), &packed[..packed.len() / 2])
}

/// A document without what depends on the mail it came in.
pub fn without_received(source: &str) -> String {
    let mut source: Value = serde_json::from_str(source).expect(source);
    source.as_object_mut().expect("an object").remove("received");
    source.to_string()
}
