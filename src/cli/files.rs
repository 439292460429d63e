//! Flags of the form without a command.

use std::path::PathBuf;

use clap::Args;

/// The Ruby tool's form.
#[derive(Args, Debug)]
pub struct InputFlags {
    /// Mails or bare report files; - or none for standard input
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Each FILE is an mbox
    #[arg(short = 'b', long, conflicts_with = "maildir")]
    pub mbox: bool,
    /// Each FILE is a Maildir: new/ and cur/ are read, nothing is moved
    #[arg(short = 'd', long)]
    pub maildir: bool,
}
