//! Parameters and bodies of requests; what is wrong with them is told by field.

use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Query};
use axum::http::Uri;
use axum::http::request::Parts;
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;

use super::Problem;

/// The query of a request; parameters that `T` does not have are refused.
pub struct Ask<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Ask<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        readable(parts.uri.query().unwrap_or_default())?;
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(query)) => Ok(Self(query)),
            Err(rejection) => Err(told(&rejection)),
        }
    }
}

/// What is no UTF-8 once it is decoded would become another text.
fn readable(query: &str) -> Result<(), Problem> {
    let part = query.split('&').find(|part| percent_decode_str(part).decode_utf8().is_err());
    part.map_or(Ok(()), |part| {
        let name = part.split('=').next().unwrap_or_default();
        Err(Problem::parameter(name, "is no UTF-8 text, once its percent signs are decoded"))
    })
}

/// A query that is not that of the request.
///
/// # Errors
/// What is wrong with it, by field.
pub fn asked<T: DeserializeOwned>(query: &str) -> Result<T, Problem> {
    readable(query)?;
    let unreadable = || Problem::parameter("query", "cannot be read");
    let uri = Uri::builder().path_and_query(format!("/?{query}")).build().map_err(|_| unreadable())?;
    Query::try_from_uri(&uri).map(|Query(query)| query).map_err(|rejection| told(&rejection))
}

/// `Failed to deserialize query string: limit: invalid digit found in string`
fn told(rejection: &QueryRejection) -> Problem {
    let text = rejection.body_text();
    let reason = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text);
    if let Some(rest) = reason.split("unknown field `").nth(1) {
        let field = rest.split('`').next().unwrap_or_default();
        return Problem::parameter(field, "there is no such parameter here");
    }
    if let Some(rest) = reason.split("duplicate field `").nth(1) {
        let field = rest.split('`').next().unwrap_or_default();
        return Problem::parameter(field, "may be given once");
    }
    match reason.split_once(": ") {
        Some((field, detail)) if !field.contains(' ') => Problem::parameter(field, plain(detail)),
        _ => Problem::parameter("query", reason),
    }
}

/// What the libraries say of numbers, in words for who asks.
fn plain(detail: &str) -> &str {
    if detail.starts_with("invalid digit") || detail.starts_with("cannot parse integer") {
        "is no whole number"
    } else if detail.starts_with("number too") {
        "is out of bounds"
    } else if detail.starts_with("invalid float") || detail.starts_with("cannot parse float") {
        "is no number"
    } else {
        detail
    }
}
