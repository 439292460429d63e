//! Reverse: names of addresses, from the DNS (RFC 1035 section 3.5), believed only if the name's
//! own addresses have the one that was asked about: anybody may give his addresses the names of
//! others.

use std::{
    collections::HashSet,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use hickory_resolver::{
    TokioResolver,
    net::NetError,
    proto::rr::{Name, RData, RecordType},
};
use tokio::{runtime::Runtime, task::JoinSet, time::sleep};

use super::resolver;
use crate::senders::{ReverseName, domain};

/// So many addresses are asked about at once.
const AT_ONCE: usize = 32;
/// So many of an address's names are looked at: one is usual.
const NAMES: usize = 5;
/// How often it is seen whether work is to end.
const LOOK: Duration = Duration::from_millis(100);

/// Asks for names.
pub(super) struct ReverseDns {
    runtime: Runtime,
    resolver: TokioResolver,
}

impl ReverseDns {
    /// Nothing is asked yet. Without a server, those of `/etc/resolv.conf`.
    pub(super) fn new(server: Option<SocketAddr>) -> Result<ReverseDns, NetError> {
        let (runtime, resolver) = resolver(server)?;
        Ok(ReverseDns { runtime, resolver })
    }

    /// The names of these addresses; of those that were not asked about before `is_over` said so
    /// nothing. One that takes longer counts as not answered, or it would be the first each time.
    pub(super) fn names(
        &self,
        addresses: Vec<IpAddr>,
        is_over: impl Fn() -> bool,
    ) -> Vec<(IpAddr, ReverseName)> {
        self.runtime.block_on(async {
            let mut found = Vec::with_capacity(addresses.len());
            let mut waiting = addresses.into_iter();
            let (mut asked, mut open) = (JoinSet::new(), HashSet::new());
            while !is_over() {
                while asked.len() < AT_ONCE
                    && let Some(address) = waiting.next()
                {
                    open.insert(address);
                    asked.spawn(name_of(self.resolver.clone(), address));
                }
                tokio::select! {
                    answer = asked.join_next() => match answer {
                        Some(Ok((address, name))) => {
                            open.remove(&address);
                            found.push((address, name));
                        }
                        // It panicked.
                        Some(Err(_)) => {}
                        None => break,
                    },
                    () = sleep(LOOK) => {}
                }
            }
            found.extend(open.into_iter().map(|address| (address, ReverseName::Unanswered)));
            found
        })
    }
}

async fn name_of(resolver: TokioResolver, address: IpAddr) -> (IpAddr, ReverseName) {
    if !is_public(address) {
        return (address, ReverseName::NoName);
    }
    let found = match look_up(&resolver, Name::from(address), RecordType::PTR).await {
        Err(()) => ReverseName::Unanswered,
        Ok(records) => {
            let names = records.into_iter().filter_map(|record| match record {
                RData::PTR(name) => plain(&name.0),
                _ => None,
            });
            confirmed(&resolver, address, names.take(NAMES)).await
        }
    };
    (address, found)
}

/// The first of these names that has the address.
async fn confirmed(
    resolver: &TokioResolver,
    address: IpAddr,
    names: impl Iterator<Item = String>,
) -> ReverseName {
    let kind = if address.is_ipv4() { RecordType::A } else { RecordType::AAAA };
    let mut otherwise = ReverseName::NoName;
    for text in names {
        let Ok(mut name) = Name::from_ascii(&text) else { continue };
        name.set_fqdn(true);
        let has = |record: &RData| match record {
            RData::A(found) => address == found.0,
            RData::AAAA(found) => address == found.0,
            _ => false,
        };
        match look_up(resolver, name, kind).await {
            Ok(records) if records.iter().any(has) => return ReverseName::Name(text),
            Ok(_) => {}
            Err(()) => otherwise = ReverseName::Unanswered,
        }
    }
    otherwise
}

/// The records; none if the name has none or is not there, an error if nobody can tell.
async fn look_up(resolver: &TokioResolver, name: Name, kind: RecordType) -> Result<Vec<RData>, ()> {
    match resolver.lookup(name, kind).await {
        Ok(found) => Ok(found.answers().iter().map(|record| record.data.clone()).collect()),
        Err(error) if error.is_nx_domain() || error.is_no_records_found() => Ok(Vec::new()),
        Err(_) => Err(()),
    }
}

/// A host's name in small letters: letters, digits, hyphens and underscores, with a dot within.
/// Whatever else may stand in the DNS is none.
fn plain(name: &Name) -> Option<String> {
    let name = name.to_ascii();
    let name = domain::folded(&name)?;
    let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (name.contains('.') && name.chars().all(is_host)).then(|| name.into_owned())
}

/// Others are nobody's business outside, and have no name there.
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            !(v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_multicast()
                || v4.is_broadcast()
                || v4.is_unspecified())
        }
        IpAddr::V6(v6) => {
            !(v6.is_unique_local()
                || v6.is_loopback()
                || v6.is_unicast_link_local()
                || v6.is_multicast()
                || v6.is_unspecified())
        }
    }
}
