//! strace around the program: to kill it at a system call, or to see in which order it makes them.

use std::process::{Command, Stdio};

use super::{program::below, server::skip};

/// True if strace is here and may trace; if not, the test is skipped.
pub fn works() -> bool {
    let works = Command::new("strace")
        .args(["-qq", "-o", "/dev/null", "true"])
        .stderr(Stdio::null())
        .status();
    works.is_ok_and(|status| status.success()) || !skip("there is no strace here that may trace")
}

/// The same command below strace with these options.
pub fn strace(options: &[&str], command: &Command) -> Command {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq"]).args(options);
    below(strace, command)
}
