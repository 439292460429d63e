//! Flags of `prune`.

use clap::Args;

use crate::moment::Moment;

/// `prune`.
#[derive(Args, Debug)]
#[command(
    after_help = "Exit codes: 0 done; 64 usage; 75 stopped, the store can't be reached, or there is \
                  too little room to write the file anew: the same command goes on; 78 \
                  configuration."
)]
pub struct PruneFlags {
    /// Delete reports that begin before this: an age (30d, 6mo, 2y), a day (2024-01-31), a month
    /// (2024-01) or a time
    ///
    /// A report is as old as the begin of the period that it speaks of.
    #[arg(long, value_name = "TIME")]
    pub older_than: Moment,
    /// Delete nothing, tell what would be deleted
    #[arg(long)]
    pub dry_run: bool,
    /// Leave the SQLite file as large as it is; what is free in it is used for reports to come
    #[arg(long)]
    pub no_vacuum: bool,
}
