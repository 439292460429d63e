//! The program itself, run as a user would.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant, SystemTime},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::corpus::Mail;

/// Where the program is.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_email-report-processor");

/// The program with these arguments, untouched by the settings of whoever runs the tests.
pub fn program<A: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = A>) -> Command {
    program_at(PROGRAM.as_ref(), arguments)
}

/// The same, as a copy of the program at another place.
pub fn program_at<A: AsRef<std::ffi::OsStr>>(
    path: &Path,
    arguments: impl IntoIterator<Item = A>,
) -> Command {
    let mut command = Command::new(path);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("ERP_") {
            command.env_remove(name);
        }
    }
    for name in ["JOURNAL_STREAM", "NOTIFY_SOCKET", "STATE_DIRECTORY", "CREDENTIALS_DIRECTORY"] {
        command.env_remove(name);
    }
    command.env("ERP_CONFIG", "/dev/null").args(arguments).stdin(Stdio::null());
    command
}

/// A command as the argument of another that starts it, such as `sh` or `strace`.
pub fn below(mut outer: Command, inner: &Command) -> Command {
    outer.arg(inner.get_program()).args(inner.get_args()).stdin(Stdio::null());
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => outer.env(name, value),
            None => outer.env_remove(name),
        };
    }
    outer
}

/// How a run ended.
pub struct Ended {
    /// The exit code; nothing after a signal.
    pub code: Option<i32>,
    pub stdout: String,
    pub log: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Ended {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("UTF-8"),
            log: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }
}

impl Ended {
    /// The line with the numbers.
    pub fn summary(&self) -> &str {
        self.log
            .lines()
            .rfind(|line| {
                [" mail: ", " mails: ", " mails. "].iter().any(|part| line.contains(part))
            })
            .unwrap_or_else(|| panic!("no summary: {}", self.log))
    }
}

/// Runs the program to its end.
pub fn run<A: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = A>) -> Ended {
    run_command(program(arguments))
}

/// Runs a command to its end.
pub fn run_command(mut command: Command) -> Ended {
    command.output().expect("it runs").into()
}

/// Runs the program with this on standard input.
pub fn run_with_input<A: AsRef<std::ffi::OsStr>>(
    arguments: impl IntoIterator<Item = A>,
    input: &[u8],
) -> Ended {
    let mut child = program(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    let input = input.to_owned();
    // It may end before it has read everything.
    let writer = thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().expect("it ends");
    let _ = writer.join();
    output.into()
}

/// The program in the background, logging to a file. It is ended when this is dropped.
pub struct Running {
    child: Child,
    log: PathBuf,
    _folder: TempDir,
}

impl Running {
    pub fn start<A: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = A>) -> Running {
        Running::start_command(program(arguments))
    }

    pub fn start_command(mut command: Command) -> Running {
        let folder = tempfile::tempdir().expect("a folder");
        let log = folder.path().join("log");
        let file = fs::File::create(&log).expect("a file");
        let child = command.stderr(file).stdout(Stdio::null()).spawn().expect("it starts");
        Running { child, log, _folder: folder }
    }

    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("signalled");
    }

    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).expect("a log")
    }

    /// Waits until the log has this text.
    pub fn wait_for_log(&self, text: &str) {
        wait_until(&format!("{text:?} in the log"), Duration::from_secs(30), || {
            self.log().contains(text)
        });
    }

    /// Waits for the end and gives the exit code.
    pub fn wait(&mut self) -> Option<i32> {
        self.child.wait().expect("an end").code()
    }

    /// Asks it to end with SIGTERM and waits.
    pub fn stop(mut self) -> (Option<i32>, String) {
        self.signal(Signal::TERM);
        let code = self.wait();
        (code, self.log())
    }

    /// Resident memory now and at its highest, in KiB. Nothing once it has ended.
    pub fn memory(&self) -> Option<(u64, u64)> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let field = |name| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().trim_end_matches(" kB").parse().ok()
        };
        Some((field("VmRSS:")?, field("VmHWM:")?))
    }

    /// Waits until it ends by itself and gives the highest resident memory seen, in KiB.
    pub fn peak_memory(&mut self) -> u64 {
        let (started, mut peak) = (Instant::now(), 0);
        while self.is_running() {
            peak = self.memory().map_or(peak, |(_, high)| high.max(peak));
            assert!(
                started.elapsed() < Duration::from_mins(3),
                "it takes for ever: {}",
                self.log()
            );
            thread::sleep(Duration::from_millis(1));
        }
        peak
    }

    /// False once it has ended.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until something is true.
pub fn wait_until(what: &str, at_most: Duration, mut is_true: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_true() {
        assert!(started.elapsed() < at_most, "waited {at_most:?} for {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until `new/` is empty. How long that takes is the machine's matter; nothing may stand
/// still for so long.
pub fn wait_for_all(maildir: &TestMaildir, standstill: Duration) {
    let (mut left, mut since) = (usize::MAX, Instant::now());
    while left > 0 {
        let now = maildir.count("new");
        if now < left {
            (left, since) = (now, Instant::now());
        }
        assert!(
            since.elapsed() < standstill,
            "{left} mails have stayed in new/ for {standstill:?}"
        );
        thread::sleep(Duration::from_millis(20));
    }
}

/// A Maildir in a temporary folder.
pub struct TestMaildir {
    folder: TempDir,
}

impl TestMaildir {
    pub fn new() -> TestMaildir {
        let maildir = TestMaildir { folder: tempfile::tempdir().expect("a folder") };
        ["new", "cur", "tmp"]
            .iter()
            .for_each(|name| fs::create_dir(maildir.path().join(name)).expect("a folder"));
        maildir
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Delivers a mail as a mail server does: written to `tmp/`, renamed to `new/`; some time ago.
    pub fn deliver(&self, name: &str, bytes: &[u8]) {
        let tmp = self.path().join("tmp").join(name);
        let written = |mut file: fs::File| {
            file.write_all(bytes)?;
            file.set_modified(SystemTime::now() - Duration::from_secs(10))
        };
        fs::File::create(&tmp).and_then(written).expect("written");
        fs::rename(tmp, self.path().join("new").join(name)).expect("delivered");
    }

    pub fn deliver_all(&self, mails: impl IntoIterator<Item = Mail>) {
        mails.into_iter().for_each(|mail| self.deliver(&mail.name, &mail.bytes));
    }

    /// How many files are in a folder below, such as `new` or `.failed/new`.
    pub fn count(&self, folder: &str) -> usize {
        fs::read_dir(self.path().join(folder)).map_or(0, Iterator::count)
    }

    /// The names in a folder below, in order.
    pub fn names(&self, folder: &str) -> Vec<String> {
        let Ok(files) = fs::read_dir(self.path().join(folder)) else { return Vec::new() };
        let mut names: Vec<_> = files
            .map(|file| file.expect("a file").file_name().into_string().expect("UTF-8"))
            .collect();
        names.sort();
        names
    }
}
