//! Flags of `digest`.

use clap::{Args, ValueEnum};

use super::value;
use crate::moment::Moment;

/// `digest`.
#[derive(Args, Debug)]
pub struct DigestFlags {
    /// How long the time is that it tells of
    #[arg(long, value_enum, value_name = "TIME", default_value_t = Every::Week)]
    pub every: Every,
    /// Last day that it tells of, such as 2026-09-30 [default: the day before yesterday]
    ///
    /// Reports come a day late.
    #[arg(long, value_name = "TIME")]
    pub until: Option<Moment>,
    /// Only this domain and its subdomains
    #[arg(long, value_parser = value::domain)]
    pub domain: Option<String>,
    /// Show subject and text here, and send nothing
    #[arg(long)]
    pub print: bool,
}

/// The time that a digest tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Every {
    /// Seven days.
    Week,
    /// A day.
    Day,
}
