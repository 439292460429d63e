//! Elsewhere: addresses in another organisation's domain, which has to agree (RFC 7489 section 7.1,
//! RFC 9990 section 4).

use super::{
    DMARC,
    lookup::Lookup,
    tags::{RuaAddress, Tags, excerpt, is_same, is_version, places},
    unanswered,
    walk::TreeWalk,
};
use crate::mode::check::finding::Findings;

const CHECK: &str = "dns.dmarc.authorised";

/// Addresses that are looked at: each asks servers of its own, which may be silent.
const LOOKED_AT: usize = 10;

/// Whether reports on `domain`, whose organisation is this, may go to these addresses.
pub(super) fn check(
    domain: &str,
    organisation: &str,
    addresses: &[String],
    lookup: &Lookup,
    findings: &mut Findings,
) {
    if addresses.len() > LOOKED_AT {
        findings.warning(
            CHECK,
            domain,
            format!(
                "only the first {LOOKED_AT} of {} addresses in rua are looked at",
                addresses.len()
            ),
            "Name fewer: receivers need not send to more than two",
        );
    }
    for address in &addresses[..addresses.len().min(LOOKED_AT)] {
        let host = address.rsplit('@').next().unwrap_or_default();
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        match TreeWalk::from(&host, lookup) {
            Err(reason) => unanswered(CHECK, &host, &reason, findings),
            Ok(walk) if walk.organisation() == organisation => {
                let found = format!("{address} is in the same organisation's domain");
                findings.ok(CHECK, domain, found);
            }
            Ok(_) => agrees(domain, &host, address, lookup, findings),
        }
    }
}

fn agrees(domain: &str, host: &str, address: &str, lookup: &Lookup, findings: &mut Findings) {
    let name = format!("{domain}._report._dmarc.{host}");
    let texts = match lookup.texts(&name) {
        Ok(texts) => texts.records(),
        Err(reason) => return unanswered(CHECK, &name, &reason, findings),
    };
    let fix = format!("Publish a TXT record there, in the zone of {host}: v=DMARC1;");
    let Some(record) = texts.iter().find(|text| is_version(text, DMARC)) else {
        let found = match texts.first() {
            None => format!("{host} does not agree, so receivers send nothing to {address}"),
            Some(text) => format!(
                "the record does not begin with v=DMARC1, so receivers send nothing to {address}: \
                 {:?}",
                excerpt(text)
            ),
        };
        return findings.wrong(CHECK, &name, found, fix);
    };
    let (tags, _) = Tags::parse(record);
    let other = tags.get("rua").map(|rua| places(rua, true)).unwrap_or_default();
    let stays =
        |place: &RuaAddress| matches!(place, RuaAddress::Mail(other) if is_same(other, address));
    if other.is_empty() || other.iter().any(stays) {
        findings.ok(CHECK, &name, format!("{host} agrees to get reports on {domain}"));
    } else {
        let found = format!("{host} agrees, but sends them elsewhere: {:?}", excerpt(record));
        findings.warning(CHECK, &name, found, "Take rua out of it, if that is not meant");
    }
}
