//! Flags of `serve`.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;

use super::value::{address, base_path};

/// `serve`.
#[derive(Args, Debug)]
pub struct ServeFlags {
    /// Maildirs whose failed mails are listed, with the reasons
    #[arg(value_name = "MAILDIR")]
    pub maildirs: Vec<PathBuf>,
    /// Where to listen; on this machine only, since there is no log-in
    ///
    /// A socket that systemd hands over takes its place.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080", value_parser = address)]
    pub listen: SocketAddr,
    /// Path below which the pages are, where a proxy serves other pages beside them
    #[arg(long, value_name = "PATH", default_value = "/", value_parser = base_path)]
    pub base_path: String,
    /// Name under which a proxy serves the pages, such as reports.example.org; may be repeated
    ///
    /// Without it they answer to localhost only, so that no other site can read them.
    #[arg(long = "host", value_name = "NAME")]
    pub hosts: Vec<String>,
    /// Show what failure reports know of persons: mailboxes and subjects of mails that failed
    #[arg(long)]
    pub show_persons: bool,
}
