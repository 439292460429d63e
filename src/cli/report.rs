//! Flags of `report`.

use clap::Args;

use super::PeriodFlags;

/// `report`.
#[derive(Args, Debug)]
pub struct ReportFlags {
    /// Which reports.
    #[command(flatten)]
    pub period: PeriodFlags,
    /// Only this domain and its subdomains
    #[arg(long)]
    pub domain: Option<String>,
    /// One JSON object instead of tables
    #[arg(long)]
    pub json: bool,
    /// How many rows each table shows
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub top: usize,
}
