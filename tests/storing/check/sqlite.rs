//! Stores that are SQLite files.

use std::{fs, io::Write, os::unix::fs::PermissionsExt, path::Path};

use rusqlite::Connection;
use rustix::process::Signal;

use super::{check, check_as_nobody, check_on_disk, traces};
use crate::support::{
    corpus::Corpus,
    program::{Running, TestMaildir, run, wait_for_all},
};

/// Bytes of a page of SQLite.
const PAGE: usize = 4096;

/// A folder with a store in it that has reports.
fn filled() -> (tempfile::TempDir, String) {
    let (folder, maildir) = (tempfile::tempdir().expect("a folder"), TestMaildir::new());
    let store = folder.path().join("reports.sqlite").display().to_string();
    maildir.deliver_all(Corpus::new(50).iter());
    let ended = run(["once", "--store", &store, maildir.path().to_str().expect("UTF-8")]);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    (folder, store)
}

#[test]
fn a_good_store_is_good_and_left_as_it_was() {
    let (folder, store) = filled();
    let before = traces(folder.path());
    let found = check(["--store", &store]);
    assert_eq!(traces(folder.path()), before);
    assert_eq!(found.code, Some(0), "{:?}", found.troubles());
    found.has("store.version", "ok", &["of this version"]);
    found.has("store.whole", "ok", &[]);
    found.has("store.rights", "ok", &[]);
    found.has("disk", "ok", &["free"]);
    // The corpus is of some years ago.
    found.has("store.newest", "warning", &["the newest report is of", "days ago"]);
}

#[test]
fn stores_of_others_and_of_other_versions_are_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.sqlite");
    let store = path.display().to_string();
    let make = |sql: &str| {
        let _ = fs::remove_file(&path);
        Connection::open(&path).expect("a file").execute_batch(sql).expect("made");
    };
    make("CREATE TABLE theirs (x)");
    check(["--store", &store]).has("store.opens", "wrong", &["is not a store", "--store"]);
    make("CREATE TABLE ours (x); PRAGMA application_id = 0x45525053; PRAGMA user_version = 999");
    check(["--store", &store]).has("store.opens", "wrong", &["newer version", "Update"]);
    fs::write(&path, "not a database at all, but a text".repeat(100)).expect("written");
    check(["--store", &store]).has("store.opens", "wrong", &["is not a store"]);
    fs::write(&path, "").expect("written");
    check(["--store", &store]).has("store.opens", "ok", &["no store yet"]);
    fs::remove_file(&path).expect("removed");
    fs::create_dir(&path).expect("made");
    check(["--store", &store]).has("store.opens", "wrong", &["is not a store"]);

    let older = folder.path().join("older.sqlite").display().to_string();
    for version in [1, 2] {
        let fixture =
            format!("{}/tests/fixtures/store-{version}.sqlite", env!("CARGO_MANIFEST_DIR"));
        fs::copy(fixture, &older).expect("copied");
        let before = traces(folder.path());
        check(["--store", &older]).has("store.version", "warning", &["older version"]);
        assert_eq!(traces(folder.path()), before);
    }
}

#[test]
fn a_damaged_store_is_told_whichever_page_is_broken() {
    let (_folder, store) = filled();
    let whole = fs::read(&store).expect("the store");
    let pages = whole.len() / PAGE;
    assert!(pages > 10, "{pages} pages");
    for page in (1..pages).step_by(pages / 10) {
        let mut damaged = whole.clone();
        damaged[page * PAGE..(page + 1) * PAGE].fill(0xA5);
        fs::write(&store, damaged).expect("damaged");
        let found = check(["--store", &store]);
        let all = [found.of("store.whole", ""), found.of("store.opens", "")].concat();
        let [(status, told)] = all.as_slice() else { panic!("page {page}: {all:?}") };
        assert_eq!(*status, "wrong", "page {page}: {told}");
        assert!(told.contains("damaged") && told.contains("backup"), "page {page}: {told}");
    }
}

#[test]
fn a_store_that_this_user_may_not_write_is_told() {
    let (folder, store) = filled();
    fs::set_permissions(&store, fs::Permissions::from_mode(0o644)).expect("readable");
    let before = traces(folder.path());
    let Some(found) = check_as_nobody(folder.path(), ["--store", &store]) else { return };
    assert_eq!(traces(folder.path()), before);
    found.has("store.rights", "wrong", &["can't be written (permission denied)", "sudo -u '#0'"]);
    found.has("store.whole", "ok", &[]);
}

#[test]
fn a_full_or_read_only_disk_is_told() {
    let (folder, store) = filled();
    let disk = tempfile::tempdir().expect("a folder");
    let at = disk.path().join("reports.sqlite").display().to_string();
    let copied = |more: &str| format!("cp '{store}' \"$0\"; {more}");
    let full = copied("dd if=/dev/zero of=\"$0/rest\" bs=64k 2>/dev/null");
    let Some(found) = check_on_disk(disk.path(), "4m", &full, ["--store", &at]) else { return };
    found.has("disk", "wrong", &["only 0 B free", "Make room"]);
    found.has("store.whole", "ok", &[]);
    let read_only = copied("mount -o remount,ro \"$0\"");
    let found = check_on_disk(disk.path(), "40m", &read_only, ["--store", &at]).expect("mounted");
    found.has("store.rights", "wrong", &["read-only file system", "Mount it for writing"]);
    found.has("store.whole", "ok", &[]);
    let many_files = copied("i=0; while touch \"$0/$i\" 2>/dev/null; do i=$((i+1)); done");
    let size = "40m,nr_inodes=20";
    let found = check_on_disk(disk.path(), size, &many_files, ["--store", &at]).expect("mounted");
    found.has("disk", "wrong", &["no room for another file"]);
    drop(folder);
}

/// A watcher that was killed leaves its log, and one that runs has it open.
#[test]
fn a_log_is_left_alone() {
    let (folder, maildir) = (tempfile::tempdir().expect("a folder"), TestMaildir::new());
    let path = folder.path().join("it's 100% ?#.sqlite");
    let store = path.display().to_string();
    let mut watch =
        Running::start(["watch", "--store", &store, maildir.path().to_str().expect("UTF-8")]);
    watch.wait_for_log("watching");
    maildir.deliver_all(Corpus::new(20).iter());
    wait_for_all(&maildir, std::time::Duration::from_secs(30));
    let found = check(["--store", &store]);
    found.has("store.whole", "ok", &[]);
    watch.signal(Signal::KILL);
    watch.wait();
    let beside = |end: &str| Path::new(&format!("{store}{end}")).to_owned();
    assert!(beside("-wal").exists() && beside("-shm").exists());
    let before = traces(folder.path());
    let found = check(["--store", &store]);
    assert_eq!(traces(folder.path()), before);
    found.has("store.whole", "ok", &[]);
    assert_eq!(found.only("store.newest", "").0, "warning");

    // Somebody copied the store with its log, and not what its processes share.
    fs::File::options()
        .append(true)
        .open(beside("-wal"))
        .expect("a log")
        .write_all(b"x")
        .expect("more");
    fs::remove_file(beside("-shm")).expect("removed");
    let before = traces(folder.path());
    let found = check(["--store", &store]);
    assert_eq!(traces(folder.path()), before);
    found.has("store.opens", "warning", &["left a log"]);
    let ended = run(["once", "--store", &store, maildir.path().to_str().expect("UTF-8")]);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    check(["--store", &store]).has("store.whole", "ok", &[]);
}

#[test]
fn a_store_that_was_replaced_is_told() {
    let (folder, store) = filled();
    let path = Path::new(&store);
    let maildir = TestMaildir::new();
    let watch =
        Running::start(["watch", "--store", &store, maildir.path().to_str().expect("UTF-8")]);
    watch.wait_for_log("watching");
    maildir.deliver_all(Corpus::new(60).iter());
    wait_for_all(&maildir, std::time::Duration::from_secs(30));
    watch.signal(Signal::KILL);
    drop(watch);
    let moved = folder.path().join("moved.sqlite");
    fs::rename(path, &moved).expect("moved");
    let before = traces(folder.path());
    let found = check(["--store", moved.to_str().expect("UTF-8")]);
    assert_eq!(traces(folder.path()), before);
    assert_eq!(found.only("store.opens", "").0, "wrong", "{:?}", found.findings);
}

#[test]
fn lines_are_a_store_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("lines").display().to_string();
    let found = check(["--ndjson", &file]);
    found.has("store.rights", "ok", &[]);
    assert!(traces(folder.path()).len() == 1, "nothing is made");
    let Some(found) = check_as_nobody(folder.path(), ["--ndjson", &file]) else { return };
    found.has("store.rights", "wrong", &["files can't be made in"]);
}
