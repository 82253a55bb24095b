//! Following topics from now on, without a group.

use std::ops::ControlFlow;
use std::time::Duration;

use data::kafka::{Context, KafkaSettings, reach};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::failure;
use crate::error::{Error, Result};

const ASK: Duration = Duration::from_secs(10);

/// Hands over every committed value written to `topics` from now on, with its topic's place in the list, and every
/// 100 ms without one `None`, until `each` breaks off.
///
/// # Errors
/// When the brokers do not answer, or a topic is not there.
pub fn tail(
    kafka: &KafkaSettings,
    topics: &[&str],
    mut each: impl FnMut(Option<(usize, &[u8])>) -> ControlFlow<()>,
) -> Result<()> {
    let mut config = kafka.client_config();
    // Nothing is committed, but librdkafka wants a name.
    config.set("group.id", "clientele-tail").set("enable.auto.commit", "false");
    let context = Context::default();
    let explain = |error| Error::Kafka(context.explain(&error).to_string());
    let consumer: BaseConsumer<Context> = config.create_with_context(context.clone()).map_err(explain)?;
    let mut list = TopicPartitionList::new();
    for topic in topics {
        let metadata = reach(consumer.client(), &context, || drop(consumer.poll(Duration::ZERO)), Some(topic), ASK);
        let metadata = metadata.map_err(|failure| Error::Kafka(failure.to_string()))?;
        let partitions = metadata.topics().iter().flat_map(|topic| topic.partitions()).map(|found| found.id());
        let before = list.count();
        for partition in partitions {
            list.add_partition_offset(topic, partition, Offset::End).map_err(explain)?;
        }
        if list.count() == before {
            return Err(Error::Kafka(format!("there is no topic {topic} yet; `speed run` makes it")));
        }
    }
    consumer.assign(&list).map_err(explain)?;
    loop {
        let flow = match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                let place = topics.iter().position(|topic| *topic == message.topic()).unwrap_or_default();
                each(message.payload().map(|value| (place, value)))
            }
            Some(Err(error)) => match failure::of_reading(&error) {
                Some(failure) => return Err(failure.into()),
                None => ControlFlow::Continue(()),
            },
            None => each(None),
        };
        if flow.is_break() {
            return Ok(());
        }
    }
}
