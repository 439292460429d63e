//! What a stage needs of others: strace, and a look into an SQLite store.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use crate::support::program::{program, run_command};

/// The same command, killed by strace as a thread begins such a system call for this time.
pub fn killed_at(command: &Command, calls: &str, at: usize) -> Command {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={calls}")]);
    strace.args(["-e", &format!("inject={calls}:signal=SIGKILL:when={at}")]);
    strace.arg(command.get_program()).args(command.get_args()).stdin(Stdio::null());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => strace.env(name, value),
            None => strace.env_remove(name),
        };
    }
    strace
}

/// The documents of an SQLite store, which must be whole.
pub fn sqlite_lines(store: &Path) -> Result<Vec<String>, String> {
    if !store.exists() {
        return Ok(Vec::new());
    }
    let connection = rusqlite::Connection::open(store).expect("a file");
    let whole: String = connection.query_row("PRAGMA integrity_check", (), |row| row.get(0)).expect("an answer");
    if whole != "ok" {
        return Err(format!("integrity_check: {whole}"));
    }
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0)).expect("a number");
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
