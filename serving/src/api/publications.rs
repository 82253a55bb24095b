//! `GET /publications` and `/migration`: what was published, and who moved between two of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use data::lake::Publication;
use data::{EventTime, Money};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::overview::AsOfQuery;
use super::paging::{Paged, next, offset};
use super::segments::ordered;
use super::sight::json;
use super::story::NoQuery;
use super::{Answered, App, Ask, Problem, blocking};
use crate::view::View;

const USUAL: usize = 50;
const MOST: usize = 1_000;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    cursor: Option<String>,
}

/// A publication as lists show it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Published {
    publication: i64,
    #[schema(value_type = String, format = DateTime)]
    published_at: EventTime,
    #[schema(value_type = String, format = DateTime)]
    reference_time: EventTime,
    /// Accepted lines.
    orders: u64,
    customers: u64,
    invoices: u64,
    #[schema(value_type = f64)]
    revenue: Money,
    model: ModelQuality,
    segments: Vec<PublishedSegment>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ModelQuality {
    k: i32,
    inertia: Option<f64>,
    silhouette: Option<f64>,
    davies_bouldin: Option<f64>,
    calinski_harabasz: Option<f64>,
    seed: Option<u64>,
    /// Inertia and silhouette by k, where several were tried.
    #[schema(value_type = Vec<Object>)]
    elbow: Vec<Value>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct PublishedSegment {
    segment_id: u64,
    segment_name: String,
    customers: u64,
    revenue: f64,
}

/// The same, with the report of the run.
#[derive(Debug, Serialize, ToSchema)]
pub struct OnePublication {
    #[serde(flatten)]
    published: Published,
    #[schema(value_type = Object)]
    report: Value,
}

impl Published {
    fn of(publication: &Publication) -> (Self, Value) {
        let report: Value = serde_json::from_str(&publication.report).unwrap_or_default();
        let model = report.get("model");
        let quality = publication.quality;
        let model = ModelQuality {
            k: quality.k,
            inertia: quality.inertia,
            silhouette: quality.silhouette,
            davies_bouldin: quality.davies_bouldin,
            calinski_harabasz: quality.calinski_harabasz,
            seed: model.and_then(|model| model.get("seed")).and_then(Value::as_u64),
            elbow: model.and_then(|model| model.get("elbow")?.as_array().cloned()).unwrap_or_default(),
        };
        let segments = report.get("segments").and_then(Value::as_array);
        let published = Self {
            publication: publication.id,
            published_at: publication.published_at,
            reference_time: publication.reference_time,
            orders: publication.orders,
            customers: publication.customers,
            invoices: publication.invoices,
            revenue: publication.revenue,
            model,
            segments: segments.map_or_else(Vec::new, |segments| segments.iter().filter_map(segment_of).collect()),
        };
        (published, report)
    }
}

fn segment_of(segment: &Value) -> Option<PublishedSegment> {
    Some(PublishedSegment {
        segment_id: segment.get("segment_id")?.as_u64()?,
        segment_name: segment.get("segment_name")?.as_str()?.to_owned(),
        customers: segment.get("customers")?.as_u64()?,
        revenue: segment.get("revenue")?.as_f64()?,
    })
}

/// What was published, newest first
#[utoipa::path(get, path = "/api/v1/publications", tag = "history", params(PageQuery),
    responses((status = 200, body = Paged<Published>), (status = "default", content_type = "application/problem+json", body = super::ProblemBody)))]
pub async fn publications(State(app): State<Arc<App>>, Ask(query): Ask<PageQuery>) -> Answered<Response> {
    let (skip, limit) = offset(query.cursor.as_deref(), query.limit, USUAL, MOST)?;
    let list = app.shelf.list();
    let items: Vec<Published> =
        list.iter().rev().skip(skip).take(limit).map(|publication| Published::of(publication).0).collect();
    let (total, next_cursor) = (list.len(), next(skip, limit, list.len()));
    Ok(json(&Paged { items, next_cursor, total }))
}

/// One publication, with the report of its run
#[utoipa::path(get, path = "/api/v1/publications/{id}", tag = "history", params(("id" = i64, Path)),
    responses((status = 200, body = OnePublication), (status = "default", content_type = "application/problem+json", body = super::ProblemBody)))]
pub async fn publication(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Ask(NoQuery {}): Ask<NoQuery>,
) -> Answered<Response> {
    let found = id.parse().ok().and_then(|id| app.shelf.find(crate::lake::AsOf::Publication(id)));
    let found = found.ok_or_else(|| {
        Problem::not_found(format!("there is no publication {id}; GET /api/v1/publications lists them"))
    })?;
    let (published, mut report) = Published::of(&found);
    for private in ["model", "segments"] {
        // They stand beside it.
        if let Some(report) = report.as_object_mut() {
            report.remove(private);
        }
    }
    Ok(json(&OnePublication { published, report }))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct MigrationQuery {
    /// A publication or a time; the publication before `to` unless said.
    from: Option<String>,
    /// A publication, a time or `live`; `live` unless said.
    to: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Migration {
    from: Side,
    to: Side,
    flows: Vec<Flow>,
    /// By monetary centroid, highest first.
    segments_from: Vec<SideSegment>,
    segments_to: Vec<SideSegment>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Side {
    publication: i64,
    #[schema(value_type = String, format = DateTime)]
    published_at: EventTime,
    live: bool,
    customers: u64,
}

/// Customers who were in one segment and are in another, or in the same.
#[derive(Debug, Serialize, ToSchema)]
pub struct Flow {
    /// `null`: new customers.
    from: Option<u32>,
    /// `null`: gone ones.
    to: Option<u32>,
    customers: u64,
    /// At the later moment; of those gone at the earlier one.
    #[schema(value_type = f64)]
    revenue: Money,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct SideSegment {
    segment_id: u32,
    segment_name: String,
    customers: u64,
    #[schema(value_type = f64)]
    revenue: Money,
}

/// Who moved from which segment to which between two publications
#[utoipa::path(get, path = "/api/v1/migration", tag = "history", params(MigrationQuery),
    responses((status = 200, body = Migration), (status = "default", content_type = "application/problem+json", body = super::ProblemBody)))]
pub async fn migration(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Ask(query): Ask<MigrationQuery>,
) -> Answered<Response> {
    let asked = query.to.as_deref().filter(|to| *to != "live");
    let named = |name: &str, problem: Problem| {
        if problem.is_parameter() {
            Problem::parameter(name, "is a publication such as 12, or a time; only `to` can be live")
        } else {
            problem
        }
    };
    let to = match asked {
        None => app.view()?,
        Some(text) => app.past(text).await.map_err(|problem| named("to", problem))?,
    };
    let from = match query.from.as_deref() {
        Some(text) => app.past(text).await.map_err(|problem| named("from", problem))?,
        None => {
            let list = app.shelf.before(to.publication());
            let first = list.unwrap_or_else(|| Arc::new(to.judged.batch.publication.clone()));
            app.shelf.view(&first).await?
        }
    };
    let query = AsOfQuery { as_of: asked.map(|_| to.publication().to_string()) };
    let sight = app.sight_with(query.as_of.as_deref(), &headers, &format!(".{}", from.publication())).await?;
    if let Some(unchanged) = sight.unchanged() {
        return Ok(unchanged);
    }
    let _turn = app.scans.acquire().await;
    blocking(move || Ok(sight.json(&between(&from, &sight.view)))).await
}

fn between(from: &View, to: &View) -> Migration {
    let mut flows: BTreeMap<(Option<u8>, Option<u8>), (u64, Money)> = BTreeMap::new();
    let mut add = |before: Option<u8>, after: Option<u8>, revenue: Money| {
        let (customers, sum) = flows.entry((before, after)).or_default();
        *customers += 1;
        *sum += revenue;
    };
    for row in to.rows() {
        let before = from.find(row.id).map(|before| before.figures.label);
        add(before, Some(row.figures.label), row.figures.monetary);
    }
    for row in from.rows().filter(|row| to.find(row.id).is_none()) {
        add(Some(row.figures.label), None, row.figures.monetary);
    }
    let id = |view: &View, label: Option<u8>| Some(view.segment(label?)?.id);
    let flow = |((before, after), (customers, revenue))| Flow {
        from: id(from, before),
        to: id(to, after),
        customers,
        revenue,
    };
    Migration {
        from: side(from),
        to: side(to),
        flows: flows.into_iter().map(flow).collect(),
        segments_from: side_segments(from),
        segments_to: side_segments(to),
    }
}

fn side(view: &View) -> Side {
    let publication = &view.judged.batch.publication;
    Side {
        publication: publication.id,
        published_at: publication.published_at,
        live: view.live,
        customers: view.sums.all.customers,
    }
}

fn side_segments(view: &View) -> Vec<SideSegment> {
    let segment = |label: u8| {
        let (segment, part) = (view.segment(label)?, view.part(label));
        let (segment_id, segment_name) = (segment.id, segment.name.clone());
        Some(SideSegment { segment_id, segment_name, customers: part.customers, revenue: part.revenue })
    };
    ordered(view).into_iter().filter_map(segment).collect()
}
