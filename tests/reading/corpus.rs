//! The generated corpus goes through message, report and documents, and everything that was put in
//! comes out.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::BufReader,
};

use crate::support::{
    corpus::{Content, Corpus, Format, Mail},
    read,
};
use email_report_processor::{file::Bytes, limits::Limits, message, source::mbox::Mbox};
use rayon::prelude::*;
use serde_json::Value;

/// Ids and documents of all reports in a mail.
fn documents(mail: &Mail) -> Vec<(String, Value)> {
    let contents = message::read(&mail.bytes, &Limits::default());
    let complaint = contents.complaint();
    match mail.content {
        Content::Dmarc(_) | Content::Tls(_) => assert_eq!(complaint, None, "{}", mail.name),
        Content::Junk(what) => {
            assert!(contents.is_something_else(), "{}: {what}: {complaint:?}", mail.name);
        }
        Content::Broken(what) => {
            assert_eq!(contents.failures.len(), 1, "{}: {what}: {complaint:?}", mail.name);
        }
    }
    let parsed = |(id, source): (String, String)| (id, serde_json::from_str(&source).unwrap());
    read::documents(&contents).into_iter().map(parsed).collect()
}

#[test]
fn every_document_is_as_expected() {
    let corpus = Corpus { duplicates: 10, ..Corpus::new(2000) };
    let found: Vec<_> = (0..corpus.len())
        .into_par_iter()
        .map(|n| {
            let mail = corpus.mail(n);
            let found = documents(&mail);
            let expected = mail.documents();
            assert_eq!(found.len(), expected.len(), "{}", mail.name);
            for ((_, found), expected) in found.iter().zip(&expected) {
                assert_eq!(found, expected, "{}", mail.name);
            }
            (mail.duplicate_of, found.into_iter().map(|(id, _)| id).collect::<Vec<_>>())
        })
        .collect();
    let manifest = corpus.manifest();
    assert!(
        manifest.duplicates.mails > 100 && manifest.junk > 10 && manifest.broken > 1,
        "{manifest:?}"
    );

    let mut seen = HashMap::new();
    for (n, (duplicate_of, ids)) in found.iter().enumerate() {
        for id in ids {
            let first = *seen.entry(id).or_insert(n);
            assert_eq!(first, duplicate_of.unwrap_or(n), "id {id}");
        }
    }
    assert_eq!(seen.len() as u64, manifest.documents);
}

#[test]
fn the_same_seed_gives_the_same_mails() {
    let corpus = Corpus { duplicates: 20, huge: 1, huge_records: 50, ..Corpus::new(100) };
    let again = corpus.clone();
    let other = Corpus { seed: 2, ..corpus.clone() };
    let bytes =
        |corpus: &Corpus| corpus.iter().map(|mail| (mail.name, mail.bytes)).collect::<Vec<_>>();
    assert_eq!(bytes(&corpus), bytes(&again));
    assert_ne!(bytes(&corpus), bytes(&other));
}

#[test]
fn written_corpora_hold_the_same_mails() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = Corpus::new(60);
    let mails: Vec<_> = corpus.iter().collect();
    let mut expected: Vec<_> = mails.iter().map(|mail| mail.bytes.clone()).collect();

    let maildir = folder.path().join("maildir");
    assert_eq!(corpus.write(Format::Maildir, &maildir, |_| {}).unwrap(), corpus.manifest());
    for mail in &mails {
        assert_eq!(fs::read(maildir.join("new").join(&mail.name)).unwrap(), mail.bytes);
    }
    let mbox = folder.path().join("mbox");
    corpus.write(Format::Mbox, &mbox, |_| {}).unwrap();
    let found: Vec<_> = Mbox::new(BufReader::new(File::open(mbox).unwrap()), 0, 1 << 30)
        .map(|mail| match mail.unwrap().bytes {
            Bytes::Whole(bytes) => bytes,
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(found == expected, "the mails of the mbox differ");

    let files = folder.path().join("files");
    corpus.write(Format::Files, &files, |_| {}).unwrap();
    let mut found: Vec<_> = fs::read_dir(files)
        .unwrap()
        .map(|entry| fs::read(entry.unwrap().path()).unwrap())
        .collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}
