//! Rate: how much of the domain's own mail passes, as a whole.

use super::{
    Change, ChangeKind, percent,
    senders::{Seen, Sum},
};
use crate::verdict::number;

/// A fall of the pass rate by so many hundredths is news, if there are as many messages.
const FALL: u64 = 5;
const RATE_MESSAGES: u64 = 50;

/// The domain's own mail, in the period and before, without senders that were told of.
pub(super) fn own(seen: &[Seen], told: &[&str]) -> (Sum, Sum) {
    let own = seen.iter().filter(|seen| seen.bucket().is_own() && !told.contains(&seen.name()));
    let (mut now, mut before) = (Sum::default(), Sum::default());
    for seen in own {
        now.add(seen.now.messages, seen.now.pass);
        before.add(seen.before.messages, seen.before.pass);
    }
    (now, before)
}

/// Less of it passes than before.
pub(super) fn change(domain: &str, seen: &[Seen], told: &[&str]) -> Option<Change> {
    let (now, before) = own(seen, told);
    let hundredths = |sum: Sum| {
        u64::try_from(u128::from(sum.pass) * 10_000 / u128::from(sum.messages.max(1))).unwrap_or(0)
    };
    let fall = hundredths(before).saturating_sub(hundredths(now)) / 100;
    let is_much = now.messages >= RATE_MESSAGES && before.messages >= RATE_MESSAGES;
    (is_much && fall >= FALL).then(|| {
        let text = format!(
            "{} of your mail pass, {} messages of {}; before, {} did.",
            percent(now.pass, now.messages),
            number(now.pass),
            number(now.messages),
            percent(before.pass, before.messages),
        );
        let grades = [FALL, 20, 50].iter().filter(|step| fall >= **step);
        Change {
            grade: u32::try_from(grades.count()).unwrap_or(u32::MAX),
            todo: "Look at the domain's senders: which of them fail?".into(),
            ..Change::new(ChangeKind::PassRate, domain, "", text)
        }
    })
}
