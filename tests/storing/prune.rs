//! `prune`: what is old is gone, all else is there, and others may work meanwhile.

mod cluster;
mod unused;

use std::{fs, path::Path, thread, time::Duration};

use rusqlite::Connection;
use rustix::process::Signal;

use crate::support::{
    corpus::{Corpus, Format, Manifest},
    mail::{attachment, fixture, mail},
    program::{Ended, Running, TestMaildir, program, run, run_command, wait_until},
    server::OpenSearch,
    sums::{Sums, expected, in_sqlite},
};

/// Amid the corpus' periods.
const DAY: &str = "2026-09-25";
const SECOND: i64 = 1_790_294_400;

struct Place {
    folder: tempfile::TempDir,
    manifest: Manifest,
}

impl Place {
    /// An SQLite file with the reports of a corpus.
    fn new(mails: usize) -> Place {
        let folder = tempfile::tempdir().expect("a folder");
        let manifest = Corpus::new(mails)
            .write(Format::Maildir, &folder.path().join("Maildir"), |_| {})
            .expect("written");
        let place = Place { folder, manifest };
        place.import();
        assert_eq!(in_sqlite(&place.store()), expected(&place.manifest));
        place
    }

    fn store(&self) -> std::path::PathBuf {
        self.folder.path().join("store")
    }

    /// All mails, whatever was imported before.
    fn import(&self) -> Ended {
        let mut command = program(["import", "--fresh", "--store"]);
        command.arg(self.store()).arg(self.folder.path().join("Maildir"));
        run_command(command_with_state(command, self.folder.path()))
    }

    fn prune(&self, more: &[&str]) -> Ended {
        let mut command = program(["prune", "--older-than", DAY, "--store"]);
        command.arg(self.store()).args(more);
        run_command(command)
    }
}

fn command_with_state(mut command: std::process::Command, folder: &Path) -> std::process::Command {
    command.env("STATE_DIRECTORY", folder.join("state"));
    command
}

/// The sums of what is not old.
fn young(store: &Path) -> Sums {
    let connection = Connection::open(store).expect("a store");
    let one = |sql: &str| {
        let sql = sql.replace('?', &SECOND.to_string());
        connection.query_row(&sql, (), |row| row.get::<_, i64>(0)).expect(&sql).unsigned_abs()
    };
    let records = "dmarc_records d JOIN dmarc_reports r ON r.id = d.report WHERE period_begin >= ?";
    [
        one("SELECT count(*) FROM dmarc_reports WHERE period_begin >= ?"),
        one(&format!("SELECT count(*) FROM {records}")),
        one(&format!("SELECT coalesce(sum(count), 0) FROM {records}")),
        one("SELECT count(*) FROM tls_reports WHERE period_begin >= ?"),
        one(
            "SELECT count(*) FROM tls_policies p JOIN tls_reports r ON r.id = p.report WHERE period_begin >= ?",
        ),
    ]
}

fn check(store: &Path) {
    let connection = Connection::open(store).expect("a store");
    let answer: String =
        connection.query_row("PRAGMA integrity_check", (), |row| row.get(0)).expect("an answer");
    assert_eq!(answer, "ok");
    let mut orphans = connection.prepare("PRAGMA foreign_key_check").expect("a statement");
    assert!(!orphans.exists(()).expect("an answer"), "rows without their report");
    // Sums come from columns, which are no rows of a report.
    let answer = run(["report", "--json", "--all-time", "--store", store.to_str().expect("UTF-8")]);
    let answer: serde_json::Value = serde_json::from_str(&answer.stdout).expect("JSON");
    let sums = in_sqlite(store);
    assert_eq!(answer["dmarc"]["reports"], sums[0], "{answer}");
    assert_eq!(answer["dmarc"]["messages"], sums[2], "{answer}");
}

/// What the line says was deleted, or would be.
fn told(ended: &Ended) -> &str {
    ended.log.split_once("Z: ").unwrap_or_else(|| panic!("{}", ended.log)).1.lines().next().unwrap()
}

#[test]
fn what_is_old_is_gone_and_the_file_is_smaller() {
    let place = Place::new(600);
    let store = place.store();
    let (all, young) = (in_sqlite(&store), young(&store));
    assert!(young[1] > all[1] / 5 && young[1] < all[1] * 4 / 5);

    let dry = place.prune(&["--dry-run"]);
    assert_eq!(dry.code, Some(0), "{}", dry.log);
    assert!(dry.log.contains("would be deleted, as older than 2026-09-25T00:00:00Z"));
    assert_eq!(in_sqlite(&store), all);
    let size = fs::metadata(&store).expect("a file").len();
    let pruned = place.prune(&[]);
    assert_eq!(pruned.code, Some(0), "{}", pruned.log);
    assert_eq!(told(&pruned), told(&dry));
    let numbers = format!("{} DMARC reports ({} records)", all[0] - young[0], all[1] - young[1]);
    assert!(told(&pruned).starts_with(&numbers), "{}", pruned.log);
    assert_eq!(in_sqlite(&store), young);
    check(&store);
    assert!(pruned.log.contains("is smaller by "), "{}", pruned.log);
    assert!(fs::metadata(&store).expect("a file").len() < size * 9 / 10);

    let again = place.prune(&[]);
    assert!(told(&again).starts_with("0 DMARC reports"), "{}", again.log);
    // Mail that is read again brings it back.
    place.import();
    assert_eq!(in_sqlite(&store), all);
    let kept = place.prune(&["--no-vacuum"]);
    assert_eq!(kept.code, Some(0), "{}", kept.log);
    assert!(!kept.log.contains("smaller"), "{}", kept.log);
    assert_eq!(in_sqlite(&store), young);
}

#[test]
fn heads_of_several_mails_and_failures_go_as_well() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = folder.path().join("store");
    let bare = String::from_utf8(fixture("dmarc/rfc7489.xml")).expect("UTF-8");
    let other = bare.replacen("<count>", "<count>7", 1);
    let files = [
        ("first", bare.into_bytes()),
        ("second", mail(&attachment("application/xml", "report.xml", other.as_bytes()))),
        ("failure", fixture("failure/of-a-forged-report.eml")),
    ];
    for (name, bytes) in &files {
        let file = folder.path().join(name);
        fs::write(&file, bytes).expect("written");
        let mut command = program(["--store"]);
        command.arg(&store).arg(&file);
        let ended = run_command(command);
        assert_eq!(ended.code, Some(0), "{}", ended.log);
    }
    let rows = |table: &str| {
        let sql = format!("SELECT count(*) FROM {table}");
        let connection = Connection::open(&store).expect("a store");
        connection.query_row(&sql, (), |row| row.get::<_, i64>(0)).expect("a number")
    };
    assert_eq!((rows("dmarc_reports"), rows("dmarc_failures")), (2, 1));
    let mut command = program(["prune", "--older-than=2026-10-10", "--store"]);
    command.arg(&store);
    let ended = run_command(command);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    for table in ["dmarc_reports", "dmarc_records", "dmarc_dkim_results", "dmarc_failures"] {
        assert_eq!(rows(table), 0, "{table}: {}", ended.log);
    }
    check(&store);
}

#[test]
fn a_watcher_and_a_reader_go_on_meanwhile() {
    let place = Place::new(800);
    let store = place.store();
    let maildir = TestMaildir::new();
    let mut command = program(["watch", "--store"]);
    command.arg(&store).arg(maildir.path());
    let watch = Running::start_command(command);
    let more = Corpus { seed: 77, ..Corpus::new(150) };
    let reader = Connection::open(&store).expect("a store");
    let before = young(&store);
    let count = "SELECT count(*) FROM dmarc_records";
    reader.execute_batch("BEGIN").expect("a snapshot");
    let seen: i64 = reader.query_row(count, (), |row| row.get(0)).expect("a number");

    let delivering = thread::scope(|scope| {
        let deliver = scope.spawn(|| {
            for mail in more.iter() {
                maildir.deliver(&mail.name, &mail.bytes);
                thread::sleep(Duration::from_millis(5));
            }
        });
        let pruned = place.prune(&[]);
        deliver.join().expect("delivered");
        pruned
    });
    assert_eq!(delivering.code, Some(0), "{}", delivering.log);
    assert!(delivering.log.contains("once nobody reads it"), "{}", delivering.log);
    let still: i64 = reader.query_row(count, (), |row| row.get(0)).expect("a number");
    assert_eq!(still, seen, "the reader sees the moment at which it began");
    reader.execute_batch("COMMIT").expect("read");
    wait_until("all mails", Duration::from_mins(2), || maildir.count("new") == 0);
    // The watcher copies and empties the log when it has nothing to do.
    wait_until("a smaller file", Duration::from_secs(30), || {
        fs::metadata(place.folder.path().join("store-wal")).is_ok_and(|log| log.len() == 0)
    });
    let (code, log) = watch.stop();
    assert_eq!(code, Some(0), "{log}");

    // What the watcher stored is young or old; once more, and the sums are exact.
    let last = place.prune(&[]);
    assert_eq!(last.code, Some(0), "{}", last.log);
    let other = tempfile::tempdir().expect("a folder");
    let twin = other.path().join("store");
    let mails = other.path().join("Maildir");
    more.write(Format::Maildir, &mails, |_| {}).expect("written");
    let mut command = program(["import", "--store"]);
    command.arg(&twin).arg(&mails);
    run_command(command_with_state(command, other.path()));
    let added = young(&twin);
    let all: Vec<u64> = before.iter().zip(added).map(|(one, other)| one + other).collect();
    assert_eq!(in_sqlite(&store).to_vec(), all);
    check(&store);
}

#[test]
fn killed_at_any_moment_the_file_is_whole() {
    let place = Place::new(400);
    let store = place.store();
    let young = young(&store);
    for pause in [20, 60, 120, 200, 300] {
        let mut command = program(["prune", "--older-than", DAY, "--store"]);
        command.arg(&store);
        let running = Running::start_command(command);
        thread::sleep(Duration::from_millis(pause));
        running.signal(Signal::KILL);
        drop(running);
        check(&store);
    }
    let last = place.prune(&[]);
    assert_eq!(last.code, Some(0), "{}", last.log);
    assert_eq!(in_sqlite(&store), young);
}

#[test]
fn without_room_the_file_stays_as_large_as_it_is() {
    // A folder that root may write to and where nothing is free; others are led elsewhere.
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let place = Place::new(300);
    let store = place.store();
    let young = young(&store);
    let size = fs::metadata(&store).expect("a file").len();
    let mut command = program(["prune", "--older-than", DAY, "--store"]);
    command.arg(&store).env("SQLITE_TMPDIR", "/proc");
    let ended = run_command(command);
    assert_eq!(ended.code, Some(75), "{}", ended.log);
    assert!(ended.log.contains("in /proc, and 0 B are free there"), "{}", ended.log);
    assert_eq!(in_sqlite(&store), young);
    assert!(fs::metadata(&store).expect("a file").len() >= size);
}

#[test]
fn senseless_requests_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = folder.path().join("missing");
    let store = missing.to_str().expect("UTF-8");
    for (arguments, code) in [
        (vec!["prune", "--store", store], 64),
        (vec!["prune", "--store", store, "--older-than", "2999-01-01"], 64),
        (vec!["prune", "--ndjson", store, "--older-than", "1y"], 64),
        (vec!["prune", "--store", store, "--older-than", "1y"], 78),
    ] {
        let ended = run(&arguments);
        assert_eq!(ended.code, Some(code), "{arguments:?}: {}", ended.log);
    }
    assert!(!missing.exists());
}

#[test]
fn documents_of_an_index_are_deleted_by_query() {
    let Some(server) = OpenSearch::start(&[]) else { return };
    let place = Place::new(600);
    let young = young(&place.store());
    let mut command = program(["import", "--opensearch", &server.url]);
    command.arg(place.store());
    run_command(command_with_state(command, place.folder.path()));
    let counts = || ["dmarc-reports", "tlsrpt-reports"].map(|index| server.count(index));
    let all = counts();
    assert_eq!(all, [place.manifest.dmarc.records, place.manifest.tls.policies]);
    let prune = |more: &[&str]| {
        let mut command = program(["prune", "--older-than", DAY, "--opensearch", &server.url]);
        command.args(more);
        run_command(command)
    };
    let dry = prune(&["--dry-run"]);
    assert_eq!(dry.code, Some(0), "{}", dry.log);
    assert_eq!(counts(), all);
    let pruned = prune(&[]);
    assert_eq!(pruned.code, Some(0), "{}", pruned.log);
    assert_eq!(told(&pruned), told(&dry));
    assert!(told(&pruned).starts_with(&format!("{} DMARC records", all[0] - young[1])));
    assert_eq!(counts(), [young[1], young[4]]);
    assert!(told(&prune(&[])).starts_with("0 DMARC records, 0 TLS policies"));

    // An index that only lets itself be deleted is told.
    let block = serde_json::json!({ "index.blocks.write": true });
    server.put("/dmarc-reports/_settings", &block);
    let mut command = program(["prune", "--older-than=2026-10-10", "--opensearch", &server.url]);
    command.arg("--give-up-after=1s");
    let blocked = run_command(command);
    assert_eq!(blocked.code, Some(75), "{}", blocked.log);
    assert!(
        blocked.log.contains("dmarc-reports") && blocked.log.contains("blocked"),
        "{}",
        blocked.log
    );
}

/// Indices of months that are over go as a whole, that of the day's month by query.
#[test]
fn indices_of_months_that_are_over_are_deleted() {
    let Some(server) = OpenSearch::start(&[]) else { return };
    let place = Place::new(600);
    let older = ["prune", "--older-than=2026-10-10"];
    let names = ["--dmarc-index=dmarc-{yyyy}-{MM}", "--tlsrpt-index=tls-{yyyy}"];
    let command = |more: &[&str]| {
        let mut command = program(more);
        command.args(names).args(["--opensearch", &server.url]);
        command
    };
    let store = place.store();
    let import = command(&["import", store.to_str().expect("UTF-8")]);
    run_command(command_with_state(import, place.folder.path()));
    let counts = || ["dmarc-*", "tls-*"].map(|index| server.count(index));
    assert_eq!(counts(), [place.manifest.dmarc.records, place.manifest.tls.policies]);
    // Another's index, whatever is in it.
    let old = serde_json::json!({
        "feedback": { "report_metadata": { "date_range": { "begin": 1_700_000_000 } } },
    });
    server.put("/dmarc-2026-09-backup/_doc/1", &old);
    let months = || server.get("/dmarc-2026-*/_settings").as_object().expect("indices").len();
    let before = months();
    let dry = run_command(command(&[older[0], older[1], "--dry-run"]));
    assert_eq!(months(), before);
    let pruned = run_command(command(&older));
    assert_eq!(pruned.code, Some(0), "{}", pruned.log);
    assert_eq!(told(&pruned), told(&dry));
    assert_eq!(server.count("dmarc-2026-09-backup"), 1, "another's");
    let left = place.manifest.dmarc.records - (counts()[0] - 1);
    assert!(told(&dry).starts_with(&format!("{left} DMARC records")), "{}", dry.log);
    assert_eq!(months(), before - 1);
    let again = run_command(command(&older));
    assert!(told(&again).starts_with("0 DMARC records, 0 TLS policies"), "{}", again.log);
}

/// Rows are given the numbers of those that are gone: the store must not look the same.
#[test]
fn what_came_after_a_prune_is_copied() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let (source, target) = (path("source"), path("target"));
    let report = String::from_utf8(fixture("dmarc/rfc7489.xml")).expect("UTF-8");
    let store = |report: &str| {
        std::fs::write(path("mail"), report).expect("written");
        assert_eq!(run(["--store", &source, &path("mail")]).code, Some(0));
    };
    let copy = || {
        let command = program(["import", &source, "--store", &target]);
        let ended = run_command(command_with_state(command, folder.path()));
        assert_eq!(ended.code, Some(0), "{}", ended.log);
        in_sqlite(Path::new(&target))[0]
    };
    store(&report);
    assert_eq!(copy(), 1);
    assert_eq!(run(["prune", "--older-than=2026-10-01", "--store", &source]).code, Some(0));
    store(&report.replace("9391651994964116463", "another"));
    assert_eq!(copy(), 2);
}
