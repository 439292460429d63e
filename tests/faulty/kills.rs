//! `kill -9` at random moments.

use std::{
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use super::{LeftOut, Size, compare, node, seed};
use crate::support::{
    corpus::Corpus,
    program::{Running, TestMaildir, program},
    rng::Rng,
};

/// Later moments are much like earlier ones.
const LATEST_MS: u64 = 300;

pub fn sqlite(mode: &str, size: Size) -> LeftOut {
    let folder = tempfile::tempdir().expect("a folder");
    let store = folder.path().join("store");
    let arguments = ["--store", store.to_str().expect("UTF-8")];
    let corpus = play(mode, size, &arguments, folder.path(), || compare::integrity(&store));
    compare::sqlite(&store, &corpus.manifest());
    Ok(())
}

pub fn opensearch(mode: &str, size: Size) -> LeftOut {
    let server = node::shared()?;
    let folder = tempfile::tempdir().expect("a folder");
    let indices = [
        format!("--dmarc-index={mode}-dmarc-reports"),
        format!("--tlsrpt-index={mode}-tlsrpt-reports"),
    ];
    let arguments = ["--opensearch", &server.url, "--bulk-bytes=64KiB", &indices[0], &indices[1]];
    let corpus = play(mode, size, &arguments, folder.path(), || {});
    compare::opensearch(server, &format!("{mode}-"), &corpus.manifest());
    Ok(())
}

/// Kills the program again and again while mail comes, lets it end its work, and sees that all
/// mails are settled.
fn play(mode: &str, size: Size, store: &[&str], folder: &Path, after_kill: impl Fn()) -> Corpus {
    let kills = size.of(8, 200);
    let seed = seed();
    // Each time there is something to do, and at the end something is left.
    let corpus = Corpus { seed, duplicates: 5, ..Corpus::new((kills + 1) * 60) };
    let maildir = TestMaildir::new();
    let command = || {
        let mut command: Command = program([mode]);
        command.args(store).arg(maildir.path()).env("STATE_DIRECTORY", folder.join("state"));
        command
    };
    let mut rng = Rng::new(seed, 0);
    let mut mails = corpus.iter();
    for kill in 1..=kills {
        maildir.deliver_all(mails.by_ref().take(60));
        let running = Running::start_command(command());
        thread::sleep(Duration::from_millis(rng.below(LATEST_MS)));
        running.signal(Signal::KILL);
        drop(running);
        after_kill();
        compare::complete(&maildir, kill * 60);
    }
    maildir.deliver_all(mails);
    let mut running = Running::start_command(command());
    let started = Instant::now();
    if mode == "watch" {
        while maildir.count("new") > 0 && running.is_running() {
            assert!(
                started.elapsed() < Duration::from_mins(5),
                "mails are left in new/: {}",
                running.log()
            );
            thread::sleep(Duration::from_millis(20));
        }
        running.signal(Signal::TERM);
    }
    let code = running.wait();
    // 65: an import met a report that can't be read.
    assert!(code == Some(0) || mode == "import" && code == Some(65), "{code:?}: {}", running.log());
    if mode == "import" {
        assert_eq!(maildir.count("new"), corpus.len(), "an import moves nothing");
    } else {
        compare::settled(&maildir, &corpus.manifest());
    }
    corpus
}
