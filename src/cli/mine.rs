//! Flags of `mine`.

use clap::{Args, Subcommand};

use crate::verdict::Whose;

/// `mine`.
#[derive(Debug, Subcommand)]
pub enum MineCommand {
    /// Say that something is yours
    Add(MineFlags),
    /// Take back what you said
    Remove(MineFlags),
    /// Show what you said
    List {
        /// Only what holds for this domain
        #[arg(long)]
        domain: Option<String>,
    },
}

/// What is meant, and for which domain.
#[derive(Args, Debug)]
pub struct MineFlags {
    /// An address, a network, a domain that SPF or DKIM passes for, selector:NAME of your own
    /// signatures, or sender:NAME as `report` calls it
    #[arg(required = true, value_name = "WHAT")]
    pub what: Vec<Whose>,
    /// The domain in whose name it sends; it holds for those below, too
    #[arg(long)]
    pub domain: String,
}
