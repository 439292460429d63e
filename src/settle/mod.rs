//! Settle: what becomes of a mail once the store has spoken.
//!
//! A [`Ticket`] follows one mail from the moment it is taken up. Each batch that carries documents
//! of it holds a [`Pending`]; when the last of these is gone, the mail is settled by what they were
//! told. A `Pending` that is dropped unanswered (an error, a panic, the end of the program) leaves
//! the mail where it is. So there is no way to forget a mail, and none to settle it before the
//! store has acknowledged every document.

mod about;
pub mod apply;

use std::{
    fmt,
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{self, Receiver, SyncSender},
    },
};

use parking_lot::{Mutex, MutexGuard};

use crate::{maildir, message::Contents, report::Kind};

/// Where a mail came from, and so what settling it means.
#[derive(Debug)]
pub enum Origin {
    /// A mail in `new/` of a Maildir.
    Maildir(maildir::Entry),
    /// A file that is only read.
    File(PathBuf),
    /// Something else that is only read: standard input, a place in an archive. The text names it.
    Input(String),
}

impl Origin {
    /// The file in which the mail lies, if it has one of its own.
    pub fn path(&self) -> Option<PathBuf> {
        match self {
            Origin::Maildir(entry) => Some(entry.path()),
            Origin::File(path) => Some(path.clone()),
            Origin::Input(_) => None,
        }
    }

    /// Names the mail for a person.
    pub fn name(&self) -> String {
        match self {
            Origin::Maildir(entry) => entry.path().display().to_string(),
            Origin::File(path) => path.display().to_string(),
            Origin::Input(name) => name.clone(),
        }
    }
}

/// A number by which whoever takes up mails tells them apart; of no meaning here.
pub type Tag = u64;

/// What became of a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailOutcome {
    /// The store has every document of it.
    Stored,
    /// It can't be read, or the store refused a document for good; what could be stored is stored.
    Failed(String),
    /// It is mail of another kind.
    Unrecognized(String),
    /// The store has not acknowledged all of it: it stays where it is.
    Left,
    /// Another process removed it first; nothing to do.
    Gone,
    /// It is no regular file, and so no mail; it stays and is not counted.
    NotAFile,
}

/// Numbers of a mail, or of many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// DMARC aggregate reports read.
    pub dmarc_reports: u64,
    /// Records in them.
    pub records: u64,
    /// SMTP TLS reports read.
    pub tls_reports: u64,
    /// Policies in them.
    pub policies: u64,
    /// Failure reports read.
    pub failure_reports: u64,
    /// Records and policies that could not be read.
    pub lost: u64,
    /// Documents that the store did not have before.
    pub created: u64,
    /// Documents that it had.
    pub duplicates: u64,
    /// Documents that it refused for good.
    pub refused: u64,
    /// Reports that were not wanted, because of their period.
    pub passed_over: u64,
}

impl Counts {
    /// The numbers of what was read out of one mail.
    fn of(contents: &Contents) -> Counts {
        let mut tally = Counts { passed_over: contents.passed_over as u64, ..Counts::default() };
        // Of a report in parts, one part counts as the report.
        let reports = u64::from(contents.stored.as_ref().is_none_or(|stored| stored.is_first));
        for report in &contents.reports {
            let documents = report.len() as u64;
            match report.kind() {
                Kind::Dmarc => {
                    tally.dmarc_reports += reports;
                    tally.records += documents;
                }
                Kind::Tls => {
                    tally.tls_reports += reports;
                    tally.policies += documents;
                }
                Kind::Failure => tally.failure_reports += reports,
            }
            if contents.stored.is_none() {
                tally.lost += report.lost() as u64;
            }
        }
        tally
    }

    /// Reports of all kinds.
    pub fn reports(&self) -> u64 {
        self.dmarc_reports + self.tls_reports + self.failure_reports
    }

    /// Adds another's numbers.
    pub fn add(&mut self, other: &Counts) {
        self.dmarc_reports += other.dmarc_reports;
        self.records += other.records;
        self.tls_reports += other.tls_reports;
        self.policies += other.policies;
        self.failure_reports += other.failure_reports;
        self.lost += other.lost;
        self.created += other.created;
        self.duplicates += other.duplicates;
        self.refused += other.refused;
        self.passed_over += other.passed_over;
    }
}

/// A mail that was settled.
#[derive(Debug)]
pub struct Settlement {
    /// The mail.
    pub origin: Origin,
    /// The tag it was taken up with.
    pub tag: Tag,
    /// What became of it.
    pub outcome: MailOutcome,
    /// Its numbers.
    pub tally: Counts,
    /// What was read of it may be the beginning of more.
    pub breaks_off: bool,
    /// What the mail is, for a person: its first report, or subject and sender. From a stranger.
    pub about: Option<String>,
}

/// Settlements that may wait for the settling thread; then the thread that answers the next mail
/// waits too. The settling thread itself never waits for another.
const WAITING: usize = 1024;

/// The way from tickets to the thread that settles.
pub fn channel() -> (Settler, Receiver<Settlement>) {
    let (sender, receiver) = mpsc::sync_channel(WAITING);
    (Settler(sender), receiver)
}

/// Hands out tickets; the receiving end sees the last settlement when this and all tickets are
/// gone.
#[derive(Clone, Debug)]
pub struct Settler(SyncSender<Settlement>);

impl Settler {
    /// Follows a mail that was read; `contents` must go to the sink with the ticket. What is
    /// `on_settled` is dropped when the mail is settled, or waits aside.
    pub fn ticket(
        &self,
        origin: Origin,
        tag: Tag,
        contents: &Contents,
        on_settled: Option<OnSettled>,
    ) -> Ticket {
        let verdict = match contents.complaint() {
            None => MailOutcome::Stored,
            Some(reason) if contents.is_something_else() => MailOutcome::Unrecognized(reason),
            Some(reason) => MailOutcome::Failed(reason),
        };
        Ticket(Arc::new(Inner {
            origin: Some(origin),
            tag,
            about: about::about(contents),
            breaks_off: contents.breaks_off,
            progress: Mutex::new(SoFar { verdict, tally: Counts::of(contents) }),
            settler: self.clone(),
            on_settled: Mutex::new(on_settled),
        }))
    }
}

/// Something that is kept as long as a mail is on its way, to hear of the end, or of a wait that
/// may be long.
pub type OnSettled = Box<dyn fmt::Debug + Send + Sync>;

/// One mail on its way to the store. Dropped without a share handed out, it is settled by what was
/// read.
#[derive(Debug)]
pub struct Ticket(Arc<Inner>);

impl Ticket {
    /// The mail could not be looked at: it stays where it is.
    pub fn leave(self) {
        drop(self.pending());
    }

    /// The mail was taken away before it was read.
    pub fn gone(self) {
        self.0.progress().verdict = MailOutcome::Gone;
    }

    /// What lies there is no regular file.
    pub fn not_a_file(self) {
        self.0.progress().verdict = MailOutcome::NotAFile;
    }

    /// A share of the mail for documents that are about to travel; as many as there are batches.
    pub fn pending(&self) -> Pending {
        Pending { inner: Arc::clone(&self.0), answered: false }
    }
}

/// What a store says of some documents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acknowledgement {
    /// Documents that are new to the store.
    pub created: u64,
    /// Documents that it had already.
    pub duplicates: u64,
    /// Documents that it will never take.
    pub refused: u64,
    /// Why it refused the first of them.
    pub reason: Option<String>,
}

/// Documents of one mail that the store has not answered yet.
#[derive(Debug)]
#[must_use = "dropping it leaves the mail unsettled"]
pub struct Pending {
    inner: Arc<Inner>,
    answered: bool,
}

impl Pending {
    /// The mail waits for a part of the store that is away: nobody is to wait for the mail.
    pub fn waits_aside(&self) {
        drop(self.inner.on_settled.lock().take());
    }

    /// Passes on what the store said of all documents of this share.
    pub fn acknowledge(mut self, answer: Acknowledgement) {
        self.answered = true;
        let mut progress = self.inner.progress();
        progress.tally.created += answer.created;
        progress.tally.duplicates += answer.duplicates;
        progress.tally.refused += answer.refused;
        if let (Some(reason), MailOutcome::Stored) = (answer.reason, &progress.verdict) {
            progress.verdict = MailOutcome::Failed(format!("refused by the store: {reason}"));
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.answered {
            self.inner.progress().verdict = MailOutcome::Left;
        }
    }
}

#[derive(Debug)]
struct SoFar {
    /// What becomes of the mail if nothing else happens.
    verdict: MailOutcome,
    tally: Counts,
}

#[derive(Debug)]
struct Inner {
    /// Taken out only when the mail is settled, in `drop`.
    origin: Option<Origin>,
    tag: Tag,
    progress: Mutex<SoFar>,
    settler: Settler,
    about: Option<String>,
    breaks_off: bool,
    on_settled: Mutex<Option<OnSettled>>,
}

impl Inner {
    fn progress(&self) -> MutexGuard<'_, SoFar> {
        self.progress.lock()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let Some(origin) = self.origin.take() else { return };
        let progress = self.progress.get_mut();
        let outcome = std::mem::replace(&mut progress.verdict, MailOutcome::Left);
        // If the receiver is gone, the mail stays where it is: that is safe.
        let _ = self.settler.0.send(Settlement {
            origin,
            tag: self.tag,
            outcome,
            tally: progress.tally,
            breaks_off: self.breaks_off,
            about: self.about.take(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_mail() -> (Ticket, Receiver<Settlement>) {
        let (settler, receiver) = channel();
        let report = crate::report::Report::Tls(crate::report::TlsReport::default());
        let contents = Contents { reports: vec![report], ..Contents::default() };
        (settler.ticket(Origin::Input("test".into()), 0, &contents, None), receiver)
    }

    #[test]
    fn settles_once_after_the_last_share() {
        let (ticket, settled) = one_mail();
        let (first, second) = (ticket.pending(), ticket.pending());
        drop(ticket);
        first.acknowledge(Acknowledgement { created: 2, ..Default::default() });
        assert!(settled.try_recv().is_err(), "settled while a share was on its way");
        second.acknowledge(Acknowledgement { duplicates: 1, ..Default::default() });
        let settlement = settled.recv().expect("settled");
        assert_eq!(settlement.outcome, MailOutcome::Stored);
        assert_eq!((settlement.tally.created, settlement.tally.duplicates), (2, 1));
        assert!(settled.recv().is_err(), "settled twice");
    }

    #[test]
    fn an_unanswered_share_leaves_the_mail() {
        let (ticket, settled) = one_mail();
        let (first, second) = (ticket.pending(), ticket.pending());
        drop(ticket);
        drop(first);
        second.acknowledge(Acknowledgement {
            refused: 1,
            reason: Some("no".into()),
            ..Default::default()
        });
        assert_eq!(settled.recv().expect("settled").outcome, MailOutcome::Left);
    }

    #[test]
    fn a_refused_document_fails_the_mail() {
        let (ticket, settled) = one_mail();
        let pending = ticket.pending();
        drop(ticket);
        pending.acknowledge(Acknowledgement {
            refused: 1,
            reason: Some("no".into()),
            ..Default::default()
        });
        assert_eq!(
            settled.recv().expect("settled").outcome,
            MailOutcome::Failed("refused by the store: no".into())
        );
    }
}
