//! Flags of `import`.

use std::path::PathBuf;

use clap::Args;

use super::PeriodFlags;

/// `import`.
#[derive(Args, Debug)]
#[command(
    after_help = "Exit codes: 0 all stored; 64 usage; 65 something can't be read, or nothing was found; 75 stopped, or the \
                  store or a file could not be reached: the same command goes on from there; 78 configuration."
)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct ImportFlags {
    /// Maildirs, mbox, folders, archives, files; - is standard input
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// With a Maildir, read the Maildir++ folders in it, too
    #[arg(long)]
    pub recursive: bool,
    /// Move the mails of Maildirs, as once does
    #[arg(long, conflicts_with = "dry_run")]
    pub settle: bool,
    /// Read everything, whatever an earlier import has finished
    #[arg(long)]
    pub fresh: bool,
    /// Which reports.
    #[command(flatten)]
    pub period: PeriodFlags,
    /// Store nothing, tell what would be stored
    #[arg(long)]
    pub dry_run: bool,
    /// Write one JSON line for each mail that could not be used
    #[arg(long, value_name = "FILE")]
    pub errors: Option<PathBuf>,
    /// Leave the refresh of the OpenSearch indices alone
    #[arg(long)]
    pub no_tune: bool,
}
