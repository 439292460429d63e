//! Mine: what the user said is a domain's own, in the form of its file. The file is TOML, a table
//! for each domain:
//!
//! ```toml
//! ["example.org"]
//! networks = ["192.0.2.0/24", "2001:db8::25"]
//! selectors = ["2026a"]
//! senders = ["Amazon SES"]
//! domains = ["service.example"]
//! ```

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    ops::Range,
    str::FromStr,
};

use serde::{Deserialize, Deserializer, de};
use toml_edit::{Array, DocumentMut, Item};

use super::words;
use crate::{
    answers::{Network, is_at_or_below},
    senders::domain::{self, ascii},
};

/// What the user said is the own of domains.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mine {
    domains: BTreeMap<String, BTreeSet<Whose>>,
}

/// By what something is known to be a domain's own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Whose {
    /// It comes from this network.
    Network(Network),
    /// It is signed in the domain's name with the key of this selector.
    Selector(String),
    /// It is sent by who is called so, in any case.
    Sender(String),
    /// SPF or a signature passes for this domain or one below it.
    Domain(String),
}

/// The text names nothing that can be a domain's own.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected an address, a network, a domain, selector:NAME or sender:NAME, such as 192.0.2.0/24, \
     service.example, selector:2026a or \"sender:Amazon SES\""
)]
pub struct ParseMineError;

/// The file is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct MineError {
    /// From 1.
    pub line: usize,
    /// What is wrong there.
    pub reason: String,
}

impl Mine {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// It is not in this form, or names something that is none.
    pub fn read(text: &str) -> Result<Mine, MineError> {
        let MineTables(tables) = toml::from_str(text).map_err(|error: toml::de::Error| {
            let line = line_of(text, error.span());
            MineError { line, reason: error.message().replace('\n', "; ") }
        })?;
        let mut mine = Mine::default();
        for (DomainName(domain), table) in tables {
            let MineTable { networks, selectors, senders, domains } = table;
            let all = networks.into_iter().map(|NetworkName(network)| Whose::Network(network));
            let all = all.chain(selectors.into_iter().map(Whose::Selector));
            let all = all.chain(senders.into_iter().map(Whose::Sender));
            let all = all.chain(domains.into_iter().map(|DomainName(name)| Whose::Domain(name)));
            mine.domains.entry(domain).or_default().extend(all);
        }
        Ok(mine)
    }

    /// The text of a file with one thing more, comments and all else as they were; nothing if that
    /// was said before.
    ///
    /// # Errors
    /// The text is not in this form.
    pub fn with(text: &str, domain: &str, whose: &Whose) -> Result<Option<String>, MineError> {
        let (said, mut document) = (Mine::read(text)?, document(text)?);
        if said.domains.get(domain).is_some_and(|all| all.iter().any(|one| whose.is_same(one))) {
            return Ok(None);
        }
        let key = keys_of(&document, domain).next().unwrap_or_else(|| domain.to_owned());
        let table = document.entry(&key).or_insert_with(toml_edit::table);
        let list = table[whose.list()].or_insert(toml_edit::value(Array::new()));
        // It was read as a list.
        list.as_array_mut().into_iter().for_each(|list| list.push(whose.value()));
        let head = if text.is_empty() { HEAD } else { "" };
        Ok(Some(format!("{head}{document}")))
    }

    /// The same with one thing less; nothing if it was not said.
    ///
    /// # Errors
    /// The text is not in this form.
    pub fn without(text: &str, domain: &str, whose: &Whose) -> Result<Option<String>, MineError> {
        let (said, mut document) = (Mine::read(text)?, document(text)?);
        if !said.domains.get(domain).is_some_and(|all| all.iter().any(|one| whose.is_same(one))) {
            return Ok(None);
        }
        let keys: Vec<String> = keys_of(&document, domain).collect();
        for key in keys {
            let Some(table) = document.get_mut(&key).and_then(Item::as_table_like_mut) else {
                continue;
            };
            let list = table.get_mut(whose.list()).and_then(Item::as_array_mut);
            let is_empty = list.is_some_and(|list| {
                let before = list.len();
                list.retain(|value| value.as_str().is_none_or(|value| !whose.is_value(value)));
                list.is_empty() && before > 0
            });
            if is_empty {
                table.remove(whose.list());
            }
            if is_empty && table.is_empty() {
                document.remove(&key);
            }
        }
        Ok(Some(document.to_string()))
    }

    /// What was said, domain by domain.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Whose)> {
        self.domains.iter().flat_map(|(domain, all)| all.iter().map(move |one| (&**domain, one)))
    }

    /// What is the own of a domain: also what was said of one above it.
    pub fn of<'m>(&'m self, domain: &str) -> impl Iterator<Item = &'m Whose> {
        let domain = ascii(domain).into_owned();
        self.iter().filter(move |(top, _)| is_at_or_below(&domain, top)).map(|(_, whose)| whose)
    }
}

/// What stands at the head of a new file.
const HEAD: &str = "\
# What is yours, whatever the rules say. `email-report-processor mine` changes this file; so may you.

";

fn document(text: &str) -> Result<DocumentMut, MineError> {
    text.parse().map_err(|error: toml_edit::TomlError| MineError {
        line: line_of(text, error.span()),
        reason: error.message().replace('\n', "; "),
    })
}

fn line_of(text: &str, span: Option<Range<usize>>) -> usize {
    let before = span.and_then(|span| text.get(..span.start));
    before.unwrap_or_default().matches('\n').count() + 1
}

/// How a document spells a domain; there may be a table for each spelling.
fn keys_of(document: &DocumentMut, domain: &str) -> impl Iterator<Item = String> {
    let keys = document.iter().map(|(key, _)| key);
    keys.filter(move |key| ascii(key) == domain).map(str::to_owned)
}

/// The tables of a file, in its order: none is passed over for another of the same domain.
struct MineTables(Vec<(DomainName, MineTable)>);

impl<'de> Deserialize<'de> for MineTables {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<MineTables, D::Error> {
        struct Tables;
        impl<'de> de::Visitor<'de> for Tables {
            type Value = MineTables;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a table for each domain")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<MineTables, A::Error> {
                let mut tables = Vec::new();
                while let Some(table) = map.next_entry()? {
                    tables.push(table);
                }
                Ok(MineTables(tables))
            }
        }
        deserializer.deserialize_map(Tables)
    }
}

/// A domain name, as [`ascii`] gives it.
struct DomainName(String);

impl<'de> Deserialize<'de> for DomainName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<DomainName, D::Error> {
        let text = String::deserialize(deserializer)?;
        let name = domain_name(&text);
        name.map(DomainName).ok_or_else(|| de::Error::custom(format!("{text:?} is no domain")))
    }
}

struct NetworkName(Network);

impl<'de> Deserialize<'de> for NetworkName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<NetworkName, D::Error> {
        let text = String::deserialize(deserializer)?;
        let network = text.parse().map_err(|error| de::Error::custom(format!("{text:?}: {error}")));
        network.map(NetworkName)
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct MineTable {
    networks: Vec<NetworkName>,
    selectors: Vec<String>,
    senders: Vec<String>,
    domains: Vec<DomainName>,
}

/// A domain name as it is compared; nothing if the text is none.
pub(crate) fn domain_name(text: &str) -> Option<String> {
    domain::organisational(text)?;
    Some(ascii(text).into_owned())
}

impl Whose {
    /// What [`Mine`]'s file calls the list that it is in.
    pub fn list(&self) -> &'static str {
        match self {
            Whose::Network(_) => "networks",
            Whose::Selector(_) => "selectors",
            Whose::Sender(_) => "senders",
            Whose::Domain(_) => "domains",
        }
    }

    /// True if both mean the same.
    fn is_same(&self, other: &Whose) -> bool {
        self.list() == other.list() && self.is_value(&other.value())
    }

    /// True if a value of its list means the same.
    fn is_value(&self, value: &str) -> bool {
        match self {
            Whose::Network(network) => value.parse() == Ok(*network),
            Whose::Domain(domain) => ascii(value) == *domain,
            Whose::Selector(name) | Whose::Sender(name) => value.eq_ignore_ascii_case(name),
        }
    }

    /// As the file has it.
    pub fn value(&self) -> String {
        match self {
            Whose::Network(network) => network.to_string(),
            Whose::Selector(text) | Whose::Sender(text) | Whose::Domain(text) => text.clone(),
        }
    }
}

impl FromStr for Whose {
    type Err = ParseMineError;

    fn from_str(text: &str) -> Result<Whose, ParseMineError> {
        let named = |name: &str| Some(name.trim().to_owned()).filter(|name| !name.is_empty());
        if let Some(selector) = text.strip_prefix("selector:") {
            return named(selector).map(Whose::Selector).ok_or(ParseMineError);
        }
        if let Some(sender) = text.strip_prefix("sender:") {
            return named(sender).map(Whose::Sender).ok_or(ParseMineError);
        }
        if let Ok(network) = text.parse() {
            return Ok(Whose::Network(network));
        }
        let name = domain_name(text).filter(|name| name.contains('.'));
        name.map(Whose::Domain).ok_or(ParseMineError)
    }
}

/// For a person, as it is typed.
impl fmt::Display for Whose {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Whose::Network(network) => network.fmt(f),
            Whose::Selector(name) => write!(f, "selector:{name}"),
            Whose::Sender(name) => write!(f, "sender:{name}"),
            Whose::Domain(domain) => f.write_str(domain),
        }
    }
}

/// A list of what was said, for a sentence.
pub(super) fn list(said: &[&Whose]) -> String {
    words::list(&said.iter().map(ToString::to_string).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests;
