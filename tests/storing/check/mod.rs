//! `check`: what it finds, and that it leaves no trace.

mod bundle;
mod dns;
mod locked;
mod maildir;
mod opensearch;
mod output;
mod sqlite;

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        process::CommandExt,
    },
    path::Path,
    process::Command,
};

use serde_json::Value;

use crate::support::{
    program::{Ended, PROGRAM, below, program, program_at, run_command},
    server::skip,
};

/// A user without rights.
const NOBODY: u32 = 65534;

/// What was found.
struct Found {
    code: Option<i32>,
    findings: Vec<Value>,
}

impl Found {
    /// Status and words of the findings of a check, on anything whose name ends like this.
    fn of(&self, check: &str, about: &str) -> Vec<(&str, String)> {
        let text = |finding: &Value, field: &str| finding[field].as_str().unwrap_or("").to_owned();
        let is_meant =
            |finding: &&Value| finding["check"] == check && text(finding, "about").ends_with(about);
        let told = |finding| {
            let fix = text(finding, "fix");
            let blank = if fix.is_empty() { "" } else { ". " };
            format!("{}{blank}{fix}", text(finding, "found"))
        };
        self.findings
            .iter()
            .filter(is_meant)
            .map(|finding| (finding["status"].as_str().expect("a status"), told(finding)))
            .collect()
    }

    /// The only finding of a check.
    #[track_caller]
    fn only(&self, check: &str, about: &str) -> (&str, String) {
        let mut all = self.of(check, about);
        assert_eq!(all.len(), 1, "{check}: {all:?} of {:#?}", self.findings);
        all.remove(0)
    }

    /// Fails unless a check has a finding of this status with these words.
    #[track_caller]
    fn has(&self, check: &str, status: &str, words: &[&str]) {
        let all = self.of(check, "");
        let is_meant = |(its, told): &(&str, String)| {
            *its == status && words.iter().all(|word| told.contains(word))
        };
        assert!(all.iter().any(is_meant), "{status} {words:?}: {all:?} of {:#?}", self.findings);
    }

    /// Everything that is no `ok`.
    fn troubles(&self) -> Vec<&Value> {
        self.findings.iter().filter(|finding| finding["status"] != "ok").collect()
    }
}

impl From<Ended> for Found {
    fn from(ended: Ended) -> Found {
        let json: Value = serde_json::from_str(&ended.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}{}", ended.stdout, ended.log));
        let findings = json["findings"].as_array().expect("findings").clone();
        let is_wrong = findings.iter().any(|finding| finding["status"] == "wrong");
        assert_eq!(ended.code, Some(i32::from(is_wrong)), "{}", ended.log);
        Found { code: ended.code, findings }
    }
}

/// Runs `check --json`.
fn check<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Found {
    run_command(checking(arguments)).into()
}

fn checking<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Command {
    let mut command = program(["check", "--json"]);
    command.args(arguments);
    command
}

/// The same as a user who may do nothing; nothing if this is not root.
fn check_as_nobody<A: AsRef<OsStr>>(
    folder: &Path,
    arguments: impl IntoIterator<Item = A>,
) -> Option<Found> {
    if !rustix::process::geteuid().is_root() {
        skip("only root can become another user");
        return None;
    }
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).expect("open to all");
    // A build below /root is out of others' reach.
    let place = tempfile::tempdir().expect("a folder");
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).expect("open to all");
    let copy = place.path().join("email-report-processor");
    fs::copy(PROGRAM, &copy).expect("a copy of the program");
    let mut command = program_at(&copy, ["check", "--json"]);
    command.args(arguments).uid(NOBODY).gid(NOBODY);
    Some(run_command(command).into())
}

/// The same with a small disk of its own at a folder, filled to the last byte by `fill`.
fn check_on_disk<A: AsRef<OsStr>>(
    at: &Path,
    size: &str,
    fill: &str,
    arguments: impl IntoIterator<Item = A>,
) -> Option<Found> {
    let script =
        format!("mount -t tmpfs -o size={size} tmpfs \"$0\" || exit 69; {fill}; exec \"$@\"");
    let mut outer = Command::new("unshare");
    outer.args(["-m", "sh", "-c", &script]).arg(at);
    let ended = run_command(below(outer, &checking(arguments)));
    if ended.stdout.is_empty() {
        skip(&format!("no disk can be mounted here: {}", ended.log));
        return None;
    }
    Some(ended.into())
}

/// Everything below a folder, with sizes and times of change.
fn traces(folder: &Path) -> BTreeMap<String, (u64, i64, i64)> {
    let all = walkdir::WalkDir::new(folder).into_iter().map(|entry| entry.expect("readable"));
    all.map(|entry| {
        let found = entry.metadata().expect("it is there");
        (entry.path().display().to_string(), (found.len(), found.mtime(), found.mtime_nsec()))
    })
    .collect()
}
