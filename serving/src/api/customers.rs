//! `GET /customers`: filter, sort, page, download.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::customer_row::CustomerRow;
use super::filter::{Filter, Order, Page, page, sorted};
use super::paging::checked;
use super::revenue::timeline;
use super::sight::{Sight, ViewInfo};
use super::{Answered, App, Ask, Problem, blocking, segments};
use crate::export::{self, Format};
use crate::view::{Row, View};

const MOST: usize = 1_000;
const USUAL: usize = 50;

/// Filters, all of which must hold; order; page.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct CustomersQuery {
    /// What the id begins with.
    pub prefix: Option<String>,
    /// Segment id.
    pub segment: Option<u32>,
    /// Named segment of the scores, such as `Champions`.
    pub rfm_segment: Option<String>,
    /// Recency score, 1 to 5.
    #[param(minimum = 1, maximum = 5)]
    pub r: Option<u8>,
    /// Frequency score, 1 to 5.
    #[param(minimum = 1, maximum = 5)]
    pub f: Option<u8>,
    /// Monetary score, 1 to 5.
    #[param(minimum = 1, maximum = 5)]
    pub m: Option<u8>,
    pub min_recency_days: Option<i64>,
    pub max_recency_days: Option<i64>,
    pub min_frequency: Option<u32>,
    pub max_frequency: Option<u32>,
    pub min_monetary: Option<f64>,
    pub max_monetary: Option<f64>,
    pub country: Option<String>,
    /// Segment id at the publication `since`, or `new` for customers who were not there.
    pub moved_from: Option<String>,
    /// A publication or a time, for `moved_from`.
    pub since: Option<String>,
    /// Month of the first order, such as `2010-12`.
    pub cohort: Option<String>,
    /// First day of a time in which the customer ordered, such as `2011-01-01`.
    pub ordered_from: Option<String>,
    /// The day behind the last one of that time.
    pub ordered_to: Option<String>,
    #[param(inline)]
    pub sort: Order,
    /// 1 to 1,000, 50 unless said; not with a download, which has no pages.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<usize>,
    /// `next_cursor` of the page before; not with a download.
    pub cursor: Option<String>,
    /// `csv` and `parquet` download every row; so do `Accept: text/csv` and `application/vnd.apache.parquet`.
    #[param(inline)]
    pub format: Option<Format>,
    pub as_of: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Customers<'v> {
    view: ViewInfo,
    /// As many as match.
    total: usize,
    items: Vec<CustomerRow<'v>>,
    next_cursor: Option<String>,
}

/// Customers by any filter, a page at a time or as a download
#[utoipa::path(get, path = "/api/v1/customers", tag = "customers", params(CustomersQuery),
    responses((status = 200, content((Customers<'_> = "application/json"), (String = "text/csv"), (Vec<u8> = "application/vnd.apache.parquet"))),
        (status = "default", content_type = "application/problem+json", body = super::ProblemBody)))]
pub async fn customers(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Ask(query): Ask<CustomersQuery>,
) -> Answered<Response> {
    answer(app, headers, query).await
}

/// The customers of a segment; parameters as of /customers
#[utoipa::path(get, path = "/api/v1/segments/{id}/customers", tag = "customers", params(("id" = String, Path), CustomersQuery),
    responses((status = 200, content((Customers<'_> = "application/json"), (String = "text/csv"), (Vec<u8> = "application/vnd.apache.parquet"))),
        (status = "default", content_type = "application/problem+json", body = super::ProblemBody)))]
pub async fn customers_of_segment(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Path(id): Path<String>,
    Ask(query): Ask<CustomersQuery>,
) -> Answered<Response> {
    let sight = app.sight(query.as_of.as_deref(), &headers).await?;
    segments::label_of(&sight.view, &id)?;
    if query.segment.is_some() {
        return Err(Problem::parameter("segment", "stands in the path here"));
    }
    let segment = id.parse().ok();
    answer(app, headers, CustomersQuery { segment, ..query }).await
}

async fn answer(app: Arc<App>, headers: HeaderMap, query: CustomersQuery) -> Answered<Response> {
    let format = query.format.or_else(|| Format::accepted(&headers)).unwrap_or_default();
    let sight = app.sight_with(query.as_of.as_deref(), &headers, format.name()).await?;
    let past = match (&query.moved_from, &query.since) {
        (Some(_), Some(since)) => Some(app.past(since).await?),
        (Some(_), None) => return Err(Problem::parameter("since", "goes with moved_from: since which publication?")),
        (None, Some(_)) => return Err(Problem::parameter("since", "goes with moved_from: who was where?")),
        (None, None) => None,
    };
    let mut filter = Filter::new(&query, &sight.view, past)?;
    let limit = checked(query.limit, USUAL, MOST)?;
    let cursor = query.cursor.as_deref().map(|text| query.sort.cursor(text)).transpose()?;
    for (name, given) in [("limit", query.limit.is_some()), ("cursor", cursor.is_some())] {
        if given && format != Format::Json {
            return Err(Problem::parameter(name, "goes with JSON only: a download holds every row"));
        }
    }
    if let Some(unchanged) = sight.unchanged() {
        return Ok(unchanged);
    }
    if filter.is_of_time() {
        filter.look_at(timeline(&app, &sight).await?.as_ref());
    }
    match format {
        Format::Json => {
            let _turn = app.scans.acquire().await;
            blocking(move || {
                let page = page(&sight.view, &filter, query.sort, cursor.as_ref(), limit);
                Ok(shown(&sight, page))
            })
            .await
        }
        Format::Csv | Format::Parquet => download(&app, sight, filter, query.sort, format).await,
    }
}

fn shown(sight: &Sight, page: Page<'_>) -> Response {
    let items = page.rows.iter().map(|row| CustomerRow::of(&sight.view, row)).collect();
    sight.json(&Customers { view: sight.info(), total: page.total, items, next_cursor: page.next })
}

async fn download(app: &Arc<App>, sight: Sight, filter: Filter, order: Order, format: Format) -> Answered<Response> {
    let place = app.download_place()?;
    let turn = Arc::clone(&app.scans).acquire_owned().await;
    let view = Arc::clone(&sight.view);
    let name = format!("customers-{}.{}", view.publication(), format.name());
    let mut response = export::stream(format, place, move |sink| {
        let rows = sorted(&view, &filter, order);
        // The rest is as fast as the client.
        drop(turn);
        write_rows(&view, &rows, sink)
    });
    let attachment = format!("attachment; filename=\"{name}\"");
    if let Ok(value) = attachment.parse() {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

fn write_rows(view: &View, rows: &[Row<'_>], sink: &mut export::Sink) -> export::Written {
    for row in rows {
        sink.row(&CustomerRow::of(view, row))?;
    }
    Ok(())
}
