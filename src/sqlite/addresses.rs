//! Addresses: what is known of those that mail was sent from, beside the records.

use std::{
    collections::{BTreeSet, HashMap},
    net::IpAddr,
};

use rusqlite::{Connection, OptionalExtension, Result, Row, params};

use crate::{
    message::Contents,
    report::Report,
    senders::{Host, Networks},
};

/// What is not known any more stays as it was.
const KEEP: &str = "\
INSERT INTO addresses (address, asn, network, organisation, domain, country) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET
    network = CASE WHEN excluded.asn IS NULL THEN network ELSE excluded.network END,
    asn = coalesce(excluded.asn, asn),
    organisation = coalesce(excluded.organisation, organisation),
    domain = coalesce(excluded.domain, domain),
    country = coalesce(excluded.country, country)
WHERE (asn, network, organisation, domain, country)
    IS NOT (excluded.asn, excluded.network, excluded.organisation, excluded.domain, excluded.country)";

/// Keeps what the databases know of the addresses in these mails.
pub(crate) fn keep<'m>(
    transaction: &Connection,
    networks: &Networks,
    mails: impl Iterator<Item = &'m Contents>,
) -> Result<()> {
    let mut keep = transaction.prepare_cached(KEEP)?;
    let all: BTreeSet<IpAddr> = mails.flat_map(|mail| &mail.reports).flat_map(addresses).collect();
    for address in all {
        let Some(host) = networks.host(address) else { continue };
        let Host { asn, network, organisation, domain, country, name: _ } = host;
        keep.execute(params![address.to_string(), asn, network, organisation, domain, country])?;
    }
    Ok(())
}

/// The addresses that a report tells of.
fn addresses(report: &Report) -> impl Iterator<Item = IpAddr> + '_ {
    let (records, failure) = match report {
        Report::Aggregate(report) => (report.records.as_slice(), None),
        Report::Tls(_) => (Default::default(), None),
        Report::Failure(report) => (Default::default(), report.source_ip),
    };
    records.iter().filter_map(|record| record.row.source_ip).chain(failure)
}

/// What is known of the addresses in a report.
pub(super) fn hosts(connection: &Connection, report: &Report) -> Result<HashMap<IpAddr, Host>> {
    let mut known = connection.prepare_cached("SELECT * FROM addresses WHERE address = ?")?;
    let mut hosts = HashMap::new();
    for address in addresses(report).collect::<BTreeSet<_>>() {
        if let Some(host) = known.query_row([address.to_string()], host).optional()? {
            hosts.insert(address, host);
        }
    }
    Ok(hosts)
}

fn host(row: &Row) -> Result<Host> {
    Ok(Host {
        asn: row.get("asn")?,
        network: row.get("network")?,
        organisation: row.get("organisation")?,
        domain: row.get("domain")?,
        country: row.get("country")?,
        name: row.get("name")?,
    })
}
