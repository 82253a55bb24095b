//! The dashboard, compiled in.

use std::collections::HashMap;
use std::sync::LazyLock;

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};
use rust_embed::RustEmbed;

use super::compress::Coding;
use crate::api::Problem;

#[derive(RustEmbed)]
#[folder = "../web/dist"]
#[allow_missing = true]
struct Dashboard;

const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Clientele</title>\
    <h1>The dashboard is not part of this program</h1>\
    <p>Build it with <code>./just web</code>, then build this program again. \
    The API works without it: <a href=\"/docs\">/docs</a>.</p></html>";

/// A file and its compressed forms.
#[derive(Clone)]
struct Asset {
    plain: Bytes,
    brotli: Option<Bytes>,
    gzip: Option<Bytes>,
}

/// Compressed once, when the first page is asked for.
static ASSETS: LazyLock<HashMap<String, Asset>> = LazyLock::new(|| {
    let asset = |path: &str| {
        let plain = Bytes::from(Dashboard::get(path)?.data.into_owned());
        let smaller = |coding: Coding| {
            let encoded = is_text(path).then(|| coding.encode(&plain, true)).flatten()?;
            (encoded.len() < plain.len()).then(|| Bytes::from(encoded))
        };
        Some(Asset { brotli: smaller(Coding::Brotli), gzip: smaller(Coding::Gzip), plain })
    };
    Dashboard::iter().filter_map(|path| Some((path.to_string(), asset(&path)?))).collect()
});

/// What the paths of the dashboard's pages begin with.
const PAGES: [&str; 8] = ["", "segments", "customers", "live", "rules", "alerts", "history", "quality"];

/// A file of the dashboard, or the page, which has routes of its own; it also says what is none of them.
pub async fn page(uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().trim_start_matches('/');
    if let Some(asset) = ASSETS.get(path).filter(|_| path != "index.html") {
        return show(path, asset, &headers);
    }
    let is_page = PAGES.contains(&path.split('/').next().unwrap_or_default());
    let is_reader = headers.get(header::ACCEPT).is_some_and(|kinds| kinds.as_bytes().starts_with(b"text/html"));
    if !is_page && !is_reader {
        return Problem::not_found("there is nothing here; / is the dashboard, /docs the API").into_response();
    }
    let mut response = match ASSETS.get("index.html") {
        Some(index) => show("index.html", index, &headers),
        None => Html(NOT_BUILT).into_response(),
    };
    if !is_page {
        *response.status_mut() = StatusCode::NOT_FOUND;
    }
    response
}

fn show(path: &str, asset: &Asset, headers: &HeaderMap) -> Response {
    // Their names change with their content.
    let kept = if path.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    let (body, coding) = match Coding::of(headers) {
        Some(Coding::Brotli) if asset.brotli.is_some() => (asset.brotli.clone(), Some(Coding::Brotli)),
        Some(_) if asset.gzip.is_some() => (asset.gzip.clone(), Some(Coding::Gzip)),
        _ => (None, None),
    };
    let body = body.unwrap_or_else(|| asset.plain.clone());
    let mut response = ([(header::CONTENT_TYPE, kind(path)), (header::CACHE_CONTROL, kept)], body).into_response();
    if let Some(coding) = coding {
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
    }
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    response
}

fn kind(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

fn is_text(path: &str) -> bool {
    !kind(path).starts_with("image/png") && !kind(path).starts_with("font/")
}
