//! Databases of networks, by the schemas of those who publish them.

use std::{net::IpAddr, sync::Arc};

use email_report_processor::{
    document::Documents,
    message::Received,
    report::{
        AggregateReport, FailureReport, Report,
        aggregate::{AuthResults, Identifiers, PolicyEvaluated, Record, Row},
    },
    senders::{Host, Hosts, Networks},
};
use serde_json::{Value, json};

use crate::support::mmdb::database;

fn networks(databases: &[Vec<u8>]) -> Networks {
    let open = |bytes: &Vec<u8>| Networks::database(bytes.clone()).expect("a database");
    Networks::new(databases.iter().map(open).map(Arc::new).collect())
}

fn host(networks: &Networks, address: &str) -> Option<Host> {
    networks.host(address.parse::<IpAddr>().expect("an address"))
}

fn known(facts: [&str; 5]) -> Host {
    let [asn, network, organisation, domain, country] =
        facts.map(|fact| (!fact.is_empty()).then(|| fact.to_owned()));
    let asn = asn.map(|asn| asn.parse().expect("a number"));
    Host { asn, network, organisation, domain, country, name: None }
}

#[test]
fn each_publisher_has_its_own_names() {
    let of_maxmind =
        json!({ "iso_code": "DE", "geoname_id": 2_921_044, "names": { "en": "Germany" } });
    for (entry, expected) in [
        // GeoLite2 ASN, DB-IP ASN Lite.
        (
            json!({ "autonomous_system_number": 64496, "autonomous_system_organization": "Hoster" }),
            ["64496", "192.0.2.0/24", "Hoster", "", ""],
        ),
        // GeoLite2 Country and City, DB-IP Country Lite.
        (json!({ "city": { "names": {} }, "country": of_maxmind }), ["", "", "", "", "DE"]),
        (json!({ "registered_country": of_maxmind }), ["", "", "", "", "DE"]),
        // GeoIP2 Enterprise.
        (
            json!({ "country": of_maxmind, "traits": { "is_anycast": true, "autonomous_system_number": 64496,
                    "autonomous_system_organization": "Hoster" } }),
            ["64496", "192.0.2.0/24", "Hoster", "", "DE"],
        ),
        // IPinfo Lite.
        (
            json!({ "asn": "AS64496", "as_name": "Hoster", "as_domain": "Hoster.example", "continent": "Europe",
                    "continent_code": "EU", "country": "Germany", "country_code": "DE" }),
            ["64496", "192.0.2.0/24", "Hoster", "hoster.example", "DE"],
        ),
        // IPinfo Country, ASN, and Country & ASN as they were before.
        (json!({ "country": "DE", "country_name": "Germany" }), ["", "", "", "", "DE"]),
        (
            json!({ "asn": "AS64496", "domain": "hoster.example", "name": "Hoster", "route": "x", "type": "isp" }),
            ["64496", "192.0.2.0/24", "Hoster", "hoster.example", ""],
        ),
        // ip-location-db.
        (json!({ "country_code": "de" }), ["", "", "", "", "DE"]),
        // What is no country or number is none.
        (json!({ "country": "Germany", "asn": "ASx", "as_name": "" }), ["", "", "", "", ""]),
        (
            json!({ "country": 5, "asn": { "x": 1 }, "autonomous_system_number": 0 }),
            ["", "", "", "", ""],
        ),
    ] {
        let networks = networks(&[database(&[("192.0.2.0/24", entry.clone())])]);
        let expected = Some(known(expected)).filter(|host| !host.is_unknown());
        assert_eq!(host(&networks, "192.0.2.77"), expected, "{entry}");
    }
}

#[test]
fn the_first_that_knows_something_is_believed() {
    let owner = |asn: u32, name: &str| json!({ "autonomous_system_number": asn, "autonomous_system_organization": name });
    let first = database(&[("192.0.2.0/25", owner(64496, "First"))]);
    let second = database(&[
        ("192.0.2.0/24", json!({ "country_code": "DE", "asn": "AS64497", "as_name": "Second" })),
        ("2001:db8::/32", owner(64498, "Third")),
    ]);
    let networks = networks(&[first, second]);
    for (address, facts) in [
        ("192.0.2.1", ["64496", "192.0.2.0/25", "First", "", "DE"]),
        ("192.0.2.200", ["64497", "192.0.2.0/24", "Second", "", "DE"]),
        ("::ffff:192.0.2.1", ["64496", "192.0.2.0/25", "First", "", "DE"]),
        ("2001:db8::5", ["64498", "2001:db8::/32", "Third", "", ""]),
    ] {
        assert_eq!(host(&networks, address), Some(known(facts)), "{address}");
    }
    assert_eq!(host(&networks, "198.51.100.1"), None);
    assert_eq!(host(&Networks::default(), "192.0.2.1"), None);
}

/// A file that is being written has no end yet; one that is damaged tells nothing, or something
/// else, and ends nothing.
#[test]
fn what_is_cut_or_damaged_harms_nobody() {
    let whole = database(&[("192.0.2.0/24", json!({ "country": { "iso_code": "DE" } }))]);
    for length in 0..whole.len() {
        let cut = Networks::database(whole[..length].to_vec());
        if let Ok(cut) = cut {
            let networks = Networks::new(vec![Arc::new(cut)]);
            let _ = host(&networks, "192.0.2.1");
            assert!(length + 200 > whole.len(), "{length} bytes are no database");
        }
    }
    for at in 0..whole.len() {
        for byte in [0, 0xFF, whole[at] ^ 0x20] {
            let mut damaged = whole.clone();
            damaged[at] = byte;
            if let Ok(damaged) = Networks::database(damaged) {
                let networks = Networks::new(vec![Arc::new(damaged)]);
                let _ = [host(&networks, "192.0.2.1"), host(&networks, "2001:db8::1")];
            }
        }
    }
}

fn documents(report: &Report, hosts: Hosts) -> Vec<(String, Value)> {
    let documents = Documents::new(report, &Received::default()).with_hosts(hosts);
    let document = |n| {
        let (mut id, mut source) = (Vec::new(), Vec::new());
        documents.write_id(n, &mut id);
        documents.write_source(n, &mut source);
        (String::from_utf8(id).expect("text"), serde_json::from_slice(&source).expect("JSON"))
    };
    (0..documents.len()).map(document).collect()
}

/// The ids of documents stay as they are, and so does all that was in them.
#[test]
fn documents_get_members_beside_those_they_have() {
    let row = Row {
        source_ip: "192.0.2.77".parse().ok(),
        count: 1,
        policy_evaluated: PolicyEvaluated::default(),
    };
    let (identifiers, auth_results) = (Identifiers::default(), AuthResults::default());
    let mut record = Record { row, identifiers, auth_results };
    let aggregate = AggregateReport { records: vec![record.clone()], ..AggregateReport::default() };
    record.row.source_ip = None;
    let without = AggregateReport { records: vec![record], ..AggregateReport::default() };
    let failure =
        FailureReport { source_ip: "192.0.2.77".parse().ok(), ..FailureReport::default() };
    let entry = json!({ "asn": "AS64496", "as_name": "Hoster \"Ltd\"", "country_code": "DE" });
    let networks = networks(&[database(&[("192.0.2.0/24", entry)])]);
    let added = json!({
        "ip2geo": { "asn": "64496", "network": "192.0.2.0/24", "organization_name": "Hoster \"Ltd\"" },
        "source": { "country": "DE" },
    });
    for report in [Report::Aggregate(aggregate), Report::Failure(failure)] {
        let [(id, plain)] = &documents(&report, Hosts::Unknown)[..] else { panic!("one document") };
        let [(same, rich)] = &documents(&report, Hosts::Networks(&networks))[..] else { panic!() };
        let mut expected = plain.clone();
        expected
            .as_object_mut()
            .expect("an object")
            .extend(added.as_object().expect("one").clone());
        assert_eq!((id, &expected), (same, rich));
        let elsewhere = documents(&report, Hosts::Networks(&Networks::default()));
        assert_eq!(&elsewhere[0].1, plain);
    }
    let without = Report::Aggregate(without);
    assert_eq!(
        documents(&without, Hosts::Networks(&networks)),
        documents(&without, Hosts::Unknown)
    );
}
