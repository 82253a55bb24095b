//! One worker's way to Kafka: a member, a reader and a producer.

use std::sync::Arc;
use std::time::Duration;

use data::EventTime;
use data::kafka::KafkaSettings;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::member::Member;
use super::producer::{Call, Transactions};
use super::reader::{Reader, partition_number};
use crate::frame::{Emitted, Record, TopicPartition};
use crate::topology::Topology;
use crate::worker::port::{Change, Commit, Facts, Failure, Reading, Result, Writing};

/// What holds between a crash and the restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Delivery {
    /// Outputs, state and offsets in one transaction.
    #[default]
    ExactlyOnce,
    /// Outputs may come twice after a crash; the state stays exact.
    AtLeastOnce,
}

/// Where a group begins that has committed nothing yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    #[default]
    Earliest,
    Latest,
    Time(EventTime),
}

pub struct KafkaPort {
    topology: Arc<Topology>,
    member: Member,
    reader: Reader,
    transactions: Transactions,
}

impl KafkaPort {
    /// Makes the clients of the worker called `name`; it joins the group with its first look for changes.
    ///
    /// # Errors
    /// When librdkafka refuses a setting.
    pub fn new(
        topology: Arc<Topology>,
        kafka: &KafkaSettings,
        (group, name): (&str, &str),
        instance: Option<String>,
        delivery: Delivery,
        start: Start,
    ) -> Result<Self> {
        let mut config = kafka.client_config();
        defaults(&mut config, kafka, &READING);
        config.set("group.id", group);
        let reader = Reader::new(config, topology.topics.clone(), start)?;
        let mut config = kafka.producer_config();
        defaults(&mut config, kafka, &WRITING);
        let id = format!("{group}-{name}");
        let transactional = (delivery == Delivery::ExactlyOnce).then_some(id.as_str());
        let transactions = Transactions::new(config, topology.topics.clone(), transactional)?;
        let mut config = kafka.client_config();
        defaults(&mut config, kafka, &JOINING);
        config.set("group.id", group);
        if let Some(instance) = instance {
            config.set("group.instance.id", instance);
        }
        let inputs = topology.inputs().into_iter().map(|topic| (topic, topology.name(topic).to_owned())).collect();
        let member = Member::new(config, topology.name(topology.home), inputs)?;
        Ok(Self { topology, member, reader, transactions })
    }

    /// Tells whether it waits for the coordinator of transactions.
    #[must_use]
    pub fn call(&self) -> Arc<Call> {
        Arc::clone(&self.transactions.call)
    }
}

/// librdkafka lets a fast consumer starve for a second when its queue was full; 5 ms keep it fed. The queue is bounded in
/// bytes, since memory is. The embedded broker answers a fetch that found nothing only when its wait is over.
pub const READING: [(&str, &str); 3] =
    [("fetch.queue.backoff.ms", "5"), ("queued.max.messages.kbytes", "8192"), ("fetch.wait.max.ms", "25")];
const WRITING: [(&str, &str); 6] = [
    // An order line that the broker took must not be too large with what is known of its customer.
    ("message.max.bytes", MESSAGE_BYTES),
    // librdkafka has one request in flight for a partition, and while more is due its thread polls without pause: so
    // nothing is due before the epoch's end, or a batch is as large as brokers take.
    ("linger.ms", "200"),
    ("batch.size", "1000000"),
    ("queue.buffering.max.kbytes", "32768"),
    ("queue.buffering.max.messages", "200000"),
    ("transaction.timeout.ms", "10000"),
];
/// The largest message that is written; topics are made for it.
pub const MESSAGE_BYTES: &str = "8388608";
/// A member learns with a heartbeat that others join or leave, and shards wait for it.
const JOINING: [(&str, &str); 2] = [("session.timeout.ms", "6000"), ("heartbeat.interval.ms", "100")];

/// Sets what the user has not.
pub fn defaults(config: &mut rdkafka::ClientConfig, kafka: &KafkaSettings, ours: &[(&str, &str)]) {
    // With the newer group protocol the broker decides about sessions, and librdkafka refuses to be told.
    let by_broker = kafka.properties.get("group.protocol").is_some_and(|protocol| protocol == "consumer");
    for (name, value) in ours {
        let session = matches!(*name, "session.timeout.ms" | "heartbeat.interval.ms");
        if !(kafka.properties.contains_key(*name) || session && by_broker) {
            config.set(*name, *value);
        }
    }
}

impl Reading for KafkaPort {
    fn changes(&mut self) -> Result<Vec<Change>> {
        self.member.changes()
    }

    fn facts(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Facts>> {
        self.reader.facts(partitions)
    }

    fn read_all(&mut self, at: TopicPartition, facts: &Facts, each: &mut dyn FnMut(&Record<'_>)) -> Result<()> {
        self.reader.read_all(at, facts, each)
    }

    fn follow(&mut self, from: &[(TopicPartition, i64)], leave: &[TopicPartition]) -> Result<()> {
        self.reader.follow(from, leave)
    }

    fn poll(&mut self, wait: Duration, most: usize, each: &mut dyn FnMut(&Record<'_>)) -> Result<usize> {
        self.reader.poll(wait, most, each)
    }

    fn hear(&mut self) -> bool {
        self.reader.hear()
    }
}

impl Writing for KafkaPort {
    fn fence(&mut self) -> Result<()> {
        self.transactions.fence()
    }

    fn begin(&mut self) -> Result<()> {
        self.transactions.begin()
    }

    fn send(&mut self, record: &Emitted<'_>) -> Result<()> {
        self.transactions.send(record)
    }

    fn commit(&mut self, offsets: &[Commit]) -> Result<()> {
        let mut list = TopicPartitionList::with_capacity(offsets.len());
        for commit in offsets {
            let (name, partition) = (self.topology.name(commit.at.topic), partition_number(commit.at.partition));
            let mut element = list.add_partition(name, partition);
            element
                .set_offset(Offset::Offset(commit.offset))
                .map_err(|error| Failure::Ended(format!("offset {}: {error}", commit.offset)))?;
            element.set_metadata(&commit.metadata);
        }
        self.transactions.commit(&list, &self.member)
    }

    fn abort(&mut self) -> Result<()> {
        self.transactions.abort()
    }
}
