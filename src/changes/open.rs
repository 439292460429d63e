//! Open: what was told and can't be seen to be over. A sender that sends nothing, or a domain that
//! nobody reports on, is not mended by that.

use super::{
    Change, ChangeKind, DAY, Look,
    rate::own,
    senders::{GONE, Seen},
    situations::SituationKey,
};
use crate::verdict::Bucket;

impl Change {
    /// It is found again, and there is nothing new to say of it.
    pub(super) fn still(key: &SituationKey) -> Change {
        let SituationKey { kind, domain, who } = key;
        Change { grade: 0, ..Change::new(*kind, domain, who, String::new()) }
    }

    /// True of such a one.
    pub(super) fn is_still(&self) -> bool {
        self.grade == 0
    }
}

/// The open situations of a domain that are not over, beside those in `found`; and those of senders
/// who have another name by now, since their host's was found meanwhile. `is_all` is true if all
/// senders were seen.
pub(super) fn of_domain(
    look: &Look,
    domain: &str,
    (seen, is_all): (&[Seen], bool),
    found: &[Change],
    open: &[SituationKey],
) -> Vec<Change> {
    let is_silent = seen.iter().all(|seen| seen.now.messages == 0);
    let is_open = |key: &&SituationKey| {
        key.domain == domain
            && !found.iter().any(|change| change.key() == **key)
            && match key.kind {
                ChangeKind::SenderFails => is_silent || fails_still(look, seen, &key.who),
                ChangeKind::PassRate => own(seen, &[]).0.messages == 0,
                ChangeKind::ForgedMail => is_silent,
                _ => false,
            }
    };
    let is_renamed = |key: &&SituationKey| {
        key.domain == domain
            && key.kind == ChangeKind::SenderFails
            && is_all
            && !is_silent
            && !seen.iter().any(|seen| seen.name() == key.who)
    };
    let renamed = open.iter().filter(is_renamed);
    let renamed = renamed.map(|key| Change { is_renamed: true, ..Change::still(key) });
    open.iter().filter(is_open).map(Change::still).chain(renamed).collect()
}

/// It fails, be it in few messages; or it has sent nothing, and not for so long that it is gone.
fn fails_still(look: &Look, seen: &[Seen], who: &str) -> bool {
    seen.iter().filter(|seen| seen.name() == who).any(|seen| {
        let last = seen.judged.history.days.iter().map(|day| day.begin).max();
        match seen.now.messages {
            0 => last.is_some_and(|last| last >= look.period.end - GONE - DAY),
            _ => seen.now.fails() && seen.bucket() != Bucket::Forwarder,
        }
    })
}
