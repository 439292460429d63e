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
}

/// The open situations of a domain that are not over, beside those in `found`.
pub(super) fn of_domain(
    look: &Look,
    domain: &str,
    seen: &[Seen],
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
    open.iter().filter(is_open).map(Change::still).collect()
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
