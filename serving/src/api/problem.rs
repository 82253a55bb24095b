//! Errors as RFC 9457 problems.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::Error;

/// What is wrong with a request, or with us.
#[derive(Clone, Debug)]
pub struct Problem(Box<ProblemBody>);

/// The same as it is sent.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// `about:blank`: the title says it.
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
    /// The path that was asked for.
    instance: String,
    /// As in the header `X-Request-Id`, and in the log.
    request_id: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldProblem>,
    #[serde(skip)]
    retry_after: Option<u32>,
}

/// What is wrong with one field.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FieldProblem {
    pub field: String,
    pub detail: String,
}

pub type Answered<T> = Result<T, Problem>;

impl Problem {
    #[must_use]
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self(Box::new(ProblemBody {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: detail.into(),
            instance: String::new(),
            request_id: String::new(),
            errors: Vec::new(),
            retry_after: None,
        }))
    }

    /// 400 that names the parameter.
    #[must_use]
    pub fn parameter(field: impl Into<String>, detail: impl Into<String>) -> Self {
        let (field, detail) = (field.into(), detail.into());
        let problem = Self::new(StatusCode::BAD_REQUEST, format!("parameter {field}: {detail}"));
        problem.with(vec![FieldProblem { field, detail }])
    }

    #[must_use]
    pub fn not_found(what: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, what)
    }

    /// 503, to be tried again after so many seconds.
    #[must_use]
    pub fn unavailable(detail: impl Into<String>, retry_after: u32) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail).after(retry_after)
    }

    #[must_use]
    pub fn too_many(detail: impl Into<String>, retry_after: u32) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, detail).after(retry_after)
    }

    fn after(mut self, seconds: u32) -> Self {
        self.0.retry_after = Some(seconds);
        self
    }

    #[must_use]
    pub fn with(mut self, errors: Vec<FieldProblem>) -> Self {
        self.0.errors = errors;
        self
    }

    /// Names the request that it is about.
    #[must_use]
    pub fn about(mut self, path: &str, request_id: &str) -> Self {
        (self.0.instance, self.0.request_id) = (path.to_owned(), request_id.to_owned());
        self
    }

    /// Whether a parameter is wrong.
    #[must_use]
    pub const fn is_parameter(&self) -> bool {
        self.0.status == 400
    }

    /// As the body of an answer.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        serde_json::to_vec(&self.0).unwrap_or_default()
    }
}

/// What went wrong inside is logged, and told without its particulars.
impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        tracing::error!(%error, "a question could not be answered");
        match error {
            Error::Lake(_) | Error::Parquet { .. } | Error::Columns { .. } => {
                Self::unavailable("the lake cannot be read now; the log says why", 5)
            }
            _ => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the log says why, by the request id"),
        }
    }
}

/// The frame around every answer fills in instance and request id.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, self.body()).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        if let Some(seconds) = self.0.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(self);
        response
    }
}
