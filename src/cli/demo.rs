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
}
