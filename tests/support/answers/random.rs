//! Random reports with few different values, so that they meet in groups, and random filters.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use email_report_processor::{
    answers::{Choice, Disposition, Evaluated, Filter},
    report::{
        AggregateReport, Period, Report, Text,
        aggregate::{
            AuthResults, DkimResult, Identifiers, Metadata, OverrideReason, PolicyEvaluated,
            PolicyPublished, Record, Row, SpfResult,
        },
    },
};

use crate::support::rng::Rng;

const DAY: i64 = 86_400;
/// 2026-03-01.
const BEGIN: i64 = 1_772_323_200;

const DOMAINS: [&str; 5] =
    ["example.org", "Mail.Example.ORG.", "example.net", "badexample.org", "a.b.example.net"];
const ORGANIZATIONS: [&str; 4] = ["Reporter", "google.com", "Yahoo", "ÜBER GmbH"];
const SIGNERS: [&str; 5] = [
    "example.org",
    "mail.example.org",
    "service.example",
    "Other.Service.example.",
    "em.sendgrid.net",
];
const FROMS: [&str; 4] = ["example.org", "Mail.example.org", "a.mail.example.org.", "example.net"];
const SELECTORS: [&str; 3] = ["s1", "S1", "2026a"];
const RESULTS: [&str; 4] = ["pass", "fail", "softfail", "PASS"];
const DISPOSITIONS: [&str; 6] = ["none", "pass", "quarantine", "reject", "strange", "None"];

/// So many random reports. Some are parts of one another, some say the same again.
pub fn reports(rng: &mut Rng, number: usize) -> Vec<Report> {
    (0..number).map(|_| Report::Aggregate(report(rng))).collect()
}

fn some(rng: &mut Rng, words: &[&str]) -> Option<Text> {
    (!rng.chance(10)).then(|| (*rng.of(words)).into())
}

fn report(rng: &mut Rng) -> AggregateReport {
    // Those of one id are of one report, whose head may be spelled in several ways.
    let id = rng.below(60);
    let mut same = Rng::new(7, id);
    let begin = BEGIN + i64::try_from(same.below(20 * 86_400)).expect("small") - 10 * DAY;
    let mut org_name = some(&mut same, &ORGANIZATIONS);
    let mut domain = some(&mut same, &DOMAINS);
    if rng.chance(10) {
        org_name = org_name.map(|name| name.to_ascii_uppercase());
        domain = domain.map(|name| name.to_ascii_uppercase());
    }
    // Records that come with several mails, and others.
    let mut records: Vec<Record> = (0..rng.below(6)).map(|_| record(&mut same)).collect();
    records.extend((0..rng.below(6)).map(|_| record(rng)));
    AggregateReport {
        metadata: Metadata {
            org_name,
            email: Some(format!("{}@reporter.example", rng.below(2)).into()),
            report_id: format!("report {id}").into(),
            date_range: Period { begin, end: begin + DAY },
            ..Metadata::default()
        },
        policy_published: PolicyPublished { domain, ..PolicyPublished::default() },
        records,
        ..AggregateReport::default()
    }
}

fn record(rng: &mut Rng) -> Record {
    let reason = OverrideReason {
        kind: some(rng, &["forwarded", "mailing_list", "local_policy"]),
        comment: rng.chance(20).then(|| (*rng.of(&["ARC=pass as", "none"])).into()),
    };
    Record {
        row: Row {
            source_ip: address(rng),
            count: match rng.below(40) {
                0 => u64::MAX,
                1 => u64::from(u32::MAX) + 5,
                2 => 300,
                3 => 255,
                small => small,
            },
            policy_evaluated: PolicyEvaluated {
                disposition: some(rng, &DISPOSITIONS),
                dkim: some(rng, &RESULTS),
                spf: some(rng, &RESULTS),
                reason: (0..rng.below(3)).map(|_| reason.clone()).collect(),
            },
        },
        identifiers: Identifiers { header_from: some(rng, &FROMS), ..Identifiers::default() },
        auth_results: AuthResults {
            spf: (0..rng.below(3))
                .map(|_| SpfResult {
                    domain: some(rng, &SIGNERS),
                    result: some(rng, &RESULTS),
                    ..SpfResult::default()
                })
                .collect(),
            dkim: (0..rng.below(4))
                .map(|_| DkimResult {
                    domain: some(rng, &SIGNERS),
                    selector: some(rng, &SELECTORS),
                    result: some(rng, &RESULTS),
                    ..DkimResult::default()
                })
                .collect(),
        },
    }
}

fn address(rng: &mut Rng) -> Option<IpAddr> {
    let small = |rng: &mut Rng, n| u8::try_from(rng.below(n)).expect("small");
    match rng.below(10) {
        0 => None,
        1..=6 => Some(Ipv4Addr::new(192, 0, small(rng, 3), small(rng, 6)).into()),
        7 => Some(Ipv4Addr::new(1, 2, 3, small(rng, 6)).to_ipv6_mapped().into()),
        _ => {
            let (network, host) = (small(rng, 3).into(), small(rng, 4).into());
            Some(Ipv6Addr::new(0x2001, 0xdb8, network, 0, 0, 0, 0, host).into())
        }
    }
}

/// A random filter; most properties let all through.
pub fn filter(rng: &mut Rng) -> Filter {
    let second = |rng: &mut Rng| {
        let seconds = i64::try_from(rng.below(24 * 86_400)).expect("small");
        let day = rng.chance(50);
        let at = BEGIN + seconds - 12 * DAY;
        rng_chance(rng, 40).then_some(if day { at - at.rem_euclid(DAY) } else { at })
    };
    let networks =
        ["192.0.1.0/24", "192.0.0.0/23", "2001:db8:1::/48", "192.0.2.3", "::ffff:0:0/96", "::/0"];
    let senders = [
        "unknown",
        "192.0.1.0/24",
        "192.0.1.0/25",
        "2001:db8:2::/48",
        "nobody.example",
        "service.example",
        "example.ORG",
        "twilio sendgrid",
    ];
    let domains = ["example.org", "Mail.example.org.", "net", ".example.net", "", "org"];
    let dispositions =
        [Disposition::None, Disposition::Pass, Disposition::Reject, Disposition::Other];
    let evaluated = [Evaluated::Pass, Evaluated::Fail, Evaluated::Unknown];
    Filter {
        since: second(rng),
        until: second(rng),
        domains: choice(rng, |rng| (*rng.of(&domains)).to_owned()),
        exactly: rng.chance(30),
        organizations: choice(rng, |rng| (*rng.of(&ORGANIZATIONS)).to_owned()),
        networks: choice(rng, |rng| rng.of(&networks).parse().expect("a network")),
        senders: choice(rng, |rng| (*rng.of(&senders)).to_owned()),
        dispositions: choice(rng, |rng| *rng.of(&dispositions)),
        dmarc: choice(rng, |rng| *rng.of(&evaluated)),
        spf: choice(rng, |rng| *rng.of(&evaluated)),
        dkim: choice(rng, |rng| *rng.of(&evaluated)),
    }
}

fn rng_chance(rng: &mut Rng, percent: u64) -> bool {
    rng.chance(percent)
}

fn choice<T>(rng: &mut Rng, value: impl Fn(&mut Rng) -> T) -> Choice<T> {
    let some = |rng: &mut Rng| {
        let number = if rng.chance(85) { 0 } else { rng.below(3) };
        (0..number).map(|_| value(rng)).collect()
    };
    Choice { only: some(rng), not: some(rng) }
}
