//! Full disks, folders that are missing or elsewhere, clocks that jump, folders of very many files.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use super::{LeftOut, Size, command, compare, seed};
use crate::support::{
    corpus::{Content, Corpus, Manifest},
    program::{Ended, Running, TestMaildir, program, run, run_command, wait_until},
};

/// A small file system of its own below a folder, gone when this is dropped.
struct Mount<'p>(&'p Path);

impl Mount<'_> {
    /// `tests/faults` gives the scenarios a mount namespace of their own; elsewhere nothing is
    /// mounted.
    fn new<'p>(at: &'p Path, options: &[&str]) -> Result<Mount<'p>, String> {
        if std::env::var_os("ERP_FAULTS_MAY_MOUNT").is_none() {
            return Err("it needs root and tests/faults, to mount a file system".into());
        }
        let at_text = at.to_str().expect("UTF-8");
        command(&[&["mount"][..], options, &[at_text]].concat())?;
        Ok(Mount(at))
    }

    fn small<'p>(at: &'p Path, size: &str) -> Result<Mount<'p>, String> {
        Mount::new(at, &["-t", "tmpfs", "-o", &format!("size={size},mode=700"), "tmpfs"])
    }

    /// Fills it to the last byte.
    fn fill(&self) {
        let mut file = File::create(self.0.join("filler")).expect("created");
        while file.write_all(&[0; 4096]).is_ok() {}
        while file.write_all(&[0]).is_ok() {}
    }

    fn free(&self) {
        fs::remove_file(self.0.join("filler")).expect("removed");
    }
}

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        let _ = command(&["umount", "--lazy", self.0.to_str().expect("UTF-8")]);
    }
}

/// A Maildir with a corpus in it, and an SQLite file beside it.
struct Place {
    maildir: TestMaildir,
    folder: tempfile::TempDir,
    corpus: Corpus,
}

impl Place {
    fn new(mails: usize) -> Place {
        let corpus = Corpus { seed: seed(), ..Corpus::new(mails) };
        let place = Place {
            maildir: TestMaildir::new(),
            folder: tempfile::tempdir().expect("a folder"),
            corpus,
        };
        place.maildir.deliver_all(place.corpus.iter());
        place
    }

    fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    fn once(&self) -> Ended {
        let (store, maildir) = (self.store(), self.maildir.path());
        run([
            "once".as_ref(),
            "--give-up-after=1s".as_ref(),
            "--store".as_ref(),
            store.as_os_str(),
            maildir.as_os_str(),
        ])
    }

    /// Without the fault everything ends well.
    fn ends_well(&self) {
        let ended = self.once();
        assert_eq!(ended.code, Some(0), "{}", ended.log);
        let manifest = self.corpus.manifest();
        compare::sqlite(&self.store(), &manifest);
        compare::settled(&self.maildir, &manifest);
    }

    /// How many of its mails can be used.
    fn good(&self) -> usize {
        let manifest = self.corpus.manifest();
        usize::try_from(manifest.mails - manifest.junk - manifest.broken).expect("small")
    }
}

pub fn full_disk_failed(_: Size) -> LeftOut {
    let place = Place::new(400);
    let failed = place.maildir.path().join(".failed");
    fs::create_dir(&failed).expect("a folder");
    let mount = Mount::small(&failed, "1m")?;
    ["tmp", "new", "cur"]
        .iter()
        .for_each(|name| fs::create_dir(failed.join(name)).expect("a folder"));
    File::create(failed.join("maildirfolder")).expect("a file");
    mount.fill();
    let ended = place.once();
    assert_eq!(ended.code, Some(75), "{}", ended.log);
    assert_eq!(place.maildir.count("cur"), place.good(), "good mails are settled all the same");
    assert_eq!(place.maildir.count("new") + place.good(), place.corpus.len());
    assert_eq!(
        place.maildir.count(".failed/new") + place.maildir.count(".failed/tmp"),
        0,
        "no half mail is left"
    );
    mount.free();
    place.ends_well();
    Ok(())
}

pub fn full_disk_sqlite(_: Size) -> LeftOut {
    let place = Place::new(1500);
    let mount = Mount::small(place.folder.path(), "600k")?;
    let waits = |when: &str| {
        let ended = place.once();
        assert_eq!(ended.code, Some(75), "{when}: {}", ended.log);
        let all: usize =
            ["new", "cur", ".failed/new"].iter().map(|folder| place.maildir.count(folder)).sum();
        assert_eq!(all, place.corpus.len(), "{when}");
        assert!(place.maildir.count("new") > 0, "{when}: the disk was large enough");
        compare::integrity(&place.store());
    };
    waits("begun with some room");
    mount.fill();
    waits("begun with none");
    mount.free();
    // A store that was in use, with none left.
    let tmpfs = place.folder.path().to_str().expect("UTF-8");
    command(&["mount", "-o", "remount,size=100m", tmpfs])?;
    place.ends_well();
    let more = Corpus { seed: place.corpus.seed + 1, ..Corpus::new(300) };
    place.maildir.deliver_all(more.iter());
    mount.fill();
    let ended = place.once();
    assert_eq!((ended.code, place.maildir.count("new")), (Some(75), more.len()), "{}", ended.log);
    mount.free();
    let ended = place.once();
    assert_eq!((ended.code, place.maildir.count("new")), (Some(0), 0), "{}", ended.log);
    compare::integrity(&place.store());
    Ok(())
}

/// The journal only saves time: without it the import ends with the same.
pub fn full_disk_journal(_: Size) -> LeftOut {
    let place = Place::new(600);
    let state = place.folder.path().join("state");
    fs::create_dir(&state).expect("a folder");
    let mount = Mount::small(&state, "1m")?;
    mount.fill();
    let import = || {
        let mut command = program(["import", "--store"]);
        command.arg(place.store()).arg(place.maildir.path()).env("STATE_DIRECTORY", &state);
        run_command(command)
    };
    for free in [false, true] {
        if free {
            mount.free();
        }
        let ended = import();
        assert!(matches!(ended.code, Some(0 | 65)), "{}", ended.log);
        compare::sqlite(&place.store(), &place.corpus.manifest());
    }
    Ok(())
}

pub fn cur_missing(_: Size) -> LeftOut {
    let place = Place::new(300);
    let cur = place.maildir.path().join("cur");
    // It vanishes under a running watch; once would refuse such a Maildir.
    let maildir = place.maildir.path().to_str().expect("UTF-8");
    fs::remove_dir(&cur).expect("removed");
    let refused = place.once();
    assert_eq!(refused.code, Some(64), "{}", refused.log);
    assert_eq!(place.maildir.count("new"), place.corpus.len(), "nothing is touched");
    let store = place.store();
    let watch = Running::start(["watch", "--store", store.to_str().expect("UTF-8"), maildir]);
    watch.wait_for_log("not there yet");
    fs::create_dir(&cur).expect("a folder");
    watch.stop();
    place.ends_well();
    Ok(())
}

pub fn cur_read_only(_: Size) -> LeftOut {
    let place = Place::new(300);
    let cur = place.maildir.path().join("cur");
    let cur_text = cur.to_str().expect("UTF-8");
    {
        let _mount = Mount::new(&cur, &["--bind", cur_text])?;
        command(&["mount", "-o", "remount,bind,ro", cur_text])?;
        stays_in_new(&place);
    }
    place.ends_well();
    Ok(())
}

pub fn cur_other_device(_: Size) -> LeftOut {
    let place = Place::new(300);
    let cur = place.maildir.path().join("cur");
    {
        let _mount = Mount::small(&cur, "10m")?;
        stays_in_new(&place);
    }
    place.ends_well();
    Ok(())
}

/// What can't be moved to `cur/` stays, is told, and is stored all the same.
fn stays_in_new(place: &Place) {
    let ended = place.once();
    assert_eq!(ended.code, Some(75), "{}", ended.log);
    assert_eq!(
        (place.maildir.count("new"), place.maildir.count("cur")),
        (place.good(), 0),
        "good mails stay"
    );
    assert!(ended.log.contains("/new/"), "no mail is named: {}", ended.log);
    compare::sqlite(&place.store(), &place.corpus.manifest());
}

/// A library that gives a program another time.
fn faketime() -> Result<PathBuf, String> {
    let path = format!("/usr/lib/{}-linux-gnu/faketime/libfaketime.so.1", std::env::consts::ARCH);
    Some(PathBuf::from(path))
        .filter(|path| path.exists())
        .ok_or_else(|| "there is no libfaketime here".into())
}

pub fn clock_jumps(size: Size) -> LeftOut {
    let faketime = faketime()?;
    let place = Place::new(0);
    let clock = place.folder.path().join("clock");
    fs::write(&clock, "+0").expect("written");
    let mut command = program(["watch", "--store"]);
    command.arg(place.store()).arg(place.maildir.path());
    command.env("LD_PRELOAD", faketime).env("FAKETIME_TIMESTAMP_FILE", &clock);
    // The clock of a machine jumps; the time since its start does not.
    command
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .env("DONT_FAKE_MONOTONIC", "1");
    let running = Running::start_command(command);
    let corpus = Corpus { seed: seed(), ..Corpus::new(size.of(200, 4000)) };
    let mut mails = corpus.iter();
    for jump in ["+0", "-1d", "+3650d", "-3650d", "+1h", "+0"] {
        fs::write(&clock, jump).expect("written");
        place.maildir.deliver_all(mails.by_ref().take(corpus.len() / 6 + 1));
        wait_until(&format!("mails after a jump by {jump}"), Duration::from_secs(30), || {
            place.maildir.count("new") == 0
        });
    }
    let (code, log) = running.stop();
    assert_eq!(code, Some(0), "{log}");
    compare::sqlite(&place.store(), &corpus.manifest());
    compare::settled(&place.maildir, &corpus.manifest());
    Ok(())
}

pub fn many_files(size: Size) -> LeftOut {
    let place = Place::new(0);
    let mails = size.of(4000, 1_000_000);
    // Small ones: it is their number that counts.
    let corpus = Corpus { seed: seed(), ..Corpus::new(mails) };
    let mut manifest = Manifest::default();
    for mail in corpus
        .iter()
        .filter(|mail| mail.content.len() <= 8 && !matches!(mail.content, Content::Broken(_)))
    {
        manifest.add(&mail);
        place.maildir.deliver(&mail.name, &mail.bytes);
    }
    let store = place.store();
    let started = Instant::now();
    let mut running = Running::start([
        "watch",
        "--store",
        store.to_str().expect("UTF-8"),
        place.maildir.path().to_str().expect("UTF-8"),
    ]);
    let mut peak = 0;
    let mut left = manifest.mails;
    while left > 0 && running.is_running() {
        peak = running.memory().map_or(peak, |(_, high)| high.max(peak));
        thread::sleep(Duration::from_millis(size.of(50, 5000)));
        left = place.maildir.count("new") as u64;
        assert!(started.elapsed() < Duration::from_hours(2), "{left} mails are left in new/");
    }
    println!(
        "     {} mails, {} s, {} MiB at most",
        manifest.mails,
        started.elapsed().as_secs(),
        peak >> 10
    );
    running.signal(Signal::TERM);
    assert_eq!(running.wait(), Some(0), "{}", running.log());
    compare::sqlite(&store, &manifest);
    compare::settled(&place.maildir, &manifest);
    assert!(peak < 256 << 10, "{peak} KiB of memory");
    Ok(())
}
