//! `/session`: a key becomes a cookie, for event streams and downloads in a browser.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{Answered, App, Problem};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionRequest {
    key: String,
}

/// Gives a session cookie for an API key
#[utoipa::path(post, path = "/api/v1/session", tag = "place", request_body = SessionRequest,
    responses((status = 204), (status = "default", content_type = "application/problem+json", body = super::ProblemBody)))]
pub async fn open_session(State(app): State<Arc<App>>, body: Bytes) -> Answered<Response> {
    let request: SessionRequest = serde_json::from_slice(&body)
        .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, format!("the body: {error}")))?;
    let cookie = app
        .access
        .session(&request.key)
        .ok_or_else(|| Problem::new(StatusCode::UNAUTHORIZED, "this key is not known"))?;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
}

/// Ends the session: its cookie is good no more, and its event streams end
#[utoipa::path(delete, path = "/api/v1/session", tag = "place",
    responses((status = 204), (status = "default", content_type = "application/problem+json", body = super::ProblemBody)))]
pub async fn close_session(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    (StatusCode::NO_CONTENT, [(header::SET_COOKIE, app.access.end_session(&headers))]).into_response()
}
