//! `/metrics`, `/healthz` and `/readyz`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;

use crate::cli::Listen;
use crate::error::{Error, Result};
use crate::telemetry::Metrics;

/// Ports behind the default one that are tried when it is taken.
const PORTS_TRIED: u16 = 32;

/// What the outside may know of a run.
#[derive(Debug, Default)]
pub struct Health {
    pub metrics: Metrics,
    /// A publication is loaded, and the worker threads have begun.
    pub ready: AtomicBool,
    /// The brokers did not answer when they were last asked.
    pub silent: AtomicBool,
    /// Something needs a person: the process is about to end.
    pub failed: AtomicBool,
}

/// Serves until the runtime ends; the address that it listens on.
///
/// # Errors
/// When the address is taken.
pub async fn serve(listen: Listen, health: Arc<Health>) -> Result<Option<SocketAddr>> {
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .with_state(health);
    self::listen(listen, router).await
}

/// Serves `router` until the runtime ends; the address that it listens on.
///
/// # Errors
/// When the address is taken.
pub async fn listen(listen: Listen, router: Router) -> Result<Option<SocketAddr>> {
    let Listen::At { address, near } = listen else { return Ok(None) };
    let listener = bind(address, near).await?;
    let bound = listener.local_addr().ok();
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "metrics are not served any more");
        }
    });
    Ok(bound)
}

async fn bind(address: SocketAddr, near: bool) -> Result<TcpListener> {
    let last = if near { address.port().saturating_add(PORTS_TRIED) } else { address.port() };
    let mut port = address.port();
    loop {
        match TcpListener::bind((address.ip(), port)).await {
            Ok(listener) => return Ok(listener),
            Err(_) if port < last => port += 1,
            Err(source) => {
                let what = format!("cannot listen on {address} (choose another with --listen, or --listen off)");
                return Err(Error::Io { what, source });
            }
        }
    }
}

async fn metrics(State(health): State<Arc<Health>>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], health.metrics.encoded())
}

async fn healthz(State(health): State<Arc<Health>>) -> impl IntoResponse {
    if health.failed.load(Ordering::Relaxed) {
        (StatusCode::SERVICE_UNAVAILABLE, "failed\n")
    } else {
        (StatusCode::OK, "ok\n")
    }
}

async fn readyz(State(health): State<Arc<Health>>) -> impl IntoResponse {
    if !health.ready.load(Ordering::Relaxed) {
        (StatusCode::SERVICE_UNAVAILABLE, "waiting for a publication, or for the brokers\n")
    } else if health.silent.load(Ordering::Relaxed) {
        (StatusCode::SERVICE_UNAVAILABLE, "the brokers do not answer\n")
    } else {
        (StatusCode::OK, "ready\n")
    }
}
