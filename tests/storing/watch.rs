//! `watch` beside a real Dovecot, a real OpenSearch and real signals.

use std::{
    fs,
    io::Write,
    mem,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::support::{
    corpus::{Corpus, Mail},
    program::{Running, TestMaildir, run, wait_for_all, wait_until},
    server::{OpenSearch, Shared, skip, tests_folder},
};
use rustix::process::Signal;

const LONG: Duration = Duration::from_mins(1);

/// One node for all tests that need nothing special; each has indices of its own.
static SHARED: Shared<OpenSearch> = Shared::new(|| OpenSearch::launch(&[]));

fn watch(url: &str, test: &str, maildir: &Path, more: &[&str]) -> Vec<String> {
    let indices = [format!("--dmarc-index={test}-dmarc"), format!("--tlsrpt-index={test}-tlsrpt")];
    let fixed = ["watch", "--opensearch", url].map(str::to_owned);
    let more = more.iter().map(|argument| (*argument).to_owned());
    fixed
        .into_iter()
        .chain(indices)
        .chain(more)
        .chain([maildir.to_str().expect("UTF-8").to_owned()])
        .collect()
}

/// Mails with a report, and how many documents they give.
fn reports(corpus: &Corpus) -> (Vec<Mail>, u64) {
    let mails: Vec<_> = corpus.iter().filter(|mail| !mail.content.is_empty()).collect();
    let documents = mails.iter().map(|mail| mail.content.len() as u64).sum();
    (mails, documents)
}

fn stored(server: &OpenSearch, test: &str) -> u64 {
    server.count(&format!("{test}-dmarc")) + server.count(&format!("{test}-tlsrpt"))
}

/// `tests/dovecot/run` with this on standard input; what it printed.
fn dovecot(arguments: &[&str], input: &[u8]) -> String {
    let mut child = Command::new(tests_folder().join("dovecot/run"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("tests/dovecot/run starts");
    child.stdin.take().expect("a pipe").write_all(input).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "tests/dovecot/run {arguments:?}: {}", output.status);
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn beside_dovecot() {
    let Some(server) = SHARED.as_ref() else { return };
    if !["/usr/lib/dovecot/dovecot-lda", "/usr/libexec/dovecot/dovecot-lda"]
        .iter()
        .any(|lda| Path::new(lda).exists())
    {
        skip("there is no Dovecot here");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    // Dovecot reads as another user where root runs the tests.
    fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("readable");
    let dir = folder.path().to_str().expect("UTF-8");
    dovecot(&["setup", dir, "Reports"], b"");
    let running =
        Running::start(watch(&server.url, "dovecot", &folder.path().join("Maildir/.Reports"), &[]));
    running.wait_for_log("watching");

    let (mails, documents) = reports(&Corpus::new(30));
    for mail in &mails {
        dovecot(&["deliver", dir, "Reports"], &mail.bytes);
    }
    dovecot(
        &["deliver", dir, "Reports"],
        b"From: somebody@example.org\nSubject: hello\n\nno report\n",
    );
    let in_new =
        || fs::read_dir(folder.path().join("Maildir/.Reports/new")).expect("a folder").count();
    wait_until("all mails to be taken", LONG, || in_new() == 0);
    wait_until("the failed one", LONG, || {
        folder.path().join("Maildir/.Reports.failed/new").exists()
    });
    let (code, log) = running.stop();
    assert_eq!(code, Some(0), "{log}");

    assert_eq!(stored(server, "dovecot"), documents);
    let flags = dovecot(&["flags", dir, "Reports"], b"");
    assert_eq!(flags.lines().count(), mails.len());
    assert!(flags.lines().all(|line| line.split('\t').nth(1) == Some("\\Seen")), "{flags}");
    assert_eq!(dovecot(&["flags", dir, "Reports.failed"], b""), "1\t\thello\n");
    let reason =
        dovecot(&["fetch-header", dir, "Reports.failed", "X-Email-Report-Processor-Error"], b"");
    assert!(reason.starts_with("holds no report"), "{reason}");
    assert_eq!(dovecot(&["errors", dir], b""), "");
}

/// More deliveries than the kernel's queue holds events, while nobody reads it.
#[test]
fn a_burst_that_overflows_the_event_queue() {
    let Some(server) = SHARED.as_ref() else { return };
    let limit = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").expect("Linux");
    let burst = limit.trim().parse::<usize>().expect("a number") + 4000;
    let maildir = TestMaildir::new();
    let (mails, documents) = reports(&Corpus { seed: 3, ..Corpus::new(500) });
    let running = Running::start(watch(&server.url, "burst", maildir.path(), &["-v"]));
    running.wait_for_log("watching");
    running.signal(Signal::STOP);
    for (n, mail) in mails.iter().cycle().take(burst).enumerate() {
        let tmp = maildir.path().join("tmp").join(format!("{n}"));
        if n < mails.len() {
            fs::write(&tmp, &mail.bytes).expect("written");
            fs::hard_link(&tmp, maildir.path().join(format!("original-{n}"))).expect("linked");
        } else {
            fs::hard_link(maildir.path().join(format!("original-{}", n % mails.len())), &tmp)
                .expect("linked");
        }
        fs::rename(&tmp, maildir.path().join("new").join(format!("{}.M{n}.mx", mail.time)))
            .expect("delivered");
    }
    running.signal(Signal::CONT);
    wait_until("everything to be stored", Duration::from_mins(5), || maildir.count("new") == 0);
    assert_eq!(maildir.count("cur"), burst);
    assert_eq!(stored(server, "burst"), documents);
    let (code, log) = running.stop();
    assert_eq!(code, Some(0), "{log}");
}

#[test]
fn an_outage_is_sat_out() {
    let data = tempfile::tempdir().expect("a folder");
    let data_flag = data.path().to_str().expect("UTF-8");
    let Some(server) = OpenSearch::start(&["--data", data_flag]) else { return };
    let (url, port) = (server.url.clone(), server.port().to_owned());
    let maildir = TestMaildir::new();
    let (mails, documents) = reports(&Corpus { seed: 4, ..Corpus::new(3000) });
    // A small queue is full before memory is looked at for the first time.
    let running = Running::start(watch(&url, "outage", maildir.path(), &["--bulk-bytes=128KiB"]));
    running.wait_for_log("watching");
    maildir.deliver(&mails[0].name, &mails[0].bytes);
    wait_until("the first mail", LONG, || maildir.count("cur") == 1);

    server.kill();
    let away = Instant::now();
    let (first, rest) = mails[1..].split_at(1500);
    first.iter().for_each(|mail| maildir.deliver(&mail.name, &mail.bytes));
    running.wait_for_log("store unavailable");
    // The queue is full once memory stands still.
    let mut before = (0, 0);
    wait_until("all it takes up", LONG, || {
        thread::sleep(Duration::from_secs(1));
        let last = mem::replace(&mut before, running.memory().expect("it runs"));
        before.0 <= last.0 + 64
    });
    rest.iter().for_each(|mail| maildir.deliver(&mail.name, &mail.bytes));
    thread::sleep(Duration::from_secs(2));
    let after = running.memory().expect("it runs");
    assert!(after.0 < before.0 + 4096, "memory grew from {} to {} KiB", before.0, after.0);
    assert_eq!(maildir.count("new"), mails.len() - 1);

    let server =
        OpenSearch::start(&["--data", data_flag, "--port", &port]).expect("the second time, too");
    let back = Instant::now();
    wait_until("work to go on", LONG, || maildir.count("cur") > 1);
    let resumed = back.elapsed();
    // An eighth of the outage is the pause; however long the node took to start.
    let at_most = away.elapsed() / 8 + Duration::from_secs(3);
    assert!(resumed < at_most, "resumed after {resumed:?}, not {at_most:?}");
    wait_for_all(&maildir, LONG);
    let (code, log) = running.stop();
    assert_eq!(code, Some(0), "{log}");
    assert_eq!(log.matches("store unavailable").count(), 1, "{log}");
    assert_eq!(log.matches("store available again").count(), 1, "{log}");
    assert_eq!(stored(&server, "outage"), documents);
}

#[test]
fn sigterm_during_an_outage_ends_at_once_and_leaves_the_mails() {
    let maildir = TestMaildir::new();
    // Nobody listens on the discard port.
    let running = Running::start(watch("http://127.0.0.1:9", "term", maildir.path(), &[]));
    let (mails, _) = reports(&Corpus::new(50));
    let delivered = mails.len();
    maildir.deliver_all(mails);
    running.wait_for_log("store unavailable");
    let asked = Instant::now();
    let (code, log) = running.stop();
    assert_eq!(code, Some(0), "{log}");
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    assert_eq!((maildir.count("new"), maildir.count("cur")), (delivered, 0));
}

#[test]
fn two_watchers_and_a_third_program_share_a_maildir() {
    let Some(server) = SHARED.as_ref() else { return };
    let maildir = TestMaildir::new();
    let arguments = watch(&server.url, "shared", maildir.path(), &[]);
    let watchers = [Running::start(&arguments), Running::start(&arguments)];
    watchers.iter().for_each(|watcher| watcher.wait_for_log("watching"));
    let corpus = Corpus { seed: 5, ..Corpus::new(1500) };
    let manifest = corpus.manifest();
    let delivery = thread::scope(|scope| {
        let delivery = scope.spawn(|| maildir.deliver_all(corpus.iter()));
        let once: Vec<_> = arguments
            .iter()
            .map(|a| if a == "watch" { "once".to_owned() } else { a.clone() })
            .collect();
        for _ in 0..3 {
            let ended = run(&once);
            assert_eq!(ended.code, Some(0), "{}", ended.log);
        }
        delivery.join()
    });
    delivery.expect("delivered");
    wait_until("all mails", LONG, || maildir.count("new") == 0);
    for watcher in watchers {
        let (code, log) = watcher.stop();
        assert_eq!((code, log.matches("ERROR").count()), (Some(0), 0), "{log}");
    }
    assert_eq!(stored(server, "shared"), manifest.documents);
    assert_eq!(server.sum("shared-dmarc", "feedback.record.row.count"), manifest.dmarc.count_sum);
    let no_reports = usize::try_from(manifest.junk + manifest.broken).expect("small");
    assert_eq!(
        (maildir.count("cur"), maildir.count(".failed/new")),
        (corpus.len() - no_reports, no_reports)
    );
    assert_eq!((maildir.count("tmp"), maildir.count(".failed/tmp")), (0, 0));
}

#[test]
fn maildirs_may_appear_later_and_be_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    let (maildir, lines) = (folder.path().join("Maildir"), folder.path().join("lines"));
    let running = Running::start([Path::new("watch"), Path::new("--ndjson"), &lines, &maildir]);
    running.wait_for_log("not there yet");
    let (mails, _) = reports(&Corpus::new(10));
    for (mail, name) in mails.iter().take(2).zip(["a", "b"]) {
        let _ = fs::rename(&maildir, folder.path().join("old"));
        let made = folder.path().join("made");
        ["new", "cur", "tmp"]
            .iter()
            .for_each(|part| fs::create_dir_all(made.join(part)).expect("a folder"));
        fs::write(made.join("new").join(name), &mail.bytes).expect("written");
        fs::rename(&made, &maildir).expect("renamed");
        wait_until("the mail", LONG, || maildir.join("cur").join(format!("{name}:2,S")).exists());
        // Events come for the new folder, too: no full read is due for minutes.
        fs::write(maildir.join("tmp").join(name), &mails[3].bytes).expect("written");
        fs::rename(maildir.join("tmp").join(name), maildir.join("new").join(format!("{name}2")))
            .expect("renamed");
        wait_until("the mail", Duration::from_secs(3), || {
            maildir.join("cur").join(format!("{name}2:2,S")).exists()
        });
    }
}

#[test]
fn polling_finds_mails_without_events() {
    let maildir = TestMaildir::new();
    let lines = tempfile::NamedTempFile::new().expect("a file");
    let running = Running::start([
        Path::new("watch"),
        Path::new("--poll=1"),
        Path::new("--ndjson"),
        lines.path(),
        maildir.path(),
    ]);
    running.wait_for_log("watching");
    thread::sleep(Duration::from_secs(1));
    let (mails, _) = reports(&Corpus::new(5));
    maildir.deliver(&mails[0].name, &mails[0].bytes);
    wait_until("the mail", Duration::from_secs(5), || maildir.count("cur") == 1);
}

#[test]
fn mail_of_other_kinds_can_stay() {
    let maildir = TestMaildir::new();
    let lines = tempfile::NamedTempFile::new().expect("a file");
    let running = Running::start([
        Path::new("watch"),
        Path::new("--poll=1"),
        Path::new("--unrecognized=keep"),
        Path::new("--ndjson"),
        lines.path(),
        maildir.path(),
    ]);
    maildir.deliver("letter", b"From: a@example.org\nSubject: hello\n\nno report\n");
    running.wait_for_log("holds no report");
    thread::sleep(Duration::from_secs(3));
    assert_eq!(
        (maildir.names("new"), maildir.count(".failed/new")),
        (vec!["letter".to_owned()], 0)
    );
    assert_eq!(
        running.log().matches("holds no report").count(),
        1,
        "read again and again: {}",
        running.log()
    );
}

/// Another program takes mails away while they are listed and read.
#[test]
fn a_mail_that_is_taken_away_by_another_program_is_not_counted() {
    let maildir = TestMaildir::new();
    let (mails, _) = reports(&Corpus::new(10));
    for n in 0..3000 {
        maildir.deliver(&format!("{n}.mx"), &mails[0].bytes);
    }
    let mut running = Running::start([
        Path::new("once"),
        Path::new("--threads=1"),
        Path::new("--ndjson=/dev/null"),
        maildir.path(),
    ]);
    // The listing goes on in pieces, so that some are gone before they are read.
    let taken = maildir
        .names("new")
        .iter()
        .filter(|name| fs::remove_file(maildir.path().join("new").join(name)).is_ok())
        .count();
    assert_eq!(running.wait(), Some(0), "{}", running.log());
    assert!(
        !running.log().contains("WARN") && !running.log().contains("ERROR"),
        "{}",
        running.log()
    );
    assert_eq!(
        (maildir.count("new"), maildir.count("cur") + taken),
        (0, 3000),
        "{}",
        running.log()
    );
}

/// The time from delivery to `cur/`: the mail is moved only when the store has acknowledged it. Not
/// a test, a measurement: `cargo test --release --test storing latency -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn latency() {
    let Some(server) = SHARED.as_ref() else { return };
    let maildir = TestMaildir::new();
    let (mails, _) = reports(&Corpus { seed: 6, ..Corpus::new(1300) });
    let running = Running::start(watch(&server.url, "latency", maildir.path(), &[]));
    running.wait_for_log("watching");
    let mut times: Vec<Duration> = mails
        .iter()
        .take(1100)
        .map(|mail| {
            let settled = maildir.path().join("cur").join(format!("{}:2,S", mail.name));
            maildir.deliver(&mail.name, &mail.bytes);
            let delivered = Instant::now();
            while !settled.exists() {
                assert!(delivered.elapsed() < LONG);
                thread::sleep(Duration::from_micros(200));
            }
            delivered.elapsed()
        })
        .skip(100)
        .collect();
    times.sort();
    let at = |percent: usize| times[times.len() * percent / 100];
    eprintln!(
        "{} mails: p50 {:?}, p99 {:?}, max {:?}",
        times.len(),
        at(50),
        at(99),
        times[times.len() - 1]
    );
}
