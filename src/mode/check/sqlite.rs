//! Sqlite: the store that is an SQLite file.

use std::{collections::BTreeMap, fs, path::Path};

use jiff::Timestamp;
use rusqlite::ErrorCode;
use serde_json::{Value, json};

use super::{age, counted, finding::Findings, space};
use crate::{
    config,
    mode::elsewhere,
    moment::{DAY, day},
    sqlite::{
        OpenError,
        look::{StoreState, look},
    },
};

/// Looks at the file, its rights, and what is in it. The rows of each table, where it is a store.
pub(super) fn check(file: &Path, findings: &mut Findings) -> Option<BTreeMap<String, u64>> {
    let about = &file.display().to_string();
    match space::not_writable(file, true) {
        Some((found, fix)) => findings.wrong("store.rights", about, found, fix),
        None => findings.ok("store.rights", about, "it can be written, and so can its folder"),
    }
    space::note_root(file, about, findings);
    let mut found = None;
    match look(file) {
        Ok(StoreState::Nothing) => {
            missing(file, about, findings);
        }
        Ok(StoreState::AfterCrash) => findings.warning(
            "store.opens",
            about,
            "whoever wrote to it last was killed, and left a log that is not taken over yet",
            "Nothing to do: the next report that is stored mends it",
        ),
        Ok(StoreState::Store { is_older, newest, faults, rows }) => {
            version(is_older, about, findings);
            whole(&faults, rows.values().sum(), about, findings);
            if !is_older && faults.is_empty() {
                self::newest(newest, "store.newest", about, findings);
            }
            found = Some(rows);
        }
        Err(error) => unopened(&error, about, findings),
    }
    space::check(file, about, findings);
    found
}

/// How large the store is, and the rows of each table.
pub(super) fn facts(file: &Path, rows: Option<&BTreeMap<String, u64>>) -> Value {
    let bytes = fs::metadata(file).map(|file| file.len()).ok();
    json!({ "sqlite": file.display().to_string(), "bytes": bytes, "rows": rows })
}

/// There may be another, as that of the service.
fn missing(file: &Path, about: &str, findings: &mut Findings) {
    match elsewhere::find(file, &config::well_known_stores()) {
        Some(other) => findings.warning(
            "store.opens",
            about,
            format!(
                "no report is in it yet, but there is another store, {}",
                other.store.display()
            ),
            "Is that the one? Name it with --store, or give the service's settings with --config",
        ),
        None => findings.ok(
            "store.opens",
            about,
            "there is no store yet; it is made when the first report comes",
        ),
    }
}

fn version(is_older: bool, about: &str, findings: &mut Findings) {
    if is_older {
        findings.warning(
            "store.version",
            about,
            "it is of an older version",
            "Nothing to do: whoever stores reports or shows them next brings it up to date",
        );
    } else {
        findings.ok("store.version", about, "it is a store of this version");
    }
}

fn whole(faults: &[String], rows: u64, about: &str, findings: &mut Findings) {
    if faults.is_empty() {
        let found = format!("SQLite finds it whole, with {}", counted(rows, "row"));
        return findings.ok("store.whole", about, found);
    }
    findings.wrong(
        "store.whole",
        about,
        format!("it is damaged: {}", faults.join("; ")),
        "Stop watch, put a backup in its place or move it away, and read the mails in cur/ again \
         with import",
    );
}

/// When the newest report begins that is stored.
pub(super) fn newest(
    newest: Option<i64>,
    check: &'static str,
    about: &str,
    findings: &mut Findings,
) {
    /// Most reporters send daily, for the day before.
    const OLD: i64 = 7 * DAY;
    let now = Timestamp::now();
    let Some(newest) = newest else {
        return findings.ok(check, about, "no report is stored yet");
    };
    let found = format!("the newest report is of {} ({})", day(newest), age(newest, now));
    if now.as_second().saturating_sub(newest) < OLD {
        return findings.ok(check, about, found);
    }
    let fix = "Does mail still come? See the newest mail of the Maildir, and the DNS records with \
               --dns";
    findings.warning(check, about, found, fix);
}

fn unopened(error: &OpenError, about: &str, findings: &mut Findings) {
    let fix = match error {
        OpenError::Foreign(_) => "Name another file with --store",
        OpenError::Newer(_) => "Update this program, or name another file with --store",
        OpenError::Replaced(_) | OpenError::Older(_) => "Store a report: that mends it",
        OpenError::NotRenewed { .. } | OpenError::ClosedFolder(_) => {
            "Give the command as the user who stores the reports"
        }
        OpenError::Elsewhere { .. } => "Do as it says before anything else writes to the store",
        OpenError::Missing(_) | OpenError::Create { .. } => "See whether the path is right",
        OpenError::Sqlite { error, .. } => match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                "It is damaged: put a backup in its place or move it away, and read the mails in \
                 cur/ again with import"
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                "Another program holds it: end that, or try again later"
            }
            _ => "Look at rights and disk; mails wait meanwhile, nothing is lost",
        },
    };
    findings.wrong("store.opens", about, error.to_string(), fix);
}
