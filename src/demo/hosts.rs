//! Hosts: what is known of the addresses of the year. Databases of networks and the DNS know
//! nothing of them: so this stands in their place.

use std::net::IpAddr;

use crate::senders::{Host, Network};

/// Who has a network. The numbers are those of RFC 5398.
struct Owner {
    network: &'static str,
    asn: u32,
    name: &'static str,
    domain: &'static str,
    country: &'static str,
}

/// The smaller ones first.
const OWNERS: [Owner; 13] = [
    owner("192.0.2.0/24", 64_496, "Example Company", "example.com", "DE"),
    owner("2001:db8:25::/48", 64_496, "Example Company", "example.com", "DE"),
    owner("198.51.100.16/28", 64_497, "Deskline Ltd", "deskline.example", "IE"),
    owner("198.51.100.64/28", 64_498, "Faxport BV", "faxport.example", "NL"),
    owner("198.51.100.80/28", 64_499, "Postwing Inc", "postwing.example", "US"),
    owner("198.51.100.128/28", 64_500, "Leadpipe Inc", "leadpipe.example", "US"),
    owner("203.0.113.0/27", 64_501, "Example School", "school.example", "DE"),
    owner("203.0.113.32/27", 64_502, "Friends of Lists", "lists.example", "CH"),
    owner("198.18.90.0/23", 64_503, "Cheapbox Hosting", "cheapbox.example", "US"),
    owner("198.18.0.0/16", 64_504, "Homelink Cable", "homelink.example", "BR"),
    owner("198.19.4.0/24", 64_504, "Homelink Cable", "homelink.example", "BR"),
    owner("198.19.33.0/24", 64_503, "Cheapbox Hosting", "cheapbox.example", "US"),
    owner("198.19.0.0/16", 64_505, "Metro Mobile", "metromobile.example", "ID"),
];

/// Of single servers.
const NAMES: [(&str, &str); 14] = [
    ("192.0.2.10", "mail1.example.com"),
    ("192.0.2.11", "mail2.example.com"),
    ("2001:db8:25::10", "mail1.example.com"),
    ("192.0.2.40", "billing.example.net"),
    ("198.51.100.20", "out1.deskline.example"),
    ("198.51.100.21", "out2.deskline.example"),
    ("198.51.100.70", "fax.faxport.example"),
    ("198.51.100.90", "mta90.postwing.example"),
    ("198.51.100.91", "mta91.postwing.example"),
    ("198.51.100.92", "mta92.postwing.example"),
    ("198.51.100.140", "a140.leadpipe.example"),
    ("198.51.100.141", "a141.leadpipe.example"),
    ("203.0.113.8", "alumni.school.example"),
    ("203.0.113.40", "mail.lists.example"),
];

const fn owner(
    network: &'static str,
    asn: u32,
    name: &'static str,
    domain: &'static str,
    country: &'static str,
) -> Owner {
    Owner { network, asn, name, domain, country }
}

/// What is known of an address of the year.
pub fn host(address: IpAddr) -> Option<Host> {
    let has = |owner: &&Owner| {
        owner.network.parse().is_ok_and(|network: Network| network.contains(address))
    };
    let owner = OWNERS.iter().find(has)?;
    let is_it = |(known, _): &&(&str, &str)| known.parse() == Ok(address);
    let server = NAMES.iter().find(is_it).map(|(_, name)| (*name).to_owned());
    // Customers of a cable network have names, too.
    let customer = || {
        let IpAddr::V4(address) = address else { return None };
        let [.., third, last] = address.octets();
        (owner.asn == 64_504).then(|| format!("cable-{third}-{last}.{}", owner.domain))
    };
    Some(Host {
        asn: Some(owner.asn),
        network: Some(owner.network.to_owned()),
        organisation: Some(owner.name.to_owned()),
        domain: Some(owner.domain.to_owned()),
        country: Some(owner.country.to_owned()),
        name: server.or_else(customer),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::Year;

    #[test]
    fn every_address_of_the_year_has_an_owner() {
        let year = Year::new(1, jiff::civil::Date::constant(2026, 9, 30));
        let mut named = 0;
        for day in [100, 200, 322, 360] {
            for mail in year.mails_about(day) {
                let mail = mail.expect("a mail");
                let options = crate::message::ReadOptions::default();
                let contents = crate::message::read_with(&mail.bytes, &options);
                for address in contents.reports.iter().flat_map(crate::report::Report::addresses) {
                    let host = host(address).unwrap_or_else(|| panic!("{address}"));
                    assert!((64_496..=64_511).contains(&host.asn.expect("a number")));
                    named += usize::from(host.name.is_some());
                }
            }
        }
        assert!(named > 100);
        assert!(OWNERS.iter().all(|owner| owner.network.parse::<Network>().is_ok()));
        assert_eq!(host(IpAddr::from([127, 0, 0, 1])), None);
    }
}
