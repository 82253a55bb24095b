//! Reads `rule-segments`, from the beginning and for as long as the process serves.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use data::kafka::{Context, KafkaSettings};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::Members;
use crate::live::{Follow, is_lost, partitions_of, reading_client};

const RETRY: Duration = Duration::from_secs(2);
const ASK: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_millis(50);
/// Records that are taken in at once, while nobody can ask.
const AT_ONCE: usize = 500;
/// How often new partitions are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// A thread of its own: there can be far more of these records than of orders.
pub fn follow_members(shared: Arc<Follow>, kafka: KafkaSettings, topic: String) -> JoinHandle<()> {
    thread::spawn(move || {
        while !shared.stopped() {
            match Reader::open(&kafka, &topic) {
                Ok(Some(mut reader)) => {
                    let reason = reader.run(&shared);
                    if !shared.stopped() {
                        tracing::warn!(topic, reason, "the rules' segments are read anew");
                        shared.behaviour.complete.store(false, Ordering::Relaxed);
                        *shared.behaviour.change_members() = Members::default();
                    }
                }
                // Without rules there is no such topic.
                Ok(None) => shared.behaviour.complete.store(true, Ordering::Relaxed),
                Err(reason) => tracing::debug!(topic, reason, "the rules' segments cannot be read now"),
            }
            shared.wait(RETRY);
        }
    })
}

/// A customer's id, and the record; `None` when it was deleted.
type Change = (String, Option<Vec<u8>>);

struct Reader<'t> {
    client: BaseConsumer<Context>,
    topic: &'t str,
    assigned: BTreeSet<i32>,
    /// Partitions that are not read to their end yet.
    behind: BTreeSet<i32>,
}

impl<'t> Reader<'t> {
    /// `None` where there is no such topic.
    fn open(kafka: &KafkaSettings, topic: &'t str) -> Result<Option<Self>, String> {
        let client = reading_client(kafka, true)?;
        let mut reader = Self { client, topic, assigned: BTreeSet::new(), behind: BTreeSet::new() };
        reader.look()?;
        Ok(if reader.assigned.is_empty() { None } else { Some(reader) })
    }

    /// Reads partitions that are new since the last look.
    fn look(&mut self) -> Result<(), String> {
        let told = |error: KafkaError| self.client.context().explain(&error).to_string();
        let metadata = self.client.fetch_metadata(None, ASK).map_err(told)?;
        let mut list = TopicPartitionList::new();
        let new: Vec<i32> =
            partitions_of(&metadata, self.topic).into_iter().filter(|own| !self.assigned.contains(own)).collect();
        for partition in &new {
            list.add_partition_offset(self.topic, *partition, Offset::Beginning).map_err(told)?;
        }
        if !new.is_empty() {
            self.client.incremental_assign(&list).map_err(told)?;
            self.assigned.extend(&new);
            self.behind.extend(&new);
        }
        Ok(())
    }

    /// Takes records in until the process ends, or the topic is not what it was: why.
    fn run(&mut self, shared: &Follow) -> String {
        let mut looked = Instant::now();
        while !shared.stopped() {
            let (records, lost) = self.poll();
            if !records.is_empty() {
                let mut members = shared.behaviour.change_members();
                for (id, value) in &records {
                    if let Err(error) = members.put(id, value.as_deref()) {
                        shared.unreadable(self.topic, &error.to_string());
                    }
                }
            }
            if let Some(reason) = lost {
                return reason;
            }
            if self.behind.is_empty() {
                shared.behaviour.complete.store(true, Ordering::Relaxed);
            }
            if looked.elapsed() >= LOOK_EVERY {
                looked = Instant::now();
                if let Err(reason) = self.look() {
                    tracing::debug!(reason, "topics cannot be looked at now");
                }
            }
        }
        String::new()
    }

    /// What is there, but not more than [`AT_ONCE`], and why nothing more can come.
    fn poll(&mut self) -> (Vec<Change>, Option<String>) {
        let mut records = Vec::new();
        while records.len() < AT_ONCE {
            let patience = if records.is_empty() { PATIENCE } else { Duration::ZERO };
            match self.client.poll(patience) {
                None => break,
                Some(Ok(message)) => {
                    let id = String::from_utf8_lossy(message.key().unwrap_or_default()).into_owned();
                    records.push((id, message.payload().map(<[u8]>::to_vec)));
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    self.behind.remove(&partition);
                }
                Some(Err(error)) if is_lost(&error) => return (records, Some(error.to_string())),
                Some(Err(error)) => tracing::debug!(%error, "reading goes on"),
            }
        }
        (records, None)
    }
}
