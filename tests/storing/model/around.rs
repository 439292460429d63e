//! What a stage needs of others: strace, and a look into an SQLite store.

use std::{path::Path, process::Command};

use crate::support::{
    program::{program, run_command},
    strace::strace,
};

/// The same command, killed by strace as a thread begins such a system call for this time.
pub fn killed_at(command: &Command, calls: &str, at: usize) -> Command {
    let trace = format!("trace={calls}");
    let inject = format!("inject={calls}:signal=SIGKILL:when={at}");
    strace(&["-o", "/dev/null", "-e", &trace, "-e", &inject], command)
}

/// The documents of an SQLite store, which must be whole.
pub fn sqlite_lines(store: &Path) -> Result<Vec<String>, String> {
    if !store.exists() {
        return Ok(Vec::new());
    }
    let connection = rusqlite::Connection::open(store).expect("a file");
    let whole: String =
        connection.query_row("PRAGMA integrity_check", (), |row| row.get(0)).expect("an answer");
    if whole != "ok" {
        return Err(format!("integrity_check: {whole}"));
    }
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0))
        .expect("a number");
    drop(connection);
    if tables == 0 {
        // The program died before it made them.
        return Ok(Vec::new());
    }
    let ended = run_command(program([Path::new("export"), Path::new("--store"), store]));
    if ended.code != Some(0) {
        return Err(format!("export: {}", ended.log));
    }
    Ok(ended.stdout.lines().map(str::to_owned).collect())
}
