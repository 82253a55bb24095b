//! What the archive says about itself.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use data::EventTime;

/// Counters and states, written by the archiver's thread, read by any.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Commits of accepted lines.
    pub commits: AtomicU64,
    pub accepted: AtomicU64,
    pub rejected: AtomicU64,
    /// Attempts that failed, to be tried again.
    pub errors: AtomicU64,
    /// The last attempt failed: the lake or the brokers cannot be reached.
    pub failing: AtomicBool,
    /// Microseconds since 1970; 0 before the first.
    pub last_commit: AtomicI64,
    partitions: Mutex<BTreeMap<u32, Arc<PartitionMetrics>>>,
}

/// One partition of the topic of orders.
#[derive(Debug, Default)]
pub struct PartitionMetrics {
    /// First offset that the lake does not have; -1 as long as that is not known.
    pub archived: AtomicI64,
    /// First offset that may not be archived yet.
    pub cell: AtomicI64,
    /// The next offset that the group reads.
    pub position: AtomicI64,
    /// Lines were deleted before they were archived: a person is needed.
    pub lost: AtomicBool,
}

impl PartitionMetrics {
    /// How many offsets the lake is behind what is processed.
    #[must_use]
    pub fn lag(&self) -> i64 {
        (self.position.load(Ordering::Relaxed) - self.archived.load(Ordering::Relaxed).max(0)).max(0)
    }
}

impl Metrics {
    /// Every partition that this process has looked at.
    #[must_use]
    pub fn partitions(&self) -> BTreeMap<u32, Arc<PartitionMetrics>> {
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether lines were deleted anywhere before they were archived.
    #[must_use]
    pub fn has_lost(&self) -> bool {
        self.partitions().values().any(|partition| partition.lost.load(Ordering::Relaxed))
    }

    pub(super) fn partition(&self, partition: u32) -> Arc<PartitionMetrics> {
        let mut partitions = self.partitions.lock().unwrap_or_else(PoisonError::into_inner);
        let unknown = || Arc::new(PartitionMetrics { archived: AtomicI64::new(-1), ..PartitionMetrics::default() });
        Arc::clone(partitions.entry(partition).or_insert_with(unknown))
    }

    /// Forgets partitions that are another process's now.
    pub(super) fn keep(&self, ours: &[u32]) {
        let mut partitions = self.partitions.lock().unwrap_or_else(PoisonError::into_inner);
        partitions.retain(|partition, _| ours.contains(partition));
    }

    pub(super) fn committed(&self, accepted: u64, rejected: u64) {
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.accepted.fetch_add(accepted, Ordering::Relaxed);
        self.rejected.fetch_add(rejected, Ordering::Relaxed);
        self.last_commit.store(EventTime::now().micros(), Ordering::Relaxed);
    }
}
