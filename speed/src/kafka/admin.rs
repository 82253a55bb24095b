//! The topics: found, made where missing, and told apart.

use std::time::Duration;

use data::kafka::{Context, KafkaSettings, reach, topic_id};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::error::RDKafkaErrorCode;

const ASK: Duration = Duration::from_secs(10);

pub struct Cluster {
    admin: AdminClient<Context>,
    context: Context,
}

/// A topic that has to be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicWish {
    pub name: String,
    pub partitions: u32,
    pub configs: Vec<(&'static str, String)>,
}

impl Cluster {
    /// # Errors
    /// When a setting is refused.
    pub fn new(kafka: &KafkaSettings) -> Result<Self, String> {
        let context = Context::default();
        let mut config = kafka.client_config();
        // To ask for a topic would make it, with whatever partitions and clean-up the broker thinks fit.
        config.set("allow.auto.create.topics", "false");
        let admin = config.create_with_context(context.clone());
        let admin = admin.map_err(|error| context.explain(&error).to_string())?;
        Ok(Self { admin, context })
    }

    /// How many partitions a topic has; `None` when it is not there.
    ///
    /// # Errors
    /// When the brokers do not answer, with the reason.
    pub fn partitions(&self, topic: &str) -> Result<Option<u32>, String> {
        let metadata = reach(self.admin.inner(), &self.context, || (), Some(topic), ASK);
        let metadata = metadata.map_err(|failure| failure.to_string())?;
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        Ok(found
            .filter(|topic| topic.error().is_none() && !topic.partitions().is_empty())
            .and_then(|topic| u32::try_from(topic.partitions().len()).ok()))
    }

    /// Kafka's id of a topic; a cluster that gives none is taken at the topic's name.
    #[must_use]
    pub fn topic_id(&self, topic: &str) -> String {
        topic_id(self.admin.inner(), topic, ASK).unwrap_or_else(|reason| {
            tracing::warn!(
                topic,
                reason,
                "the topic's id is unknown: a topic that is deleted and made again cannot be told apart"
            );
            nameless_id(topic)
        })
    }

    /// Makes a topic; one that is there already stays as it is.
    ///
    /// # Errors
    /// When the cluster refuses.
    pub fn create(&self, wish: &TopicWish) -> Result<(), String> {
        let partitions = i32::try_from(wish.partitions).unwrap_or(i32::MAX);
        let mut topic = NewTopic::new(&wish.name, partitions, TopicReplication::Fixed(-1));
        for (name, value) in &wish.configs {
            topic = topic.set(name, value);
        }
        let options = AdminOptions::new().operation_timeout(Some(ASK));
        let made = futures::executor::block_on(self.admin.create_topics([&topic], &options));
        let refused = |reason: String| format!("topic {} cannot be made: {reason}", wish.name);
        match made.map_err(|error| refused(error.to_string()))?.pop() {
            None | Some(Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(()),
            Some(Err((_, code))) => Err(refused(code.to_string())),
        }
    }
}

/// What stands for the id of a topic in a cluster that gives none.
pub fn nameless_id(topic: &str) -> String {
    format!("name-{topic}")
}
