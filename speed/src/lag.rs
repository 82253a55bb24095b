//! How far a process is behind, looked at from outside its workers.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::error::Result;
use crate::kafka::Spans;
use crate::telemetry::{Metrics, PartitionLabels};
use crate::topology::Plan;

/// How often it is looked at.
pub const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Watches the topics that the shards of one process read.
pub struct LagWatch {
    kafka: Spans,
    topics: Vec<String>,
    orders_id: Arc<str>,
    shards: u32,
}

impl LagWatch {
    pub fn new(kafka: Spans, plan: &Plan) -> Self {
        let names = &plan.topics;
        let mut topics = vec![&names.orders, &names.orders_by_customer];
        if plan.rules.is_some() {
            topics.extend([&names.clickstream, &names.clickstream_by_user, &names.clickstream_by_field]);
            topics.extend([&names.order_events, &names.order_events_by_user]);
        }
        let topics = topics.into_iter().cloned().collect();
        Self { kafka, topics, orders_id: Arc::clone(&plan.orders_id), shards: plan.shards.max(1) }
    }

    /// Whether the topic of orders is another one than that whose offsets publications cover: what is read of it would be taken
    /// for what they have counted.
    pub fn is_made_anew(&self) -> bool {
        let same = self.topics.first().map(|orders| self.kafka.is_same_topic(orders, &self.orders_id));
        matches!(same, Some(Ok(false)))
    }

    /// Sets the lag of every partition of the shards in `owned`, and of no other.
    ///
    /// # Errors
    /// When the brokers do not answer.
    pub fn look(&self, owned: &BTreeSet<u32>, metrics: &Metrics) -> Result<()> {
        self.kafka.idle();
        let mut lags = Vec::new();
        for topic in &self.topics {
            let count = self.kafka.partitions(topic)?;
            let ours: Vec<u32> = (0..count).filter(|partition| owned.contains(&(partition % self.shards))).collect();
            for (partition, committed) in ours.iter().zip(self.kafka.committed(topic, &ours)?) {
                let ends = self.kafka.ends(topic, *partition)?;
                let position = committed.map_or(ends.low, |committed| committed.offset);
                let lag = self.kafka.behind(topic, *partition, position, &ends)?;
                lags.push((PartitionLabels { topic: topic.clone(), partition: *partition }, lag));
            }
        }
        metrics.lag.clear();
        for (labels, lag) in lags {
            metrics.lag.get_or_create(&labels).set(lag);
        }
        Ok(())
    }
}
