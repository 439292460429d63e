//! What a sender is called, by the best evidence that there is.

use std::net::IpAddr;

use super::domain;

/// What is known of who sent some mails; all of it may be missing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Evidence<'e> {
    /// Domain in the mails' From.
    pub from: Option<&'e str>,
    /// `d=` of the DKIM signatures that passed.
    pub signatures: &'e [&'e str],
    /// Name of the sending host, forward-confirmed: the name's own addresses have this one.
    pub host: Option<&'e str>,
    /// Who owns the network.
    pub owner: Option<&'e str>,
    /// The network that the address is in, as a database tells it.
    pub network: Option<&'e str>,
    /// Address of the sending host.
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
pub struct Sender {
    /// What it is called.
    pub name: String,
    /// Why.
    pub basis: Basis,
}

/// Who sent mails of which this is known.
///
/// A signature in the name of From's own domain says who allows the mail, not who sends it: services
/// sign in their customers' names, and forwarders keep signatures as they are. So it comes behind
/// all that tells of the host; but before a bare network.
pub fn sender(evidence: &Evidence) -> Sender {
    let named = |name: &str, basis| Sender { name: name.to_owned(), basis };
    let own = evidence.from.and_then(domain::organisational);
    let signatures = evidence.signatures.iter().filter_map(|name| domain::organisational(name));
    if let Some(other) = signatures.clone().find(|domain| Some(domain) != own.as_ref()) {
        return named(&other, Basis::Signature);
    }
    if let Some(host) = evidence.host.and_then(domain::operator) {
        return named(&host, Basis::Host);
    }
    if let Some(owner) = evidence.owner.filter(|owner| !owner.is_empty()) {
        return named(owner, Basis::Owner);
    }
    if let Some(signature) = signatures.clone().next() {
        return named(&signature, Basis::OwnSignature);
    }
    match (evidence.network, evidence.address) {
        (Some(network), _) => named(network, Basis::Network),
        (None, Some(address)) => named(&address.to_string(), Basis::Network),
        (None, None) => named("unknown", Basis::Nothing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_evidence_names_the_sender() {
        let all = Evidence {
            from: Some("news.example.org"),
            signatures: &["example.org", "bounce.service.example"],
            host: Some("o1.ptr.hoster.example"),
            owner: Some("Hoster Ltd"),
            network: Some("192.0.2.0/24"),
            address: "192.0.2.1".parse().ok(),
        };
        let own = &["mail.example.org"];
        for (evidence, name, basis) in [
            (all, "service.example", Basis::Signature),
            (Evidence { signatures: own, ..all }, "hoster.example", Basis::Host),
            (Evidence { signatures: &["no name"], ..all }, "hoster.example", Basis::Host),
            (Evidence { signatures: own, host: None, ..all }, "Hoster Ltd", Basis::Owner),
            (
                Evidence { signatures: &[], host: Some("192.0.2.1"), ..all },
                "Hoster Ltd",
                Basis::Owner,
            ),
            (
                Evidence { signatures: own, host: None, owner: Some(""), ..all },
                "example.org",
                Basis::OwnSignature,
            ),
            (
                Evidence { signatures: &[], host: None, owner: None, ..all },
                "192.0.2.0/24",
                Basis::Network,
            ),
            (
                Evidence { from: all.from, address: all.address, ..Evidence::default() },
                "192.0.2.1",
                Basis::Network,
            ),
            // Without From no signature is its own.
            (Evidence { from: None, signatures: own, ..all }, "example.org", Basis::Signature),
            (Evidence::default(), "unknown", Basis::Nothing),
        ] {
            let expected = Sender { name: name.into(), basis };
            assert_eq!(sender(&evidence), expected, "{evidence:?}");
        }
    }
}
