//! A corpus of realistic report mails with exact expectations; the same on every machine, of any size.
//!
//! About 85 % DMARC aggregate reports, 13 % SMTP TLS reports, 2 % mail that is no report or a broken one. Reporters
//! differ in archive, MIME structure and XML as the large ones do in the wild. Numbers of records are heavy-tailed: half the
//! reports have one, one in a hundred some hundred. Mail `n` follows from the seed and `n` alone, so that a
//! corpus need not be kept in memory to be gone through twice.

use std::{
    fmt::Write as _,
    fs::{self, File},
    io::{self, BufWriter, Write as _},
    net::{Ipv4Addr, Ipv6Addr},
    path::Path,
};

use email_report_processor::report::rfc3339;
use jiff::{Timestamp, fmt::rfc2822};
use rayon::prelude::*;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{
    mail::{attachment, gzip_named, multipart, part, zip},
    rng::Rng,
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

/// How the mails are laid out on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Delivered to `new/` of the Maildir, through `tmp/` as a mail server does.
    Maildir,
    /// One mbox file (mboxrd).
    Mbox,
    /// A folder of `.eml` files.
    Files,
}

/// One mail and what is to come of it.
pub struct Mail {
    /// Its name in `new/`, unique in the corpus.
    pub name: String,
    /// The mail, with lines ending in LF.
    pub bytes: Vec<u8>,
    /// When it was delivered, seconds since 1970.
    pub time: i64,
    /// The number of the mail that brought the same report first.
    pub duplicate_of: Option<usize>,
    /// The object `received` of its documents. Of a report delivered twice, whichever comes first stays.
    pub received: Value,
    /// What the mail holds.
    pub content: Content,
}

/// What a mail holds.
#[derive(Clone, Debug)]
pub enum Content {
    /// A DMARC report.
    Dmarc(Dmarc),
    /// A TLS report.
    Tls(Tls),
    /// No report: mail of another kind.
    Junk(&'static str),
    /// A report whose archive can't be unpacked.
    Broken(&'static str),
}

/// A DMARC report as its documents have it.
#[derive(Clone, Debug)]
pub struct Dmarc {
    /// The reporter's id of the report.
    pub report_id: String,
    /// The sum of all counts.
    pub count_sum: u64,
    /// First second of the period.
    begin: i64,
    /// `feedback` without `record`.
    feedback: Map<String, Value>,
    /// `feedback.record` of each document.
    records: Vec<Record>,
}

/// A TLS report as its documents have it.
#[derive(Clone, Debug)]
pub struct Tls {
    /// The reporter's id of the report.
    pub report_id: String,
    /// Sessions that reached TLS.
    pub successful: u64,
    /// Sessions that did not.
    pub failed: u64,
    /// Failure details of all policies.
    pub failure_details: u64,
    begin: i64,
    /// The report without `policies`.
    head: Map<String, Value>,
    /// `policies` of each document.
    policies: Vec<Value>,
}

/// The sums over a corpus. What duplicates bring is counted apart, since a store must end up without it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Manifest {
    /// All mails.
    pub mails: u64,
    /// Their bytes.
    pub bytes: u64,
    /// DMARC reports, each counted once.
    pub dmarc: DmarcSums,
    /// TLS reports, each counted once.
    pub tls: TlsSums,
    /// Mails that are no report.
    pub junk: u64,
    /// Mails with a report that can't be unpacked.
    pub broken: u64,
    /// Mails that repeat a report, and their documents.
    pub duplicates: Duplicates,
    /// Documents that a store holds in the end.
    pub documents: u64,
}

/// See [`Manifest`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DmarcSums {
    /// Reports.
    pub reports: u64,
    /// Their records.
    pub records: u64,
    /// The sum of the records' counts.
    pub count_sum: u64,
}

/// See [`Manifest`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TlsSums {
    /// Reports.
    pub reports: u64,
    /// Their policies.
    pub policies: u64,
    /// Failure details of all policies.
    pub failure_details: u64,
    /// Sessions that reached TLS.
    pub successful: u64,
    /// Sessions that did not.
    pub failed: u64,
}

/// See [`Manifest`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Duplicates {
    /// Mails.
    pub mails: u64,
    /// The documents that their reports give.
    pub documents: u64,
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
        let original = (n < self.mails && rng.chance(self.duplicates)).then(|| self.original_before(n, &mut rng));
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

    /// Writes the corpus; `expect` is given each mail in order.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn write(&self, format: Format, to: &Path, mut expect: impl FnMut(&Mail)) -> io::Result<Manifest> {
        let mut manifest = Manifest::default();
        let mut mbox = match format {
            Format::Mbox => Some(BufWriter::new(File::create(to)?)),
            Format::Files => fs::create_dir_all(to).map(|()| None)?,
            Format::Maildir => {
                ["new", "cur", "tmp"].iter().try_for_each(|folder| fs::create_dir_all(to.join(folder)))?;
                None
            }
        };
        // Made in parallel, handed on in order.
        for first in (0..self.len()).step_by(256) {
            let batch: Vec<Mail> = (first..self.len().min(first + 256)).into_par_iter().map(|n| self.mail(n)).collect();
            for (n, mail) in (first..).zip(&batch) {
                match (&mut mbox, format) {
                    (Some(file), _) => write_mbox(file, mail)?,
                    (None, Format::Files) => fs::write(to.join(format!("{n:06}.eml")), &mail.bytes)?,
                    (None, _) => {
                        let tmp = to.join("tmp").join(&mail.name);
                        fs::write(&tmp, &mail.bytes)?;
                        fs::rename(&tmp, to.join("new").join(&mail.name))?;
                    }
                }
                manifest.add(mail);
                expect(mail);
            }
        }
        if let Some(mut file) = mbox {
            file.flush()?;
        }
        Ok(manifest)
    }
}

impl Manifest {
    /// Adds one mail.
    pub fn add(&mut self, mail: &Mail) {
        self.mails += 1;
        self.bytes += mail.bytes.len() as u64;
        let documents = mail.content.len() as u64;
        if mail.duplicate_of.is_some() {
            self.duplicates.mails += 1;
            self.duplicates.documents += documents;
            return;
        }
        self.documents += documents;
        match &mail.content {
            Content::Dmarc(report) => {
                self.dmarc.reports += 1;
                self.dmarc.records += documents;
                self.dmarc.count_sum += report.count_sum;
            }
            Content::Tls(report) => {
                self.tls.reports += 1;
                self.tls.policies += documents;
                self.tls.failure_details += report.failure_details;
                self.tls.successful += report.successful;
                self.tls.failed += report.failed;
            }
            Content::Junk(_) => self.junk += 1,
            Content::Broken(_) => self.broken += 1,
        }
    }
}

impl Content {
    /// How many documents it gives.
    pub fn len(&self) -> usize {
        match self {
            Content::Dmarc(report) => report.records.len(),
            Content::Tls(report) => report.policies.len(),
            Content::Junk(_) | Content::Broken(_) => 0,
        }
    }

    /// True if it gives none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The reporter's id of the report.
    pub fn report_id(&self) -> Option<&str> {
        match self {
            Content::Dmarc(report) => Some(&report.report_id),
            Content::Tls(report) => Some(&report.report_id),
            Content::Junk(_) | Content::Broken(_) => None,
        }
    }
}

impl Mail {
    /// The documents that the mail is to give, in order, without their ids.
    pub fn documents(&self) -> Vec<Value> {
        let timestamp = |begin| json!(rfc3339(begin));
        match &self.content {
            Content::Dmarc(report) => report
                .records
                .iter()
                .map(|record| {
                    let mut feedback = report.feedback.clone();
                    feedback.insert("record".into(), record.document());
                    let (spf, dkim) = (record.spf_aligned, record.dkim_aligned);
                    json!({
                        "@timestamp": timestamp(report.begin),
                        "received": self.received,
                        "feedback": feedback,
                        "dmarc": { "pass": spf || dkim, "spf_aligned": spf, "dkim_aligned": dkim },
                    })
                })
                .collect(),
            Content::Tls(report) => report
                .policies
                .iter()
                .map(|policy| {
                    let mut document = report.head.clone();
                    document.insert("@timestamp".into(), timestamp(report.begin));
                    document.insert("received".into(), self.received.clone());
                    document.insert("policies".into(), policy.clone());
                    Value::Object(document)
                })
                .collect(),
            Content::Junk(_) | Content::Broken(_) => Vec::new(),
        }
    }

    /// The expectation in one object, for the file beside a corpus.
    pub fn expectation(&self) -> Value {
        let mut line = match &self.content {
            Content::Dmarc(report) => json!({"kind": "dmarc", "count_sum": report.count_sum}),
            Content::Tls(report) => {
                json!({"kind": "tls", "successful": report.successful, "failed": report.failed})
            }
            Content::Junk(what) => json!({"kind": "junk", "what": what}),
            Content::Broken(what) => json!({"kind": "broken", "what": what}),
        };
        line["name"] = json!(self.name);
        line["documents"] = json!(self.content.len());
        line["report_id"] = json!(self.content.report_id());
        line["duplicate_of"] = json!(self.duplicate_of);
        line
    }
}

fn write_mbox(file: &mut impl io::Write, mail: &Mail) -> io::Result<()> {
    let date = Timestamp::from_second(mail.time).expect("within the corpus' days").strftime("%a %b %e %H:%M:%S %Y");
    writeln!(file, "From MAILER-DAEMON {date}")?;
    for line in mail.bytes.split_inclusive(|byte| *byte == b'\n') {
        let quotes = line.iter().take_while(|byte| **byte == b'>').count();
        if line[quotes..].starts_with(b"From ") {
            file.write_all(b">")?;
        }
        file.write_all(line)?;
    }
    file.write_all(if mail.bytes.ends_with(b"\n") { b"\n" } else { b"\n\n" })
}

// ---------------------------------------------------------------------------------------------- DMARC

/// Ways to pack an XML file.
#[derive(Clone, Copy, PartialEq)]
enum Pack {
    Zip,
    Gzip,
    Bare,
}

/// What stands beside the attachment.
#[derive(Clone, Copy, PartialEq)]
enum Letter {
    /// Nothing: the attachment is the mail.
    None,
    Text,
    Html,
}

/// A reporter's habits.
#[expect(clippy::struct_excessive_bools, reason = "habits are independent of each other")]
struct Reporter {
    org: &'static str,
    domain: &'static str,
    email: &'static str,
    pack: Pack,
    content_type: &'static str,
    letter: Letter,
    /// Indentation of the XML; none: all in one line.
    indent: Option<&'static str>,
    prolog: &'static str,
    root: &'static str,
    version: bool,
    contact: bool,
    alignment: bool,
    envelope_from: bool,
    envelope_to: bool,
    scope: bool,
    rfc9990: bool,
}

const PLAIN: Reporter = Reporter {
    org: "Mail.Ru",
    domain: "mail.ru",
    email: "dmarc_support@corp.mail.ru",
    pack: Pack::Gzip,
    content_type: "application/gzip",
    letter: Letter::Text,
    indent: Some("  "),
    prolog: r#"<?xml version="1.0" encoding="UTF-8"?>"#,
    root: "<feedback>",
    version: true,
    contact: false,
    alignment: true,
    envelope_from: true,
    envelope_to: false,
    scope: true,
    rfc9990: false,
};

/// Each with its weight.
const REPORTERS: &[(u64, Reporter)] = &[
    (
        34,
        Reporter {
            org: "google.com",
            domain: "google.com",
            email: "noreply-dmarc-support@google.com",
            pack: Pack::Zip,
            content_type: "application/zip",
            letter: Letter::None,
            prolog: r#"<?xml version="1.0" encoding="UTF-8" ?>"#,
            contact: true,
            envelope_from: false,
            scope: false,
            ..PLAIN
        },
    ),
    (
        21,
        Reporter {
            org: "Enterprise Outlook",
            domain: "enterprise.protection.outlook.com",
            email: "dmarcreport@microsoft.com",
            letter: Letter::Html,
            prolog: r#"<?xml version="1.0"?>"#,
            root: "<feedback xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" \
               xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">",
            envelope_to: true,
            ..PLAIN
        },
    ),
    (
        13,
        Reporter {
            org: "Yahoo",
            domain: "yahoo.com",
            email: "dmarchelp@yahooinc.com",
            version: false,
            envelope_from: false,
            scope: false,
            ..PLAIN
        },
    ),
    (6, PLAIN),
    (
        6,
        Reporter {
            org: "GMX",
            domain: "gmx.net",
            email: "noreply-dmarc@sicher.gmx.net",
            content_type: "application/octet-stream",
            letter: Letter::None,
            indent: None,
            ..PLAIN
        },
    ),
    (
        5,
        Reporter {
            org: "Fastmail Pty Ltd",
            domain: "fastmaildmarc.com",
            email: "reports@fastmaildmarc.com",
            content_type: "application/x-gzip",
            indent: Some("\t"),
            envelope_to: true,
            ..PLAIN
        },
    ),
    (
        5,
        Reporter {
            org: "mail.university.example",
            domain: "mail.university.example",
            email: "opendmarc@mail.university.example",
            pack: Pack::Zip,
            content_type: "application/x-zip-compressed",
            version: false,
            alignment: false,
            ..PLAIN
        },
    ),
    (
        3,
        Reporter {
            org: "Bücher & Söhne <Post>",
            domain: "xn--bcher-kva.example",
            email: "postmaster@xn--bcher-kva.example",
            pack: Pack::Bare,
            content_type: "text/xml",
            ..PLAIN
        },
    ),
    (
        2,
        Reporter {
            org: "tiny.example",
            domain: "tiny.example",
            email: "dmarc@tiny.example",
            pack: Pack::Bare,
            content_type: "application/xml",
            letter: Letter::None,
            indent: Some(""),
            ..PLAIN
        },
    ),
    (
        5,
        Reporter {
            org: "Nordic Mail AB",
            domain: "nordicmail.example",
            email: "dmarc-reports@nordicmail.example",
            root: r#"<feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0">"#,
            contact: true,
            envelope_to: true,
            rfc9990: true,
            ..PLAIN
        },
    ),
];

const DOMAINS: &[(u64, &str)] = &[
    (40, "example.org"),
    (25, "example.com"),
    (15, "shop.example.com"),
    (8, "example.net"),
    (6, "lists.example.org"),
    (4, "xn--bcher-kva.example"),
    (2, "parked.example"),
];
const POLICIES: &[(u64, (&str, &str))] =
    &[(40, ("none", "none")), (25, ("quarantine", "quarantine")), (30, ("reject", "reject")), (5, ("reject", "none"))];
const PROVIDERS: &[&str] = &["outlook.example", "hotmail.example", "contoso.example", "fabrikam.example"];
const SENDERS: &[(&str, &str)] = &[
    ("sendgrid.example", "em4321.sendgrid.example"),
    ("ses.example", "eu-west-1.ses.example"),
    ("newsletter.example", "bounce.newsletter.example"),
];
const SELECTORS: &[&str] = &["selector1", "selector2", "google", "s1", "k1", "20230601", "mail"];

/// One record, as text and as the documents have it.
#[derive(Clone, Debug, Default)]
struct Record {
    source_ip: String,
    count: u64,
    disposition: &'static str,
    dkim_aligned: bool,
    spf_aligned: bool,
    reasons: Vec<(&'static str, &'static str)>,
    header_from: String,
    envelope_from: Option<String>,
    envelope_to: Option<&'static str>,
    /// Domain, selector, result, human result.
    dkim: Vec<(String, &'static str, &'static str, &'static str)>,
    /// Domain, scope, result.
    spf: Vec<(String, Option<&'static str>, &'static str)>,
}

fn records(rng: &mut Rng) -> u64 {
    rng.heavy(12) * 3 / 2
}

/// A list as documents have it: the one, or all.
fn one_or_many(mut list: Vec<Value>) -> Value {
    if list.len() == 1 { list.remove(0) } else { Value::Array(list) }
}

/// The object without members that are null, empty text or an empty list.
fn given(mut object: Value) -> Value {
    if let Value::Object(members) = &mut object {
        members.retain(|_, value| !(value.is_null() || *value == json!("") || *value == json!([])));
    }
    object
}

impl Record {
    fn document(&self) -> Value {
        let verdict = |aligned| if aligned { "pass" } else { "fail" };
        let reasons = self.reasons.iter().map(|(kind, comment)| given(json!({"type": kind, "comment": comment})));
        let spf = self
            .spf
            .iter()
            .map(|(domain, scope, result)| given(json!({"domain": domain, "scope": scope, "result": result})));
        let dkim: Map<String, Value> = self
            .dkim
            .iter()
            .enumerate()
            .map(|(n, (domain, selector, result, human))| {
                let result = json!({"domain": domain, "selector": selector, "result": result, "human_result": human});
                (n.to_string(), given(result))
            })
            .collect();
        let mut results = given(json!({ "spf": one_or_many(spf.collect()) }));
        if !dkim.is_empty() {
            results["dkim"] = Value::Object(dkim);
        }
        json!({
            "row": {
                "source_ip": self.source_ip,
                "count": self.count,
                "policy_evaluated": given(json!({
                    "disposition": self.disposition,
                    "dkim": verdict(self.dkim_aligned),
                    "spf": verdict(self.spf_aligned),
                    "reason": one_or_many(reasons.collect()),
                })),
            },
            "identifiers": given(json!({
                "header_from": self.header_from,
                "envelope_from": self.envelope_from,
                "envelope_to": self.envelope_to,
            })),
            "auth_results": results,
        })
    }

    fn random(rng: &mut Rng, by: &Reporter, domain: &str, policy: &'static str) -> Record {
        let legitimate = rng.chance(78);
        let header_from = if rng.chance(93) { domain.to_owned() } else { format!("news.{domain}") };
        let (mut dkim, mut spf_domain, mut spf_result) = (Vec::new(), domain.to_owned(), "pass");
        if legitimate {
            let result = if rng.chance(93) { "pass" } else { *rng.of(&["fail", "temperror", "permerror"]) };
            if rng.chance(96) {
                dkim.push((header_from.clone(), *rng.of(SELECTORS), result, ""));
            }
            if rng.chance(40) {
                let (signer, bounce) = rng.of(SENDERS);
                dkim.push(((*signer).to_owned(), *rng.of(SELECTORS), "pass", ""));
                spf_domain = String::from(*bounce);
            }
            if rng.chance(3) {
                dkim.push(("lists.example.org".into(), "s1", "fail", "signature did not verify"));
            }
        } else {
            spf_result = *rng.of(&["fail", "softfail", "none", "neutral", "permerror", "temperror"]);
            if rng.chance(40) {
                spf_domain = format!("bounce.spam{}.example", rng.below(5000));
            }
            if rng.chance(15) {
                let result = *rng.of(&["pass", "fail"]);
                dkim.push((format!("spam{}.example", rng.below(5000)), "default", result, ""));
            }
        }
        let dkim_aligned = dkim.iter().any(|(signer, _, result, _)| *signer == header_from && *result == "pass");
        let spf_aligned = spf_result == "pass" && spf_domain == domain;
        let passed = dkim_aligned || spf_aligned;
        let mut reasons = Vec::new();
        if !passed && policy != "none" && rng.chance(20) {
            let comment = *rng.of(&["", "arc=pass", "d=lists.example <trusted> & known"]);
            reasons.push((*rng.of(&["local_policy", "mailing_list", "trusted_forwarder"]), comment));
            if rng.chance(10) {
                reasons.push(("other", ""));
            }
        }
        let disposition = match () {
            () if passed && by.rfc9990 => "pass",
            () if passed || !reasons.is_empty() => "none",
            () => policy,
        };
        let scope = by.scope.then_some("mfrom");
        let mut spf = vec![(spf_domain.clone(), scope, spf_result)];
        if by.scope && rng.chance(2) {
            spf.push(("mx.sender.example".into(), Some("helo"), "pass"));
        }
        Record {
            source_ip: address(rng),
            count: if rng.chance(55) { 1 } else { rng.heavy(14) },
            disposition,
            dkim_aligned,
            spf_aligned,
            reasons,
            header_from,
            envelope_from: by.envelope_from.then_some(spf_domain),
            envelope_to: by.envelope_to.then(|| *rng.of(PROVIDERS)),
            dkim,
            spf,
        }
    }

    fn write(&self, xml: &mut Xml) {
        let verdict = |aligned| if aligned { "pass" } else { "fail" };
        xml.within("record", |xml| {
            xml.within("row", |xml| {
                xml.leaf("source_ip", &self.source_ip);
                xml.leaf("count", &self.count.to_string());
                xml.within("policy_evaluated", |xml| {
                    xml.leaf("disposition", self.disposition);
                    xml.leaf("dkim", verdict(self.dkim_aligned));
                    xml.leaf("spf", verdict(self.spf_aligned));
                    for (kind, comment) in &self.reasons {
                        xml.within("reason", |xml| {
                            xml.leaf("type", kind);
                            xml.leaf("comment", comment);
                        });
                    }
                });
            });
            xml.within("identifiers", |xml| {
                self.envelope_to.iter().for_each(|domain| xml.leaf("envelope_to", domain));
                self.envelope_from.iter().for_each(|domain| xml.leaf("envelope_from", domain));
                xml.leaf("header_from", &self.header_from);
            });
            xml.within("auth_results", |xml| {
                for (domain, selector, result, human) in &self.dkim {
                    xml.within("dkim", |xml| {
                        xml.leaf("domain", domain);
                        xml.leaf("selector", selector);
                        xml.leaf("result", result);
                        if !human.is_empty() {
                            xml.leaf("human_result", human);
                        }
                    });
                }
                for (domain, scope, result) in &self.spf {
                    xml.within("spf", |xml| {
                        xml.leaf("domain", domain);
                        if let Some(scope) = scope {
                            xml.leaf("scope", scope);
                        }
                        xml.leaf("result", result);
                    });
                }
            });
        });
    }
}

/// An address from the blocks for documentation and benchmarks (RFC 5737, 2544, 3849).
fn address(rng: &mut Rng) -> String {
    let low = u16::try_from(rng.below(1 << 16)).expect("16 bits");
    match rng.below(100) {
        0..25 => Ipv6Addr::new(0x2001, 0xDB8, low & 0xFF, 0, 0, 0, 0, low).to_string(),
        25..35 => Ipv4Addr::new(192, 0, 2, low.to_le_bytes()[0]).to_string(),
        _ => {
            Ipv4Addr::new(198, 18 + (low.to_le_bytes()[0] & 1), low.to_le_bytes()[1], low.to_le_bytes()[0]).to_string()
        }
    }
}

/// Writes XML with a reporter's indentation.
struct Xml {
    out: String,
    indent: Option<&'static str>,
    depth: usize,
}

impl Xml {
    fn line(&mut self, text: impl FnOnce(&mut String)) {
        if let Some(indent) = self.indent {
            (0..self.depth).for_each(|_| self.out.push_str(indent));
        }
        text(&mut self.out);
        if self.indent.is_some() {
            self.out.push('\n');
        }
    }

    fn within(&mut self, name: &str, children: impl FnOnce(&mut Xml)) {
        self.line(|out| {
            let _ = write!(out, "<{name}>");
        });
        self.depth += 1;
        children(self);
        self.depth -= 1;
        self.line(|out| {
            let _ = write!(out, "</{name}>");
        });
    }

    fn leaf(&mut self, name: &str, value: &str) {
        self.line(|out| {
            let _ = write!(out, "<{name}>");
            for character in value.chars() {
                match character {
                    '&' => out.push_str("&amp;"),
                    '<' => out.push_str("&lt;"),
                    '>' => out.push_str("&gt;"),
                    other => out.push(other),
                }
            }
            let _ = write!(out, "</{name}>");
        });
    }
}

/// A report of `n` records: its XML and what is to come of it.
fn dmarc(rng: &mut Rng, by: &Reporter, domain: &str, report_id: String, n: u64) -> (String, Dmarc) {
    let (policy, subdomains) = *rng.weighted(POLICIES);
    let begin = START + DAY * i64::try_from(rng.below(DAYS)).expect("a few days");
    let end = begin + DAY - i64::from(by.domain != "enterprise.protection.outlook.com");
    let metadata = given(json!({
        "org_name": by.org,
        "email": by.email,
        "extra_contact_info": if by.contact { "https://support.example/dmarc?a=1&b=2" } else { "" },
        "report_id": report_id,
        "generator": if by.rfc9990 { "Example Aggregate Reporter 1.2" } else { "" },
    }));
    let alignment = |rng: &mut Rng| if by.alignment { *rng.of(&["r", "r", "s"]) } else { "" };
    let published = given(json!({
        "domain": domain,
        "adkim": alignment(rng),
        "aspf": alignment(rng),
        "p": policy,
        "sp": subdomains,
        "np": if by.rfc9990 { "reject" } else { "" },
        "pct": if by.rfc9990 { Value::Null } else { json!(100) },
        "fo": if by.envelope_to { "1:d:s" } else { "" },
        "testing": if by.rfc9990 { "n" } else { "" },
        "discovery_method": if by.rfc9990 { "treewalk" } else { "" },
    }));
    let records: Vec<Record> = (0..n).map(|_| Record::random(rng, by, domain, policy)).collect();

    let mut xml = Xml { out: String::with_capacity(1000 * records.len()), indent: by.indent, depth: 0 };
    xml.line(|out| out.push_str(by.prolog));
    xml.line(|out| out.push_str(by.root));
    xml.depth = 1;
    if by.version {
        xml.leaf("version", "1.0");
    }
    xml.within("report_metadata", |xml| {
        for name in ["org_name", "email", "extra_contact_info", "report_id"] {
            metadata[name].as_str().iter().for_each(|value| xml.leaf(name, value));
        }
        xml.within("date_range", |xml| {
            xml.leaf("begin", &begin.to_string());
            xml.leaf("end", &end.to_string());
        });
        metadata["generator"].as_str().iter().for_each(|value| xml.leaf("generator", value));
    });
    xml.within("policy_published", |xml| {
        for name in ["domain", "adkim", "aspf", "p", "sp", "np", "pct", "fo", "testing", "discovery_method"] {
            match &published[name] {
                Value::Null => {}
                Value::String(value) => xml.leaf(name, value),
                other => xml.leaf(name, &other.to_string()),
            }
        }
    });
    for record in &records {
        record.write(&mut xml);
    }
    xml.depth = 0;
    xml.line(|out| out.push_str("</feedback>"));

    let mut feedback = Map::new();
    if by.version {
        feedback.insert("version".into(), json!("1.0"));
    }
    let mut metadata = metadata;
    metadata["date_range"] = json!({"begin": begin, "end": end});
    feedback.insert("report_metadata".into(), metadata);
    feedback.insert("policy_published".into(), published);
    let count_sum = records.iter().map(|record| record.count).sum();
    (xml.out, Dmarc { report_id, count_sum, begin, feedback, records })
}

fn dmarc_mail(rng: &mut Rng, n: usize, records: u64) -> Mail {
    let by = rng.weighted(REPORTERS);
    let domain = *rng.weighted(DOMAINS);
    let report_id = match by.domain {
        "google.com" => format!("{}{n:07}", 100_000 + rng.below(900_000)),
        "enterprise.protection.outlook.com" => format!("{:016x}{n:016x}", rng.next()),
        _ => format!("{domain}-{:x}.{n}", rng.next()),
    };
    let (xml, report) = dmarc(rng, by, domain, report_id, records);
    let base = format!("{}!{domain}!{}!{}", by.domain, report.begin, report.begin + DAY - 1);
    let xml_name = format!("{base}.xml");
    let file = match by.pack {
        Pack::Zip => {
            let packed = zip(&[(&xml_name, xml.as_bytes())]);
            attachment(by.content_type, &format!("{base}.zip"), &packed)
        }
        Pack::Gzip => {
            let packed = gzip_named(&xml_name, xml.as_bytes());
            attachment(by.content_type, &format!("{base}.xml.gz"), &packed)
        }
        Pack::Bare => attachment(by.content_type, &xml_name, xml.as_bytes()),
    };
    let boundary = format!("----=_Part_{}_{n}", rng.below(1_000_000));
    let body = match by.letter {
        Letter::None => file,
        Letter::Text => {
            let letter =
                format!("This is an aggregate report from {}.\n\nReport-ID: {}\n", by.domain, report.report_id);
            multipart("multipart/mixed", &boundary, &[part("text/plain; charset=utf-8", &letter), file])
        }
        Letter::Html => {
            let letter = "<div style =\"font-family:Segoe UI; font-size:14px;\">This is a DMARC aggregate report.</ div >\
                          <br />You're receiving this email because of the 'rua' tag of your DMARC record.";
            multipart("multipart/mixed", &boundary, &[part("text/html; charset=us-ascii", letter), file])
        }
    };
    let subject = format!("Report domain: {domain} Submitter: {}\n Report-ID: {}", by.domain, report.report_id);
    let time = report.begin + DAY + 3600 + i64::try_from(rng.below(70_000)).expect("within a day");
    mail(n, by.email, by.domain, &subject, time, &body, Content::Dmarc(report))
}

// ---------------------------------------------------------------------------------------------- TLS

/// Name, domain, sender, contact, indented.
#[expect(clippy::type_complexity, reason = "a table, its columns named above")]
const TLS_REPORTERS: &[(u64, (&str, &str, &str, &str))] = &[
    (60, ("Google Inc.", "google.com", "noreply-smtp-tls-reporting@google.com", "smtp-tls-reporting@google.com")),
    (28, ("Microsoft Corporation", "microsoft.com", "tlsrpt-noreply@microsoft.com", "tlsrpt-noreply@microsoft.com")),
    (8, ("Mail.ru", "mail.ru", "tls_support@corp.mail.ru", "tls_support@corp.mail.ru")),
    (4, ("Nordic Mail AB", "nordicmail.example", "tlsrpt@nordicmail.example", "mailto:tlsrpt@nordicmail.example")),
];
const FAILURES: &[&str] = &[
    "certificate-expired",
    "starttls-not-supported",
    "validation-failure",
    "certificate-host-mismatch",
    "certificate-not-trusted",
    "sts-policy-fetch-error",
];

fn tls_mail(rng: &mut Rng, n: usize) -> Mail {
    let (organization, submitter, sender, contact) = *rng.weighted(TLS_REPORTERS);
    let domain = *rng.weighted(DOMAINS);
    let begin = START + DAY * i64::try_from(rng.below(DAYS)).expect("a few days");
    let report_id = format!("{}.{n}+{domain}@{submitter}", begin / DAY);
    let (mut successful, mut failed, mut failure_details) = (0, 0, 0);
    let policies: Vec<Value> = (0..*rng.weighted(&[(85, 1), (12, 2), (3, 3)]))
        .map(|k| {
            let host = format!("mx{}.{domain}", 1 + rng.below(3));
            let policy_domain = if k == 0 { domain.to_owned() } else { format!("sub{k}.{domain}") };
            let policy = match rng.below(100) {
                0..70 => json!({
                    "policy-type": "sts",
                    "policy-string": ["version: STSv1", "mode: enforce", format!("mx: *.{domain}"), "max_age: 604800"],
                    "policy-domain": policy_domain,
                    "mx-host": [format!("*.{domain}")],
                }),
                70..82 => json!({
                    "policy-type": "tlsa",
                    "policy-string": [format!("3 1 1 {:016x}{:016x}", rng.next(), rng.next())],
                    "policy-domain": policy_domain,
                    "mx-host": [host],
                }),
                _ => json!({"policy-type": "no-policy-found", "policy-domain": policy_domain}),
            };
            let details: Vec<Value> = (0..if rng.chance(12) { rng.heavy(5) } else { 0 })
                .map(|_| {
                    let sessions = rng.heavy(6);
                    json!({
                        "result-type": *rng.of(FAILURES),
                        "sending-mta-ip": address(rng),
                        "receiving-mx-hostname": host,
                        "receiving-ip": "203.0.113.25",
                        "failed-session-count": sessions,
                    })
                })
                .collect();
            let bad: u64 = details.iter().filter_map(|detail| detail["failed-session-count"].as_u64()).sum();
            let good = rng.heavy(10) - 1;
            successful += good;
            failed += bad;
            failure_details += details.len() as u64;
            given(json!({
                "policy": policy,
                "summary": {"total-successful-session-count": good, "total-failure-session-count": bad},
                "failure-details": details,
            }))
        })
        .collect();
    let head = json!({
        "organization-name": organization,
        "date-range": {"start-datetime": rfc3339(begin), "end-datetime": rfc3339(begin + DAY - 1)},
        "contact-info": contact,
        "report-id": report_id,
    });
    let Value::Object(head) = head else { unreachable!("made an object") };
    let mut report = head.clone();
    report.insert("policies".into(), Value::Array(policies.clone()));
    let text =
        if submitter == "mail.ru" { serde_json::to_string_pretty(&report) } else { serde_json::to_string(&report) };
    let name = format!("{submitter}!{domain}!{begin}!{}!{n:03}.json", begin + DAY - 1);
    let packed = gzip_named(&name, text.expect("a value is JSON").as_bytes());
    let letter = format!("This is an aggregate TLS report from {submitter}");
    let boundary = format!("{:016x}{n:012x}", rng.next());
    let body = multipart(
        "multipart/report; report-type=tlsrpt",
        &boundary,
        &[
            part("text/plain; charset=\"UTF-8\"; format=flowed; delsp=yes", &letter),
            attachment("application/tlsrpt+gzip", &format!("{name}.gz"), &packed),
        ],
    );
    let body = format!("TLS-Report-Domain: {domain}\nTLS-Report-Submitter: {submitter}\n{body}");
    let subject = format!("Report Domain: {domain} Submitter: {submitter}\n Report-ID: <{report_id}>");
    let time = begin + DAY + 3600 + i64::try_from(rng.below(70_000)).expect("within a day");
    let content = Content::Tls(Tls { report_id, successful, failed, failure_details, begin, head, policies });
    mail(n, sender, submitter, &subject, time, &body, content)
}

// ---------------------------------------------------------------------------------------------- other mail

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

fn junk_mail(rng: &mut Rng, n: usize) -> Mail {
    let boundary = format!("=_{:016x}", rng.next());
    let text = part("text/plain; charset=utf-8", &prose(rng));
    let what = *rng.of(&["letter", "newsletter", "bounce", "zip", "picture"]);
    let body = match what {
        "letter" => text,
        "newsletter" => {
            let html = "<!DOCTYPE html>\n<html><head><meta charset=utf-8><title>News & more</title></head>\n\
                        <body><p>Prices <b>5 < 6<br>unsubscribe</body></html>\n";
            let html = part("text/html; charset=utf-8", html);
            multipart("multipart/alternative", &boundary, &[text, html])
        }
        "bounce" => {
            let status = "Reporting-MTA: dns; mx.example.net\n\nFinal-Recipient: rfc822; user@example.net\n\
                          Action: failed\nStatus: 5.1.1\n";
            let returned =
                format!("From: someone@example.org\nSubject: hello\nMessage-ID: <{n}.returned@example.org>\n\n");
            multipart(
                "multipart/report; report-type=delivery-status",
                &boundary,
                &[text, part("message/delivery-status", status), part("message/rfc822", &(returned + &prose(rng)))],
            )
        }
        "zip" => {
            let spreadsheet = noise(rng, 2000);
            let files = [("readme.txt", prose(rng).into_bytes()), ("invoice.xls", spreadsheet)];
            let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect();
            let archive = attachment("application/zip", "invoice.zip", &zip(&files));
            multipart("multipart/mixed", &boundary, &[text, archive])
        }
        _ => {
            let picture = [b"\x89PNG\r\n\x1A\n".as_slice(), &noise(rng, 3000)].concat();
            multipart("multipart/mixed", &boundary, &[text, attachment("image/png", "logo.png", &picture)])
        }
    };
    let time = START + DAY + i64::try_from(rng.below(DAYS * 86_400)).expect("within the corpus' days");
    let sender = format!("user{}@partner.example", rng.below(1000));
    mail(n, &sender, "partner.example", "Re: schedule for next week", time, &body, Content::Junk(what))
}

/// A report whose archive lost its second half or a bit on its way.
fn broken_mail(rng: &mut Rng, n: usize) -> Mail {
    let whole = dmarc(rng, &PLAIN, "example.org", format!("broken-{n}"), 20).0;
    let mut packed = gzip_named("report.xml", whole.as_bytes());
    let half = packed.len() / 2;
    let what = *rng.of(&["cut off", "bit flipped"]);
    match what {
        "cut off" => packed.truncate(half),
        _ => packed[half] ^= 0x10,
    }
    let body = attachment("application/gzip", "mail.ru!example.org!1!2.xml.gz", &packed);
    let time = START + DAY + i64::try_from(rng.below(DAYS * 86_400)).expect("within the corpus' days");
    mail(n, PLAIN.email, PLAIN.domain, "Report domain: example.org", time, &body, Content::Broken(what))
}

/// `body` begins with its own header fields.
fn mail(n: usize, from: &str, host: &str, subject: &str, time: i64, body: &str, content: Content) -> Mail {
    let date = date(time);
    let message_id = format!("{time}.{n}@{host}");
    let bytes = format!(
        "Return-Path: <{from}>\n\
         Delivered-To: dmarc@example.org\n\
         Received: from mail-{}.{host} (mail-{}.{host} [192.0.2.25])\n\tby mx.example.org (Postfix) with ESMTPS id {n:010X}\n\
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
        let hop = format!("Received: from mx2.example.org by mx.example.org; {}\n", date(mail.time));
        mail.bytes.splice(0..0, hop.into_bytes());
        mail.received["at"] = json!(rfc3339(mail.time));
    }
    mail
}

fn date(time: i64) -> String {
    let timestamp = Timestamp::from_second(time).expect("within the corpus' days");
    rfc2822::DateTimePrinter::new().timestamp_to_string(&timestamp).expect("years of four digits")
}
