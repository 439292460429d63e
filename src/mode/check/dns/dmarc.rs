//! Dmarc: the record that asks for DMARC reports (RFC 7489 section 6.3, RFC 9989 section 4.7).

use super::{
    DMARC, elsewhere,
    lookup::Lookup,
    named, only_one,
    tags::{Tags, excerpt, places},
    tell_faults, unanswered,
    walk::TreeWalk,
};
use crate::mode::check::finding::Findings;

const RECORD: &str = "dns.dmarc.record";
const TAGS: &str = "dns.dmarc.tags";
const ADDRESS: &str = "dns.dmarc.address";

/// Of RFC 7489 and RFC 9989.
const KNOWN: [&str; 14] =
    ["v", "p", "sp", "np", "rua", "ruf", "adkim", "aspf", "fo", "t", "psd", "pct", "rf", "ri"];

/// Looks at the record that holds for a domain.
pub(super) fn check(domain: &str, own: &[String], lookup: &Lookup, findings: &mut Findings) {
    let name = format!("_dmarc.{domain}");
    let texts = match lookup.texts(&name) {
        Ok(texts) => texts.records(),
        Err(reason) => return unanswered(RECORD, &name, &reason, findings),
    };
    let mut is_missing = false;
    let record = only_one((RECORD, &name, DMARC), &texts, findings, |_| is_missing = true);
    let walk = match TreeWalk::from(domain, lookup) {
        Ok(walk) => walk,
        Err(reason) => return unanswered(RECORD, &name, &reason, findings),
    };
    match (record, is_missing.then(|| walk.policy()).flatten()) {
        (Some(record), _) => judge(domain, &record, &walk, (own, lookup), findings),
        (None, Some((above, record))) => {
            let found = format!("it has none, so that of {above} holds: {:?}", excerpt(record));
            findings.ok(RECORD, &name, found);
            judge(above, record, &walk, (own, lookup), findings);
        }
        (None, None) if is_missing => {
            let address = own.first().map_or("reports@example.org", String::as_str);
            let fix = format!("Publish a TXT record there: v=DMARC1; p=none; rua=mailto:{address}");
            findings.wrong(RECORD, &name, "there is no DMARC record, so no reports come", fix);
        }
        (None, None) => {}
    }
}

/// What is in the record of `domain`, and whether those it names agree.
fn judge(
    domain: &str,
    record: &str,
    walk: &TreeWalk,
    (own, lookup): (&[String], &Lookup),
    findings: &mut Findings,
) {
    let name = &format!("_dmarc.{domain}");
    let (tags, faults) = Tags::parse(record);
    tell_faults(TAGS, name, &faults, findings);
    policy(&tags, name, findings);
    values(&tags, name, findings);
    unknown(&tags, name, findings);
    let Some(rua) = tags.get("rua") else {
        let address = own.first().map_or("reports@example.org", String::as_str);
        let fix = format!("Add ; rua=mailto:{address}");
        return findings.wrong(ADDRESS, name, "there is no rua, so no reports come", fix);
    };
    let addresses = named((ADDRESS, name), places(rua, true), own, findings);
    elsewhere::check(domain, walk.organisation(), &addresses, lookup, findings);
}

fn policy(tags: &Tags, name: &str, findings: &mut Findings) {
    let fix = "Write p=none, p=quarantine or p=reject, directly behind v=DMARC1";
    let is_policy = |value: &str| {
        ["none", "quarantine", "reject"].iter().any(|known| value.eq_ignore_ascii_case(known))
    };
    match tags.get("p") {
        None => {
            let found = "there is no p: it counts as none, and to older receivers as no record";
            findings.warning(TAGS, name, found, fix);
        }
        Some(value) if !is_policy(value) => {
            let found = format!("p={} is no policy: it counts as none", excerpt(value));
            findings.wrong(TAGS, name, found, fix);
        }
        Some(value) => {
            if tags.iter().nth(1).is_some_and(|(second, _)| second != "p") {
                let found = "p is not directly behind v, where older receivers expect it";
                findings.warning(TAGS, name, found, fix);
            }
            findings.ok(TAGS, name, format!("p={}", value.to_ascii_lowercase()));
        }
    }
    for tag in ["sp", "np"] {
        let value = tags.get(tag).filter(|value| !is_policy(value));
        if let Some(value) = value {
            let found = format!("{tag}={} is no policy", excerpt(value));
            let fix =
                format!("Write {tag}=none, {tag}=quarantine or {tag}=reject, or leave it out");
            findings.wrong(TAGS, name, found, fix);
        }
    }
}

fn values(tags: &Tags, name: &str, findings: &mut Findings) {
    let allowed: [(&str, &[&str]); 5] = [
        ("adkim", &["r", "s"]),
        ("aspf", &["r", "s"]),
        ("t", &["y", "n"]),
        ("psd", &["y", "n", "u"]),
        ("fo", &["0", "1", "d", "s"]),
    ];
    for (tag, allowed) in allowed {
        let Some(value) = tags.get(tag) else { continue };
        let is_known = |part: &str| allowed.iter().any(|known| part.eq_ignore_ascii_case(known));
        let is_good = if tag == "fo" {
            value.split(':').all(|part| is_known(part.trim()))
        } else {
            is_known(value)
        };
        if !is_good {
            let found = format!("{tag}={} means nothing, and is passed over", excerpt(value));
            let fix = format!("It can be {}", allowed.join(", "));
            findings.warning(TAGS, name, found, fix);
        }
    }
    if tags.get("t") == Some("y") {
        let found = "t=y: receivers act one step milder than p says";
        findings.warning(TAGS, name, found, "Leave it out when the test is over");
    }
    for tag in ["pct", "rf", "ri"] {
        if tags.get(tag).is_some() {
            let found = format!("{tag} is no more since RFC 9989; some receivers still heed it");
            findings.warning(TAGS, name, found, "Leave it out");
        }
    }
}

fn unknown(tags: &Tags, name: &str, findings: &mut Findings) {
    let mut unknown = tags.iter().map(|(tag, _)| tag).filter(|tag| !KNOWN.contains(tag));
    if let Some(tag) = unknown.next() {
        // Names are too short for a likeness of another kind.
        let is_slip = |known: &&str| tag.len() > 1 && strsim::damerau_levenshtein(tag, known) == 1;
        let fix = match KNOWN.iter().copied().find(is_slip) {
            Some(known) => format!("Was {known} meant?"),
            None => "Leave it out, or see whether it is spelt right".into(),
        };
        let found = format!("there is no tag {:?}, it is passed over", excerpt(tag));
        findings.warning(TAGS, name, found, fix);
    }
}
