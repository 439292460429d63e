//! Lookup: TXT records, from the servers of /etc/resolv.conf or one that was named.

use std::{net::SocketAddr, time::Duration};

use hickory_resolver::{
    Resolver, TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts},
    net::{DnsError, NetError, runtime::TokioRuntimeProvider},
    proto::{
        op::ResponseCode,
        rr::{Name, RData, RecordType},
    },
};
use tokio::runtime::{self, Runtime};

/// How long an answer is waited for; then it is asked for once more.
const TIMEOUT: Duration = Duration::from_secs(3);

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
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        let failed = |error: NetError| format!("no DNS server is known ({error})");
        let mut builder = match server {
            None => TokioResolver::builder_tokio().map_err(failed)?,
            Some(server) => {
                let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
                let connections = connections.map(|mut connection| {
                    connection.port = server.port();
                    connection
                });
                let server = NameServerConfig::new(server.ip(), true, connections.into());
                let config = ResolverConfig::from_name_servers(vec![server]);
                Resolver::builder_with_config(config, TokioRuntimeProvider::default())
            }
        };
        let options: &mut ResolverOpts = builder.options_mut();
        options.use_hosts_file = ResolveHosts::Never;
        (options.timeout, options.attempts, options.edns0) = (TIMEOUT, 1, true);
        let resolver = {
            let _inside = runtime.enter();
            builder.build().map_err(failed)?
        };
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
