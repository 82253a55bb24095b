//! Every route, once: the router and its description are made of the same list.

use std::sync::Arc;

use axum::Router;
use utoipa::openapi::{ContactBuilder, InfoBuilder, OpenApi, OpenApiBuilder};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes as paths;

use super::{
    App, behaviour, config, customer, customers, demo, grid, orders, overview, publications, quality, revenue,
    segments, session, story, streams,
};

fn all() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(about())
        .routes(paths!(config::config))
        .routes(paths!(overview::overview))
        .routes(paths!(segments::segments))
        .routes(paths!(segments::one_segment))
        .routes(paths!(customers::customers_of_segment))
        .routes(paths!(customers::customers))
        .routes(paths!(customer::customer))
        .routes(paths!(story::orders))
        .routes(paths!(story::history))
        .routes(paths!(story::alerts_of_customer))
        .routes(paths!(story::alerts))
        .routes(paths!(grid::rfm_grid))
        .routes(paths!(grid::scatter))
        .routes(paths!(grid::distribution))
        .routes(paths!(revenue::revenue))
        .routes(paths!(revenue::cohorts))
        .routes(paths!(publications::publications))
        .routes(paths!(publications::publication))
        .routes(paths!(publications::migration))
        .routes(paths!(quality::quality))
        .routes(paths!(quality::rejections))
        .routes(paths!(behaviour::rule_segments))
        .routes(paths!(behaviour::customers_of_rule_segment))
        .routes(paths!(behaviour::rules_of_customer))
        .routes(paths!(orders::post_orders))
        .routes(paths!(demo::demo_orders))
        .routes(paths!(streams::live_feeds))
        .routes(paths!(streams::live_orders))
        .routes(paths!(streams::live_changes))
        .routes(paths!(streams::live_rule_changes))
        .routes(paths!(streams::live_alerts))
        .routes(paths!(streams::live_view))
        .routes(paths!(session::open_session, session::close_session))
}

fn about() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Clientele")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Every customer's segment, true as of the last order. Amounts are numbers with at most four decimals, times \
             ISO 8601 in UTC, errors problem+json (RFC 9457).",
        ))
        .contact(None::<ContactBuilder>.map(ContactBuilder::build))
        .build();
    OpenApiBuilder::new().info(info).build()
}

/// The routes under `/api/v1`.
pub fn routes() -> Router<Arc<App>> {
    all().split_for_parts().0
}

/// The description of the API, OpenAPI 3.1.
#[must_use]
pub fn document() -> OpenApi {
    all().split_for_parts().1
}
