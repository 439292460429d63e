//! Tally: messages and reports, counted by what became of them.

use serde::Serialize;

use crate::report::aggregate::PolicyEvaluated;

/// What was done with mails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Disposition {
    /// Nothing.
    None,
    /// Nothing, since they passed (RFC 9990).
    Pass,
    /// Put into quarantine.
    Quarantine,
    /// Rejected.
    Reject,
    /// The report says something else or nothing.
    Other,
}

/// Whether mails passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Evaluated {
    /// They did.
    Pass,
    /// They did not.
    Fail,
    /// The report does not say.
    Unknown,
}

/// What a report says of a record's mails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Outcome {
    /// What was done with them.
    pub disposition: Disposition,
    /// Whether SPF passed and was aligned.
    pub spf: Evaluated,
    /// Whether DKIM passed and was aligned.
    pub dkim: Evaluated,
}

impl Disposition {
    const ALL: [Disposition; 5] = [
        Disposition::None,
        Disposition::Pass,
        Disposition::Quarantine,
        Disposition::Reject,
        Disposition::Other,
    ];

    /// From the report's word.
    pub fn from_word(word: Option<&str>) -> Disposition {
        let named = Disposition::ALL.into_iter().find(|known| word == Some(known.word()));
        named.unwrap_or(Disposition::Other)
    }

    /// The report's word.
    pub fn word(self) -> &'static str {
        match self {
            Disposition::None => "none",
            Disposition::Pass => "pass",
            Disposition::Quarantine => "quarantine",
            Disposition::Reject => "reject",
            Disposition::Other => "other",
        }
    }
}

impl Evaluated {
    const ALL: [Evaluated; 3] = [Evaluated::Pass, Evaluated::Fail, Evaluated::Unknown];

    /// From the report's word.
    pub fn from_word(word: Option<&str>) -> Evaluated {
        match word {
            Some("pass") => Evaluated::Pass,
            Some(_) => Evaluated::Fail,
            None => Evaluated::Unknown,
        }
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Evaluated::Pass => "pass",
            Evaluated::Fail => "fail",
            Evaluated::Unknown => "unknown",
        }
    }
}

impl Outcome {
    /// How many there are.
    pub(crate) const COUNT: usize = Disposition::ALL.len() * Evaluated::ALL.len().pow(2);

    /// All of them, in their order.
    pub fn all() -> impl Iterator<Item = Outcome> {
        let each = |disposition| {
            Evaluated::ALL.into_iter().flat_map(move |spf| {
                Evaluated::ALL.map(move |dkim| Outcome { disposition, spf, dkim })
            })
        };
        Disposition::ALL.into_iter().flat_map(each)
    }

    /// Its place among all.
    pub(crate) fn number(self) -> u8 {
        let results = Evaluated::Unknown as u8 + 1;
        (self.disposition as u8 * results + self.spf as u8) * results + self.dkim as u8
    }

    /// Whether SPF passed and was aligned, by the number.
    pub(crate) fn is_spf_pass(number: u8) -> bool {
        let evaluated = Evaluated::Unknown as u8 + 1;
        number / evaluated % evaluated == Evaluated::Pass as u8
    }

    /// The one with this number; nothing if none has it.
    pub(crate) fn of_number(number: u8) -> Option<Outcome> {
        // By places, not by going through all: this is asked of millions of records.
        let [number, results] = [usize::from(number), Evaluated::ALL.len()];
        Some(Outcome {
            disposition: *Disposition::ALL.get(number / results.pow(2))?,
            spf: Evaluated::ALL[number / results % results],
            dkim: Evaluated::ALL[number % results],
        })
    }

    /// What a record says.
    pub fn of(evaluated: &PolicyEvaluated) -> Outcome {
        Outcome::from_words(
            evaluated.disposition.as_deref(),
            evaluated.spf.as_deref(),
            evaluated.dkim.as_deref(),
        )
    }

    /// From the report's words for the disposition, SPF and DKIM.
    pub fn from_words(disposition: Option<&str>, spf: Option<&str>, dkim: Option<&str>) -> Outcome {
        Outcome {
            disposition: Disposition::from_word(disposition),
            spf: Evaluated::from_word(spf),
            dkim: Evaluated::from_word(dkim),
        }
    }

    /// Whether the mails passed DMARC: either mechanism passed and was aligned (RFC 7489 section
    /// 4.2).
    pub fn dmarc(self) -> Evaluated {
        self.spf.min(self.dkim)
    }
}

/// Reports, records and messages, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Reports that have one of the records, or none at all.
    pub reports: u64,
    /// Records.
    pub records: u64,
    /// Messages that they are about.
    pub messages: Messages,
    /// When the first of the reports begins, in seconds since 1970.
    pub first: Option<i64>,
    /// When the last of the reports begins.
    pub last: Option<i64>,
}

impl Tally {
    /// Counts what another has counted of other reports.
    pub fn add(&mut self, more: &Tally) {
        self.reports = self.reports.saturating_add(more.reports);
        self.records = self.records.saturating_add(more.records);
        self.messages.merge(&more.messages);
        self.first = [self.first, more.first].into_iter().flatten().min();
        self.last = self.last.max(more.last);
    }
}

/// Numbers of messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Messages {
    /// All of them.
    pub messages: u64,
    /// Those that passed DMARC.
    pub pass: u64,
    /// Those for which SPF passed and was aligned.
    pub spf_aligned: u64,
    /// Those for which DKIM passed and was aligned.
    pub dkim_aligned: u64,
    /// What was done with them.
    pub disposition: Dispositions,
}

/// Numbers of messages by what was done with them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Dispositions {
    /// Nothing.
    pub none: u64,
    /// Nothing, since they passed (RFC 9990).
    pub pass: u64,
    /// Put into quarantine.
    pub quarantine: u64,
    /// Rejected.
    pub reject: u64,
    /// The report says something else or nothing.
    pub other: u64,
}

impl Messages {
    /// Those that did not pass DMARC, as far as reports say.
    pub fn failing(&self) -> u64 {
        self.messages.saturating_sub(self.pass)
    }

    /// Those that were put into quarantine or rejected.
    pub fn refused(&self) -> u64 {
        self.disposition.quarantine.saturating_add(self.disposition.reject)
    }

    /// Those that did not pass DMARC and were delivered all the same, as far as that can be told from
    /// sums: nearly all that pass are delivered.
    pub fn delivered_failing(&self) -> u64 {
        let delivered = self.disposition.none.saturating_add(self.disposition.pass);
        delivered.saturating_sub(self.pass).min(self.failing())
    }

    /// Counts so many messages with this outcome; no number gets beyond the largest.
    pub fn add(&mut self, outcome: Outcome, messages: u64) {
        let by_disposition = match outcome.disposition {
            Disposition::None => &mut self.disposition.none,
            Disposition::Pass => &mut self.disposition.pass,
            Disposition::Quarantine => &mut self.disposition.quarantine,
            Disposition::Reject => &mut self.disposition.reject,
            Disposition::Other => &mut self.disposition.other,
        };
        for (sum, counts) in [
            (&mut self.messages, true),
            (&mut self.pass, outcome.dmarc() == Evaluated::Pass),
            (&mut self.spf_aligned, outcome.spf == Evaluated::Pass),
            (&mut self.dkim_aligned, outcome.dkim == Evaluated::Pass),
            (by_disposition, true),
        ] {
            if counts {
                *sum = capped_sum(*sum, messages);
            }
        }
    }
}

impl Messages {
    /// Adds those of other records.
    pub(crate) fn merge(&mut self, other: &Messages) {
        let (ours, theirs) = (&mut self.disposition, &other.disposition);
        for (sum, more) in [
            (&mut self.messages, other.messages),
            (&mut self.pass, other.pass),
            (&mut self.spf_aligned, other.spf_aligned),
            (&mut self.dkim_aligned, other.dkim_aligned),
            (&mut ours.none, theirs.none),
            (&mut ours.pass, theirs.pass),
            (&mut ours.quarantine, theirs.quarantine),
            (&mut ours.reject, theirs.reject),
            (&mut ours.other, theirs.other),
        ] {
            *sum = capped_sum(*sum, more);
        }
    }
}

/// No number gets beyond what every program can read, as a forged report may well make it.
pub(crate) fn capped_sum(one: u64, other: u64) -> u64 {
    one.saturating_add(other).min(i64::MAX.cast_unsigned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_numbered_in_order() {
        let numbers: Vec<_> = Outcome::all().map(|outcome| usize::from(outcome.number())).collect();
        assert_eq!(numbers, (0..Outcome::COUNT).collect::<Vec<_>>());
        assert!(Outcome::all().is_sorted());
        let by_number = (0..=u8::MAX).map_while(Outcome::of_number);
        assert!(by_number.eq(Outcome::all()));
    }

    #[test]
    fn dmarc_is_known_if_either_result_is() {
        let of = |spf, dkim| Outcome::from_words(None, spf, dkim).dmarc();
        assert_eq!(of(Some("pass"), None), Evaluated::Pass);
        assert_eq!(of(Some("fail"), Some("pass")), Evaluated::Pass);
        assert_eq!(of(None, Some("softfail")), Evaluated::Fail);
        assert_eq!(of(None, None), Evaluated::Unknown);
    }
}
