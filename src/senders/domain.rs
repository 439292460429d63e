//! Organisational domains, by the Public Suffix List (RFC 7489 section 3.2): what groups the
//! subdomains of one owner.

use std::{borrow::Cow, net::IpAddr};

use psl::{Psl, Type};

/// Bytes of a domain name as text (RFC 1035 section 2.3.4), without the dot at the end.
const LONGEST: usize = 253;

/// The organisational domain of a name in mail (a `d=`, an address, a policy), in small letters. Of
/// a public suffix it is the name itself; nothing if it is no domain name at all.
///
/// Names with a suffix of the list's private part (`github.io`) are told apart: they have different
/// owners.
pub fn organisational(name: &str) -> Option<Cow<'_, str>> {
    let name = folded(name)?;
    Some(from_suffix(name, |name| psl::List.suffix(name).map(|suffix| suffix.as_bytes().len())))
}

/// The domain of who operates a host, in small letters; nothing if it is no domain name.
///
/// Only the list's part of registries counts: a machine that is rented under
/// `compute.amazonaws.com` is operated by `amazonaws.com`.
pub fn operator(host: &str) -> Option<Cow<'_, str>> {
    let host = folded(host)?;
    Some(from_suffix(host, |host| {
        let mut rest = host;
        loop {
            let suffix = psl::List.suffix(rest)?;
            if suffix.typ() != Some(Type::Private) {
                return Some(suffix.as_bytes().len());
            }
            let at = suffix.as_bytes().iter().position(|byte| *byte == b'.')?;
            rest = &host[host.len() - suffix.as_bytes().len() + at + 1..];
        }
    }))
}

/// A name in small letters without the dot at its end; nothing if it is no domain name.
pub fn folded(name: &str) -> Option<Cow<'_, str>> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_name = !name.is_empty()
        && name.len() <= LONGEST
        && name.parse::<IpAddr>().is_err()
        && name.split('.').all(|label| (1..=63).contains(&label.len()))
        && !name
            .contains(|c: char| c.is_control() || c.is_whitespace() || "@/\\\"<>[]()".contains(c));
    is_name.then(|| {
        if name.chars().any(char::is_uppercase) { name.to_lowercase().into() } else { name.into() }
    })
}

/// A domain as domains are compared: in small letters, without dots at its end.
pub fn lower(domain: &str) -> Cow<'_, str> {
    let domain = domain.trim_end_matches('.');
    if domain.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(domain.to_ascii_lowercase())
    } else {
        Cow::Borrowed(domain)
    }
}

/// A domain that a person typed, as the DNS and reports have it: small letters of ASCII (RFC 5890),
/// as far as it can be written so.
pub fn ascii(domain: &str) -> Cow<'_, str> {
    let domain = lower(domain);
    if domain.is_ascii() {
        return domain;
    }
    idna::domain_to_ascii(&domain).map_or(domain, Cow::Owned)
}

/// True if a domain is another one or below it; both as [`lower`] gives them. Nothing is below the
/// empty one.
pub fn is_at_or_below(domain: &str, top: &str) -> bool {
    let top = top.trim_start_matches('.');
    if top.is_empty() {
        return domain.is_empty();
    }
    domain.strip_suffix(top).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// The label before the suffix, with the suffix; the whole name where there is none.
fn from_suffix(name: Cow<'_, str>, suffix: impl Fn(&[u8]) -> Option<usize>) -> Cow<'_, str> {
    let Some(length) = suffix(name.as_bytes()) else { return name };
    let Some(before) = name.len().checked_sub(length + 1) else { return name };
    let start = name[..before].rfind('.').map_or(0, |dot| dot + 1);
    match name {
        Cow::Borrowed(name) => Cow::Borrowed(&name[start..]),
        Cow::Owned(mut name) => {
            name.drain(..start);
            Cow::Owned(name)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_says_where_an_owner_begins() {
        for (name, of_mail, of_hosts) in [
            ("example.org", "example.org", "example.org"),
            ("Mail.Example.ORG.", "example.org", "example.org"),
            ("a.b.example.co.uk", "example.co.uk", "example.co.uk"),
            ("co.uk", "co.uk", "co.uk"),
            ("org", "org", "org"),
            ("someone.github.io", "someone.github.io", "github.io"),
            (
                "ec2-192-0-2-1.eu-west-1.compute.amazonaws.com",
                "ec2-192-0-2-1.eu-west-1.compute.amazonaws.com",
                "amazonaws.com",
            ),
            ("a48-1.smtp-out.eu-west-1.amazonses.com", "amazonses.com", "amazonses.com"),
            // No suffix that the list knows: the last label is one.
            ("mail.shop.example", "shop.example", "shop.example"),
            // As in the DNS and as written.
            (
                "mail.xn--bcher-kva.xn--fiqs8s",
                "xn--bcher-kva.xn--fiqs8s",
                "xn--bcher-kva.xn--fiqs8s",
            ),
            ("mail.bücher.公司.cn", "bücher.公司.cn", "bücher.公司.cn"),
            ("_dmarc.Bücher.DE", "bücher.de", "bücher.de"),
            ("mail.www.ck", "www.ck", "www.ck"),
            ("mail.shop.other.ck", "shop.other.ck", "shop.other.ck"),
        ] {
            assert_eq!(organisational(name).as_deref(), Some(of_mail), "{name}");
            assert_eq!(operator(name).as_deref(), Some(of_hosts), "{name}");
        }
    }

    #[test]
    fn what_people_type_is_written_as_in_the_dns() {
        for (typed, expected) in [
            ("Bücher.Example.", "xn--bcher-kva.example"),
            ("BÜCHER.example", "xn--bcher-kva.example"),
            ("xn--bcher-kva.Example", "xn--bcher-kva.example"),
            ("straße.example", "xn--strae-oqa.example"),
            ("_dmarc.Example.ORG", "_dmarc.example.org"),
            ("", ""),
            // Nothing that could be in the DNS.
            ("xn--ü.example", "xn--ü.example"),
        ] {
            assert_eq!(ascii(typed), expected, "{typed}");
        }
    }

    #[test]
    fn a_domain_is_below_another_by_whole_labels() {
        for (domain, top, expected) in [
            ("example.org", "example.org", true),
            ("mail.example.org", "example.org", true),
            ("badexample.org", "example.org", false),
            ("org", "example.org", false),
            ("mail.example.org", ".example.org", true),
            ("example.org", "", false),
            ("", "org", false),
            ("", "", true),
        ] {
            assert_eq!(is_at_or_below(domain, top), expected, "{domain} {top}");
        }
    }

    #[test]
    fn what_is_no_name_has_no_domain() {
        let long = format!("{}.example", "a.".repeat(130));
        let label = format!("{}.example", "a".repeat(64));
        let all =
            ["", ".", "a..b", ".a.b", "192.0.2.1", "2001:db8::1", "a b.example", "a\u{7}.org"];
        for name in all.into_iter().chain(["me@example.org", "<b>.org", &long, &label]) {
            assert_eq!(organisational(name), None, "{name:?}");
            assert_eq!(operator(name), None, "{name:?}");
        }
    }
}
