//! Reading spans of partitions beside the workers: from one offset to another, without a part in the group.

use std::ops::Range;
use std::time::{Duration, Instant};

use data::kafka::{KafkaSettings, nameless_id, topic_id};
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::port::{READING, defaults};
use super::reader::{partition_number, record};
use crate::error::{Error, Result};
use crate::frame::{Record, TopicId, TopicPartition};
use crate::worker::port::Committed;

const ASK: Duration = Duration::from_secs(5);
/// Brokers that send nothing for so long are taken to be gone.
const PATIENCE: Duration = Duration::from_secs(20);
const TICK: Duration = Duration::from_millis(100);

/// A reader of committed records that asks what a group has committed, and commits nothing.
pub struct Spans {
    consumer: BaseConsumer<Quiet>,
    brokers: String,
}

/// Every error reaches the caller too, who knows what it means; the end of a partition is none.
struct Quiet;

impl ClientContext for Quiet {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "client");
    }
}

impl ConsumerContext for Quiet {}

/// The offsets of a partition: the first that is still there, and the one behind the last committed record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    pub low: i64,
    pub end: i64,
}

impl Spans {
    /// # Errors
    /// When librdkafka refuses a setting.
    pub fn new(kafka: &KafkaSettings, group: &str) -> Result<Self> {
        let mut config = kafka.client_config();
        defaults(&mut config, kafka, &READING);
        config.set("group.id", group);
        config.set("enable.auto.commit", "false");
        config.set("enable.auto.offset.store", "false");
        config.set("enable.partition.eof", "true");
        config.set("isolation.level", "read_committed");
        config.set("auto.offset.reset", "error");
        let made = config.create_with_context(Quiet);
        let consumer = made.map_err(|error| Error::Kafka(format!("a consumer: {error}; see [kafka]")))?;
        Ok(Self { consumer, brokers: kafka.brokers.clone() })
    }

    /// How many partitions a topic has; 0 when there is no such topic.
    ///
    /// # Errors
    /// When the brokers do not answer.
    pub fn partitions(&self, topic: &str) -> Result<u32> {
        let metadata = self.consumer.fetch_metadata(Some(topic), ASK).map_err(|error| {
            Error::Kafka(format!(
                "brokers {}: {error}; is Kafka running there, and are --brokers and [kafka] right?",
                self.brokers
            ))
        })?;
        let found = metadata.topics().iter().find(|found| found.name() == topic && found.error().is_none());
        Ok(found.map_or(0, |topic| u32::try_from(topic.partitions().len()).unwrap_or(u32::MAX)))
    }

    /// Whether a topic is still the one that [`data::kafka::Topics::id`] told apart as `id`.
    ///
    /// # Errors
    /// When the brokers do not answer.
    pub fn is_same_topic(&self, topic: &str, id: &str) -> Result<bool> {
        if id == nameless_id(topic) {
            return Ok(true);
        }
        match topic_id(self.consumer.client(), topic, ASK) {
            Ok(found) => Ok(found == id),
            Err(reason) => Err(Error::Kafka(format!("topic {topic}: its id cannot be had: {reason}"))),
        }
    }

    /// What the group has committed for each of `partitions`.
    ///
    /// # Errors
    /// When the brokers do not answer.
    pub fn committed(&self, topic: &str, partitions: &[u32]) -> Result<Vec<Option<Committed>>> {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for partition in partitions {
            list.add_partition(topic, partition_number(*partition));
        }
        let list = self.consumer.committed_offsets(list, ASK).map_err(asking(topic, "committed offsets"))?;
        let of = |partition: &u32| {
            let element = list.find_partition(topic, partition_number(*partition))?;
            match element.offset() {
                Offset::Offset(offset) => Some(Committed { offset, metadata: element.metadata().to_owned() }),
                _ => None,
            }
        };
        Ok(partitions.iter().map(of).collect())
    }

    /// # Errors
    /// When the brokers do not answer.
    pub fn ends(&self, topic: &str, partition: u32) -> Result<Ends> {
        let (low, end) = self
            .consumer
            .fetch_watermarks(topic, partition_number(partition), ASK)
            .map_err(asking(topic, "its offsets"))?;
        Ok(Ends { low, end })
    }

    /// Hands every committed record of `span` to `each`, in order; `None` tells that nothing has come for a moment, so that it may
    /// give up. The records' topic is a mere placeholder: they are all of the one asked for.
    ///
    /// # Errors
    /// What `each` says, or when the span cannot be read to its end.
    pub fn read<E: From<Error>>(
        &self,
        topic: &str,
        partition: u32,
        span: Range<i64>,
        each: impl FnMut(Option<&Record<'_>>) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        if span.is_empty() {
            return Ok(());
        }
        // Asked first: an end that reading comes upon later is not before this one.
        let end = self.ends(topic, partition)?.end;
        if end < span.end {
            let wanted = span.end;
            let short = format!("topic {topic}, partition {partition} ends at {end}, before offset {wanted}");
            return Err(Error::Kafka(short).into());
        }
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition_number(partition), Offset::Offset(span.start))
            .and_then(|()| self.consumer.assign(&list))
            .map_err(asking(topic, "its records"))?;
        let read = self.read_assigned(topic, partition, &span, each);
        if let Err(error) = self.consumer.unassign() {
            tracing::debug!(%error, topic, "a partition cannot be left");
        }
        read
    }

    fn read_assigned<E: From<Error>>(
        &self,
        topic: &str,
        partition: u32,
        span: &Range<i64>,
        mut each: impl FnMut(Option<&Record<'_>>) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let at = TopicPartition { topic: TopicId(0), partition };
        let mut heard = Instant::now();
        loop {
            match self.consumer.poll(TICK) {
                Some(Ok(message)) => {
                    heard = Instant::now();
                    let record = record(at, &message);
                    if record.offset < span.end {
                        each(Some(&record))?;
                    }
                    if record.offset + 1 >= span.end {
                        return Ok(());
                    }
                }
                // Behind the last record may be marks of transactions, which are never handed over.
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok(()),
                Some(Err(error)) if gone(&error) => return Err(asking(topic, "its records")(error).into()),
                Some(Err(error)) => tracing::debug!(%error, topic, "reading"),
                None => each(None)?,
            }
            if heard.elapsed() > PATIENCE {
                let silent = format!("topic {topic}, partition {partition}: the brokers {} send nothing", self.brokers);
                return Err(Error::Kafka(silent).into());
            }
        }
    }

    /// Takes notice of what the client has to say; to be called now and then while nothing is read.
    pub fn idle(&self) {
        while let Some(event) = self.consumer.poll(Duration::ZERO) {
            if let Err(error) = event {
                tracing::debug!(%error, "idle");
            }
        }
    }
}

/// Whether waiting does not bring the records back.
fn gone(error: &KafkaError) -> bool {
    super::failure::of_reading(error).is_some()
}

fn asking(topic: &str, what: &str) -> impl FnOnce(KafkaError) -> Error {
    move |error| Error::Kafka(format!("topic {topic}: {what} cannot be had: {error}"))
}
