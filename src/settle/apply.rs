//! Apply: carries out what became of mails, moves them, and counts.

use std::{collections::BTreeMap, io, sync::mpsc::Receiver};

use serde::{Deserialize, Serialize};
use tracing::{error, info};

use super::{Counts, MailOutcome, Origin, Settlement};
use crate::maildir::{self, Settled};

/// What to do with mail that is no report.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Unrecognized {
    /// To the folder .failed
    #[default]
    Fail,
    /// It stays in new/
    Keep,
}

/// How many mails came to which end, and their numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Mails of which the store has every document.
    pub stored: u64,
    /// Mails that can't be read as reports, or hold documents that the store refused.
    pub failed: u64,
    /// Mails of other kinds.
    pub unrecognized: u64,
    /// Mails left where they were, since the store has not acknowledged them or they could not be
    /// moved.
    pub left: u64,
    /// Those of them that may be unfinished: they are to be read again in a while.
    pub unfinished: u64,
    /// Mails that were moved to `.failed`.
    pub failed_moved: u64,
    /// Numbers of reports and documents of all mails that were not left.
    pub tally: Counts,
}

impl Totals {
    /// Adds another run's numbers.
    pub fn add(&mut self, other: &Totals) {
        self.stored += other.stored;
        self.failed += other.failed;
        self.unrecognized += other.unrecognized;
        self.left += other.left;
        self.unfinished += other.unfinished;
        self.failed_moved += other.failed_moved;
        self.tally.add(&other.tally);
    }

    /// All mails.
    pub fn mails(&self) -> u64 {
        self.stored + self.failed + self.unrecognized + self.left
    }
}

/// Where a mail is after it was settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// It was moved, or another process had taken it away.
    Yes,
    /// It stays where it is, as it should.
    No,
    /// It could not be moved.
    Failed,
    /// It is no more what was read: it was left, to be read again.
    Changed,
    /// It can't be read, and was changed a moment ago: it was left, to be read again in a while.
    Unfinished,
}

/// Settles mails until the last ticket is gone; `observe` hears afterwards of those that were
/// settled together.
pub(crate) fn run(
    settlements: &Receiver<Settlement>,
    unrecognized: Unrecognized,
    mut observe: impl FnMut(&[(Settlement, Moved)]),
) -> Totals {
    let mut totals = Totals::default();
    let mut stuck = Stuck::default();
    while let Some(mut batch) = next_batch(settlements) {
        let all_moved = carry_out(&batch, unrecognized, &mut stuck);
        leave_changed(&mut batch, &all_moved);
        let settled: Vec<(Settlement, Moved)> = batch.into_iter().zip(all_moved).collect();
        settled.iter().for_each(|(settlement, moved)| count(settlement, *moved, &mut totals));
        observe(&settled);
    }
    totals
}

/// Mails that are settled together: those that fail are synchronised to the disk at once.
const SETTLED_TOGETHER: usize = 256;

/// Waits for a settlement and takes those along that wait behind it; nothing once there are no
/// more.
fn next_batch(settlements: &Receiver<Settlement>) -> Option<Vec<Settlement>> {
    let mut batch = vec![settlements.recv().ok()?];
    batch.extend(settlements.try_iter().take(SETTLED_TOGETHER - 1));
    Some(batch)
}

/// Carries out what became of some mails.
fn carry_out(batch: &[Settlement], unrecognized: Unrecognized, stuck: &mut Stuck) -> Vec<Moved> {
    let mut all_moved = vec![Moved::No; batch.len()];
    let (mut failing, mut reasons) = (Vec::new(), Vec::new());
    for (n, Settlement { origin, outcome, tally, breaks_off, .. }) in batch.iter().enumerate() {
        let Origin::Maildir(entry) = origin else { continue };
        let is_in_doubt = *breaks_off || *outcome != MailOutcome::Stored;
        match outcome {
            MailOutcome::Left | MailOutcome::NotAFile => {}
            MailOutcome::Gone => all_moved[n] = Moved::Yes,
            // Reports in it were not wanted, and so are nowhere.
            _ if tally.passed_over > 0 => {}
            MailOutcome::Unrecognized(_) if unrecognized == Unrecognized::Keep => {}
            _ if is_in_doubt && entry.may_be_unfinished() => all_moved[n] = Moved::Unfinished,
            MailOutcome::Stored => all_moved[n] = stuck.moved(entry.settle_stored(), origin),
            MailOutcome::Failed(reason) | MailOutcome::Unrecognized(reason) => {
                failing.push(n);
                reasons.push((entry, reason.as_str()));
            }
        }
    }
    for (n, settled) in failing.into_iter().zip(maildir::settle_failed(&reasons)) {
        all_moved[n] = stuck.moved(settled, &batch[n].origin);
    }
    all_moved
}

/// What was read of a mail says nothing any more of one that changed, or is to change.
fn leave_changed(batch: &mut [Settlement], all_moved: &[Moved]) {
    for (settlement, moved) in batch.iter_mut().zip(all_moved) {
        let why = match moved {
            Moved::Changed => "changed while it was read; it is read again",
            Moved::Unfinished => "may be unfinished; it is read again in a while",
            Moved::Yes | Moved::No | Moved::Failed => continue,
        };
        info!(mail = settlement.origin.name(), "{why}");
        settlement.outcome = MailOutcome::Left;
    }
}

/// Mails that could not be moved, by reason: the first of each is told, and at the end how many
/// there were.
#[derive(Default)]
struct Stuck(BTreeMap<String, u64>);

impl Stuck {
    fn moved(&mut self, settled: io::Result<Settled>, origin: &Origin) -> Moved {
        let error = match settled {
            Ok(Settled::Moved | Settled::Gone) => return Moved::Yes,
            Ok(Settled::Changed) => return Moved::Changed,
            Err(error) => error,
        };
        let reason = match error.kind() {
            io::ErrorKind::PermissionDenied => {
                format!("{error}; run the program as the user who owns the mail")
            }
            _ => error.to_string(),
        };
        let known = self.0.entry(reason.clone()).or_default();
        *known += 1;
        if *known == 1 {
            error!("{} can't be moved, it stays where it is: {reason}", origin.name());
        }
        Moved::Failed
    }
}

impl Drop for Stuck {
    fn drop(&mut self) {
        for (reason, mails) in self.0.iter().filter(|(_, mails)| **mails > 1) {
            error!("{mails} mails in all can't be moved: {reason}");
        }
    }
}

/// Counts a mail that was settled.
fn count(settlement: &Settlement, moved: Moved, totals: &mut Totals) {
    let Settlement { outcome, tally, .. } = settlement;
    match outcome {
        _ if moved == Moved::Failed => totals.left += 1,
        MailOutcome::Left => totals.left += 1,
        MailOutcome::Gone | MailOutcome::NotAFile => {}
        MailOutcome::Stored => totals.stored += 1,
        MailOutcome::Failed(_) => totals.failed += 1,
        MailOutcome::Unrecognized(_) => totals.unrecognized += 1,
    }
    totals.unfinished += u64::from(moved == Moved::Unfinished);
    if moved == Moved::Yes
        && matches!(outcome, MailOutcome::Failed(_) | MailOutcome::Unrecognized(_))
    {
        totals.failed_moved += 1;
    }
    if *outcome != MailOutcome::Left {
        totals.tally.add(tally);
    }
}
