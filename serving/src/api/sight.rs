//! What a request looks at: one view from beginning to end, of now or of the past.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use data::EventTime;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Answered, App, Problem};
use crate::lake::AsOf;
use crate::view::View;

/// An answer about one customer is not longer.
const USUAL_BYTES: usize = 2_048;

/// Which view an answer is of.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = View)]
pub struct ViewInfo {
    pub publication: i64,
    #[schema(value_type = String, format = DateTime)]
    pub published_at: EventTime,
    /// What recency is counted to.
    #[schema(value_type = String, format = DateTime)]
    pub reference_time: EventTime,
    /// Accepted lines that the publication rests on.
    pub orders: u64,
    /// Whether live orders are merged in.
    pub live: bool,
    /// As it was asked for.
    pub as_of: Option<String>,
}

/// A view, and how the request came to it.
pub struct Sight {
    pub view: Arc<View>,
    as_of: Option<String>,
    etag: String,
    known: bool,
}

impl App {
    /// The newest view, or the publication that `as_of` names.
    ///
    /// # Errors
    /// When there is no such publication, or none at all.
    pub async fn sight(&self, as_of: Option<&str>, headers: &HeaderMap) -> Answered<Sight> {
        self.sight_with(as_of, headers, "").await
    }

    /// The same, where the answer also depends on what `more` stands for.
    ///
    /// # Errors
    /// As [`App::sight`].
    pub async fn sight_with(&self, as_of: Option<&str>, headers: &HeaderMap, more: &str) -> Answered<Sight> {
        let (view, etag) = match as_of {
            None => {
                let view = self.view()?;
                let etag = format!("W/\"{}.{}.{}{more}\"", view.publication(), self.instance, view.version);
                (view, etag)
            }
            Some(text) => {
                let view = self.past(text).await?;
                let etag = format!("W/\"{}{more}\"", view.publication());
                (view, etag)
            }
        };
        let known = headers.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
        let known = known.is_some_and(|tags| tags.split(',').any(|tag| tag.trim() == etag));
        Ok(Sight { view, as_of: as_of.map(str::to_owned), etag, known })
    }

    /// The merged view of now.
    ///
    /// # Errors
    /// When there is no publication yet.
    pub fn view(&self) -> Answered<Arc<View>> {
        self.follow.view().ok_or_else(|| {
            Problem::unavailable("nothing is published yet; run: batch run --input FILE, with this server's --lake", 5)
        })
    }

    /// The view of the publication that `as_of` names, alone.
    ///
    /// # Errors
    /// When there is none.
    pub async fn past(&self, as_of: &str) -> Answered<Arc<View>> {
        let asked = AsOf::read(as_of).ok_or_else(|| {
            Problem::parameter(
                "as_of",
                "is neither a publication such as 12 nor a time such as 2011-12-01T12:00:00Z, of the years 1 to 9998",
            )
        })?;
        let publication = self.shelf.find(asked).ok_or_else(|| {
            Problem::not_found(format!("there was no publication as of {as_of}; GET /api/v1/publications lists them"))
        })?;
        Ok(self.shelf.view(&publication).await?)
    }
}

impl Sight {
    #[must_use]
    pub fn info(&self) -> ViewInfo {
        let publication = &self.view.judged.batch.publication;
        ViewInfo {
            publication: publication.id,
            published_at: publication.published_at,
            reference_time: self.view.reference(),
            orders: publication.orders,
            live: self.view.live,
            as_of: self.as_of.clone(),
        }
    }

    #[must_use]
    pub const fn is_of_now(&self) -> bool {
        self.as_of.is_none()
    }

    /// `304` when the asker has this answer already.
    #[must_use]
    pub fn unchanged(&self) -> Option<Response> {
        self.known.then(|| self.tagged(StatusCode::NOT_MODIFIED.into_response()))
    }

    #[must_use]
    pub fn json(&self, body: &impl Serialize) -> Response {
        self.tagged(json(body))
    }

    fn tagged(&self, mut response: Response) -> Response {
        if let Ok(etag) = HeaderValue::from_str(&self.etag) {
            response.headers_mut().insert(header::ETAG, etag);
        }
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
        response
    }
}

/// A JSON answer.
#[must_use]
pub fn json(body: &impl Serialize) -> Response {
    let mut bytes = Vec::with_capacity(USUAL_BYTES);
    match serde_json::to_writer(&mut bytes, body) {
        Ok(()) => ([(header::CONTENT_TYPE, "application/json")], bytes).into_response(),
        Err(error) => {
            tracing::error!(%error, "an answer cannot be written");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the log says why, by the request id").into_response()
        }
    }
}
