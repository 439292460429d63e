//! The small HTTP server for Prometheus: `/metrics` and `/healthz`.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    routing::get,
};

use crate::http::{Bounds, Server};

/// Far fewer connections than the handles a process may have: the mails need them.
const BOUNDS: Bounds = Bounds {
    connections: 32,
    patience: Duration::from_secs(10),
    workers: 0,
    farewell: Duration::ZERO,
};

/// What the server shows.
pub trait Exposed: Send + Sync + 'static {
    /// The body of `/metrics`.
    fn metrics(&self) -> String;
    /// Nothing if all is well, or what is not.
    fn trouble(&self) -> Option<String>;
}

/// Listens on `address`.
///
/// # Errors
/// The address can't be listened on.
pub fn start(address: SocketAddr, exposed: Arc<dyn Exposed>) -> io::Result<Server> {
    let routes = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(health))
        .with_state(exposed);
    Server::start("metrics", TcpListener::bind(address)?, routes, BOUNDS)
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
