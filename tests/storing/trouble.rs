//! A real OpenSearch of which one index is in trouble: its mails wait, and nothing else does.

use std::{thread, time::Duration};

use crate::support::{
    corpus::{Content, Corpus},
    program::{Ended, Running, TestMaildir, run, wait_for_all, wait_until},
    server::{OpenSearch, Shared},
};
use serde_json::{Value, json};

static SHARED: Shared<OpenSearch> = Shared::new(|| OpenSearch::launch(&[]));

/// Arguments of a mode with indices named after the test.
fn arguments(
    mode: &str,
    url: &str,
    test: &str,
    maildir: &TestMaildir,
    further: &[&str],
) -> Vec<String> {
    let indices = [format!("--dmarc-index={test}-dmarc"), format!("--tlsrpt-index={test}-tlsrpt")];
    let further = further.iter().map(|argument| (*argument).to_owned());
    let path = maildir.path().to_str().expect("UTF-8").to_owned();
    [mode, "--opensearch", url]
        .map(str::to_owned)
        .into_iter()
        .chain(indices)
        .chain(further)
        .chain([path])
        .collect()
}

fn block(server: &OpenSearch, index: &str, block: &str, is_on: bool) {
    let on = if is_on { json!(true) } else { Value::Null };
    server.put(&format!("/{index}/_settings"), &json!({ block: on }));
}

/// A Maildir with DMARC mails, as many as asked for or fewer.
fn dmarc_mails(mails: usize) -> (TestMaildir, u64) {
    let maildir = TestMaildir::new();
    let corpus = Corpus::new(mails);
    maildir.deliver_all(corpus.iter().filter(|mail| matches!(mail.content, Content::Dmarc(_))));
    (maildir, corpus.manifest().dmarc.records)
}

#[test]
fn an_index_in_trouble_holds_up_its_own_mails_only() {
    let Some(server) = SHARED.as_ref() else { return };
    let corpus = Corpus::new(400);
    let maildir = TestMaildir::new();
    maildir.deliver_all(corpus.iter());
    let of_tls = corpus.iter().filter(|mail| matches!(mail.content, Content::Tls(_))).count();
    server.put("/own-tlsrpt", &json!({}));
    block(server, "own-tlsrpt", "index.blocks.write", true);
    let mut running =
        Running::start(arguments("once", &server.url, "own", &maildir, &["--give-up-after=2m"]));
    wait_until("all others", Duration::from_mins(1), || maildir.count("new") <= of_tls);
    running.wait_for_log("part of the store unavailable");
    assert!(running.is_running());
    assert_eq!(server.count("own-dmarc"), corpus.manifest().dmarc.records);
    block(server, "own-tlsrpt", "index.blocks.write", false);
    assert_eq!((running.wait(), maildir.count("new")), (Some(0), 0), "{}", running.log());
    assert_eq!(server.count("own-tlsrpt"), corpus.manifest().tls.policies);
    let log = running.log();
    let lines = |text: &str| log.lines().filter(|line| line.contains(text)).count();
    assert_eq!(
        (lines("part of the store unavailable"), lines("part of the store available again")),
        (1, 1),
        "{log}"
    );
}

/// Large mails are read one at a time: one that waits for its index holds up none for another
/// index.
#[test]
fn a_large_mail_that_waits_aside_holds_up_no_other() {
    let Some(server) = SHARED.as_ref() else { return };
    let corpus = Corpus::new(60);
    let large = |is_wanted: fn(&Content) -> bool| {
        let mut mail =
            corpus.iter().find(|mail| is_wanted(&mail.content)).expect("one of each kind");
        // Empty lines at the end mean nothing.
        mail.bytes.extend(b"\n".repeat(1 << 20));
        mail
    };
    let of_tls = large(|content| matches!(content, Content::Tls(_)));
    let of_dmarc = large(|content| matches!(content, Content::Dmarc(_)));
    server.put("/large-tlsrpt", &json!({}));
    block(server, "large-tlsrpt", "index.blocks.write", true);
    let maildir = TestMaildir::new();
    let running = Running::start(arguments("watch", &server.url, "large", &maildir, &[]));
    running.wait_for_log("watching");
    maildir.deliver(&of_tls.name, &of_tls.bytes);
    running.wait_for_log("part of the store unavailable");
    maildir.deliver(&of_dmarc.name, &of_dmarc.bytes);
    wait_until("the other", Duration::from_secs(30), || maildir.count("cur") == 1);
    assert_eq!(maildir.names("new"), [of_tls.name]);
    block(server, "large-tlsrpt", "index.blocks.write", false);
    wait_until("the first", Duration::from_secs(30), || maildir.count("new") == 0);
}

/// More is delivered than may wait aside: what was left is taken up again.
#[test]
fn a_block_of_four_seconds_costs_nothing() {
    let Some(server) = SHARED.as_ref() else { return };
    let (maildir, records) = dmarc_mails(800);
    server.put("/four-dmarc", &json!({}));
    let flood = "index.blocks.read_only_allow_delete";
    block(server, "four-dmarc", flood, true);
    let more = ["-v", "--give-up-after=5m", "--bulk-bytes=64KiB"];
    let mut running = Running::start(arguments("once", &server.url, "four", &maildir, &more));
    running.wait_for_log("are left until it is back");
    thread::sleep(Duration::from_secs(4));
    assert!(running.is_running(), "{}", running.log());
    block(server, "four-dmarc", flood, false);
    assert_eq!((running.wait(), maildir.count("new")), (Some(0), 0), "{}", running.log());
    assert!(running.log().contains("taken up again"), "{}", running.log());
    assert_eq!(server.count("four-dmarc"), records);
}

#[test]
fn a_watcher_takes_up_what_it_left_once_the_index_is_back() {
    let Some(server) = SHARED.as_ref() else { return };
    let (maildir, records) = dmarc_mails(800);
    server.put("/back-dmarc", &json!({}));
    block(server, "back-dmarc", "index.blocks.write", true);
    let running = Running::start(arguments(
        "watch",
        &server.url,
        "back",
        &maildir,
        &["-v", "--bulk-bytes=64KiB"],
    ));
    running.wait_for_log("are left until it is back");
    block(server, "back-dmarc", "index.blocks.write", false);
    wait_for_all(&maildir, Duration::from_secs(30));
    assert_eq!(server.count("back-dmarc"), records);
}

/// `setup` makes the index `NAME-dmarc`, or what is in its place.
fn store_in_trouble(server: &OpenSearch, name: &str, more: &[&str]) -> (Ended, TestMaildir, usize) {
    let (maildir, _) = dmarc_mails(10);
    let delivered = maildir.count("new");
    assert!(delivered > 0);
    let more: Vec<_> = more.iter().copied().chain(["--give-up-after=1s"]).collect();
    (run(arguments("once", &server.url, name, &maildir, &more)), maildir, delivered)
}

fn waits(server: &OpenSearch, name: &str) {
    let (ended, maildir, delivered) = store_in_trouble(server, name, &[]);
    assert_eq!((ended.code, maildir.count("new")), (Some(75), delivered), "{name}: {}", ended.log);
    assert_eq!(maildir.count(".failed/new"), 0, "{name}: {}", ended.log);
}

fn fails(server: &OpenSearch, name: &str, more: &[&str]) {
    let (ended, maildir, delivered) = store_in_trouble(server, name, more);
    assert_eq!(
        (ended.code, maildir.count(".failed/new")),
        (Some(0), delivered),
        "{name}: {}",
        ended.log
    );
}

#[test]
fn what_is_the_matter_of_an_index_waits() {
    let Some(server) = SHARED.as_ref() else { return };
    let aliases =
        ["a", "b"].map(|index| json!({ "add": { "index": index, "alias": "alias-dmarc" } }));
    ["a", "b"].iter().for_each(|index| drop(server.put(&format!("/{index}"), &json!({}))));
    server.request("POST", "/_aliases", Some(&json!({ "actions": aliases })));
    waits(server, "alias");

    server.put("/closed-dmarc", &json!({}));
    server.request("POST", "/closed-dmarc/_close", None);
    waits(server, "closed");

    for (name, limit, value) in [("fields", "total_fields", 3), ("depth", "depth", 1)] {
        let limit = format!("index.mapping.{limit}.limit");
        // Made without the template's mappings, which would be beyond the limit.
        let template = json!({ "index_patterns": [format!("{name}-dmarc")], "priority": 900 });
        server.put(&format!("/_index_template/{name}"), &template);
        server.put(&format!("/{name}-dmarc"), &json!({ "settings": { limit: value } }));
        waits(server, name);
    }
    for (name, setting) in
        [("readonly", "read_only"), ("flood", "read_only_allow_delete"), ("write", "write")]
    {
        server.put(&format!("/{name}-dmarc"), &json!({}));
        block(server, &format!("{name}-dmarc"), &format!("index.blocks.{setting}"), true);
        waits(server, name);
    }
    let missing = json!({ "settings": { "index.default_pipeline": "nowhere" } });
    server.put("/nopipe-dmarc", &missing);
    waits(server, "nopipe");
    let (name, nested) =
        ("nested", json!({ "processors": [{ "pipeline": { "name": "nowhere" } }] }));
    server.put(&format!("/_ingest/pipeline/{name}"), &nested);
    server.put("/nested-dmarc", &json!({ "settings": { "index.default_pipeline": name } }));
    waits(server, name);
}

/// Settings of the whole cluster, so it has one of its own.
#[test]
fn an_index_that_can_not_be_made_waits() {
    let Some(server) = OpenSearch::start(&[]) else { return };
    server.put("/there", &json!({}));
    let set = |name: &str, value| {
        server.put("/_cluster/settings", &json!({ "persistent": { name: value } }));
    };
    set("cluster.max_shards_per_node", json!(1));
    waits(&server, "shards");
    set("cluster.max_shards_per_node", json!(null));

    // It is made by a request of its own, which this does not forbid.
    set("action.auto_create_index", json!("false"));
    let (ended, maildir, _) = store_in_trouble(&server, "auto", &[]);
    assert_eq!((ended.code, maildir.count("new")), (Some(0), 0), "{}", ended.log);

    // A template that contradicts ours.
    let mappings = json!({ "properties": { "feedback": { "type": "ip" } } });
    let template = json!({ "index_patterns": ["type-dmarc"], "priority": 900, "template": { "mappings": mappings } });
    server.put("/_index_template/type", &template);
    waits(&server, "type");
}

#[test]
fn what_is_the_matter_of_a_document_fails_its_mail() {
    let Some(server) = SHARED.as_ref() else { return };
    server.put("/strict-dmarc", &json!({ "mappings": { "dynamic": "strict" } }));
    fails(server, "strict", &[]);
    let mappings = json!({ "properties": { "feedback": { "type": "ip" } } });
    server.put("/type-dmarc", &json!({ "mappings": mappings }));
    fails(server, "type", &[]);
    let processors = [
        ("fail", json!({ "fail": { "message": "not this" } })),
        ("convert", json!({ "convert": { "field": "nowhere", "type": "integer" } })),
        (
            "date",
            json!({ "date": { "field": "feedback.report_metadata.report_id", "formats": ["yyyy"] } }),
        ),
        ("script", json!({ "script": { "source": "ctx.dmarc.pass.b = 1" } })),
    ];
    for (name, processor) in processors {
        server.put(&format!("/_ingest/pipeline/{name}"), &json!({ "processors": [processor] }));
        fails(server, name, &[&format!("--dmarc-pipeline={name}")]);
    }
}

#[test]
fn junk_does_not_move_while_the_store_is_away() {
    let Some(server) = OpenSearch::start(&[]) else { return };
    let (maildir, _) = dmarc_mails(10);
    let running = Running::start(arguments("watch", &server.url, "junk", &maildir, &[]));
    wait_until("the first mails", Duration::from_secs(30), || maildir.count("new") == 0);
    server.kill();
    thread::sleep(Duration::from_secs(2));
    maildir.deliver("1.junk", b"Subject: lunch\n\nAt noon?\n");
    running.wait_for_log("store unavailable");
    assert_eq!((maildir.count("new"), maildir.count(".failed/new")), (1, 0), "{}", running.log());
}

#[test]
fn settings_of_an_administrators_template_are_kept_and_named() {
    let Some(server) = SHARED.as_ref() else { return };
    let settings = json!({ "number_of_shards": 3, "number_of_replicas": 0 });
    let theirs = json!({ "index_patterns": ["admin-*"], "priority": 50, "template": { "settings": settings } });
    server.put("/_index_template/house-rules", &theirs);
    let (maildir, _) = dmarc_mails(10);
    let ended = run(arguments("once", &server.url, "admin", &maildir, &[]));
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert!(ended.log.contains("house-rules"), "{}", ended.log);
    let index = &server.get("/admin-dmarc/_settings")["admin-dmarc"]["settings"]["index"];
    assert_eq!(
        (&index["number_of_shards"], &index["number_of_replicas"]),
        (&json!("3"), &json!("0")),
        "{index}"
    );
    let (again, _) = dmarc_mails(5);
    let ended = run(arguments("once", &server.url, "admin", &again, &[]));
    assert!(!ended.log.contains("template"), "{}", ended.log);
}
