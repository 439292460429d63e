//! Maildirs that are as they should be, and broken ones.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{
        ffi::OsStrExt,
        fs::{PermissionsExt, chown},
    },
    process::Command,
    thread,
    time::{Duration, SystemTime},
};

use super::{check, check_as_nobody, check_on_disk, checking, traces};
use crate::support::{
    corpus::Corpus,
    program::{Running, TestMaildir, below, program, run, run_command, wait_for_all},
    server::leave_out,
};

fn seconds_ago(seconds: u64) -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    now.as_secs() - seconds
}

fn path(maildir: &TestMaildir) -> String {
    maildir.path().display().to_string()
}

/// A store that is not there yet, outside of any Maildir.
fn store(folder: &tempfile::TempDir) -> String {
    folder.path().join("reports.sqlite").display().to_string()
}

#[test]
fn a_good_maildir_is_good_and_left_as_it_was() {
    let (maildir, folder) = (TestMaildir::new(), tempfile::tempdir().expect("a folder"));
    maildir.deliver(&format!("{}.M1P1.mx", seconds_ago(3 * 3600)), b"Subject: x\n\nx\n");
    fs::rename(
        maildir.path().join("new").join(&maildir.names("new")[0]),
        maildir.path().join("cur/1700000000.M1P1.mx:2,S"),
    )
    .expect("renamed");
    maildir.deliver(&format!("{}.M2P1.mx", seconds_ago(90)), b"Subject: x\n\nx\n");
    let before = (traces(maildir.path()), traces(folder.path()));
    let found = check(["--store", &store(&folder), &path(&maildir)]);
    assert_eq!((traces(maildir.path()), traces(folder.path())), before);
    assert_eq!(found.code, Some(0), "{:?}", found.findings);
    for (check, words) in [
        ("maildir.folders", "new, cur and tmp are there"),
        ("maildir.rights", "new and cur can be read and written"),
        ("maildir.device", "new and cur are on one device"),
        ("maildir.failed", "no failed mail"),
        ("maildir.waiting", "1 mail in new/"),
        ("maildir.newest", "the newest mail came "),
        ("events", "inotify"),
        ("store.opens", "there is no store yet"),
    ] {
        found.has(check, "ok", &[words]);
    }
}

#[test]
fn what_is_no_maildir_is_told() {
    let (maildir, folder) = (TestMaildir::new(), tempfile::tempdir().expect("a folder"));
    let wrong = |maildir: &str| {
        let found = check(["--store", &store(&folder), maildir]);
        assert_eq!(found.code, Some(1));
        found.only("maildir.folders", "").1
    };
    assert!(wrong(&format!("{}/new", path(&maildir))).contains("give the Maildir"));
    assert!(wrong("/nonexistent").contains("No such file"));
    fs::remove_dir(maildir.path().join("cur")).expect("removed");
    assert!(wrong(&path(&maildir)).contains("no folder cur"));
    fs::remove_dir(maildir.path().join("new")).expect("removed");
    assert!(wrong(&path(&maildir)).contains("is no Maildir"));
    fs::create_dir(maildir.path().join("new")).expect("made");
    fs::create_dir(maildir.path().join("cur")).expect("made");
    fs::remove_dir(maildir.path().join("tmp")).expect("removed");
    let found = check(["--store", &store(&folder), &path(&maildir)]);
    found.has("maildir.folders", "warning", &["tmp", "mkdir"]);
    assert_eq!(found.code, Some(0));
}

#[test]
fn rights_are_those_of_the_user_who_asks() {
    let (maildir, folder) = (TestMaildir::new(), tempfile::tempdir().expect("a folder"));
    maildir.deliver("1700000000.M1P1.mx", b"Subject: x\n\nx\n");
    let arguments = ["--store", &store(&folder), &path(&maildir)].map(str::to_owned);
    let Some(found) = check_as_nobody(maildir.path(), arguments.clone()) else { return };
    found.has("maildir.rights", "wrong", &["new/ can't be read and written", "id 0"]);
    found.has("maildir.rights", "wrong", &["cur/"]);
    found.has("maildir.failed", "wrong", &[".failed can't be made"]);
    found.has("store.rights", "wrong", &["permission denied"]);

    // As a mail server that delivers for somebody else: the folders are theirs, the mail is not.
    for name in ["", "new", "cur", "tmp"] {
        let (user, group) = (Some(super::NOBODY), Some(super::NOBODY));
        chown(maildir.path().join(name), user, group).expect("given");
    }
    let mail = maildir.path().join("new/1700000000.M1P1.mx");
    fs::set_permissions(&mail, fs::Permissions::from_mode(0o600)).expect("closed");
    let found = check_as_nobody(maildir.path(), arguments.clone()).expect("root");
    found.has("maildir.rights", "ok", &[]);
    found.has("maildir.mails", "wrong", &["1 mail in new/ can't be read", "sudo -u '#0'"]);
    // Root may do everything, which proves nothing.
    let found = check(arguments);
    found.has("user", "warning", &["as root", "sudo -u '#65534'"]);
}

#[test]
fn new_and_cur_on_different_devices_are_told() {
    let (maildir, folder) = (TestMaildir::new(), tempfile::tempdir().expect("a folder"));
    let arguments = ["--store", &store(&folder), &path(&maildir)].map(str::to_owned);
    let cur = maildir.path().join("cur");
    let Some(found) = check_on_disk(&cur, "1m", ":", arguments.clone()) else { return };
    found.has("maildir.device", "wrong", &["different mounts"]);
    // The same device, mounted once more.
    let mut outer = Command::new("unshare");
    outer.args(["-m", "sh", "-c", "mount --bind \"$0\" \"$0\" && exec \"$@\""]).arg(&cur);
    let ended = run_command(below(outer, &checking(&arguments)));
    super::Found::from(ended).has("maildir.device", "wrong", &["different mounts"]);
}

/// Limits of a user namespace are its own.
#[test]
fn limits_of_inotify_are_told() {
    let (maildir, folder) = (TestMaildir::new(), tempfile::tempdir().expect("a folder"));
    // None are given within a changed root, as of a test machine in a folder.
    let namespace = Command::new("unshare").args(["-Ur", "true"]).output().expect("it runs");
    if !namespace.status.success() {
        leave_out("there are no user namespaces here");
        return;
    }
    for limit in ["instances", "watches"] {
        let script = format!("echo 0 > /proc/sys/user/max_inotify_{limit} && exec \"$@\"");
        let mut outer = Command::new("unshare");
        outer.args(["-Ur", "sh", "-c", &script, "sh"]);
        let inner = checking(["--store", &store(&folder), &path(&maildir)]);
        let ended = run_command(below(outer, &inner));
        let found = super::Found::from(ended);
        found.has("events", "warning", &["inotify is refused", "max_user_instances = "]);
        assert_eq!(found.code, Some(0));
    }
}

#[test]
fn mails_that_wait_or_failed_are_told() {
    let (maildir, folder) = (TestMaildir::new(), tempfile::tempdir().expect("a folder"));
    let store = store(&folder);
    maildir.deliver("1700000000.M1P1.mx", b"Subject: x\n\nx\n");
    let found = check(["--store", &store, &path(&maildir)]);
    found.has("maildir.waiting", "warning", &["1 mail in new/", "days ago", "Is watch running"]);
    found.has("maildir.newest", "warning", &["--dns"]);
    let ended = run(["once", "--store", &store, &path(&maildir)]);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert_eq!(maildir.count(".failed/new"), 1);
    let before = traces(maildir.path());
    let found = check(["--store", &store, &path(&maildir)]);
    assert_eq!(traces(maildir.path()), before);
    found.has("maildir.failed", "warning", &["1 failed mail in", "email-report-processor retry"]);
    assert!(found.of("maildir.lock", "").is_empty());

    let held = fs::File::open(maildir.path().join(".failed/maildirfolder")).expect("the lock");
    held.lock().expect("locked");
    let found = check(["--store", &store, &path(&maildir)]);
    found.has("maildir.lock", "warning", &["another process holds the lock"]);
}

#[test]
fn an_inbox_is_told_before_watch_refuses_it() {
    let (maildir, folder) = (TestMaildir::new(), tempfile::tempdir().expect("a folder"));
    for n in 0..10 {
        maildir.deliver(&format!("170000000{n}.mx"), b"Subject: lunch\n\nAt noon?\n");
    }
    let found = check(["--store", &store(&folder), &path(&maildir)]);
    found.has("maildir.contents", "wrong", &["looks like an inbox"]);
    let kept = check(["--store", &store(&folder), "--unrecognized", "keep", &path(&maildir)]);
    assert!(kept.of("maildir.contents", "").is_empty());
}

#[test]
fn names_of_files_do_not_reach_the_terminal_as_they_are() {
    let folder = tempfile::tempdir().expect("a folder");
    let maildir = folder.path().join(OsStr::from_bytes(b"a\x1b[31m\nwrong b\xff"));
    for name in ["new", "cur"] {
        fs::create_dir_all(maildir.join(name)).expect("a folder");
    }
    let mut command = program(["check", "--store"]);
    command.arg(folder.path().join("x.sqlite")).arg(&maildir);
    let ended = run_command(command);
    assert!(!ended.stdout.contains('\u{1b}'), "{}", ended.stdout);
    let is_begun = |line: &str| {
        line.is_empty() || ["ok ", "warning ", "wrong "].iter().any(|word| line.starts_with(word))
    };
    let lines: Vec<&str> = ended.stdout.lines().collect();
    let (numbers, lines) = lines.split_last().expect("lines");
    assert!(lines.iter().all(|line| is_begun(line)), "{}", ended.stdout);
    assert!(numbers.ends_with(" wrong"), "{numbers}");
    assert!(!ended.stdout.contains("\nwrong b"), "{}", ended.stdout);
}

#[test]
fn a_watcher_is_not_disturbed() {
    let (maildir, folder) = (TestMaildir::new(), tempfile::tempdir().expect("a folder"));
    let store = store(&folder);
    let mut watch = Running::start(["watch", "--store", &store, &path(&maildir)]);
    watch.wait_for_log("watching");
    let mails = Corpus::new(200);
    let mails: Vec<_> = mails.iter().filter(|mail| !mail.content.is_empty()).collect();
    let checks = thread::scope(|scope| {
        let deliver = scope.spawn(|| maildir.deliver_all(mails));
        let mut checks = 0;
        while checks < 5 || !deliver.is_finished() {
            let found = check(["--store", &store, &path(&maildir)]);
            assert_eq!(found.code, Some(0), "{:?}", found.troubles());
            checks += 1;
        }
        checks
    });
    assert!(checks >= 5);
    wait_for_all(&maildir, Duration::from_mins(1));
    assert!(watch.is_running());
    let (code, log) = watch.stop();
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("WARN") && !log.contains("ERROR"), "{log}");
}
