//! Long scenarios of things going wrong, each ending in an exact comparison with what was put in. `tests/faults` runs it.
//!
//! A line beginning with `ok` or `FAIL` for each scenario; exit code 1 if one failed, 69 if one could not be run here.

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

macro_rules! scenarios {
    ($($name:literal $what:literal $run:expr;)*) => { &[$(Scenario { name: $name, what: $what, run: $run }),*] };
}

const SCENARIOS: &[Scenario] = scenarios! {
    "kill-once-sqlite" "kill -9 at random moments of once, into SQLite" |size| kills::sqlite("once", size);
    "kill-watch-sqlite" "the same of watch" |size| kills::sqlite("watch", size);
    "kill-import-sqlite" "the same of import" |size| kills::sqlite("import", size);
    "kill-once-opensearch" "kill -9 at random moments of once, into OpenSearch" |size| kills::opensearch("once", size);
    "kill-watch-opensearch" "the same of watch" |size| kills::opensearch("watch", size);
    "kill-import-opensearch" "the same of import" |size| kills::opensearch("import", size);
    "cluster" "three nodes with replicas: the node in use killed, the manager killed, a rolling restart" cluster::run;
    "outage" "the node is away while mail arrives" node::outage;
    "flood-stage" "the disk of the node is over its flood stage, and below it again" node::flood_stage;
    "index-deleted" "the indices are deleted under a running watch" node::index_deleted;
    "full-disk-failed" "no room for .failed" folders::full_disk_failed;
    "full-disk-sqlite" "no room for the SQLite file" folders::full_disk_sqlite;
    "full-disk-journal" "no room for the journal of an import" folders::full_disk_journal;
    "cur-missing" "there is no cur/" folders::cur_missing;
    "cur-read-only" "cur/ is on a file system that is read-only" folders::cur_read_only;
    "cur-other-device" "cur/ is on another device" folders::cur_other_device;
    "clock-jumps" "the clock jumps back and forth under a running watch" folders::clock_jumps;
    "many-files" "very many mails in new/" folders::many_files;
    "tls-proxy" "nginx in front: wrong CA, wrong host name, expired credentials" proxy::run;
};

/// The last panic's message, with its place.
static MESSAGE: Mutex<String> = Mutex::new(String::new());

fn main() -> ExitCode {
    let mut size = Size::Short;
    let mut chosen: Vec<String> = Vec::new();
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--all" => size = Size::All,
            "--list" => {
                SCENARIOS.iter().for_each(|scenario| println!("{:24}{}", scenario.name, scenario.what));
                return ExitCode::SUCCESS;
            }
            name if SCENARIOS.iter().any(|scenario| scenario.name == name) => chosen.push(argument),
            other => {
                eprintln!("tests/faults: there is no scenario {other}; --list names them");
                return ExitCode::from(64);
            }
        }
    }
    // A panic is a failed comparison; the scenario's line tells it.
    panic::set_hook(Box::new(|panic| {
        let text = panic.to_string();
        *MESSAGE.lock().expect("whole") = text;
    }));
    let (mut failed, mut left_out) = (false, false);
    for scenario in
        SCENARIOS.iter().filter(|scenario| chosen.is_empty() || chosen.iter().any(|name| name == scenario.name))
    {
        let started = Instant::now();
        let ended = panic::catch_unwind(|| (scenario.run)(size));
        let (name, seconds) = (scenario.name, started.elapsed().as_secs());
        match ended {
            Ok(Ok(())) => println!("ok   {name} ({seconds} s)"),
            Ok(Err(reason)) => {
                println!("left out {name}: {reason}");
                left_out = true;
            }
            Err(_) => {
                println!("FAIL {name} ({seconds} s)");
                let message = MESSAGE.lock().expect("whole").clone();
                message.lines().for_each(|line| println!("     {line}"));
                failed = true;
            }
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

/// Runs a command that prepares something.
fn command(words: &[&str]) -> Result<(), String> {
    let output = Command::new(words[0]).args(&words[1..]).output().map_err(|error| format!("{}: {error}", words[0]))?;
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
