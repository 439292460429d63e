//! The small HTTP server for Prometheus: `/metrics` and `/healthz`.

mod patience;

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread::{self, JoinHandle},
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    routing::get,
};
use tokio::sync::oneshot;

use self::patience::Patient;

/// What the server shows.
pub trait Exposed: Send + Sync + 'static {
    /// The body of `/metrics`.
    fn metrics(&self) -> String;
    /// Nothing if all is well, or what is not.
    fn trouble(&self) -> Option<String>;
}

/// A running server; it ends when this is dropped.
pub struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens on `address`.
    ///
    /// # Errors
    /// The address can't be listened on.
    pub fn start(address: SocketAddr, exposed: Arc<dyn Exposed>) -> io::Result<Server> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new().name("metrics".into()).spawn(move || {
            runtime.block_on(async {
                let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
                let routes = Router::new()
                    .route("/metrics", get(metrics))
                    .route("/healthz", get(health))
                    .with_state(exposed);
                tokio::select! {
                    _ = axum::serve(Patient::new(listener), routes).into_future() => {}
                    _ = stopped => {}
                }
            });
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

async fn metrics(
    State(exposed): State<Arc<dyn Exposed>>,
) -> ([(header::HeaderName, &'static str); 1], String) {
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, content_type)], exposed.metrics())
}

async fn health(State(exposed): State<Arc<dyn Exposed>>) -> (StatusCode, String) {
    match exposed.trouble() {
        None => (StatusCode::OK, "ok\n".into()),
        Some(trouble) => (StatusCode::SERVICE_UNAVAILABLE, trouble + "\n"),
    }
}
