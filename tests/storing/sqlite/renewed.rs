//! A store of an older version is brought up to date by whoever reads it; who may not do that is
//! told so.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use email_report_processor::{answers::Answers, answers::Filter, sqlite::Store};
use rusqlite::Connection;
use rustix::process::geteuid;
use tempfile::TempDir;

use super::number;
use crate::{
    serve::Served,
    support::program::{Ended, Running, below, program, run_command},
};

const VERSIONS: [u8; 5] = [1, 2, 3, 5, 8];

fn older(version: u8) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("reports.sqlite");
    let fixture = format!("{}/tests/fixtures/store-{version}.sqlite", env!("CARGO_MANIFEST_DIR"));
    fs::copy(fixture, &path).expect("copied");
    (folder, path)
}

fn version(path: &Path) -> i64 {
    number(path, "PRAGMA user_version")
}

fn command(words: &[&str], store: &Path) -> Command {
    program(words.iter().copied().chain(["--store", store.to_str().expect("UTF-8")]))
}

fn report(store: &Path) -> Ended {
    run_command(command(&["report", "--json", "--all-time"], store))
}

/// What a store says that was brought up to date by a writer.
fn expected(version: u8) -> u64 {
    let (_folder, path) = older(version);
    drop(Store::open(&path).expect("opened"));
    let mut reader = email_report_processor::sqlite::query::Reader::open(&path).expect("opened");
    let totals = reader.answers().expect("a moment").totals(&Filter::default()).expect("totals");
    totals.messages.messages
}

#[test]
fn whoever_reads_brings_it_up_to_date() {
    let current = {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("new.sqlite");
        drop(Store::open(&path).expect("made"));
        version(&path)
    };
    for older_version in VERSIONS {
        let (_folder, path) = older(older_version);
        assert!(version(&path) < current);
        let ended = report(&path);
        assert_eq!(ended.code, Some(0), "{older_version}: {}", ended.log);
        let told: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
        assert_eq!(told["dmarc"]["messages"], expected(older_version), "{older_version}");
        assert_eq!(version(&path), current);
        assert!(ended.log.contains("bringing the store up to date"), "{}", ended.log);
        assert!(!report(&path).log.contains("up to date"), "once");
    }
    for words in [
        &["advise"][..],
        &["digest", "--print"],
        &["alert", "--dry-run"],
        &["export"],
        &["prune", "--older-than", "99y", "--dry-run"],
    ] {
        let (_folder, path) = older(5);
        let ended = run_command(command(words, &path));
        assert!(matches!(ended.code, Some(0 | 1)), "{words:?}: {}", ended.log);
        assert_eq!(version(&path), current, "{words:?}: {}", ended.log);
    }
}

#[test]
fn serve_brings_it_up_to_date_before_the_first_page() {
    let (_folder, path) = older(2);
    let served = Served::store(&path);
    assert!(version(&path) > 2);
    served.page("/");
}

#[test]
fn another_process_that_is_at_it_is_waited_for() {
    let (_folder, path) = older(5);
    let mut other = Connection::open(&path).expect("opened");
    let transaction = other
        .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
        .expect("the lock");
    let mut waiting = Running::start_command(command(&["report", "--json", "--all-time"], &path));
    waiting.wait_for_log("waiting for another process");
    assert!(waiting.is_running());
    drop(transaction);
    assert_eq!(waiting.wait(), Some(0), "{}", waiting.log());
    assert!(version(&path) > 5);
}

/// The program as a user who owns nothing.
fn as_a_stranger(folder: &Path, command: &Command) -> Command {
    if !geteuid().is_root() {
        return below(Command::new("env"), command);
    }
    // The folder of the build may be closed to others.
    let copy = folder.join("program");
    if !copy.exists() {
        fs::copy(command.get_program(), &copy).expect("copied");
    }
    let mut outer = Command::new("setpriv");
    outer.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    outer.arg(copy).args(command.get_args()).env("ERP_CONFIG", "/dev/null");
    outer
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("its mode");
}

/// What `report` says to a stranger of a store in such a folder.
fn refused(path: &Path, folder: u32) -> String {
    let bin = tempfile::tempdir().expect("a folder");
    mode(bin.path(), 0o755);
    mode(path, 0o444);
    let store = path.parent().expect("a folder");
    mode(store, folder);
    let ended =
        run_command(as_a_stranger(bin.path(), &command(&["report", "--json", "--all-time"], path)));
    mode(store, 0o755);
    mode(path, 0o644);
    assert_eq!(ended.code, Some(75), "{}", ended.log);
    ended.log
}

#[test]
fn who_may_not_change_it_is_told_so() {
    let (_folder, path) = older(5);
    let log = refused(&path, 0o777);
    for words in [
        "is of an older version and can't be brought up to date",
        "as the user who stores the reports, or copy the store",
    ] {
        assert!(log.contains(words), "{log}");
    }
    assert_eq!(version(&path), 5);
}

#[test]
fn who_may_not_make_files_beside_it_is_told_so() {
    let (_folder, path) = older(5);
    let of_closed = |log: &str| log.contains("this user may not write to its folder");
    let log = refused(&path, 0o555);
    assert!(of_closed(&log), "{log}");
    drop(Store::open(&path).expect("brought up to date"));
    let log = refused(&path, 0o555);
    assert!(of_closed(&log), "{log}");
}

#[test]
fn a_store_that_is_not_up_to_date_is_found_elsewhere() {
    let (folder, _) = older(5);
    let missing = folder.path().join("missing.sqlite");
    let mut ask = command(&["report"], &missing);
    // Where `report` looks for the store of the user.
    ask.env("XDG_DATA_HOME", folder.path());
    let place = folder.path().join("email-report-processor");
    fs::create_dir(&place).expect("made");
    fs::rename(folder.path().join("reports.sqlite"), place.join("reports.sqlite")).expect("moved");
    let ended = run_command(ask);
    assert_eq!(ended.code, Some(78), "{}", ended.log);
    assert!(ended.log.contains("there is another"), "{}", ended.log);
    assert_eq!(version(&place.join("reports.sqlite")), 5, "it is not ours to change");
}
