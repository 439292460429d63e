//! Host: what is known of an address from which mail was sent.

use std::{borrow::Cow, collections::HashMap, net::IpAddr};

use serde::Serialize;
use serde_json::Value;

use super::Networks;

/// What is known of an address; all of it may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// Number of the autonomous system that announces its network.
    pub asn: Option<u32>,
    /// That network, as `192.0.2.0/24`.
    pub network: Option<String>,
    /// Name of who has that autonomous system.
    pub organisation: Option<String>,
    /// Domain of the same.
    pub domain: Option<String>,
    /// Where it is: two letters of ISO 3166-1.
    pub country: Option<String>,
    /// Its name, confirmed: the name's own addresses have this one.
    pub name: Option<String>,
}

impl Host {
    /// True if nothing is known.
    pub fn is_unknown(&self) -> bool {
        *self == Host::default()
    }

    /// Takes over what is not known yet. The network comes with the autonomous system.
    pub(super) fn complete(&mut self, other: Host) {
        if self.asn.is_none() {
            (self.asn, self.network) = (other.asn, other.network);
        }
        self.organisation = self.organisation.take().or(other.organisation);
        self.domain = self.domain.take().or(other.domain);
        self.country = self.country.take().or(other.country);
        self.name = self.name.take().or(other.name);
    }

    /// What the members of a document tell, if anything; they may be this program's own or those of
    /// OpenSearch's processor `ip2geo`. The owner's domain is not among them.
    pub fn from_members(document: &Value) -> Option<Host> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let (owner, source) = (&document["ip2geo"], &document["source"]);
        let asn = owner["asn"].as_u64().and_then(|asn| asn.try_into().ok());
        let host = Host {
            asn: asn.or_else(|| owner["asn"].as_str()?.parse().ok()),
            network: text(&owner["network"]),
            organisation: text(&owner["organization_name"]),
            domain: None,
            country: text(&source["country"]),
            name: text(&source["reverse_dns"]),
        };
        (!host.is_unknown()).then_some(host)
    }

    /// The members that a document gets; of these, `ip2geo` is as OpenSearch's processor of that
    /// name writes it, all texts.
    pub fn members(&self) -> impl Serialize + '_ {
        #[derive(Serialize)]
        struct Members<'h> {
            #[serde(skip_serializing_if = "Option::is_none")]
            ip2geo: Option<Ip2Geo<'h>>,
            #[serde(skip_serializing_if = "Option::is_none")]
            source: Option<SourceObject<'h>>,
        }
        #[derive(Serialize)]
        struct Ip2Geo<'h> {
            #[serde(skip_serializing_if = "Option::is_none")]
            asn: Option<String>,
            #[serde(skip_serializing_if = "Option::is_none")]
            network: Option<&'h str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            organization_name: Option<&'h str>,
        }
        #[derive(Serialize)]
        struct SourceObject<'h> {
            #[serde(skip_serializing_if = "Option::is_none")]
            country: Option<&'h str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            reverse_dns: Option<&'h str>,
        }
        let Host { asn, network, organisation, country, name, .. } = self;
        let has_owner = asn.is_some() || network.is_some() || organisation.is_some();
        Members {
            ip2geo: has_owner.then(|| Ip2Geo {
                asn: asn.map(|asn| asn.to_string()),
                network: network.as_deref(),
                organization_name: organisation.as_deref(),
            }),
            source: (country.is_some() || name.is_some()).then_some(SourceObject {
                country: country.as_deref(),
                reverse_dns: name.as_deref(),
            }),
        }
    }
}

/// What the DNS says of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReverseName {
    /// It has this name, whose own addresses have it.
    Name(String),
    /// It has no name, or none that is confirmed.
    NoName,
    /// The DNS could not tell now.
    Unanswered,
}

/// Where it is looked up what is known of an address.
#[derive(Clone, Copy, Debug, Default)]
pub enum Hosts<'h> {
    /// Nothing is known.
    #[default]
    Unknown,
    /// In databases of networks.
    Networks(&'h Networks),
    /// Among those that a store knows.
    Stored(&'h HashMap<IpAddr, Host>),
}

impl<'h> Hosts<'h> {
    /// What is known of an address; nothing if nothing is.
    pub fn get(&self, address: IpAddr) -> Option<Cow<'h, Host>> {
        match self {
            Hosts::Unknown => None,
            Hosts::Networks(networks) => networks.host(address).map(Cow::Owned),
            Hosts::Stored(hosts) => hosts.get(&address).map(Cow::Borrowed),
        }
    }
}
