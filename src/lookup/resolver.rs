//! Resolver: how the DNS is asked, whoever does it.

use std::{net::SocketAddr, time::Duration};

use hickory_resolver::{
    Resolver, TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts},
    net::{NetError, runtime::TokioRuntimeProvider},
};
use tokio::runtime::{self, Runtime};

/// How long an answer is waited for; then it is asked for once more.
const TIMEOUT: Duration = Duration::from_secs(3);

/// A resolver and what it runs on; nothing is asked yet. Without a server, those of
/// `/etc/resolv.conf`.
///
/// # Errors
/// No server is known, or the system is out of something.
pub(crate) fn resolver(server: Option<SocketAddr>) -> Result<(Runtime, TokioResolver), NetError> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let mut builder = match server {
        None => TokioResolver::builder_tokio()?,
        Some(server) => {
            let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
            let connections = connections.map(|mut connection| {
                connection.port = server.port();
                connection
            });
            let server = NameServerConfig::new(server.ip(), true, connections.into());
            let config = ResolverConfig::from_name_servers(vec![server]);
            Resolver::builder_with_config(config, TokioRuntimeProvider::default())
        }
    };
    let options: &mut ResolverOpts = builder.options_mut();
    options.use_hosts_file = ResolveHosts::Never;
    (options.timeout, options.attempts, options.edns0) = (TIMEOUT, 1, true);
    let resolver = {
        let _inside = runtime.enter();
        builder.build()?
    };
    Ok((runtime, resolver))
}
