//! From a Maildir into a real OpenSearch: what must be stored is stored, what can't be is told,
//! nothing is lost.

mod answers;
mod dashboards;
mod dated;
mod days;
mod index;
mod mine;
mod odd;
mod ruby;
mod templates;

use std::{
    fs,
    time::{Duration, Instant},
};

use crate::support::{
    corpus::Corpus,
    program::{Running, TestMaildir, run, run_with_input, wait_until},
    server::{OpenSearch, Shared, tests_folder},
};
use serde_json::json;

/// One node for all tests that need nothing special; each has indices of its own.
static SHARED: Shared<OpenSearch> = Shared::new(|| OpenSearch::launch(&[]));

/// Arguments of `once` into indices named after the test.
fn once(url: &str, test: &str, maildir: &TestMaildir, more: &[&str]) -> Vec<String> {
    let indices = [format!("--dmarc-index={test}-dmarc"), format!("--tlsrpt-index={test}-tlsrpt")];
    let fixed = ["once", "--opensearch", url].map(str::to_owned);
    let more = more.iter().map(|argument| (*argument).to_owned());
    let path = maildir.path().to_str().expect("UTF-8").to_owned();
    fixed.into_iter().chain(indices).chain(more).chain([path]).collect()
}

#[test]
fn every_document_arrives_once_and_unchanged() {
    let Some(server) = SHARED.as_ref() else { return };
    let corpus = Corpus::new(1000);
    let manifest = corpus.manifest();
    let maildir = TestMaildir::new();
    maildir.deliver_all(corpus.iter());

    let first = run(once(&server.url, "all", &maildir, &[]));
    assert_eq!(first.code, Some(0), "{}", first.log);
    let no_reports = usize::try_from(manifest.junk + manifest.broken).expect("small");
    assert!(no_reports > 10);
    assert_eq!((maildir.count("new"), maildir.count(".failed/new")), (0, no_reports));
    assert_eq!(maildir.count("cur"), corpus.len() - no_reports);
    assert!(maildir.names("cur").iter().all(|name| name.ends_with(":2,S")));

    assert_eq!(server.count("all-dmarc"), manifest.dmarc.records);
    assert_eq!(server.count("all-tlsrpt"), manifest.tls.policies);
    assert_eq!(server.sum("all-dmarc", "feedback.record.row.count"), manifest.dmarc.count_sum);
    let successful = "policies.summary.total-successful-session-count";
    assert_eq!(server.sum("all-tlsrpt", successful), manifest.tls.successful);

    let found = ["all-dmarc", "all-tlsrpt"].into_iter().flat_map(|index| server.documents(index));
    let mut found: Vec<String> = found.map(|(_, document)| document.to_string()).collect();
    let mut expected: Vec<String> =
        corpus.iter().flat_map(|mail| mail.documents()).map(|one| one.to_string()).collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);

    maildir.deliver_all(corpus.iter().filter(|mail| !mail.content.is_empty()));
    let second = run(once(&server.url, "all", &maildir, &[]));
    assert_eq!(second.code, Some(0), "{}", second.log);
    assert!(
        second.summary().contains(&format!("all {} rows were there", manifest.documents)),
        "{}",
        second.summary()
    );
    assert_eq!(server.count("all-dmarc") + server.count("all-tlsrpt"), manifest.documents);
    assert_eq!(maildir.count("new"), 0);
    assert!(
        !second.log.contains("template"),
        "the template just installed is taken for another: {}",
        second.log
    );
}

#[test]
fn without_a_store_every_mail_stays() {
    // The port is one that nobody listens on: a node stood there a moment ago.
    let Some(server) = OpenSearch::start(&[]) else { return };
    let url = server.url.clone();
    server.kill();
    let corpus = Corpus::new(300);
    let maildir = TestMaildir::new();
    maildir.deliver_all(corpus.iter());
    let before = maildir.names("new");
    let ended = run(once(&url, "down", &maildir, &["--give-up-after=1s"]));
    assert_eq!(ended.code, Some(75), "{}", ended.log);
    assert_eq!(maildir.names("new"), before);
    assert_eq!((maildir.count("cur"), maildir.count(".failed/new")), (0, 0));

    let mail = corpus.mail(0);
    let piped = run_with_input(["--opensearch", &url, "--give-up-after=1s"], &mail.bytes);
    assert_eq!(piped.code, Some(75), "{}", piped.log);
}

#[test]
fn a_node_killed_in_the_middle_costs_nothing() {
    let data = tempfile::tempdir().expect("a folder");
    let data_flag = data.path().to_str().expect("UTF-8");
    let Some(server) = OpenSearch::start(&["--data", data_flag]) else { return };
    let (url, port) = (server.url.clone(), server.port().to_owned());
    let corpus = Corpus::new(2000);
    let manifest = corpus.manifest();
    let maildir = TestMaildir::new();
    maildir.deliver_all(corpus.iter());

    // Small requests, so that the end comes between them, or within one.
    let more = ["--bulk-bytes=64KiB", "--give-up-after=2m", "-v"];
    let mut running = Running::start(once(&url, "killed", &maildir, &more));
    wait_until("the first mails", Duration::from_secs(30), || maildir.count("cur") > 100);
    server.kill();
    running.wait_for_log("store unavailable");
    let waiting = maildir.count("new");
    assert!(waiting > 0, "it was killed too late to mean anything");

    let server =
        OpenSearch::start(&["--data", data_flag, "--port", &port]).expect("the second time, too");
    assert_eq!(running.wait(), Some(0), "{}", running.log());
    assert!(running.log().contains("store available again"));
    assert_eq!(server.count("killed-dmarc"), manifest.dmarc.records);
    assert_eq!(server.count("killed-tlsrpt"), manifest.tls.policies);
    assert_eq!(server.sum("killed-dmarc", "feedback.record.row.count"), manifest.dmarc.count_sum);
    assert_eq!(maildir.count("new"), 0);
}

#[test]
fn the_program_killed_in_the_middle_costs_nothing() {
    let Some(server) = SHARED.as_ref() else { return };
    let corpus = Corpus { seed: 2, ..Corpus::new(1500) };
    let manifest = corpus.manifest();
    let maildir = TestMaildir::new();
    maildir.deliver_all(corpus.iter());
    let arguments = once(&server.url, "crash", &maildir, &["--bulk-bytes=64KiB"]);
    for kill_at in [10, 300, 600, 900] {
        let running = Running::start(&arguments);
        let gone = || maildir.count("cur") + maildir.count(".failed/new");
        wait_until("some progress", Duration::from_secs(30), || gone() >= kill_at);
        running.signal(rustix::process::Signal::KILL);
        drop(running);
        let all: Vec<_> =
            ["new", "cur", ".failed/new"].iter().flat_map(|folder| maildir.names(folder)).collect();
        let mut unique: Vec<_> = all.iter().map(|name| name.split([',', ':']).next()).collect();
        unique.sort_unstable();
        // A failed mail is delivered before the original goes; only a crash between the two leaves
        // both.
        unique.dedup();
        assert_eq!(unique.len(), corpus.len(), "every mail is somewhere");
    }
    let last = run(&arguments);
    assert_eq!(last.code, Some(0), "{}", last.log);
    assert_eq!(server.count("crash-dmarc"), manifest.dmarc.records);
    assert_eq!(server.count("crash-tlsrpt"), manifest.tls.policies);
    assert_eq!(server.sum("crash-dmarc", "feedback.record.row.count"), manifest.dmarc.count_sum);
    assert_eq!(maildir.count("new"), 0);
    assert_eq!(maildir.count("cur") + maildir.count(".failed/new"), corpus.len());
}

#[test]
fn a_blocked_index_holds_mails_back() {
    let Some(server) = SHARED.as_ref() else { return };
    let corpus = Corpus::new(50);
    let manifest = corpus.manifest();
    for block in ["index.blocks.write", "index.blocks.read_only_allow_delete"] {
        let index = block.rsplit('.').next().expect("a name");
        server.put(&format!("/{index}-dmarc"), &json!({}));
        server.put(&format!("/{index}-dmarc/_settings"), &json!({ block: true }));
        let maildir = TestMaildir::new();
        maildir.deliver_all(
            corpus
                .iter()
                .filter(|mail| matches!(mail.content, crate::support::corpus::Content::Dmarc(_))),
        );
        let delivered = maildir.count("new");
        let blocked = run(once(&server.url, index, &maildir, &["--give-up-after=1s"]));
        assert_eq!((blocked.code, maildir.count("new")), (Some(75), delivered), "{}", blocked.log);

        server.put(&format!("/{index}-dmarc/_settings"), &json!({ block: null }));
        let freed = run(once(&server.url, index, &maildir, &[]));
        assert_eq!((freed.code, maildir.count("new")), (Some(0), 0), "{}", freed.log);
        assert_eq!(server.count(&format!("{index}-dmarc")), manifest.dmarc.records);
    }
}

#[test]
fn a_document_refused_for_good_fails_its_mail_only() {
    let Some(server) = SHARED.as_ref() else { return };
    let fail = json!({ "processors": [{ "fail": {
        "if": "ctx.feedback?.report_metadata?.report_id == 'refuse-me'", "message": "not this one"
    } }] });
    server.put("/_ingest/pipeline/picky", &fail);
    let maildir = TestMaildir::new();
    let corpus = Corpus::new(20);
    maildir.deliver_all(corpus.iter().filter(|mail| !mail.content.is_empty()));
    let delivered = maildir.count("new");
    let report =
        fs::read_to_string(tests_folder().join("fixtures/dmarc/rfc7489.xml")).expect("a fixture");
    let (before, id) = report.split_once("<report_id>").expect("an id");
    let (_, after) = id.split_once("</report_id>").expect("its end");
    let refused = format!("{before}<report_id>refuse-me</report_id>{after}");
    maildir.deliver("refused", refused.as_bytes());
    let ended = run(once(&server.url, "picky", &maildir, &["--dmarc-pipeline=picky"]));
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert_eq!((maildir.count("new"), maildir.count("cur")), (0, delivered));
    let failed = &maildir.names(".failed/new")[0];
    let text = fs::read_to_string(maildir.path().join(".failed/new").join(failed))
        .expect("the failed mail");
    let (header, rest) = text.split_once('\n').expect("two lines");
    assert!(
        header.starts_with("X-Email-Report-Processor-Error: refused by the store: "),
        "{header}"
    );
    assert!(header.contains("not this one"), "{header}");
    assert_eq!(rest, refused);
}

#[test]
fn a_node_that_takes_little_at_once_gets_little_at_once() {
    let Some(server) = OpenSearch::start(&["http.max_content_length=100kb"]) else { return };
    let corpus = Corpus::new(400);
    let manifest = corpus.manifest();
    for (test, more) in [("small", &[][..]), ("packed", &["--gzip"])] {
        let maildir = TestMaildir::new();
        maildir.deliver_all(corpus.iter());
        let ended = run(once(&server.url, test, &maildir, more));
        assert_eq!((ended.code, maildir.count("new")), (Some(0), 0), "{}", ended.log);
        assert_eq!(server.count(&format!("{test}-dmarc")), manifest.dmarc.records);
        assert_eq!(server.count(&format!("{test}-tlsrpt")), manifest.tls.policies);
    }
}

/// A node with next to no room answers 429, for single documents and whole requests; larger reports
/// are more than it takes at once.
#[test]
fn an_overloaded_node_gets_everything_in_the_end() {
    let busy = [
        "thread_pool.write.size=1",
        "thread_pool.write.queue_size=1",
        "indexing_pressure.memory.limit=40kb",
    ];
    let Some(server) = OpenSearch::start(&busy) else { return };
    let corpus = Corpus::new(500);
    let manifest = corpus.manifest();
    let maildir = TestMaildir::new();
    maildir.deliver_all(corpus.iter());
    let more = ["--bulk-in-flight=16", "--bulk-bytes=50KiB", "--give-up-after=2m", "-v"];
    let ended = run(once(&server.url, "busy", &maildir, &more));
    assert_eq!((ended.code, maildir.count("new")), (Some(0), 0), "{}", ended.log);
    assert!(
        ended.log.contains("rejected_execution") || ended.log.contains("429"),
        "it was never busy: {}",
        ended.log
    );
    assert_eq!(server.count("busy-dmarc"), manifest.dmarc.records);
    assert_eq!(server.count("busy-tlsrpt"), manifest.tls.policies);
}

#[test]
fn the_next_node_steps_in() {
    let Some(server) = SHARED.as_ref() else { return };
    let Some(gone) = OpenSearch::start(&[]) else { return };
    let dead = gone.url.clone();
    gone.kill();
    let maildir = TestMaildir::new();
    maildir.deliver_all(Corpus::new(50).iter());
    let ended = run(once(&dead, "next", &maildir, &["--opensearch", &server.url]));
    assert_eq!((ended.code, maildir.count("new")), (Some(0), 0), "{}", ended.log);
    assert!(server.count("next-dmarc") > 0);
}

/// A lone mail is not held back to wait for others.
#[test]
fn one_mail_alone_is_stored_at_once() {
    let Some(server) = SHARED.as_ref() else { return };
    let corpus = Corpus::new(10);
    let mail = corpus.iter().find(|mail| !mail.content.is_empty()).expect("a report");
    let piped =
        ["--opensearch", &server.url, "--dmarc-index=lone-dmarc", "--tlsrpt-index=lone-tlsrpt"];
    let started = Instant::now();
    let ended = run_with_input(piped, &mail.bytes);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert_eq!(
        ended.log.lines().filter(|line| !line.contains("template")).count(),
        0,
        "{}",
        ended.log
    );
    eprintln!("one mail on standard input took {:?}", started.elapsed());
}
