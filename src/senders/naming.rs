//! Who sent some mails, by the best evidence that there is, and what that sender is called. There
//! is no other place that decides it: stores group records by their [`Evidence`], and [`sender`]
//! names each group.

use std::{cmp::Ordering, fmt, net::IpAddr};

use super::{
    Host, Network, Operator, Operators,
    domain::{self, is_at_or_below, lower},
};
use crate::report::aggregate::Record;

/// What tells most of who sent a record's mails.
///
/// A signature in the name of the policy's own domain says who allows a mail, not who sends it:
/// services sign in their customers' names, and forwarders keep signatures. So it counts only where
/// not even an address is known.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Evidence<'e> {
    /// The first DKIM signature of another domain that passed: its `d=`.
    Signature(&'e str),
    /// The domain that SPF passed for, which is not aligned; the only one that SPF was asked for.
    Envelope(&'e str),
    /// The address.
    Address(IpAddr),
    /// The first signature of the policy's own domain that passed.
    OwnSignature(&'e str),
    /// Nothing is known.
    Nothing,
}

/// What a name was taken from, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Basis {
    /// A DKIM signature of another domain than the policy's.
    Signature,
    /// A domain that SPF passed for, and that is not aligned.
    Envelope,
    /// The confirmed name of the host.
    Host,
    /// The owner of its network.
    Owner,
    /// A DKIM signature of the policy's domain.
    OwnSignature,
    /// Its network.
    Network,
    /// Nothing is known.
    Nothing,
}

/// Who sent some mails. Those of one name are one sender, whatever the name was taken from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sender {
    /// What it is called.
    pub name: String,
    /// What it does, if it is one that is known.
    pub kind: Option<String>,
    /// Why it is called so.
    pub basis: Basis,
}

/// What it is called.
impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Sender {
    /// Takes over from another of the same name what it was taken from, if that is better.
    pub(crate) fn merge(&mut self, other: Sender) {
        let rank = |sender: &Sender| (sender.basis, sender.kind.is_none(), sender.kind.clone());
        if rank(&other) < rank(self) {
            *self = other;
        }
    }
}

/// By name; networks in their own order behind them, and last who is unknown.
impl Ord for Sender {
    fn cmp(&self, other: &Sender) -> Ordering {
        let place = |sender: &Sender| match sender.basis {
            Basis::Network => (1, sender.name.parse::<Network>().ok()),
            Basis::Nothing => (2, None),
            _ => (0, None),
        };
        let rest = |sender: &Sender| (sender.name.clone(), sender.kind.clone(), sender.basis);
        place(self).cmp(&place(other)).then_with(|| rest(self).cmp(&rest(other)))
    }
}

impl PartialOrd for Sender {
    fn partial_cmp(&self, other: &Sender) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// What tells most of who sent a record's mails, under the policy of a domain.
pub fn evidence<'r>(policy: Option<&str>, record: &'r Record) -> Evidence<'r> {
    let policy = lower(policy.unwrap_or_default());
    let passed = |result: Option<&str>| result == Some("pass");
    let signers = record.auth_results.dkim.iter().filter(|dkim| passed(dkim.result.as_deref()));
    let signers: Vec<&str> = signers.filter_map(|dkim| dkim.domain.as_deref()).collect();
    let is_own = |signer: &&&str| is_related(&lower(signer), &policy);
    if let Some(signer) = signers.iter().find(|signer| !is_own(signer)) {
        return Evidence::Signature(signer);
    }
    if record.row.policy_evaluated.spf_aligned() != Some(true)
        && let Some(domain) = envelope(record)
    {
        return Evidence::Envelope(domain);
    }
    match (record.row.source_ip, signers.first()) {
        (Some(address), _) => Evidence::Address(address),
        (None, Some(signer)) => Evidence::OwnSignature(signer),
        (None, None) => Evidence::Nothing,
    }
}

/// The domain that SPF passed for, if it is the only one that SPF was asked for: which of several
/// results is whose can't be told in an index.
fn envelope(record: &Record) -> Option<&str> {
    let results = &record.auth_results.spf;
    let mut domains = results.iter().filter_map(|spf| spf.domain.as_deref());
    let domain = domains.next()?;
    let is_only = domains.all(|other| lower(other) == lower(domain));
    let passed = results.iter().any(|spf| spf.result.as_deref() == Some("pass"));
    (is_only && passed).then_some(domain)
}

/// True if one domain is the other or below it: they are of one organisation. Both as [`lower`]
/// gives them.
pub(crate) fn is_related(one: &str, other: &str) -> bool {
    is_at_or_below(one, other) || is_at_or_below(other, one)
}

/// Who sent mails of which this is known, with what is known of the host at the address, by these
/// lists.
pub fn sender(evidence: &Evidence, host: Option<&Host>, operators: &Operators) -> Sender {
    match *evidence {
        Evidence::Signature(domain) => by_domain(domain, Basis::Signature, operators),
        Evidence::Envelope(domain) => by_domain(domain, Basis::Envelope, operators),
        Evidence::Address(address) => host
            .and_then(|host| of_host(host, operators))
            .unwrap_or_else(|| plain(&Network::usual(address).to_string(), Basis::Network)),
        Evidence::OwnSignature(domain) => plain(&organisation(domain), Basis::OwnSignature),
        Evidence::Nothing => plain("unknown", Basis::Nothing),
    }
}

/// Who sent mails of a host of which something is known: by its name, else by its owner; nothing
/// if neither says anything.
pub(crate) fn of_host(host: &Host, operators: &Operators) -> Option<Sender> {
    by_name(host, operators).or_else(|| by_owner(host, operators))
}

/// Who sent the mails of a record, with what is known of the host.
pub fn of_record(
    policy: Option<&str>,
    record: &Record,
    host: Option<&Host>,
    operators: &Operators,
) -> Sender {
    sender(&evidence(policy, record), host, operators)
}

fn plain(name: &str, basis: Basis) -> Sender {
    Sender { name: name.to_owned(), kind: None, basis }
}

fn by_domain(domain: &str, basis: Basis, operators: &Operators) -> Sender {
    let known = operators.of_domain(domain).map(|operator| operator.sender(basis));
    known.unwrap_or_else(|| plain(&organisation(domain), basis))
}

/// The organisational domain; what is no domain name in quotes, so that it looks like none.
fn organisation(domain: &str) -> String {
    domain::organisational(domain)
        .map_or_else(|| format!("\"{}\"", lower(domain)), std::borrow::Cow::into_owned)
}

fn by_name(host: &Host, operators: &Operators) -> Option<Sender> {
    let name = host.name.as_deref()?;
    let known = operators.of_domain(name).map(|operator| operator.sender(Basis::Host));
    known.or_else(|| Some(plain(&domain::operator(name)?, Basis::Host)))
}

fn by_owner(host: &Host, operators: &Operators) -> Option<Sender> {
    let of_domain = || operators.of_domain(host.domain.as_deref()?);
    let of_number = || operators.of_network(host.asn?);
    let known = of_domain().or_else(of_number).map(|operator| operator.sender(Basis::Owner));
    let name = host.organisation.as_deref().or(host.domain.as_deref());
    let number = || host.asn.map(|asn| plain(&format!("AS{asn}"), Basis::Owner));
    known.or_else(|| name.map(|name| plain(name, Basis::Owner))).or_else(number)
}

impl Operator {
    fn sender(&self, basis: Basis) -> Sender {
        let Operator { name, kind } = self.clone();
        Sender { name, kind: Some(kind).filter(|kind| !kind.is_empty()), basis }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::aggregate::{
        AuthResults, DkimResult, Identifiers, PolicyEvaluated, Row, SpfResult,
    };

    fn host(name: &str, organisation: &str) -> Host {
        let fact = |fact: &str| (!fact.is_empty()).then(|| fact.to_owned());
        Host { name: fact(name), organisation: fact(organisation), ..Host::default() }
    }

    /// A record of 192.0.2.7 with signatures that passed, and SPF that passed for a domain.
    fn record(signers: &[&str], spf: Option<&str>, aligned: bool) -> Record {
        let dkim = signers.iter().map(|signer| DkimResult {
            domain: Some((*signer).into()),
            result: Some("pass".into()),
            ..DkimResult::default()
        });
        Record {
            row: Row {
                source_ip: "192.0.2.7".parse().ok(),
                count: 1,
                policy_evaluated: PolicyEvaluated {
                    spf: Some(if aligned { "pass" } else { "fail" }.into()),
                    ..PolicyEvaluated::default()
                },
            },
            identifiers: Identifiers::default(),
            auth_results: AuthResults {
                dkim: dkim.collect(),
                spf: spf
                    .map(|domain| SpfResult {
                        domain: Some(domain.into()),
                        result: Some("pass".into()),
                        ..SpfResult::default()
                    })
                    .into_iter()
                    .collect(),
            },
        }
    }

    #[test]
    fn the_best_evidence_is_taken() {
        let nowhere = |mut record: Record| {
            record.row.source_ip = None;
            record
        };
        let own = &["Mail.Example.ORG."];
        let both = &["example.org", "bounce.service.example"];
        let address = Evidence::Address("192.0.2.7".parse().expect("an address"));
        for (record, expected) in [
            (record(both, Some("spf.example"), false), Evidence::Signature(both[1])),
            (record(own, Some("spf.example"), false), Evidence::Envelope("spf.example")),
            (record(own, Some("example.org"), true), address.clone()),
            (record(own, None, false), address.clone()),
            (record(&[], None, false), address),
            (nowhere(record(own, None, false)), Evidence::OwnSignature(own[0])),
            (nowhere(record(&[], None, false)), Evidence::Nothing),
        ] {
            assert_eq!(evidence(Some("example.org"), &record), expected, "{record:?}");
        }
        // Without a policy's domain no signature is its own.
        assert_eq!(evidence(None, &record(own, None, false)), Evidence::Signature(own[0]));
        // Of two domains that SPF was asked for it is not known which passed.
        let mut two = record(&[], Some("one.example"), false);
        two.auth_results
            .spf
            .push(SpfResult { domain: Some("two.example".into()), ..SpfResult::default() });
        assert!(matches!(evidence(None, &two), Evidence::Address(_)));
    }

    #[test]
    fn evidence_is_named() {
        let address = Evidence::Address("192.0.2.7".parse().expect("an address"));
        let number = Host { asn: Some(64496), ..Host::default() };
        for (evidence, host, name, basis) in [
            (Evidence::Signature("a.service.example"), None, "service.example", Basis::Signature),
            (Evidence::Envelope("b.spf.example"), None, "spf.example", Basis::Envelope),
            (Evidence::Signature("No name"), None, "\"no name\"", Basis::Signature),
            (
                address.clone(),
                Some(host("o1.ptr.hoster.example", "Hoster Ltd")),
                "hoster.example",
                Basis::Host,
            ),
            (address.clone(), Some(host("", "Hoster Ltd")), "Hoster Ltd", Basis::Owner),
            (address.clone(), Some(host("192.0.2.7", "Hoster Ltd")), "Hoster Ltd", Basis::Owner),
            (address.clone(), Some(number), "AS64496", Basis::Owner),
            (address.clone(), Some(Host::default()), "192.0.2.0/24", Basis::Network),
            (address, None, "192.0.2.0/24", Basis::Network),
            (Evidence::OwnSignature("m.example.org"), None, "example.org", Basis::OwnSignature),
            (Evidence::Nothing, None, "unknown", Basis::Nothing),
        ] {
            let expected = Sender { name: name.into(), kind: None, basis };
            assert_eq!(sender(&evidence, host.as_ref(), Operators::own()), expected);
        }
    }

    #[test]
    fn known_operators_have_names_that_people_use() {
        let address = Evidence::Address("192.0.2.7".parse().expect("an address"));
        let of_ses = host("a8-31.smtp-out.amazonses.com", "AMAZON-02");
        let of_google = Host { asn: Some(15169), ..host("", "GOOGLE") };
        let by_domain = Host { domain: Some("strato.de".into()), ..host("", "STRATO") };
        for (evidence, host, expected) in [
            (
                Evidence::Signature("em.sendgrid.net"),
                None,
                ("Twilio SendGrid", "transactional", Basis::Signature),
            ),
            (
                Evidence::Envelope("mail20.mcsv.net"),
                None,
                ("Mailchimp", "newsletter", Basis::Envelope),
            ),
            (address.clone(), Some(of_ses), ("Amazon SES", "transactional", Basis::Host)),
            (address.clone(), Some(of_google), ("Google", "mailbox provider", Basis::Owner)),
            (address, Some(by_domain), ("Strato", "hosting", Basis::Owner)),
        ] {
            let Sender { name, kind, basis } = sender(&evidence, host.as_ref(), Operators::own());
            let found = (name.as_str(), kind.as_deref().unwrap_or_default(), basis);
            assert_eq!(found, expected, "{evidence:?}");
        }
    }

    #[test]
    fn the_list_that_was_given_beats_ours() {
        let list = "base_reverse_dns,name,type\nsendgrid.net,Our newsletters,Marketing\n";
        let operators = Operators::read(list.as_bytes()).expect("a list").over_own();
        let named = |signer| sender(&Evidence::Signature(signer), None, &operators).name;
        assert_eq!(named("em.sendgrid.net"), "Our newsletters");
        assert_eq!(named("amazonses.com"), "Amazon SES");
    }

    #[test]
    fn senders_are_in_the_order_of_names_then_networks() {
        let named = |name: &str, basis| Sender { name: name.into(), kind: None, basis };
        let mut all = [
            named("unknown", Basis::Nothing),
            named("198.51.100.0/24", Basis::Network),
            named("2001:db8::/48", Basis::Network),
            named("9.0.0.0/24", Basis::Network),
            named("service.example", Basis::Signature),
            named("Amazon SES", Basis::Host),
        ];
        all.sort();
        let sorted: Vec<&str> = all.iter().map(|sender| &*sender.name).collect();
        let expected = [
            "Amazon SES",
            "service.example",
            "9.0.0.0/24",
            "198.51.100.0/24",
            "2001:db8::/48",
            "unknown",
        ];
        assert_eq!(sorted, expected);
    }
}
