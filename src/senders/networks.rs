//! Networks: who owns an address and where it is, out of databases in MaxMind's format
//! (<https://maxmind.github.io/MaxMind-DB/>), by the schemas of MaxMind, IPinfo and DB-IP.

use std::{fmt, net::IpAddr, sync::Arc};

use maxminddb::{MaxMindDbError, Reader};
use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, MapAccess, Visitor},
};

use super::Host;

/// A database in memory.
pub type Database = Reader<Vec<u8>>;

/// Databases; the first that knows a fact is believed.
#[derive(Default)]
pub struct Networks(Vec<Arc<Database>>);

impl Networks {
    /// Those of these databases, in this order.
    pub fn new(databases: Vec<Arc<Database>>) -> Networks {
        Networks(databases)
    }

    /// A database from the contents of its file.
    ///
    /// # Errors
    /// The bytes are no such database, or not all of one: its head is at the end.
    pub fn database(bytes: Vec<u8>) -> Result<Database, MaxMindDbError> {
        Reader::from_source(bytes)
    }

    /// What is known of an address; nothing if nothing is. What a damaged database says is not
    /// known.
    pub fn host(&self, address: IpAddr) -> Option<Host> {
        // IPv4 addresses written as IPv6 are the same addresses.
        let address = address.to_canonical();
        let mut host = Host::default();
        for database in &self.0 {
            if let Some(more) = look_up(database, address) {
                host.complete(more);
            }
        }
        (!host.is_unknown()).then_some(host)
    }
}

impl fmt::Debug for Networks {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let names = self.0.iter().map(|database| &database.metadata().database_type);
        f.debug_list().entries(names).finish()
    }
}

fn look_up(database: &Database, address: IpAddr) -> Option<Host> {
    if address.is_ipv6() && database.metadata().ip_version == 4 {
        return None;
    }
    let found = database.lookup(address).ok()?;
    let entry: NetworkEntry = found.decode().ok()??;
    let asn = entry.asn();
    Some(Host {
        asn,
        network: asn.and_then(|_| Some(found.network().ok()?.to_string())),
        organisation: entry.organisation().map(str::to_owned),
        domain: entry.domain().map(str::to_lowercase),
        country: entry.country().map(str::to_uppercase),
        name: None,
    })
}

/// What the schemas have in common, and in what they differ.
#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'e"))]
struct NetworkEntry<'e> {
    /// IPinfo, ip-location-db.
    country_code: Option<Loose<'e>>,
    /// MaxMind and DB-IP: an object; IPinfo: the code, or in its Lite file the name.
    country: Option<Loose<'e>>,
    /// MaxMind: where the network is registered; told alone of addresses that may be anywhere.
    registered_country: Option<Loose<'e>>,
    /// MaxMind, DB-IP.
    autonomous_system_number: Option<Loose<'e>>,
    autonomous_system_organization: Option<Loose<'e>>,
    /// MaxMind's Enterprise and DB-IP's larger files have these two within.
    traits: Option<Traits<'e>>,
    /// IPinfo: `AS64496`.
    asn: Option<Loose<'e>>,
    as_name: Option<Loose<'e>>,
    as_domain: Option<Loose<'e>>,
    name: Option<Loose<'e>>,
    domain: Option<Loose<'e>>,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'e"))]
struct Traits<'e> {
    autonomous_system_number: Option<Loose<'e>>,
    autonomous_system_organization: Option<Loose<'e>>,
}

/// A value that is not of the same type everywhere.
enum Loose<'e> {
    Text(&'e str),
    Number(u32),
    Place { iso_code: Option<&'e str> },
}

/// By hand, since it is in the way of a mail: an untagged enum would copy all names of a place.
impl<'de: 'e, 'e> Deserialize<'de> for Loose<'e> {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Loose<'e>, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Loose<'de>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a text, a number or a place")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Loose<'de>, E> {
                Ok(Loose::Text(text))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Loose<'de>, E> {
                u32::try_from(number).map(Loose::Number).map_err(E::custom)
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Loose<'de>, M::Error> {
                let mut iso_code = None;
                while let Some(key) = map.next_key::<&str>()? {
                    if key == "iso_code" {
                        iso_code = Some(map.next_value()?);
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(Loose::Place { iso_code })
            }
        }
        value.deserialize_any(Any)
    }
}

impl<'e> Loose<'e> {
    fn text(&self) -> Option<&'e str> {
        match self {
            Loose::Text(text) => Some(text).filter(|text| !text.is_empty()).copied(),
            Loose::Number(_) | Loose::Place { .. } => None,
        }
    }

    fn country(&self) -> Option<&'e str> {
        let (Loose::Text(code) | Loose::Place { iso_code: Some(code) }) = self else { return None };
        (code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_alphabetic())).then_some(code)
    }

    /// A number of an autonomous system; 0 is none (RFC 7607).
    fn asn(&self) -> Option<u32> {
        let number = match self {
            Loose::Text(text) => text.trim_start_matches("AS").parse().ok()?,
            Loose::Number(number) => *number,
            Loose::Place { .. } => return None,
        };
        (number > 0).then_some(number)
    }
}

impl<'e> NetworkEntry<'e> {
    fn country(&self) -> Option<&'e str> {
        let all = [&self.country_code, &self.country, &self.registered_country];
        all.into_iter().flatten().find_map(Loose::country)
    }

    fn asn(&self) -> Option<u32> {
        let within = self.traits.as_ref().and_then(|it| it.autonomous_system_number.as_ref());
        let all = [self.autonomous_system_number.as_ref(), self.asn.as_ref(), within];
        all.into_iter().flatten().find_map(Loose::asn)
    }

    fn organisation(&self) -> Option<&'e str> {
        let within = self.traits.as_ref().and_then(|it| it.autonomous_system_organization.as_ref());
        let own = self.autonomous_system_organization.as_ref();
        let all = [own, self.as_name.as_ref(), self.name.as_ref(), within];
        all.into_iter().flatten().find_map(Loose::text)
    }

    fn domain(&self) -> Option<&'e str> {
        [&self.as_domain, &self.domain].into_iter().flatten().find_map(Loose::text)
    }
}
