//! Another store as the source: an SQLite file, an index of ours, one of the Ruby tool.

mod interrupted;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use super::{Place, text};
use crate::support::{
    corpus::{Corpus, Format, Manifest},
    program::{Ended, program, run_command},
    properties::read_back::ruby,
    server::{OpenSearch, Shared},
    sums::{expected, in_sqlite},
};

/// One node for all tests; each has indices of its own.
static SHARED: Shared<OpenSearch> = Shared::new(|| OpenSearch::launch(&[]));

/// The names of a test's indices.
fn indices(test: &str) -> [String; 3] {
    ["dmarc", "tlsrpt", "failures"].map(|kind| format!("{test}-{kind}"))
}

/// `import` with a state folder of its own.
fn import(place: &Place, arguments: &[&str]) -> Command {
    let mut command = program(["import"]);
    command.args(arguments).env("STATE_DIRECTORY", place.path("state"));
    command
}

/// Flags of an import into indices of a test.
fn into(server: &OpenSearch, test: &str) -> Vec<String> {
    let [dmarc, tlsrpt, failures] = indices(test);
    vec![
        format!("--opensearch={}", server.url),
        format!("--dmarc-index={dmarc}"),
        format!("--tlsrpt-index={tlsrpt}"),
        format!("--failures-index={failures}"),
    ]
}

fn strings(flags: &[String]) -> Vec<&str> {
    flags.iter().map(String::as_str).collect()
}

/// Flags of an import out of indices of a test.
fn out_of(server: &OpenSearch, test: &str) -> Vec<String> {
    server.count(&format!("{test}-*"));
    vec![format!("--from-opensearch={}", server.url), format!("--from-index={test}-*")]
}

fn sqlite(path: &Path) -> Vec<String> {
    vec![format!("--store={}", text(path))]
}

fn run(place: &Place, flags: &[&[String]]) -> Ended {
    run_command(import(place, &strings(&flags.concat())))
}

/// The line with the numbers.
fn line(ended: &Ended) -> &str {
    let found = ended.log.lines().find(|line| line.contains(" out of "));
    found.unwrap_or_else(|| panic!("no summary: {}", ended.log))
}

/// The ids of an SQLite file.
fn ids(store: &Path) -> Vec<String> {
    let connection = rusqlite::Connection::open(store).expect("a store");
    let mut ids = Vec::new();
    for sql in [
        "SELECT hex(r.report_key) || ' ' || d.record || ' ' || coalesce(d.source_ip, '') || d.count \
         FROM dmarc_records d JOIN dmarc_reports r ON r.id = d.report",
        "SELECT hex(r.report_key) || ' ' || p.policy || ' ' || coalesce(p.policy_domain, '') \
         FROM tls_policies p JOIN tls_reports r ON r.id = p.report",
        "SELECT hex(report_key) FROM dmarc_failures",
    ] {
        let mut statement = connection.prepare(sql).expect("a statement");
        let rows = statement.query_map((), |row| row.get::<_, String>(0)).expect("rows");
        ids.extend(rows.map(|row| row.expect("a row")));
    }
    ids.sort();
    ids
}

/// All documents of a test's indices.
fn documents(server: &OpenSearch, test: &str) -> BTreeMap<String, Value> {
    indices(test).iter().flat_map(|index| server.documents(index)).collect()
}

/// Mails in a Maildir, the failure reports of the fixtures among them.
fn mails(place: &Place, corpus: &Corpus) -> (PathBuf, Manifest) {
    let maildir = place.path("Maildir");
    let manifest = corpus.write(Format::Maildir, &maildir, |_| {}).expect("written");
    let fixtures = crate::support::server::tests_folder().join("fixtures/failure");
    for mail in fs::read_dir(fixtures).expect("a folder") {
        let mail = mail.expect("a mail");
        fs::copy(mail.path(), maildir.join("new").join(mail.file_name())).expect("copied");
    }
    (maildir, manifest)
}

/// Says of the mails that nothing in them is new to a store.
fn all_are_there(ended: &Ended) {
    let summary = ended.summary();
    assert!(summary.contains(". Nothing new in "), "{}", ended.log);
}

#[test]
fn a_store_moves_to_a_cluster_and_back_with_the_same_ids() {
    let Some(server) = SHARED.as_ref() else { return };
    let place = Place::new();
    let (maildir, manifest) = mails(&place, &Corpus::new(1500));
    let (first, second) = (place.path("first"), place.path("second"));
    run(&place, &[&sqlite(&first), &[text(&maildir).into()]]);
    assert_eq!(in_sqlite(&first), expected(&manifest));
    let before = fs::read(&first).expect("read");

    let there = run(&place, &[&into(server, "moved"), &[text(&first).into()]]);
    assert_eq!(there.code, Some(0), "{}", there.log);
    assert_eq!(server.count("moved-dmarc"), manifest.dmarc.records);
    assert_eq!(server.count("moved-tlsrpt"), manifest.tls.policies);
    assert_eq!(server.sum("moved-dmarc", "feedback.record.row.count"), manifest.dmarc.count_sum);
    assert!(server.count("moved-failures") > 3);
    let reports = manifest.dmarc.reports + manifest.tls.reports + server.count("moved-failures");
    assert!(line(&there).contains(&format!("{reports} reports (")), "{}", there.log);
    assert_eq!(fs::read(&first).expect("read"), before, "it is only read");
    // As if the mails had brought them.
    run(&place, &[&into(server, "mailed"), &[text(&maildir).into()]]);
    assert_eq!(documents(server, "moved"), documents(server, "mailed"));
    all_are_there(&run(&place, &[&into(server, "moved"), &[text(&maildir).into()]]));

    let back = run(&place, &[&sqlite(&second), &out_of(server, "moved")]);
    assert_eq!(back.code, Some(0), "{}", back.log);
    assert_eq!(in_sqlite(&second), expected(&manifest));
    assert_eq!(ids(&second), ids(&first));
    all_are_there(&run(&place, &[&sqlite(&second), &[text(&maildir).into()]]));
    let third = run(&place, &[&into(server, "third"), &[text(&second).into()]]);
    assert_eq!(third.code, Some(0), "{}", third.log);
    assert_eq!(documents(server, "third"), documents(server, "moved"));

    // Once more, and there is nothing to do; and lines, as a backup.
    let again = run(&place, &[&sqlite(&second), &out_of(server, "moved")]);
    assert!(again.log.contains("all of it was copied by an earlier import"), "{}", again.log);
    let lines = place.path("lines");
    let flags = vec![format!("--ndjson={}", text(&lines))];
    let written = run(&place, &[&flags, &out_of(server, "moved")]);
    assert_eq!(written.code, Some(0), "{}", written.log);
    let text = fs::read_to_string(&lines).expect("lines");
    assert_eq!(text.lines().count(), documents(server, "moved").len());
}

/// Indices as the Ruby tool makes them.
fn ruby_indices(server: &OpenSearch, test: &str) {
    let [dmarc, tlsrpt, _] = indices(test);
    let seconds = json!({ "type": "date", "format": "epoch_second" });
    let time = json!({ "type": "date", "format": "date_time_no_millis" });
    let mapping = json!({ "mappings": { "properties": { "feedback": { "properties": {
        "report_metadata": { "properties": { "date_range": { "properties": { "begin": seconds, "end": seconds } } } },
        "policy_published": { "properties": { "pct": { "type": "integer" } } },
        "record": { "properties": { "row": { "properties": {
            "source_ip": { "type": "ip" }, "count": { "type": "integer" },
        } } } },
    } } } } });
    server.put(&format!("/{dmarc}"), &mapping);
    let mapping = json!({ "mappings": { "properties": { "date-range": { "properties": {
        "start-datetime": time, "end-datetime": time,
    } } } } });
    server.put(&format!("/{tlsrpt}"), &mapping);
}

/// Sends documents without ids.
fn send(server: &OpenSearch, test: &str, documents: impl Iterator<Item = Value>) {
    let documents: Vec<Value> = documents.collect();
    for some in documents.chunks(500) {
        let mut body = String::new();
        for document in some {
            let kind = if document.get("feedback").is_some() { "dmarc" } else { "tlsrpt" };
            let action = json!({ "index": { "_index": format!("{test}-{kind}") } });
            for line in [action.to_string(), document.to_string()] {
                body.push_str(&line);
                body.push('\n');
            }
        }
        let answer = server.bulk(&body);
        assert_eq!(answer["errors"], false, "{answer}");
    }
}

#[test]
fn years_of_the_ruby_tool_are_not_doubled_by_the_mails() {
    let Some(server) = SHARED.as_ref() else { return };
    let place = Place::new();
    let corpus = Corpus { seed: 4, duplicates: 10, ..Corpus::new(800) };
    let maildir = place.path("Maildir");
    let manifest = corpus.write(Format::Maildir, &maildir, |_| {}).expect("written");
    ruby_indices(server, "ruby");
    // The reports that came twice were read twice.
    let all = || corpus.iter().flat_map(|mail| mail.documents()).map(ruby);
    send(server, "ruby", all());
    let count = || server.count("ruby-dmarc") + server.count("ruby-tlsrpt");
    let there = count();
    assert_eq!(there, manifest.documents + manifest.duplicates.documents);

    let store = place.path("store");
    let copied = run(&place, &[&sqlite(&store), &out_of(server, "ruby")]);
    assert_eq!(copied.code, Some(0), "{}", copied.log);
    assert_eq!(in_sqlite(&store), expected(&manifest), "{}", copied.log);
    let left_out = format!("{} documents left out", manifest.duplicates.documents);
    assert!(copied.log.contains(&left_out), "{}", copied.log);
    assert_eq!(count(), there, "it is only read");
    all_are_there(&run(&place, &[&sqlite(&store), &[text(&maildir).into()]]));
    let mailed = place.path("mailed");
    run(&place, &[&sqlite(&mailed), &[text(&maildir).into()]]);
    assert_eq!(ids(&store), ids(&mailed));
}

/// A document as the Ruby tool writes it, with more members in its record.
fn ruby_document(id: &str, more: Value) -> Value {
    let result = |domain: &str, result: &str| json!({ "domain": domain, "result": result });
    let mut document = json!({ "feedback": {
        "report_metadata": {
            "org_name": "example.net", "email": null, "report_id": id,
            "date_range": { "begin": "1700000000", "end": "1700086399" },
        },
        "policy_published": { "domain": "example.org", "p": "None", "pct": "100" },
        "record": {
            "row": { "source_ip": "192.0.2.1", "count": "5", "policy_evaluated": {
                "disposition": "none", "dkim": "pass", "spf": "fail" } },
            "identifiers": { "header_from": "example.org" },
            "auth_results": {
                "dkim": { "0": result("a.example", "pass"), "1": result("b.example", "fail") },
                "spf": [result("c.example", "fail"), result("d.example", "none")],
            },
            "unknown": { "element": "kept" },
        },
    } });
    if let (Some(record), Value::Object(more)) =
        (document["feedback"]["record"].as_object_mut(), more)
    {
        record.extend(more);
    }
    document
}

#[test]
fn what_is_no_report_is_told() {
    let Some(server) = SHARED.as_ref() else { return };
    let place = Place::new();
    ruby_indices(server, "odd");
    let long = "x".repeat(300);
    let policy = json!({ "policy": { "policy-type": "sts" } });
    let documents = [
        ruby_document(&long, json!({})),
        ruby_document(&format!("{long}2"), json!({})),
        ruby_document("good", json!({})),
        ruby_document("without-a-row", json!({ "row": null })),
        json!({ "feedback": { "report_metadata": { "report_id": "no period" } } }),
        json!({ "date-range": { "start-datetime": "2023-11-14T00:00:00Z" }, "policies": policy }),
    ];
    send(server, "odd", documents.into_iter());
    server.put("/odd-dmarc/_doc/note", &json!({ "note": "by hand" }));
    let store = place.path("store");
    let errors = place.path("errors");
    let more = vec![format!("--errors={}", text(&errors))];
    let copied = run(&place, &[&sqlite(&store), &out_of(server, "odd"), &more]);
    assert_eq!(copied.code, Some(65), "{}", copied.log);
    assert_eq!(in_sqlite(&store)[..3], [3, 3, 15], "{}", copied.log);
    for told in ["3 documents can't be read as a report", "1 document of another kind"] {
        assert!(copied.log.contains(told), "{}", copied.log);
    }
    assert_eq!(fs::read_to_string(&errors).expect("written").lines().count(), 3);
    let connection = rusqlite::Connection::open(&store).expect("a store");
    let first_two = |table: &str| {
        let sql = format!("SELECT domain FROM {table} ORDER BY report, record, n");
        let mut statement = connection.prepare(&sql).expect("a statement");
        let rows = statement.query_map((), |row| row.get::<_, String>(0)).expect("rows");
        rows.map(|row| row.expect("a row")).take(2).collect::<Vec<_>>()
    };
    assert_eq!(first_two("dmarc_dkim_results"), ["a.example", "b.example"]);
    assert_eq!(first_two("dmarc_spf_results"), ["c.example", "d.example"]);
}

#[test]
fn an_index_that_has_no_order_or_is_missing_is_refused() {
    let Some(server) = SHARED.as_ref() else { return };
    let place = Place::new();
    let range = json!({ "properties": { "begin": { "type": "text" } } });
    let metadata = json!({ "properties": { "date_range": range } });
    let feedback = json!({ "properties": { "report_metadata": metadata } });
    let mapping = json!({ "mappings": { "properties": { "feedback": feedback } } });
    server.put("/text-dmarc", &mapping);
    for (index, reason) in
        [("text-dmarc", "is of type text, and not a date"), ("nowhere", "no such index [nowhere]")]
    {
        let from = [format!("--from-opensearch={}", server.url), format!("--from-index={index}")];
        let refused = run(&place, &[&sqlite(&place.path("store")), &from]);
        assert_eq!(refused.code, Some(78), "{}", refused.log);
        assert!(refused.log.contains(reason), "{}", refused.log);
    }
}

#[test]
fn no_store_is_copied_into_itself() {
    let Some(server) = SHARED.as_ref() else { return };
    let place = Place::new();
    let (maildir, _) = mails(&place, &Corpus::new(20));
    let store = place.path("store");
    run(&place, &[&sqlite(&store), &[text(&maildir).into()]]);
    run(&place, &[&into(server, "self"), &[text(&maildir).into()]]);
    let link = place.path("link");
    std::os::unix::fs::symlink(&store, &link).expect("a link");
    let lines = vec![format!("--ndjson={}", text(&store))];
    let alias = json!({ "actions": [{ "add": { "index": "self-dmarc", "alias": "self-alias" } }] });
    server.request("POST", "/_aliases", Some(&alias));
    let by_alias = vec![
        format!("--from-opensearch={}", server.url.replace("127.0.0.1", "localhost")),
        "--from-index=self-alias".into(),
    ];
    for flags in [
        [sqlite(&store), vec![text(&store).into()]],
        [sqlite(&link), vec![text(&store).into()]],
        [lines, vec![text(&store).into()]],
        [into(server, "self"), out_of(server, "self")],
        [into(server, "self"), by_alias],
        // It would be, from the second time on.
        [into(server, "self-later"), out_of(server, "self")],
    ] {
        let ended = run(&place, &[&flags[0], &flags[1]]);
        assert_eq!(ended.code, Some(64), "{flags:?}: {}", ended.log);
        assert!(ended.log.contains("can't be copied into itself"), "{}", ended.log);
    }
    // Other indices of the same cluster are another store.
    let other = run(&place, &[&into(server, "other"), &out_of(server, "self")]);
    assert_eq!(other.code, Some(0), "{}", other.log);
    assert_eq!(documents(server, "other"), documents(server, "self"));

    // What has another name there is not passed over without a word.
    let mut flags = into(server, "self").split_off(1);
    flags[0] = "--dmarc-index=self-elsewhere".into();
    flags.push(format!("--from-opensearch={}", server.url));
    let ended = run(&place, &[&sqlite(&place.path("part")), &flags]);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert!(ended.log.contains("there is no index self-elsewhere to be copied"), "{}", ended.log);
    assert!(!ended.log.contains("no index self-tlsrpt"), "{}", ended.log);

    for flags in [["--settle"], ["--recursive"]] {
        let flags = flags.map(str::to_owned);
        let ended = run(&place, &[&sqlite(&place.path("x")), &[text(&store).into()], &flags]);
        assert_eq!(ended.code, Some(64), "{}", ended.log);
    }
    let two = [text(&store).to_owned(), text(&maildir).to_owned()];
    assert_eq!(run(&place, &[&sqlite(&place.path("x")), &two]).code, Some(64));
}
