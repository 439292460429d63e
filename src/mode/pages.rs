//! Pages: what `serve` and `demo` share: a socket of this machine, and pages on it until it is
//! asked to end.

use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use listenfd::ListenFd;
use sd_notify::NotifyState;

use crate::{
    exit::{Exit, Failure},
    http::Server,
    page::{BOUNDS, Page},
    stop::Stop,
};

/// Nothing ends this wait but the end.
const FOR_EVER: Duration = Duration::from_hours(24);

/// The socket that systemd handed over, or one of our own; of this machine only, unless it is asked
/// who somebody is.
pub(super) fn listen(address: SocketAddr, asks_who: bool) -> Result<TcpListener, Failure> {
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
    if !asked.ip().is_loopback() && !asks_who {
        let why = "without --users or --user-header these pages are served on this machine only, \
                   such as at 127.0.0.1:8080: everybody could read them";
        return Err(fault(asked, &why));
    }
    match handed_over {
        Some(listener) => Ok(listener),
        None => TcpListener::bind(address).map_err(|error| fault(address, &error)),
    }
}

/// Serves pages until it is asked to end. `tell` is given their address once they can be had.
pub(super) fn serve(
    page: Page,
    listener: TcpListener,
    stop: &Arc<Stop>,
    tell: impl FnOnce(&str),
) -> Result<Exit, Failure> {
    let base = page.base.clone();
    let server = Server::start("pages", listener, page.routes(), BOUNDS)?;
    tell(&format!("http://{}{base}/", server.address()));
    notify(&[NotifyState::Ready]);
    while stop.sleep(FOR_EVER).is_ok() {}
    notify(&[NotifyState::Stopping]);
    drop(server);
    Ok(Exit::Ok)
}

fn notify(state: &[NotifyState]) {
    // A manager that does not listen is not our trouble.
    let _ = sd_notify::notify(state);
}
