//! Quirks: one entry for every way in which reports in the wild differ from the RFCs. Each has a
//! name (its fixture's, in `tests/fixtures/quirks`), and says what must come out: the documents,
//! the repairs they record, the records lost.
//!
//! Every fixture has the report id `quirk-` and its name, so that an entry that is read at all is
//! read from the right place.

mod mails;
mod tls;
mod xml;

use std::{collections::BTreeSet, fs};

use email_report_processor::{
    limits::Limits,
    message::{self, Contents},
    report::{Report, repairs},
};
use serde_json::Value;

use crate::support::{
    mail::{attachment, gzip, mail},
    read,
};

/// What must come of a fixture.
struct Quirk {
    fixture: &'static str,
    bytes: Option<Vec<u8>>,
    repairs: &'static [&'static str],
    documents: usize,
    lost: usize,
    has: Vec<(usize, &'static str, Value)>,
    refused: Option<&'static str>,
}

fn quirk(fixture: &'static str) -> Quirk {
    Quirk {
        fixture,
        bytes: None,
        repairs: &[],
        documents: 1,
        lost: 0,
        has: Vec::new(),
        refused: None,
    }
}

/// A binary fixture, built here.
fn built(name: &'static str, bytes: Vec<u8>) -> Quirk {
    Quirk { bytes: Some(bytes), ..quirk(name) }
}

impl Quirk {
    fn repairs(self, repairs: &'static [&'static str]) -> Quirk {
        Quirk { repairs, ..self }
    }

    fn documents(self, documents: usize) -> Quirk {
        Quirk { documents, ..self }
    }

    fn lost(self, lost: usize) -> Quirk {
        Quirk { lost, ..self }
    }

    /// Document 0 has this value there; null for nothing.
    fn has(self, path: &'static str, value: impl Into<Value>) -> Quirk {
        self.nth_has(0, path, value)
    }

    fn nth_has(mut self, n: usize, path: &'static str, value: impl Into<Value>) -> Quirk {
        self.has.push((n, path, value.into()));
        self
    }

    /// There is no report, and the complaint says this.
    fn refused(self, complaint: &'static str) -> Quirk {
        Quirk { refused: Some(complaint), documents: 0, ..self }
    }

    fn name(&self) -> &'static str {
        self.fixture.rsplit_once('.').map_or(self.fixture, |(name, _)| name)
    }

    /// What is wrong, if anything.
    fn check(&self) -> Result<(), String> {
        let bytes = self.bytes.clone().unwrap_or_else(|| fixture(self.fixture));
        let contents = message::read(&bytes, &Limits::default());
        if let Some(expected) = self.refused {
            let complaint = contents.complaint().unwrap_or_default();
            let number = contents.reports.len();
            return ensure(number == 0 && complaint.contains(expected), || {
                format!("refused with {complaint:?}, {number} reports")
            });
        }
        let sources = read::documents(&contents).into_iter().map(|(_, source)| source);
        let documents: Vec<Value> = sources
            .map(|source| serde_json::from_str(&source).expect("a document is JSON"))
            .collect();
        self.check_reports(&contents, documents.len())?;
        for document in &documents {
            self.check_document(document, contents.reports.len() == 1)?;
        }
        for (n, path, expected) in &self.has {
            let found = documents.get(*n).and_then(|document| document.pointer(path));
            let found = found.unwrap_or(&Value::Null);
            ensure(found == expected, || {
                format!("document {n} has {found} at {path}, not {expected}")
            })?;
        }
        Ok(())
    }

    /// What was lost fails the mail, beside what could be read.
    fn check_reports(&self, contents: &Contents, documents: usize) -> Result<(), String> {
        let complaint = contents.complaint();
        let expected = (self.lost > 0).then(|| format!("{} of ", self.lost));
        let is_expected = match (&complaint, &expected) {
            (Some(found), Some(expected)) => found.starts_with(expected),
            (found, expected) => found.is_none() && expected.is_none(),
        };
        ensure(is_expected, || complaint.unwrap_or_else(|| "no complaint".into()))?;
        let repairs: BTreeSet<&str> =
            contents.reports.iter().flat_map(|report| report.repairs().names()).copied().collect();
        ensure(repairs == self.repairs.iter().copied().collect(), || {
            format!("repairs {repairs:?}")
        })?;
        let lost: usize = contents.reports.iter().map(Report::lost).sum();
        ensure((documents, lost) == (self.documents, self.lost), || {
            format!("{documents} documents, {lost} lost")
        })
    }

    /// Its report's id begins with the fixture's name, and if that is the mail's only one, the
    /// repairs are those of the document.
    fn check_document(&self, document: &Value, is_only: bool) -> Result<(), String> {
        let id = document
            .pointer("/feedback/report_metadata/report_id")
            .or_else(|| document.get("report-id"));
        let id = id.and_then(Value::as_str).unwrap_or_default();
        let is_ours = id.strip_prefix("quirk-").is_some_and(|id| id.starts_with(self.name()));
        ensure(is_ours, || format!("report id {id:?}"))?;
        let recorded = document["received"]["repairs"].as_array().map_or(0, Vec::len);
        ensure(!is_only || recorded == self.repairs.len(), || {
            format!("{recorded} repairs recorded in the document")
        })
    }
}

fn ensure(holds: bool, else_wrong: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(else_wrong()) }
}

fn fixture(name: &str) -> Vec<u8> {
    crate::support::mail::fixture(&format!("quirks/{name}"))
}

#[test]
fn every_quirk_is_read_as_it_should_be() {
    let mut wrong = Vec::new();
    let mut names = BTreeSet::new();
    for quirk in quirks() {
        assert!(names.insert(quirk.name()), "twice: {}", quirk.name());
        if let Err(error) = quirk.check() {
            wrong.push(format!("{}: {error}", quirk.name()));
        }
    }
    assert!(wrong.is_empty(), "{} of {} wrong:\n{}", wrong.len(), names.len(), wrong.join("\n"));
}

/// What a person reads in a document must mean something, and must have been seen to happen.
#[test]
fn every_repair_is_shown() {
    let shown: BTreeSet<&str> = quirks().iter().flat_map(|quirk| quirk.repairs).copied().collect();
    // Those of failure reports, and of what takes long texts, are shown there.
    let elsewhere = ["failure", "message/complete"].map(|name| {
        let path = format!("tests/reading/{name}.rs");
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
    });
    for (name, _) in repairs::REPAIRS {
        let quoted = format!("\"{name}\"");
        let is_shown = shown.contains(name) || elsewhere.iter().any(|text| text.contains(&quoted));
        assert!(is_shown, "{name} is shown nowhere");
    }
    assert!(repairs::REPAIRS.is_sorted(), "a list to look things up in");
}

/// The same report in another spelling, or on another way, has the same key; another report has
/// another.
#[test]
fn keys_do_not_depend_on_spelling_and_way() {
    let key = |bytes: &[u8]| {
        let contents = message::read(bytes, &Limits::default());
        contents.reports[0].key().as_str().to_owned()
    };
    let one = plain("key");
    let text = String::from_utf8(one.clone()).expect("UTF-8");
    assert_eq!(
        key(&one),
        key(&mail(&attachment("application/gzip", "report.xml.gz", &gzip(&one))))
    );
    for (what, other) in [
        (">example.org<", ">Example.ORG.<"),
        (">Reporter<", ">REPORTER<"),
        (">quirk-key<", ">&lt;quirk-key&gt;<"),
        (">1696204800<", "> 1696204800.0 <"),
        ("</feedback>", ""),
    ] {
        assert!(text.contains(what), "{what}");
        assert_eq!(key(&one), key(text.replace(what, other).as_bytes()), "{other}");
    }
    let broken = text.replace(">Reporter<", ">Re\nporter<");
    assert_eq!(key(broken.as_bytes()), key(broken.replace('\n', "\r\n").as_bytes()));
    for (what, other) in [
        ("<domain>example.org<", "<domain>example.net<"),
        (">Reporter<", ">Another<"),
        (">quirk-key<", ">QUIRK-key<"),
        (">1696291199<", ">1696291200<"),
    ] {
        assert_ne!(key(&one), key(text.replace(what, other).as_bytes()), "{other}");
    }
}

#[test]
fn every_fixture_has_an_entry() {
    let named: BTreeSet<&str> = quirks().iter().map(|quirk| quirk.fixture).collect();
    for entry in fs::read_dir("tests/fixtures/quirks").expect("the fixtures") {
        let name = entry.expect("a fixture").file_name();
        assert!(
            named.contains(name.to_str().expect("a plain name")),
            "no entry for {}",
            name.display()
        );
    }
}

fn quirks() -> Vec<Quirk> {
    [xml::quirks(), tls::quirks(), mails::quirks()].into_iter().flatten().collect()
}

/// The plainest report, with an id.
fn plain(name: &str) -> Vec<u8> {
    let text = String::from_utf8(fixture("no-declaration.xml")).expect("UTF-8");
    text.replace("quirk-no-declaration", &format!("quirk-{name}")).into_bytes()
}
