//! Sender: who sent a record's mails, by the best evidence that there is: a key by which records are
//! summed up. What a sender is called where it is shown says [`crate::senders::sender`].
//!
//! Today that is in the record itself; whatever else comes to be known of an address or a signature
//! (its name, the owner of its network) has its place here, and nowhere else.

use std::{fmt, net::IpAddr, str::FromStr};

use super::{Network, folded};

/// Who sent a record's mails.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sender {
    /// Who signed them, in small letters.
    Domain(String),
    /// Where they came from.
    Network(Network),
    /// The record has neither.
    Unknown,
}

/// A DKIM signature that passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature<'r> {
    /// Who signed, folded.
    pub domain: &'r str,
    /// It is the domain of the policy, or one below: every service that signs for it does so.
    pub is_own: bool,
}

/// Which of a record's signatures that passed tells most of its sender: the first of another
/// domain, since a mail service signs in its own name, too; else the first.
pub(crate) fn best<T: Copy>(
    signatures: impl IntoIterator<Item = T>,
    is_own: impl Fn(T) -> bool,
) -> Option<T> {
    let mut first = None;
    for signature in signatures {
        if !is_own(signature) {
            return Some(signature);
        }
        first = first.or(Some(signature));
    }
    first
}

/// The sender of mails with these signatures that passed, in the order of the record, from this
/// address.
pub fn sender(signatures: &[Signature], address: Option<IpAddr>) -> Sender {
    let signature = best(signatures, |signature| signature.is_own);
    match (signature, address) {
        (Some(signature), _) => Sender::Domain(signature.domain.to_owned()),
        (None, Some(address)) => Sender::Network(Network::usual(address)),
        (None, None) => Sender::Unknown,
    }
}

/// The text is no sender.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a domain or a network, such as example.net or 192.0.2.0/24")]
pub struct ParseSenderError;

impl FromStr for Sender {
    type Err = ParseSenderError;

    fn from_str(text: &str) -> Result<Sender, ParseSenderError> {
        match text.parse() {
            Ok(network) => Ok(Sender::Network(network)),
            Err(_) if text.is_empty() || text.contains('/') => Err(ParseSenderError),
            Err(_) => Ok(Sender::Domain(folded(text).into_owned())),
        }
    }
}

impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Sender::Domain(domain) => f.write_str(domain),
            Sender::Network(network) => network.fmt(f),
            Sender::Unknown => f.write_str("unknown"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_that_signs_in_its_own_name_is_the_sender() {
        let own = Signature { domain: "example.org", is_own: true };
        let service = Signature { domain: "service.example", is_own: false };
        let address = "192.0.2.7".parse().ok();
        assert_eq!(sender(&[own, service], address).to_string(), "service.example");
        assert_eq!(sender(&[own], address).to_string(), "example.org");
        assert_eq!(sender(&[], address).to_string(), "192.0.2.0/24");
        assert_eq!(sender(&[], "2001:db8:1:2::1".parse().ok()).to_string(), "2001:db8:1::/48");
        assert_eq!(sender(&[], None), Sender::Unknown);
    }

    #[test]
    fn a_sender_is_a_domain_or_a_network() {
        assert_eq!("Example.ORG.".parse(), Ok(Sender::Domain("example.org".into())));
        assert_eq!(
            "192.0.2.0/24".parse::<Sender>().expect("a network").to_string(),
            "192.0.2.0/24"
        );
        assert_eq!("x/24".parse::<Sender>(), Err(ParseSenderError));
    }
}
