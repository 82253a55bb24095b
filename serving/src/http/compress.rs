//! Compresses answers that are at hand as a whole.

use std::io::Write;

use axum::body::{Body, Bytes, HttpBody, to_bytes};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use flate2::Compression;
use flate2::write::GzEncoder;

const LEAST: u64 = 1_024;
const BROTLI_QUALITY: u32 = 4;
const GZIP_LEVEL: u32 = 4;
/// Beyond that another thread does it.
const QUICK: usize = 64 << 10;

/// A way to compress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    Brotli,
    Gzip,
}

impl Coding {
    /// The best that the client takes.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let accepted = headers.get(header::ACCEPT_ENCODING)?.to_str().ok()?;
        let takes = |name: &str| {
            accepted.split(',').any(|coding| {
                let mut parts = coding.split(';').map(str::trim);
                parts.next() == Some(name)
                    && parts.all(|weight| !matches!(weight, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
            })
        };
        if takes("br") {
            Some(Self::Brotli)
        } else if takes("gzip") {
            Some(Self::Gzip)
        } else {
            None
        }
    }

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    /// `None` when it failed, which memory does not.
    #[must_use]
    pub fn encode(self, bytes: &[u8], thorough: bool) -> Option<Vec<u8>> {
        match self {
            Self::Gzip => {
                let level = if thorough { 9 } else { GZIP_LEVEL };
                let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 3), Compression::new(level));
                encoder.write_all(bytes).ok()?;
                encoder.finish().ok()
            }
            Self::Brotli => {
                let quality = if thorough { 9 } else { BROTLI_QUALITY };
                let mut encoder =
                    brotli::CompressorWriter::new(Vec::with_capacity(bytes.len() / 4), 1 << 14, quality, 20);
                encoder.write_all(bytes).ok()?;
                Some(encoder.into_inner())
            }
        }
    }
}

/// The answer as the client takes it.
pub async fn compressed(method: &Method, coding: Option<Coding>, response: Response) -> Response {
    let Some(coding) = coding.filter(|_| *method != Method::HEAD && is_worth_it(&response)) else { return response };
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, usize::MAX).await else {
        return Response::from_parts(parts, Body::empty());
    };
    let Some(encoded) = encoded(coding, bytes.clone()).await else {
        return Response::from_parts(parts, Body::from(bytes));
    };
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
    parts.headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    Response::from_parts(parts, Body::from(encoded))
}

async fn encoded(coding: Coding, bytes: Bytes) -> Option<Vec<u8>> {
    if bytes.len() <= QUICK {
        return coding.encode(&bytes, false);
    }
    tokio::task::spawn_blocking(move || coding.encode(&bytes, false)).await.ok().flatten()
}

fn is_worth_it(response: &Response) -> bool {
    let headers = response.headers();
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let is_text = kind.starts_with("application/json")
        || kind.starts_with("application/problem+json")
        || kind.starts_with("text/html")
        || kind.starts_with("application/openmetrics");
    let is_whole = response.body().size_hint().exact().is_some_and(|bytes| bytes >= LEAST);
    response.status() != StatusCode::NO_CONTENT
        && is_text
        && is_whole
        && !headers.contains_key(header::CONTENT_ENCODING)
}
