//! `GET /config`.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::sight::json;
use super::story::NoQuery;
use super::{Answered, App, Ask};
use crate::http::Caller;

/// What a page has to know before it shows anything.
#[derive(Debug, Serialize, ToSchema)]
pub struct Config {
    name: &'static str,
    /// ISO 4217; `null`: amounts are plain numbers.
    currency: Option<String>,
    /// Whether there are brokers to follow.
    live: bool,
    /// Whether this caller may post.
    write: bool,
    /// Whether demo orders may be made.
    demo: bool,
    /// Whether `speed` runs with rules, or did.
    rules: bool,
    /// `none` or `key`.
    auth: &'static str,
    version: &'static str,
}

/// What a page has to know first
#[utoipa::path(get, path = "/api/v1/config", tag = "place",
    responses((status = 200, body = Config), (status = "default", content_type = "application/problem+json", body = super::ProblemBody)))]
pub async fn config(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Ask(NoQuery {}): Ask<NoQuery>,
) -> Answered<Response> {
    Ok(json(&Config {
        name: "Clientele",
        currency: app.currency(),
        live: app.follow.status.is_some(),
        write: caller.may_write && app.producer.is_some(),
        demo: app.place.demo,
        rules: app.follow.behaviour.is_there(),
        auth: if app.access.is_open() { "none" } else { "key" },
        version: env!("CARGO_PKG_VERSION"),
    }))
}

impl App {
    /// As configured, else as the newest run reports it.
    fn currency(&self) -> Option<String> {
        if self.place.currency.is_some() {
            return self.place.currency.clone();
        }
        let report = self.follow.view()?.judged.batch.publication.report.clone();
        let report: Value = serde_json::from_str(&report).ok()?;
        match report.get("currency")?.as_str()?.trim() {
            "" => None,
            "£" => Some("GBP".to_owned()),
            "$" => Some("USD".to_owned()),
            "€" => Some("EUR".to_owned()),
            "¥" => Some("JPY".to_owned()),
            code => (code.len() == 3 && code.is_ascii()).then(|| code.to_uppercase()),
        }
    }
}
