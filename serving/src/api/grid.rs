//! `GET /rfm-grid`, `/scatter` and `/distribution`: everybody at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use data::Money;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::overview::AsOfQuery;
use super::sight::ViewInfo;
use super::{Answered, App, Ask, Problem, blocking};
use crate::view::{Measure, Part, View};

const POINTS: usize = 100_000;
const MOST_POINTS: usize = 1_000_000;

#[derive(Debug, Serialize, ToSchema)]
pub struct Grid {
    view: ViewInfo,
    /// 25 of them.
    cells: Vec<Cell>,
    /// By revenue, highest first.
    names: Vec<Named>,
}

/// Customers with one recency and one frequency score.
#[derive(Debug, Serialize, ToSchema)]
pub struct Cell {
    r: u8,
    f: u8,
    customers: u64,
    #[schema(value_type = f64)]
    revenue: Money,
    mean_monetary: Option<f64>,
    rfm_segment: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Named {
    rfm_segment: String,
    customers: u64,
    #[schema(value_type = f64)]
    revenue: Money,
}

/// Customers and revenue by recency and frequency score
#[utoipa::path(get, path = "/api/v1/rfm-grid", tag = "figures", params(AsOfQuery),
    responses((status = 200, body = Grid), (status = "default", content_type = "application/problem+json", body = super::ProblemBody)))]
pub async fn rfm_grid(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Ask(query): Ask<AsOfQuery>,
) -> Answered<Response> {
    let sight = app.sight(query.as_of.as_deref(), &headers).await?;
    if let Some(unchanged) = sight.unchanged() {
        return Ok(unchanged);
    }
    let cells = cells(&sight.view);
    let mut names: BTreeMap<String, (u64, Money)> = BTreeMap::new();
    for cell in &cells {
        let (customers, revenue) = names.entry(cell.rfm_segment.clone()).or_default();
        *customers += cell.customers;
        *revenue += cell.revenue;
    }
    let named = |(rfm_segment, (customers, revenue))| Named { rfm_segment, customers, revenue };
    let mut names: Vec<Named> = names.into_iter().map(named).collect();
    names.sort_by_key(|named| -named.revenue);
    Ok(sight.json(&Grid { view: sight.info(), cells, names }))
}

fn cells(view: &View) -> Vec<Cell> {
    let cell = |(r, f, part): (u8, u8, &Part)| Cell {
        r,
        f,
        customers: part.customers,
        revenue: part.revenue,
        mean_monetary: part.means(view.reference()).map(|[_, _, monetary]| monetary),
        rfm_segment: view.judged.batch.rfm_segment(r, f).to_owned(),
    };
    let rows = (1..=5).zip(&view.sums.cells);
    rows.flat_map(|(r, row)| (1..=5).zip(row).map(move |(f, part)| (r, f, part))).map(cell).collect()
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ScatterQuery {
    /// 1 to 1,000,000 customers, 100,000 unless said.
    #[param(minimum = 1, maximum = 1_000_000)]
    limit: Option<usize>,
    as_of: Option<String>,
}

/// Columns of equal length.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct Points<'v> {
    customer_id: Vec<&'v str>,
    recency_days: Vec<i64>,
    frequency: Vec<u32>,
    #[schema(value_type = Vec<f64>)]
    monetary: Vec<Money>,
    segment_id: Vec<Option<u32>>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Scatter<'v> {
    view: ViewInfo,
    total: u64,
    /// Whether there are more customers than points: then evenly drawn ones.
    sampled: bool,
    #[serde(flatten)]
    points: Points<'v>,
}

/// Every customer as a point, or a sample
#[utoipa::path(get, path = "/api/v1/scatter", tag = "figures", params(ScatterQuery),
    responses((status = 200, body = Scatter), (status = "default", content_type = "application/problem+json", body = super::ProblemBody)))]
pub async fn scatter(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Ask(query): Ask<ScatterQuery>,
) -> Answered<Response> {
    let limit = query.limit.unwrap_or(POINTS);
    if !(1..=MOST_POINTS).contains(&limit) {
        return Err(Problem::parameter("limit", format!("is 1 to {MOST_POINTS}")));
    }
    let sight = app.sight(query.as_of.as_deref(), &headers).await?;
    if let Some(unchanged) = sight.unchanged() {
        return Ok(unchanged);
    }
    let _turn = app.scans.acquire().await;
    blocking(move || {
        let view = &sight.view;
        let total = view.sums.all.customers;
        let count = usize::try_from(total).unwrap_or(usize::MAX);
        let mut points = Points::default();
        // The n-th customer is drawn when n × limit / count reaches the next whole number.
        for (place, row) in view.rows().enumerate() {
            let is_drawn = count <= limit || (place + 1) * limit / count > place * limit / count;
            if is_drawn {
                let figures = &row.figures;
                points.customer_id.push(row.id);
                points.recency_days.push(figures.last.days_before(view.reference()));
                points.frequency.push(figures.frequency);
                points.monetary.push(figures.monetary);
                points.segment_id.push(view.segment(figures.label).map(|segment| segment.id));
            }
        }
        Ok(sight.json(&Scatter { view: sight.info(), total, sampled: count > limit, points }))
    })
    .await
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Distribution {
    view: ViewInfo,
    recency_days: Histogram,
    frequency: Histogram,
    monetary: Histogram,
}

/// Customers by value: bin n reaches from edge n up to edge n + 1, which belongs to the next; the last edge to the last bin.
#[derive(Debug, Serialize, ToSchema)]
pub struct Histogram {
    /// `linear` or `log`.
    scale: &'static str,
    edges: Vec<f64>,
    counts: Vec<u64>,
    by_segment: Vec<SegmentCounts>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct SegmentCounts {
    segment_id: u32,
    counts: Vec<u64>,
}

/// Histograms of recency, frequency and monetary, by segment
#[utoipa::path(get, path = "/api/v1/distribution", tag = "figures", params(AsOfQuery),
    responses((status = 200, body = Distribution), (status = "default", content_type = "application/problem+json", body = super::ProblemBody)))]
pub async fn distribution(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Ask(query): Ask<AsOfQuery>,
) -> Answered<Response> {
    let sight = app.sight(query.as_of.as_deref(), &headers).await?;
    if let Some(unchanged) = sight.unchanged() {
        return Ok(unchanged);
    }
    let _turn = app.scans.acquire().await;
    blocking(move || {
        let view = &sight.view;
        let most = |measure: Measure| view.rows().map(|row| value(view, measure, &row.figures)).fold(0.0, f64::max);
        let histogram =
            |measure, scale, edges: fn(f64) -> Vec<f64>| Histogram::of(view, measure, scale, edges(most(measure)));
        Ok(sight.json(&Distribution {
            view: sight.info(),
            recency_days: histogram(Measure::LastDay, "linear", linear),
            frequency: histogram(Measure::Frequency, "log", doubling),
            monetary: histogram(Measure::Monetary, "log", decades),
        }))
    })
    .await
}

#[expect(clippy::cast_precision_loss, reason = "days are far below 2^53")]
fn value(view: &View, measure: Measure, figures: &crate::view::Figures) -> f64 {
    match measure {
        Measure::LastDay => figures.last.days_before(view.reference()) as f64,
        Measure::Frequency => f64::from(figures.frequency),
        Measure::Monetary => figures.monetary.to_f64(),
    }
}

/// About thirty bins of whole days.
fn linear(most: f64) -> Vec<f64> {
    let step = (most / 30.0).ceil().max(1.0);
    edges_while(0.0, most, |edge| edge + step)
}

/// 1, 2, 3, 4, 6, 8, 12, 16, …
fn doubling(most: f64) -> Vec<f64> {
    edges_while(1.0, most, |edge| {
        let power = edge.log2().floor().exp2();
        if edge < 3.0 {
            edge + 1.0
        } else if edge > power {
            power * 2.0
        } else {
            power * 1.5
        }
    })
}

/// Five bins to each power of ten, and one for what is below 1.
fn decades(most: f64) -> Vec<f64> {
    let mut edges = vec![0.0];
    edges.extend(
        (0..)
            .map(|step| (10_f64.powf(f64::from(step) / 5.0) * 100.0).round() / 100.0)
            .take_while(|edge| *edge <= most.max(1.0) * 10_f64.powf(0.2)),
    );
    edges
}

fn edges_while(first: f64, most: f64, next: impl Fn(f64) -> f64) -> Vec<f64> {
    let mut edges = vec![first];
    let mut edge = first;
    while edge <= most {
        edge = next(edge);
        edges.push(edge);
    }
    edges
}

impl Histogram {
    fn of(view: &View, measure: Measure, scale: &'static str, edges: Vec<f64>) -> Self {
        let bins = edges.len().saturating_sub(1).max(1);
        let mut by_label = vec![vec![0_u64; bins]; view.segments().len()];
        for row in view.rows() {
            let value = value(view, measure, &row.figures);
            let bin = edges.partition_point(|edge| *edge <= value).saturating_sub(1).min(bins - 1);
            let counts = by_label.get_mut(usize::from(row.figures.label));
            if let Some(count) = counts.and_then(|counts| counts.get_mut(bin)) {
                *count += 1;
            }
        }
        let at = |bin: usize| by_label.iter().filter_map(|counts| counts.get(bin)).sum();
        let counts = (0..bins).map(at).collect();
        let by_segment = view.segments().iter().zip(&by_label);
        let by_segment = by_segment
            .map(|(segment, counts)| SegmentCounts { segment_id: segment.id, counts: counts.clone() })
            .collect();
        Self { scale, edges, counts, by_segment }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_hold_every_value() {
        assert_eq!(doubling(10.0), [1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0]);
        for most in [0.0, 0.5, 1.0, 9.99, 10.0, 373.0, 280_206.02] {
            for edges in [linear(most), doubling(most), decades(most)] {
                assert!(edges.iter().zip(edges.iter().skip(1)).all(|(one, next)| one < next), "{most}: {edges:?}");
                assert!(most < 1.0 || edges.last().is_some_and(|last| *last >= most), "{most}: {edges:?}");
            }
        }
    }
}
