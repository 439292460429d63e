//! Flags of `check`.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;

use super::value::{dns_server, report_address};

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
    /// Ask this DNS server, such as 192.0.2.53 or 192.0.2.53:53 [default: those of
    /// /etc/resolv.conf]
    #[arg(long, value_name = "SERVER", value_parser = dns_server, requires = "dns")]
    pub dns_server: Option<SocketAddr>,
    /// One JSON object instead of lines
    #[arg(long)]
    pub json: bool,
}
