//! Alerts that could not be told: kept in a topic of their own.

use std::time::Duration;

use data::kafka::{Context, KafkaSettings};
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, ProducerContext, ThreadedProducer};
use tokio::sync::oneshot;

/// A broker that is away is waited for, so long at a time.
const PATIENCE: Duration = Duration::from_secs(60);

/// Writes dead letters.
pub struct DeadLetters {
    producer: ThreadedProducer<Acknowledged>,
    topic: String,
}

/// Hands each acknowledgement to who waits for it.
#[derive(Default)]
struct Acknowledged(Context);

impl ClientContext for Acknowledged {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        self.0.log(level, facility, text);
    }

    fn error(&self, error: KafkaError, text: &str) {
        self.0.error(error, text);
    }
}

impl ProducerContext for Acknowledged {
    type DeliveryOpaque = Box<oneshot::Sender<Result<(), KafkaError>>>;

    fn delivery(&self, result: &DeliveryResult<'_>, waiting: Self::DeliveryOpaque) {
        let result = result.as_ref().map(drop).map_err(|(error, _)| error.clone());
        // Who waited may be gone.
        let _ = waiting.send(result);
    }
}

impl DeadLetters {
    /// # Errors
    /// When the settings cannot be used.
    pub fn new(kafka: &KafkaSettings, topic: &str) -> Result<Self, String> {
        let producer = kafka.producer_config().create_with_context(Acknowledged::default());
        Ok(Self { producer: producer.map_err(|error| error.to_string())?, topic: topic.to_owned() })
    }

    /// Keeps an alert, with the name of the webhook and the reason in its headers.
    ///
    /// # Errors
    /// When it was not written.
    pub async fn keep(&self, webhook: &str, reason: &str, key: &[u8], value: &[u8]) -> Result<(), String> {
        let header = |key, value| Header { key, value: Some(value) };
        let headers = OwnedHeaders::new().insert(header("webhook", webhook)).insert(header("reason", reason));
        let (send, sent) = oneshot::channel();
        let record: BaseRecord<'_, [u8], [u8], _> = BaseRecord::with_opaque_to(&self.topic, Box::new(send));
        let record = record.key(key).payload(value).headers(headers);
        self.producer.send(record).map_err(|(error, _)| error.to_string())?;
        match tokio::time::timeout(PATIENCE, sent).await {
            Ok(Ok(result)) => result.map_err(|error| error.to_string()),
            Ok(Err(_)) => Err("the producer ended".to_owned()),
            Err(_) => Err("the brokers do not answer".to_owned()),
        }
    }
}
