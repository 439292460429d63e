//! Flags of `demo`.

use std::net::SocketAddr;

use clap::Args;

use super::value::address;

/// `demo`.
#[derive(Args, Debug)]
pub struct DemoFlags {
    /// Where to listen; on this machine only
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080", value_parser = address)]
    pub listen: SocketAddr,
    /// Do not open a browser, which is done only from a terminal on a screen
    #[arg(long)]
    pub no_browser: bool,
}
