//! What a daemon must survive: a lost log, idle clients, few handles, a reload at a bad moment,
//! folders made anew.

mod log;
mod reload;

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    os::unix::{fs::MetadataExt, net::UnixDatagram},
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::support::{
    corpus::{Corpus, Mail},
    program::{Running, TestMaildir, below, program, wait_until},
};

const LONG: Duration = Duration::from_secs(30);

fn reports(mails: usize) -> Vec<Mail> {
    Corpus::new(mails).iter().filter(|mail| !mail.content.is_empty()).collect()
}

fn shell(script: &str, of: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(script).arg("sh");
    below(shell, of)
}

#[test]
fn a_relative_path_is_watched_like_any_other() {
    let mails = reports(10);
    for relative in [".", "../Maildir", "./"] {
        let folder = tempfile::tempdir().expect("a folder");
        let maildir = folder.path().join("Maildir");
        ["new", "cur", "tmp"]
            .iter()
            .for_each(|part| fs::create_dir_all(maildir.join(part)).expect("a folder"));
        let mut command = program(["watch", "--ndjson", "../lines", relative]);
        command.current_dir(&maildir);
        let running = Running::start_command(command);
        running.wait_for_log("watching");
        thread::sleep(Duration::from_millis(200));
        fs::write(maildir.join("tmp/1"), &mails[0].bytes).expect("written");
        fs::rename(maildir.join("tmp/1"), maildir.join("new/1")).expect("delivered");
        wait_until("the mail", Duration::from_secs(2), || maildir.join("cur/1:2,S").exists());
    }
}

/// A program that does not know Maildir writes where it should rename to; another links.
#[test]
fn a_mail_that_is_still_being_written_is_waited_for() {
    let mails = reports(10);
    let mail = &mails[0];
    // A file that nobody writes to for two seconds is taken for whole: on a busy machine, the
    // writer of this test may rest that long.
    for _ in 0..10 {
        let maildir = TestMaildir::new();
        let running =
            Running::start([Path::new("watch"), Path::new("--ndjson=/dev/null"), maildir.path()]);
        // What is there at the start is taken for whole.
        maildir.deliver("1", &mails[1].bytes);
        wait_until("the first mail", LONG, || maildir.count("cur") == 1);
        if write_slowly(&maildir.path().join("new/slow"), &mail.bytes) > Duration::from_secs(1) {
            continue;
        }
        let tmp = maildir.path().join("tmp/linked");
        fs::write(&tmp, &mail.bytes).expect("written");
        fs::hard_link(&tmp, maildir.path().join("new/linked")).expect("linked");
        fs::remove_file(tmp).expect("removed");
        wait_until("both mails", LONG, || maildir.count("cur") == 3);
        assert_eq!(maildir.count(".failed/new"), 0, "{}", running.log());
        return;
    }
    panic!("the machine is too busy for a file to be written in pieces");
}

/// In six pieces. Says how long the longest pause between two was.
fn write_slowly(path: &Path, bytes: &[u8]) -> Duration {
    let mut file = fs::File::create(path).expect("made");
    let (mut longest, mut last) = (Duration::ZERO, Instant::now());
    for piece in bytes.chunks(bytes.len() / 6) {
        file.write_all(piece).expect("written");
        longest = longest.max(last.elapsed());
        last = Instant::now();
        thread::sleep(Duration::from_millis(300));
    }
    longest.max(last.elapsed())
}

/// The address of the metrics.
fn metrics_at(running: &Running) -> String {
    running.wait_for_log("metrics at http://");
    let log = running.log();
    let (_, rest) = log.split_once("metrics at http://").expect("the address");
    rest.split('/').next().expect("an address").to_owned()
}

/// Status and body, or nothing if there was no answer in time.
pub(crate) fn get(address: &str, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

#[test]
fn idle_and_slow_clients_and_few_handles_leave_the_daemon_working() {
    let maildir = TestMaildir::new();
    let store = maildir.path().join("store");
    let of = program([
        Path::new("watch"),
        Path::new("--metrics=127.0.0.1:0"),
        Path::new("--store"),
        &store,
        maildir.path(),
    ]);
    let running = Running::start_command(shell(r#"ulimit -n 64; exec "$@""#, &of));
    let address = metrics_at(&running);
    let mut idle: Vec<_> =
        (0..120).map(|_| TcpStream::connect(&address).expect("connected")).collect();
    for slow in idle.iter_mut().step_by(2) {
        let _ = slow.write_all(b"GET /metrics HTTP/1.1\r\nX-Slow: ");
    }
    // A client that asks without end and never listens.
    let mut deaf = TcpStream::connect(&address).expect("connected");
    deaf.set_nonblocking(true).expect("set");
    while deaf.write(&b"GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n".repeat(1000)).is_ok() {}
    let mails = reports(10);
    maildir.deliver("1", &mails[0].bytes);
    wait_until("the mail", LONG, || maildir.count("cur") == 1);
    drop(idle.split_off(60));
    let asked = Instant::now();
    // Those that hang on are turned out in groups, each after its patience.
    wait_until("an answer", Duration::from_mins(1), || {
        get(&address, "/metrics").is_some_and(|(code, _)| code == 200)
    });
    eprintln!("answered after {:?}", asked.elapsed());
    drop(idle);
    assert!(get(&address, "/healthz").is_some());
}

#[test]
fn metrics_tell_what_happens() {
    let maildir = TestMaildir::new();
    let folder = tempfile::tempdir().expect("a folder");
    let store = folder.path().join("store");
    let running = Running::start([
        Path::new("watch"),
        Path::new("--metrics=127.0.0.1:0"),
        Path::new("--store"),
        &store,
        maildir.path(),
    ]);
    let address = metrics_at(&running);
    let corpus = Corpus::new(200);
    let manifest = corpus.manifest();
    maildir.deliver_all(corpus.iter());
    wait_until("all mails", LONG, || maildir.count("new") == 0);
    let (_, metrics) = get(&address, "/metrics").expect("an answer");
    for (name, value) in [
        ("erp_mails_total{outcome=\"failed\"}", manifest.broken),
        ("erp_mails_total{outcome=\"unrecognized\"}", manifest.junk),
        ("erp_reports_total{kind=\"dmarc\"}", manifest.dmarc.reports),
        ("erp_reports_total{kind=\"tls\"}", manifest.tls.reports),
        ("erp_records_total", manifest.dmarc.records),
        ("erp_policies_total", manifest.tls.policies),
        ("erp_documents_created_total", manifest.documents),
        ("erp_duplicates_total", 0),
        ("erp_retries_total", 0),
        ("erp_queue_bytes", 0),
        ("erp_store_available", 1),
    ] {
        let line = format!("{name} {value}\n");
        assert!(
            value == 0 && name.contains("outcome") || metrics.contains(&line),
            "no {line} in\n{metrics}"
        );
    }
    for name in [
        "erp_bulk_requests_total{result=\"ok\"}",
        "erp_store_latency_seconds_bucket",
        "erp_oldest_mail_age_seconds",
    ] {
        assert!(metrics.contains(name), "no {name} in\n{metrics}");
    }
    assert_eq!(get(&address, "/healthz"), Some((200, "ok\n".to_owned())));
}

#[test]
fn systemd_hears_of_it() {
    let maildir = TestMaildir::new();
    let folder = tempfile::tempdir().expect("a folder");
    let socket = UnixDatagram::bind(folder.path().join("notify")).expect("a socket");
    socket.set_read_timeout(Some(LONG)).expect("a timeout");
    let mut command = program([
        Path::new("watch"),
        Path::new("--store"),
        &folder.path().join("store"),
        maildir.path(),
    ]);
    command.env("NOTIFY_SOCKET", folder.path().join("notify")).env("WATCHDOG_USEC", "3000000");
    let running = Running::start_command(command);
    let mut heard = String::new();
    let mut hear_until = |wanted: &str| {
        let mut buffer = [0; 4096];
        while !heard.contains(wanted) {
            let length = socket
                .recv(&mut buffer)
                .unwrap_or_else(|error| panic!("no {wanted} in {heard:?}: {error}"));
            heard += std::str::from_utf8(&buffer[..length]).expect("UTF-8");
            heard.push('\n');
        }
        std::mem::take(&mut heard)
    };
    hear_until("READY=1");
    hear_until("WATCHDOG=1");
    hear_until("WATCHDOG=1");
    running.signal(Signal::HUP);
    let reloading = hear_until("RELOADING=1");
    assert!(reloading.contains("MONOTONIC_USEC="), "{reloading}");
    // systemd would believe it, and kill what does not end.
    assert!(!(reloading + &hear_until("READY=1")).contains("STOPPING=1"));
    running.signal(Signal::TERM);
    hear_until("STOPPING=1");
}

fn remake(maildir: &Path, other: impl Fn()) {
    let new = maildir.join("new");
    let inode = || fs::metadata(&new).expect("a folder").ino();
    // File systems give a freed inode to the next who asks, most of the time.
    for _ in 0..50 {
        let before = inode();
        fs::remove_dir(&new).expect("removed");
        other();
        fs::create_dir(&new).expect("made");
        if inode() == before {
            return;
        }
    }
    eprintln!("the inode never came again");
}

#[test]
fn a_folder_made_anew_with_the_same_inode_is_noticed() {
    let maildirs = [TestMaildir::new(), TestMaildir::new()];
    let lines = tempfile::NamedTempFile::new().expect("a file");
    let [first, second] = &maildirs;
    let running = Running::start([
        Path::new("watch"),
        Path::new("--ndjson"),
        lines.path(),
        first.path(),
        second.path(),
    ]);
    wait_until("both", LONG, || running.log().matches("watching").count() == 2);
    let mails = reports(10);
    remake(first.path(), || {});
    thread::sleep(Duration::from_millis(300));
    first.deliver("1", &mails[0].bytes);
    wait_until("the mail", Duration::from_secs(3), || first.count("cur") == 1);
    // Gone for a while.
    remake(first.path(), || thread::sleep(Duration::from_millis(300)));
    wait_until("it to be seen again", Duration::from_secs(10), || {
        fs::metadata(first.path().join("new")).is_ok() && {
            first.deliver("probe", &mails[1].bytes);
            thread::sleep(Duration::from_secs(1));
            first.count("new") == 0
        }
    });
    let of_second = format!("watching maildir={}", second.path().display());
    assert_eq!(
        running.log().matches(&of_second).count(),
        1,
        "only the folder concerned: {}",
        running.log()
    );
}

/// A delivery does not read the whole folder, however much stays in it. Not a test, a measurement.
#[test]
#[ignore = "a measurement: cargo test --release --test storing kept_mail -- --ignored --nocapture"]
fn kept_mail() {
    let maildir = TestMaildir::new();
    let lines = tempfile::NamedTempFile::new().expect("a file");
    let kept: usize = std::env::var("KEPT").map_or(200_000, |kept| kept.parse().expect("a number"));
    for n in 0..kept {
        fs::write(
            maildir.path().join("new").join(format!("{n}.kept")),
            "Subject: hello\n\nno report\n",
        )
        .expect("written");
    }
    let running = Running::start([
        Path::new("watch"),
        Path::new("-q"),
        Path::new("--unrecognized=keep"),
        Path::new("--ndjson"),
        lines.path(),
        maildir.path(),
    ]);
    let cpu = || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", running.pid().as_raw_nonzero()))
            .expect("it runs");
        let fields: Vec<u64> = stat
            .rsplit(") ")
            .next()
            .expect("fields")
            .split(' ')
            .map(|f| f.parse().unwrap_or(0))
            .collect();
        fields[11] + fields[12]
    };
    let mut last = u64::MAX;
    wait_until("the first read", Duration::from_mins(5), || {
        thread::sleep(Duration::from_secs(2));
        std::mem::replace(&mut last, cpu()) == cpu()
    });
    let before = cpu();
    let mails = reports(110);
    for (n, mail) in mails.iter().take(100).enumerate() {
        maildir.deliver(&format!("{n}.report"), &mail.bytes);
        wait_until("the mail", LONG, || maildir.count("cur") == n + 1);
    }
    eprintln!("100 deliveries beside {kept} kept mails: {} ms of CPU", (cpu() - before) * 10);
}
