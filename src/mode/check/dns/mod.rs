//! Dns: the records by which reports are asked for: DMARC (RFC 7489 section 6.3, RFC 9989), who may
//! be sent reports on other domains (RFC 7489 section 7.1, RFC 9990), SMTP TLS (RFC 8460 section
//! 3).

mod dmarc;
mod elsewhere;
mod lookup;
mod tags;
mod tls;
mod walk;

use std::net::SocketAddr;

use hickory_resolver::proto::rr::Name;

use self::{
    lookup::{Lookup, Texts},
    tags::{RuaAddress, excerpt, is_nearly_version, is_same, is_version},
};
use super::{counted, finding::Findings};
use crate::{cli::CheckFlags, exit::Failure};

/// The version of a DMARC record.
const DMARC: &str = "DMARC1";

/// The domains that were named, as they stand in the DNS.
///
/// # Errors
/// One is no name of a domain.
pub(super) fn domains(flags: &CheckFlags) -> Result<Vec<String>, Failure> {
    flags.dns.iter().map(|text| domain(text)).collect()
}

/// Looks at the records of these domains.
pub(super) fn check_all(
    domains: &[String],
    server: Option<SocketAddr>,
    flags: &CheckFlags,
    findings: &mut Findings,
) {
    if domains.is_empty() {
        return;
    }
    let lookup = match Lookup::new(server) {
        Ok(lookup) => lookup,
        Err(reason) => {
            let fix = "Name a server with --dns-server";
            return findings.wrong("dns.server", &domains.join(", "), reason, fix);
        }
    };
    for domain in domains {
        match lookup.texts(domain) {
            Err(reason) => {
                let fix = "Try again, or ask another server with --dns-server";
                findings.wrong("dns.server", domain, reason, fix);
                continue;
            }
            Ok(Texts::NoName) => {
                let found = "there is no such domain";
                findings.warning("dns.domain", domain, found, "See whether it is spelt right");
            }
            Ok(Texts::Records(_)) => {}
        }
        dmarc::check(domain, &flags.address, &lookup, findings);
        tls::check(domain, &flags.address, &lookup, findings);
    }
}

/// The domain as it stands in the DNS: small letters, ASCII, no dot at its end.
fn domain(text: &str) -> Result<String, Failure> {
    let refused = |reason: String| Failure::usage(format!("--dns {text}: {reason}"));
    let name = Name::from_utf8(text.trim()).map_err(|error| refused(error.to_string()))?;
    if name.num_labels() == 0 {
        return Err(refused("it is empty".into()));
    }
    Ok(name.to_lowercase().to_ascii().trim_end_matches('.').to_owned())
}

/// A name could not be asked about.
fn unanswered(check: &'static str, name: &str, reason: &str, findings: &mut Findings) {
    let fix = "Try again; if it stays, the DNS of this domain is broken";
    findings.wrong(check, name, reason, fix);
}

/// Of the TXT records at a name, the one of this version; else what is wrong is told. `missing` is
/// called where nobody seems to have meant one.
fn only_one(
    (check, name, version): (&'static str, &str, &str),
    texts: &[String],
    findings: &mut Findings,
    missing: impl FnOnce(&mut Findings),
) -> Option<String> {
    let records: Vec<&String> = texts.iter().filter(|text| is_version(text, version)).collect();
    match records.as_slice() {
        [record] => {
            findings.ok(check, name, format!("there is a record: {:?}", excerpt(record)));
            return Some((*record).clone());
        }
        [] => {}
        several => {
            let found = format!("there are {} records of v={version}", several.len());
            let fix = "Join them into one: with more than one, receivers take none";
            findings.wrong(check, name, found, fix);
            return None;
        }
    }
    match texts.iter().find(|text| is_nearly_version(text, version)) {
        Some(text) => findings.wrong(
            check,
            name,
            format!("the record is not understood: {:?}", excerpt(text)),
            format!("Let it begin with v={version}; in just these letters, without quotes in it"),
        ),
        None => missing(findings),
    }
    None
}

/// The places of `rua`: what is wrong with them, and whether one of this person's addresses is
/// among them. Those mail addresses that are to be looked at further.
fn named(
    (check, name): (&'static str, &str),
    places: Vec<RuaAddress>,
    own: &[String],
    findings: &mut Findings,
) -> Vec<String> {
    let mut addresses = Vec::new();
    let mut shown = Vec::new();
    for place in places {
        match place {
            RuaAddress::Mail(address) => {
                shown.push(address.clone());
                addresses.push(address);
            }
            RuaAddress::Web(url) => shown.push(url),
            RuaAddress::Bad(reason) => findings.wrong(
                check,
                name,
                format!("in rua, {}", excerpt(&reason)),
                "Write it like rua=mailto:reports@example.org,mailto:other@example.org",
            ),
        }
    }
    let shown = excerpt(&shown.join(", "));
    if own.is_empty() {
        if !shown.is_empty() {
            let found = format!("reports go to {shown} (--address tells whether that is you)");
            findings.ok(check, name, found);
        }
        return addresses;
    }
    addresses.retain(|named| own.iter().any(|address| is_same(named, address)));
    if addresses.is_empty() {
        let to = if shown.is_empty() { "nobody" } else { &shown };
        let found = format!("it does not name {}; reports go to {to}", own.join(" or "));
        findings.wrong(check, name, found, format!("Add mailto:{} to rua", own[0]));
    }
    for address in &addresses {
        findings.ok(check, name, format!("reports go to {address}"));
    }
    addresses
}

/// The first fault of a record, and how many more there are.
fn tell_faults(check: &'static str, name: &str, faults: &[String], findings: &mut Findings) {
    if let Some(first) = faults.first() {
        let more = match faults.len() - 1 {
            0 => String::new(),
            more => format!(" (and {})", counted(more as u64, "fault")),
        };
        let fix = "Correct it: receivers may pass over the whole record";
        findings.wrong(check, name, format!("{}{more}", excerpt(first)), fix);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_are_written_as_in_the_dns() {
        let made = |text| domain(text).map_err(|error| error.to_string());
        assert_eq!(made(" Example.ORG. ").as_deref(), Ok("example.org"));
        assert_eq!(made("bücher.example").as_deref(), Ok("xn--bcher-kva.example"));
        for bad in ["", ".", "a..b", &"x".repeat(70)] {
            assert!(made(bad).is_err(), "{bad}");
        }
    }
}
