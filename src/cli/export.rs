//! Flags of `export`.

use std::path::PathBuf;

use clap::Args;

use super::{FilterFlags, PeriodFlags};

/// `export`.
#[derive(Args, Debug)]
pub struct ExportFlags {
    /// JSON lines as --ndjson writes them, or CSV for a spreadsheet
    #[arg(long, value_enum, default_value = "ndjson")]
    pub format: ExportFormat,
    /// Only this kind of report [default: all; dmarc with --format csv]
    #[arg(long, value_enum)]
    pub kind: Option<ExportKind>,
    /// Which reports.
    #[command(flatten)]
    pub period: PeriodFlags,
    /// Which mail; of TLS and failure reports only what says it.
    #[command(flatten)]
    pub filter: FilterFlags,
    /// Write to this file, which appears when it is complete; - for standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// What an export looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ExportFormat {
    /// A JSON object a line
    Ndjson,
    /// A table
    Csv,
}

/// What is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ExportKind {
    /// Records of DMARC reports
    Dmarc,
    /// Policies of SMTP TLS reports
    Tls,
    /// Failure reports
    Failure,
}
