//! Topics that must exist.

use std::time::{Duration, Instant};

use futures::executor::block_on;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;

use super::failure::{Context, reach};
use super::settings::KafkaSettings;
use super::topic_id::topic_id;

/// Until a broker has made a topic.
const PATIENCE: Duration = Duration::from_secs(10);
/// How the ids of librdkafka's mock clusters begin.
const EMBEDDED: &str = "mockCluster";

/// Why a topic cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum TopicFailure {
    #[error("topic {topic} does not exist and could not be made ({reason}); make it, or give the account the right to")]
    NotMade { topic: String, reason: String },
    /// The brokers do not answer, or refuse to.
    #[error("{0}")]
    Unreachable(String),
}

/// A way to the topics of a cluster.
pub struct Topics {
    client: BaseConsumer<Context>,
    context: Context,
    admin: AdminClient<DefaultClientContext>,
}

impl Topics {
    /// # Errors
    /// When a setting is refused.
    pub fn new(settings: &KafkaSettings) -> Result<Self, String> {
        let context = Context::default();
        let config = settings.client_config();
        let client = config.create_with_context(context.clone());
        let client = client.map_err(|error| context.explain(&error).to_string())?;
        let admin = config.create().map_err(|error| context.explain(&error).to_string())?;
        Ok(Self { client, context, admin })
    }

    /// Waits until a broker answers.
    ///
    /// # Errors
    /// When none does in time, or the login is refused.
    pub fn reach(&self) -> Result<(), TopicFailure> {
        self.partitions("", None).map(drop).map_err(TopicFailure::Unreachable)
    }

    /// Makes `topic` with `partitions` and `configs` such as `("cleanup.policy", "compact")`, unless it exists; then
    /// it stays as it is. Brokers replicate as they are set to. How many partitions it has.
    ///
    /// The embedded broker makes any topic it is asked about, with four partitions.
    ///
    /// # Errors
    /// When the brokers do not answer, or refuse.
    pub fn ensure(&self, topic: &str, partitions: u32, configs: &[(&str, &str)]) -> Result<u32, TopicFailure> {
        let failed = |reason: String| TopicFailure::NotMade { topic: topic.to_owned(), reason };
        if let Some(partitions) = self.partitions(topic, None).map_err(TopicFailure::Unreachable)? {
            return Ok(partitions);
        }
        if self.is_embedded() {
            // A producer that asks about a topic makes it.
            let asked = self.admin.inner().fetch_metadata(Some(topic), PATIENCE);
            asked.map_err(|error| failed(error.to_string()))?;
        } else {
            create(&self.admin, topic, i32::try_from(partitions).unwrap_or(i32::MAX), configs).map_err(failed)?;
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(partitions) = self.partitions(topic, Some(topic)).map_err(failed)? {
                return Ok(partitions);
            }
            if Instant::now() >= deadline {
                return Err(failed(format!("the broker does not show it after {} s", PATIENCE.as_secs())));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What a topic is set to, its broker's default included; `None` where the brokers do not tell.
    #[must_use]
    pub fn setting(&self, topic: &str, name: &str) -> Option<String> {
        if self.is_embedded() {
            return None;
        }
        let options = AdminOptions::new().request_timeout(Some(PATIENCE));
        let described = block_on(self.admin.describe_configs([&ResourceSpecifier::Topic(topic)], &options)).ok()?;
        described.into_iter().find_map(|resource| resource.ok()?.get(name)?.value.clone())
    }

    /// Kafka's id of a topic; a cluster that gives none is taken at the topic's name, and a topic made again is not told apart there.
    ///
    /// # Errors
    /// When there is no such topic, or the brokers do not answer.
    pub fn id(&self, topic: &str) -> Result<String, String> {
        if self.is_embedded() {
            return Ok(nameless_id(topic));
        }
        match topic_id(self.admin.inner(), topic, PATIENCE) {
            Ok(id) => Ok(id.unwrap_or_else(|| nameless_id(topic))),
            Err(reason) => Err(format!("topic {topic}: its id cannot be had: {reason}")),
        }
    }

    /// The embedded broker leaves admin requests unanswered.
    #[must_use]
    pub fn is_embedded(&self) -> bool {
        self.client.client().fetch_cluster_id(PATIENCE).is_some_and(|id| id.starts_with(EMBEDDED))
    }

    /// `asked` is what the brokers are asked about: all topics do not make a missing one.
    fn partitions(&self, topic: &str, asked: Option<&str>) -> Result<Option<u32>, String> {
        let poll = || drop(self.client.poll(Duration::ZERO));
        let metadata = reach(self.client.client(), &self.context, poll, asked, PATIENCE);
        let metadata = metadata.map_err(|failure| failure.to_string())?;
        let found = metadata.topics().iter().find(|found| found.name() == topic && found.error().is_none());
        let count = found.map_or(0, |found| found.partitions().len());
        Ok(u32::try_from(count).ok().filter(|count| *count > 0))
    }
}

/// What stands for the id of a topic whose cluster gives it none.
#[must_use]
pub fn nameless_id(topic: &str) -> String {
    format!("name-{topic}")
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
