//! Topics that must exist.

use std::time::{Duration, Instant};

use futures::executor::block_on;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::metadata::Metadata;

use super::failure::{Context, reach};
use super::settings::KafkaSettings;

/// Until a broker has made a topic.
const PATIENCE: Duration = Duration::from_secs(10);
/// How the ids of librdkafka's mock clusters begin.
const EMBEDDED: &str = "mockCluster";

/// A topic that is not there and cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("topic {topic} does not exist and could not be made ({reason}); make it, or give the account the right to")]
pub struct TopicFailure {
    pub topic: String,
    pub reason: String,
}

/// Makes `topic` with `partitions` and `configs` such as `("cleanup.policy", "compact")`, unless it exists; then
/// it stays as it is. Brokers replicate as they are set to. How many partitions it has.
///
/// The embedded broker makes any topic it is asked about, with four partitions.
///
/// # Errors
/// When the brokers do not answer, or refuse.
pub fn ensure_topic(
    settings: &KafkaSettings,
    topic: &str,
    partitions: i32,
    configs: &[(&str, &str)],
) -> Result<usize, TopicFailure> {
    let failed = |reason: String| TopicFailure { topic: topic.to_owned(), reason };
    let context = Context::default();
    let config = settings.client_config();
    let client: BaseConsumer<Context> =
        config.create_with_context(context.clone()).map_err(|error| failed(context.explain(&error).to_string()))?;
    let ask = |topic| {
        let poll = || drop(client.poll(Duration::ZERO));
        reach(client.client(), &context, poll, topic, PATIENCE).map_err(|failure| failed(failure.to_string()))
    };
    let count = |metadata: &Metadata| {
        let found = metadata.topics().iter().find(|found| found.name() == topic && found.error().is_none());
        found.map(|found| found.partitions().len()).filter(|count| *count > 0)
    };
    if let Some(partitions) = count(&ask(None)?) {
        return Ok(partitions);
    }
    let admin: AdminClient<DefaultClientContext> = config.create().map_err(|error| failed(error.to_string()))?;
    // The embedded broker leaves admin requests unanswered; a producer that asks about a topic makes it.
    if client.client().fetch_cluster_id(PATIENCE).is_some_and(|id| id.starts_with(EMBEDDED)) {
        let asked = admin.inner().fetch_metadata(Some(topic), PATIENCE);
        asked.map_err(|error| failed(error.to_string()))?;
    } else {
        create(&admin, topic, partitions, configs).map_err(failed)?;
    }
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(partitions) = count(&ask(Some(topic))?) {
            return Ok(partitions);
        }
        if Instant::now() >= deadline {
            return Err(failed(format!("the broker does not show it after {} s", PATIENCE.as_secs())));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn create(
    admin: &AdminClient<DefaultClientContext>,
    topic: &str,
    partitions: i32,
    configs: &[(&str, &str)],
) -> Result<(), String> {
    let blank = NewTopic::new(topic, partitions, TopicReplication::Fixed(-1));
    let wanted = configs.iter().fold(blank, |wanted, (name, value)| wanted.set(name, value));
    let options = AdminOptions::new().request_timeout(Some(PATIENCE)).operation_timeout(Some(PATIENCE));
    let results = block_on(admin.create_topics([&wanted], &options)).map_err(|error| error.to_string())?;
    match results.into_iter().find_map(|result| result.err()) {
        None | Some((_, RDKafkaErrorCode::TopicAlreadyExists)) => Ok(()),
        Some((_, code)) => Err(code.to_string()),
    }
}
