//! The answers of OpenSearch are those of SQLite, and the sums over what was put in.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, TcpListener},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use email_report_processor::{
    answers::{Answers, By, Choice, Filter},
    document::Documents,
    message::Received,
    opensearch::ClusterAnswers,
    report::{Kind, Report, Text},
    sink::opensearch::config::{IndexName, OnTrouble, OpenSearchConfig, Target},
    sqlite::query::Reader,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{SHARED, once};
use crate::support::{
    answers::{Naive, compare, name_of, reports},
    corpus::Corpus,
    program::{TestMaildir, run},
    rng::Rng,
    server::OpenSearch,
};

fn cluster(url: &str, [dmarc, tlsrpt, failures]: [&str; 3]) -> ClusterAnswers {
    let target = |index: &str| Target {
        index: IndexName::new(index.into()).expect("a name"),
        pipeline: None,
    };
    let config = OpenSearchConfig {
        nodes: vec![url.to_owned()],
        auth: None,
        ca_file: None,
        client: None,
        insecure: false,
        dmarc: target(dmarc),
        tlsrpt: target(tlsrpt),
        failures: target(failures),
        bulk_bytes: 1 << 20,
        in_flight: 1,
        gzip: false,
        import: None,
        shards: None,
        replicas: None,
        patience: None,
        on_trouble: OnTrouble::Wait,
    };
    ClusterAnswers::new(config).expect("a client")
}

/// What OpenSearch can tell: numbers that it can add up, IPv4 apart from IPv6, one spelling a
/// report, no results without any word.
fn modest(report: Report) -> Option<Report> {
    let Report::Aggregate(mut dmarc) = report else { return None };
    for record in &mut dmarc.records {
        record.row.count = record.row.count.min(1 << 40);
        record.auth_results.spf.retain(|one| one.domain.is_some() || one.result.is_some());
        record.auth_results.dkim.retain(|one| one.domain.is_some() || one.result.is_some());
        record.row.source_ip = record.row.source_ip.map(|address| address.to_canonical());
    }
    let lower = |text: &mut Option<Text>| {
        if let Some(text) = text {
            *text = str::to_ascii_lowercase(text).into();
        }
    };
    lower(&mut dmarc.metadata.org_name);
    lower(&mut dmarc.policy_published.domain);
    // Who reports is told by it where there is no name.
    dmarc.metadata.email = None;
    (!dmarc.records.is_empty()).then_some(Report::Aggregate(dmarc))
}

/// Documents, each with `_id`, in one request.
fn put(server: &OpenSearch, index: &str, reports: &[Report]) {
    let mut lines = Vec::new();
    for report in reports {
        let documents = Documents::new(report, &Received::default());
        for n in 0..documents.len() {
            let mut id = Vec::new();
            documents.write_id(n, &mut id);
            let id = String::from_utf8(id).expect("UTF-8");
            lines.extend_from_slice(
                json!({ "create": { "_index": index, "_id": id } }).to_string().as_bytes(),
            );
            lines.push(b'\n');
            documents.write_source(n, &mut lines);
            lines.push(b'\n');
        }
    }
    let answer = server.bulk(std::str::from_utf8(&lines).expect("UTF-8"));
    let is_fine =
        |item: &Value| [200, 201, 409].map(Value::from).contains(&item["create"]["status"]);
    assert!(answer["items"].as_array().expect("items").iter().all(is_fine), "{answer}");
}

#[test]
fn answers_are_the_sums_over_the_documents() {
    let Some(server) = SHARED.as_ref() else { return };
    // For the index template.
    let maildir = TestMaildir::new();
    maildir.deliver_all(Corpus::new(10).iter());
    assert_eq!(run(once(&server.url, "sums", &maildir, &[])).code, Some(0));

    for seed in 0..3 {
        let index = format!("sums-dmarc-{seed}");
        let mut naive = Naive::default();
        let all: Vec<Report> =
            reports(&mut Rng::new(seed, 1), 60).into_iter().filter_map(modest).collect();
        all.iter().for_each(|report| naive.add(report));
        put(server, &index, &all);
        let cluster = cluster(&server.url, [&index, "sums-none", "sums-none"]);
        compare(&naive, &cluster, 25, seed);

        let Some(Report::Aggregate(first)) = all.first() else { unreachable!() };
        let name = name_of(first);
        let found = cluster.report(&name, 1000).expect("documents");
        assert!(found.len() >= first.records.len());
    }
}

#[test]
fn nothing_is_told_of_indices_that_are_not_there() {
    let Some(server) = SHARED.as_ref() else { return };
    let overview = cluster(&server.url, ["no-dmarc", "no-tls", "no-failures"])
        .overview(&Filter::default(), 10)
        .expect("an answer");
    assert!(overview.is_empty() && overview.newest_of_all.is_none());
}

/// Where two values differ first, and how.
fn difference(one: &Value, other: &Value) -> Option<String> {
    let pairs: Vec<(String, &Value, &Value)> = match (one, other) {
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            one.iter().zip(other).enumerate().map(|(n, (a, b))| (n.to_string(), a, b)).collect()
        }
        (Value::Object(one), Value::Object(other)) if one.len() == other.len() => {
            one.iter().map(|(name, a)| (name.clone(), a, &other[name])).collect()
        }
        _ if one == other => return None,
        _ => return Some(format!(" {one} instead of {other}")),
    };
    pairs.into_iter().find_map(|(name, a, b)| Some(format!("/{name}{}", difference(a, b)?)))
}

/// The corpus in an SQLite file and in indices of its own.
struct BothStores {
    corpus: Corpus,
    folder: TempDir,
}

impl BothStores {
    fn fill(server: &OpenSearch, name: &str) -> BothStores {
        let stores = BothStores {
            corpus: Corpus::new(1500),
            folder: tempfile::tempdir().expect("a folder"),
        };
        let maildir = TestMaildir::new();
        maildir.deliver_all(stores.corpus.iter());
        let mails = maildir.path().to_str().expect("UTF-8");
        let ended = run(["import", "--fresh", "--store", &stores.file(), mails]);
        assert_eq!(ended.code, Some(65), "{}", ended.log);
        assert_eq!(run(once(&server.url, name, &maildir, &[])).code, Some(0));
        server.request("POST", &format!("/{name}-*/_refresh"), None);
        stores
    }

    fn file(&self) -> String {
        self.folder.path().join("reports.sqlite").to_str().expect("UTF-8").to_owned()
    }
}

/// What `report --json` writes, without the store's name; apart from it how many sources are left
/// out, which OpenSearch does not count exactly.
fn asked(store: &[&str], more: &[&str]) -> (Value, u64) {
    let arguments = ["report", "--json"].iter().chain(store).chain(more);
    let ended = run(arguments.copied());
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let mut answer: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    answer["store"].take();
    let omitted = answer["dmarc"]["sources_omitted"].take().as_u64().expect("a number");
    (answer, omitted)
}

/// Some in ten thousand may be missing where OpenSearch counts.
fn is_close(found: u64, expected: u64) -> bool {
    found.abs_diff(expected) <= expected / 1000
}

#[test]
fn both_stores_say_the_same_of_the_corpus() {
    let Some(server) = SHARED.as_ref() else { return };
    let stores = BothStores::fill(server, "both");
    check_reports(&stores, server);
    check_answers(&stores, server);
}

fn check_reports(stores: &BothStores, server: &OpenSearch) {
    let file = stores.file();
    let sqlite = ["--store", &file];
    let indices =
        ["--dmarc-index=both-dmarc", "--tlsrpt-index=both-tlsrpt", "--failures-index=both-f"];
    let opensearch = [&["--opensearch", &server.url][..], &indices[..]].concat();
    for more in
        [&["--all-time"][..], &["--since", "2026-09-10", "--until", "2026-09-20", "--top", "3"]]
    {
        let (found, omitted) = asked(&opensearch, more);
        let (expected, expected_omitted) = asked(&sqlite, more);
        assert_eq!(difference(&found, &expected), None, "{more:?}");
        assert!(is_close(omitted, expected_omitted), "{omitted}, {expected_omitted}");
    }
    let manifest = stores.corpus.manifest();
    let (all, _) = asked(&sqlite, &["--all-time"]);
    assert_eq!(all["dmarc"]["reports"], manifest.dmarc.reports);
    assert_eq!(all["dmarc"]["messages"], manifest.dmarc.count_sum);
    assert_eq!(all["tls"]["reports"], manifest.tls.reports);
    assert_eq!(all["tls"]["successful_sessions"], manifest.tls.successful);
}

fn check_answers(stores: &BothStores, server: &OpenSearch) {
    let cluster = cluster(&server.url, ["both-dmarc", "both-tlsrpt", "both-f"]);
    let mut reader = Reader::open(Path::new(&stores.file())).expect("the store");
    let answers = reader.answers().expect("a moment");
    let all = answers.totals(&Filter::default()).expect("sums");
    assert_eq!(all.records, stores.corpus.manifest().dmarc.records);
    let excluded = Filter {
        networks: Choice { only: Vec::new(), not: vec!["192.0.0.0/8".parse().expect("one")] },
        ..Filter::default()
    };
    for filter in [Filter::default(), excluded] {
        for kind in [Kind::Dmarc, Kind::Tls] {
            let expected = answers.reports(kind, &filter, 40).expect("reports");
            assert_eq!(expected.len(), 40);
            let found = cluster.reports(kind, &filter, 40).expect("reports");
            assert_eq!(found, expected, "{kind:?}");
        }
        let of_domain = Filter { domains: Choice::of("example.org".into()), ..filter.clone() };
        let expected = answers.published(&of_domain).expect("policies");
        assert!(!expected.is_empty());
        assert_eq!(cluster.published(&of_domain).expect("policies"), expected);
        for by in By::ALL {
            let mut expected = answers.groups(&filter, by, 15).expect("groups");
            let found = cluster.groups(&filter, by, 15).expect("groups");
            assert!(is_close(found.omitted, expected.omitted));
            expected.omitted = found.omitted;
            assert_eq!(found, expected, "{by:?}");
        }
    }
}

/// Answers these statuses, one a request, and then 200, without any document. Gives the address,
/// and counts the requests.
fn busy(statuses: &'static [u16]) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = BufReader::new(client.expect("a client"));
            let mut length = 0;
            loop {
                let mut line = String::new();
                client.read_line(&mut line).expect("a header");
                if let Some((_, value)) = line.to_lowercase().split_once("content-length:") {
                    length = value.trim().parse().expect("a number");
                }
                if line.trim().is_empty() {
                    break;
                }
            }
            io::copy(&mut client.by_ref().take(length), &mut io::sink()).expect("a body");
            let n = count.fetch_add(1, Ordering::Relaxed);
            let status = statuses.get(n).copied().unwrap_or(200);
            let body = r#"{"aggregations":{},"error":{"reason":"all shards failed","failed_shards":[{"reason":{"reason":"too much at once"}}]}}"#;
            let head = format!("HTTP/1.1 {status} x\r\nContent-Length: {}\r\n", body.len());
            let answer = format!("{head}Connection: close\r\n\r\n{body}");
            let _ = client.get_mut().write_all(answer.as_bytes());
        }
    });
    (url, asked)
}

#[test]
fn a_cluster_that_is_busy_is_asked_again() {
    let (url, asked) = busy(&[429, 429]);
    let totals = cluster(&url, ["a", "b", "c"]).totals(&Filter::default()).expect("an answer");
    assert_eq!((totals.messages.messages, asked.load(Ordering::Relaxed)), (0, 3));

    // Who has no time for that is told so before the time is over, and why.
    let (url, asked) = busy(&[429; 100]);
    let hurried = cluster(&url, ["a", "b", "c"]).until(Instant::now() + Duration::from_secs(3));
    let error = hurried.totals(&Filter::default()).expect_err("no time");
    assert_eq!(error.to_string(), "HTTP status 429: all shards failed: too much at once");
    assert!((1..=4).contains(&asked.load(Ordering::Relaxed)), "{asked:?}");
}
