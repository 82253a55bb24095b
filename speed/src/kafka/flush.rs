//! Sending what lingers, now.

use std::time::Duration;

use rdkafka::bindings;
use rdkafka::producer::{BaseProducer, Producer, ProducerContext};

/// Sends everything that is queued without lingering, and waits up to `patience` until it is acknowledged.
///
/// rdkafka's own `flush` asks librdkafka for no more than a moment, so that messages linger on, and then waits in steps of
/// 100 ms: a commit takes 105 ms with it, and about 10 with this.
#[expect(unsafe_code, reason = "measured: rdkafka offers no way to rd_kafka_flush with a time-out of more than 0")]
pub fn flush<C: ProducerContext>(producer: &BaseProducer<C>, patience: Duration) {
    let millis = i32::try_from(patience.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: the handle is the producer's own and lives as long as the reference to it. What comes of it is told by the
    // count of messages in flight, and by delivery reports.
    unsafe {
        bindings::rd_kafka_flush(producer.client().native_ptr(), millis);
    }
}
