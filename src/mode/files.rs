//! The Ruby tool's form: mails or bare reports from files or standard input. For `.forward`, and
//! for a look by hand.

use std::{
    fs::{self, File},
    io::{self, BufReader, IsTerminal},
    path::Path,
    time::Duration,
};

use tracing::{Level, error, info};

use super::maildirs;
use crate::{
    cli::InputFlags,
    config::{Purpose, Typed},
    exit::{Exit, Failure},
    file::{self, Bytes},
    ingest::Ingest,
    maildir::{Folder, Maildir},
    pipeline::Mail,
    settle::Origin,
    source::{
        mbox::Mbox,
        stdin::{Stdin, is_stdin},
    },
};

/// Much shorter than a mail server waits for a command (Postfix: 1000 s); it tries again by itself.
const PATIENCE: Duration = Duration::from_secs(20);

/// Large enough that reading an mbox is not a matter of system calls.
const BUFFER_BYTES: usize = 1 << 20;

pub(super) fn run(input: &InputFlags, typed: &Typed) -> Result<Exit, Failure> {
    let config = typed.config(&Purpose { patience: Some(PATIENCE), ..Purpose::default() })?;
    let limit = config.pipeline.reading.limits.mail_bytes;
    if input.maildir && input.files.is_empty() {
        return Err(Failure::usage("--maildir needs the folders to read"));
    }
    refuse_wrong_names(input)?;
    // A single mail from a mail server needs no summary.
    let level = if input.files.is_empty() && !input.mbox { Level::DEBUG } else { Level::INFO };
    // Read before signals are handled: the first Ctrl-C ends it.
    let reads_stdin =
        !input.mbox && (input.files.is_empty() || input.files.iter().any(|file| is_stdin(file)));
    let mut by_hand = if reads_stdin && io::stdin().is_terminal() {
        info!("reading a mail from standard input; Ctrl-D ends it, --help shows more");
        Some(file::read(io::stdin().lock(), limit, 0)?)
    } else {
        None
    };
    let run = Ingest::start_finite(config)?;
    let mut all_read = true;
    let stdin = [Path::new("-").to_owned()];
    let files = if input.files.is_empty() { &stdin[..] } else { &input.files };
    for file in files {
        if run.stop.is_asked() {
            break;
        }
        if let Err(error) = submit(file, input, &mut by_hand, limit, &run) {
            error!("{}: can't be read: {error}", file.display());
            all_read = false;
        }
    }
    let finished = run.finish_quietly();
    finished.log(level, "stopped before the end, as asked");
    Ok(match finished.totals {
        _ if !finished.complete || !all_read => Exit::TryAgain,
        totals if totals.failed + totals.unrecognized > 0 => Exit::Unreadable,
        _ => Exit::Ok,
    })
}

/// Hands on the mails of one name that was given; what was typed by hand is read already.
fn submit(
    path: &Path,
    input: &InputFlags,
    by_hand: &mut Option<Bytes>,
    limit: u64,
    run: &Ingest,
) -> io::Result<()> {
    match path {
        _ if input.mbox && is_stdin(path) => {
            Stdin::open(&run.stop).and_then(|from| mbox(from, "standard input", limit, run))
        }
        _ if input.mbox => {
            let file = File::open(path)?;
            mbox(file, &path.display().to_string(), limit, run)
        }
        _ if input.maildir => maildir(path, run),
        _ if is_stdin(path) => stdin_mail(by_hand.take(), limit, run),
        _ => {
            let origin = Origin::File(path.to_owned());
            run.pipeline.submit(Mail { origin, tag: 0, bytes: None });
            Ok(())
        }
    }
}

/// A wrong name is found before anything is stored.
fn refuse_wrong_names(input: &InputFlags) -> Result<(), Failure> {
    for file in input.files.iter().filter(|file| !is_stdin(file)) {
        if input.maildir {
            maildirs::open(file)?;
            continue;
        }
        let metadata = fs::metadata(file).map_err(|error| Failure::path(file, &error))?;
        if metadata.is_dir() {
            let error = io::Error::new(
                io::ErrorKind::IsADirectory,
                "is a folder; see --maildir and the command once",
            );
            return Err(Failure::path(file, &error));
        }
    }
    Ok(())
}

fn stdin_mail(by_hand: Option<Bytes>, limit: u64, run: &Ingest) -> io::Result<()> {
    let bytes = match by_hand {
        Some(bytes) => bytes,
        None => file::read(Stdin::open(&run.stop)?, limit, 0)?,
    };
    // It may be half a mail.
    if run.stop.is_asked() {
        return Err(io::Error::new(io::ErrorKind::Interrupted, "stopped before its end, as asked"));
    }
    run.pipeline.submit(Mail {
        origin: Origin::Input("standard input".into()),
        tag: 0,
        bytes: Some(bytes),
    });
    Ok(())
}

fn mbox(file: impl io::Read, name: &str, limit: u64, run: &Ingest) -> io::Result<()> {
    for mail in Mbox::new(BufReader::with_capacity(BUFFER_BYTES, file), 0, limit) {
        if run.stop.is_asked() {
            break;
        }
        let mail = mail?;
        let origin = Origin::Input(format!("{name}, mail at byte {}", mail.offset));
        run.pipeline.submit(Mail { origin, tag: 0, bytes: Some(mail.bytes) });
    }
    Ok(())
}

fn maildir(path: &Path, run: &Ingest) -> io::Result<()> {
    let maildir = Maildir::open(path)?;
    for folder in [Folder::New, Folder::Cur] {
        for entry in maildir.entries(folder)? {
            if run.stop.is_asked() {
                break;
            }
            run.pipeline.submit(Mail { origin: Origin::File(entry?.path()), tag: 0, bytes: None });
        }
    }
    Ok(())
}
