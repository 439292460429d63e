//! Flags of `alert`.

use clap::Args;

use crate::moment::Moment;

/// `alert`.
#[derive(Args, Debug)]
pub struct AlertFlags {
    /// Show here what would be told, and tell nothing
    #[arg(long)]
    pub dry_run: bool,
    /// As if it was this day, such as 2026-09-30; for trying out
    #[arg(long, value_name = "TIME")]
    pub at: Option<Moment>,
}
