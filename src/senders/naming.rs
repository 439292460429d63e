//! What a sender is called, by the best evidence that there is.

use std::net::IpAddr;

use super::{Host, Operator, Operators, domain};
use crate::report::aggregate::Record;

/// What is known of who sent some mails; all of it may be missing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Evidence<'e> {
    /// Domain in the mails' From.
    pub from: Option<&'e str>,
    /// `d=` of the DKIM signatures that passed.
    pub signatures: &'e [&'e str],
    /// What is known of the sending host.
    pub host: Option<&'e Host>,
    /// Its address.
    pub address: Option<IpAddr>,
}

/// What a name was taken from, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Basis {
    /// A DKIM signature of another domain than that of From.
    Signature,
    /// The confirmed name of the host.
    Host,
    /// The owner of its network.
    Owner,
    /// A DKIM signature of the domain of From.
    OwnSignature,
    /// Its network, or its address.
    Network,
    /// Nothing is known.
    Nothing,
}

/// Who sent some mails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SenderName {
    /// What it is called.
    pub name: String,
    /// What it does, if it is one that is known.
    pub kind: Option<String>,
    /// Why it is called so.
    pub basis: Basis,
}

/// Who sent mails of which this is known, by these lists.
///
/// A signature in the name of From's own domain says who allows the mail, not who sends it: services
/// sign in their customers' names, and forwarders keep signatures as they are. So it comes behind
/// all that tells of the host; but before a bare network.
pub fn sender(evidence: &Evidence, operators: &Operators) -> SenderName {
    let Evidence { from, signatures, host, address } = *evidence;
    let own = from.and_then(domain::organisational);
    let signatures =
        signatures.iter().filter_map(|name| Some((*name, domain::organisational(name)?)));
    let others = signatures.clone().filter(|(_, domain)| Some(domain) != own.as_ref());
    let known = others.clone().find_map(|(name, _)| operators.of_domain(name));
    let by_signature = || {
        known
            .map(|operator| operator.sender(Basis::Signature))
            .or_else(|| Some(plain(&others.clone().next()?.1, Basis::Signature)))
    };
    let by_own = || Some(plain(&signatures.clone().next()?.1, Basis::OwnSignature));
    by_signature()
        .or_else(|| by_host(host?, operators))
        .or_else(|| by_owner(host?, operators))
        .or_else(by_own)
        .unwrap_or_else(|| match (host.and_then(|host| host.network.as_deref()), address) {
            (Some(network), _) => plain(network, Basis::Network),
            (None, Some(address)) => plain(&address.to_string(), Basis::Network),
            (None, None) => plain("unknown", Basis::Nothing),
        })
}

/// Who sent the mails of a record, with what is known of the host.
pub fn of_record(record: &Record, host: Option<&Host>, operators: &Operators) -> SenderName {
    let passed =
        record.auth_results.dkim.iter().filter(|dkim| dkim.result.as_deref() == Some("pass"));
    let signatures: Vec<&str> = passed.filter_map(|dkim| dkim.domain.as_deref()).collect();
    let from = record.identifiers.header_from.as_deref();
    let evidence = Evidence { from, signatures: &signatures, host, address: record.row.source_ip };
    sender(&evidence, operators)
}

fn plain(name: &str, basis: Basis) -> SenderName {
    SenderName { name: name.to_owned(), kind: None, basis }
}

fn by_host(host: &Host, operators: &Operators) -> Option<SenderName> {
    let name = host.name.as_deref()?;
    let known = operators.of_domain(name).map(|operator| operator.sender(Basis::Host));
    known.or_else(|| Some(plain(&domain::operator(name)?, Basis::Host)))
}

fn by_owner(host: &Host, operators: &Operators) -> Option<SenderName> {
    let of_domain = || operators.of_domain(host.domain.as_deref()?);
    let of_number = || operators.of_network(host.asn?);
    let known = of_domain().or_else(of_number).map(|operator| operator.sender(Basis::Owner));
    let name = host.organisation.as_deref().or(host.domain.as_deref());
    known.or_else(|| Some(plain(name?, Basis::Owner)))
}

impl Operator {
    fn sender(&self, basis: Basis) -> SenderName {
        let Operator { name, kind } = self.clone();
        SenderName { name, kind: Some(kind).filter(|kind| !kind.is_empty()), basis }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(name: &str, organisation: &str, network: &str) -> Host {
        let fact = |fact: &str| (!fact.is_empty()).then(|| fact.to_owned());
        Host {
            name: fact(name),
            organisation: fact(organisation),
            network: fact(network),
            ..Host::default()
        }
    }

    #[test]
    fn the_best_evidence_names_the_sender() {
        let whole = host("o1.ptr.hoster.example", "Hoster Ltd", "192.0.2.0/24");
        let all = Evidence {
            from: Some("news.example.org"),
            signatures: &["example.org", "bounce.service.example"],
            host: Some(&whole),
            address: "192.0.2.1".parse().ok(),
        };
        let own = &["mail.example.org"];
        let nameless = host("", "Hoster Ltd", "192.0.2.0/24");
        let misnamed = host("192.0.2.1", "Hoster Ltd", "192.0.2.0/24");
        let bare = host("", "", "192.0.2.0/24");
        for (evidence, name, basis) in [
            (all, "service.example", Basis::Signature),
            (Evidence { signatures: own, ..all }, "hoster.example", Basis::Host),
            (Evidence { signatures: &["no name"], ..all }, "hoster.example", Basis::Host),
            (
                Evidence { signatures: own, host: Some(&nameless), ..all },
                "Hoster Ltd",
                Basis::Owner,
            ),
            (
                Evidence { signatures: &[], host: Some(&misnamed), ..all },
                "Hoster Ltd",
                Basis::Owner,
            ),
            (
                Evidence { signatures: own, host: Some(&bare), ..all },
                "example.org",
                Basis::OwnSignature,
            ),
            (
                Evidence { signatures: &[], host: Some(&bare), ..all },
                "192.0.2.0/24",
                Basis::Network,
            ),
            (Evidence { signatures: &[], host: None, ..all }, "192.0.2.1", Basis::Network),
            // Without From no signature is its own.
            (Evidence { from: None, signatures: own, ..all }, "example.org", Basis::Signature),
            (Evidence::default(), "unknown", Basis::Nothing),
        ] {
            let expected = SenderName { name: name.into(), kind: None, basis };
            assert_eq!(sender(&evidence, Operators::own()), expected, "{evidence:?}");
        }
    }

    #[test]
    fn known_operators_have_names_that_people_use() {
        let of_ses = host("a8-31.smtp-out.amazonses.com", "AMAZON-02", "");
        let of_google = Host { asn: Some(15169), ..host("", "GOOGLE", "") };
        let by_domain = Host { domain: Some("strato.de".into()), ..host("", "STRATO", "") };
        let all = Evidence { from: Some("example.org"), ..Evidence::default() };
        for (evidence, expected) in [
            // One that is known tells more than one that is not.
            (
                Evidence { signatures: &["other.example", "em.sendgrid.net"], ..all },
                ("Twilio SendGrid", "transactional", Basis::Signature),
            ),
            (
                Evidence { signatures: &["example.org"], host: Some(&of_ses), ..all },
                ("Amazon SES", "transactional", Basis::Host),
            ),
            (
                Evidence { host: Some(&of_google), ..all },
                ("Google", "mailbox provider", Basis::Owner),
            ),
            (Evidence { host: Some(&by_domain), ..all }, ("Strato", "hosting", Basis::Owner)),
        ] {
            let SenderName { name, kind, basis } = sender(&evidence, Operators::own());
            let found = (name.as_str(), kind.as_deref().unwrap_or_default(), basis);
            assert_eq!(found, expected, "{evidence:?}");
        }
        // Mail of the known operator itself.
        let itself = Evidence { from: Some("github.com"), signatures: &["github.com"], ..all };
        let found = sender(&itself, Operators::own());
        assert_eq!((found.name.as_str(), found.basis), ("github.com", Basis::OwnSignature));
    }

    #[test]
    fn the_list_that_was_given_beats_ours() {
        let list = "base_reverse_dns,name,type\nsendgrid.net,Our newsletters,Marketing\n";
        let operators = Operators::read(list.as_bytes()).expect("a list").over_own();
        let named = |signature| {
            let evidence = Evidence { signatures: &[signature], ..Evidence::default() };
            sender(&evidence, &operators).name
        };
        assert_eq!(named("em.sendgrid.net"), "Our newsletters");
        assert_eq!(named("amazonses.com"), "Amazon SES");
    }
}
