//! The DNS records, asked of a server of the tests.

use std::{
    process::Command,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use hickory_proto::op::ResponseCode;

use super::{Found, check, checking};
use crate::support::{
    dns::{Answer, Dns, text, texts},
    program::{below, run_command},
    server::skip,
};

const GOOD: &str = "v=DMARC1; p=none; rua=mailto:reports@example.org";
const TLS: &str = "v=TLSRPTv1; rua=mailto:reports@example.org";

/// The findings on a domain of a zone.
fn ask(dns: &Dns, domain: &str, more: &[&str]) -> Found {
    let folder = tempfile::tempdir().expect("a folder");
    let store = folder.path().join("reports.sqlite").display().to_string();
    let server = dns.server();
    let fixed = ["--store", &store, "--dns", domain, "--dns-server", &server];
    check(fixed.iter().chain(more))
}

const OWN: [&str; 2] = ["--address", "reports@example.org"];

#[test]
fn good_records_are_good() {
    let dns =
        Dns::start([("_dmarc.example.org", text(GOOD)), ("_smtp._tls.example.org", text(TLS))]);
    let found = ask(&dns, "Example.ORG.", &OWN);
    assert_eq!(found.code, Some(0), "{:?}", found.troubles());
    assert!(found.troubles().is_empty(), "{:?}", found.troubles());
    assert!(found.only("dns.dmarc.record", "_dmarc.example.org").1.contains(GOOD));
    found.has("dns.dmarc.tags", "ok", &["p=none"]);
    found.has("dns.dmarc.address", "ok", &["reports go to reports@example.org"]);
    found.has("dns.dmarc.authorised", "ok", &["same organisation"]);
    found.has("dns.tls.address", "ok", &["reports go to reports@example.org"]);
    let found = ask(&dns, "example.org", &[]);
    found.has("dns.dmarc.address", "ok", &["reports@example.org", "--address"]);
    // One of several will do.
    let found = ask(&dns, "example.org", &[&["--address", "other@example.org"][..], &OWN].concat());
    assert!(found.troubles().is_empty(), "{:?}", found.troubles());
}

#[test]
fn missing_records_are_told_with_what_to_publish() {
    let dns = Dns::start([("www.example.org", text("v=spf1 -all"))]);
    let found = ask(&dns, "example.org", &OWN);
    found.has("dns.dmarc.record", "wrong", &["v=DMARC1; p=none; rua=mailto:reports@example.org"]);
    found.has("dns.tls.record", "warning", &["v=TLSRPTv1; rua=mailto:reports@example.org"]);
    assert!(found.of("dns.domain", "").is_empty());
    let found = ask(&dns, "exmaple.org", &OWN);
    found.has("dns.domain", "warning", &["there is no such domain"]);
}

#[test]
fn records_reach_through_aliases_and_in_several_strings() {
    let cut = |text: &str| {
        let (one, two) = text.as_bytes().split_at(20);
        Answer::Texts(vec![vec![one.to_vec(), Vec::new(), two.to_vec()]])
    };
    let dns = Dns::start([
        ("_dmarc.example.org", Answer::Alias("policies.example.net")),
        ("policies.example.net", cut(GOOD)),
        ("_smtp._tls.example.org", cut(TLS)),
    ]);
    let found = ask(&dns, "example.org", &OWN);
    assert!(found.troubles().is_empty(), "{:?}", found.troubles());
}

#[test]
fn aliases_that_lead_nowhere_are_no_record() {
    let dns = Dns::start([
        ("_dmarc.example.org", Answer::Alias("nowhere.example.net")),
        ("_smtp._tls.example.org", Answer::Alias("_smtp._tls.example.org")),
    ]);
    let found = ask(&dns, "example.org", &OWN);
    found.has("dns.dmarc.record", "wrong", &["there is no DMARC record"]);
    assert_ne!(found.only("dns.tls.record", "").0, "ok");
}

#[test]
fn exactly_one_record_counts() {
    let dns = Dns::start([
        ("_dmarc.example.org", texts([GOOD, "v=DMARC1; p=reject", "unrelated"])),
        ("_smtp._tls.example.org", texts([TLS, TLS])),
        ("_dmarc.example.net", texts(["google-site-verification=x", GOOD])),
    ]);
    let found = ask(&dns, "example.org", &OWN);
    found.has("dns.dmarc.record", "wrong", &["2 records of v=DMARC1", "Join them"]);
    found.has("dns.tls.record", "wrong", &["2 records of v=TLSRPTv1"]);
    let found = ask(&dns, "example.net", &[]);
    assert_eq!(found.only("dns.dmarc.record", "").0, "ok");
}

/// A record, the check that tells, the status, and words of it. `RUA` is a good one.
const SLIPS: [(&str, &str, &str, &str); 16] = [
    ("v=dmarc1; p=none; RUA", "record", "wrong", "not understood"),
    ("\"v=DMARC1; p=none\"", "record", "wrong", "without quotes in it"),
    ("v=DMARC1; p=none", "address", "wrong", "there is no rua"),
    ("v=DMARC1; p=none; rua=reports@example.org", "address", "wrong", "no mailto: in front"),
    ("v=DMARC1; p=none; rua=mailto:a@example.org", "address", "wrong", "Add mailto:reports@"),
    ("v=DMARC1; RUA", "tags", "warning", "there is no p"),
    ("v=DMARC1; p=rejct; RUA", "tags", "wrong", "p=rejct is no policy"),
    ("v=DMARC1; p=none; p=reject; RUA", "tags", "wrong", "twice"),
    ("v=DMARC1; p=none, RUA", "tags", "wrong", "is no policy"),
    ("v=DMARC1; p=none; RUA; sp=quarantain", "tags", "wrong", "sp=quarantain"),
    ("v=DMARC1; p=none; rau=mailto:a@example.org", "tags", "warning", "Was rua meant?"),
    ("v=DMARC1; p=none; RUA; pct=50", "tags", "warning", "RFC 9989"),
    ("v=DMARC1; p=none; RUA; adkim=strict", "tags", "warning", "adkim=strict"),
    ("v=DMARC1; p=none; RUA; fo=1:x", "tags", "warning", "fo=1:x"),
    ("v=DMARC1; RUA; p=none", "tags", "warning", "directly behind v"),
    ("v=DMARC1; p=none; RUA; oops", "tags", "wrong", "there is no ="),
];

/// The same for SMTP TLS; all are wrong.
const TLS_SLIPS: [(&str, &str, &str); 5] = [
    ("v=TLSRPTv1", "address", "there is no rua"),
    ("v=TLSRPTv1; rua=mailto:a@example.org", "address", "does not name reports@example.org"),
    ("v=TLSRPTv1; rua=mailto:a!b@example.org", "address", "written %21"),
    ("v=TLSRPTv1; rua", "tags", "there is no ="),
    ("v=tlsrptv1; RUA", "record", "not understood"),
];

#[test]
fn slips_in_a_record_are_told() {
    let look = |dmarc: &str, tls: &str| {
        let full = |record: &str| text(record.replace("RUA", "rua=mailto:reports@example.org"));
        let zone = [("_dmarc.example.org", full(dmarc)), ("_smtp._tls.example.org", full(tls))];
        ask(&Dns::start(zone), "example.org", &OWN)
    };
    for (record, check, status, words) in SLIPS {
        look(record, TLS).has(&format!("dns.dmarc.{check}"), status, &[words]);
    }
    for (record, check, words) in TLS_SLIPS {
        look(GOOD, record).has(&format!("dns.tls.{check}"), "wrong", &[words]);
    }
}

#[test]
fn a_subdomain_without_a_record_has_that_of_its_organisation() {
    let dns = Dns::start([
        ("_dmarc.example.org", text(GOOD)),
        ("lists.example.org", text("something")),
        ("_smtp._tls.lists.example.org", text(TLS)),
    ]);
    let found = ask(&dns, "lists.example.org", &OWN);
    assert!(found.troubles().is_empty(), "{:?}", found.troubles());
    found.has("dns.dmarc.record", "ok", &["that of example.org holds"]);
    // SMTP TLS reports know no such thing.
    let found = ask(&dns, "example.org", &OWN);
    found.has("dns.tls.record", "warning", &[]);
}

#[test]
fn addresses_elsewhere_must_be_allowed_there() {
    let zone = |record: Option<&'static str>| {
        let mut zone = vec![
            ("_dmarc.example.net", text(GOOD)),
            ("_dmarc.example.org", text(GOOD)),
            ("_smtp._tls.example.net", text(TLS)),
        ];
        zone.extend(record.map(|record| ("example.net._report._dmarc.example.org", text(record))));
        Dns::start(zone)
    };
    let agreed = ask(&zone(Some("v=DMARC1;")), "example.net", &OWN);
    assert!(agreed.troubles().is_empty(), "{:?}", agreed.troubles());
    agreed.has("dns.dmarc.authorised", "ok", &["example.org agrees"]);
    let same = ask(&zone(Some("v=DMARC1; rua=mailto:reports@example.org")), "example.net", &OWN);
    same.has("dns.dmarc.authorised", "ok", &[]);
    let other = ask(&zone(Some("v=DMARC1; rua=mailto:x@example.org")), "example.net", &OWN);
    other.has("dns.dmarc.authorised", "warning", &["elsewhere"]);
    let none = ask(&zone(None), "example.net", &OWN);
    none.has(
        "dns.dmarc.authorised",
        "wrong",
        &["does not agree", "in the zone of example.org: v=DMARC1;"],
    );
    let odd = ask(&zone(Some("v=spf1 -all")), "example.net", &OWN);
    odd.has("dns.dmarc.authorised", "wrong", &["does not begin with v=DMARC1", "v=spf1"]);
    // Somebody else's address is somebody else's matter.
    let dns = Dns::start([(
        "_dmarc.example.net",
        text("v=DMARC1; p=none; rua=mailto:a@example.net,mailto:b@example.com"),
    )]);
    let found = ask(&dns, "example.net", &["--address", "a@example.net"]);
    assert_eq!(found.only("dns.dmarc.authorised", "").0, "ok");
}

#[test]
fn a_wildcard_agrees_for_all_domains() {
    let dns = Dns::start([
        ("_dmarc.example.net", text(GOOD)),
        ("_dmarc.example.com", text(GOOD)),
        ("*._report._dmarc.example.org", text("v=DMARC1")),
    ]);
    for domain in ["example.net", "example.com"] {
        ask(&dns, domain, &OWN).has("dns.dmarc.authorised", "ok", &["agrees"]);
    }
}

#[test]
fn servers_that_fail_are_told() {
    let dns = Dns::start([
        ("example.org", text("x")),
        ("_dmarc.example.org", Answer::Code(ResponseCode::ServFail)),
        ("_smtp._tls.example.org", text(TLS)),
        ("example.net", Answer::Code(ResponseCode::Refused)),
        ("_dmarc.example.com", text("v=DMARC1; p=none; rua=mailto:reports@example.com")),
        ("_dmarc.com", Answer::Code(ResponseCode::ServFail)),
    ]);
    let found = ask(&dns, "example.com", &["--address", "reports@example.com"]);
    found.has("dns.dmarc.authorised", "ok", &["same organisation"]);
    let found = ask(&dns, "example.org", &OWN);
    found.has("dns.dmarc.record", "wrong", &["SERVFAIL"]);
    found.has("dns.tls.record", "ok", &[]);
    ask(&dns, "example.net", &[]).has("dns.server", "wrong", &["REFUSED", "--dns-server"]);
    let nobody = Dns { address: "127.0.0.1:1".parse().expect("an address"), ..dns };
    ask(&nobody, "example.org", &[]).has("dns.server", "wrong", &["--dns-server"]);
}

#[test]
fn a_server_that_is_silent_is_waited_for_and_not_for_ever() {
    let dns =
        Dns::start([("example.org", Answer::Silence), ("_dmarc.example.net", Answer::Silence)]);
    let since = Instant::now();
    let found = ask(&dns, "example.org", &OWN);
    found.has("dns.server", "wrong", &["does not answer"]);
    let found_later = ask(&dns, "example.net", &OWN);
    found_later.has("dns.dmarc.record", "wrong", &["does not answer"]);
    assert!(since.elapsed() < Duration::from_mins(1), "{:?}", since.elapsed());
}

#[test]
fn a_machine_without_a_dns_server_is_told() {
    let script = "mount --bind /dev/null /etc/resolv.conf && exec \"$@\"";
    let mut outer = Command::new("unshare");
    outer.args(["-m", "sh", "-c", script, "sh"]);
    let inner = checking(["--store", "/nonexistent/x.sqlite", "--dns", "example.org"]);
    let ended = run_command(below(outer, &inner));
    if ended.stdout.is_empty() {
        skip(&format!("nothing can be mounted here: {}", ended.log));
        return;
    }
    let found = Found::from(ended);
    found.has("dns.server", "wrong", &["no DNS server is known", "--dns-server"]);
    // What was found besides is told.
    found.has("settings", "ok", &[]);
}

#[test]
fn cut_off_answers_are_asked_for_by_tcp() {
    let long = format!("{GOOD}; x={}", "y".repeat(3000));
    let strings = long.as_bytes().chunks(255).map(<[u8]>::to_vec).collect();
    let dns = Dns::start([
        ("_dmarc.example.org", Answer::OnlyByTcp(vec![strings])),
        ("_smtp._tls.example.org", Answer::OnlyByTcp(vec![vec![TLS.into()]])),
    ]);
    let found = ask(&dns, "example.org", &OWN);
    found.has("dns.dmarc.address", "ok", &["reports@example.org"]);
    found.has("dns.tls.record", "ok", &[]);
    assert!(dns.by_tcp.load(Ordering::Relaxed) >= 2);
    let longest = found.findings.iter().map(|f| f["found"].as_str().expect("text").len()).max();
    assert!(longest < Some(600), "a stranger's text is shown in full");
}

#[test]
fn hostile_texts_are_harmless() {
    let hostile: Vec<Vec<u8>> = vec![
        b"v=DMARC1; p=none; rua=mailto:\x1b[2Ja@example.org\r\nwrong    all: is lost".to_vec(),
        [b"v=DMARC1; p=\xff\xfe\xe2\x80\xae".as_slice(), &[b';'; 200]].concat(),
        b"v=DMARC1; p=none; rua=mailto:a@%zz%00%0a%1b.example".to_vec(),
        b"v=DMARC1; p=none; rua=mailto:a@..example.org,mailto:@,mailto:a@b c.org".to_vec(),
        [b"v=DMARC1; p=none; rua=mailto:a@".as_slice(), &[b'x'; 220], b".org"].concat(),
        b"v=DMARC1;=;==;;;rua=,,,!!!,mailto:!10m".to_vec(),
        Vec::new(),
    ];
    for text in hostile {
        let dns = Dns::start([
            ("_dmarc.example.org", Answer::Texts(vec![vec![text.clone()]])),
            ("_smtp._tls.example.org", Answer::Texts(vec![vec![text.clone()]])),
        ]);
        let server = dns.server();
        let arguments =
            ["check", "--store", "/nonexistent/x", "--dns", "example.org", "--dns-server", &server];
        for json in [&[][..], &["--json"]] {
            let ended = crate::support::program::run(arguments.iter().chain(json));
            assert_eq!(ended.code, Some(1), "{}", ended.log);
            let bad = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
            assert!(!ended.stdout.contains(bad), "{text:?}: {}", ended.stdout);
            assert!(!ended.stdout.contains("\nwrong    all"), "{}", ended.stdout);
            assert!(!ended.log.contains("panicked"), "{}", ended.log);
        }
    }
}

#[test]
fn flags_that_make_no_sense_are_refused() {
    let run = crate::support::program::run::<&str>;
    for (arguments, words) in [
        (&["check", "--dns", "a..b"][..], "--dns a..b"),
        (&["check", "--address", "a@example.org"], "--dns <DOMAIN>"),
        (&["check", "--dns", "example.org", "--address", "example.org"], "expected a mail address"),
        (&["check", "--dns", "example.org", "--dns-server", "resolver"], "expected an IP address"),
    ] {
        let ended = run(arguments.iter().copied());
        assert_eq!(ended.code, Some(64), "{}", ended.log);
        assert!(ended.log.contains(words), "{}", ended.log);
    }
}
