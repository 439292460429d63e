//! `demo`: the pages with a year of a made-up company's reports in a temporary store, which goes
//! when it ends.

use std::{
    env,
    ffi::OsString,
    fs,
    io::{self, IsTerminal},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use jiff::{Timestamp, ToSpan, tz::TimeZone};
use tracing::{Level, info};

use super::{maildirs, pages, print};
use crate::{
    cli::DemoFlags,
    config::Config,
    demo::{self, Year},
    exit::{Exit, Failure},
    file::Bytes,
    ingest::{self, Finished, Ingest},
    lookup,
    maildir::{Folder, Maildir, QUIET},
    metrics::Metrics,
    page::{Access, Door, Page, PageStore, Role},
    pipeline::Mail,
    settle::Origin,
    sqlite::{Store, addresses},
    stop::Stop,
};

/// Somebody of the company has said that a service that is being tried is theirs.
const MINE: &str = "[\"example.com\"]\nsenders = [\"leadpipe.example\"]\n";

pub(super) fn run(flags: &DemoFlags) -> Result<Exit, Failure> {
    let stop = Arc::new(Stop::default());
    stop.on_signals(false)?;
    // A port that is taken is told before the work.
    let listener = pages::listen(flags.listen, false)?;
    let folder = tempfile::tempdir()?;
    let store = folder.path().join("reports.sqlite");
    info!("storing a year of a made-up company's reports");
    let maildir = maildir(&folder.path().join("Maildir"))?;
    if !fill(&store, &maildir, &stop)?.complete {
        return Ok(Exit::TryAgain);
    }
    tell_hosts(&store)?;
    let mine = folder.path().join("mine.toml");
    fs::write(&mine, MINE)?;
    let page = Page {
        store: PageStore::File { path: store, names: Arc::new(lookup::names(None)?) },
        base: String::new(),
        names: Vec::new(),
        maildirs: vec![maildir],
        mine: Some(mine),
        read_only: false,
        door: Door::new(Access::Anybody(Role::Editor), Vec::new(), ""),
        shows_persons: false,
    };
    pages::serve(page, listener, &stop, |address| {
        // Whoever closed standard output has the address of the log.
        let first = format!("{address}?since=1y");
        let _ = print(format!("{first}\n").as_bytes());
        info!("pages at {address}; Ctrl-C ends it");
        if !flags.no_browser && is_before_a_screen() {
            open(first);
        }
    })
}

/// True if somebody sits at a terminal that has a screen beside it.
fn is_before_a_screen() -> bool {
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    io::stdout().is_terminal() && ["WAYLAND_DISPLAY", "DISPLAY"].into_iter().any(is_set)
}

/// Opens a browser. Where there is none, the address that was printed has to do.
fn open(address: String) {
    thread::spawn(move || {
        let null = Stdio::null;
        let mut browser = Command::new("xdg-open");
        browser.arg(address).stdin(null()).stdout(null()).stderr(null()).status()
    });
}

/// Keeps what is known of its addresses: whose they are, and what they are called.
fn tell_hosts(store: &Path) -> Result<(), Failure> {
    let mut store = Store::open(store).map_err(|error| Failure::new(Exit::TryAgain, error))?;
    let now = Timestamp::now().as_second();
    let told = addresses::tell(&mut store.connection, now, demo::host);
    told.map_err(|error| Failure::new(Exit::TryAgain, error))
}

/// A file's time of change is that of the system's last tick.
const SLACK: Duration = Duration::from_millis(100);

/// A new Maildir.
fn maildir(path: &Path) -> Result<Arc<Maildir>, Failure> {
    for part in ["new", "cur", "tmp"] {
        fs::create_dir_all(path.join(part))?;
    }
    maildirs::open(path)
}

/// Stores the year that ends the day before yesterday, of which all receivers have told. What can't
/// be read comes by way of the Maildir.
fn fill(store: &Path, maildir: &Arc<Maildir>, stop: &Arc<Stop>) -> Result<Finished, Failure> {
    let config = Config::of_store(store)?;
    let run = Ingest::start(config, Arc::clone(stop), &Metrics::default(), ingest::log)?;
    let last = TimeZone::UTC.to_datetime(Timestamp::now()).date().saturating_sub(2.days());
    let year = Year::new(1, last);
    let mut broken = Vec::new();
    for mail in year.broken()? {
        let name = OsString::from(format!("{}.M1P1.demo", mail.received));
        fs::write(maildir.path().join("new").join(&name), mail.bytes)?;
        broken.push(name);
    }
    let written = Instant::now();
    for mail in year.mails() {
        if run.stop.is_asked() {
            break;
        }
        let bytes = Some(Bytes::Whole(mail?.bytes));
        run.pipeline.submit(Mail { origin: Origin::Input("the demo".into()), tag: 0, bytes });
    }
    // Before that they would be taken for mails that somebody is still writing.
    thread::sleep((QUIET + SLACK).saturating_sub(written.elapsed()));
    for name in broken {
        if let Some(entry) = maildir.entry(Folder::New, name) {
            run.pipeline.submit(Mail { origin: Origin::Maildir(entry), tag: 0, bytes: None });
        }
    }
    Ok(run.finish(Level::INFO))
}
