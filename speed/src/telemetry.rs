//! Every metric's name, and the log.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use tracing_subscriber::EnvFilter;

use crate::archive;
use crate::worker::Step;

/// Logs to stderr: the life cycle, or errors alone when `quiet`; `RUST_LOG` decides otherwise.
pub fn start_log(quiet: bool) {
    let default = if quiet { "error" } else { "warn,speed=info" };
    // The Delta kernel logs at ERROR what it also returns, even where we expect it.
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(format!("{default},buoyant_kernel=off")));
    let colours = std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours);
    // A second start, as tests make, keeps the first.
    let _ = log.with_target(false).try_init();
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct PartitionLabels {
    pub topic: String,
    pub partition: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ShardLabels {
    pub shard: u32,
}

/// The metrics of a process.
#[derive(Debug)]
pub struct Metrics {
    registry: Mutex<Registry>,
    pub records: Counter,
    pub emitted: Counter,
    pub dead_letters: Counter,
    pub epochs: Counter,
    pub aborts: Counter,
    pub restarts: Counter,
    pub epoch_seconds: Histogram,
    pub restore_seconds: Gauge<f64, AtomicU64>,
    pub shards: Gauge,
    pub publication: Gauge,
    pub publication_age: Gauge,
    pub rules_edition: Gauge,
    pub rules_refused: Counter,
    pub rules_broken: Gauge,
    pub late: Counter,
    pub shed: Counter,
    pub handed_on: Counter,
    shared_time: Family<ShardLabels, Gauge<f64, AtomicU64>>,
    shared_time_waits_for: Family<ShardLabels, Gauge<i64, AtomicI64>>,
    pub lag: Family<PartitionLabels, Gauge<i64, AtomicI64>>,
    archive_lag: Family<PartitionLabels, Gauge<i64, AtomicI64>>,
    archive_failing: Gauge,
    archive_lost: Gauge,
    /// With the name of its topic.
    archive: OnceLock<(String, Arc<archive::Metrics>)>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("clientele_speed");
        let metrics = Self {
            registry: Mutex::default(),
            records: Counter::default(),
            emitted: Counter::default(),
            dead_letters: Counter::default(),
            epochs: Counter::default(),
            aborts: Counter::default(),
            restarts: Counter::default(),
            epoch_seconds: Histogram::new(exponential_buckets(0.001, 2.0, 14)),
            restore_seconds: Gauge::default(),
            shards: Gauge::default(),
            publication: Gauge::default(),
            publication_age: Gauge::default(),
            rules_edition: Gauge::default(),
            rules_refused: Counter::default(),
            rules_broken: Gauge::default(),
            late: Counter::default(),
            shed: Counter::default(),
            handed_on: Counter::default(),
            shared_time: Family::default(),
            shared_time_waits_for: Family::default(),
            lag: Family::default(),
            archive_lag: Family::default(),
            archive_failing: Gauge::default(),
            archive_lost: Gauge::default(),
            archive: OnceLock::new(),
        };
        registry.register("records", "Records read from input topics", metrics.records.clone());
        registry.register("emitted", "Records written, changelogs among them", metrics.emitted.clone());
        registry.register("dead_letters", "Records that became dead letters", metrics.dead_letters.clone());
        registry.register("epochs", "Epochs committed", metrics.epochs.clone());
        registry.register("aborts", "Epochs aborted and done again", metrics.aborts.clone());
        registry.register("worker_restarts", "Workers that ended and were started anew", metrics.restarts.clone());
        let seconds = Unit::Seconds;
        registry.register_with_unit(
            "epoch",
            "An epoch, from its first record to its commit",
            seconds,
            metrics.epoch_seconds.clone(),
        );
        let restore = metrics.restore_seconds.clone();
        registry.register_with_unit("restore", "Opening the shards that were assigned last", Unit::Seconds, restore);
        registry.register("shards", "Shards that this process runs", metrics.shards.clone());
        registry.register("publication", "The publication that orders are joined with", metrics.publication.clone());
        let age = metrics.publication_age.clone();
        registry.register_with_unit("publication_age", "Since that publication was made", Unit::Seconds, age);
        registry.register("lag", "Records of a partition that are not processed yet", metrics.lag.clone());
        let archive_lag = metrics.archive_lag.clone();
        registry.register("archive_lag", "Records of a partition that the lake does not have yet", archive_lag);
        let failing = metrics.archive_failing.clone();
        registry.register("archive_failing", "1 while the lake cannot be written or the topic read", failing);
        let lost = metrics.archive_lost.clone();
        registry.register("archive_lost", "1 when retention deleted lines before they were archived", lost);
        metrics.register_rules(&mut registry);
        *metrics.registry.lock().unwrap_or_else(PoisonError::into_inner) = registry;
        metrics
    }
}

impl Metrics {
    fn register_rules(&self, registry: &mut Registry) {
        let [edition, broken] = [&self.rules_edition, &self.rules_broken].map(Clone::clone);
        registry.register("rules_edition", "How often rules came into force in this process", edition);
        registry.register("rules_refused", "Changed rule files that were refused", self.rules_refused.clone());
        registry.register("rules_broken", "1 while the rule files have mistakes and older rules are in force", broken);
        registry.register("late", "Clicks that came too late for patterns", self.late.clone());
        let shed = self.shed.clone();
        registry.register("shed", "Clicks and runs of patterns that were dropped at the limits of a key", shed);
        let handed_on = self.handed_on.clone();
        registry.register(
            "handed_on",
            "Records that were not in the partition of their key, and went a way round",
            handed_on,
        );
        registry.register_with_unit(
            "shared_time",
            "Event time, since 1970, that patterns over fields which users share have come to",
            Unit::Seconds,
            self.shared_time.clone(),
        );
        let waits_for = self.shared_time_waits_for.clone();
        registry.register(
            "shared_time_waits_for",
            "The shard whose clicks hold that time back; -1 when none does",
            waits_for,
        );
    }

    /// Counts what a worker's step did.
    pub fn observe(&self, step: &Step, wall: Duration) {
        self.records.inc_by(step.records as u64);
        self.emitted.inc_by(step.emitted as u64);
        self.dead_letters.inc_by(step.dead_letters as u64);
        self.late.inc_by(step.counted.late);
        self.shed.inc_by(step.counted.shed);
        self.handed_on.inc_by(step.counted.handed_on);
        if let Some(age) = step.committed {
            self.epochs.inc();
            self.epoch_seconds.observe((age + wall).as_secs_f64());
        }
        if step.aborted.is_some() {
            self.aborts.inc();
        }
        // A shard that went is another process's to tell of.
        if !step.closed.is_empty() {
            self.shared_time.clear();
            self.shared_time_waits_for.clear();
        }
        for (shard, heard) in &step.heard {
            let labels = ShardLabels { shard: *shard };
            #[expect(clippy::cast_precision_loss, reason = "milliseconds of centuries are exact")]
            if let Some(until) = heard.until {
                self.shared_time.get_or_create(&labels).set(until as f64 / 1e3);
            }
            self.shared_time_waits_for.get_or_create(&labels).set(heard.waits_for.map_or(-1, i64::from));
        }
        if !step.opened.is_empty() {
            self.restore_seconds.set(wall.as_secs_f64());
        }
    }

    /// Shows the archiver's counters too.
    pub fn archive_of(&self, topic: &str, archive: Arc<archive::Metrics>) {
        let _ = self.archive.set((topic.to_owned(), archive));
    }

    fn look_at_archive(&self) {
        let Some((topic, archive)) = self.archive.get() else { return };
        for (partition, place) in archive.partitions() {
            let labels = PartitionLabels { topic: topic.clone(), partition };
            self.archive_lag.get_or_create(&labels).set(place.lag());
        }
        self.archive_failing.set(i64::from(archive.failing.load(Ordering::Relaxed)));
        self.archive_lost.set(i64::from(archive.has_lost()));
    }

    /// The text that Prometheus reads.
    #[must_use]
    pub fn encoded(&self) -> String {
        self.look_at_archive();
        let mut text = String::new();
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        // Writing to a String does not fail.
        let _ = encode(&mut text, &registry);
        text
    }
}
