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
    str::FromStr,
};

use serde::{Deserialize, Deserializer, de};

use super::words;
use crate::{
    answers::{Network, folded, is_at_or_below},
    senders::domain,
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
        let tables: BTreeMap<DomainName, Table> =
            toml::from_str(text).map_err(|error: toml::de::Error| {
                let before = error.span().and_then(|span| text.get(..span.start));
                let line = before.unwrap_or_default().matches('\n').count() + 1;
                MineError { line, reason: error.message().replace('\n', "; ") }
            })?;
        let mut mine = Mine::default();
        for (DomainName(domain), table) in tables {
            let Table { networks, selectors, senders, domains } = table;
            let all = networks.into_iter().map(|NetworkName(network)| Whose::Network(network));
            let all = all.chain(selectors.into_iter().map(Whose::Selector));
            let all = all.chain(senders.into_iter().map(Whose::Sender));
            let all = all.chain(domains.into_iter().map(|DomainName(name)| Whose::Domain(name)));
            mine.domains.entry(domain).or_default().extend(all);
        }
        Ok(mine)
    }

    /// Adds what is a domain's own; false if that was said before.
    pub fn add(&mut self, domain: &str, whose: Whose) -> bool {
        self.domains.entry(folded(domain).into_owned()).or_default().insert(whose)
    }

    /// What was said, domain by domain.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Whose)> {
        self.domains.iter().flat_map(|(domain, all)| all.iter().map(move |one| (&**domain, one)))
    }

    /// What is the own of a domain: also what was said of one above it.
    pub fn of<'m>(&'m self, domain: &str) -> impl Iterator<Item = &'m Whose> {
        let domain = folded(domain).into_owned();
        self.iter().filter(move |(top, _)| is_at_or_below(&domain, top)).map(|(_, whose)| whose)
    }
}

/// A domain name, in small letters.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
struct Table {
    networks: Vec<NetworkName>,
    selectors: Vec<String>,
    senders: Vec<String>,
    domains: Vec<DomainName>,
}

fn domain_name(text: &str) -> Option<String> {
    domain::organisational(text)?;
    Some(folded(text).into_owned())
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
