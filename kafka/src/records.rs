//! Records in and out, all at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, DeliveryResult, Headers, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::{ClientConfig, ClientContext, Offset, TopicPartitionList};

use crate::error::{Error, Result};

const PATIENCE: Duration = Duration::from_secs(30);

/// A record as a reader of committed data sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadRecord {
    pub partition: i32,
    pub offset: i64,
    pub key: Option<Vec<u8>>,
    /// `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    pub timestamp_ms: Option<i64>,
}

/// Writes `records` (key, value) in order and waits until all are acknowledged; keys find their partition as
/// Kafka's default partitioner says.
///
/// # Errors
/// The first record that was not delivered.
pub fn produce_all<K, V>(bootstrap: &str, topic: &str, records: &[(Option<K>, V)]) -> Result<()>
where
    K: AsRef<[u8]>,
    V: AsRef<[u8]>,
{
    let doing = || Error::client(format!("producing to {topic}"));
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap).set("enable.idempotence", "true");
    config.set("partitioner", "murmur2_random").set("message.timeout.ms", "30000");
    let producer: BaseProducer<Deliveries> = config.create_with_context(Deliveries::default()).map_err(doing())?;
    for (key, value) in records {
        let mut record = BaseRecord::<[u8], [u8]>::to(topic).payload(value.as_ref());
        record.key = key.as_ref().map(AsRef::as_ref);
        while let Err((error, refused)) = producer.send(record) {
            if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                return Err(doing()(error));
            }
            producer.poll(Duration::from_millis(10));
            record = refused;
        }
        producer.poll(Duration::ZERO);
    }
    producer.flush(PATIENCE).map_err(doing())?;
    producer.context().outcome(records.len()).map_err(doing())
}

/// Everything in `topic` up to the offsets at the time of the call, without a group: by partition, then by offset.
///
/// # Errors
/// When the topic does not exist or the broker stays silent for 30 s.
pub fn read_committed(bootstrap: &str, topic: &str) -> Result<Vec<ReadRecord>> {
    let doing = || Error::client(format!("reading {topic}"));
    let consumer = consumer(bootstrap).map_err(doing())?;
    let mut open = partitions(&consumer, topic).map_err(doing())?;
    let mut from = TopicPartitionList::new();
    for &partition in &open {
        from.add_partition_offset(topic, partition, Offset::Beginning).map_err(doing())?;
    }
    consumer.assign(&from).map_err(doing())?;
    let mut records = Vec::new();
    let mut deadline = Instant::now() + PATIENCE;
    while !open.is_empty() {
        match consumer.poll(Duration::from_millis(100)) {
            // The end is the last stable offset of an answer, so no earlier than this call.
            Some(Err(KafkaError::PartitionEOF(ended))) => open.retain(|&partition| partition != ended),
            Some(Err(error)) => return Err(doing()(error)),
            Some(Ok(message)) if open.contains(&message.partition()) => {
                records.push(read(&message));
                deadline = Instant::now() + PATIENCE;
            }
            Some(Ok(_)) => {}
            None if Instant::now() >= deadline => {
                return Err(doing()(KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut)));
            }
            None => {}
        }
    }
    records.sort_by_key(|record| (record.partition, record.offset));
    Ok(records)
}

/// The offset behind the last committed record of each partition.
///
/// # Errors
/// When the topic does not exist or the broker does not answer.
pub fn end_offsets(bootstrap: &str, topic: &str) -> Result<Vec<i64>> {
    let doing = || Error::client(format!("reading the end of {topic}"));
    let consumer = consumer(bootstrap).map_err(doing())?;
    let partitions = partitions(&consumer, topic).map_err(doing())?;
    let end = |partition| Ok(consumer.fetch_watermarks(topic, partition, PATIENCE).map_err(doing())?.1);
    partitions.into_iter().map(end).collect()
}

fn consumer(bootstrap: &str) -> std::result::Result<BaseConsumer, KafkaError> {
    ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "none: partitions are assigned") // librdkafka wants one
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("isolation.level", "read_committed")
        .set("auto.offset.reset", "error")
        .set("fetch.wait.max.ms", "10")
        .set("fetch.queue.backoff.ms", "5")
        .create()
}

/// In ascending order.
fn partitions(consumer: &BaseConsumer, topic: &str) -> std::result::Result<Vec<i32>, KafkaError> {
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE)?;
    let found = metadata.topics().first();
    let Some(topic) = found.filter(|topic| topic.error().is_none() && !topic.partitions().is_empty()) else {
        return Err(KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownTopicOrPartition));
    };
    let mut partitions: Vec<i32> = topic.partitions().iter().map(|partition| partition.id()).collect();
    partitions.sort_unstable();
    Ok(partitions)
}

fn read(message: &BorrowedMessage<'_>) -> ReadRecord {
    let headers = message.headers().map(|headers| {
        headers.iter().map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec))).collect()
    });
    ReadRecord {
        partition: message.partition(),
        offset: message.offset(),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers: headers.unwrap_or_default(),
        timestamp_ms: message.timestamp().to_millis(),
    }
}

/// What became of the records: `flush` alone does not say.
#[derive(Clone, Default)]
struct Deliveries {
    delivered: Arc<AtomicUsize>,
    failed: Arc<Mutex<Option<KafkaError>>>,
}

impl Deliveries {
    fn outcome(&self, expected: usize) -> std::result::Result<(), KafkaError> {
        if let Some(error) = self.failed.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(error);
        }
        let all = self.delivered.load(Ordering::Relaxed) == expected;
        if all { Ok(()) } else { Err(KafkaError::Flush(RDKafkaErrorCode::MessageTimedOut)) }
    }
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        match result {
            Ok(_) => {
                self.delivered.fetch_add(1, Ordering::Relaxed);
            }
            Err((error, _)) => {
                self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| error.clone());
            }
        }
    }
}
