//! Findings: what was looked at, how it is, and what to do about it.

use serde::Serialize;

use crate::exit::Exit;

/// How something is; the order is that of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    /// As it should be.
    Ok,
    /// Reports are stored, but somebody should look.
    Warning,
    /// Reports are not stored, or do not come.
    Wrong,
}

/// One thing that was looked at. Its names in JSON are a promise.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    /// What was looked at, such as `maildir.rights`; these names are a promise, too.
    pub(super) check: &'static str,
    pub(super) status: Status,
    /// A path, URL, index or domain; may be a stranger's words, like the next.
    pub(super) about: String,
    /// What is the case, without a full stop.
    pub(super) found: String,
    /// What to do.
    pub(super) fix: Option<String>,
}

/// Everything that was found.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<Finding>);

impl Findings {
    /// All is well.
    pub(super) fn ok(&mut self, check: &'static str, about: &str, found: impl Into<String>) {
        self.add(check, Status::Ok, about, found.into(), None);
    }

    /// Somebody should look.
    pub(super) fn warning(
        &mut self,
        check: &'static str,
        about: &str,
        found: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.add(check, Status::Warning, about, found.into(), Some(fix.into()));
    }

    /// It does not work like this.
    pub(super) fn wrong(
        &mut self,
        check: &'static str,
        about: &str,
        found: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.add(check, Status::Wrong, about, found.into(), Some(fix.into()));
    }

    fn add(
        &mut self,
        check: &'static str,
        status: Status,
        about: &str,
        found: String,
        fix: Option<String>,
    ) {
        self.0.push(Finding { check, status, about: about.to_owned(), found, fix });
    }

    /// All of them, in the order in which they were found.
    pub(super) fn all(&self) -> &[Finding] {
        &self.0
    }

    /// The worst of them.
    pub(super) fn status(&self) -> Status {
        self.0.iter().map(|finding| finding.status).max().unwrap_or(Status::Ok)
    }

    /// How many there are of a kind.
    pub(super) fn count(&self, status: Status) -> usize {
        self.0.iter().filter(|finding| finding.status == status).count()
    }

    /// 1 if something is wrong.
    pub(super) fn exit(&self) -> Exit {
        if self.status() == Status::Wrong { Exit::Wrong } else { Exit::Ok }
    }
}
