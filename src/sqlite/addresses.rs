//! Addresses: what is known of those that mail was sent from, beside the records.

use std::{
    collections::{BTreeSet, HashMap},
    net::IpAddr,
};

use rusqlite::{Connection, OptionalExtension, Result, Row, named_params, params};
use serde_json::Value;

use super::schema::begin;
use crate::{
    message::Contents,
    report::Report,
    senders::{Host, Networks, ReverseName},
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
    let all: BTreeSet<IpAddr> =
        mails.flat_map(|mail| &mail.reports).flat_map(Report::addresses).collect();
    for address in all {
        let Some(host) = networks.host(address) else { continue };
        keep_host(transaction, address, &host)?;
    }
    Ok(())
}

/// Keeps what is known of the addresses of all reports, where databases and the DNS know nothing of
/// them: they are made up.
pub(crate) fn tell(
    store: &mut Connection,
    now: i64,
    host: impl Fn(IpAddr) -> Option<Host>,
) -> Result<()> {
    while take_up(store)? {}
    let mut names = Vec::new();
    let transaction = begin(store)?;
    for address in nameless(&transaction, now, NO_LIMIT)? {
        let Some(host) = host(address) else { continue };
        keep_host(&transaction, address, &host)?;
        names.push((address, host.name.map_or(ReverseName::NoName, ReverseName::Name)));
    }
    transaction.commit()?;
    name(store, now, &names)
}

/// As many as there are, to SQLite.
const NO_LIMIT: i64 = -1;

fn keep_host(transaction: &Connection, address: IpAddr, host: &Host) -> Result<usize> {
    let Host { asn, network, organisation, domain, country, name: _ } = host;
    let mut keep = transaction.prepare_cached(KEEP)?;
    keep.execute(params![address.to_string(), asn, network, organisation, domain, country])
}

/// What is known of the addresses in a report.
pub(super) fn hosts(connection: &Connection, report: &Report) -> Result<HashMap<IpAddr, Host>> {
    known(connection, &report.addresses().collect())
}

/// What is known of addresses.
pub(super) fn known(
    connection: &Connection,
    all: &BTreeSet<IpAddr>,
) -> Result<HashMap<IpAddr, Host>> {
    if all.is_empty() {
        return Ok(HashMap::new());
    }
    let all: Vec<String> = all.iter().map(IpAddr::to_string).collect();
    // All at once, each found by the primary key.
    let sql = "SELECT a.* FROM json_each(?) CROSS JOIN addresses a ON a.address = value";
    let mut known = connection.prepare_cached(sql)?;
    let rows = known.query_map([Value::from(all).to_string()], |row| {
        // All were written as addresses.
        Ok((row.get::<_, String>("address")?.parse().ok(), host(row)?))
    })?;
    rows.filter_map(|row| row.map(|(address, host)| Some((address?, host))).transpose()).collect()
}

/// So many reports are looked through at once for new addresses.
const REPORTS: i64 = 500;

/// The addresses of reports `:from` to `:to`. A row that is only another head of a report stands
/// for that report's records (see [`super::heads`]).
const TAKE_UP: [(&str, &str); 2] = [
    (
        "dmarc_reports",
        "INSERT OR IGNORE INTO addresses (address)
        SELECT DISTINCT d.source_ip
        FROM dmarc_reports h
        JOIN dmarc_reports r ON r.report_key = substr(h.report_key, 1, 16)
        JOIN dmarc_records d ON d.report = r.id
        WHERE h.id BETWEEN :from AND :to AND d.source_ip IS NOT NULL",
    ),
    (
        "dmarc_failures",
        "INSERT OR IGNORE INTO addresses (address)
        SELECT source_ip FROM dmarc_failures WHERE id BETWEEN :from AND :to AND source_ip IS NOT NULL",
    ),
];

/// Takes up the addresses of reports that were stored since this was last done, some at a time;
/// true if there are more.
pub(crate) fn take_up(store: &mut Connection) -> Result<bool> {
    let mut more = false;
    for (source, take_up) in TAKE_UP {
        let last = "SELECT last FROM addresses_taken_up WHERE source = ?";
        let last: Option<i64> = store.query_row(last, [source], |row| row.get(0)).optional()?;
        let newest = format!("SELECT coalesce(max(id), 0) FROM {source}");
        let newest: i64 = store.query_row(&newest, (), |row| row.get(0))?;
        // Ids are given again once the newest rows are gone.
        let from = last.filter(|last| *last <= newest).unwrap_or(0) + 1;
        let to = newest.min(from + REPORTS - 1);
        if from > to {
            continue;
        }
        more |= to < newest;
        let transaction = begin(store)?;
        transaction.prepare_cached(take_up)?.execute(named_params! { ":from": from, ":to": to })?;
        transaction.execute("REPLACE INTO addresses_taken_up VALUES (?, ?)", (source, to))?;
        transaction.commit()?;
    }
    Ok(more)
}

/// Addresses whose names are to be asked for now, in seconds since 1970: first those that never
/// were.
pub(crate) fn nameless(store: &Connection, now: i64, limit: i64) -> Result<Vec<IpAddr>> {
    let sql = "SELECT address FROM addresses WHERE ask_after IS NULL OR ask_after <= ? ORDER BY ask_after LIMIT ?";
    let mut statement = store.prepare_cached(sql)?;
    let all = statement.query_map(params![now, limit], |row| row.get::<_, String>(0))?;
    // All were written as addresses.
    all.filter_map(|address| address.map(|address| address.parse().ok()).transpose()).collect()
}

/// How long a name holds, in seconds.
const NAME: i64 = 30 * 86_400;
/// How long it holds that there is no name.
const NO_NAME: i64 = 7 * 86_400;
/// How long it is not asked again about an address of which it could not tell.
const UNANSWERED: i64 = 6 * 3_600;
/// The same, where it could tell of none: then it is not the address, and others come first.
const AWAY: i64 = 600;

/// Keeps what the DNS said now. What it could not tell leaves the name that was there.
pub(crate) fn name(
    store: &mut Connection,
    now: i64,
    found: &[(IpAddr, ReverseName)],
) -> Result<()> {
    let is_away = found.iter().all(|(_, found)| *found == ReverseName::Unanswered);
    let pause = if is_away { AWAY } else { UNANSWERED };
    let transaction = begin(store)?;
    for (address, found) in found {
        let address = address.to_string();
        match found {
            ReverseName::Unanswered => transaction
                .prepare_cached("UPDATE addresses SET ask_after = ? WHERE address = ?")?
                .execute(params![now + pause, address])?,
            answer => {
                let (name, holds) = match answer {
                    ReverseName::Name(name) => (Some(name), NAME),
                    _ => (None, NO_NAME),
                };
                let sql =
                    "UPDATE addresses SET name = ?, checked = ?, ask_after = ? WHERE address = ?";
                transaction.prepare_cached(sql)?.execute(params![
                    name,
                    now,
                    now + holds,
                    address
                ])?
            }
        };
    }
    transaction.commit()
}

/// Hands out all addresses of whose hosts a name or an owner is known.
pub(super) fn each_host(connection: &Connection, mut take: impl FnMut(IpAddr, Host)) -> Result<()> {
    let sql = "SELECT * FROM addresses
               WHERE coalesce(name, organisation, domain, asn) IS NOT NULL ORDER BY address";
    let mut known = connection.prepare_cached(sql)?;
    let mut rows = known.query(())?;
    while let Some(row) = rows.next()? {
        let address = row.get_ref("address")?.as_str()?.parse();
        // All were written as addresses.
        if let Ok(address) = address {
            take(address, host(row)?);
        }
    }
    Ok(())
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
