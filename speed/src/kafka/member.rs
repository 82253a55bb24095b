//! Membership of the group: a consumer that is assigned shards and fetches nothing.

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use data::kafka::Context;
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, ConsumerGroupMetadata, Rebalance};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::TopicPartitionList;

use super::failure;
use crate::frame::TopicId;
use crate::worker::port::{Change, Failure, Result};

/// How often new partitions are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(5);
const ASK: Duration = Duration::from_secs(10);
/// How long after it was told its shards, or should have been, an instance asks for all to be shared out anew.
const SETTLE: Duration = Duration::from_secs(1);
const TOLD_WITHIN: Duration = Duration::from_secs(10);

pub struct Member {
    consumer: BaseConsumer<Moves>,
    home: String,
    joined: Option<Instant>,
    /// What it subscribes to at first beside its home, so that it can ask by leaving it out. An instance that is started again takes
    /// the place of the one before, and nothing is shared out: shards that were on their way when that one died
    /// would be nobody's for good.
    besides: Option<String>,
    inputs: Vec<(TopicId, String)>,
    partitions: BTreeMap<TopicId, u32>,
    looked: Option<Instant>,
}

/// Collects what the group does while it is polled.
#[derive(Debug)]
pub struct Moves {
    home: String,
    changes: Mutex<Vec<Change>>,
    /// When the group told it first what it is assigned, be it nothing.
    told: OnceLock<Instant>,
    context: Context,
}

impl ClientContext for Moves {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        self.context.log(level, facility, text);
    }

    fn error(&self, error: KafkaError, text: &str) {
        self.context.error(error, text);
    }
}

impl ConsumerContext for Moves {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Revoke(partitions) = rebalance {
            self.push(Change::Revoked(self.shards(partitions)));
        }
    }

    fn post_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Assign(partitions) = rebalance {
            // The partitions stand for shards; what is in them is read by the reader.
            if let Err(error) = consumer.pause(partitions) {
                tracing::warn!(%error, "the group's partitions cannot be paused");
            }
            self.told.get_or_init(Instant::now);
            self.push(Change::Assigned(self.shards(partitions)));
        }
    }
}

impl Moves {
    fn push(&self, change: Change) {
        if !matches!(&change, Change::Assigned(shards) | Change::Revoked(shards) if shards.is_empty()) {
            self.lock().push(change);
        }
    }

    fn shards(&self, partitions: &TopicPartitionList) -> Vec<u32> {
        let elements = partitions.elements();
        let of_home = elements.iter().filter(|element| element.topic() == self.home);
        let mut shards: Vec<u32> = of_home.filter_map(|element| u32::try_from(element.partition()).ok()).collect();
        shards.sort_unstable();
        shards
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Change>> {
        self.changes.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Member {
    /// Looks for the group's coordinator, which takes up to half a second; it joins the group for the partitions of `home`
    /// with its first look for changes.
    pub fn new(mut config: ClientConfig, home: &str, inputs: Vec<(TopicId, String)>) -> Result<Self> {
        config.set("enable.auto.commit", "false");
        config.set("auto.offset.reset", "latest");
        if config.get("group.protocol") != Some("consumer") {
            config.set("partition.assignment.strategy", "cooperative-sticky");
        }
        // Nothing is fetched for long: the partitions are paused at once.
        config.set("queued.max.messages.kbytes", "64");
        let is_instance = config.get("group.instance.id").is_some() && config.get("group.protocol") != Some("consumer");
        let besides = inputs.first().filter(|_| is_instance).map(|(_, name)| name.clone());
        let home = home.to_owned();
        let moves =
            Moves { home: home.clone(), changes: Mutex::default(), told: OnceLock::new(), context: Context::default() };
        let consumer: BaseConsumer<Moves> = config.create_with_context(moves).map_err(not_joined)?;
        Ok(Self { consumer, home, joined: None, besides, inputs, partitions: BTreeMap::new(), looked: None })
    }

    pub fn changes(&mut self) -> Result<Vec<Change>> {
        match self.joined {
            None => {
                let topics: Vec<&str> = [&self.home].into_iter().chain(&self.besides).map(String::as_str).collect();
                self.consumer.subscribe(&topics).map_err(not_joined)?;
                self.joined = Some(Instant::now());
            }
            Some(since) if self.besides.is_some() && self.is_settled(since) => {
                self.consumer.subscribe(&[&self.home]).map_err(not_joined)?;
                self.besides = None;
            }
            Some(_) => {}
        }
        let mut changes = self.look()?;
        // A rebalance is an event of its own, and polling stops behind it.
        for _ in 0..8 {
            match self.consumer.poll(Duration::ZERO) {
                Some(Err(error)) => match failure::of_reading(&error) {
                    Some(failure) => return Err(failure),
                    None => tracing::debug!(%error, "group"),
                },
                Some(Ok(_)) => {}
                None if self.consumer.context().lock().is_empty() => break,
                None => {}
            }
            changes.append(&mut self.consumer.context().lock());
        }
        changes.append(&mut self.consumer.context().lock());
        Ok(changes)
    }

    fn is_settled(&self, joined: Instant) -> bool {
        let told = self.consumer.context().told.get();
        told.map_or(joined.elapsed() >= TOLD_WITHIN, |told| told.elapsed() >= SETTLE)
    }

    pub fn metadata(&self) -> Result<ConsumerGroupMetadata> {
        self.consumer.group_metadata().ok_or_else(|| Failure::Ended("not a member of the group any more".to_owned()))
    }

    pub const fn consumer(&self) -> &BaseConsumer<Moves> {
        &self.consumer
    }

    /// Counts the partitions of the inputs, now and then.
    fn look(&mut self) -> Result<Vec<Change>> {
        if self.looked.is_some_and(|looked| looked.elapsed() < LOOK_EVERY) {
            return Ok(Vec::new());
        }
        let mut changes = Vec::new();
        for (topic, name) in &self.inputs {
            let count = match self.consumer.fetch_metadata(Some(name), ASK) {
                Ok(metadata) => metadata.topics().first().map_or(0, |topic| topic.partitions().len()),
                Err(error) if self.looked.is_some() => {
                    tracing::debug!(%error, topic = name, "its partitions cannot be counted now");
                    continue;
                }
                Err(error) => return Err(Failure::Ended(self.consumer.context().context.explain(&error).to_string())),
            };
            let count = u32::try_from(count).unwrap_or_default();
            if self.partitions.insert(*topic, count) != Some(count) {
                changes.push(Change::Partitions(*topic, count));
            }
        }
        self.looked = Some(Instant::now());
        Ok(changes)
    }
}

fn not_joined(error: KafkaError) -> Failure {
    Failure::Ended(format!("joining the group: {error}"))
}
