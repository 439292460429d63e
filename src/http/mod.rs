//! HTTP: a small server for few clients, which can't be made to cost much: [`Server`] listens on a
//! thread of its own and ends when it is dropped. What it answers is the routes' matter.

mod patience;

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpListener},
    thread::{self, JoinHandle},
    time::Duration,
};

use axum::{Router, extract::connect_info::Connected, serve::IncomingStream};
use tokio::{sync::oneshot, time::sleep};

use self::patience::Patient;

/// What clients may cost.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Connections at a time.
    pub connections: usize,
    /// For a whole request and its answer, and for the next one on the same connection.
    pub patience: Duration,
    /// Threads for answers that have to wait for something; nothing waits where it is 0.
    pub workers: usize,
    /// How long an answer that was begun is waited for at the end.
    pub farewell: Duration,
}

/// Who connected, as a handler finds it in the request's `ConnectInfo`.
#[derive(Clone, Copy, Debug)]
pub struct Peer(SocketAddr);

impl Peer {
    /// Its address; one of IPv4 is told as such.
    pub fn address(self) -> IpAddr {
        self.0.ip().to_canonical()
    }
}

impl Connected<IncomingStream<'_, Patient>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Patient>) -> Peer {
        Peer(*stream.remote_addr())
    }
}

/// A running server; it ends when this is dropped.
pub struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Answers what comes to this socket, on a thread of this name.
    ///
    /// # Errors
    /// The system has no thread or no handles left.
    pub fn start(
        name: &str,
        listener: TcpListener,
        routes: Router,
        bounds: Bounds,
    ) -> io::Result<Server> {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(bounds.workers.max(1))
            .build()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = thread::Builder::new().name(name.into()).spawn(move || {
            runtime.block_on(async {
                let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
                let (begin_end, end) = oneshot::channel::<()>();
                let routes = routes.into_make_service_with_connect_info::<Peer>();
                let serve = axum::serve(Patient::new(listener, bounds), routes)
                    .with_graceful_shutdown(async {
                        let _ = end.await;
                    });
                let end_late = async {
                    let _ = stopped.await;
                    drop(begin_end);
                    sleep(bounds.farewell).await;
                };
                tokio::select! {
                    _ = serve.into_future() => {}
                    () = end_late => {}
                }
            });
            // Not waiting for what a store has not answered yet.
            runtime.shutdown_background();
        })?;
        Ok(Server { address, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens; with the port that the system chose if 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
