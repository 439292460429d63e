//! Model test: stories made up at random (mails, faults of the store, crashes, a second process),
//! told to the real program. After each run the promises of ARCHITECTURE.md must hold, and after
//! the last one everything must be where it belongs.
//!
//! A story that breaks a promise is made as short as possible and told in words. `ERP_MODEL_CASES`
//! and `ERP_MODEL_SEED` ask for more stories, and others.

mod around;
mod letters;
mod stage;
mod story;

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use self::{
    stage::Stage,
    story::{End, Kind, Letter, Mode, Name, Run, Sink, Story},
};
use crate::support::strace;

/// A few in CI, always the same.
const CASES: u32 = 24;

fn number(variable: &str) -> Option<u32> {
    std::env::var(variable)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} must be a number")))
}

#[test]
fn whatever_happens_every_promise_holds() {
    let cases = number("ERP_MODEL_CASES").unwrap_or(CASES);
    let seed = number("ERP_MODEL_SEED").unwrap_or(1);
    let config =
        Config { cases, max_shrink_iters: 300, failure_persistence: None, ..Config::default() };
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&seed.to_le_bytes());
    let mut runner =
        TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let told = runner.run(&Story::strategy(), |story| {
        Stage::play(&story).map(drop).map_err(TestCaseError::fail)
    });
    match told {
        Ok(()) => {}
        Err(TestError::Fail(reason, story)) => panic!("seed {seed}: {reason}\n\n{story}"),
        Err(TestError::Abort(reason)) => panic!("no story: {reason}"),
    }
}

/// Every system call by which the program changes something outside itself. The place in the
/// program does not matter, so none is forgotten, not even within SQLite.
const CALLS: [&str; 6] = [
    "rename,renameat,renameat2,link,linkat",
    "unlink,unlinkat,rmdir",
    "fsync,fdatasync",
    "mkdir,mkdirat,ftruncate,fallocate",
    "pwrite64,write,writev",
    "sendto,sendmsg,recvfrom,connect",
];

/// A run without any trouble but its end.
fn run(mode: Mode, end: End) -> Run {
    Run { mode, requests: vec![], documents: vec![], away: false, end, company: None }
}

/// False if the program came to its end before it was killed.
fn played(story: &Story) -> bool {
    Stage::play(story).unwrap_or_else(|broken| panic!("{broken}\n\n{story}"))
}

/// Crash points: one story, told once for each such call, the program killed as it begins it.
#[test]
fn killed_at_every_system_call_that_changes_something() {
    if !strace::works() {
        return;
    }
    let kinds = [
        Kind::Dmarc,
        Kind::Broken,
        Kind::Tls,
        Kind::Junk,
        Kind::Failure,
        Kind::Broken,
        Kind::Mixed,
    ];
    let letter =
        |kind: &Kind| Letter { kind: *kind, name: Name::Dovecot, refused: false, comes: 0 };
    // In CI every one at first, then fewer and fewer.
    let all = number("ERP_MODEL_CASES").is_some();
    let mut points = 0;
    for (sink, mode) in [
        (Sink::OpenSearch, Mode::Once),
        (Sink::Sqlite, Mode::Once),
        (Sink::NdJson, Mode::Once),
        (Sink::Sqlite, Mode::Import),
    ] {
        for calls in CALLS {
            let mut at = 1;
            let story = |at| Story {
                sink,
                letters: kinds.iter().map(letter).collect(),
                runs: vec![run(mode, End::KilledAtCall(calls, at))],
                last: mode,
            };
            while played(&story(at)) {
                points += 1;
                at += if all { 1 } else { 1 + at / 3 };
            }
        }
    }
    eprintln!("{points} crash points");
    assert!(points > 50, "only {points} crash points");
}
