//! `GET /segments`: sizes, revenue and profiles.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use data::Money;
use data::lake::Publication;
use data::model::Centroid;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::overview::{AsOfQuery, share};
use super::sight::ViewInfo;
use super::{Answered, App, Ask, Problem};
use crate::view::{Measure, View};

/// Recency, frequency and monetary of some customers.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Profile {
    pub recency_days: f64,
    pub frequency: f64,
    pub monetary: f64,
}

impl From<[f64; 3]> for Profile {
    fn from([recency_days, frequency, monetary]: [f64; 3]) -> Self {
        Self { recency_days, frequency, monetary }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Segment {
    pub segment_id: u32,
    pub segment_name: String,
    pub customers: u64,
    #[schema(value_type = f64)]
    pub revenue: Money,
    /// Invoices.
    pub orders: u64,
    pub share_customers: f64,
    pub share_revenue: f64,
    /// `null` where the segment is empty.
    pub mean: Option<Profile>,
    pub median: Option<Profile>,
    pub centroid: Profile,
    /// In the publication before.
    pub previous: Option<PreviousSegment>,
}

#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct PreviousSegment {
    pub customers: u64,
    pub revenue: f64,
}

/// Everybody together.
#[derive(Debug, Serialize, ToSchema)]
pub struct Everybody {
    customers: u64,
    #[schema(value_type = f64)]
    revenue: Money,
    mean: Option<Profile>,
    median: Option<Profile>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Segments {
    view: ViewInfo,
    /// By monetary centroid, highest first.
    segments: Vec<Segment>,
    all: Everybody,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct OneSegment {
    view: ViewInfo,
    #[serde(flatten)]
    segment: Segment,
}

pub(super) fn median(view: &View, label: Option<u8>) -> Option<Profile> {
    let [days, invoices, money] = Measure::ALL.map(|measure| view.median(label, measure));
    Some(Profile { recency_days: days?, frequency: invoices?, monetary: money? })
}

/// Labels by monetary centroid, highest first.
pub(super) fn ordered(view: &View) -> Vec<u8> {
    let monetary = |label: &u8| {
        view.segment(*label).map_or(0.0, |segment| {
            let [_, _, monetary] = segment.centroid;
            monetary
        })
    };
    let mut labels: Vec<u8> = (0..view.segments().len()).filter_map(|label| u8::try_from(label).ok()).collect();
    labels.sort_by(|one, other| monetary(other).total_cmp(&monetary(one)));
    labels
}

pub(super) fn centroid(view: &View, centroid: &Centroid) -> Profile {
    view.judged.batch.base.model.in_units(centroid).into()
}

fn segment(view: &View, label: u8, before: Option<&Publication>) -> Option<Segment> {
    let (known, part, all) = (view.segment(label)?, view.part(label), view.sums.all);
    let share_revenue = if all.revenue == Money::ZERO { 0.0 } else { part.revenue.to_f64() / all.revenue.to_f64() };
    Some(Segment {
        segment_id: known.id,
        segment_name: known.name.clone(),
        customers: part.customers,
        revenue: part.revenue,
        orders: part.orders,
        share_customers: share(part.customers, all.customers),
        share_revenue,
        mean: part.means(view.reference()).map(Profile::from),
        median: median(view, Some(label)),
        centroid: centroid(view, &known.centroid),
        previous: before.and_then(|before| previous(before, known.id, &known.name)),
    })
}

/// The same segment of an earlier publication: another number of segments gives an id another meaning, and so another name.
fn previous(publication: &Publication, id: u32, name: &str) -> Option<PreviousSegment> {
    let report: Value = serde_json::from_str(&publication.report).ok()?;
    let segments = report.get("segments")?.as_array()?;
    let is_same = |segment: &&Value| {
        segment.get("segment_id").and_then(Value::as_u64) == Some(u64::from(id))
            && segment.get("segment_name").is_some_and(|own| own == name)
    };
    let found = segments.iter().find(is_same)?;
    Some(PreviousSegment { customers: found.get("customers")?.as_u64()?, revenue: found.get("revenue")?.as_f64()? })
}

/// Every segment with its sizes, profile and centroid
#[utoipa::path(get, path = "/api/v1/segments", tag = "figures", params(AsOfQuery),
    responses((status = 200, body = Segments), (status = "default", content_type = "application/problem+json", body = super::ProblemBody)))]
pub async fn segments(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Ask(query): Ask<AsOfQuery>,
) -> Answered<Response> {
    let sight = app.sight(query.as_of.as_deref(), &headers).await?;
    if let Some(unchanged) = sight.unchanged() {
        return Ok(unchanged);
    }
    let (view, before) = (&sight.view, app.shelf.before(sight.view.publication()));
    let all = view.sums.all;
    let segments = ordered(view).into_iter().filter_map(|label| segment(view, label, before.as_deref())).collect();
    let all = Everybody {
        customers: all.customers,
        revenue: all.revenue,
        mean: all.means(view.reference()).map(Profile::from),
        median: median(view, None),
    };
    Ok(sight.json(&Segments { view: sight.info(), segments, all }))
}

/// One segment
#[utoipa::path(get, path = "/api/v1/segments/{id}", tag = "figures", params(("id" = String, Path), AsOfQuery),
    responses((status = 200, body = OneSegment), (status = "default", content_type = "application/problem+json", body = super::ProblemBody)))]
pub async fn one_segment(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Path(id): Path<String>,
    Ask(query): Ask<AsOfQuery>,
) -> Answered<Response> {
    let sight = app.sight(query.as_of.as_deref(), &headers).await?;
    let label = label_of(&sight.view, &id)?;
    if let Some(unchanged) = sight.unchanged() {
        return Ok(unchanged);
    }
    let before = app.shelf.before(sight.view.publication());
    let segment = segment(&sight.view, label, before.as_deref()).ok_or_else(|| no_segment(&id))?;
    Ok(sight.json(&OneSegment { view: sight.info(), segment }))
}

/// # Errors
/// 404 when the view has no such segment.
pub(super) fn label_of(view: &View, id: &str) -> Answered<u8> {
    id.parse().ok().and_then(|id| view.label_of(id)).ok_or_else(|| no_segment(id))
}

fn no_segment(id: &str) -> Problem {
    Problem::not_found(format!("there is no segment {id}; GET /api/v1/segments lists them"))
}
