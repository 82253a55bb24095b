//! `POST /demo/orders`: made-up orders, where the process was started with `--demo`.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use data::EventTime;
use data::generate::{LiveOptions, LiveOrders};
use serde::Deserialize;
use utoipa::ToSchema;

use super::orders::{Accepted, Line, answered, write_lines};
use super::story::NoQuery;
use super::{Answered, App, Ask, Problem};
use crate::view::View;

const MOST: usize = 1_000;
/// Of so many invoices one is a new customer's.
const NEW_EVERY: u64 = 10;
/// Days.
const LONG_AGO: i64 = 60;
const PRODUCTS: u32 = 500;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DemoRequest {
    /// 1 to 1,000 lines.
    #[schema(minimum = 1, maximum = 1000)]
    count: usize,
    /// Who orders; known and new customers unless said.
    customer_id: Option<String>,
}

/// Writes made-up order lines dated now
#[utoipa::path(post, path = "/api/v1/demo/orders", tag = "live", request_body = DemoRequest,
    responses((status = 202, body = Accepted), (status = "default", content_type = "application/problem+json", body = super::ProblemBody)))]
pub async fn demo_orders(
    State(app): State<Arc<App>>,
    Ask(NoQuery {}): Ask<NoQuery>,
    body: Bytes,
) -> Answered<Response> {
    if !app.place.demo {
        return Err(Problem::not_found("demo orders are made only by a process started with --demo"));
    }
    let request: DemoRequest = serde_json::from_slice(&body)
        .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, format!("the body: {error}")))?;
    if !(1..=MOST).contains(&request.count) {
        return Err(Problem::parameter("count", format!("is 1 to {MOST}")));
    }
    let asked = request.customer_id.as_deref();
    let customer = match asked.map(|id| data::cleaning::customer_id(id.as_bytes())) {
        Some(None) => return Err(Problem::parameter("customer_id", "is no customer's id")),
        Some(Some(id)) => Some(String::from_utf8_lossy(id).into_owned()),
        None => None,
    };
    let view = app.view()?;
    let lines = made_up(&view, request.count, customer.as_deref());
    Ok(answered(write_lines(&app, &lines).await?))
}

fn made_up(view: &View, count: usize, customer: Option<&str>) -> Vec<Line> {
    let now = EventTime::now();
    let seed = now.micros().unsigned_abs();
    let options = LiveOptions { seed, customers: 100, products: PRODUCTS, first_invoice: seed, sales_only: true };
    let mut orders = LiveOrders::new(&options);
    let mut lines = Vec::with_capacity(count);
    while lines.len() < count {
        let line = orders.next_line();
        if line.unit_price <= data::Money::ZERO || line.quantity <= 0 {
            continue;
        }
        let customer_id = customer.map_or_else(|| drawn(view, line.invoice), str::to_owned);
        let country = view.find(&customer_id).and_then(|row| row.country);
        lines.push(Line {
            invoice_no: format!("D{}", line.invoice),
            stock_code: line.stock_code.to_owned(),
            description: line.description.to_owned(),
            quantity: line.quantity,
            invoice_date: date(view, now).to_string(),
            unit_price: line.unit_price,
            country: country.unwrap_or(line.country).to_owned(),
            customer_id,
        });
    }
    lines
}

/// Now; in a lake whose orders ended long ago, this time of the day before its reference time: an order of today would turn every
/// customer there into one who has not ordered for years.
fn date(view: &View, now: EventTime) -> EventTime {
    let second = now.micros() / 1_000_000 * 1_000_000;
    let days = view.reference().days_before(now);
    let passed = if days > LONG_AGO { days + 1 } else { 0 };
    EventTime::from_micros(second - passed * data::time::DAY_MICROS)
}

/// All lines of an invoice are one customer's.
fn drawn(view: &View, invoice: u64) -> String {
    let drawn = xxhash_rust::xxh3::xxh3_64(&invoice.to_le_bytes());
    let base = &view.judged.batch.base;
    if drawn.is_multiple_of(NEW_EVERY) || base.is_empty() {
        return format!("D{}", drawn % 100_000);
    }
    let place = drawn / NEW_EVERY % base.len() as u64;
    base.id(usize::try_from(place).unwrap_or_default()).to_owned()
}
