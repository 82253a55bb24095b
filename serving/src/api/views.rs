//! Tells those who follow `/live/view` what became of it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use data::{EventTime, Money};
use serde::Serialize;
use utoipa::ToSchema;

use super::App;

const EVERY: Duration = Duration::from_secs(1);
/// A rate is that of so many seconds.
const SECONDS: usize = 5;

/// The state of the view.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub struct ViewEvent {
    publication: i64,
    version: u64,
    customers: u64,
    #[schema(value_type = f64)]
    revenue: Money,
    /// Invoices.
    orders: u64,
    lines_since_publication: u64,
    lag: Option<u64>,
    rates: Rates,
    connected: bool,
    since: Option<String>,
    /// Why live orders are not merged now.
    error: Option<String>,
    /// `null` where there are no rules.
    rules: Option<RulesEvent>,
}

/// What became of the rules.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RulesEvent {
    /// Grows with each change of customers or rules.
    version: u64,
    /// Customers who are known to the rules.
    customers: u64,
    /// Alerts since the start, and those read again at the start.
    alerts: u64,
    /// Whether a process goes on with old rules because it refused the new ones.
    refused: bool,
}

#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub struct Rates {
    /// Lines that came in, over the last five seconds.
    orders_per_second: f64,
}

/// Looks once a second for as long as the process serves.
pub async fn keep_telling(app: Arc<App>) {
    let mut counts: std::collections::VecDeque<(Instant, u64)> = std::collections::VecDeque::new();
    let mut last = None;
    let mut tick = tokio::time::interval(EVERY);
    loop {
        tick.tick().await;
        let Some(event) = event(&app, &mut counts) else { continue };
        app.metrics.observe(&app);
        if last.as_ref() == Some(&event) {
            continue;
        }
        let data = serde_json::to_string(&event).unwrap_or_default();
        let id = format!("{}.{}", event.publication, event.version);
        app.views.send_replace(Bytes::from(format!("id: {id}\nevent: view\ndata: {data}\n\n")));
        last = Some(event);
    }
}

fn event(app: &App, counts: &mut std::collections::VecDeque<(Instant, u64)>) -> Option<ViewEvent> {
    let view = app.follow.view()?;
    let seen = app.follow.status.as_ref().map_or(0, |status| status.orders.load(Ordering::Relaxed));
    let rate = rate(counts, seen);
    let live = app.follow.status.as_ref().map(|status| status.state());
    let all = view.sums.all;
    Some(ViewEvent {
        publication: view.publication(),
        version: view.version,
        customers: all.customers,
        revenue: all.revenue,
        orders: all.orders,
        lines_since_publication: live.as_ref().map_or(0, |live| live.lines_since_publication),
        lag: live.as_ref().and_then(|live| live.lag),
        rates: Rates { orders_per_second: rate },
        connected: live.as_ref().is_some_and(|live| live.connected),
        error: live.as_ref().and_then(|live| live.error.clone()),
        since: live.map(|live| live.since),
        rules: rules(app),
    })
}

fn rules(app: &App) -> Option<RulesEvent> {
    let (behaviour, alerts) = (&app.follow.behaviour, app.follow.feeds.alerts.count());
    (behaviour.is_there() || alerts > 0).then(|| RulesEvent {
        version: behaviour.version(),
        customers: behaviour.members().len() as u64,
        alerts,
        refused: behaviour.statuses().alive(EventTime::now()).any(|status| status.refused.is_some()),
    })
}

#[expect(clippy::cast_precision_loss, reason = "a rate for the eye")]
fn rate(counts: &mut std::collections::VecDeque<(Instant, u64)>, seen: u64) -> f64 {
    counts.push_back((Instant::now(), seen));
    if counts.len() > SECONDS + 1 {
        counts.pop_front();
    }
    let Some((since, before)) = counts.front() else { return 0.0 };
    let seconds = since.elapsed().as_secs_f64();
    if seconds < 0.5 { 0.0 } else { ((seen - before) as f64 / seconds * 10.0).round() / 10.0 }
}
