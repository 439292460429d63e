//! Flags for which mail is meant, alike in all commands that have them.

use std::str::FromStr;

use clap::{Args, ValueEnum};

use super::value;
use crate::answers::{Choice, Disposition, Evaluated, Filter, Network};

/// Which mail is meant: what every flag that is given lets through.
#[derive(Args, Clone, Debug, Default)]
pub struct FilterFlags {
    /// Only this domain and its subdomains
    ///
    /// May be given several times, as the flags below: any of the values will do.
    #[arg(long, value_parser = value::domain)]
    pub domain: Vec<String>,
    /// Only mail from this address or network, such as 192.0.2.0/24
    #[arg(long, value_name = "ADDRESS")]
    pub source: Vec<Network>,
    /// Only mail of this sender, as `--by sender` calls it: a service, a domain, a network
    #[arg(long, value_name = "NAME")]
    pub sender: Vec<String>,
    /// Only what this organisation reports, spelled as in its reports
    #[arg(long, value_name = "NAME", alias = "organisation", hide_short_help = true)]
    pub organization: Vec<String>,
    /// Only mail that receivers treated so
    #[arg(long, value_enum, hide_short_help = true)]
    pub disposition: Vec<TypedDisposition>,
    /// Only mail that is failing, passing, spf-failing, dkim-failing, …
    ///
    /// Several must all hold: spf-passing, spf-failing, dkim-passing and dkim-failing are what is
    /// aligned and passed, or not; passing and failing are those of DMARC.
    #[arg(long, value_enum, value_name = "RESULT", hide_possible_values = true)]
    pub only: Vec<OnlyResult>,
    /// Leave this out: source=192.0.2.0/24, sender=NAME, domain=NAME, organization=NAME
    #[arg(long, value_name = "KIND=VALUE", hide_short_help = true)]
    pub except: Vec<Exception>,
}

/// What receivers did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TypedDisposition {
    /// Delivered: none, or pass (RFC 9990)
    None,
    /// Put into the spam folder
    Quarantine,
    /// Not taken
    Reject,
}

/// A result of DMARC, SPF or DKIM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OnlyResult {
    /// It passed DMARC
    Passing,
    /// It did not
    Failing,
    /// SPF passed and was aligned
    SpfPassing,
    /// It did not
    SpfFailing,
    /// DKIM passed and was aligned
    DkimPassing,
    /// It did not
    DkimFailing,
}

/// What is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exception {
    /// Mail from there.
    Source(Network),
    /// Mail of this sender.
    Sender(String),
    /// Mail in the name of this domain and those below.
    Domain(String),
    /// What this organisation reports.
    Organization(String),
}

impl FromStr for Exception {
    type Err = String;

    fn from_str(text: &str) -> Result<Exception, String> {
        let (kind, value) = text.split_once('=').unwrap_or((text, ""));
        if value.is_empty() {
            return Err("expected what to leave out, such as source=192.0.2.0/24".into());
        }
        match kind {
            "source" => value.parse().map(Exception::Source).map_err(|error| error.to_string()),
            "sender" => Ok(Exception::Sender(value.to_owned())),
            "domain" => value::domain(value).map(Exception::Domain).map_err(|never| match never {}),
            "organization" | "organisation" => Ok(Exception::Organization(value.to_owned())),
            other => Err(format!("{other:?} is none of source, sender, domain and organization")),
        }
    }
}

impl FilterFlags {
    /// What they mean, of whatever period.
    pub fn filter(&self) -> Filter {
        let mut filter = Filter {
            domains: only(&self.domain),
            networks: only(&self.source),
            senders: only(&self.sender),
            organizations: only(&self.organization),
            ..Filter::default()
        };
        for disposition in &self.disposition {
            filter.dispositions.only.extend(match disposition {
                TypedDisposition::None => &[Disposition::None, Disposition::Pass][..],
                TypedDisposition::Quarantine => &[Disposition::Quarantine],
                TypedDisposition::Reject => &[Disposition::Reject],
            });
        }
        for result in &self.only {
            match result {
                OnlyResult::Passing => filter.dmarc.only.push(Evaluated::Pass),
                OnlyResult::Failing => filter.dmarc.not.push(Evaluated::Pass),
                OnlyResult::SpfPassing => filter.spf.only.push(Evaluated::Pass),
                OnlyResult::SpfFailing => filter.spf.not.push(Evaluated::Pass),
                OnlyResult::DkimPassing => filter.dkim.only.push(Evaluated::Pass),
                OnlyResult::DkimFailing => filter.dkim.not.push(Evaluated::Pass),
            }
        }
        for exception in self.except.iter().cloned() {
            match exception {
                Exception::Source(network) => filter.networks.not.push(network),
                Exception::Sender(sender) => filter.senders.not.push(sender),
                Exception::Domain(domain) => filter.domains.not.push(domain),
                Exception::Organization(name) => filter.organizations.not.push(name),
            }
        }
        filter
    }
}

fn only<T: Clone>(wanted: &[T]) -> Choice<T> {
    Choice { only: wanted.to_vec(), not: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exceptions_are_of_a_kind() {
        assert_eq!(
            "source=192.0.2.0/24".parse(),
            Ok(Exception::Source("192.0.2.0/24".parse().expect("a network")))
        );
        assert_eq!("organization=a=b".parse(), Ok(Exception::Organization("a=b".into())));
        for wrong in ["", "source", "source=", "source=x", "result=fail", "sender="] {
            assert!(wrong.parse::<Exception>().is_err(), "{wrong}");
        }
    }
}
