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
    /// How many source addresses to show
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub top: usize,
}
