//! Condition: on what `report --fail-on` ends with exit code 1.

use std::{fmt, str::FromStr};

/// What is too much of something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Of what.
    pub of: ConditionOf,
    /// More than this.
    pub limit: ConditionLimit,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionOf {
    /// Messages that fail DMARC.
    Failing,
    /// Sessions that failed to reach TLS.
    TlsFailing,
    /// Failure reports.
    FailureReports,
    /// There is no report at all.
    NoReports,
    /// Messages of own senders that need repair.
    ToFix,
    /// Messages of strangers that were delivered.
    Forged,
}

/// How much of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionLimit {
    /// So many.
    Number(u64),
    /// So many thousandths of all.
    Thousandths(u64),
}

impl ConditionOf {
    const ALL: [ConditionOf; 6] = [
        ConditionOf::Failing,
        ConditionOf::TlsFailing,
        ConditionOf::FailureReports,
        ConditionOf::NoReports,
        ConditionOf::ToFix,
        ConditionOf::Forged,
    ];

    fn word(self) -> &'static str {
        match self {
            ConditionOf::Failing => "failing",
            ConditionOf::TlsFailing => "tls-failing",
            ConditionOf::FailureReports => "failure-reports",
            ConditionOf::NoReports => "no-reports",
            ConditionOf::ToFix => "to-fix",
            ConditionOf::Forged => "forged",
        }
    }

    /// True if senders must be judged to know it.
    pub fn is_about_senders(self) -> bool {
        matches!(self, ConditionOf::ToFix | ConditionOf::Forged)
    }

    /// True if there is a whole that it can be a part of.
    fn has_share(self) -> bool {
        !matches!(self, ConditionOf::FailureReports | ConditionOf::NoReports)
    }
}

/// `failing`, `failing=100`, `failing=2.5%`.
impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Condition, String> {
        let (word, limit) = text.split_once('=').map_or((text, None), |(w, l)| (w, Some(l)));
        let Some(of) = ConditionOf::ALL.into_iter().find(|known| known.word() == word) else {
            let known = ConditionOf::ALL.map(ConditionOf::word).join(", ");
            return Err(format!("expected one of {known}"));
        };
        let limit = match limit {
            None => ConditionLimit::Number(0),
            Some(_) if of == ConditionOf::NoReports => {
                return Err("no-reports holds or not; it takes no number".into());
            }
            Some(limit) => {
                let limit: ConditionLimit = limit.parse()?;
                if matches!(limit, ConditionLimit::Thousandths(_)) && !of.has_share() {
                    return Err(format!("{word} takes a number, not a share"));
                }
                limit
            }
        };
        Ok(Condition { of, limit })
    }
}

/// `100`, `5%`, `2.5%`.
impl FromStr for ConditionLimit {
    type Err = String;

    fn from_str(text: &str) -> Result<ConditionLimit, String> {
        let expected = || "expected a number or a share, such as 100, 5% or 0.5%".to_owned();
        let number = |text: &str| text.parse::<u64>().map_err(|_| expected());
        let Some(share) = text.strip_suffix('%') else {
            return number(text).map(ConditionLimit::Number);
        };
        let (whole, tenth) = share.trim_end().split_once('.').unwrap_or((share.trim_end(), "0"));
        let (whole, tenth) = (number(whole)?, number(tenth)?);
        if whole > 100 || tenth > 9 {
            return Err(expected());
        }
        Ok(ConditionLimit::Thousandths(whole * 10 + tenth))
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.of.word())?;
        match self.limit {
            ConditionLimit::Number(0) => Ok(()),
            ConditionLimit::Number(number) => write!(f, "={number}"),
            ConditionLimit::Thousandths(n) if n % 10 == 0 => write!(f, "={}%", n / 10),
            ConditionLimit::Thousandths(n) => write!(f, "={}.{}%", n / 10, n % 10),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_written_as_they_are_read() {
        for text in ["failing", "failing=100", "forged=5%", "tls-failing=0.5%", "failure-reports=3"]
        {
            assert_eq!(text.parse::<Condition>().expect(text).to_string(), text);
        }
        for wrong in [
            "",
            "fail",
            "failing=",
            "failing=x",
            "failing=101%",
            "failing=1.25%",
            "failing=-1",
            "failure-reports=5%",
            "no-reports=1",
        ] {
            assert!(wrong.parse::<Condition>().is_err(), "{wrong}");
        }
    }
}
