//! What every client of Kafka here shares: settings, ids of topics, the rule by which a key finds its partition, topics
//! that must exist, words for what goes wrong, and a broker for trying out.

pub mod embedded;
pub mod failure;
pub mod partition;
pub mod settings;
pub mod topic;
pub mod topic_id;

pub use embedded::EmbeddedBroker;
pub use failure::{Cause, Context, Failure, explain, reach};
pub use partition::partition_of;
pub use settings::{KafkaSettings, parse_property};
pub use topic::{TopicFailure, Topics, nameless_id};
pub use topic_id::topic_id;
