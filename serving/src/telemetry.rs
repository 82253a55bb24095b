//! Every metric's name, and the log.

use std::io::IsTerminal;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::{Method, StatusCode};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use tracing_subscriber::EnvFilter;

use crate::api::App;

/// Logs to stderr: the life cycle, or errors alone when `quiet`; `RUST_LOG` decides otherwise.
pub fn start_log(quiet: bool) {
    let default = if quiet { "error" } else { "warn,serving=info" };
    // The Delta kernel logs at ERROR what it also returns, even where we expect it.
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(format!("{default},buoyant_kernel=off")));
    let colours = std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours);
    // A second start, as tests make, keeps the first.
    let _ = log.with_target(false).try_init();
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FeedLabels {
    feed: &'static str,
}

/// The metrics of a process.
#[derive(Debug)]
pub struct Metrics {
    registry: Mutex<Registry>,
    requests: Family<RequestLabels, Counter>,
    request_seconds: Histogram,
    pub orders_posted: Counter,
    customers: Gauge,
    live_customers: Gauge,
    publication: Gauge,
    publication_age: Gauge,
    connected: Gauge,
    lag: Gauge,
    unreadable: Gauge,
    followers: Family<FeedLabels, Gauge>,
    rule_customers: Gauge,
    rules_refused: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let metrics = Self {
            registry: Mutex::default(),
            requests: Family::default(),
            request_seconds: Histogram::new(exponential_buckets(0.000_1, 2.0, 18)),
            orders_posted: Counter::default(),
            customers: Gauge::default(),
            live_customers: Gauge::default(),
            publication: Gauge::default(),
            publication_age: Gauge::default(),
            connected: Gauge::default(),
            lag: Gauge::default(),
            unreadable: Gauge::default(),
            followers: Family::default(),
            rule_customers: Gauge::default(),
            rules_refused: Gauge::default(),
        };
        *metrics.registry.lock().unwrap_or_else(PoisonError::into_inner) = metrics.registered();
        metrics
    }
}

impl Metrics {
    fn registered(&self) -> Registry {
        let mut registry = Registry::with_prefix("clientele_serving");
        registry.register("requests", "Requests answered", self.requests.clone());
        let seconds = self.request_seconds.clone();
        registry.register_with_unit("request", "Until the head of the answer", Unit::Seconds, seconds);
        registry.register("orders_posted", "Order lines written to the topic", self.orders_posted.clone());
        registry.register("customers", "Customers in the view", self.customers.clone());
        registry.register("live_customers", "Of them, those changed by live orders", self.live_customers.clone());
        registry.register("publication", "The publication that is served", self.publication.clone());
        let age = self.publication_age.clone();
        registry.register_with_unit("publication_age", "Since that publication was made", Unit::Seconds, age);
        registry.register("connected", "1 while live orders are merged", self.connected.clone());
        registry.register("lag", "Order lines whose effect is not in the view yet", self.lag.clone());
        registry.register("unreadable", "Records that could not be read", self.unreadable.clone());
        registry.register("followers", "Clients of a live feed", self.followers.clone());
        registry.register("rule_customers", "Customers known to the rules", self.rule_customers.clone());
        let refused = "Processes of speed that go on with old rules, because they refused the new ones";
        registry.register("rules_refused", refused, self.rules_refused.clone());
        registry
    }

    /// Counts an answer.
    pub fn answered(&self, method: &Method, route: &str, status: StatusCode, took: Duration) {
        let method = match *method {
            Method::GET => "GET",
            Method::POST => "POST",
            Method::DELETE => "DELETE",
            Method::HEAD => "HEAD",
            _ => "other",
        };
        let labels = RequestLabels { method, route: route.to_owned(), status: status.as_u16() };
        self.requests.get_or_create(&labels).inc();
        self.request_seconds.observe(took.as_secs_f64());
    }

    /// Looks at what the process holds.
    pub fn observe(&self, app: &App) {
        let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        if let Some(view) = app.follow.view() {
            let base = &view.judged.batch.base;
            self.customers.set(count(view.sums.all.customers));
            self.live_customers.set(count(view.overlay.len() as u64));
            self.publication.set(base.publication);
            let age = data::EventTime::now().micros() - base.published_at.micros();
            self.publication_age.set(age / 1_000_000);
        }
        if let Some(status) = &app.follow.status {
            let state = status.state();
            self.connected.set(i64::from(state.connected));
            self.lag.set(state.lag.map_or(-1, count));
            self.unreadable.set(count(status.unreadable.load(Ordering::Relaxed)));
        }
        let behaviour = &app.follow.behaviour;
        self.rule_customers.set(count(behaviour.members().len() as u64));
        let now = data::EventTime::now();
        let refused = behaviour.statuses().alive(now).filter(|status| status.refused.is_some()).count();
        self.rules_refused.set(count(refused as u64));
        let feeds = &app.follow.feeds;
        let followers = [
            ("orders", feeds.orders.followers()),
            ("changes", feeds.changes.followers()),
            ("rule-changes", feeds.rule_changes.followers()),
            ("alerts", feeds.alerts.followers()),
        ];
        for (feed, followers) in followers {
            self.followers.get_or_create(&FeedLabels { feed }).set(count(followers as u64));
        }
    }

    /// The text that Prometheus reads.
    #[must_use]
    pub fn encoded(&self) -> String {
        let mut text = String::new();
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        // Writing to a String does not fail.
        let _ = encode(&mut text, &registry);
        text
    }
}
