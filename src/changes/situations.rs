//! Situations: changes that were told, so that each is told once: when it opens, when it becomes
//! worse, and when it is over. What stands in a store is what was told, and nothing else.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Change, ChangeKind, DAY};

/// What tells one situation from another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SituationKey {
    /// What it is about.
    pub kind: ChangeKind,
    /// The domain; empty if it is about a reporter.
    pub domain: String,
    /// The sender, reporter or policy; empty if it is about the domain as a whole.
    pub who: String,
}

/// A situation that was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Situation {
    /// What it is.
    pub key: SituationKey,
    /// When it opened, in seconds since 1970.
    pub opened: i64,
    /// When it was last found.
    pub found: i64,
    /// The worst grade that was told.
    pub grade: u32,
    /// What was said last.
    pub text: String,
}

/// The situations that were told, by each way for itself: a command, or mail to an address. Under
/// no way, `""`, are those that an earlier version told by all of them.
pub type Told = BTreeMap<String, Vec<Situation>>;

/// What is to be said of a situation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Turn {
    /// It is new.
    Opened,
    /// It is worse than what was told.
    Worse,
    /// It is over.
    Closed,
}

/// Something to be said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Telling {
    /// What happened to it.
    pub turn: Turn,
    /// When it opened, in seconds since 1970.
    pub opened: i64,
    /// What is so now; of one that is over, what was said last.
    #[serde(flatten)]
    pub change: Change,
}

/// What is to be said, and what is to be kept once it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SituationStep {
    /// In the order in which it is to be said.
    pub tellings: Vec<Telling>,
    /// Situations that are new or have changed.
    pub kept: Vec<Situation>,
    /// Situations that are over, or of which there is nothing more to say.
    pub dropped: Vec<SituationKey>,
}

/// A situation is over once it was not found for so long: numbers near a limit would open and
/// close it time and again.
const OVER: i64 = 2 * DAY;

impl Change {
    /// What tells its situation from others.
    pub fn key(&self) -> SituationKey {
        SituationKey { kind: self.kind, domain: self.domain.clone(), who: self.who.clone() }
    }
}

impl ChangeKind {
    /// Something happened, once. That it is over is no news.
    fn is_event(self) -> bool {
        match self {
            ChangeKind::NewSender
            | ChangeKind::PolicyChanged
            | ChangeKind::SenderRepaired
            | ChangeKind::SenderGone => true,
            ChangeKind::SenderFails
            | ChangeKind::PassRate
            | ChangeKind::ForgedMail
            | ChangeKind::TlsFailures
            | ChangeKind::ReporterSilent
            | ChangeKind::TlsReporterSilent => false,
        }
    }

    /// Who keeps count hears of it. That mail passes again is told when the failure is over, and
    /// who sends no more does no harm.
    fn is_told(self) -> bool {
        !matches!(self, ChangeKind::SenderRepaired | ChangeKind::SenderGone)
    }
}

/// Compares what was told with what is found at a moment, in seconds since 1970. Spoofing that is
/// refused already is passed over.
pub fn step(told: &[Situation], found: &[Change], now: i64) -> SituationStep {
    let mut step = SituationStep::default();
    let (renamed, found): (Vec<&Change>, Vec<&Change>) = found
        .iter()
        .filter(|change| change.kind.is_told() && !change.is_refused)
        .partition(|change| change.is_renamed);
    for change in &found {
        let key = change.key();
        match told.iter().find(|situation| situation.key == key) {
            // What another way was told of, and there is nothing to be said of it now.
            None if change.is_still() => {}
            None => step.say(Turn::Opened, now, change, now),
            Some(known) if change.grade > known.grade => {
                step.say(Turn::Worse, known.opened, change, now);
            }
            Some(known) if known.found + OVER / 4 <= now => {
                step.kept.push(Situation { found: now, ..known.clone() });
            }
            Some(_) => {}
        }
    }
    for known in told {
        if found.iter().any(|change| change.key() == known.key) || now - known.found < OVER {
            continue;
        }
        step.dropped.push(known.key.clone());
        let is_renamed = renamed.iter().any(|change| change.key() == known.key);
        if !known.key.kind.is_event() && !is_renamed {
            let SituationKey { kind, domain, who } = &known.key;
            let change = Change {
                needs_attention: false,
                grade: known.grade,
                ..Change::new(*kind, domain, who, known.text.clone())
            };
            step.tellings.push(Telling { turn: Turn::Closed, opened: known.opened, change });
        }
    }
    step
}

impl SituationStep {
    fn say(&mut self, turn: Turn, opened: i64, change: &Change, now: i64) {
        let (grade, text) = (change.grade, change.text.clone());
        self.kept.push(Situation { key: change.key(), opened, found: now, grade, text });
        self.tellings.push(Telling { turn, opened, change: change.clone() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_790_000_000;

    fn change(kind: ChangeKind, grade: u32) -> Change {
        let text = format!("grade {grade}");
        Change { grade, ..Change::new(kind, "example.org", "", text) }
    }

    /// Plays days, each with what is found on it, and says what was told.
    fn play(days: &[Option<Change>]) -> Vec<(usize, Turn)> {
        let (mut told, mut said): (Vec<Situation>, Vec<_>) = (Vec::new(), Vec::new());
        for (n, found) in days.iter().enumerate() {
            let now = NOW + i64::try_from(n).expect("few days") * DAY;
            // Twice: the second time there is nothing new.
            for _ in 0..2 {
                let step = step(&told, found.as_slice(), now);
                said.extend(step.tellings.iter().map(|telling| (n, telling.turn)));
                told.retain(|one| {
                    let is_new = step.kept.iter().any(|kept| kept.key == one.key);
                    !is_new && !step.dropped.contains(&one.key)
                });
                told.extend(step.kept);
            }
        }
        said
    }

    #[test]
    fn each_turn_is_told_once() {
        let bad = |grade| Some(change(ChangeKind::TlsFailures, grade));
        let days = [None, bad(1), bad(1), bad(2), bad(1), bad(2), None, None, None, None];
        assert_eq!(play(&days), [(1, Turn::Opened), (3, Turn::Worse), (7, Turn::Closed)]);
    }

    #[test]
    fn what_wavers_stays_open() {
        let bad = || Some(change(ChangeKind::SenderFails, 1));
        assert_eq!(play(&[bad(), None, bad(), None, bad(), None]), [(0, Turn::Opened)]);
    }

    #[test]
    fn an_event_is_told_and_forgotten() {
        let new = || Some(change(ChangeKind::NewSender, 1));
        let days = [new(), new(), None, None, None, new()];
        assert_eq!(play(&days), [(0, Turn::Opened), (5, Turn::Opened)]);
    }

    #[test]
    fn who_has_another_name_by_now_is_not_mended() {
        let bad = || Some(change(ChangeKind::SenderFails, 1));
        let renamed =
            || Some(Change { is_renamed: true, grade: 0, ..change(ChangeKind::SenderFails, 1) });
        let days = [bad(), renamed(), renamed(), renamed(), None, None, None];
        assert_eq!(play(&days), [(0, Turn::Opened)]);
    }

    #[test]
    fn what_is_refused_already_is_not_told() {
        let refused = Change { is_refused: true, ..change(ChangeKind::NewSender, 1) };
        assert_eq!(play(&[Some(refused)]), []);
        assert_eq!(play(&[Some(change(ChangeKind::SenderGone, 1))]), []);
    }
}
