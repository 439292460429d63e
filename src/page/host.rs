//! Host: what is known of an address, in words. Nothing is looked up for a page: it is what was
//! stored with the reports.

use super::words::Said;
use crate::senders::Host;

/// `mail.example.org · Example Ltd (AS64500) · DE`.
pub(super) fn line(host: &Host) -> Said {
    let parts = [host.name.clone(), owner(host), host.country.clone()];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" · ").into()
}

/// The same one by one.
pub(super) fn facts(host: &Host) -> Vec<(&'static str, Said)> {
    let facts = [
        ("Name", host.name.clone()),
        ("Network", host.network.clone()),
        ("Owner", owner(host)),
        ("Country", host.country.clone()),
    ];
    facts.into_iter().filter_map(|(words, value)| Some((words, value?.into()))).collect()
}

/// Who has the network: `Example Ltd (AS64500)`.
fn owner(host: &Host) -> Option<String> {
    let name = host.organisation.as_deref().or(host.domain.as_deref());
    match (name, host.asn) {
        (Some(name), Some(asn)) => Some(format!("{name} (AS{asn})")),
        (Some(name), None) => Some(name.to_owned()),
        (None, asn) => asn.map(|asn| format!("AS{asn}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_told_and_the_rest_left_out() {
        let host = Host {
            asn: Some(64_500),
            organisation: Some("Example Ltd".into()),
            country: Some("DE".into()),
            ..Host::default()
        };
        assert_eq!(line(&host).whole(), "Example Ltd (AS64500) · DE");
        let facts = facts(&host);
        assert_eq!(facts.iter().map(|(words, _)| *words).collect::<Vec<_>>(), ["Owner", "Country"]);
        assert_eq!(line(&Host::default()).whole(), "");
    }
}
