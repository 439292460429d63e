//! SIGHUP: new settings, settings that do not work, at a good moment and at a bad one.

use std::{fs, net::TcpListener, path::Path};

use rustix::process::Signal;

use super::{LONG, get, metrics_at, reports};
use crate::support::{
    program::{Running, TestMaildir, program, wait_until},
    server::OpenSearch,
};

#[test]
fn sighup_reads_the_settings_again() {
    let maildir = TestMaildir::new();
    let folder = tempfile::tempdir().expect("a folder");
    let (config, first, second) =
        (folder.path().join("config"), folder.path().join("first"), folder.path().join("second"));
    let set = |store: &Path| fs::write(&config, format!("ndjson = {store:?}\n")).expect("written");
    set(&first);
    let mut command = program([Path::new("watch"), maildir.path()]);
    command.env("ERP_CONFIG", &config);
    let running = Running::start_command(command);
    let mails = reports(10);
    maildir.deliver("1", &mails[0].bytes);
    wait_until("the first mail", LONG, || maildir.count("cur") == 1);

    fs::write(&config, "nonsense").expect("written");
    running.signal(Signal::HUP);
    running.wait_for_log("settings stay as they were");
    set(&second);
    running.signal(Signal::HUP);
    running.wait_for_log("settings read again");
    maildir.deliver("2", &mails[1].bytes);
    wait_until("the second mail", LONG, || maildir.count("cur") == 2);
    let lines = |file| fs::read_to_string(file).expect("a file").lines().count();
    assert_eq!((lines(&first), lines(&second)), (mails[0].content.len(), mails[1].content.len()));
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
    let running = Running::start([
        Path::new("watch"),
        Path::new("--metrics=127.0.0.1:0"),
        Path::new(&url),
        maildir.path(),
    ]);
    let address = metrics_at(&running);
    let mails = reports(10);
    maildir.deliver("1", &mails[0].bytes);
    running.wait_for_log("store unavailable");
    assert_eq!(get(&address, "/healthz").map(|(code, _)| code), Some(503));
    running.signal(Signal::HUP);
    running.wait_for_log("settings read again");
    // The port is the same, though the system chose it.
    wait_until("the outage to be seen again", LONG, || {
        get(&address, "/healthz").is_some_and(|(code, _)| code == 503)
    });
    let Some(_server) = OpenSearch::start(&["--data", data, "--port", &port]) else { return };
    wait_until("the mail", LONG, || maildir.count("cur") == 1);
    wait_until("health", LONG, || get(&address, "/healthz").is_some_and(|(code, _)| code == 200));
}

#[test]
fn settings_that_do_not_work_leave_the_old_ones() {
    let maildir = TestMaildir::new();
    let folder = tempfile::tempdir().expect("a folder");
    let (config, lines, more) =
        (folder.path().join("config"), folder.path().join("lines"), folder.path().join("more"));
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
        // A file stands where a folder is named.
        (format!("store = {:?}\n", lines.join("reports.db")), "can't create the store"),
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
    assert_eq!(
        written,
        mails[..refused.len()].iter().map(|mail| mail.content.len()).sum::<usize>()
    );
    set(&format!("ndjson = {more:?}\nmetrics = '127.0.0.1:0'\n"));
    running.signal(Signal::HUP);
    running.wait_for_log("settings read again");
    let last = &mails[refused.len()];
    maildir.deliver("last", &last.bytes);
    wait_until("the last mail", LONG, || maildir.count("cur") == refused.len() + 1);
    assert_eq!(fs::read_to_string(&more).expect("a file").lines().count(), last.content.len());
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
