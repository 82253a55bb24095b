//! `POST /orders`: lines to the topic, judged by the lake's rules before they go.

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use data::{EventTime, Money};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::story::NoQuery;
use super::{Answered, App, Ask, FieldProblem, Problem, posted};
use crate::http::Caller;
use crate::live::{Known, Place};

/// Lines in one request.
const MOST: usize = 1_000;
const MOST_KEY: usize = 200;

/// An order line; the names of the topic, `InvoiceNo` and so on, are understood too.
#[derive(Debug, Deserialize, ToSchema)]
#[expect(dead_code, reason = "it describes; reading is data's")]
pub struct OrderRequest {
    invoice: String,
    stock_code: String,
    description: Option<String>,
    quantity: i64,
    unit_price: f64,
    customer_id: String,
    country: Option<String>,
    /// ISO 8601.
    ordered_at: String,
}

/// One line or several.
#[derive(ToSchema)]
#[schema(as = OrderRequests)]
#[expect(dead_code, reason = "it describes")]
#[derive(Deserialize)]
#[serde(untagged)]
pub enum OrderRequests {
    One(OrderRequest),
    Many(Vec<OrderRequest>),
}

/// What was written.
#[derive(Debug, Serialize, ToSchema)]
pub struct Accepted {
    pub accepted: usize,
    pub orders: Vec<Place>,
}

/// The value of the topic `orders`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Line {
    pub invoice_no: String,
    pub stock_code: String,
    pub description: String,
    pub quantity: i64,
    pub invoice_date: String,
    pub unit_price: Money,
    #[serde(rename = "CustomerID")]
    pub customer_id: String,
    pub country: String,
}

impl Line {
    /// Key and value.
    pub fn record(&self) -> (String, Vec<u8>) {
        (self.customer_id.clone(), serde_json::to_vec(self).unwrap_or_default())
    }
}

/// Writes order lines to the topic
#[utoipa::path(post, path = "/api/v1/orders", tag = "live", request_body = OrderRequests,
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key with the same body is done once, whichever server is asked; keys are kept for a day")),
    responses((status = 202, body = Accepted), (status = "default", content_type = "application/problem+json", body = super::ProblemBody)))]
pub async fn post_orders(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    Ask(NoQuery {}): Ask<NoQuery>,
    body: Bytes,
) -> Answered<Response> {
    let key = headers.get("idempotency-key").map(|key| key.to_str().unwrap_or_default());
    if key.is_some_and(|key| key.is_empty() || key.len() > MOST_KEY) {
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            format!("Idempotency-Key is a text of 1 to {MOST_KEY} letters"),
        ));
    }
    let lines = read(&app, &body)?;
    let Some(key) = key.map(|key| format!("{}\n{key}", caller.name)) else { return write(&app, &lines).await };
    // Done to its end also when the asker goes: a claim that nobody follows up would stand for good.
    let done = tokio::spawn(async move { write_once(&app, &key, &body, &lines).await });
    done.await.map_err(|error| Problem::from(crate::error::Error::from(error)))?
}

async fn write_once(app: &App, key: &str, body: &[u8], lines: &[Line]) -> Answered<Response> {
    let requests = app.requests.as_ref().ok_or_else(no_brokers)?;
    let told = match requests.begin(key, body).await.map_err(not_written)? {
        Known::New(claim) => {
            let body = write_lines(app, lines).await?;
            requests.done(claim, body.clone()).await;
            return Ok(answered(body));
        }
        Known::Done(answer) => {
            let kind = (header::CONTENT_TYPE, "application/json");
            let replayed = (header::HeaderName::from_static("idempotency-replayed"), "true");
            return Ok((StatusCode::ACCEPTED, [kind, replayed], answer).into_response());
        }
        Known::Other => {
            let told = "this Idempotency-Key was used with another body";
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, told));
        }
        Known::Forgotten => "the request with this Idempotency-Key was done; what was answered is not held any more",
        Known::Underway => {
            "a request with this Idempotency-Key is being done, or was and did not tell its end; if this stays so, look for the \
             orders before you send them with another key"
        }
    };
    Err(Problem::new(StatusCode::CONFLICT, told))
}

fn no_brokers() -> Problem {
    Problem::unavailable("there are no brokers: orders go to the lake by `batch run --input`", 60)
}

fn not_written(reason: String) -> Problem {
    Problem::unavailable(format!("nothing was written: {reason}"), 5)
}

async fn write(app: &App, lines: &[Line]) -> Answered<Response> {
    write_lines(app, lines).await.map(answered)
}

pub(super) fn answered(body: Bytes) -> Response {
    (StatusCode::ACCEPTED, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

pub(super) async fn write_lines(app: &App, lines: &[Line]) -> Answered<Bytes> {
    let producer = app.producer.as_ref().ok_or_else(no_brokers)?;
    let records: Vec<_> = lines.iter().map(Line::record).collect();
    let orders = producer.write(&records).await.map_err(|reason| {
        tracing::warn!(reason, "orders may not have been written");
        let told = format!(
            "it is not known whether the orders were written: {reason}; without an Idempotency-Key, look for them before you send \
             them again"
        );
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, told)
    })?;
    app.metrics.orders_posted.inc_by(orders.len() as u64);
    let body = serde_json::to_vec(&Accepted { accepted: orders.len(), orders }).unwrap_or_default();
    Ok(Bytes::from(body))
}

/// All lines, or what is wrong with each that is refused.
fn read(app: &App, body: &[u8]) -> Answered<Vec<Line>> {
    let malformed = |error: serde_json::Error| Problem::new(StatusCode::BAD_REQUEST, format!("the body: {error}"));
    let is_list = body.trim_ascii_start().first() == Some(&b'[');
    let raws: Vec<&RawValue> = if is_list {
        serde_json::from_slice(body).map_err(malformed)?
    } else {
        vec![serde_json::from_slice(body).map_err(malformed)?]
    };
    if raws.is_empty() || raws.len() > MOST {
        let told = format!("1 to {MOST} lines are taken at once, not {}", raws.len());
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, told));
    }
    let (mut lines, mut errors, mut refused) = (Vec::with_capacity(raws.len()), Vec::new(), 0_usize);
    let now = EventTime::now();
    for (place, raw) in raws.iter().enumerate() {
        match posted::line(&app.place, raw.get().as_bytes(), now) {
            Ok(line) => lines.push(line),
            Err(wrong) => {
                refused += 1;
                let within = if is_list { format!("[{place}].") } else { String::new() };
                errors.extend(
                    wrong.into_iter().map(|FieldProblem { field, detail }| FieldProblem {
                        field: format!("{within}{field}"),
                        detail,
                    }),
                );
            }
        }
    }
    if errors.is_empty() {
        return Ok(lines);
    }
    let told = format!("{refused} of {} lines are refused; nothing was written", raws.len());
    Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, told).with(errors))
}
