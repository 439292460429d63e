//! Where a story is played: a Maildir, a store and the real program.

mod promises;

use std::{
    fs,
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use tempfile::TempDir;

use super::{
    around::killed_at,
    letters::Mail,
    story::{Company, End, Mode, Run, Sink, Story},
};
use crate::support::{
    faulty_store::{FaultyStore, Plan},
    program::{Running, TestMaildir, program},
};

/// Long enough for a `watch` to get over the faults of a story.
const WATCH_AT_MOST: Duration = Duration::from_secs(3);

/// Somebody's own mail, read and answered long ago: not ours to touch.
const PRIVATE: &str = "1700000000.M1P1.mx.example.org:2,FRS";
const PRIVATE_TEXT: &str = "From: a friend\nSubject: lunch\n\nAt one?\n";

/// A mail's bytes, told apart by content.
type Content = Vec<u8>;

pub struct Stage<'s> {
    story: &'s Story,
    mails: Vec<Mail>,
    maildir: TestMaildir,
    folder: TempDir,
    store: FaultyStore,
    /// Mails that a mail reader took away.
    taken: Vec<Content>,
    delivered: Vec<usize>,
    was_killed: bool,
}

impl<'s> Stage<'s> {
    /// Plays a story to its end, or to the first promise that is broken; whether the program was
    /// killed in it.
    pub fn play(story: &'s Story) -> Result<bool, String> {
        let mails = story.mails();
        let mut stage = Stage {
            story,
            maildir: TestMaildir::new(),
            folder: tempfile::tempdir().expect("a folder"),
            store: FaultyStore::start(story.refused(&mails)),
            mails,
            taken: Vec::new(),
            delivered: Vec::new(),
            was_killed: false,
        };
        fs::write(stage.maildir.path().join("cur").join(PRIVATE), PRIVATE_TEXT).expect("written");
        for (n, run) in story.runs.iter().enumerate() {
            stage.deliver(2 * n);
            stage.run(n, run).map_err(|broken| format!("after run {}: {broken}", n + 1))?;
        }
        stage.end().map_err(|broken| format!("after the last run: {broken}"))?;
        Ok(stage.was_killed)
    }

    fn deliver(&mut self, when: usize) {
        for n in self.story.coming(when) {
            self.maildir.deliver(&self.mails[n].name, &self.mails[n].bytes);
            self.delivered.push(n);
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, mode: Mode, patience: &str) -> Command {
        let words: &[&str] = match mode {
            Mode::Once => &["once", "--unrecognized=fail"],
            Mode::Watch => &["watch", "--unrecognized=fail"],
            Mode::Import => &["import"],
            Mode::ImportSettling => &["import", "--settle"],
            Mode::Stdin(_) => &[],
        };
        let mut command = program(words);
        command.env("STATE_DIRECTORY", self.path("state"));
        match self.story.sink {
            Sink::OpenSearch => {
                command.args(["--bulk-bytes=4KiB", "--opensearch", &self.store.url])
            }
            Sink::Sqlite => command.arg("--store").arg(self.path("store")),
            Sink::NdJson => command.arg("--ndjson").arg(self.path("lines")),
        };
        if mode != Mode::Watch {
            command.arg(format!("--give-up-after={patience}"));
        }
        match mode {
            Mode::Stdin(_) => {}
            _ => {
                command.arg(self.maildir.path());
            }
        }
        command
    }

    fn run(&mut self, n: usize, run: &Run) -> Result<(), String> {
        let before = self.places();
        let letter = match run.mode {
            Mode::Stdin(letter) => Some(letter % self.mails.len()),
            _ => None,
        };
        let mut running = self.start(run, letter);
        let company = self.company(run.company);
        self.deliver(2 * n + 1);
        let code = self.end_of(run, &mut running);
        if let Some(mut company) = company {
            company.wait();
        }
        self.store.behave();
        self.was_killed |= code.is_none();
        if code.is_none() && self.story.sink == Sink::NdJson {
            // What it was killed at, not acknowledged yet, may be half in the file.
            let mut lines = fs::File::options()
                .append(true)
                .create(true)
                .open(self.path("lines"))
                .expect("opened");
            lines.write_all(b"{\"feedback\":{\"version").expect("written");
        }
        let log = running.log();
        if log.contains("panicked") {
            return Err(format!("it panicked: {log}"));
        }
        if run.away && self.story.sink == Sink::OpenSearch && run.company != Some(Company::Reader) {
            let after = self.places();
            if (after.cur, after.failed) != (before.cur, before.failed) {
                return Err("a mail was settled while the store was away".into());
            }
        }
        self.check(&log)?;
        match (letter, code) {
            (Some(letter), Some(code)) => self.check_exit_code(letter, code),
            _ => Ok(()),
        }
    }

    /// Starts the program as a run wants it, with this letter on standard input.
    fn start(&self, run: &Run, letter: Option<usize>) -> Running {
        let kill = match run.end {
            End::KilledAtRequest(at, moment) => Some((at, moment)),
            _ => None,
        };
        let plan = Plan {
            requests: run.requests.iter().copied().collect(),
            documents: run.documents.iter().copied().collect(),
            away: run.away,
            kill,
        };
        let mut command = self.command(run.mode, "300ms");
        if let End::KilledAtCall(calls, at) = run.end {
            command = killed_at(&command, calls, at);
        }
        if let Some(letter) = letter {
            command.stdin(Stdio::from(
                fs::File::open(self.path_of_input(letter)).expect("just written"),
            ));
        }
        self.store.plan(plan, || {
            let running = Running::start_command(command);
            let pid = running.pid();
            (running, pid)
        })
    }

    fn path_of_input(&self, letter: usize) -> PathBuf {
        let path = self.path("input");
        fs::write(&path, &self.mails[letter].bytes).expect("written");
        path
    }

    /// Starts whoever else is there.
    fn company(&mut self, company: Option<Company>) -> Option<Running> {
        match company? {
            Company::Once => Some(Running::start_command(self.command(Mode::Once, "300ms"))),
            Company::Reader => {
                let name = self.maildir.names("new").into_iter().next()?;
                let (new, cur) =
                    (self.maildir.path().join("new").join(&name), self.maildir.path().join("cur"));
                let content = fs::read(&new).ok()?;
                if fs::rename(&new, cur.join(format!("{name}:2,S"))).is_ok() {
                    self.taken.push(content);
                }
                None
            }
        }
    }

    /// Brings about the end; the exit code, or nothing if it was killed.
    fn end_of(&self, run: &Run, running: &mut Running) -> Option<i32> {
        let started = Instant::now();
        let moved = || {
            self.maildir.count("cur")
                + self.maildir.count(".failed/tmp")
                + self.maildir.count(".failed/new")
        };
        let before = moved();
        // None that ended by itself meanwhile is reaped yet, so its number is still its own.
        match run.end {
            End::KilledAfter(ms) | End::Terminated(ms) => {
                thread::sleep(Duration::from_millis(ms));
                running.signal(if matches!(run.end, End::Terminated(_)) {
                    Signal::TERM
                } else {
                    Signal::KILL
                });
            }
            End::KilledAtMove(n) => {
                while moved() < before + n
                    && running.is_running()
                    && started.elapsed() < WATCH_AT_MOST
                {
                    thread::sleep(Duration::from_micros(100));
                }
                if running.is_running() {
                    running.signal(Signal::KILL);
                }
            }
            End::Natural | End::KilledAtRequest(..) | End::KilledAtCall(..) => {}
        }
        if run.mode == Mode::Watch {
            // Before that a signal would find no handler.
            let is_watching = |running: &Running| running.log().contains("watching");
            while (self.maildir.count("new") > 0 || !is_watching(running))
                && running.is_running()
                && started.elapsed() < WATCH_AT_MOST
            {
                thread::sleep(Duration::from_millis(5));
            }
            if running.is_running() {
                running.signal(Signal::TERM);
            }
        }
        running.wait()
    }

    /// A last run without faults, after which everything is where it belongs.
    fn end(&mut self) -> Result<(), String> {
        let mut log = String::new();
        for mode in [self.story.last, Mode::Once] {
            let run = Run {
                mode,
                requests: vec![],
                documents: vec![],
                away: false,
                end: End::Natural,
                company: None,
            };
            let mut command = self.command(mode, "20s");
            if let Mode::Stdin(letter) = mode {
                let input = self.path_of_input(letter % self.mails.len());
                command.stdin(Stdio::from(fs::File::open(input).expect("just written")));
            }
            let mut running = Running::start_command(command);
            let code = self.end_of(&run, &mut running);
            log += &running.log();
            let is_fine = match mode {
                Mode::Once | Mode::Watch => code == Some(0),
                _ => matches!(code, Some(0 | 65)),
            };
            if !is_fine {
                return Err(format!("{mode} ended with {code:?}\n{log}"));
            }
            self.check(&log)?;
            if matches!(mode, Mode::Import | Mode::ImportSettling) {
                self.check_all_stored(&log)?;
            }
        }
        let places = self.places();
        if !places.new.is_empty() {
            return Err(format!("mails are left in new/\n{log}"));
        }
        self.check_all_stored(&log)
    }
}
