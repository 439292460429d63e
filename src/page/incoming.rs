//! Incoming: what waits in the Maildirs, what could not be read and why, and how fresh the store
//! is.

use std::{
    fs::{self, File},
    io::Read,
    path::Path,
    sync::Arc,
    time::UNIX_EPOCH,
};

use askama::Template;
use serde::Serialize;

use super::{
    asked::Asked,
    content::{Content, Table},
    frame::{Frame, Place},
    trouble::Trouble,
    view::View,
    words::{self, Said, Then},
};
use crate::{
    answers::{Answers, Filter},
    maildir::{ERROR_HEADER, Folder, Maildir, WAITS_LONG},
};

/// Failed mails of a Maildir that are listed: the newest ones.
const MOST: usize = 100;

/// The reason stands at the very top, on a line of this length at most.
const TOP: u64 = 2048;

/// The state of Maildirs and store.
#[derive(Debug, Template, Serialize)]
#[template(path = "page/incoming.html")]
pub(super) struct Incoming {
    #[serde(skip)]
    frame: Frame,
    #[serde(skip)]
    newest: Option<Then>,
    maildirs: Vec<Looked>,
}

/// A Maildir.
#[derive(Debug, Serialize)]
struct Looked {
    path: Said,
    /// Mails in `new`.
    waiting: u64,
    /// When the oldest of them came, if that is so long ago that nothing takes them up.
    #[serde(skip)]
    stuck: Option<Then>,
    failed: u64,
    /// Some of those, newest first.
    mails: Vec<Mail>,
    /// Why it can't be looked into.
    error: Option<Said>,
}

/// A mail that could not be used.
#[derive(Debug, Serialize)]
struct Mail {
    file: Said,
    reason: Said,
    /// When it was put there, in seconds since 1970.
    failed_at: i64,
    #[serde(skip)]
    then: Then,
}

impl Incoming {
    /// Looks into the Maildirs, and asks the store.
    ///
    /// # Errors
    /// The store can't be read.
    pub(super) fn ask<A: Answers>(
        answers: &A,
        place: Place,
        asked: &Asked,
        maildirs: &[Arc<Maildir>],
    ) -> Result<Incoming, Trouble>
    where
        Trouble: From<A::Error>,
    {
        let newest = answers.newest(&Filter::default())?;
        Ok(Incoming {
            frame: Frame::new(place, View::Incoming, asked, "Incoming"),
            newest: newest.map(|second| Then::new(second, place.now)),
            maildirs: maildirs.iter().map(|maildir| look(maildir, place.now)).collect(),
        })
    }
}

fn look(maildir: &Arc<Maildir>, now: i64) -> Looked {
    let names = |folder: &Path| match fs::read_dir(folder) {
        Ok(files) => Ok(files
            .flatten()
            .filter(|file| !file.file_name().as_encoded_bytes().starts_with(b"."))
            .collect::<Vec<_>>()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    };
    let waiting = names(&maildir.path().join("new"));
    let failed: Vec<_> =
        ["new", "cur"].map(|name| names(&maildir.failed().join(name))).into_iter().collect();
    let error =
        waiting.as_ref().err().into_iter().chain(failed.iter().filter_map(|f| f.as_ref().err()));
    let error = error.map(|error| Said::from(error.to_string())).next();
    let mut files: Vec<_> = failed
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|file| {
            let changed = file.metadata().ok()?.modified().ok()?;
            let second = changed.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
            Some((second, file.path()))
        })
        .collect();
    files.sort_unstable_by(|one, other| other.cmp(one));
    let mail = |(second, path): &(u64, std::path::PathBuf)| {
        let second = i64::try_from(*second).unwrap_or(i64::MAX);
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Mail {
            file: name.into(),
            reason: reason(path).into(),
            failed_at: second,
            then: Then::new(second, now),
        }
    };
    Looked {
        path: maildir.path().display().to_string().into(),
        stuck: waiting.as_ref().ok().and_then(|files| stuck(maildir, files, now)),
        waiting: waiting.map_or(0, |files| files.len() as u64),
        failed: files.len() as u64,
        mails: files.iter().take(MOST).map(mail).collect(),
        error,
    }
}

/// When the oldest of these mails came, if it waits for too long.
fn stuck(maildir: &Arc<Maildir>, files: &[fs::DirEntry], now: i64) -> Option<Then> {
    let came = |file: &fs::DirEntry| maildir.entry(Folder::New, file.file_name())?.came();
    let oldest = files.iter().filter_map(came).min()?;
    (now.saturating_sub(oldest) > WAITS_LONG).then(|| Then::new(oldest, now))
}

/// What stands in the header on top.
fn reason(path: &Path) -> String {
    let mut top = Vec::new();
    let is_file = fs::symlink_metadata(path).is_ok_and(|file| file.is_file());
    if !is_file || File::open(path).and_then(|file| file.take(TOP).read_to_end(&mut top)).is_err() {
        return "it can't be opened".into();
    }
    let line = top.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let value = line.strip_prefix(ERROR_HEADER).and_then(|rest| rest.strip_prefix(':'));
    value.map_or_else(|| "no reason stands in it".into(), |value| value.trim().to_owned())
}

impl Content for Incoming {
    fn table(&self) -> Table {
        let of_folder = |folder: &Looked| -> Vec<Vec<String>> {
            let row = |mail: &Mail| {
                vec![
                    folder.path.whole().to_owned(),
                    mail.file.whole().to_owned(),
                    mail.then.exactly(),
                    mail.reason.whole().to_owned(),
                ]
            };
            folder.mails.iter().map(row).collect()
        };
        Table {
            columns: vec!["maildir", "file", "failed_at", "reason"],
            rows: self.maildirs.iter().flat_map(of_folder).collect(),
        }
    }
}
