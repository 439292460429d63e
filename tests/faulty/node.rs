//! One node: away, full, or with its indices gone.

use std::{
    sync::LazyLock,
    thread,
    time::{Duration, Instant},
};

use serde_json::json;

use super::{LeftOut, Size, compare, seed};
use crate::support::{
    corpus::{Corpus, Manifest},
    program::{Running, TestMaildir, wait_until},
    server::OpenSearch,
};

/// One node for all scenarios that leave it as it was; each has indices of its own.
static SHARED: LazyLock<Result<OpenSearch, &'static str>> =
    LazyLock::new(|| OpenSearch::launch(&["--heap", "512m"]));

/// See [`SHARED`].
pub fn shared() -> Result<&'static OpenSearch, &'static str> {
    SHARED.as_ref().map_err(|reason| *reason)
}

const WAIT: Duration = Duration::from_mins(3);

/// Work may stand still for so long: after an outage of minutes a sender waits for one at most.
/// Less than the three minutes between two readings of all of `new/`: a mail that waits for the
/// next one is found.
const STANDSTILL: Duration = Duration::from_mins(2);

fn watch(url: &str, maildir: &TestMaildir) -> Running {
    Running::start(["watch", "-v", "--opensearch", url, maildir.path().to_str().expect("UTF-8")])
}

fn wait_for_all(maildir: &TestMaildir, running: &Running) {
    let (mut left, mut since) = (usize::MAX, Instant::now());
    while left > 0 {
        let now = maildir.count("new");
        if now < left {
            (left, since) = (now, Instant::now());
        }
        assert!(since.elapsed() < STANDSTILL, "{left} mails are left in new/: {}", running.log());
        // Counting tens of thousands takes a while itself.
        thread::sleep(Duration::from_millis(200));
    }
}

/// Waits until all mails are settled, each where it belongs, and ends the program.
fn settle_all(maildir: &TestMaildir, running: Running, corpus: &Corpus) {
    wait_for_all(maildir, &running);
    let (code, log) = running.stop();
    assert_eq!(code, Some(0), "{log}");
    compare::settled(maildir, &corpus.manifest());
}

/// Mail arrives all the time, and the node is away for the middle third.
pub fn outage(size: Size) -> LeftOut {
    let data = tempfile::tempdir().expect("a folder");
    let flags = ["--heap", "512m", "--data", data.path().to_str().expect("UTF-8")];
    let server = OpenSearch::launch(&flags)?;
    let (url, port) = (server.url.clone(), server.port().to_owned());
    let corpus = Corpus { seed: seed(), ..Corpus::new(size.of(1500, 60_000)) };
    let third = corpus.len() / 3;
    let maildir = TestMaildir::new();
    let running = watch(&url, &maildir);
    let mut mails = corpus.iter();
    maildir.deliver_all(mails.by_ref().take(third));
    wait_until("some progress", WAIT, || maildir.count("cur") > third / 4);
    server.kill();
    let away = Instant::now();
    for mail in mails.by_ref().take(third) {
        maildir.deliver(&mail.name, &mail.bytes);
        thread::sleep(
            size.of(Duration::from_secs(12), Duration::from_mins(10))
                / u32::try_from(third).expect("small"),
        );
    }
    println!("     the node was away for {} s", away.elapsed().as_secs());
    let waiting = maildir.count("new");
    assert!(waiting >= third, "only {waiting} mails wait for a store that is away");
    let flags: Vec<&str> = flags.into_iter().chain(["--port", &port]).collect();
    let server = OpenSearch::launch(&flags)?;
    maildir.deliver_all(mails);
    settle_all(&maildir, running, &corpus);
    compare::opensearch(&server, "", &corpus.manifest());
    Ok(())
}

/// The node itself blocks its indices, since its disk has less room than it wants, and frees them
/// later.
pub fn flood_stage(size: Size) -> LeftOut {
    let server = OpenSearch::launch(&[
        "--heap",
        "512m",
        "cluster.routing.allocation.disk.threshold_enabled=true",
    ])?;
    let corpus = Corpus { seed: seed(), ..Corpus::new(size.of(900, 20_000)) };
    let half = corpus.len() / 2;
    let maildir = TestMaildir::new();
    let running = watch(&server.url, &maildir);
    let mut mails = corpus.iter();
    maildir.deliver_all(mails.by_ref().take(half));
    wait_for_all(&maildir, &running);
    let watermarks = |free: Option<&str>| {
        let name = |mark: &str| format!("cluster.routing.allocation.disk.watermark.{mark}");
        let settings = json!({ "persistent": {
            name("low"): free, name("high"): free, name("flood_stage"): free,
            "cluster.info.update.interval": free.map(|_| "10s"),
        } });
        let answer = server.put("/_cluster/settings", &settings);
        assert_eq!(answer["acknowledged"], true, "{answer}");
    };
    let is_blocked = || {
        let settings = server.get("/dmarc-reports/_settings");
        settings["dmarc-reports"]["settings"]["index"]["blocks"]["read_only_allow_delete"] == "true"
    };
    watermarks(Some("1000tb"));
    wait_until("the block", WAIT, is_blocked);
    maildir.deliver_all(mails);
    thread::sleep(size.of(Duration::from_secs(5), Duration::from_mins(2)));
    assert!(maildir.count("new") > half / 2, "mails left new/ while the index was blocked");
    watermarks(Some("1b"));
    wait_until("the end of the block", WAIT, || !is_blocked());
    settle_all(&maildir, running, &corpus);
    compare::opensearch(&server, "", &corpus.manifest());
    Ok(())
}

/// What comes after the deletion is stored, in indices made anew with the right mapping.
pub fn index_deleted(size: Size) -> LeftOut {
    let server = shared()?;
    let corpus = Corpus { seed: seed(), ..Corpus::new(size.of(600, 20_000)) };
    let half = corpus.len() / 2;
    let maildir = TestMaildir::new();
    let indices = ["deleted-dmarc-reports", "deleted-tlsrpt-reports"];
    let running = Running::start([
        "watch",
        "--opensearch",
        &server.url,
        &format!("--dmarc-index={}", indices[0]),
        &format!("--tlsrpt-index={}", indices[1]),
        maildir.path().to_str().expect("UTF-8"),
    ]);
    maildir.deliver_all(corpus.iter().take(half));
    wait_for_all(&maildir, &running);
    for index in indices {
        server.request("DELETE", &format!("/{index}"), None);
    }
    let mut later = Manifest::default();
    for mail in corpus.iter().skip(half) {
        later.add(&mail);
        maildir.deliver(&mail.name, &mail.bytes);
    }
    settle_all(&maildir, running, &corpus);
    compare::opensearch(server, "deleted-", &later);
    let mapping = server.get("/deleted-dmarc-reports/_mapping").to_string();
    assert!(
        mapping.contains(r#""source_ip":{"type":"ip"}"#),
        "the index was made without our template: {mapping}"
    );
    Ok(())
}
