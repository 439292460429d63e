//! Tls: the record that asks for SMTP TLS reports (RFC 8460 section 3).

use super::{
    lookup::Lookup,
    named, only_one,
    tags::{Tags, places},
    tell_faults, unanswered,
};
use crate::mode::check::finding::Findings;

const RECORD: &str = "dns.tls.record";
const ADDRESS: &str = "dns.tls.address";

/// Looks at the record of a domain; one above it does not hold for it.
pub(super) fn check(domain: &str, own: &[String], lookup: &Lookup, findings: &mut Findings) {
    let name = &format!("_smtp._tls.{domain}");
    let texts = match lookup.texts(name) {
        Ok(texts) => texts.records(),
        Err(reason) => return unanswered(RECORD, name, &reason, findings),
    };
    let address = own.first().map_or("reports@example.org", String::as_str);
    let missing = |findings: &mut Findings| {
        let fix = format!("If you want them, publish TXT there: v=TLSRPTv1; rua=mailto:{address}");
        findings.warning(RECORD, name, "there is no record, so no SMTP TLS reports come", fix);
    };
    let Some(record) = only_one((RECORD, name, "TLSRPTv1"), &texts, findings, missing) else {
        return;
    };
    let (tags, faults) = Tags::parse(&record);
    tell_faults("dns.tls.tags", name, &faults, findings);
    let Some(rua) = tags.get("rua") else {
        let fix = format!("Add ; rua=mailto:{address}");
        return findings.wrong(ADDRESS, name, "there is no rua, so no reports come", fix);
    };
    named((ADDRESS, name), places(rua, false), own, findings);
}
