//! Everything that is served, under one frame.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::assets::page;
use super::docs;
use super::frame::frame;
use crate::api::{App, Problem, document, routes};

/// The largest body that is read.
const BODY: usize = 1 << 20;

/// The router of a process.
pub fn site(app: Arc<App>) -> Router {
    let json = document().to_json().unwrap_or_default();
    let openapi = move || {
        let json = json.clone();
        async move { ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-cache")], json) }
    };
    Router::new()
        .merge(routes())
        .route("/api/openapi.json", get(openapi))
        .route("/api/{*rest}", get(nothing))
        .route("/docs", get(docs::page))
        .route("/docs/docs.js", get(docs::script))
        .route("/docs/docs.css", get(docs::style))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .fallback(get(page))
        .layer(DefaultBodyLimit::max(BODY))
        .layer(from_fn_with_state(Arc::clone(&app), frame))
        .with_state(app)
}

async fn nothing() -> Problem {
    Problem::not_found("there is nothing here; /api/openapi.json lists what there is")
}

async fn healthz() -> &'static str {
    "ok\n"
}

async fn readyz(State(app): State<Arc<App>>) -> Response {
    use std::sync::atomic::Ordering;
    let wait = |what: &'static str| (StatusCode::SERVICE_UNAVAILABLE, what).into_response();
    if app.follow.view().is_none() {
        return wait("waiting for a publication\n");
    }
    // Lost brokers leave the view that was, and those that do not answer leave the lake: both can be asked.
    let (restored, tried) = (&app.follow.restored, &app.follow.tried);
    if app.follow.status.is_some() && !restored.load(Ordering::Relaxed) && !tried.load(Ordering::Relaxed) {
        return wait("reading the live orders\n");
    }
    "ready\n".into_response()
}

async fn metrics(State(app): State<Arc<App>>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], app.metrics.encoded())
}
