//! `GET /customers/{id}`: one customer's whole story.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use data::Money;
use serde::Serialize;
use utoipa::ToSchema;

use super::customer_row::CustomerValues;
use super::overview::AsOfQuery;
use super::segments::{Profile, centroid, ordered};
use super::sight::ViewInfo;
use super::{Answered, App, Ask, Problem};
use crate::live::Order;
use crate::view::{Figures, Row, View};

const RECENT: usize = 20;
/// More orders than that are no advice.
const MOST_ORDERS: u32 = 24;

#[derive(Debug, Serialize, ToSchema)]
pub struct Customer<'v> {
    view: ViewInfo,
    customer_id: &'v str,
    country: Option<&'v str>,
    /// Whether the publication has the customer.
    known: bool,
    /// Whether live orders changed the customer since.
    live: bool,
    merged: CustomerValues<'v>,
    /// As the run published it.
    batch: Option<CustomerValues<'v>>,
    /// By segment, nearest first.
    distances: Vec<Distance<'v>>,
    percentiles: Percentiles,
    next: Vec<Next<'v>>,
    /// Live order lines that are held, newest first; `/customers/{id}/orders` has all invoices.
    recent_orders: Vec<Order>,
}

/// How far a customer is from a centroid, in scaled units.
#[derive(Debug, Serialize, ToSchema)]
pub struct Distance<'v> {
    segment_id: u32,
    segment_name: &'v str,
    distance: f64,
    centroid: Profile,
}

/// Shares of the customers that are below, 0 to 1.
#[derive(Debug, Serialize, ToSchema)]
pub struct Percentiles {
    recency_days: f64,
    frequency: f64,
    monetary: f64,
}

/// What would bring a customer into another segment.
#[derive(Debug, Serialize, ToSchema)]
pub struct Next<'v> {
    segment_id: u32,
    segment_name: &'v str,
    text: String,
    orders: u32,
    /// What these orders come to.
    #[schema(value_type = f64)]
    monetary: Money,
}

/// Batch and live figures of a customer, distances, percentiles, what would change the segment
#[utoipa::path(get, path = "/api/v1/customers/{id}", tag = "customers", params(("id" = String, Path), AsOfQuery),
    responses((status = 200, body = Customer), (status = "default", content_type = "application/problem+json", body = super::ProblemBody)))]
pub async fn customer(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Path(id): Path<String>,
    Ask(query): Ask<AsOfQuery>,
) -> Answered<Response> {
    let sight = app.sight(query.as_of.as_deref(), &headers).await?;
    let view = &sight.view;
    let row = view.find(&id).ok_or_else(|| no_customer(&id))?;
    if let Some(unchanged) = sight.unchanged() {
        return Ok(unchanged);
    }
    let recent = match (row.live, sight.is_of_now()) {
        (Some(_), true) => app.follow.feeds.orders.recent(RECENT, |order| order.customer_id == id),
        _ => Vec::new(),
    };
    let before = row.place.and_then(|place| view.judged.published(place));
    let reference = view.judged.batch.base.reference;
    let [recency_days, frequency, monetary] = view.percentiles(&row.figures);
    Ok(sight.json(&Customer {
        view: sight.info(),
        customer_id: row.id,
        country: row.country,
        known: row.place.is_some(),
        live: row.live.is_some(),
        merged: CustomerValues::of(view, &row.figures),
        batch: before.map(|before| CustomerValues::at(view, &before, reference)),
        distances: distances(view, &row.figures),
        percentiles: Percentiles { recency_days, frequency, monetary },
        next: next(view, &row, app.place.currency.as_deref()),
        recent_orders: recent.iter().map(|event| event.content.clone()).collect(),
    }))
}

pub(super) fn no_customer(id: &str) -> Problem {
    Problem::not_found(format!("there is no customer {id} with an accepted order"))
}

#[expect(clippy::cast_precision_loss, reason = "days and counts are far below 2^53")]
fn features(view: &View, figures: &Figures) -> [f64; 3] {
    let days = figures.last.days_before(view.reference());
    [days as f64, f64::from(figures.frequency), figures.monetary.to_f64()]
}

fn distances<'v>(view: &'v View, figures: &Figures) -> Vec<Distance<'v>> {
    let (model, features) = (&view.judged.batch.base.model, features(view, figures));
    let mut distances: Vec<Distance<'v>> = model
        .segments
        .iter()
        .map(|segment| Distance {
            segment_id: segment.id,
            segment_name: &segment.name,
            distance: model.distance(features, &segment.centroid),
            centroid: centroid(view, &segment.centroid),
        })
        .collect();
    distances.sort_by(|one, other| one.distance.total_cmp(&other.distance));
    distances
}

/// In whole units: it is an estimate. What is below one keeps its decimals.
fn whole(money: Money) -> String {
    let units = money.to_f64().round();
    if units < 1.0 { money.to_string() } else { format!("{units}") }
}

/// The fewest orders, of what this customer's came to on average, that lead to each other segment.
fn next<'v>(view: &'v View, row: &Row<'_>, currency: Option<&str>) -> Vec<Next<'v>> {
    let (model, figures) = (&view.judged.batch.base.model, &row.figures);
    let usual = Money::from_raw(figures.monetary.raw() / i64::from(figures.frequency.max(1)));
    let about = currency.map_or_else(|| whole(usual), |currency| format!("{currency} {}", whole(usual)));
    let mut found: Vec<Next<'v>> = Vec::new();
    for orders in 1..=MOST_ORDERS {
        let spent = usual.times(i64::from(orders)).unwrap_or_default();
        let then = [1.0, f64::from(figures.frequency + orders), (figures.monetary + spent).to_f64()];
        let Some((label, _)) = model.nearest_label(then) else { break };
        let Some(segment) = model.segments.get(label) else { break };
        let is_new = label != usize::from(figures.label) && found.iter().all(|next| next.segment_id != segment.id);
        if is_new {
            let many = if orders == 1 { "1 order".to_owned() } else { format!("{orders} orders") };
            let each = if orders == 1 { "" } else { " each" };
            let text = format!("{many} of about {about}{each} by tomorrow would make this customer {}", segment.name);
            let (segment_id, segment_name) = (segment.id, segment.name.as_str());
            found.push(Next { segment_id, segment_name, text, orders, monetary: spent });
        }
    }
    let by_monetary = ordered(view);
    found.sort_by_key(|next| {
        let label = view.label_of(next.segment_id);
        by_monetary.iter().rev().position(|own| Some(*own) == label)
    });
    found
}
