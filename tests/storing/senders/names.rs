//! Names of addresses, from a DNS server.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use hickory_proto::op::ResponseCode;
use rusqlite::Connection;

use super::{Setup, report};
use crate::support::{
    program::{Ended, Running, TestMaildir, run, wait_until},
    reverse_dns::{Answer, ReverseDns},
};

/// Stores reports; their addresses are looked up here.
fn store(setup: &Setup, dns: &ReverseDns, reports: &[&Path]) -> Ended {
    let (store, server) = (setup.path("store"), dns.server());
    let flags = ["--reverse-dns", "--dns-server", &server, "--store"].map(Path::new);
    let ended = run(flags.into_iter().chain([store.as_path()]).chain(reports.iter().copied()));
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    ended
}

fn connection(setup: &Setup) -> Connection {
    Connection::open(setup.path("store")).expect("the store")
}

/// All addresses with their names, and when they may be asked about again, in hours from now.
fn names(setup: &Setup) -> Vec<(String, Option<String>, Option<i64>)> {
    let sql = "SELECT address, name, (ask_after - unixepoch() + 60) / 3600 FROM addresses ORDER BY address";
    let connection = connection(setup);
    let mut statement = connection.prepare(sql).expect(sql);
    let row = |row: &rusqlite::Row| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    statement.query_map((), row).expect(sql).collect::<Result<_, _>>().expect(sql)
}

fn row(address: &str, name: Option<&str>, hours: i64) -> (String, Option<String>, Option<i64>) {
    (address.into(), name.map(str::to_owned), Some(hours))
}

const MONTH: i64 = 30 * 24;
const WEEK: i64 = 7 * 24;

#[test]
fn a_name_is_believed_if_it_leads_back() {
    let setup = Setup::new("Hoster");
    let dns = ReverseDns::start();
    let mut expected = Vec::new();
    let mut reports = Vec::new();
    let mut address = |name: &str, kept: Option<&str>, hours: i64| {
        reports.push(setup.report(&format!("report-{name}"), name));
        expected.push(row(name, kept, hours));
    };
    // With a name of its own; by IPv6; in capitals; the second of two.
    address("192.0.2.1", Some("mail.example.net"), MONTH);
    dns.point("192.0.2.1", &["MAIL.example.net"]);
    dns.name("mail.example.net", "192.0.2.1");
    address("2001:db8::1", Some("six.example.net"), MONTH);
    dns.point("2001:db8::1", &["six.example.net"]);
    dns.name("six.example.net", "2001:db8::1");
    address("192.0.2.2", Some("two.example.net"), MONTH);
    dns.point("192.0.2.2", &["mail.example.net", "two.example.net"]);
    dns.name("two.example.net", "192.0.2.2");
    // Somebody else's name; one that is not there; none; what is no host's name.
    address("192.0.2.3", None, WEEK);
    dns.point("192.0.2.3", &["mail.example.net"]);
    address("192.0.2.4", None, WEEK);
    dns.point("192.0.2.4", &["gone.example.net"]);
    address("192.0.2.5", None, WEEK);
    address("192.0.2.6", None, WEEK);
    dns.point("192.0.2.6", &["<b>\u{1b}[2J.example.net", "localhost"]);
    // Nobody can tell, of the address or of its name.
    address("192.0.2.7", None, 6);
    dns.answer("192.0.2.7", Answer::Code(ResponseCode::ServFail));
    address("192.0.2.8", None, 6);
    dns.point("192.0.2.8", &["broken.example.net"]);
    dns.answer_name("broken.example.net", Answer::Code(ResponseCode::Refused));
    // Not asked about.
    address("10.1.2.3", None, WEEK);
    address("fd00::1", None, WEEK);
    dns.point("10.1.2.3", &["mail.example.net"]);
    expected.sort();
    let reports: Vec<_> = reports.iter().map(std::path::PathBuf::as_path).collect();
    let ended = store(&setup, &dns, &reports);
    assert_eq!(names(&setup), expected);
    assert!(ended.log.contains("found names of 3 addresses"), "{}", ended.log);
    let asked = dns.asked();
    assert!(!asked.iter().any(|name| name.starts_with("3.2.1.10")), "{asked:?}");

    // What is known is not asked again; nor is who could not tell, for some hours.
    store(&setup, &dns, &reports);
    assert_eq!(dns.asked(), Vec::<String>::new());
}

/// Without the flag nothing is asked; with it, what is stored already gets names, and documents
/// have them. A failure later takes no name away, another answer does.
#[test]
fn stored_reports_get_names_and_keep_them() {
    let setup = Setup::new("Hoster");
    let dns = ReverseDns::start();
    let (first, second) = (setup.report("a", "192.0.2.1"), setup.report("b", "192.0.2.2"));
    setup.store(&[&first]);
    dns.point("192.0.2.1", &["mail.example.net"]);
    dns.name("mail.example.net", "192.0.2.1");
    store(&setup, &dns, &[&second]);
    let known = [row("192.0.2.1", Some("mail.example.net"), MONTH), row("192.0.2.2", None, WEEK)];
    assert_eq!(names(&setup), known);
    let documents = setup.exported();
    assert_eq!(documents[0]["source"]["reverse_dns"], "mail.example.net");
    assert_eq!(documents[0]["source"]["country"], "DE");

    let again =
        || connection(&setup).execute("UPDATE addresses SET ask_after = 0", ()).expect("set");
    dns.answer("192.0.2.1", Answer::Code(ResponseCode::ServFail));
    again();
    store(&setup, &dns, &[&second]);
    assert_eq!(names(&setup)[0], row("192.0.2.1", Some("mail.example.net"), 6));
    dns.point("192.0.2.1", &["other.example.net"]);
    again();
    store(&setup, &dns, &[&second]);
    assert_eq!(names(&setup)[0], row("192.0.2.1", None, WEEK));
}

/// A failure report's address, and those of a second mail of a report that was looked through.
#[test]
fn no_report_is_left_out() {
    let setup = Setup::new("Hoster");
    let dns = ReverseDns::start();
    let mail = |id: &str, address: &str| {
        let path = setup.path(&format!("{id}.eml"));
        let head = "Content-Type: text/xml\nSubject: report\n";
        let report = report("same", address);
        std::fs::write(&path, format!("Message-ID: <{id}@example>\n{head}\n{report}\n"))
            .expect("written");
        path
    };
    store(&setup, &dns, &[&mail("one", "192.0.2.1")]);
    store(
        &setup,
        &dns,
        &[&mail("two", "192.0.2.2"), Path::new("tests/fixtures/failure/complete.eml")],
    );
    let found: Vec<_> = names(&setup).into_iter().map(|(address, ..)| address).collect();
    assert_eq!(found, ["192.0.2.1", "192.0.2.2", "198.51.100.7"]);
}

#[test]
fn many_are_asked_at_once_and_not_all() {
    let setup = Setup::new("Hoster");
    let dns = ReverseDns::start();
    dns.delay(Duration::from_millis(200));
    let reports: Vec<_> =
        (0..100).map(|n| setup.report(&n.to_string(), &format!("198.51.100.{n}"))).collect();
    let reports: Vec<_> = reports.iter().map(std::path::PathBuf::as_path).collect();
    store(&setup, &dns, &reports);
    assert_eq!(names(&setup).len(), 100);
    let most = dns.most_at_once();
    assert!((9..=32).contains(&most), "{most}");
}

/// Mail is stored while the DNS says nothing, and the end does not wait for it for ever.
#[test]
fn mails_do_not_wait_for_the_dns() {
    let setup = Setup::new("Hoster");
    let (dns, maildir) = (ReverseDns::start(), TestMaildir::new());
    dns.answer("192.0.2.1", Answer::Silence);
    let (server, store) = (dns.server(), setup.path("store"));
    let running = Running::start(
        ["watch", "--reverse-dns", "--dns-server", &server, "--store"]
            .map(Path::new)
            .into_iter()
            .chain([store.as_path(), maildir.path()]),
    );
    running.wait_for_log("watching");
    for n in 0..20 {
        maildir.deliver(&format!("{n}"), report(&n.to_string(), "192.0.2.1").as_bytes());
    }
    wait_until("all are stored", Duration::from_secs(5), || maildir.count("cur") == 20);
    // The thread looks for what is new every 30 seconds.
    wait_until("a question", Duration::from_mins(1), || !dns.asked().is_empty());
    let asked = Instant::now();
    let (code, log) = running.stop();
    assert_eq!(code, Some(0), "{log}");
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
}

#[test]
fn other_stores_keep_no_names_and_say_so() {
    let setup = Setup::new("Hoster");
    let report = setup.report("a", "192.0.2.1");
    for store in ["--ndjson=-", "--opensearch=http://127.0.0.1:1"] {
        let ended = run([Path::new("--reverse-dns"), Path::new(store), &report]);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(78), ""), "{}", ended.log);
        assert!(ended.log.contains("kept in an SQLite store only"), "{}", ended.log);
    }
    let off = ["--reverse-dns=false", "--ndjson=-"].map(Path::new);
    let ended = run(off.into_iter().chain([report.as_path()]));
    assert_eq!((ended.code, ended.stdout.lines().count()), (Some(0), 1), "{}", ended.log);
}

/// A mail server that delivers by a pipe waits for the end.
#[test]
fn a_run_waits_for_names_but_not_long() {
    let setup = Setup::new("Hoster");
    let dns = ReverseDns::start();
    dns.answer("192.0.2.1", Answer::Silence);
    let report = setup.report("a", "192.0.2.1");
    let started = Instant::now();
    let ended = store(&setup, &dns, &[Path::new("-v"), &report]);
    assert!(started.elapsed() < Duration::from_secs(20), "{}", ended.log);
    assert_eq!(names(&setup), [("192.0.2.1".into(), None, Some(0))]);
    // The resolver's own lines are left out.
    assert!(!ended.log.contains("in-addr.arpa"), "{}", ended.log);
}
