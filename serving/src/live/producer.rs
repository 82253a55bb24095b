//! Writes orders to their topic, and tells where each went.

use std::time::Duration;

use data::kafka::{Context, KafkaSettings};
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseRecord, NoCustomPartitioner, Producer as _, ProducerContext, ThreadedProducer};
use serde::Serialize;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};
use utoipa::ToSchema;

/// How long librdkafka tries, and how long an answer waits for it: a little longer, for librdkafka knows the reason.
const TRIES_MS: &str = "5000";
const PATIENCE: Duration = Duration::from_millis(6_500);

/// Where a line was written.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = WrittenAt)]
pub struct Place {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
}

type Told = Result<(i32, i64), String>;

/// One for a process.
pub struct Producer {
    producer: ThreadedProducer<Deliveries, NoCustomPartitioner>,
    topic: String,
}

impl Producer {
    /// # Errors
    /// When a setting is refused.
    pub fn new(kafka: &KafkaSettings, topic: &str) -> Result<Self, String> {
        let mut config = kafka.producer_config();
        config.set("message.timeout.ms", TRIES_MS).set("linger.ms", "2");
        let context = Deliveries(Context::default());
        let explain = context.0.clone();
        let producer = config.create_with_context(context).map_err(|error| explain.explain(&error).to_string())?;
        Ok(Self { producer, topic: topic.to_owned() })
    }

    /// Writes `lines`, each with its key, and waits until all are acknowledged.
    ///
    /// # Errors
    /// Why the first that failed did; others may have been written.
    pub async fn write(&self, lines: &[(String, Vec<u8>)]) -> Result<Vec<Place>, String> {
        let mut waiting = Vec::with_capacity(lines.len());
        for (key, value) in lines {
            let (sender, receiver) = oneshot::channel();
            let record = BaseRecord::with_opaque_to(&self.topic, Box::new(sender)).key(key.as_bytes()).payload(value);
            self.producer.send(record).map_err(|(error, _)| self.explain(&error))?;
            waiting.push(receiver);
        }
        let mut places = Vec::with_capacity(lines.len());
        let until = Instant::now() + PATIENCE;
        for receiver in waiting {
            let told = timeout_at(until, receiver).await.map_err(|_| self.unanswered())?;
            let told = told.map_err(|_| "the producer ended".to_owned())?;
            let (partition, offset) = told?;
            places.push(Place { topic: self.topic.clone(), partition, offset });
        }
        Ok(places)
    }

    /// An idempotent producer does not give up what it has sent before its connection does.
    fn unanswered(&self) -> String {
        let reason = self.explain(&KafkaError::MessageProduction(RDKafkaErrorCode::MessageTimedOut));
        format!("the brokers have not acknowledged them within {} s, and may still do so: {reason}", PATIENCE.as_secs())
    }

    fn explain(&self, error: &KafkaError) -> String {
        self.producer.context().0.explain(error).to_string()
    }

    /// Waits for what is under way.
    pub fn flush(&self, patience: Duration) {
        let _ = self.producer.flush(patience);
    }
}

struct Deliveries(Context);

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        self.0.log(level, facility, text);
    }

    fn error(&self, error: KafkaError, text: &str) {
        self.0.error(error, text);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Box<oneshot::Sender<Told>>;

    fn delivery(&self, result: &DeliveryResult<'_>, told: Self::DeliveryOpaque) {
        let answer = match result {
            Ok(message) => Ok((message.partition(), message.offset())),
            Err((error, _)) => Err(self.0.explain(error).to_string()),
        };
        // Who asked may have gone.
        let _ = told.send(answer);
    }
}
