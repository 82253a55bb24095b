//! Around every answer: who may ask, how long, and the headers that all have in common.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;

use super::compress::{Coding, compressed};
use super::{Caller, Peer};
use crate::api::{App, Problem};

/// Until the head of an answer; streams go on as long as they are followed.
const PATIENCE: Duration = Duration::from_secs(30);
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                   font-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// On every answer.
static HEADERS: [(HeaderName, HeaderValue); 7] = [
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CSP)),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    (
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static("camera=(), geolocation=(), microphone=()"),
    ),
];

/// The outermost layer.
pub async fn frame(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let since = Instant::now();
    let id = given_id(request.headers()).unwrap_or_else(|| app.request_ids.next());
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let coding = Coding::of(request.headers());
    let response = match admit(&app, &request) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            answer(request, next).await
        }
        Err(problem) => problem.into_response(),
    };
    let route = response.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    app.metrics.answered(&method, route, response.status(), since.elapsed());
    tracing::debug!(%method, path = uri.path(), status = response.status().as_u16(), id, us = since.elapsed().as_micros(), "answered");
    let response = told(response, &uri, &id);
    let mut response = compressed(&method, coding, response).await;
    let headers = response.headers_mut();
    headers.reserve(HEADERS.len() + 1);
    for (name, value) in &HEADERS {
        headers.insert(name, value.clone());
    }
    if let Ok(id) = HeaderValue::try_from(id) {
        headers.insert(REQUEST_ID, id);
    }
    response
}

async fn answer(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let answering = AssertUnwindSafe(next.run(request)).catch_unwind();
    let mut response = match tokio::time::timeout(PATIENCE, answering).await {
        Ok(Ok(response)) => response,
        // The panic's message is in the log already.
        Ok(Err(_)) => {
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the log says why, by the request id").into_response()
        }
        Err(_) => Problem::unavailable("this takes too long now; ask for less, or later", 10).into_response(),
    };
    if let Some(route) = route {
        response.extensions_mut().insert(route);
    }
    response
}

/// As the client gave it, if it is harmless, so that logs of both can be laid side by side.
fn given_id(headers: &HeaderMap) -> Option<String> {
    let given = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok());
    let is_plain = |id: &&str| {
        (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    given.filter(is_plain).map(str::to_owned)
}

/// Ids for requests that bring none: that of the process, and a number.
#[derive(Debug)]
pub struct RequestIds {
    process: u64,
    count: AtomicU64,
}

impl Default for RequestIds {
    fn default() -> Self {
        let (process, _) = uuid::Uuid::new_v4().as_u64_pair();
        Self { process, count: AtomicU64::new(0) }
    }
}

impl RequestIds {
    /// 32 hexadecimal digits, never given before.
    fn next(&self) -> String {
        format!("{:016x}{:016x}", self.process, self.count.fetch_add(1, Ordering::Relaxed))
    }
}

/// What needs no key: pages hold no figures, and probes only say that it works.
fn is_public(method: &Method, path: &str) -> bool {
    let is_page = !path.starts_with("/api/") && path != "/metrics";
    is_page || path == "/api/v1/session" || (path == "/api/v1/config" && *method == Method::GET)
}

fn admit(app: &App, request: &Request) -> Result<Caller, Problem> {
    let (headers, method, path) = (request.headers(), request.method(), request.uri().path());
    if headers.get_all(header::HOST).iter().nth(1).is_some() {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "a request has one Host (RFC 9112, section 3.2)"));
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| request.uri().host()).unwrap_or_default();
    if !app.hosts.allows(host) {
        let told = "this server is not asked under this name; allow it with --host";
        return Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, told));
    }
    let peer = request.extensions().get::<Peer>().map(|Peer(address)| address.ip());
    if !app.limits.allows(peer) {
        return Err(Problem::too_many("slower, please", 1));
    }
    let writes = !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    if writes {
        check_origin(headers, host)?;
    }
    let caller = app.access.caller(headers);
    match caller {
        Some(caller) if !writes || caller.may_write || is_public(method, path) => Ok(caller),
        Some(_) => Err(Problem::new(StatusCode::FORBIDDEN, "this key may only read")),
        None if is_public(method, path) => Ok(Caller { name: String::new(), may_write: false }),
        None if headers.contains_key(header::AUTHORIZATION) => {
            Err(Problem::new(StatusCode::UNAUTHORIZED, "this API key is not known, or not any more"))
        }
        None => Err(Problem::new(StatusCode::UNAUTHORIZED, "an API key is needed: Authorization: Bearer KEY")),
    }
}

/// A page of another site may not post here with what its visitor's browser knows.
fn check_origin(headers: &HeaderMap, host: &str) -> Result<(), Problem> {
    let foreign = || Problem::new(StatusCode::FORBIDDEN, "pages of other sites may not do this");
    if headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site") {
        return Err(foreign());
    }
    if let Some(origin) = headers.get(header::ORIGIN) {
        let origin = origin.to_str().unwrap_or_default();
        if origin.split_once("://").is_none_or(|(_, own)| !own.eq_ignore_ascii_case(host)) {
            return Err(foreign());
        }
    }
    // Forms of other sites cannot send this without being asked about it first.
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let is_empty = headers.get(header::CONTENT_LENGTH).is_none_or(|length| length == "0");
    let is_json = kind.is_some_and(|kind| kind.split(';').next().unwrap_or_default().trim() == "application/json");
    if is_json || (kind.is_none() && is_empty) {
        return Ok(());
    }
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send the body as application/json"))
}

/// Errors as problems that know their request; those of the framework too.
fn told(mut response: Response, uri: &Uri, id: &str) -> Response {
    let status = response.status();
    let known = response.extensions_mut().remove::<Problem>();
    if known.is_none() && !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let is_page = !uri.path().starts_with("/api/");
    if known.is_none() && is_page {
        return response;
    }
    let problem = known.unwrap_or_else(|| Problem::new(status, generic(status)));
    let problem = problem.about(uri.path(), id);
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if status == StatusCode::UNAUTHORIZED {
        parts.headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    Response::from_parts(parts, Body::from(problem.body()))
}

fn generic(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "there is nothing here; /api/openapi.json lists what there is",
        StatusCode::METHOD_NOT_ALLOWED => "this method is not for this path",
        StatusCode::PAYLOAD_TOO_LARGE => "the body is too large",
        _ => "the request cannot be understood",
    }
}
