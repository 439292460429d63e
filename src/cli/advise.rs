//! Flags of `advise`.

use clap::Args;

use super::{PeriodFlags, value};

/// `advise`.
#[derive(Args, Debug)]
pub struct AdviseFlags {
    /// Which reports; those of the last 60 days if nothing is said.
    #[command(flatten)]
    pub period: PeriodFlags,
    /// Only this domain [default: each with reports]
    #[arg(long, value_parser = value::domain)]
    pub domain: Option<String>,
    /// One JSON object instead of text
    #[arg(long)]
    pub json: bool,
}
