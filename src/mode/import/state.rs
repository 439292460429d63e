//! What an import remembers of settled mails: the journal, the list of errors, the reasons.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufWriter, Write},
    path::PathBuf,
    time::{Duration, Instant},
};

use serde_json::json;
use tracing::info;

use super::journal::{End, Journal};
use crate::{
    cli,
    exit::{Exit, Failure},
    sanitize,
    settle::{MailOutcome, Settlement, Tag, apply::Moved},
};

/// How often the journal is written out.
const JOURNAL_INTERVAL: Duration = Duration::from_secs(1);

/// What is remembered of settled mails.
pub(super) struct Remembered {
    pub(super) journal: Journal,
    journal_flushed: Instant,
    errors: Option<(PathBuf, BufWriter<File>)>,
    errors_failed: Option<io::Error>,
    /// Each mail that could not be used is listed in a file.
    lists_errors: bool,
    /// How many mails could not be used for each reason.
    reasons: BTreeMap<String, u64>,
}

impl Remembered {
    pub(super) fn new(import: &cli::ImportFlags) -> Result<Remembered, Failure> {
        let errors = import.errors.clone().map(|path| match File::create(&path) {
            Ok(file) => Ok((path, BufWriter::new(file))),
            Err(error) => Err(Failure::path(&path, &error)),
        });
        Ok(Remembered {
            journal: Journal::default(),
            journal_flushed: Instant::now(),
            errors: errors.transpose()?,
            errors_failed: None,
            lists_errors: import.errors.is_some(),
            reasons: BTreeMap::new(),
        })
    }

    pub(super) fn settled(&mut self, settlement: &Settlement, moved: Moved) {
        let Settlement { origin, tag, outcome, .. } = settlement;
        let end = match outcome {
            MailOutcome::Left => End::Left,
            MailOutcome::Failed(_) => End::Failed,
            // One that could not be moved is to be moved by the next import.
            MailOutcome::Stored if moved != Moved::Failed => End::Whole,
            _ => End::Partly,
        };
        self.journal.settled(*tag, end);
        match outcome {
            MailOutcome::Failed(reason) => self.unusable(&origin.name(), "failed", reason),
            MailOutcome::Unrecognized(reason) => {
                self.unusable(&origin.name(), "unrecognized", reason);
            }
            _ => {}
        }
        if self.journal_flushed.elapsed() >= JOURNAL_INTERVAL {
            self.journal.flush();
            self.journal_flushed = Instant::now();
        }
    }

    /// A file or a part of one can't be read to its end.
    pub(super) fn unread(&mut self, what: &str, error: &io::Error) {
        self.list(what, "unread", &error.to_string());
    }

    /// No report can be made of a document of another store.
    pub(super) fn unusable_document(&mut self, tag: Tag, what: &str, reason: &str) {
        self.journal.settled(tag, End::Failed);
        self.unusable(what, "failed", reason);
    }

    fn unusable(&mut self, what: &str, outcome: &str, reason: &str) {
        *self.reasons.entry(without_numbers(reason)).or_default() += 1;
        self.list(what, outcome, reason);
    }

    fn list(&mut self, what: &str, outcome: &str, reason: &str) {
        if let Some((_, file)) = &mut self.errors {
            let line = json!({ "mail": what, "outcome": outcome, "reason": reason });
            // It may be looked at on a terminal.
            if let Err(error) = writeln!(file, "{}", sanitize::json(&line.to_string())) {
                self.errors_failed.get_or_insert(error);
            }
        }
    }

    pub(super) fn flush_errors(&mut self) -> Result<(), Failure> {
        let Some((path, mut file)) = self.errors.take() else { return Ok(()) };
        let flushed = file.flush();
        match self.errors_failed.take().map_or(flushed, Err) {
            Ok(()) => Ok(()),
            // Nobody typed anything wrong.
            Err(error) => {
                Err(Failure::new(Exit::TryAgain, format_args!("{}: {error}", path.display())))
            }
        }
    }

    pub(super) fn log_reasons(&self) {
        let mut reasons: Vec<_> = self.reasons.iter().collect();
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        for (reason, count) in reasons.iter().take(20) {
            info!("{count} × {reason}");
        }
        if reasons.len() > 20 {
            info!("and {} more reasons", reasons.len() - 20);
        }
        if !reasons.is_empty() && !self.lists_errors {
            info!("--errors FILE lists the mails");
        }
    }
}

/// Reasons that differ in numbers only count as one.
fn without_numbers(reason: &str) -> String {
    let mut out = String::new();
    for c in reason.chars().take(200) {
        match c {
            '0'..='9' if out.ends_with('#') => {}
            '0'..='9' => out.push('#'),
            c => out.push(c),
        }
    }
    out
}
