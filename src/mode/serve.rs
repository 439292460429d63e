//! `serve`: the pages of [`crate::page`] for a browser, until it is asked to end.

use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use listenfd::ListenFd;
use sd_notify::NotifyState;
use tracing::info;

use super::maildirs;
use crate::{
    cli::ServeFlags,
    exit::{Exit, Failure},
    http::Server,
    opensearch::ClusterAnswers,
    page::{BOUNDS, Page, Store},
    sink::Destination,
    stop::Stop,
};

/// Nothing ends this wait but the end.
const FOR_EVER: Duration = Duration::from_hours(24);

pub(super) fn run(flags: &ServeFlags, store: Destination) -> Result<Exit, Failure> {
    let store = match store {
        Destination::Sqlite(file) => Store::File(file),
        Destination::OpenSearch(config) => Store::Cluster(Box::new(ClusterAnswers::new(config)?)),
        Destination::NdJson(_) | Destination::Nothing => {
            return Err(Failure::usage(
                "serve reads an SQLite store or OpenSearch; name it with --store FILE or \
                 --opensearch URL",
            ));
        }
    };
    let maildirs = flags.maildirs.iter().map(|path| maildirs::open(path));
    let page = Page {
        store,
        base: flags.base_path.clone(),
        names: flags.hosts.clone(),
        maildirs: maildirs.collect::<Result<_, _>>()?,
    };
    let stop = Arc::new(Stop::default());
    stop.on_signals(false)?;
    let listener = listen(flags.listen)?;
    let server = Server::start("pages", listener, page.routes(), BOUNDS)?;
    info!("pages at http://{}{}/", server.address(), flags.base_path);
    tell(&[NotifyState::Ready]);
    while stop.sleep(FOR_EVER).is_ok() {}
    tell(&[NotifyState::Stopping]);
    drop(server);
    Ok(Exit::Ok)
}

/// The socket that systemd handed over, or one of our own; of this machine only.
fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    let fault = |address: SocketAddr, error: &dyn std::fmt::Display| {
        Failure::new(Exit::Configuration, format_args!("listening at {address}: {error}"))
    };
    let handed_over = ListenFd::from_env()
        .take_tcp_listener(0)
        .map_err(|error| fault(address, &format_args!("the socket of systemd: {error}")))?;
    let asked = match &handed_over {
        Some(listener) => listener.local_addr()?,
        None => address,
    };
    if !asked.ip().is_loopback() {
        let why = "these pages have no log-in, so they are served on this machine only, such as at \
                   127.0.0.1:8080; a web server with a log-in can make them known to others, by \
                   --host";
        return Err(fault(asked, &why));
    }
    match handed_over {
        Some(listener) => Ok(listener),
        None => TcpListener::bind(address).map_err(|error| fault(address, &error)),
    }
}

fn tell(state: &[NotifyState]) {
    // A manager that does not listen is not our trouble.
    let _ = sd_notify::notify(state);
}
