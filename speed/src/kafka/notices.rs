//! Single records outside of any transaction: what a process says of itself.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use data::kafka::KafkaSettings;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use super::flush::flush;
use super::producer::Reports;

const PATIENCE: Duration = Duration::from_secs(5);

pub struct Notices {
    producer: BaseProducer<Reports>,
    topic: String,
}

impl Notices {
    /// # Errors
    /// When a setting is refused.
    pub fn new(kafka: &KafkaSettings, topic: &str) -> Result<Self, String> {
        let mut config = kafka.producer_config();
        config.set("delivery.report.only.error", "true").set("message.timeout.ms", PATIENCE.as_millis().to_string());
        let producer = config.create_with_context(Reports::default());
        let producer = producer.map_err(|error| format!("the producer cannot be made: {error}; see [kafka]"))?;
        Ok(Self { producer, topic: topic.to_owned() })
    }

    /// Writes a record, or a tombstone, and waits until it is acknowledged.
    ///
    /// # Errors
    /// When it was not; later it may be all the same.
    pub fn tell(&self, key: &str, value: Option<&[u8]>) -> Result<(), String> {
        let mut record = BaseRecord::<str, [u8]>::to(&self.topic).key(key);
        record.payload = value;
        self.producer.send(record).map_err(|(error, _)| error.to_string())?;
        let since = Instant::now();
        while self.producer.in_flight_count() > 0 && since.elapsed() < 2 * PATIENCE {
            flush(&self.producer, PATIENCE);
            self.producer.poll(Duration::ZERO);
        }
        let reports = self.producer.context();
        if reports.failed.swap(0, Ordering::Relaxed) == 0 {
            return Ok(());
        }
        Err(reports.last.lock().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_default())
    }
}
