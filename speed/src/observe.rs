//! What a run says of itself: gauges that no worker sets, a line now and then, and warnings.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use data::EventTime;

use crate::catalog::Catalog;
use crate::frame::Counted;
use crate::operators::segments::Shelf;
use crate::run::Shared;

/// Watches the run until it stops: what the metrics say that no worker says.
pub async fn observe(shared: &Shared, catalog: &Catalog) {
    let metrics = &shared.health.metrics;
    let (mut records, mut since) = (0, Instant::now());
    let mut told = Counted::default();
    while !shared.stop.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let newest = catalog.newest();
        metrics.publication.set(newest.publication);
        metrics.publication_age.set((EventTime::now().micros() - newest.published_at.micros()) / 1_000_000);
        metrics.shards.set(i64::try_from(shared.lock_owned().len()).unwrap_or_default());
        if since.elapsed() >= Duration::from_secs(10) {
            let read = metrics.records.get();
            if read > records {
                #[expect(clippy::cast_precision_loss, reason = "a rate for the eye")]
                let rate = (read - records) as f64 / since.elapsed().as_secs_f64();
                tracing::info!("{rate:.0} records/s, {read} in all, {} dead letters", metrics.dead_letters.get());
            }
            let (late, shed, handed_on) = (metrics.late.get(), metrics.shed.get(), metrics.handed_on.get());
            let now = Counted { late, shed, handed_on };
            warn_of(now, told);
            (records, since, told) = (read, Instant::now(), now);
        }
    }
}

/// Tells of what a person may want to change, as far as it was not told of.
fn warn_of(now: Counted, told: Counted) {
    if now.late > told.late {
        let late = now.late - told.late;
        tracing::warn!(late, "clicks came too late for patterns: raise time.lateness_seconds if they should count");
    }
    if now.shed > told.shed {
        let shed = now.shed - told.shed;
        tracing::warn!(
            shed,
            "clicks or runs were dropped at the limits of a key: max_runs of a pattern, clicks that wait, or 7 MiB in all"
        );
    }
    if now.handed_on > 0 && told.handed_on == 0 {
        tracing::warn!(
            "records are not in the partition of their key: orders are to be keyed by customer, clicks and order events by user, \
             with murmur2, in as many partitions as customer-state has or a multiple. They go a way round, and while a backlog is \
             read, clicks that do can be late for patterns"
        );
    }
}
