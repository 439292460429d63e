//! Out of OpenSearch comes what comes out of an SQLite file.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::{table, values};
use crate::support::{
    corpus::{Corpus, Format, Manifest},
    mmdb::database,
    program::{Ended, run},
    server::{OpenSearch, Shared, tests_folder},
};

/// One node for all tests; each has indices of its own.
static SHARED: Shared<OpenSearch> = Shared::new(|| OpenSearch::launch(&[]));

/// Flags of the indices of a test.
fn cluster(server: &OpenSearch, test: &str) -> Vec<String> {
    let index = |flag, kind| format!("--{flag}-index={test}-{kind}");
    vec![
        format!("--opensearch={}", server.url),
        index("dmarc", "dmarc"),
        index("tlsrpt", "tlsrpt"),
        index("failures", "failures"),
    ]
}

fn command(name: &str, store: &[String], more: &[&str]) -> Ended {
    run([name].into_iter().chain(store.iter().map(String::as_str)).chain(more.iter().copied()))
}

/// What an export that ends well writes.
fn export(store: &[String], more: &[&str]) -> String {
    let ended = command("export", store, more);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    ended.stdout
}

/// What both stores export is the same, and there is some of it.
fn same(stores: [&[String]; 2], more: &[&str]) -> [String; 2] {
    let both = stores.map(|store| export(store, more));
    let lines = both.each_ref().map(|text| {
        let mut lines: Vec<&str> = text.lines().collect();
        lines.sort_unstable();
        lines
    });
    assert!(lines[0].len() > 1, "{more:?}");
    let [sqlite, opensearch] = &lines;
    let only = |these: &[&str], those: &[&str]| {
        these
            .iter()
            .filter(|line| those.binary_search(line).is_err())
            .copied()
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert!(
        sqlite == opensearch,
        "{more:?}, {} and {} lines\nonly of SQLite:\n{}\nonly of OpenSearch:\n{}",
        sqlite.len(),
        opensearch.len(),
        only(sqlite, opensearch),
        only(opensearch, sqlite),
    );
    both
}

/// By what the lines of OpenSearch are ordered: begin and id of the report.
fn order(document: &Value) -> (String, String) {
    let id = match document.get("feedback") {
        Some(feedback) => &feedback["report_metadata"]["report_id"],
        None => &document["report-id"],
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&document["@timestamp"]), text(id))
}

/// Where a Maildir has its new mails.
fn new_mail(maildir: &str, name: impl AsRef<Path>) -> PathBuf {
    Path::new(maildir).join("new").join(name)
}

/// Mails of a corpus, some of them twice, and the failure reports of the fixtures.
fn mails(maildir: &str) -> Manifest {
    // Some reports are longer than what is handed out at once.
    let corpus = Corpus { huge: 2, huge_records: 2500, seed: 11, ..Corpus::new(600) };
    let manifest = corpus.write(Format::Maildir, Path::new(maildir), |_| {}).expect("written");
    // Some come twice, byte for byte: which of two that differ is stored is a race.
    for n in 0..20 {
        let there = new_mail(maildir, format!("again.{n}.mx.example.org"));
        fs::write(there, corpus.mail(n).bytes).expect("written");
    }
    for mail in fs::read_dir(tests_folder().join("fixtures/failure")).expect("a folder") {
        let mail = mail.expect("a mail");
        fs::copy(mail.path(), new_mail(maildir, mail.file_name())).expect("copied");
    }
    manifest
}

/// Lines of OpenSearch: more than of the corpus, with what databases tell, in order.
fn check_lines(lines: &str, manifest: &Manifest) {
    let documents = values(lines);
    assert!(documents.len() as u64 > manifest.documents, "failure reports, too");
    assert!(documents.iter().any(|one| one["source"]["country"] == "DE"));
    for kind in ["feedback", "policies"] {
        let keys: Vec<_> =
            documents.iter().filter(|one| one.get(kind).is_some()).map(order).collect();
        assert!(keys.is_sorted() && keys.len() > 50, "{kind}");
    }
}

/// A table of OpenSearch: each record once, and owners name senders.
fn check_table(rows: &[BTreeMap<String, String>], manifest: &Manifest) {
    assert_eq!(rows.len() as u64, manifest.dmarc.records);
    let ids: BTreeSet<&String> = rows.iter().map(|row| &row["id"]).collect();
    assert_eq!(ids.len(), rows.len(), "ids are unique");
    assert!(rows.iter().any(|row| row["sender"].ends_with("ster")), "owners name senders");
}

#[test]
fn it_is_the_same_as_out_of_sqlite() {
    let Some(server) = SHARED.as_ref() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let maildir = path("Maildir");
    let manifest = mails(&maildir);
    let networks = json!({ "asn": "AS64496", "as_name": "Ho\u{202e}ster", "country_code": "DE" });
    fs::write(path("networks.mmdb"), database(&[("128.0.0.0/1", networks)])).expect("written");
    let sqlite = vec![format!("--store={}", path("store"))];
    let opensearch = cluster(server, "same");
    let networks = format!("--ip-database={}", path("networks.mmdb"));
    for store in [&sqlite, &opensearch] {
        let ended = command("import", store, &[&networks, "--fresh", &maildir]);
        assert!(matches!(ended.code, Some(0 | 65)), "{}", ended.log);
    }
    server.count("same-*");

    let stores = [sqlite.as_slice(), &opensearch];
    let [_, all] = same(stores, &[]);
    check_lines(&all, &manifest);
    assert_eq!(export(&opensearch, &[]), all, "the order stays");

    let [_, csv] = same(stores, &["--format=csv"]);
    let rows = table(&csv);
    check_table(&rows, &manifest);
    for more in [
        &["--format=csv", "--kind=tls"][..],
        &["--format=csv", "--kind=failure"],
        &["--kind=tls", "--since=2026-09-10", "--until=2026-09-19"],
        &["--since=2026-09-10"],
        &["--until=2026-09-19"],
        &["--kind=failure", "--until=2026-01-01"],
        &["--only=failing", "--disposition=none", "--except=source=10.0.0.0/8"],
    ] {
        same(stores, more);
    }
    let domain = &rows[0]["domain"];
    same(stores, &["--domain", domain]);
    assert_eq!(export(&opensearch, &["--domain", "nowhere.example"]), "");
    let file = path("all.ndjson");
    let ended = command("export", &opensearch, &["-o", &file]);
    assert_eq!(fs::read_to_string(&file).expect("a file"), all, "{}", ended.log);
    // All but how long it took.
    let counted = |log: &str| {
        let (_, numbers) = log.split_once("exported ").expect("the numbers");
        numbers.rsplit_once(", ").expect("the time").0.to_owned()
    };
    let of_file = command("export", &sqlite, &["-o", &file]);
    assert_eq!(counted(&ended.log), counted(&of_file.log));
}

/// As the node would make it by itself, so that anything goes in.
fn any_mapping() -> Value {
    let anything = json!({ "type": "object", "enabled": false });
    json!({ "mappings": { "properties": {
        "feedback": { "properties": { "report_metadata": { "properties": {
            "date_range": { "properties": {
                "begin": { "type": "date", "format": "epoch_second" },
            } },
        } } } },
        "ip2geo": anything, "source": anything, "received": anything,
    } } })
}

fn report(id: &str) -> Value {
    json!({ "feedback": {
        "report_metadata": { "org_name": "example.net", "report_id": id,
            "date_range": { "begin": "1700000000", "end": "1700086399" } },
        "policy_published": { "domain": "example.org", "p": "none" },
        "record": {
            "row": { "source_ip": "192.0.2.1", "count": "5", "policy_evaluated": {
                "disposition": "none", "dkim": "pass", "spf": "fail" } },
            "identifiers": { "header_from": "example.org" },
        },
    } })
}

/// A report that has something else at one place.
fn changed(id: &str, pointer: &str, value: Value) -> Value {
    let mut document = report(id);
    let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
    document.pointer_mut(parent).expect(parent)[name] = value;
    document
}

/// Documents with values of any kind; of the last three no report can be made.
fn odd_documents() -> [Value; 11] {
    let record = report("good")["feedback"]["record"].take();
    let nested = (0..15).fold(json!("deep"), |nested, _| json!({ "a": [nested] }));
    let identifiers = "/feedback/record/identifiers";
    let count = "/feedback/record/row/count";
    let mut wrong_facts = changed("wrong facts", "/ip2geo", json!([1]));
    wrong_facts["source"] = json!("\u{1b}[2J");
    let mail = json!({ "message_id": 5, "at": [], "authenticated": "x" });
    [
        report("good"),
        wrong_facts,
        changed("odd facts", "/ip2geo", json!({ "asn": "x", "network": { "a": 1 } })),
        changed("mail", "/received", mail),
        changed("many", count, json!("99999999999999999999999")),
        changed("negative", count, json!("-1")),
        changed("long", &format!("{identifiers}/header_from"), "x".repeat(9_000_000).into()),
        changed("nested", &format!("{identifiers}/envelope_to"), nested),
        changed("no record", "/feedback/record", json!([])),
        changed("two", "/feedback/record", json!([record, record])),
        changed("\u{1b}[31mred", "/feedback/report_metadata", json!({})),
    ]
}

#[test]
fn what_is_no_report_is_told_and_the_rest_comes_out() {
    let Some(server) = SHARED.as_ref() else { return };
    let store = cluster(server, "odd");
    let missing = command("export", &store, &[]);
    assert_eq!(missing.code, Some(78), "{}", missing.log);
    assert!(missing.log.contains("there is no index odd-dmarc,odd-tlsrpt"), "{}", missing.log);

    server.put("/odd-dmarc", &any_mapping());
    let documents = odd_documents();
    server.store("odd-dmarc", documents.clone());
    // Two records under an id of one, as only a stranger would write it.
    let id = format!("{}-{}", "0".repeat(32), "0".repeat(16));
    let record = report("good")["feedback"]["record"].take();
    let forged = changed("forged", "/feedback/record", json!([record, record]));
    server.put(&format!("/odd-dmarc/_doc/{id}"), &forged);
    let all = documents.len() + 1;
    assert_eq!(server.count("odd-dmarc"), all as u64);
    let ended = command("export", &store, &[]);
    assert_eq!(ended.code, Some(65), "{}", ended.log);
    let told = ended.log.lines().filter(|line| line.contains(" of odd-dmarc: ")).count();
    assert!(told >= 4, "{}", ended.log);
    assert!(ended.log.contains(&format!("{told} documents can't be read as a report")));
    assert!(!ended.log.contains('\u{1b}') && !ended.stdout.contains('\u{1b}'));
    let lines = values(&ended.stdout);
    assert_eq!(lines.len() + told, all, "{}", ended.log);
    let ids: Vec<&str> = lines
        .iter()
        .filter_map(|line| line["feedback"]["report_metadata"]["report_id"].as_str())
        .collect();
    assert!(["good", "wrong facts", "odd facts", "mail"].iter().all(|id| ids.contains(id)));
    // CSV is just as harmless, and the same reports are in it.
    let csv = command("export", &store, &["--format=csv"]);
    assert_eq!((csv.code, table(&csv.stdout).len()), (Some(65), lines.len()), "{}", csv.log);
}

#[test]
fn a_node_that_is_not_there_is_told() {
    let store = vec!["--opensearch=http://127.0.0.1:1".to_owned()];
    let ended = command("export", &store, &[]);
    assert_eq!(ended.code, Some(75), "{}", ended.log);
    assert!(ended.log.contains("can't read dmarc-reports,tlsrpt-reports"), "{}", ended.log);
    let ended = run(["export", "--ndjson=/nonexistent"]);
    assert_eq!(ended.code, Some(64), "{}", ended.log);
}
