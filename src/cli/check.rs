//! Flags of `check`.

use std::path::PathBuf;

use clap::Args;

use super::value::report_address;

/// `check`.
#[derive(Args, Debug)]
pub struct CheckFlags {
    /// Maildirs, as they are given to watch or once
    #[arg(value_name = "MAILDIR")]
    pub maildirs: Vec<PathBuf>,
    /// Look at the DMARC and TLS-RPT records of this domain, too; may be repeated
    #[arg(long, value_name = "DOMAIN")]
    pub dns: Vec<String>,
    /// Address to which reports are to come; may be repeated
    ///
    /// Each record must name one of them.
    #[arg(long, value_name = "ADDRESS", value_parser = report_address, requires = "dns")]
    pub address: Vec<String>,
    /// Write a file for whoever is to help (JSON)
    ///
    /// Versions, settings without secrets, counters, template and mapping, the last lines of the
    /// services' log, and what was found; never a mail's contents. There must be no such file yet. It
    /// names folders, hosts and domains: look through it before you send it.
    #[arg(long, value_name = "FILE")]
    pub bundle: Option<PathBuf>,
    /// One JSON object instead of lines
    #[arg(long)]
    pub json: bool,
}
