//! A customer's orders, history and alerts.

use std::collections::HashSet;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use data::lake::Publication;
use data::merge::Span;
use data::{DateFormat, DayMonth, EventTime, Money};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::customer::no_customer;
use super::paging::{NO_CURSOR, Paged, checked, offset};
use super::sight::json;
use super::{Answered, App, Ask, Problem};
use crate::lake::{OrderedLine, orders_of, orders_since, past_of};
use crate::live::{Alert, Change, Feed, Order, RuleChange};
use crate::view::{Row, View};

const USUAL: usize = 50;
const MOST: usize = 1_000;
/// Newer publications than these are looked into for a customer's history.
const PUBLICATIONS: usize = 100;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct OrdersQuery {
    /// 1 to 1,000 invoices, 50 unless said.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    cursor: Option<String>,
    as_of: Option<String>,
}

/// An invoice of a customer.
#[derive(Debug, Serialize, ToSchema)]
pub struct Invoice {
    invoice: String,
    #[schema(value_type = String, format = DateTime)]
    ordered_at: EventTime,
    lines: usize,
    quantity: i64,
    #[schema(value_type = f64)]
    amount: Money,
    /// Whether a line of it came since the publication.
    live: bool,
    products: Vec<Product>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Product {
    stock_code: String,
    description: String,
    quantity: i64,
    #[schema(value_type = f64)]
    unit_price: Money,
    #[schema(value_type = f64)]
    amount: Money,
}

/// Invoices of a customer, newest first
#[utoipa::path(get, path = "/api/v1/customers/{id}/orders", tag = "customers", params(("id" = String, Path), OrdersQuery),
    responses((status = 200, body = Paged<Invoice>), (status = "default", content_type = "application/problem+json", body = super::ProblemBody)))]
pub async fn orders(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Path(id): Path<String>,
    Ask(query): Ask<OrdersQuery>,
) -> Answered<Response> {
    let sight = app.sight(query.as_of.as_deref(), &headers).await?;
    let (skip, limit) = offset(query.cursor.as_deref(), query.limit, USUAL, MOST)?;
    let row = sight.view.find(&id).ok_or_else(|| no_customer(&id))?;
    if let Some(unchanged) = sight.unchanged() {
        return Ok(unchanged);
    }
    let mut lines: Vec<(OrderedLine, bool)> = Vec::new();
    if let Some(before) = row.place.and_then(|place| sight.view.judged.figures(place)) {
        let _turn = app.reads.acquire().await;
        let span = Span { first: before.first, last: before.last };
        let version = sight.view.judged.batch.publication.versions.orders;
        let read = orders_of(app.shelf.lake(), version, &id, span).await?;
        lines.extend(read.into_iter().map(|line| (line, false)));
    }
    if sight.is_of_now() && row.live.is_some() {
        let live = live_lines(&app, &sight.view, &row).await?;
        lines.extend(live.into_iter().map(|line| (line, true)));
    }
    let invoices = by_invoice(lines);
    Ok(sight.json(&Paged::of(invoices, skip, limit)))
}

/// What came since the publication, oldest first: what speed has archived of it, and what is held of the newest lines.
async fn live_lines(app: &App, view: &View, row: &Row<'_>) -> Answered<Vec<OrderedLine>> {
    let covered = app.follow.covered();
    let is_new = |place: Option<(u32, i64)>| {
        place.is_some_and(|(partition, offset)| !data::merge::covers(&covered, partition, offset))
    };
    // Taken first: a line that is archived meanwhile is in both, and one that is dropped here is in the lake by then.
    let held = app.follow.feeds.orders.recent(usize::MAX, |order| order.customer_id == row.id && is_new(order.source));
    let mut lines = {
        let _turn = app.reads.acquire().await;
        let span = Span { first: row.figures.first, last: row.figures.last };
        let version = view.judged.batch.publication.versions.orders;
        orders_since(app.shelf.lake(), version, row.id, span).await?
    };
    lines.retain(|line| is_new(line.place));
    lines.sort_by_key(|line| line.place.map(|(partition, offset)| (offset, partition)));
    let archived: HashSet<_> = lines.iter().filter_map(|line| line.place).collect();
    let held = held.iter().rev().filter(|event| event.content.source.is_none_or(|place| !archived.contains(&place)));
    lines.extend(held.filter_map(|event| line_of(&event.content)));
    Ok(lines)
}

#[expect(clippy::cast_possible_truncation, reason = "amounts of the topic have four decimals and 18 digits")]
fn line_of(order: &Order) -> Option<OrderedLine> {
    let money = |amount: f64| Money::from_raw((amount * data::money::UNIT_F64).round() as i64);
    Some(OrderedLine {
        invoice: order.invoice.clone(),
        stock_code: order.stock_code.clone(),
        description: order.description.clone(),
        quantity: order.quantity,
        unit_price: money(order.unit_price),
        amount: money(order.amount),
        ordered_at: DateFormat::Order(DayMonth::MonthFirst).parse(order.ordered_at.as_bytes())?,
        place: order.source,
    })
}

/// Newest first.
fn by_invoice(lines: Vec<(OrderedLine, bool)>) -> Vec<Invoice> {
    let mut invoices: Vec<Invoice> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for (line, live) in lines {
        let place = *places.entry(line.invoice.clone()).or_insert_with(|| {
            let (invoice, ordered_at) = (line.invoice.clone(), line.ordered_at);
            let (quantity, amount, products) = (0, Money::ZERO, Vec::new());
            invoices.push(Invoice { invoice, ordered_at, lines: 0, quantity, amount, live: false, products });
            invoices.len() - 1
        });
        let Some(invoice) = invoices.get_mut(place) else { continue };
        invoice.ordered_at = invoice.ordered_at.min(line.ordered_at);
        invoice.lines += 1;
        invoice.quantity += line.quantity;
        invoice.amount += line.amount;
        invoice.live |= live;
        let OrderedLine { stock_code, description, quantity, unit_price, amount, .. } = line;
        invoice.products.push(Product { stock_code, description, quantity, unit_price, amount });
    }
    invoices.sort_by(|one, other| (other.ordered_at, &other.invoice).cmp(&(one.ordered_at, &one.invoice)));
    invoices
}

/// A customer through the publications, and segment changes since
#[derive(Debug, Serialize, ToSchema)]
pub struct History {
    /// Oldest first.
    items: Vec<Moment>,
    /// Live segment changes that are held, oldest first.
    changes: Vec<Change>,
    /// The same of segments that rules define.
    rule_changes: Vec<RuleChange>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Moment {
    publication: i64,
    #[schema(value_type = String, format = DateTime)]
    published_at: EventTime,
    segment_id: i64,
    segment_name: String,
    rfm_segment: String,
    recency_days: i64,
    frequency: i64,
    #[schema(value_type = f64)]
    monetary: Money,
}

/// Up to when.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct HistoryQuery {
    /// A publication such as `12`, or a time: no newer publication, and no live changes.
    as_of: Option<String>,
}

/// Without parameters.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct NoQuery {}

/// What each publication said of a customer, and the segment changes since
#[utoipa::path(get, path = "/api/v1/customers/{id}/history", tag = "customers", params(("id" = String, Path), HistoryQuery),
    responses((status = 200, body = History), (status = "default", content_type = "application/problem+json", body = super::ProblemBody)))]
pub async fn history(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Ask(query): Ask<HistoryQuery>,
) -> Answered<Response> {
    let view = match query.as_of.as_deref() {
        None => app.view()?,
        Some(text) => app.past(text).await?,
    };
    let is_of_now = query.as_of.is_none();
    let newest = if is_of_now { i64::MAX } else { view.publication() };
    let list = app.shelf.list();
    let list = list.iter().rev().filter(|publication| publication.id <= newest);
    let mut list: Vec<Arc<Publication>> = list.take(PUBLICATIONS).cloned().collect();
    list.reverse();
    let mut items = Vec::new();
    for publication in list {
        let _turn = app.reads.acquire().await;
        // A publication whose files were vacuumed away is passed over.
        let Ok(Some(past)) = past_of(app.shelf.lake(), publication, &id).await else { continue };
        items.push(Moment {
            publication: past.publication.id,
            published_at: past.publication.published_at,
            segment_id: past.segment_id,
            segment_name: past.segment_name,
            rfm_segment: past.rfm_segment,
            recency_days: past.recency_days,
            frequency: past.frequency,
            monetary: past.monetary,
        });
    }
    let feeds = &app.follow.feeds;
    let changes = oldest_first(&feeds.changes, |change| is_of_now && change.customer_id == id);
    let rule_changes = oldest_first(&feeds.rule_changes, |change| is_of_now && change.customer_id == id);
    let is_known = || view.find(&id).is_some() || app.follow.behaviour.members().get(&id).is_some();
    if items.is_empty() && changes.is_empty() && rule_changes.is_empty() && !is_known() {
        return Err(no_customer(&id));
    }
    Ok(json(&History { items, changes, rule_changes }))
}

fn oldest_first<T: Clone>(feed: &Feed<T>, wanted: impl Fn(&T) -> bool) -> Vec<T> {
    feed.recent(MOST, wanted).iter().rev().map(|event| event.content.clone()).collect()
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AlertsQuery {
    pattern: Option<String>,
    severity: Option<String>,
    customer: Option<String>,
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    cursor: Option<String>,
}

/// Alerts that are held, newest first
#[utoipa::path(get, path = "/api/v1/alerts", tag = "live", params(AlertsQuery),
    responses((status = 200, body = Paged<Alert>), (status = "default", content_type = "application/problem+json", body = super::ProblemBody)))]
pub async fn alerts(State(app): State<Arc<App>>, Ask(query): Ask<AlertsQuery>) -> Answered<Response> {
    alerts_of(&app, &query)
}

/// Alerts of one customer
#[utoipa::path(get, path = "/api/v1/customers/{id}/alerts", tag = "customers", params(("id" = String, Path), AlertsQuery),
    responses((status = 200, body = Paged<Alert>), (status = "default", content_type = "application/problem+json", body = super::ProblemBody)))]
pub async fn alerts_of_customer(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Ask(query): Ask<AlertsQuery>,
) -> Answered<Response> {
    alerts_of(&app, &AlertsQuery { customer: Some(id), ..query })
}

fn alerts_of(app: &App, query: &AlertsQuery) -> Answered<Response> {
    let limit = checked(query.limit, USUAL, MOST)?;
    // A page goes on behind the last alert of the one before, however many have come meanwhile.
    let before = query.cursor.as_deref().map_or(Some(u64::MAX), |cursor| u64::from_str_radix(cursor, 16).ok());
    let before = before.ok_or_else(|| Problem::parameter("cursor", NO_CURSOR))?;
    check_severity(query.severity.as_deref())?;
    let is = |asked: &Option<String>, own: &str| asked.as_deref().is_none_or(|asked| asked == own);
    let alerts = app.follow.feeds.alerts.recent(usize::MAX, |alert| {
        is(&query.pattern, &alert.pattern)
            && is(&query.severity, &alert.severity)
            && alert.is_of(query.customer.as_deref())
    });
    let mut left = alerts.iter().filter(|event| event.number < before);
    let page: Vec<_> = left.by_ref().take(limit).collect();
    let next_cursor = left.next().and_then(|_| page.last()).map(|last| format!("{:x}", last.number));
    let items = page.into_iter().map(|event| event.content.clone()).collect();
    Ok(json(&Paged::<Alert> { items, next_cursor, total: alerts.len() }))
}

/// # Errors
/// When there is no such severity.
pub(super) fn check_severity(asked: Option<&str>) -> Answered<()> {
    match asked {
        None | Some("info" | "warning" | "critical") => Ok(()),
        Some(_) => Err(Problem::parameter("severity", "is info, warning or critical")),
    }
}
