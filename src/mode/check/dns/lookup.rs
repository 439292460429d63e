//! Lookup: TXT records, from the servers of /etc/resolv.conf or one that was named.

use std::net::SocketAddr;

use hickory_resolver::{
    TokioResolver,
    net::{DnsError, NetError},
    proto::{
        op::ResponseCode,
        rr::{Name, RData, RecordType},
    },
};
use tokio::runtime::Runtime;

use crate::lookup::resolver;

/// What a name has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Texts {
    /// There is no such name (NXDOMAIN).
    NoName,
    /// Its TXT records, each with its strings joined (RFC 7208 section 3.3); none where the name is
    /// there for something else.
    Records(Vec<String>),
}

impl Texts {
    /// The records, if any.
    pub(super) fn records(self) -> Vec<String> {
        match self {
            Texts::NoName => Vec::new(),
            Texts::Records(records) => records,
        }
    }
}

/// Asks for TXT records.
pub(super) struct Lookup {
    runtime: Runtime,
    resolver: TokioResolver,
}

impl Lookup {
    /// Nothing is asked yet. Fails where no server is known.
    pub(super) fn new(server: Option<SocketAddr>) -> Result<Lookup, String> {
        let (runtime, resolver) =
            resolver(server).map_err(|error| format!("no DNS server is known ({error})"))?;
        Ok(Lookup { runtime, resolver })
    }

    /// The TXT records of a name, or why there is no answer.
    pub(super) fn texts(&self, name: &str) -> Result<Texts, String> {
        let mut name = Name::from_ascii(name).map_err(|error| format!("{name}: {error}"))?;
        // Nothing is to be appended to it.
        name.set_fqdn(true);
        match self.runtime.block_on(self.resolver.lookup(name, RecordType::TXT)) {
            Ok(found) => {
                let texts = found.answers().iter().filter_map(|record| match &record.data {
                    RData::TXT(text) => {
                        Some(String::from_utf8_lossy(&text.txt_data.concat()).into_owned())
                    }
                    _ => None,
                });
                Ok(Texts::Records(texts.collect()))
            }
            Err(error) if error.is_nx_domain() => Ok(Texts::NoName),
            Err(error) if error.is_no_records_found() => Ok(Texts::Records(Vec::new())),
            Err(error) => Err(reason(&error)),
        }
    }
}

/// Why there is no answer, for a person.
fn reason(error: &NetError) -> String {
    match error {
        NetError::Timeout => "the DNS server does not answer".into(),
        NetError::Dns(DnsError::ResponseCode(ResponseCode::ServFail)) => {
            "the DNS server can't find out (SERVFAIL)".into()
        }
        NetError::Dns(DnsError::ResponseCode(ResponseCode::Refused)) => {
            "the DNS server refuses to answer (REFUSED)".into()
        }
        NetError::Dns(DnsError::ResponseCode(code)) => format!("the DNS server answers: {code}"),
        error => format!("DNS: {error}"),
    }
}
