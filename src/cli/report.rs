//! Flags of `report`.

use clap::{Args, ValueEnum};

use super::{Condition, FilterFlags, PeriodFlags};
use crate::answers::By;

/// `report`.
#[derive(Args, Debug)]
pub struct ReportFlags {
    /// Which reports.
    #[command(flatten)]
    pub period: PeriodFlags,
    /// Reports of all time, not those of the last 30 days
    #[arg(long, conflicts_with_all = ["since", "until"])]
    pub all_time: bool,
    /// Which mail.
    #[command(flatten)]
    pub filter: FilterFlags,
    /// A table by sender, address, organization, domain, day or result
    #[arg(long, value_enum, value_name = "WHAT", hide_possible_values = true)]
    pub by: Option<ReportBy>,
    /// Write it as text, json, csv or html
    #[arg(long, value_enum, default_value = "text", hide_possible_values = true)]
    pub format: ReportFormat,
    /// The same as --format json
    #[arg(long, conflicts_with = "format", hide_short_help = true)]
    pub json: bool,
    /// How many rows each table shows
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub top: usize,
    /// End with exit code 1 if this holds: to-fix, forged, failing, …
    ///
    /// The others are tls-failing, failure-reports and no-reports.
    /// to-fix is mail of your senders that need repair, forged is mail of strangers that was
    /// delivered. All but no-reports may say how much is too much: failing=5% or tls-failing=100.
    /// With -q, nothing is written unless one holds, as is good for cron.
    #[arg(long, value_name = "CONDITION")]
    pub fail_on: Vec<Condition>,
}

/// What a table is by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportBy {
    /// Who sent the mail
    Sender,
    /// From which address
    Address,
    /// Who reports
    #[value(alias = "organisation")]
    Organization,
    /// In whose name
    Domain,
    /// On which day
    Day,
    /// What became of it
    Result,
}

impl From<ReportBy> for By {
    fn from(by: ReportBy) -> By {
        match by {
            ReportBy::Sender => By::Sender,
            ReportBy::Address => By::Address,
            ReportBy::Organization => By::Organization,
            ReportBy::Domain => By::Domain,
            ReportBy::Day => By::Day,
            ReportBy::Result => By::Outcome,
        }
    }
}

/// What the answer is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For a person at a terminal
    Text,
    /// One JSON object
    Json,
    /// A table for a spreadsheet
    Csv,
    /// One HTML file that needs no other
    Html,
}
