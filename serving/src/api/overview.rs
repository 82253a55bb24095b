//! `GET /overview`: the key figures.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use data::lake::Publication;
use data::{EventTime, Money};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::sight::{Sight, ViewInfo};
use super::{Answered, App, Ask};
use crate::live::LiveState;
use crate::view::{Measure, View};

/// The name of the segment whose share is a key figure.
const AT_RISK: &str = "Churn Risk";

/// Which view.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AsOfQuery {
    /// A publication such as `12`, or a time: the newest publication not after it, without live orders.
    pub as_of: Option<String>,
}

/// The key figures of a view.
#[derive(Debug, Serialize, ToSchema)]
pub struct Overview {
    view: ViewInfo,
    #[serde(flatten)]
    figures: KeyFigures,
    previous: Option<PreviousFigures>,
    live: Option<LiveState>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct KeyFigures {
    pub customers: u64,
    #[schema(value_type = f64)]
    pub revenue: Money,
    /// Invoices.
    pub orders: u64,
    pub median_recency_days: Option<f64>,
    /// Share of the customers in the segment named Churn Risk; `null` when there is none.
    pub churn_risk_share: Option<f64>,
}

/// The same of the publication before.
#[derive(Debug, Serialize, ToSchema)]
pub struct PreviousFigures {
    publication: i64,
    #[schema(value_type = String, format = DateTime)]
    published_at: EventTime,
    #[serde(flatten)]
    figures: KeyFigures,
}

impl KeyFigures {
    #[must_use]
    pub fn of(view: &View) -> Self {
        let all = view.sums.all;
        let at_risk = view.segments().iter().position(|segment| segment.name == AT_RISK);
        let share = |label: usize| {
            let part = u8::try_from(label).map(|label| view.part(label)).unwrap_or_default();
            share(part.customers, all.customers)
        };
        Self {
            customers: all.customers,
            revenue: all.revenue,
            orders: all.orders,
            median_recency_days: view.median(None, Measure::LastDay),
            churn_risk_share: at_risk.map(share),
        }
    }

    /// From the report of a run.
    fn of_report(publication: &Publication) -> Self {
        let report: Value = serde_json::from_str(&publication.report).unwrap_or_default();
        let median = report.get("median").and_then(|median| median.get("recency_days")).and_then(Value::as_f64);
        let at_risk = report.get("segments").and_then(Value::as_array).and_then(|segments| {
            let segment =
                segments.iter().find(|segment| segment.get("segment_name").is_some_and(|name| name == AT_RISK));
            segment?.get("customers")?.as_u64()
        });
        Self {
            customers: publication.customers,
            revenue: publication.revenue,
            orders: publication.invoices,
            median_recency_days: median,
            churn_risk_share: at_risk.map(|customers| share(customers, publication.customers)),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of customers")]
pub(super) fn share(part: u64, all: u64) -> f64 {
    if all == 0 { 0.0 } else { part as f64 / all as f64 }
}

/// The key figures, those of the publication before, and the live state
#[utoipa::path(get, path = "/api/v1/overview", tag = "figures", params(AsOfQuery),
    responses((status = 200, body = Overview), (status = "default", content_type = "application/problem+json", body = super::ProblemBody)))]
pub async fn overview(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Ask(query): Ask<AsOfQuery>,
) -> Answered<Response> {
    let live = app.follow.status.as_ref().filter(|_| query.as_of.is_none()).map(|status| status.state());
    let more = live.as_ref().map_or_else(String::new, |live| {
        format!(".{}.{}.{}", live.since, live.lines_since_publication, live.lag.unwrap_or(u64::MAX))
    });
    let sight: Sight = app.sight_with(query.as_of.as_deref(), &headers, &more).await?;
    if let Some(unchanged) = sight.unchanged() {
        return Ok(unchanged);
    }
    let previous = app.shelf.before(sight.view.publication());
    let previous = previous.map(|publication| PreviousFigures {
        publication: publication.id,
        published_at: publication.published_at,
        figures: KeyFigures::of_report(&publication),
    });
    Ok(sight.json(&Overview { view: sight.info(), figures: KeyFigures::of(&sight.view), previous, live }))
}
