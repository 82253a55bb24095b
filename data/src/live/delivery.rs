//! The producer: hands messages to librdkafka and counts what becomes of them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};

use super::Message;
use super::error::Result;
use crate::kafka::{Context, Failure, KafkaSettings, TopicFailure, Topics, reach};

/// A broker that takes longer to say anything is as good as none.
const REACH_PATIENCE: Duration = Duration::from_secs(8);
/// How long a message waits for its acknowledgement, unless `message.timeout.ms` says otherwise: long enough for a
/// broker to be started again.
const MESSAGE_TIMEOUT_MS: &str = "60000";
/// Batches of acknowledgements taken in at once.
const EVENTS: usize = 8;
/// Served at least so often while the queue is full.
const STEP: Duration = Duration::from_millis(10);

/// A connected producer.
pub struct Delivery {
    producer: BaseProducer<Deliveries>,
    topics: Vec<String>,
}

/// What became of the messages so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub delivered: u64,
    pub failed: u64,
}

impl Delivery {
    /// Connects, and makes `topics` with `partitions` where they do not exist.
    ///
    /// # Errors
    /// [`super::Error::Kafka`] when no broker answers within 10 s, [`super::Error::Topic`].
    pub fn connect(settings: &KafkaSettings, topics: &[String], partitions: u32) -> Result<Self> {
        let context = Deliveries::default();
        let connection = context.connection.clone();
        let mut config = settings.producer_config();
        if config.get("message.timeout.ms").is_none() && config.get("delivery.timeout.ms").is_none() {
            config.set("message.timeout.ms", MESSAGE_TIMEOUT_MS);
        }
        let created = config.create_with_context(context);
        let producer: BaseProducer<Deliveries> = created.map_err(|error| connection.explain(&error))?;
        reach(producer.client(), &connection, || producer.poll(Duration::ZERO), None, REACH_PATIENCE)?;
        let cluster = Topics::new(settings).map_err(TopicFailure::Unreachable)?;
        for topic in topics {
            cluster.ensure(topic, partitions, &[])?;
        }
        Ok(Self { producer, topics: topics.to_vec() })
    }

    /// Their names, as people list them.
    #[must_use]
    pub fn topics(&self) -> String {
        self.topics.join(" and ")
    }

    /// Takes a message; waits while the queue is full, unless told to `stop`. Whether it was taken.
    pub fn send(&self, message: &Message, stop: &AtomicBool) -> bool {
        let topic = self.topics.get(message.topic).map_or("", String::as_str);
        let mut record = BaseRecord::<[u8], [u8]>::to(topic).payload(&message.value);
        record.key = (!message.key.is_empty()).then_some(&message.key);
        loop {
            let Err((error, refused)) = self.producer.send(record) else { return true };
            if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                self.producer.context().failed(error);
                return true;
            }
            if stop.load(Ordering::Relaxed) || self.gave_up() {
                return false;
            }
            self.producer.poll(STEP);
            record = refused;
        }
    }

    /// Takes in acknowledgements that are there, a few batches of them.
    pub fn serve(&self) {
        // Without a wait, poll takes one event; with one, it would spin through its last millisecond.
        for _ in 0..EVENTS {
            self.producer.poll(Duration::ZERO);
        }
    }

    #[must_use]
    pub fn counts(&self) -> Counts {
        self.producer.context().counts()
    }

    /// Whether there is no point in sending more: the broker has been away for longer than messages wait.
    #[must_use]
    pub fn gave_up(&self) -> bool {
        self.producer.context().gave_up.load(Ordering::Relaxed)
    }

    /// Waits for what is under way, for `patience`; what is then left has failed. The counts, and why the first
    /// that failed did.
    #[must_use]
    pub fn finish(self, patience: Duration) -> (Counts, Option<Failure>) {
        let deadline = Instant::now() + patience;
        while self.producer.in_flight_count() > 0 && Instant::now() < deadline {
            self.producer.poll(STEP);
        }
        let context = self.producer.context();
        let left = u64::try_from(self.producer.in_flight_count()).unwrap_or_default();
        if left > 0 {
            context.failed.fetch_add(left, Ordering::Relaxed);
            context.remember(KafkaError::Flush(RDKafkaErrorCode::OperationTimedOut));
        }
        let counts = context.counts();
        let reason = context.first_failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        (counts, reason)
    }
}

/// What librdkafka reports.
#[derive(Clone, Default)]
struct Deliveries {
    connection: Context,
    delivered: Arc<AtomicU64>,
    failed: Arc<AtomicU64>,
    gave_up: Arc<AtomicBool>,
    first_failure: Arc<Mutex<Option<Failure>>>,
}

impl Deliveries {
    fn counts(&self) -> Counts {
        Counts { delivered: self.delivered.load(Ordering::Relaxed), failed: self.failed.load(Ordering::Relaxed) }
    }

    fn failed(&self, error: KafkaError) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        let hopeless = matches!(
            error.rdkafka_error_code(),
            Some(RDKafkaErrorCode::MessageTimedOut | RDKafkaErrorCode::Fatal | RDKafkaErrorCode::UnknownTopic)
        );
        if hopeless {
            self.gave_up.store(true, Ordering::Relaxed);
        }
        self.remember(error);
    }

    fn remember(&self, error: KafkaError) {
        let mut first = self.first_failure.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert_with(|| self.connection.explain(&error));
    }
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        self.connection.log(level, facility, text);
    }

    fn error(&self, error: KafkaError, text: &str) {
        self.connection.error(error, text);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        match result {
            Ok(_) => {
                self.delivered.fetch_add(1, Ordering::Relaxed);
            }
            Err((error, _)) => self.failed(error.clone()),
        }
    }
}
