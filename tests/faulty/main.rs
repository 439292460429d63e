//! Long scenarios of things going wrong, each ending in an exact comparison with what was put in.
//! `tests/faults` runs it.
//!
//! A line beginning with `ok` or `FAIL` for each scenario; exit code 1 if one failed, 69 if one
//! could not be run here.

#[path = "../support/mod.rs"]
mod support;

mod cluster;
mod compare;
mod folders;
mod kills;
mod node;
mod proxy;

use std::{
    panic,
    process::{self, Command, ExitCode},
    sync::Mutex,
    time::Instant,
};

/// How much of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Size {
    /// A few minutes in all, for each change.
    Short,
    /// Hours, before a release.
    All,
}

impl Size {
    /// A number for each size.
    fn of<T>(self, short: T, all: T) -> T {
        if self == Size::Short { short } else { all }
    }
}

/// Why a scenario was left out.
type LeftOut = Result<(), String>;

struct Scenario {
    name: &'static str,
    what: &'static str,
    run: fn(Size) -> LeftOut,
}

const fn scenario(name: &'static str, what: &'static str, run: fn(Size) -> LeftOut) -> Scenario {
    Scenario { name, what, run }
}

const SCENARIOS: &[Scenario] = &[
    scenario("kill-once-sqlite", "kill -9 at random moments of once, into SQLite", |size| {
        kills::sqlite("once", size)
    }),
    scenario("kill-watch-sqlite", "the same of watch", |size| kills::sqlite("watch", size)),
    scenario("kill-import-sqlite", "the same of import", |size| kills::sqlite("import", size)),
    scenario(
        "kill-once-opensearch",
        "kill -9 at random moments of once, into OpenSearch",
        |size| kills::opensearch("once", size),
    ),
    scenario("kill-watch-opensearch", "the same of watch", |size| kills::opensearch("watch", size)),
    scenario("kill-import-opensearch", "the same of import", |size| {
        kills::opensearch("import", size)
    }),
    scenario(
        "cluster",
        "three nodes with replicas: the node in use killed, the manager killed, a rolling restart",
        cluster::run,
    ),
    scenario(
        "several-watchers",
        "three watchers into three nodes and indices by month, mails twice, a node killed",
        cluster::several_watchers,
    ),
    scenario("outage", "the node is away while mail arrives", node::outage),
    scenario(
        "flood-stage",
        "the disk of the node is over its flood stage, and below it again",
        node::flood_stage,
    ),
    scenario("index-deleted", "the indices are deleted under a running watch", node::index_deleted),
    scenario("full-disk-failed", "no room for .failed", folders::full_disk_failed),
    scenario("full-disk-sqlite", "no room for the SQLite file", folders::full_disk_sqlite),
    scenario(
        "full-disk-journal",
        "no room for the journal of an import",
        folders::full_disk_journal,
    ),
    scenario("cur-missing", "there is no cur/", folders::cur_missing),
    scenario("cur-read-only", "cur/ is on a file system that is read-only", folders::cur_read_only),
    scenario("cur-other-device", "cur/ is on another device", folders::cur_other_device),
    scenario(
        "clock-jumps",
        "the clock jumps back and forth under a running watch",
        folders::clock_jumps,
    ),
    scenario("many-files", "very many mails in new/", folders::many_files),
    scenario(
        "tls-proxy",
        "nginx in front: wrong CA, wrong host name, expired credentials",
        proxy::run,
    ),
];

/// The last panic's message, with its place.
static MESSAGE: Mutex<String> = Mutex::new(String::new());

fn main() -> ExitCode {
    let (size, chosen) = match asked_for() {
        Ok(asked_for) => asked_for,
        Err(code) => return code,
    };
    // A panic is a failed comparison; the scenario's line tells it.
    panic::set_hook(Box::new(|panic| {
        let text = panic.to_string();
        *MESSAGE.lock().expect("whole") = text;
    }));
    let (mut failed, mut left_out) = (false, false);
    for scenario in chosen {
        match play(scenario, size) {
            Played::Well => {}
            Played::LeftOut => left_out = true,
            Played::Failed => failed = true,
        }
    }
    if left_out && std::env::var_os("ERP_TEST_REQUIRE_ALL").is_some() {
        println!("FAIL nothing may be left out, ERP_TEST_REQUIRE_ALL is set");
        failed = true;
    }
    ExitCode::from(if failed {
        1
    } else if left_out {
        69
    } else {
        0
    })
}

/// The scenarios named on the command line, or all, and their size; an exit code where there is
/// nothing to play.
fn asked_for() -> Result<(Size, Vec<&'static Scenario>), ExitCode> {
    let (mut size, mut chosen) = (Size::Short, Vec::new());
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--all" => size = Size::All,
            "--list" => {
                SCENARIOS
                    .iter()
                    .for_each(|scenario| println!("{:24}{}", scenario.name, scenario.what));
                return Err(ExitCode::SUCCESS);
            }
            name => {
                let Some(scenario) = SCENARIOS.iter().find(|scenario| scenario.name == name) else {
                    eprintln!("tests/faults: there is no scenario {name}; --list names them");
                    return Err(ExitCode::from(64));
                };
                chosen.push(scenario);
            }
        }
    }
    if chosen.is_empty() {
        chosen.extend(SCENARIOS);
    }
    Ok((size, chosen))
}

enum Played {
    Well,
    LeftOut,
    Failed,
}

/// Plays one scenario and tells how it went.
fn play(scenario: &Scenario, size: Size) -> Played {
    let started = Instant::now();
    let ended = panic::catch_unwind(|| (scenario.run)(size));
    let (name, seconds) = (scenario.name, started.elapsed().as_secs());
    match ended {
        Ok(Ok(())) => {
            println!("ok   {name} ({seconds} s)");
            Played::Well
        }
        Ok(Err(reason)) => {
            println!("left out {name}: {reason}");
            Played::LeftOut
        }
        Err(_) => {
            println!("FAIL {name} ({seconds} s)");
            let message = MESSAGE.lock().expect("whole").clone();
            message.lines().for_each(|line| println!("     {line}"));
            Played::Failed
        }
    }
}

/// Runs a command that prepares something.
fn command(words: &[&str]) -> Result<(), String> {
    let output = Command::new(words[0])
        .args(&words[1..])
        .output()
        .map_err(|error| format!("{}: {error}", words[0]))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(format!("{}: {}", words.join(" "), String::from_utf8_lossy(&output.stderr).trim()))
    }
}

/// A number for random choices that is another in each run, and told.
fn seed() -> u64 {
    let seed = std::env::var("ERP_FAULTS_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| u64::from(process::id()));
    println!("     ERP_FAULTS_SEED={seed}");
    seed
}
