//! `once`: all mails that are in `new/` now, and then the end. For cron and timers.

use std::{path::PathBuf, time::Duration};

use tracing::{Level, error};

use super::{ModeError, Run};
use crate::{
    config::Config,
    exit::Exit,
    pipeline::Mail,
    settle::{Maildir, Origin, maildir::Folder},
};

/// Short enough for a run every few minutes: the next one tries again.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn run(maildirs: &[PathBuf], config: Config) -> Result<Exit, ModeError> {
    let open = |path: &PathBuf| Maildir::open(path).map_err(|error| ModeError::Path { path: path.clone(), error });
    let maildirs = maildirs.iter().map(open).collect::<Result<Vec<_>, _>>()?;
    let run = Run::start_finite(config, PATIENCE)?;
    let mut all_listed = true;
    for maildir in &maildirs {
        if let Err(error) = submit_new(maildir, &run) {
            error!(maildir = %maildir.path().display(), "can't be read to its end: {error}");
            all_listed = false;
        }
    }
    let finished = run.finish(Level::INFO);
    Ok(if finished.complete && all_listed { Exit::Ok } else { Exit::TryAgain })
}

fn submit_new(maildir: &std::sync::Arc<Maildir>, run: &Run) -> std::io::Result<()> {
    for entry in maildir.entries(Folder::New)? {
        if run.stop.is_asked() {
            break;
        }
        run.pipeline.submit(Mail { origin: Origin::Maildir(entry?), mark: 0, bytes: None });
    }
    Ok(())
}
