//! `retry`: mails of `.failed` go back to `new/`, for when what was wrong has been mended.

use std::path::PathBuf;

use tracing::{error, info};

use super::maildirs;
use crate::{
    exit::{Exit, Failure},
    ingest::counted,
    maildir::retry::retry,
};

pub(super) fn run(paths: &[PathBuf]) -> Result<Exit, Failure> {
    let maildirs = paths.iter().map(|path| maildirs::open(path)).collect::<Result<Vec<_>, _>>()?;
    let mut exit = Exit::Ok;
    for maildir in &maildirs {
        let path = maildir.path().display();
        let mut tell = |file: &std::path::Path, error| {
            error!("{} can't be moved, it stays there: {error}", file.display());
        };
        match retry(maildir, &mut tell) {
            Ok(retried) => {
                info!(
                    "{path}: {} back in new/; watch takes them up by itself, or call once",
                    counted(retried.mails, "mail")
                );
                if retried.stuck > 0 {
                    exit = Exit::TryAgain;
                }
            }
            Err(error) => {
                error!("{path}: the folder of failed mails can't be read: {error}");
                exit = Exit::TryAgain;
            }
        }
    }
    Ok(exit)
}
