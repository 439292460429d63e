//! `once`: all mails that are in `new/` now, and then the end. For cron and timers.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use tracing::{Level, error, info};

use super::maildirs;
use crate::{
    config::{Purpose, Typed},
    exit::{Exit, Failure},
    ingest::{self, Ingest},
    maildir::{Folder, Maildir, QUIET},
    metrics::Metrics,
    pipeline::Mail,
    settle::{
        Origin,
        apply::{Totals, Unrecognized},
    },
    sink::opensearch::config::OnTrouble,
    stop::Stop,
};

/// Short enough for a run every few minutes: the next one tries again.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn run(maildirs: &[PathBuf], typed: &Typed) -> Result<Exit, Failure> {
    let purpose = Purpose {
        patience: Some(PATIENCE),
        on_trouble: OnTrouble::LeaveOrGiveUp,
        ..Purpose::default()
    };
    let config = typed.config(&purpose)?;
    let (maildirs, all_right) = open_all(maildirs)?;
    maildirs::refuse_inboxes(&maildirs, &config)?;
    let stays = config.pipeline.unrecognized == Unrecognized::Keep;
    let stop = Arc::new(Stop::default());
    stop.on_signals(false)?;
    let started = Instant::now();
    let mut earlier = Totals::default();
    let mut waited = false;
    loop {
        let metrics = Metrics::default();
        let run = Ingest::start(config.clone(), Arc::clone(&stop), &metrics, ingest::log)?;
        let sink = Arc::clone(&run.sink);
        let all_listed = submit_all(&maildirs, &run);
        let mut finished = run.finish_quietly();
        let mut again = finished.reason.is_none() && sink.has_room_again();
        if finished.reason.is_none() && finished.totals.unfinished > 0 && !waited {
            // Whoever writes longer than that is met by the next run.
            waited = true;
            again = stop.sleep(QUIET).is_ok();
        }
        if again {
            // What stays in `new/` is counted when it is read again.
            finished.totals.left = 0;
            if stays {
                finished.totals.unrecognized = 0;
            }
        }
        finished.totals.add(&earlier);
        earlier = finished.totals;
        if !again {
            finished.lasted = started.elapsed();
            finished.log(Level::INFO, ingest::GOES_ON);
            return Ok(match finished.complete && all_listed {
                false => Exit::TryAgain,
                true if all_right => Exit::Ok,
                true => Exit::Usage,
            });
        }
        info!("mails that were left are taken up again");
    }
}

/// The Maildirs, and whether all are; one at least. The others are named, and these are stored all
/// the same.
fn open_all(paths: &[PathBuf]) -> Result<(Vec<Arc<Maildir>>, bool), Failure> {
    let (maildirs, mut mistakes): (Vec<_>, Vec<_>) =
        paths.iter().map(|path| maildirs::open(path)).partition(Result::is_ok);
    let maildirs: Vec<_> = maildirs.into_iter().flatten().collect();
    if maildirs.is_empty()
        && let Some(Err(error)) = mistakes.pop()
    {
        return Err(error);
    }
    for mistake in mistakes.iter().filter_map(|mistake| mistake.as_ref().err()) {
        error!("{mistake}");
    }
    Ok((maildirs, mistakes.is_empty()))
}

/// False if a folder can't be read to its end.
fn submit_all(maildirs: &[Arc<Maildir>], run: &Ingest) -> bool {
    let mut all_listed = true;
    for maildir in maildirs {
        if let Err(error) = submit_new(maildir, run) {
            error!(maildir = %maildir.path().display(), "can't be read to its end: {error}");
            all_listed = false;
        }
    }
    all_listed
}

fn submit_new(maildir: &Arc<Maildir>, run: &Ingest) -> std::io::Result<()> {
    for entry in maildir.entries(Folder::New)? {
        if run.stop.is_asked() {
            break;
        }
        run.pipeline.submit(Mail { origin: Origin::Maildir(entry?), tag: 0, bytes: None });
    }
    Ok(())
}
