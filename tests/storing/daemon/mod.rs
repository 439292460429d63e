//! What a daemon must survive: a lost log, idle clients, few handles, a reload at a bad moment, folders made anew.

use std::{
    fs::{self, File},
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::fs::MetadataExt,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::support::{
    corpus::{Corpus, Mail},
    program::{Running, TestMaildir, program, run_command, wait_until},
    server::OpenSearch,
};

const LONG: Duration = Duration::from_secs(30);

fn reports(mails: usize) -> Vec<Mail> {
    Corpus::new(mails).iter().filter(|mail| !mail.content.is_empty()).collect()
}

/// The ways to lose the log. The shell starts the program (`"$@"`) so that it loses standard error.
fn lost_logs() -> Vec<(&'static str, &'static str)> {
    vec![
        ("closed", r#"exec "$@" 2>&-"#),
        ("no reader", r#"{ "$@"; echo $? >&3; } 3>&1 2>&1 >/dev/null | exec head -c 1 >/dev/null"#),
        ("full disk", r#"exec "$@" 2>/dev/full"#),
    ]
}

fn shell(script: &str, of: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(script).arg("sh").arg(of.get_program()).args(of.get_args()).stdin(Stdio::null());
    for (name, value) in of.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
}

/// The exit code of a shell's command, which it may have printed instead.
fn exit_code(mut command: Command) -> Option<i32> {
    let output = command.output().expect("it runs");
    let printed = String::from_utf8(output.stdout).expect("UTF-8");
    printed.trim().parse().ok().or(output.status.code())
}

/// Mails of which every second gives a line in the log.
fn noisy_maildir(reports: &[Mail]) -> TestMaildir {
    let maildir = TestMaildir::new();
    for (n, mail) in reports.iter().enumerate() {
        maildir.deliver(&format!("{n}.letter"), b"From: a@example.org\nSubject: hello\n\nno report\n");
        maildir.deliver(&mail.name, &mail.bytes);
    }
    maildir
}

#[test]
fn once_does_all_its_work_without_a_log() {
    let mails = reports(60);
    for (how, script) in lost_logs() {
        let maildir = noisy_maildir(&mails);
        let store = maildir.path().join("store");
        let once = program([
            Path::new("once"),
            Path::new("-v"),
            Path::new("--unrecognized=fail"),
            Path::new("--store"),
            &store,
            maildir.path(),
        ]);
        assert_eq!(exit_code(shell(script, &once)), Some(0), "{how}");
        let places = (maildir.count("new"), maildir.count("cur"), maildir.count(".failed/new"));
        assert_eq!(places, (0, mails.len(), mails.len()), "{how}");
    }
}

#[test]
fn import_does_all_its_work_without_a_log() {
    let mails = reports(60);
    let import = |maildir: &TestMaildir, lines: &Path| {
        program([Path::new("import"), Path::new("-v"), Path::new("--ndjson"), lines, maildir.path()])
    };
    let documents = mails.iter().map(|mail| mail.content.len()).sum::<usize>();
    let with_log = noisy_maildir(&mails);
    let expected = run_command(import(&with_log, &with_log.path().join("lines")));
    assert!(expected.log.lines().count() > 1, "{}", expected.log);
    for (how, script) in lost_logs() {
        let maildir = noisy_maildir(&mails);
        let lines = maildir.path().join("lines");
        assert_eq!(exit_code(shell(script, &import(&maildir, &lines))), expected.code, "{how}");
        assert_eq!(fs::read_to_string(&lines).expect("a file").lines().count(), documents, "{how}");
    }
}

#[test]
fn watch_goes_on_without_a_log() {
    let mails = reports(60);
    for (how, script) in lost_logs() {
        let maildir = noisy_maildir(&mails);
        let store = maildir.path().join("store");
        let watch = program([
            Path::new("watch"),
            Path::new("-v"),
            Path::new("--unrecognized=fail"),
            Path::new("--store"),
            &store,
            maildir.path(),
        ]);
        // The shell tells the process id, since a pipeline's is not the program's.
        let pid = maildir.path().join("pid");
        let inner = format!("sh -c 'echo $$ >{}; exec \"$@\"' sh \"$@\"", pid.display());
        let mut shell = shell(&script.replace("exec \"$@\"", "\"$@\"").replace("\"$@\"", &inner), &watch);
        let child = shell.stdout(Stdio::piped()).spawn().expect("it starts");
        wait_until(&format!("all mails, {how}"), LONG, || maildir.count("new") == 0);
        maildir.deliver("later", &mails[0].bytes);
        wait_until(&format!("the later mail, {how}"), LONG, || maildir.count("new") == 0);
        let number = fs::read_to_string(&pid).expect("a pid").trim().parse().expect("a number");
        let pid = rustix::process::Pid::from_raw(number).expect("a pid");
        rustix::process::kill_process(pid, Signal::TERM).expect("it runs");
        let output = child.wait_with_output().expect("it ends");
        let printed = String::from_utf8(output.stdout).expect("UTF-8");
        assert_eq!(printed.trim().parse().ok().or(output.status.code()), Some(0), "{how}");
        assert_eq!(maildir.count("cur"), mails.len() + 1, "{how}");
    }
}

#[test]
fn the_journal_is_believed_only_if_standard_error_is_the_journal() {
    let log = tempfile::NamedTempFile::new().expect("a file");
    let file = log.as_file().metadata().expect("metadata");
    for (inode, expected) in [(file.ino(), true), (file.ino() + 1, false)] {
        log.as_file().set_len(0).expect("emptied");
        let mut command = program(["once", "/nowhere"]);
        command.env("JOURNAL_STREAM", format!("{}:{inode}", file.dev()));
        command.stderr(File::options().append(true).open(log.path()).expect("a file")).status().expect("it runs");
        let text = fs::read_to_string(log.path()).expect("text");
        assert_eq!(text.starts_with("<3>"), expected, "{text}");
    }
}

#[test]
fn a_relative_path_is_watched_like_any_other() {
    let mails = reports(10);
    for relative in [".", "../Maildir", "./"] {
        let folder = tempfile::tempdir().expect("a folder");
        let maildir = folder.path().join("Maildir");
        ["new", "cur", "tmp"].iter().for_each(|part| fs::create_dir_all(maildir.join(part)).expect("a folder"));
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

/// The address of the metrics.
fn metrics_at(running: &Running) -> String {
    running.wait_for_log("metrics at http://");
    let log = running.log();
    let (_, rest) = log.split_once("metrics at http://").expect("the address");
    rest.split('/').next().expect("an address").to_owned()
}

/// Status and body, or nothing if there was no answer in time.
fn get(address: &str, path: &str) -> Option<(u16, String)> {
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
    let of =
        program([Path::new("watch"), Path::new("--metrics=127.0.0.1:0"), Path::new("--store"), &store, maildir.path()]);
    let running = Running::start_command(shell(r#"ulimit -n 64; exec "$@""#, &of));
    let address = metrics_at(&running);
    let mut idle: Vec<_> = (0..120).map(|_| TcpStream::connect(&address).expect("connected")).collect();
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
    wait_until("an answer", Duration::from_mins(1), || get(&address, "/metrics").is_some_and(|(code, _)| code == 200));
    eprintln!("answered after {:?}", asked.elapsed());
    drop(idle);
    assert!(get(&address, "/healthz").is_some());
}

#[test]
fn after_a_reload_in_an_outage_all_is_well_when_the_store_is_back() {
    let data = tempfile::tempdir().expect("a folder");
    let data = data.path().to_str().expect("UTF-8");
    let port = {
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        free.local_addr().expect("an address").port().to_string()
    };
    let maildir = TestMaildir::new();
    let url = format!("--opensearch=http://127.0.0.1:{port}");
    let running =
        Running::start([Path::new("watch"), Path::new("--metrics=127.0.0.1:0"), Path::new(&url), maildir.path()]);
    let address = metrics_at(&running);
    let mails = reports(10);
    maildir.deliver("1", &mails[0].bytes);
    running.wait_for_log("store unavailable");
    assert_eq!(get(&address, "/healthz").map(|(code, _)| code), Some(503));
    running.signal(Signal::HUP);
    running.wait_for_log("settings read again");
    // The port is the same, though the system chose it.
    wait_until("the outage to be seen again", LONG, || get(&address, "/healthz").is_some_and(|(code, _)| code == 503));
    let Some(_server) = OpenSearch::start(&["--data", data, "--port", &port]) else { return };
    wait_until("the mail", LONG, || maildir.count("cur") == 1);
    wait_until("health", LONG, || get(&address, "/healthz").is_some_and(|(code, _)| code == 200));
}

#[test]
fn settings_that_do_not_work_leave_the_old_ones() {
    let maildir = TestMaildir::new();
    let folder = tempfile::tempdir().expect("a folder");
    let (config, lines, more) = (folder.path().join("config"), folder.path().join("lines"), folder.path().join("more"));
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().expect("an address");
    let set = |text: &str| fs::write(&config, text).expect("written");
    set(&format!("ndjson = {lines:?}\nmetrics = '127.0.0.1:0'\n"));
    let mut command = program([Path::new("watch"), maildir.path()]);
    command.env("ERP_CONFIG", &config);
    let running = Running::start_command(command);
    let address = metrics_at(&running);
    let mails = reports(10);
    fs::write(folder.path().join("bad.pem"), "no certificate").expect("written");
    let bad = folder.path().join("bad.pem");
    let refused = [
        ("nonsense".to_owned(), "/config"),
        (format!("opensearch = ['https://127.0.0.1:9']\nca-file = {bad:?}\n"), "bad.pem"),
        (format!("ndjson = {:?}\n", folder.path().join("nowhere/lines")), "nowhere/lines"),
        (format!("ndjson = {lines:?}\nmetrics = '{taken}'\n"), "Address already in use"),
    ];
    for (n, (text, reason)) in refused.iter().enumerate() {
        let _taken = TcpListener::bind(taken);
        set(text);
        running.signal(Signal::HUP);
        wait_until(&format!("the refusal of {text}"), LONG, || {
            running.log().matches("settings stay as they were").count() == n + 1
        });
        assert!(running.log().contains(reason), "no {reason} in {}", running.log());
        maildir.deliver(&n.to_string(), &mails[n].bytes);
        wait_until("the mail", LONG, || maildir.count("cur") == n + 1);
        assert_eq!(get(&address, "/healthz").map(|(code, _)| code), Some(200));
    }
    let written = fs::read_to_string(&lines).expect("a file").lines().count();
    assert_eq!(written, mails[..4].iter().map(|mail| mail.content.len()).sum::<usize>());
    set(&format!("ndjson = {more:?}\nmetrics = '127.0.0.1:0'\n"));
    running.signal(Signal::HUP);
    running.wait_for_log("settings read again");
    maildir.deliver("last", &mails[4].bytes);
    wait_until("the last mail", LONG, || maildir.count("cur") == 5);
    assert_eq!(fs::read_to_string(&more).expect("a file").lines().count(), mails[4].content.len());
    let (code, log) = running.stop();
    assert_eq!(code, Some(0), "{log}");
}

/// Settings that do not work, while mails wait for a store that is away: all are stored in the end.
#[test]
fn a_refused_reload_forgets_no_mail_that_waits() {
    let maildir = TestMaildir::new();
    let folder = tempfile::tempdir().expect("a folder");
    let (config, store) = (folder.path().join("config"), folder.path().join("store"));
    let opensearch = "opensearch = ['http://127.0.0.1:9']\nbulk-bytes = 131072\n";
    fs::write(&config, opensearch).expect("written");
    let mut command = program([Path::new("watch"), maildir.path()]);
    command.env("ERP_CONFIG", &config);
    let mails = reports(800);
    let number = mails.len();
    maildir.deliver_all(mails);
    let running = Running::start_command(command);
    running.wait_for_log("store unavailable");
    for text in ["nonsense".to_owned(), format!("store = {store:?}\n")] {
        fs::write(&config, text).expect("written");
        running.signal(Signal::HUP);
        running.wait_for_log("settings stay as they were");
    }
    running.wait_for_log("settings read again");
    wait_until("all mails", LONG, || maildir.count("cur") == number);
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
    let running =
        Running::start([Path::new("watch"), Path::new("--ndjson"), lines.path(), first.path(), second.path()]);
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
    assert_eq!(running.log().matches(&of_second).count(), 1, "only the folder concerned: {}", running.log());
}

/// A delivery does not read the whole folder, however much stays in it. Not a test, a measurement.
#[test]
#[ignore = "a measurement: cargo test --release --test storing kept_mail -- --ignored --nocapture"]
fn kept_mail() {
    let maildir = TestMaildir::new();
    let lines = tempfile::NamedTempFile::new().expect("a file");
    let kept: usize = std::env::var("KEPT").map_or(200_000, |kept| kept.parse().expect("a number"));
    for n in 0..kept {
        fs::write(maildir.path().join("new").join(format!("{n}.kept")), "Subject: hello\n\nno report\n")
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
        let stat = fs::read_to_string(format!("/proc/{}/stat", running.pid().as_raw_nonzero())).expect("it runs");
        let fields: Vec<u64> =
            stat.rsplit(") ").next().expect("fields").split(' ').map(|f| f.parse().unwrap_or(0)).collect();
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
