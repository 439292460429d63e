//! `import`: every form in which people keep mail, interrupted and begun again.

mod again;
mod archives;
mod copy;
mod forms;
mod output;
mod settling;

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::support::{
    corpus::{Corpus, Format, Manifest},
    mail::gzip,
    program::{Ended, Running, program, run_command, wait_until},
    server::OpenSearch,
    sums::{Sums, expected, in_sqlite},
};
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A folder for sources, store and journal.
pub struct Place(TempDir);

impl Place {
    pub fn new() -> Place {
        Place(tempfile::tempdir().expect("a folder"))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// `import` into the store of this place, with a state folder of its own.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program(["import", "--store"]);
        command.arg(self.path("store")).args(arguments).env("STATE_DIRECTORY", self.path("state"));
        command
    }

    pub fn import(&self, arguments: &[&str]) -> Ended {
        run_command(self.command(arguments))
    }

    pub fn sums(&self) -> Sums {
        in_sqlite(&self.path("store"))
    }
}

pub fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// The corpus as a tar archive, with the Maildir's folders in it.
fn tar(maildir: &Path) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_dir_all("Maildir", maildir).expect("memory");
    builder.into_inner().expect("memory")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).expect("memory")
}

/// The corpus in every form that a source may have.
const FORMS: [&str; 9] = [
    "Maildir",
    "archive.mbox",
    "files",
    "a.tar",
    "a.tar.gz",
    "a.tar.zst",
    "b.mbox.gz",
    "b.mbox.zst",
    "outer.tar",
];

fn write_forms(corpus: &Corpus, sources: &Place) -> Manifest {
    let (maildir, mbox) = (sources.path("Maildir"), sources.path("archive.mbox"));
    let manifest = corpus.write(Format::Maildir, &maildir, |_| {}).expect("written");
    corpus.write(Format::Mbox, &mbox, |_| {}).expect("written");
    corpus.write(Format::Files, &sources.path("files/deep/deeper"), |_| {}).expect("written");
    let tar = tar(&maildir);
    let mbox_bytes = fs::read(&mbox).expect("read");
    for (name, bytes) in [
        ("a.tar", tar.clone()),
        ("a.tar.gz", gzip(&tar)),
        ("a.tar.zst", zstd(&tar)),
        ("b.mbox.gz", gzip(&mbox_bytes)),
        ("b.mbox.zst", zstd(&mbox_bytes)),
    ] {
        fs::write(sources.path(name), bytes).expect("written");
    }
    let mut outer = tar::Builder::new(Vec::new());
    for name in ["archive.mbox", "a.tar.gz"] {
        outer.append_path_with_name(sources.path(name), name).expect("memory");
    }
    fs::write(sources.path("outer.tar"), outer.into_inner().expect("memory")).expect("written");
    manifest
}

#[test]
fn every_form_gives_the_same() {
    let corpus = Corpus::new(600);
    let sources = Place::new();
    let manifest = write_forms(&corpus, &sources);
    let broken = manifest.broken;
    assert!(broken > 0 && manifest.junk > 0);
    for source in FORMS {
        let place = Place::new();
        let ended = place.import(&[text(&sources.path(source))]);
        assert_eq!(ended.code, Some(65), "{source}: {}", ended.log);
        assert_eq!(place.sums(), expected(&manifest), "{source}");
        let times = if source == "outer.tar" { 2 } else { 1 };
        let failed =
            format!("{} without, {} that can't be read", manifest.junk * times, broken * times);
        assert!(ended.summary().contains(&failed), "{source}: {}", ended.summary());
    }
    // Nothing of the source was moved.
    let new = sources.path("Maildir/new");
    assert_eq!(fs::read_dir(new).expect("a folder").count(), corpus.len());

    for name in ["archive.mbox", "a.tar.zst"] {
        let place = Place::new();
        let mut command = place.command(&["-"]);
        command.stdin(File::open(sources.path(name)).expect("opened"));
        let ended = run_command(command);
        assert_eq!(ended.code, Some(65), "{name} on standard input: {}", ended.log);
        assert_eq!(place.sums(), expected(&manifest), "{name} on standard input");
    }
}

#[test]
fn maildirs_with_their_folders() {
    let place = Place::new();
    let (inbox, sub) = (place.path("Maildir"), place.path("Maildir/.Reports"));
    let first = Corpus { seed: 1, ..Corpus::new(50) }
        .write(Format::Maildir, &inbox, |_| {})
        .expect("written");
    let second = Corpus { seed: 2, ..Corpus::new(50) }
        .write(Format::Maildir, &sub, |_| {})
        .expect("written");
    // Half of them were read already.
    for (n, mail) in fs::read_dir(inbox.join("new")).expect("a folder").enumerate() {
        let mail = mail.expect("a mail");
        if n % 2 == 0 {
            let name = mail.file_name().into_string().expect("UTF-8");
            fs::rename(mail.path(), inbox.join("cur").join(name + ":2,S")).expect("moved");
        }
    }
    place.import(&[text(&inbox)]);
    assert_eq!(place.sums(), expected(&first));
    place.import(&[text(&inbox), "--recursive"]);
    let both: Vec<_> = expected(&first).iter().zip(expected(&second)).map(|(a, b)| a + b).collect();
    assert_eq!(place.sums().to_vec(), both);

    // With --settle they are moved as once does.
    let settled = place.import(&[text(&sub), "--settle", "--fresh"]);
    assert!(settled.code == Some(0) || settled.code == Some(65), "{}", settled.log);
    assert_eq!(fs::read_dir(sub.join("new")).expect("a folder").count(), 0);
    let failed = fs::read_dir(place.path("Maildir/.Reports.failed/new")).map_or(0, Iterator::count);
    assert_eq!(failed as u64, second.junk + second.broken);
}

#[test]
fn failures_are_listed_and_grouped() {
    let place = Place::new();
    let maildir = place.path("Maildir");
    let manifest = Corpus::new(300).write(Format::Maildir, &maildir, |_| {}).expect("written");
    let errors = place.path("errors");
    let ended = place.import(&[text(&maildir), "--errors", text(&errors)]);
    let lines: Vec<Value> = fs::read_to_string(&errors)
        .expect("written")
        .lines()
        .map(|line| serde_json::from_str(line).expect(line))
        .collect();
    assert_eq!(lines.len() as u64, manifest.junk + manifest.broken);
    let failed = lines.iter().filter(|line| line["outcome"] == "failed").count() as u64;
    assert_eq!(failed, manifest.broken);
    assert!(
        lines
            .iter()
            .all(|line| line["mail"].as_str().is_some_and(|mail| mail.contains("Maildir/new/")))
    );
    assert!(ended.log.contains(&format!("{} × holds no report", manifest.junk)), "{}", ended.log);
}

#[test]
fn only_the_period_asked_for() {
    let place = Place::new();
    let maildir = place.path("Maildir");
    let corpus = Corpus::new(400);
    corpus.write(Format::Maildir, &maildir, |_| {}).expect("written");
    let in_period = |document: &Value| {
        let begin = document["@timestamp"].as_str().expect("a time");
        ("2026-09-10".."2026-09-20").contains(&&begin[..10])
    };
    let wanted =
        corpus.iter().filter(|mail| mail.documents().first().is_some_and(in_period)).count();
    assert!(wanted > 20 && wanted < 300);
    let ended = place.import(&[text(&maildir), "--since=2026-09-10", "--until=2026-09-19"]);
    let numbers = place.sums();
    assert_eq!(numbers[0] + numbers[3], wanted as u64, "{}", ended.log);

    // What was passed over is not taken for finished.
    let all = place.import(&[text(&maildir)]);
    let numbers = place.sums();
    let reports = corpus.manifest();
    assert_eq!(numbers, expected(&reports), "{}", all.log);
}

#[test]
fn a_dry_run_stores_nothing() {
    let place = Place::new();
    let maildir = place.path("Maildir");
    let manifest = Corpus::new(100).write(Format::Maildir, &maildir, |_| {}).expect("written");
    let ended = place.import(&[text(&maildir), "--dry-run"]);
    assert!(
        ended.summary().contains(&format!(" {} rows new in no store", manifest.documents)),
        "{}",
        ended.summary()
    );
    assert!(!place.path("store").exists() && !place.path("state").exists());
    place.import(&[text(&maildir)]);
    assert_eq!(place.sums(), expected(&manifest));
}

/// Three times the mails take no more memory.
#[test]
fn memory_does_not_grow_with_the_archive() {
    let peak = |mails| {
        let place = Place::new();
        let mbox = place.path("mbox");
        Corpus { seed: 9, ..Corpus::new(mails) }
            .write(Format::Mbox, &mbox, |_| {})
            .expect("written");
        let mut running = Running::start_command(place.command(&[text(&mbox), "--quiet"]));
        let peak = running.peak_memory();
        assert_eq!(running.wait(), Some(65), "{}", running.log());
        peak
    };
    let (small, large) = (peak(4000), peak(12_000));
    eprintln!("peak memory: {small} KiB for 4,000 mails, {large} KiB for 12,000");
    assert!(large < small + small / 4 + 8192, "memory grew from {small} to {large} KiB");
    assert!(large < 200 * 1024, "{large} KiB");
}

#[test]
fn opensearch_is_relaxed_for_the_import_and_restored_even_after_a_crash() {
    let Some(server) = OpenSearch::start(&[]) else { return };
    let place = Place::new();
    let maildir = place.path("Maildir");
    let manifest = Corpus { seed: 10, ..Corpus::new(3000) }
        .write(Format::Maildir, &maildir, |_| {})
        .expect("written");
    let import = |more: &[&str]| {
        let mut command = program(["import", "--opensearch", &server.url, "--bulk-bytes=128KiB"]);
        command.args(more).arg(&maildir).env("STATE_DIRECTORY", place.path("state"));
        command
    };
    let interval = |index: &str| {
        server.get(&format!("/{index}/_settings"))[index]["settings"]["index"]["refresh_interval"]
            .clone()
    };
    server.put("/dmarc-reports", &json!({ "settings": { "index": { "refresh_interval": "7s" } } }));

    let running = Running::start_command(import(&[]));
    wait_until("the relaxed refresh", Duration::from_secs(30), || {
        interval("tlsrpt-reports") == "60s"
    });
    wait_until("some documents", Duration::from_secs(30), || server.count("dmarc-reports") > 100);
    running.signal(Signal::KILL);
    drop(running);
    assert_eq!(interval("dmarc-reports"), "60s");

    // The next run of any mode.
    let mut mail = tempfile::NamedTempFile::new().expect("a file");
    mail.write_all(b"From: a@example.org\nSubject: hello\n\nno report\n").expect("written");
    let other =
        run_command(program([Path::new("--opensearch"), Path::new(&server.url), mail.path()]));
    assert_eq!(other.code, Some(65), "{}", other.log);
    assert_eq!((interval("dmarc-reports"), interval("tlsrpt-reports")), (json!("7s"), Value::Null));

    let ended = run_command(import(&[]));
    assert_eq!(ended.code, Some(65), "{}", ended.log);
    assert!(ended.log.contains("refresh relaxed"), "{}", ended.log);
    assert_eq!((interval("dmarc-reports"), interval("tlsrpt-reports")), (json!("7s"), Value::Null));
    let meta = server.get("/dmarc-reports/_mapping")["dmarc-reports"]["mappings"]["_meta"].clone();
    assert!(meta.is_null() || meta.as_object().is_some_and(serde_json::Map::is_empty), "{meta}");
    assert_eq!(server.count("dmarc-reports"), manifest.dmarc.records);
    assert_eq!(server.count("tlsrpt-reports"), manifest.tls.policies);
    assert_eq!(server.sum("dmarc-reports", "feedback.record.row.count"), manifest.dmarc.count_sum);

    // The index made anew: the journal does not count any more.
    for index in ["dmarc-reports", "tlsrpt-reports", "dmarc-failures"] {
        server.request("DELETE", &format!("/{index}"), None);
    }
    let untuned = run_command(import(&["--no-tune"]));
    assert_eq!(untuned.code, Some(65), "{}", untuned.log);
    assert!(!untuned.log.contains("relaxed"), "{}", untuned.log);
    assert_eq!(server.count("dmarc-reports"), manifest.dmarc.records);
}
