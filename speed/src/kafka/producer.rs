//! Writing in transactions; without them, when only at-least-once is asked for.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use data::kafka::Context;
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{CommitMode, Consumer, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use rdkafka::topic_partition_list::TopicPartitionList;

use super::failure::{Verdict, of_transaction};
use super::flush::flush;
use super::member::Member;
use super::reader::partition_number;
use crate::frame::{Emitted, Target, TopicId};
use crate::worker::port::{Failure, Result};

/// A call of the coordinator's; tried again until [`PATIENCE`] is over.
const CALL: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(60);
const FLUSH: Duration = Duration::from_millis(100);

/// A call to the coordinator of transactions: whether one is under way, and since when.
#[derive(Debug, Default)]
pub struct Call(Mutex<Option<Instant>>);

impl Call {
    /// Zero when none is under way.
    #[must_use]
    pub fn lasts(&self) -> Duration {
        self.lock().map_or(Duration::ZERO, |since| since.elapsed())
    }

    fn watch<T>(&self, call: impl FnOnce() -> T) -> T {
        *self.lock() = Some(Instant::now());
        let answer = call();
        *self.lock() = None;
        answer
    }

    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub struct Transactions {
    producer: BaseProducer<Reports>,
    pub call: Arc<Call>,
    topics: Vec<String>,
    transactional: bool,
    open: bool,
}

/// Delivery reports that are no good news: `flush` alone does not tell of them.
#[derive(Debug, Default)]
pub(super) struct Reports {
    context: Context,
    pub(super) failed: AtomicU64,
    pub(super) last: Mutex<Option<String>>,
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        self.context.log(level, facility, text);
    }

    fn error(&self, error: KafkaError, text: &str) {
        self.context.error(error, text);
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            self.failed.fetch_add(1, Ordering::Relaxed);
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
        }
    }
}

impl Transactions {
    pub fn new(mut config: ClientConfig, topics: Vec<String>, transactional_id: Option<&str>) -> Result<Self> {
        config.set("delivery.report.only.error", "true");
        if let Some(id) = transactional_id {
            config.set("transactional.id", id);
        }
        let producer = config
            .create_with_context(Reports::default())
            .map_err(|error| Failure::Stop(format!("the producer cannot be made: {error}; see [kafka]")))?;
        Ok(Self { producer, call: Arc::default(), topics, transactional: transactional_id.is_some(), open: false })
    }

    pub fn fence(&mut self) -> Result<()> {
        if self.transactional { self.patiently("fencing", || self.producer.init_transactions(CALL)) } else { Ok(()) }
    }

    pub fn begin(&mut self) -> Result<()> {
        if self.transactional {
            self.patiently("beginning", || self.producer.begin_transaction())?;
        }
        self.open = true;
        Ok(())
    }

    pub fn send(&mut self, record: &Emitted<'_>) -> Result<()> {
        let mut outgoing = BaseRecord::<[u8], [u8]>::to(self.name(record.target.topic()));
        outgoing.key = record.key;
        outgoing.payload = record.value;
        if let Target::Partition(_, partition) = record.target {
            outgoing.partition = Some(partition_number(partition));
        }
        if !record.headers.is_empty() {
            let headers = OwnedHeaders::new_with_capacity(record.headers.len());
            let add = |headers: OwnedHeaders, (key, value): &(&str, Box<[u8]>)| {
                headers.insert(Header { key, value: Some(&**value) })
            };
            outgoing.headers = Some(record.headers.iter().fold(headers, add));
        }
        outgoing.timestamp = record.timestamp.map(|timestamp| timestamp.micros() / 1_000);
        let since = Instant::now();
        loop {
            match self.producer.send(outgoing) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back))
                    if since.elapsed() < PATIENCE =>
                {
                    self.producer.poll(Duration::ZERO);
                    std::thread::sleep(Duration::from_millis(1));
                    outgoing = back;
                }
                Err((error, _)) => return Err(self.refused(record, &error)),
            }
        }
        Ok(())
    }

    fn refused(&self, record: &Emitted<'_>, error: &KafkaError) -> Failure {
        let name = self.name(record.target.topic());
        let told = format!("topic {name}: a record of {} bytes: {error}", record.value.map_or(0, <[u8]>::len));
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::MessageSizeTooLarge) => Failure::Stop(format!(
                "{told}; raise message.max.bytes, in [kafka] and as max.message.bytes of the topic"
            )),
            Some(RDKafkaErrorCode::UnknownTopic | RDKafkaErrorCode::UnknownPartition) => Failure::Stop(told),
            _ => Failure::Abort(told),
        }
    }

    pub fn commit(&mut self, offsets: &TopicPartitionList, member: &Member) -> Result<()> {
        self.drain()?;
        if self.transactional {
            let group: ConsumerGroupMetadata = member.metadata()?;
            self.patiently("offsets", || self.producer.send_offsets_to_transaction(offsets, &group, CALL))?;
            self.patiently("committing", || self.producer.commit_transaction(CALL))?;
        } else {
            let commit = || member.consumer().commit(offsets, CommitMode::Sync);
            commit().map_err(|error| Failure::Ended(format!("committing offsets: {error}")))?;
        }
        self.open = false;
        Ok(())
    }

    pub fn abort(&mut self) -> Result<()> {
        if !std::mem::take(&mut self.open) {
            return Ok(());
        }
        if !self.transactional {
            return Err(Failure::Ended("what was sent cannot be taken back without transactions".to_owned()));
        }
        self.patiently("aborting", || self.producer.abort_transaction(CALL))?;
        self.producer.context().failed.store(0, Ordering::Relaxed);
        Ok(())
    }

    /// Waits until everything sent is acknowledged.
    fn drain(&self) -> Result<()> {
        let since = Instant::now();
        while self.producer.in_flight_count() > 0 {
            flush(&self.producer, FLUSH);
            // Reports of what was not delivered count as in flight until they are read.
            self.producer.poll(Duration::ZERO);
            if since.elapsed() > PATIENCE {
                return Err(Failure::Abort("the brokers do not acknowledge what was sent".to_owned()));
            }
        }
        let reports = self.producer.context();
        match reports.failed.load(Ordering::Relaxed) {
            0 => Ok(()),
            failed => {
                let last = reports.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
                Err(Failure::Abort(format!("{failed} records were not delivered: {}", last.unwrap_or_default())))
            }
        }
    }

    fn patiently(&self, what: &str, call: impl Fn() -> std::result::Result<(), KafkaError>) -> Result<()> {
        let since = Instant::now();
        loop {
            let Err(error) = self.call.watch(&call) else { return Ok(()) };
            match of_transaction(what, &error) {
                Verdict::Retry if since.elapsed() < PATIENCE => {
                    tracing::debug!(%error, what, "again");
                    self.producer.poll(Duration::from_millis(10));
                }
                Verdict::Retry => {
                    let reason = self.producer.context().context.explain(&error);
                    return Err(Failure::Ended(format!("{what}: {reason}")));
                }
                Verdict::Fail(failure) => return Err(failure),
            }
        }
    }

    fn name(&self, topic: TopicId) -> &str {
        self.topics.get(usize::from(topic.0)).map_or("", String::as_str)
    }
}
