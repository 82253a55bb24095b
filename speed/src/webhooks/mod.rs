//! Tells endpoints of alerts: generic ones with a signature, Slack, Discord.
//!
//! ```text
//! topic alerts ─▶ a consumer for each webhook ─▶ filter ─▶ request, again and again ─▶ endpoint
//!                       ▲                                        └─ for good ─▶ webhooks-dlq
//!                       └────── offsets, behind what was told or kept
//! ```

mod attempt;
pub mod config;
mod courier;
mod dead;
mod ledger;
mod message;
mod signature;
mod telemetry;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::header;
use axum::routing::get;
use data::EventTime;
use data::kafka::Topics;
use tokio::runtime::Handle;

use crate::cli::Listen;
use crate::config::Place;
use crate::error::{Error, Result};
use crate::http;
use attempt::{Outcome, attempt, client};
use config::Webhook;
pub use courier::From;
use courier::Office;
use dead::DeadLetters;
use message::{Alert, sample};

/// How often it is looked whether a webhook ended.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Partitions of a topic that has to be made.
const PARTITIONS: u32 = 4;

/// Tells webhooks of alerts until `stop`.
///
/// # Errors
/// When the cluster cannot be used, or a webhook ended by itself.
pub async fn run(
    place: &Place,
    webhooks: Vec<Webhook>,
    from: From,
    listen: Listen,
    stop: impl Future<Output = ()>,
) -> Result<()> {
    let dead_letters = place.topics.webhooks_dlq.clone();
    let topics = [place.topics.alerts.clone(), dead_letters.clone()];
    let kafka = place.kafka.clone();
    let ready = tokio::task::spawn_blocking(move || {
        let cluster = Topics::new(&kafka)?;
        let made = topics.iter().try_for_each(|topic| cluster.ensure(topic, PARTITIONS, &[]).map(drop));
        made.map_err(|failure| failure.to_string())
    });
    ready.await.map_err(|error| Error::Kafka(error.to_string()))?.map_err(Error::Kafka)?;
    let office = Arc::new(Office {
        dead: DeadLetters::new(&place.kafka, &dead_letters).map_err(Error::Kafka)?,
        kafka: place.kafka.clone(),
        group: place.group.clone(),
        topic: place.topics.alerts.clone(),
        from,
        metrics: telemetry::Metrics::default(),
        stop: AtomicBool::new(false),
    });
    if let Some(address) = http::listen(listen, router(&office)).await? {
        tracing::info!("metrics on http://{address}/metrics");
    }
    let threads: Vec<_> = webhooks
        .into_iter()
        .map(|webhook| {
            tracing::info!(webhook = webhook.name, to = ?webhook.address, "telling of alerts");
            let (office, runtime) = (Arc::clone(&office), Handle::current());
            std::thread::spawn(move || courier::run(&office, webhook, &runtime))
        })
        .collect();
    let ended = async {
        while threads.iter().all(|thread| !thread.is_finished()) {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::select! {
        () = stop => tracing::info!("stopping: requests under way are waited for"),
        () = ended => {}
    }
    office.stop.store(true, Ordering::Relaxed);
    let joined = tokio::task::spawn_blocking(move || {
        let results: Vec<_> = threads.into_iter().map(std::thread::JoinHandle::join).collect();
        results
            .into_iter()
            .try_for_each(|joined| joined.unwrap_or_else(|_| Err("a thread panicked; its message is above".to_owned())))
    });
    joined.await.map_err(|error| Error::Kafka(error.to_string()))?.map_err(Error::Kafka)
}

fn router(office: &Arc<Office>) -> Router {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let office = Arc::clone(office);
    let metrics = get(move || async move { ([(header::CONTENT_TYPE, kind)], office.metrics.encoded()) });
    Router::new().route("/metrics", metrics).route("/healthz", get(async || "ok\n"))
}

/// Sends each webhook an alert that says that nothing happened: what each answered.
///
/// # Errors
/// When the machine's certificates cannot be used.
pub async fn try_out(webhooks: &[Webhook]) -> Result<Vec<(String, std::result::Result<(), String>)>> {
    let mut answers = Vec::new();
    for webhook in webhooks {
        let now = EventTime::now();
        let id = format!("test-{}", now.micros());
        let value = sample(&id, &now.to_string()).to_string().into_bytes();
        let alert = Alert::read(&value).map_err(Error::Kafka)?;
        let client = client(webhook).map_err(Error::Kafka)?;
        let answer = match attempt(&client, webhook, &id, &alert.body(webhook.kind, &value), now).await {
            Outcome::Delivered => Ok(()),
            Outcome::Refused(reason) | Outcome::Later { reason, .. } => Err(reason),
        };
        answers.push((webhook.name.clone(), answer));
    }
    Ok(answers)
}
