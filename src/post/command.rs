//! Command: a program that is given bytes on its standard input. No shell is asked.

use std::{
    fs::File,
    io::{self, Read, Seek, Write},
    os::unix::process::{CommandExt, ExitStatusExt},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use rustix::{
    fs::{MemfdFlags, memfd_create},
    process::{Pid, Signal, kill_process_group},
};

use super::PostError;
use crate::stop::Stop;

/// How long a program may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// How often it is looked whether it has ended.
const TICK: Duration = Duration::from_millis(20);

/// So much of what it complained of is told.
const COMPLAINT: u64 = 500;

/// Runs a program with these bytes on its standard input and waits for its end.
///
/// # Errors
/// It can't be started, does not end with 0, or takes too long; then it is killed.
pub(crate) fn hand_to(
    program: &Path,
    arguments: &[String],
    input: &[u8],
    stop: &Stop,
) -> Result<(), PostError> {
    let failed = |reason: String, is_answer| PostError::Command {
        program: program.to_owned(),
        reason,
        is_answer,
    };
    let ended = run(program, arguments, input, stop);
    ended.map_err(|error| failed(error.to_string(), false))?.map_err(|end| match end {
        End::Failed(reason) => failed(reason, true),
        End::TooLate => failed(format!("did not end within {} s", PATIENCE.as_secs()), false),
        End::Stopped => PostError::Stopped,
    })
}

enum End {
    Failed(String),
    TooLate,
    Stopped,
}

fn run(
    program: &Path,
    arguments: &[String],
    input: &[u8],
    stop: &Stop,
) -> io::Result<Result<(), End>> {
    // Memory in place of pipes: nobody waits for who does not read, or for a process that was left
    // behind and never closes its end.
    let memory = || memfd_create("message", MemfdFlags::CLOEXEC).map(File::from);
    let (mut message, mut complaint) = (memory()?, memory()?);
    message.write_all(input)?;
    message.rewind()?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::from(message))
        .stdout(Stdio::null())
        .stderr(Stdio::from(complaint.try_clone()?))
        .process_group(0)
        .spawn()?;
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if started.elapsed() >= PATIENCE {
            end(&mut child)?;
            return Ok(Err(End::TooLate));
        }
        if stop.sleep(TICK).is_err() {
            end(&mut child)?;
            return Ok(Err(End::Stopped));
        }
    };
    if status.success() {
        return Ok(Ok(()));
    }
    complaint.rewind()?;
    let mut said = Vec::new();
    complaint.take(COMPLAINT).read_to_end(&mut said)?;
    let said = String::from_utf8_lossy(&said);
    let end = how(status);
    Ok(Err(End::Failed(match said.trim() {
        "" => end,
        said => format!("{end}: {said}"),
    })))
}

fn how(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with {code}"),
        (None, Some(signal)) => format!("ended by signal {signal}"),
        (None, None) => "ended".into(),
    }
}

/// Ends it with all that it started.
fn end(child: &mut Child) -> io::Result<()> {
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(group) = group {
        kill_process_group(group, Signal::KILL)?;
    }
    child.wait()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stop::Reason;

    fn sh(script: &str, input: &[u8], stop: &Stop) -> Result<(), String> {
        let arguments = ["-c".to_owned(), script.to_owned()];
        hand_to(Path::new("/bin/sh"), &arguments, input, stop).map_err(|error| error.to_string())
    }

    #[test]
    fn a_program_gets_all_bytes_and_its_end_is_told() {
        let stop = Stop::default();
        let much = vec![b'x'; 300_000];
        assert_eq!(sh("test $(wc -c) = 300000", &much, &stop), Ok(()));
        assert_eq!(sh("exit 0", &much, &stop), Ok(()), "who does not read has taken it");
        let refused = sh("echo no such user >&2; exit 67", b"", &stop);
        assert_eq!(refused, Err("/bin/sh: ended with 67: no such user".into()));
        let missing = hand_to(Path::new("/no/such"), &[], b"", &stop).expect_err("missing");
        assert_eq!(missing.to_string(), "/no/such: No such file or directory (os error 2)");
        // What was left behind is not waited for.
        assert_eq!(sh("sleep 30 & exit 0", b"", &stop), Ok(()));
    }

    #[test]
    fn a_program_ends_when_work_is_to_end() {
        let stop = Stop::default();
        stop.ask(Reason::Asked);
        let ended = sh("sleep 30", b"", &stop);
        assert_eq!(ended, Err("stopped before the message was taken, as asked".into()));
    }
}
