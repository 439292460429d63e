//! Operators: who runs the large mail services, and by which domains and networks they are known.
//!
//! `operators.csv` beside this file is our own list, made from what the operators document for
//! their customers (domains of signatures and in SPF records), from the names of their hosts, and
//! from the numbers of their autonomous systems. Another list can stand before it.

use std::{collections::HashMap, io, sync::LazyLock};

use super::domain;

const OWN: &str = include_str!("operators.csv");

/// Who runs mail servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// As people call it.
    pub name: String,
    /// What it does, such as `newsletter`; of another list, in that list's words.
    pub kind: String,
}

/// Which operator has a domain or a network.
#[derive(Debug, Default)]
pub struct Operators {
    /// In small letters; all below belongs to it, unless it is here itself.
    domains: HashMap<String, Operator>,
    /// Autonomous systems.
    networks: HashMap<u32, Operator>,
}

/// A list of operators can't be read.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// It is no CSV, or can't be read.
    #[error("{0}")]
    Csv(#[from] csv::Error),
    /// The first line does not name the columns.
    #[error("its first line must name the columns base_reverse_dns, name and type")]
    Columns,
    /// A cell goes on in the next line.
    #[error("line {0}: a text in quotes does not end in its line")]
    Quote(
        /// From 1.
        u64,
    ),
    /// There is no domain where one should be.
    #[error("line {line}: {text:?} is no domain")]
    Domain {
        /// From 1.
        line: u64,
        /// What is there.
        text: String,
    },
}

impl Operators {
    /// Our own list.
    pub fn own() -> &'static Operators {
        static LIST: LazyLock<Operators> = LazyLock::new(|| {
            let mut all = Operators::default();
            let mut rows = csv::Reader::from_reader(OWN.as_bytes());
            for row in rows.records() {
                let row = row.expect("a test reads all of it");
                let operator = Operator { name: row[0].to_owned(), kind: row[1].to_owned() };
                let words = |column: usize| row[column].split(' ').filter(|word| !word.is_empty());
                for domain in words(2) {
                    all.domains.insert(domain.to_owned(), operator.clone());
                }
                for number in words(3).filter_map(|number| number.parse().ok()) {
                    all.networks.insert(number, operator.clone());
                }
            }
            all
        });
        &LIST
    }

    /// A list in the form of parsedmarc's `base_reverse_dns_map.csv`: a domain of hosts or of a
    /// network's owner, the name, the type.
    ///
    /// # Errors
    /// It is none.
    pub fn read(mut list: impl io::Read) -> Result<Operators, ListError> {
        let mut all = Operators::default();
        let mut bytes = Vec::new();
        list.read_to_end(&mut bytes).map_err(csv::Error::from)?;
        // A quote that is never closed would take in all that follows: with a line's end behind it
        // there is one in the cell, whatever the last line is.
        let ended = io::Read::chain(bytes.as_slice(), &b"\n"[..]);
        let mut rows = csv::ReaderBuilder::new().flexible(true).from_reader(ended);
        let columns = rows.headers()?.clone();
        // Spreadsheets put a byte order mark in front of all.
        let is = |title: &str, name| title.trim_start_matches('\u{FEFF}').trim() == name;
        let column =
            |name| columns.iter().position(|title| is(title, name)).ok_or(ListError::Columns);
        let (base, name, kind) = (column("base_reverse_dns")?, column("name")?, column("type")?);
        for row in rows.records() {
            let row = row?;
            let cell = |column| row.get(column).unwrap_or_default().trim();
            let line = || line_of(&bytes, row.position());
            if row.iter().any(|cell| cell.contains(['\n', '\r'])) {
                return Err(ListError::Quote(line()));
            }
            let domain = domain::folded(cell(base))
                .ok_or_else(|| ListError::Domain { line: line(), text: cell(base).to_owned() })?;
            let operator = Operator { name: cell(name).to_owned(), kind: cell(kind).to_owned() };
            if !operator.name.is_empty() {
                all.domains.insert(domain.into_owned(), operator);
            }
        }
        Ok(all)
    }

    /// The same, and our own list for what is not in it.
    #[must_use]
    pub fn over_own(mut self) -> Operators {
        let own = Operators::own();
        for (domain, operator) in &own.domains {
            self.domains.entry(domain.clone()).or_insert_with(|| operator.clone());
        }
        for (number, operator) in &own.networks {
            self.networks.entry(*number).or_insert_with(|| operator.clone());
        }
        self
    }

    /// Who has this domain, or one that it is below of; the lowest that is known.
    pub fn of_domain(&self, name: &str) -> Option<&Operator> {
        let name = domain::folded(name)?;
        let mut rest: &str = &name;
        loop {
            if let Some(operator) = self.domains.get(rest) {
                return Some(operator);
            }
            rest = rest.split_once('.')?.1;
        }
    }

    /// Who has the autonomous system of this number.
    pub fn of_network(&self, asn: u32) -> Option<&Operator> {
        self.networks.get(&asn)
    }
}

/// The line in which a row begins, from 1. To the reader of CSV, `\n` behind `\r` belongs to the
/// row behind it.
fn line_of(bytes: &[u8], position: Option<&csv::Position>) -> u64 {
    let start = position.map_or(0, csv::Position::byte);
    let ends = bytes.iter().zip(0..).filter(|(byte, _)| **byte == b'\n');
    1 + ends.filter(|(_, at)| *at <= start).count() as u64
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const KINDS: [&str; 12] = [
        "mailbox provider",
        "hosting",
        "transactional",
        "newsletter",
        "crm",
        "support",
        "software",
        "shop",
        "social network",
        "mail filter",
        "forwarder",
        "mailing list",
    ];

    #[test]
    fn our_list_is_sound() {
        let mut rows = csv::Reader::from_reader(OWN.as_bytes());
        let (mut domains, mut numbers, mut names) = (0, 0, BTreeSet::new());
        for row in rows.records() {
            let row = row.expect("a row");
            assert!(names.insert(row[0].to_owned()) && !row[0].is_empty(), "{row:?} is twice");
            assert!(KINDS.contains(&&row[1]), "{row:?}");
            for domain in row[2].split(' ') {
                // Not below a domain, and not a suffix of many owners.
                assert_eq!(domain::operator(domain).as_deref(), Some(domain), "{row:?}");
                assert!(domain.contains('.'), "{row:?}");
                domains += 1;
            }
            for number in row[3].split(' ').filter(|number| !number.is_empty()) {
                assert!(number.parse::<u32>().is_ok(), "{row:?}");
                numbers += 1;
            }
        }
        assert!(names.len() >= 100, "{}", names.len());
        let own = Operators::own();
        assert_eq!((own.domains.len(), own.networks.len()), (domains, numbers), "one is twice");
    }

    #[test]
    fn what_is_below_a_domain_belongs_to_it() {
        let own = Operators::own();
        for (name, expected) in [
            ("mail-wr1-x42b.google.com", Some("Google")),
            ("example-org.20230601.gappssmtp.com", Some("Google")),
            ("EUR05-VI1-obe.outbound.protection.Outlook.com.", Some("Microsoft 365")),
            ("a48-1.smtp-out.eu-west-1.amazonses.com", Some("Amazon SES")),
            ("ec2-192-0-2-1.compute.amazonaws.com", Some("Amazon Web Services")),
            ("notgoogle.com", None),
            ("example.org", None),
            ("com", None),
            ("192.0.2.1", None),
        ] {
            let found = own.of_domain(name).map(|operator| operator.name.as_str());
            assert_eq!(found, expected, "{name}");
        }
        assert_eq!(
            own.of_network(15169).map(|operator| operator.kind.as_str()),
            Some("mailbox provider")
        );
        assert_eq!(own.of_network(64496), None);
    }

    #[test]
    fn the_list_of_parsedmarc_is_read() {
        let text = "\u{FEFF}base_reverse_dns,name,type\r\nExample.NET,\"Example, Inc.\",Web Host\r\n\
                    mail.example.net,Example Mail,Email Provider\nshort.example,Short\nnameless.example,,\n";
        let list = Operators::read(text.as_bytes()).expect("a list");
        let found =
            |name| list.of_domain(name).map(|found| (found.name.as_str(), found.kind.as_str()));
        assert_eq!(found("a.example.net"), Some(("Example, Inc.", "Web Host")));
        assert_eq!(found("b.mail.example.net"), Some(("Example Mail", "Email Provider")));
        assert_eq!(found("short.example"), Some(("Short", "")));
        assert_eq!(found("nameless.example"), None);
    }

    #[test]
    fn what_is_no_list_is_told() {
        for (text, reason) in [
            (
                "a,b,c\n1,2,3\n",
                "its first line must name the columns base_reverse_dns, name and type",
            ),
            ("", "its first line must name the columns base_reverse_dns, name and type"),
            ("base_reverse_dns,name,type\nx,X,t\na b,Y,t\n", "line 3: \"a b\" is no domain"),
            (
                "base_reverse_dns,name,type\nx.example,X,t\ny.example,\"Y,t\nz.example,Z,t\n",
                "line 3: a text in quotes does not end in its line",
            ),
            (
                "base_reverse_dns,name,type\r\nx.example,\"X,t\r\ny.example,Y\",t\r\n",
                "line 2: a text in quotes does not end in its line",
            ),
            (
                "base_reverse_dns,name,type\nx.example,X,\"t",
                "line 2: a text in quotes does not end in its line",
            ),
        ] {
            let error = Operators::read(text.as_bytes()).expect_err(text);
            assert_eq!(error.to_string(), reason);
        }
        let bytes = b"base_reverse_dns,name,type\n\xFF\xFE.example,X,t\n";
        assert!(Operators::read(&bytes[..]).is_err());
    }
}
