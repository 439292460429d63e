//! Flags of `watch`.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;

use super::value::address;

/// `watch`.
#[derive(Args, Debug)]
pub struct WatchFlags {
    /// Maildirs (folders with new, cur and tmp); they may appear later
    #[arg(required = true, value_name = "MAILDIR")]
    pub maildirs: Vec<PathBuf>,
    /// Read the folders every few seconds instead of waiting for events, as NFS needs it [default:
    /// 5]
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true, default_missing_value = "5")]
    pub poll: Option<u64>,
    /// Serve Prometheus metrics at /metrics and /healthz on this address, such as 127.0.0.1:9187
    #[arg(long, value_name = "ADDRESS", env = "ERP_METRICS", value_parser = address)]
    pub metrics: Option<SocketAddr>,
}
