//! Reading spans of partitions beside the workers: from one offset to another, without a part in the group.

use std::ops::Range;
use std::time::{Duration, Instant};

use data::kafka::{Context, KafkaSettings, nameless_id, reach, topic_id};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::port::{READING, defaults};
use super::reader::{partition_number, record};
use crate::error::{Error, Result};
use crate::frame::{Record, TopicId, TopicPartition};
use crate::worker::port::Committed;

/// Offsets that are read to tell records from marks.
const LOOKED_AT: i64 = 64;
const ASK: Duration = Duration::from_secs(5);
/// Brokers that send nothing for so long are taken to be gone.
const PATIENCE: Duration = Duration::from_secs(20);
const TICK: Duration = Duration::from_millis(100);

/// A reader that asks what a group has committed, and commits nothing.
pub struct Spans {
    consumer: BaseConsumer<Context>,
    context: Context,
    brokers: String,
}

/// The offsets of a partition: the first that is still there, and the one behind the last record that is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    pub low: i64,
    pub end: i64,
}

impl Spans {
    /// Sees what is committed.
    ///
    /// # Errors
    /// When librdkafka refuses a setting.
    pub fn new(kafka: &KafkaSettings, group: &str) -> Result<Self> {
        Self::with_isolation(kafka, group, "read_committed")
    }

    /// Sees records of open and aborted transactions too.
    ///
    /// # Errors
    /// When librdkafka refuses a setting.
    pub fn uncommitted(kafka: &KafkaSettings, group: &str) -> Result<Self> {
        Self::with_isolation(kafka, group, "read_uncommitted")
    }

    fn with_isolation(kafka: &KafkaSettings, group: &str, isolation: &str) -> Result<Self> {
        let mut config = kafka.client_config();
        defaults(&mut config, kafka, &READING);
        config.set("group.id", group);
        config.set("enable.auto.commit", "false");
        config.set("enable.auto.offset.store", "false");
        config.set("enable.partition.eof", "true");
        config.set("auto.offset.reset", "error");
        config.set("isolation.level", isolation);
        let context = Context::default();
        let consumer = config
            .create_with_context(context.clone())
            .map_err(|error| Error::Kafka(context.explain(&error).to_string()))?;
        Ok(Self { consumer, context, brokers: kafka.brokers.clone() })
    }

    /// How many partitions a topic has; 0 when there is no such topic.
    ///
    /// # Errors
    /// When the brokers do not answer, with the reason.
    pub fn partitions(&self, topic: &str) -> Result<u32> {
        let metadata = reach(self.consumer.client(), &self.context, || self.idle(), Some(topic), ASK);
        let metadata = metadata.map_err(|failure| Error::Kafka(failure.to_string()))?;
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
            Ok(found) => Ok(found.as_deref() == Some(id)),
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
            let Some(element) = list.find_partition(topic, partition_number(*partition)) else { return Ok(None) };
            // An offset that cannot be told is not one that was never committed.
            element.error().map_err(asking(topic, "committed offsets"))?;
            Ok(match element.offset() {
                Offset::Offset(offset) => Some(Committed { offset, metadata: element.metadata().to_owned() }),
                _ => None,
            })
        };
        partitions.iter().map(of).collect()
    }

    /// State and number of members of a group, as far as the brokers tell; no state where there is no such group.
    ///
    /// # Errors
    /// When the brokers do not answer.
    pub fn group(&self, name: &str) -> Result<(Option<String>, usize)> {
        let list = self.consumer.fetch_group_list(Some(name), ASK);
        let list = match list {
            // The embedded broker has no such request.
            Err(error) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::UnsupportedFeature) => {
                return Ok((None, 0));
            }
            list => list.map_err(|error| Error::Kafka(self.context.explain(&error).to_string()))?,
        };
        let found = list.groups().iter().find(|group| group.name() == name && group.state() != "Dead");
        Ok(found.map_or((None, 0), |group| (Some(group.state().to_owned()), group.members().len())))
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

    /// Committed records from `position` on. Transactions leave marks and what they took back behind: where little is left, it
    /// is looked at, so that nothing to do is 0.
    ///
    /// # Errors
    /// When the brokers do not answer.
    pub fn behind(&self, topic: &str, partition: u32, position: i64, ends: &Ends) -> Result<i64> {
        let from = position.max(ends.low);
        let left = (ends.end - from).max(0);
        if left > LOOKED_AT {
            return Ok(left);
        }
        let mut records = 0;
        self.read::<Error>(topic, partition, from..ends.end, |record| {
            records += i64::from(record.is_some());
            Ok(())
        })?;
        Ok(records)
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
        self.wait_for(topic, partition, span.end)?;
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

    /// Waits until everything before `end` is decided. An end that reading comes upon afterwards is not before it.
    fn wait_for(&self, topic: &str, partition: u32, end: i64) -> Result<()> {
        let since = Instant::now();
        loop {
            let now = self.ends(topic, partition)?.end;
            if now >= end {
                return Ok(());
            }
            if since.elapsed() > PATIENCE {
                let short = format!("topic {topic}, partition {partition} ends at {now}, before offset {end}");
                return Err(Error::Kafka(short));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
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
