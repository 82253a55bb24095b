//! Topics, for tests that need them just so.

use futures::executor::block_on;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication, TopicResult};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::KafkaError;

use crate::error::{Error, Result};

/// Creates topic `name` with `configs` such as `("cleanup.policy", "compact")`.
///
/// # Errors
/// When the broker refuses: the topic exists, a setting does not.
pub fn create_topic(bootstrap: &str, name: &str, partitions: i32, configs: &[(&str, &str)]) -> Result<()> {
    let doing = format!("creating topic {name}");
    let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    for (key, value) in configs {
        topic = topic.set(key, value);
    }
    outcome(&doing, block_on(admin(bootstrap, &doing)?.create_topics([&topic], &AdminOptions::new())))
}

/// # Errors
/// When there is no such topic.
pub fn delete_topic(bootstrap: &str, name: &str) -> Result<()> {
    let doing = format!("deleting topic {name}");
    outcome(&doing, block_on(admin(bootstrap, &doing)?.delete_topics(&[name], &AdminOptions::new())))
}

/// Raises the number of partitions to `partitions`.
///
/// # Errors
/// When there is no such topic, or it has as many already.
pub fn grow_topic(bootstrap: &str, name: &str, partitions: usize) -> Result<()> {
    let doing = format!("adding partitions to topic {name}");
    let grown = NewPartitions::new(name, partitions);
    outcome(&doing, block_on(admin(bootstrap, &doing)?.create_partitions([&grown], &AdminOptions::new())))
}

fn admin(bootstrap: &str, doing: &str) -> Result<AdminClient<DefaultClientContext>> {
    ClientConfig::new().set("bootstrap.servers", bootstrap).create().map_err(Error::client(doing))
}

fn outcome(doing: &str, answer: std::result::Result<Vec<TopicResult>, KafkaError>) -> Result<()> {
    let results = answer.map_err(Error::client(doing))?;
    let refused = results.into_iter().find_map(|result| result.err());
    refused.map_or(Ok(()), |(_, code)| Err(Error::client(doing)(KafkaError::AdminOp(code))))
}
